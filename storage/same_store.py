"""Is the engine's store the one that was followed so far, or an older copy of it?

A restored copy ends before the cursor, and its next cycles bear numbers that were used before; once they have outgrown
the cursor, a follower that looked at numbers alone would skip everything up to there. So the cycle at the cursor must
be there with the time it was stored with (`follower_cursor.cycle_now`), or be trimmed: only a store that was told of
it trims it.
"""

from collections.abc import Sequence
from typing import Protocol

from engine.journal import JournalBehind, JournalTrimmed
from engine.records import CycleRecord


class Journal(Protocol):
    """What is read of the engine's journal (engine.journal.JournalReader)."""

    engine: str

    def read(self, after_cycle: int, most_readings: int) -> Sequence[CycleRecord]:
        """Committed cycles in order; empty when there are none yet. Raises JournalTrimmed, JournalBehind."""

    def document(self, sha256: str) -> bytes | None:
        """A registry or rule pack by its hash; None when it is no longer kept."""

    def rules_after(self, cycle: int) -> tuple[str, bytes] | None:
        """(sha256, body) of the rules in force after a cycle; None when there were none."""

    def close(self) -> None:
        """Let go of the file."""


class OlderStore(RuntimeError):
    """The engine runs on an older copy of the store that was followed. It passes only when the store is put right; the
    text says how."""

    def __init__(self, engine: str, cycle: int, what: str) -> None:
        super().__init__(
            f"the store of engine {engine} is an older copy: the database has its cycles up to {cycle}, but {what}. "
            "Nothing of it is stored meanwhile. Stop the engine; then put the newer engine.sqlite back, or move "
            "engine.sqlite* and checkpoints/ away so that a new store begins (docs/STORAGE.md, An older engine store)"
        )


def require_same_store(journal: Journal, cycle: int, cycle_now: int | None) -> None:
    """The cursor stands at `cycle`, which had the engine's time `cycle_now` (microseconds UTC; None: not known).
    Raises OlderStore."""
    try:
        journal.read(cycle, 1)
        records = journal.read(cycle - 1, 1) if cycle else ()
    except JournalTrimmed:
        return
    except JournalBehind as behind:
        raise OlderStore(journal.engine, cycle, f"the store ends at {behind.last}") from behind
    if records and cycle_now is not None and records[0].inputs.now != cycle_now:
        raise OlderStore(journal.engine, cycle, f"another cycle {cycle} stands in the store")
