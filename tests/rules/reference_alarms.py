"""The alarms of the naive reference: states, what hides them, what they say, and what they lead to."""

import math

from devices.fleet import Fleet
from rules.decisions import AlarmChanged, AlarmRaised, AlarmState, Change, Decision, Priority, alarm_id
from rules.documents.document import Kind, RulePack
from rules.interlock.worst import By, worst_by
from rules.language.canonical import quantities, walk
from rules.language.tree import FlagTest
from tests.rules.reference_incidents import Cases
from tests.rules.reference_rules import Here, every
from tests.rules.reference_terms import MINUTE, Cell, S, Service, Shelved

GAS = {"combustible_lel", "co_ppm"}
ALARM_BITS = {"low_alarm", "high_alarm", "co_alarm"}


class Alarms:
    """Who inherits says what follows when an alarm becomes active (`acts`) and when it settles (`settled`)."""

    def __init__(self, fleet: Fleet, pack: RulePack) -> None:
        self.fleet, self.pack, self.rules = fleet, pack, pack.rules
        self.raised_so_far = 0
        self.here: dict[tuple[int, int], Here] = every(fleet, pack)
        self.cells = {place: Cell() for place in self.here}
        self.cases = Cases(self)
        self.shelves: dict[tuple[int, int], Shelved] = {}
        self.service: dict[int, Service] = {}
        #: Why alarms are suppressed now: ids of others, sorted.
        self.because: dict[tuple[int, int], tuple[str, ...]] = {}
        self.reverted: dict[str, str] = {}
        self.out: list[Decision] = []

    def acts(self, slot: int, number: int, at: int) -> None:
        raise NotImplementedError

    def by(self, number: int) -> By:
        """By what shut-offs of a rule are compared."""
        return worst_by(self.pack, number)

    def settled(self, slot: int, number: int, at: int) -> None:
        raise NotImplementedError

    def only(self, kind: Kind) -> int:
        return next((number for number, rule in enumerate(self.rules) if rule.kind is kind), -1)

    def site(self, slot: int) -> str:
        device = self.fleet.devices[slot]
        assert device is not None
        return device.site

    def trial(self, slot: int, number: int) -> bool:
        reverted = self.rules[number].id in self.reverted and not self.cells[slot, number].bit
        return reverted or self.here[slot, number].trial()

    # ---- life -------------------------------------------------------------------------------------------------------

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
        priority: Priority | None = None,
        bit: int = 0,
    ) -> None:
        if number < 0:
            return
        cell = self.cells[slot, number]
        if cell.active:
            if note:
                self.say(slot, number, note, expected, at)
            return
        cell.since = cell.due = None
        cell.ranked = None if math.isnan(value) else value
        fresh = cell.state is S.NORMAL
        cell.state, cell.priority, cell.bit = S.UNACKNOWLEDGED, priority or self.rules[number].priority, bit
        if fresh:
            self.born(slot, number, onset, at, value, because, False, note, expected)
        else:
            cell.note, cell.expected, cell.told, cell.unsaid = note, expected, at, False
            cell.trial = self.trial(slot, number)
            self.changed(slot, number, Change.REALARMED, at, comment=note, expected=expected)
            self.come_out(slot, number, at)
            self.follow(slot, number, at)
        self.acts(slot, number, at)

    def raise_late(self, slot: int, number: int, onset: int, at: int, value: float, bit: int) -> None:
        cell = self.cells[slot, number]
        if cell.state is S.NORMAL:
            cell.state, cell.priority, cell.bit = S.RETURNED_UNACKNOWLEDGED, self.rules[number].priority, bit
            self.born(slot, number, onset, at, value, "", True, "", 0)

    def born(
        self,
        slot: int,
        number: int,
        onset: int,
        at: int,
        value: float,
        because: str,
        late: bool,
        note: str,
        expected: int,
    ) -> None:
        rule, device, cell = self.rules[number], self.fleet.devices[slot], self.cells[slot, number]
        assert device is not None
        cell.onset, cell.alarm = onset, alarm_id(rule.id, device.device_no, onset)
        cell.note, cell.expected, cell.told, cell.unsaid = note, expected, at, False
        cell.trial, cell.incident, cell.resolution = self.trial(slot, number), "", ""
        cell.value = None if math.isnan(value) else value
        self.raised_so_far += 1
        cell.serial = self.raised_so_far
        self.outgrown(slot, number)
        if found := self.explained(slot, number):
            self.because[slot, number] = found
        state, until = cell.shows = self.shown(slot, number)
        cell.incident = self.cases.belongs(slot, number, at)
        self.out.append(
            AlarmRaised(
                at=at,
                alarm=cell.alarm,
                rule=rule.id,
                device_no=device.device_no,
                site=device.site,
                priority=cell.priority,
                onset=onset,
                state=state,
                late=late,
                quantity="" if cell.value is None else rule.quantity or self.by(number).quantity,
                value=cell.value,
                because=because,
                note=note,
                expected=expected,
                trial=cell.trial,
                incident=cell.incident,
                until=until,
            )
        )
        self.follow(slot, number, at)

    def changed(
        self,
        slot: int,
        number: int,
        change: Change,
        at: int,
        by: str = "",
        comment: str = "",
        expected: int = 0,
        resolution: str = "",
    ) -> None:
        """Tell what is shown now."""
        rule, device, cell = self.rules[number], self.fleet.devices[slot], self.cells[slot, number]
        assert device is not None
        if cell.unsaid:
            self.noted(slot, number, at)
        if change is not Change.NOTED:
            cell.shows = self.shown(slot, number)
        shown, until = cell.shows
        self.out.append(
            AlarmChanged(
                at=at,
                alarm=cell.alarm,
                rule=rule.id,
                device_no=device.device_no,
                site=device.site,
                priority=cell.priority,
                onset=cell.onset,
                change=change,
                state=shown,
                by=by,
                comment=comment,
                expected=expected,
                trial=cell.trial,
                until=until,
                resolution=resolution,
            )
        )

    def becomes(
        self, slot: int, number: int, state: S, change: Change, at: int, by: str = "", comment: str = ""
    ) -> None:
        """An open alarm's true state is another now."""
        self.cells[slot, number].state = state
        self.changed(slot, number, change, at, by, comment)
        self.follow(slot, number, at)

    def follow(self, slot: int, number: int, at: int) -> None:
        """What a change leads to: its incident, then the alarms it explains or explained."""
        ended = self.cells[slot, number].state is S.NORMAL
        self.cases.follow(slot, number, at, ended=ended)
        if ended:
            self.because.pop((slot, number), None)
        for other, rule in enumerate(self.rules):
            if self.rules[number].id in rule.suppressed_by:
                for place in range(len(self.fleet)):
                    self.refresh(place, other, at)

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
        self.becomes(slot, number, to, Change.RETURNED, at, comment=comment)
        self.settled(slot, number, at)

    def worse(self, slot: int, number: int, priority: Priority, at: int) -> None:
        """An active alarm has at least this priority."""
        cell = self.cells[slot, number]
        if not cell.active or priority >= cell.priority:
            return
        cell.priority = priority
        self.changed(slot, number, Change.ESCALATED, at)
        self.come_out(slot, number, at)
        self.cases.follow(slot, number, at)

    # ---- what it says -----------------------------------------------------------------------------------------------

    def say(self, slot: int, number: int, note: str, expected: int, at: int) -> None:
        cell = self.cells[slot, number]
        if (cell.note, cell.expected) != (note, expected):
            cell.note, cell.expected, cell.unsaid = note, expected, True
            if at >= cell.told + MINUTE:
                self.noted(slot, number, at)

    def noted(self, slot: int, number: int, at: int) -> None:
        """Tell what was not told yet."""
        cell = self.cells[slot, number]
        cell.told, cell.unsaid = at, False
        self.changed(slot, number, Change.NOTED, at, comment=cell.note, expected=cell.expected)

    # ---- what hides it ----------------------------------------------------------------------------------------------

    def shown(self, slot: int, number: int) -> tuple[AlarmState, int]:
        cell = self.cells[slot, number]
        if cell.state is S.NORMAL:
            return cell.state, 0
        if slot in self.service:
            return S.OUT_OF_SERVICE, self.service[slot].until
        if (slot, number) in self.shelves:
            return S.SHELVED, self.shelves[slot, number].until
        return (S.SUPPRESSED, 0) if (slot, number) in self.because else (cell.state, 0)

    def gas(self, number: int) -> bool:
        """The rule speaks of gas."""
        rule, parsed = self.rules[number], self.here[0, number].parsed
        trees = [tree for tree in (parsed.condition, parsed.clear, *parsed.escalate) if tree is not None]
        named = {rule.quantity, *(name for tree in trees for name in quantities(tree))}
        bits = {*rule.flags, *(node.flag for tree in trees for node in walk(tree) if isinstance(node, FlagTest))}
        return bool(named & GAS or bits & ALARM_BITS)

    def outgrown(self, slot: int, number: int) -> bool:
        """What is worse than what was shelved comes out."""
        shelf = self.shelves.get((slot, number))
        if shelf is None or self.cells[slot, number].priority >= shelf.priority:
            return False
        del self.shelves[slot, number]
        return True

    def come_out(self, slot: int, number: int, at: int) -> None:
        if self.outgrown(slot, number):
            self.changed(slot, number, Change.UNSHELVED, at, comment="it is worse than when it was shelved")
        if self.rules[number].suppressed_by:
            self.refresh(slot, number, at)

    def explained(self, slot: int, number: int) -> tuple[str, ...]:
        """Ids of the alarms that explain the one there, by looking at every alarm."""
        rule, cell = self.rules[number], self.cells[slot, number]
        if cell.state is S.NORMAL or (cell.priority is Priority.CRITICAL and self.gas(number)):
            return ()
        if not rule.suppressed_by:
            return ()
        chain = [slot]
        for _ in range(2):
            device = self.fleet.devices[chain[-1]]
            assert device is not None
            chain += [self.fleet.slot_by_identity[device.gateway]] if device.gateway else []
            if not device.gateway:
                break
        found = []
        for (place, other), explaining in self.cells.items():
            named = self.rules[other]
            if named.id not in rule.suppressed_by or not explaining.active or explaining.trial:
                continue
            near = place in chain
            if named.group is not None:
                groups = self.fleet.groups[named.group].of
                near = place == slot or (groups[place] == groups[slot] and groups[slot] >= 0)
            found += [explaining.alarm] if near else []
        return tuple(sorted(found))

    def refresh(self, slot: int, number: int, at: int) -> None:
        """What explains an open alarm may be another now."""
        before, now = self.because.get((slot, number), ()), self.explained(slot, number)
        if self.cells[slot, number].state is S.NORMAL or before == now:
            return
        self.because[slot, number] = now
        if not now:
            del self.because[slot, number]
        if bool(before) != bool(now):
            comment = ""
            if now:
                (place, other), _ = next(one for one in self.cells.items() if one[1].alarm == now[0] and one[1].state)
                device = self.fleet.devices[place]
                assert device is not None
                comment = f"explained by {self.rules[other].id} at {device.identity}"
            self.changed(slot, number, Change.SUPPRESSED if now else Change.UNSUPPRESSED, at, comment=comment)
            self.cases.follow(slot, number, at)
