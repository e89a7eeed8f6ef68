"""Steps of alarms in columns, as the figures of operators' load need them (rules/health/health.py)."""

from array import array

import numpy as np

from devices.fleet import Fleet
from rules.decisions import AlarmChanged, AlarmRaised
from rules.health.events import AlarmWords

#: Steps that are kept, at most: some 100 MiB. Source: product choice.
MOST_EVENTS = 2_000_000


class Steps:
    """A queue is the desk of an enterprise. `whole`: every step is in it; else the first MOST_EVENTS."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._columns: list[array[int]] = [array("q") for _ in range(7)]
        self._queues: dict[str, int] = {}
        self._sources: dict[tuple[str, int], int] = {}
        self._changes: dict[str, int] = {}
        self.whole = True

    def add(self, one: AlarmRaised | AlarmChanged, change: str) -> None:
        if len(self._columns[0]) >= MOST_EVENTS:
            self.whole = False
            return
        site = self._fleet.site_by_slot[int(self._fleet.slot_of[one.device_no])]
        desk = site.enterprise if site is not None else ""
        row = (
            one.at,
            self._queues.setdefault(desk, len(self._queues)),
            self._sources.setdefault((one.rule, one.device_no), len(self._sources)),
            one.priority,
            self._changes.setdefault(str(change), len(self._changes)),
            one.state,
            one.trial,
        )
        for column, value in zip(self._columns, row, strict=True):
            column.append(value)

    def words(self) -> AlarmWords:
        at, queue, source, priority, change, state, trial = (np.array(column, np.int64) for column in self._columns)
        return AlarmWords(
            at=at,
            queue=queue.astype(np.int32),
            source=source.astype(np.int32),
            priority=priority.astype(np.uint8),
            change=change.astype(np.int32),
            state=state.astype(np.uint8),
            trial=trial.astype(np.bool_),
            queues=tuple(self._queues),
            sources=tuple(f"{self._fleet.identity(device_no)} {rule}" for rule, device_no in self._sources),
            changes=tuple(self._changes),
        )
