"""The journal as followers read it: the same file as the store, opened read-only, in short transactions.

J1  A read holds its transaction well under 100 ms and is bounded in readings, cycles and bytes, so that the
    write-ahead log can be reset and a backlog of junk cannot fill its reader's memory.
J2  What is returned was committed; it never changes afterwards.
"""

from collections.abc import Sequence
from pathlib import Path

import apsw

from engine.documents import REGISTRY, registry_in_force
from engine.records import CycleRecord, Quarantined, SourceCount, decode_decisions, decode_inputs
from rules.decisions import Decision

#: Bytes of inputs and quarantine in one read (after its first cycle): some 2,000,000 ordinary readings would fit.
MOST_BYTES = 64 * 1024 * 1024
#: Cycles in one read, whatever their size: an idle engine makes many small ones.
MOST_CYCLES = 4096


class JournalTrimmed(LookupError):
    """The cycles asked for are gone: this follower was never registered, or it fell behind a restored store.
    Permanent; `oldest` is the first one that is left."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"the journal starts at cycle {oldest}")
        self.oldest = oldest


class JournalBehind(LookupError):
    """The store ends before the cycle asked for: it is older than what this follower has seen, as a restored copy is.
    Its next cycles would bear numbers that were used before. Permanent; `last` is where it ends."""

    def __init__(self, last: int) -> None:
        super().__init__(f"the journal ends at cycle {last}")
        self.last = last


class JournalReader:
    """A read-only view. Not for use by two threads at a time."""

    def __init__(self, path: Path) -> None:
        """Raises FileNotFoundError while there is no store yet."""
        if not path.exists():
            raise FileNotFoundError(f"no engine store at {path}")
        # Not SQLITE_OPEN_READONLY: a reader may have to rebuild the shared-memory index after a crash.
        self._db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        self._db.set_busy_timeout(5_000)
        self._db.execute("PRAGMA query_only = on")
        self.engine = str(self._db.execute("SELECT value FROM meta WHERE key = 'engine'").get)

    def read(self, after_cycle: int, most_readings: int) -> list[CycleRecord]:
        """Committed cycles after `after_cycle`, in order, until `most_readings` are reached (at least one cycle when
        there is one). Raises JournalTrimmed when the next cycle is no longer there, JournalBehind when `after_cycle`
        was never there."""
        self._db.execute("BEGIN")
        try:
            last = self._last_cycle()
            rows = self._cycles(after_cycle, most_readings)
            set_aside = self._quarantine(rows[0][0], rows[-1][0]) if rows else {}
        finally:
            self._db.execute("COMMIT")
        if after_cycle > last:
            raise JournalBehind(last)
        if rows and rows[0][0] != after_cycle + 1:
            raise JournalTrimmed(rows[0][0])
        return [
            CycleRecord(
                cycle=cycle,
                inputs=decode_inputs(inputs),
                decisions=decode_decisions(decided) if decided else (),
                quarantined=tuple(set_aside.get(cycle, ())),
            )
            for cycle, _, inputs, decided in rows
        ]

    def _cycles(self, after_cycle: int, most_readings: int) -> list[tuple[int, int, bytes, bytes | None]]:
        rows: list[tuple[int, int, bytes, bytes | None]] = []
        readings = taken_bytes = 0
        for cycle, count, inputs, decided, raw_bytes in self._db.execute(
            "SELECT c.cycle, c.readings, c.inputs, d.decisions,"
            " (SELECT coalesce(sum(length(q.raw)), 0) FROM quarantine q WHERE q.cycle = c.cycle)"
            " FROM cycle c LEFT JOIN decided d USING (cycle) WHERE c.cycle > ? ORDER BY c.cycle",
            (after_cycle,),
        ):
            taken_bytes += len(inputs) + raw_bytes
            if rows and taken_bytes > MOST_BYTES:
                break
            rows.append((cycle, count, inputs, decided))
            readings += count
            if readings >= most_readings or len(rows) >= MOST_CYCLES:
                break
        return rows

    def _quarantine(self, first: int, last: int) -> dict[int, list[Quarantined]]:
        found: dict[int, list[Quarantined]] = {}
        for cycle, *item in self._db.execute(
            "SELECT cycle, received, source, device_no, reason, raw FROM quarantine WHERE cycle BETWEEN ? AND ?"
            " ORDER BY id",
            (first, last),
        ):
            found.setdefault(cycle, []).append(Quarantined(*item))
        return found

    def decisions(self, after_cycle: int, most_cycles: int) -> list[tuple[int, tuple[Decision, ...]]]:
        """Decisions of cycles after `after_cycle` (only cycles that decided something); kept longer than inputs."""
        rows = self._db.execute(
            "SELECT cycle, decisions FROM decided WHERE cycle > ? ORDER BY cycle LIMIT ?", (after_cycle, most_cycles)
        )
        return [(cycle, decode_decisions(body)) for cycle, body in rows]

    def decisions_gone(self) -> int:
        """The last cycle whose decisions were removed; -1 while all are there."""
        return int(self._db.execute("SELECT value FROM meta WHERE key = 'decisions_gone'").get)

    def oldest_decision(self) -> int:
        """The first cycle whose decisions are kept; 0 when none are."""
        return int(self._db.execute("SELECT coalesce(min(cycle), 0) FROM decided").get)

    def counts(self) -> tuple[int, Sequence[SourceCount]]:
        """(last cycle, what each source brought since the store was made), of one moment."""
        self._db.execute("BEGIN")
        try:
            cycle = self._last_cycle()
            return cycle, [SourceCount(*row) for row in self._db.execute("SELECT * FROM source ORDER BY source")]
        finally:
            self._db.execute("COMMIT")

    def current(self, kind: str) -> bytes | None:
        """The registry or rules in force, as a document; None before there are any."""
        if kind == REGISTRY:
            self._db.execute("BEGIN")
            try:
                return registry_in_force(self._db)
            finally:
                self._db.execute("COMMIT")
        row = self._db.execute(
            "SELECT d.body FROM current c JOIN document d USING (sha256) WHERE c.kind = ?", (kind,)
        ).fetchone()
        return bytes(row[0]) if row else None

    def document(self, sha256: str) -> bytes | None:
        """A registry, a change of it, or a rule pack by its hash; None when it is no longer kept."""
        row = self._db.execute("SELECT body FROM document WHERE sha256 = ?", (sha256,)).fetchone()
        return bytes(row[0]) if row else None

    def rules_after(self, cycle: int) -> tuple[str, bytes] | None:
        """(sha256, body) of the rules in force after `cycle`, as far as that is kept: the first that were replaced
        later, or those in force now. (Rules that were replaced and came back since count as of when they came back.)"""
        row = self._db.execute(
            "SELECT sha256, body FROM document WHERE kind = 'rules' AND superseded > ? ORDER BY superseded LIMIT 1",
            (cycle,),
        ).fetchone()
        row = (
            row
            or self._db.execute(
                "SELECT d.sha256, d.body FROM current c JOIN document d USING (sha256) WHERE c.kind = 'rules'"
            ).fetchone()
        )
        return (str(row[0]), bytes(row[1])) if row else None

    def _last_cycle(self) -> int:
        return int(self._db.execute("SELECT value FROM meta WHERE key = 'cycle'").get)

    def close(self) -> None:
        self._db.close()
