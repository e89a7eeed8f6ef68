"""The alarms of the naive reference: raised, changed and lowered one by one."""

import numpy as np

from devices.fleet import Fleet
from rules.decisions import AlarmChanged, AlarmRaised, Change, Decision, alarm_id
from rules.document import Action, Kind, RulePack
from tests.rules.reference_incidents import Cases
from tests.rules.reference_terms import MINUTE, Cell, S


class Alarms:
    """Who inherits says what follows when a closing alarm is raised (`close_for`) and when it settles (`settled`)."""

    def __init__(self, fleet: Fleet, pack: RulePack) -> None:
        self.fleet, self.rules = fleet, pack.rules
        self.cells = {(slot, rule): Cell() for slot in range(len(fleet)) for rule in range(len(pack.rules))}
        self.cases = Cases()
        self.out: list[Decision] = []

    def close_for(self, slot: int, number: int, at: int) -> None:
        raise NotImplementedError

    def settled(self, slot: int, number: int, at: int) -> None:
        raise NotImplementedError

    def only(self, kind: Kind) -> int:
        return next((number for number, rule in enumerate(self.rules) if rule.kind is kind), -1)

    def raised(
        self,
        slot: int,
        number: int,
        onset: int,
        at: int,
        value: float = float("nan"),
        because: str = "",
        note: str = "",
        expected: int = 0,
    ) -> None:
        if number < 0:
            return
        cell = self.cells[slot, number]
        if cell.active:
            if note and (cell.note, cell.expected) != (note, expected):
                cell.note, cell.expected, cell.unsaid = note, expected, True
                if at >= cell.told + MINUTE:
                    self.noted(slot, number, at)
            return
        cell.since = cell.due = None
        if cell.state is not S.NORMAL:
            cell.note, cell.expected, cell.told, cell.unsaid = note, expected, at, False
        if cell.state is S.NORMAL:
            self.born(slot, number, S.UNACKNOWLEDGED, onset, at, value, because, False, note, expected)
        else:
            self.changed(slot, number, Change.REALARMED, S.UNACKNOWLEDGED, at, comment=note, expected=expected)
        if self.rules[number].action is Action.CLOSE:
            self.close_for(slot, number, at)

    def raise_late(self, slot: int, number: int, onset: int, at: int, value: float) -> None:
        if self.cells[slot, number].state is S.NORMAL:
            self.born(slot, number, S.RETURNED_UNACKNOWLEDGED, onset, at, value, "", True)

    def born(
        self,
        slot: int,
        number: int,
        state: S,
        onset: int,
        at: int,
        value: float,
        because: str,
        late: bool,
        note: str = "",
        expected: int = 0,
    ) -> None:
        rule, device, cell = self.rules[number], self.fleet.devices[slot], self.cells[slot, number]
        assert device is not None
        cell.state, cell.onset, cell.alarm = state, onset, alarm_id(rule.id, device.device_no, onset)
        cell.note, cell.expected, cell.told, cell.unsaid = note, expected, at, False
        known = None if np.isnan(value) else value
        incident = self.cases.belongs(device.site, rule.priority, at) if cell.active else ""
        self.out.append(
            AlarmRaised(
                at=at,
                alarm=cell.alarm,
                rule=rule.id,
                device_no=device.device_no,
                site=device.site,
                priority=rule.priority,
                onset=onset,
                state=state,
                late=late,
                quantity="" if known is None else rule.quantity,
                value=known,
                because=because,
                note=note,
                expected=expected,
                incident=incident,
            )
        )
        self.cases.follow(self.out, cell.alarm, device.site, rule.priority, cell.active, at)

    def changed(
        self,
        slot: int,
        number: int,
        change: Change,
        state: S,
        at: int,
        by: str = "",
        comment: str = "",
        expected: int = 0,
    ) -> None:
        rule, device, cell = self.rules[number], self.fleet.devices[slot], self.cells[slot, number]
        assert device is not None
        if cell.unsaid:
            self.noted(slot, number, at)
        cell.state = state
        self.out.append(
            AlarmChanged(
                at=at,
                alarm=cell.alarm,
                rule=rule.id,
                device_no=device.device_no,
                site=device.site,
                priority=rule.priority,
                onset=cell.onset,
                change=change,
                state=state,
                by=by,
                comment=comment,
                expected=expected,
            )
        )
        if change is not Change.NOTED:
            self.cases.follow(self.out, cell.alarm, device.site, rule.priority, cell.active, at)

    def noted(self, slot: int, number: int, at: int) -> None:
        """Tell what was not told yet."""
        cell = self.cells[slot, number]
        cell.told, cell.unsaid = at, False
        self.changed(slot, number, Change.NOTED, cell.state, at, comment=cell.note, expected=cell.expected)

    def lower(self, slot: int, number: int, at: int, comment: str = "") -> None:
        """The condition is gone."""
        if number < 0:
            return
        cell = self.cells[slot, number]
        if not cell.active:
            return
        cell.since = cell.due = None
        if self.rules[number].latch:
            to = S.LATCHED_UNACKNOWLEDGED if cell.state is S.UNACKNOWLEDGED else S.LATCHED_ACKNOWLEDGED
        else:
            to = S.RETURNED_UNACKNOWLEDGED if cell.state is S.UNACKNOWLEDGED else S.NORMAL
        self.changed(slot, number, Change.RETURNED, to, at, comment=comment)
        self.settled(slot, number, at)
