"""Several committed cycles as one batch: what one database transaction of the follower writes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.readings import READING, Rows
from engine.records import CycleRecord, Quarantined, SourceCount
from rules.decisions import Decision
from rules.events import RulesChanged
from storage.copy_rows import sort_by_key
from storage.times import DAY_US


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision and its place in the journal; its name everywhere is `engine:cycle:n`."""

    cycle: int
    n: int
    decision: Decision


@dataclass(frozen=True, slots=True)
class SetAside:
    """A quarantined input and its place: the n-th of its cycle."""

    cycle: int
    n: int
    item: Quarantined


@dataclass(frozen=True, slots=True)
class Extra:
    """What a device sent beyond the canonical columns, with the key of the reading it belongs to. Times in
    microseconds UTC; `body` is a JSON object."""

    device_no: int
    ts: int
    boot: int
    seq: int
    body: bytes


@dataclass(frozen=True, slots=True)
class RulesPut:
    """Rules that came into force, and their place: the n-th event of their cycle. `body` None: the engine no longer has
    it."""

    cycle: int
    n: int
    at: int
    sha256: str
    by: str
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Batch:
    """Cycles `first` to `last`. rows: sorted by key, shape (n,), READING. refused: rows that admission can never have
    meant. counts: what each source brought. now: the time of the last cycle, microseconds UTC."""

    first: int
    last: int
    now: int
    rows: Rows
    refused: Rows
    extras: tuple[Extra, ...]
    decided: tuple[Decided, ...]
    set_aside: tuple[SetAside, ...]
    counts: tuple[SourceCount, ...]
    rules: tuple[RulesPut, ...] = ()


def assemble(records: Sequence[CycleRecord], body: Callable[[str], bytes | None] = lambda _: None) -> Batch:
    """One batch of at least one record. `body` gives a document of the engine's by its sha256. Raises ValueError when a
    record's packed rows are broken."""
    parts: list[Rows] = []
    extras: list[Extra] = []
    for record in records:
        rows = record.rows()
        parts.append(rows)
        extras += [_extra(rows, at, body) for at, body in record.inputs.extra]
    rows = np.concatenate(parts)
    possible = _possible(rows)
    return Batch(
        first=records[0].cycle,
        last=records[-1].cycle,
        now=records[-1].inputs.now,
        rows=sort_by_key(rows if possible.all() else np.take(rows, np.flatnonzero(possible))),
        refused=rows[:0] if possible.all() else rows[~possible],
        extras=tuple(extras),
        decided=tuple(
            Decided(record.cycle, n, decision) for record in records for n, decision in enumerate(record.decisions)
        ),
        set_aside=tuple(
            SetAside(record.cycle, n, item) for record in records for n, item in enumerate(record.quarantined)
        ),
        counts=_totals(records),
        rules=tuple(
            RulesPut(record.cycle, n, event.at, event.sha256, event.by, body(event.sha256))
            for record in records
            for n, event in enumerate(record.inputs.events)
            if isinstance(event, RulesChanged)
        ),
    )


def _possible(rows: Rows) -> NDArray[np.bool_]:
    """Rows that may be stored. Admission keeps effective time at or below received + 5 min; one day is beyond any
    doubt, and without this bound one absurd time would make a partition of its own."""
    return (rows["device_no"] > 0) & (rows["ts"] >= 0) & (rows["ts"] <= rows["received"] + DAY_US)


def _extra(rows: Rows, at: int, body: bytes) -> Extra:
    row = rows[at]
    return Extra(int(row["device_no"]), int(row["ts"]), int(row["boot"]), int(row["seq"]), body)


def _totals(records: Sequence[CycleRecord]) -> tuple[SourceCount, ...]:
    totals: dict[str, list[int]] = {}
    for record in records:
        for count in record.inputs.counts:
            total = totals.setdefault(count.source, [0, 0, 0, 0])
            for at, more in enumerate((count.received, count.stored, count.duplicate, count.quarantined)):
                total[at] += more
    return tuple(SourceCount(source, *total) for source, total in sorted(totals.items()))


def empty_rows() -> Rows:
    return np.empty(0, READING)
