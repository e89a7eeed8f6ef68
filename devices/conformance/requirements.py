"""Requirements as data: each clause of a document, for which kind and tiers, and what is looked at."""

import tomllib
from pathlib import Path

import msgspec

from devices.conformance.questions import QUESTIONS
from devices.models import DeviceKind, Tier

_FOLDER = Path(__file__).parent


class Clause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One demand. `place`: where it stands in the document; `text`: its own words. `asks`: names of QUESTIONS."""

    id: str
    kind: DeviceKind
    tiers: tuple[Tier, ...]
    place: str
    title: str
    title_en: str
    text: str
    asks: tuple[str, ...]


class Requirements(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document's clauses, in its order."""

    name: str
    name_en: str
    source: str
    clause: tuple[Clause, ...]

    def of(self, kind: DeviceKind, tier: Tier) -> tuple[Clause, ...]:
        """What a model of this kind and tier must do."""
        return tuple(one for one in self.clause if one.kind is kind and tier in one.tiers)


def load_requirements(path: Path = _FOLDER / "annex2.toml") -> Requirements:
    """Raises ValueError naming the file and what is wrong with it."""
    try:
        found = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Requirements)
    except (ValueError, msgspec.ValidationError) as wrong:
        raise ValueError(f"{path.name}: {wrong}") from wrong
    for clause in found.clause:
        unknown = [asked for asked in clause.asks if asked not in QUESTIONS]
        if unknown or not clause.asks:
            raise ValueError(
                f"{path.name}: clause {clause.id}: asks {unknown or 'nothing'}; there are {sorted(QUESTIONS)}"
            )
    if len({clause.id for clause in found.clause}) < len(found.clause):
        raise ValueError(f"{path.name}: two clauses have one id")
    return found
