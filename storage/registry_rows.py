"""What becomes of one row of an import."""

from dataclasses import dataclass
from enum import StrEnum


class Fate(StrEnum):
    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class RowFate:
    """What becomes of one row. `reason` says why it is refused, or what a change changes."""

    place: str
    kind: str
    key: str
    fate: Fate
    reason: str = ""
