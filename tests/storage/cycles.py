"""Cycles as an engine would have committed them, for tests that need a journal and no engine."""

from collections.abc import Sequence

import numpy as np

from devices.readings import Rows, blank, pack
from engine.journal import JournalBehind, JournalTrimmed
from engine.records import CycleRecord, Inputs, Quarantined, SourceCount
from rules.decisions import Decision

#: 2025-12-02 00:00:00 UTC, a Tuesday.
T0 = 1_764_633_600_000_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def readings(n: int, *, at: int = T0, step: int = 0, first_device: int = 1, devices: int = 10, seq: int = 0) -> Rows:
    """n readings of `devices` devices in turn, the k-th at `at + k * step`, received 50 ms later."""
    rows = blank(n)
    k = np.arange(n)
    rows["device_no"] = k % devices + first_device
    rows["boot"] = 1
    rows["seq"] = seq + k // devices
    rows["ts"] = at + k * step
    rows["device_ts"] = rows["ts"]
    rows["received"] = rows["ts"] + 50_000
    rows["combustible_lel"] = (k % 40).astype(np.float32)
    rows["quality"] &= ~0xF
    return rows


def cycle(
    number: int,
    rows: Rows | None = None,
    *,
    now: int = T0,
    extra: Sequence[tuple[int, bytes]] = (),
    decisions: Sequence[Decision] = (),
    quarantined: Sequence[Quarantined] = (),
    duplicate: int = 0,
    source: str = "mqtt",
) -> CycleRecord:
    """One committed cycle whose counts agree with what it holds."""
    rows = blank(0) if rows is None else rows
    stored = len(rows)
    counts = (SourceCount(source, stored + duplicate + len(quarantined), stored, duplicate, len(quarantined)),)
    inputs = Inputs(now, pack(rows), tuple(extra), (), counts)
    return CycleRecord(number, inputs, tuple(decisions), tuple(quarantined))


class RecordedJournal:
    """A journal that holds the cycles it is given, and follows JournalReader's contract."""

    def __init__(self, records: Sequence[CycleRecord] = (), engine: str = "engine-1") -> None:
        self.engine = engine
        self.records = list(records)
        self.documents: dict[str, bytes] = {}

    def read(self, after_cycle: int, most_readings: int) -> list[CycleRecord]:
        found: list[CycleRecord] = []
        readings = 0
        last = self.records[-1].cycle if self.records else 0
        if after_cycle > last:
            raise JournalBehind(last)
        for record in self.records:
            if record.cycle > after_cycle and readings < most_readings:
                found.append(record)
                readings += len(record.rows())
        if found and found[0].cycle != after_cycle + 1:
            raise JournalTrimmed(found[0].cycle)
        return found

    def document(self, sha256: str) -> bytes | None:
        return self.documents.get(sha256)

    def rules_after(self, cycle: int) -> tuple[str, bytes] | None:
        """It was given no rules."""
        return None

    def close(self) -> None:
        """It has no file."""
