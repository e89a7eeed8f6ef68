"""The rule engine as its semantics read, one input at a time, without arrays, heaps or cleverness.

Written from docs/RULES.md and the guarantees, not from the engine: every step scans everything. It is what the
vectorised engine is compared with, so plainness is all it is for. Ids and decisions are the contract's own.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from devices.fleet import Fleet
from devices.quantities import ALARM_FLAGS, Flag, ValvePosition
from devices.readings import Rows
from rules.decisions import Answered, Change, Decision, Priority, Step
from rules.documents.document import Kind, RulePack
from rules.events import (
    AttemptAcknowledged,
    AttemptFailed,
    AttemptSent,
    Connected,
    Event,
    LinkDown,
    LinkUp,
    Listening,
    Paused,
    ReadingsComplete,
    ReadingsMissing,
    Replied,
    Restored,
    Resumed,
    SessionLost,
)
from rules.language.tree import Condition, Missing
from tests.rules.reference_expressions import Expressions, Reading, read
from tests.rules.reference_terms import FALSE, MINUTE, NEVER, SECOND, TRUE, UNKNOWN, condition, mask
from tests.rules.reference_told import Told

WHERE = {"site": "site", "riser": "riser", "building": "building", "area": "area", "gateway": "gateway"}
JUDGED = (Kind.MEASURED, Kind.QUALITY)


class Says(NamedTuple):
    """What a rule says of a reading."""

    at_once: bool
    raised: int
    cleared: int
    priority: Priority


class Reference(Told):
    def __init__(self, fleet: Fleet, pack: RulePack, now: int) -> None:
        super().__init__(fleet, pack, now)
        numbers = {(number, slot): here.numbers for (slot, number), here in self.here.items()}
        self.speech = Expressions(fleet, numbers)
        #: Devices that are silent, as votes and outages count them.
        self.quiet: set[int] = set()
        #: Where what may be true of silence.
        self.silent_us = {
            place: one.silent_us for place, one in self.here.items() if one.looks and one.silent_us is not None
        }
        self.counted = {place for place in self.here if self.counts(*place)}
        self.gone: set[tuple[int, int]] = set()

    # ---- inputs -----------------------------------------------------------------------------------------------------

    def step(self, rows: Rows, slots: Sequence[int], events: Sequence[Event], now: int) -> list[Decision]:
        self.out = []
        for at in sorted({event.at for event in events} | {int(at) for at in rows["received"]}):
            told = [event for event in events if event.at == at]
            if back := [event.least_epoch for event in told if isinstance(event, Restored)]:
                self.restored(at, max(back))
            away_us = deaf_us = sum(event.down_us for event in told if isinstance(event, Resumed))
            if away_us:
                self.fire(at - away_us)
            if self.paused and any(isinstance(event, Listening | Resumed) for event in told):
                deaf_us, self.paused = at - self.paused, 0
            if deaf_us:
                self.deaf_until = at
            self.heard = {slot: min(heard + deaf_us, at) for slot, heard in self.heard.items()}
            if away_us:
                self.fire(at, back=at)
            self.fire(at)
            for event in (event for event in events if event.at == at):
                self.event(event)
            for n in range(len(rows)):
                if int(rows["received"][n]) == at:
                    self.reading(rows[n : n + 1], int(slots[n]), at)
        self.fire(now)
        return self.out

    def reading(self, row: Rows, slot: int, at: int) -> None:
        one = read(row)
        late = bool(one.flags & Flag.LATE)
        if not late and not one.stale:
            for number in range(len(self.rules)):
                self.speech.hear(number, slot, self.trees(number), one)
        commanded = self.watched(slot)
        says = [self.says(slot, number, row, one, commanded) for number in range(len(self.rules))] if not late else []
        self.position(row, slot, at, late, one.stale)
        if not late and not one.stale:
            self.said_again(slot, one, [said.raised for said in says], at)
        for number, rule in enumerate(self.rules):
            value = float(row[rule.quantity][0]) if rule.quantity else float("nan")
            if not one.stale:
                self.heard_again(slot, number, at)
            if late and self.here[slot, number].looks:
                if one.flags & mask(rule) & ALARM_FLAGS:
                    self.raise_late(slot, number, one.ts, at, value, int(one.flags & ALARM_FLAGS))
            elif not late and self.here[slot, number].looks and rule.kind in JUDGED:
                self.judge(slot, number, says[number], one, value, at)
                self.worse(slot, number, says[number].priority, at)
        if not one.stale:
            self.quiet.discard(slot)
        if not late and one.flags & ALARM_FLAGS:
            self.bit(slot, int(one.flags & ALARM_FLAGS), at)

    def position(self, row: Rows, slot: int, at: int, late: bool, stale: bool) -> None:
        """Where a valve was seen, and that it is awake."""
        if stale:
            return
        valve, ts = ValvePosition(int(row["valve"][0])), int(row["ts"][0])
        self.heard[slot] = at
        self.came(slot, at)
        if not late:
            self.woke(slot)
            followed = self.watched(slot) or self.sleeps(slot)
            if valve is not ValvePosition.UNKNOWN and not (followed and self.from_before(slot, ts, at)):
                self.stands(slot, valve, at)
        self.still_asleep(slot, at)
        if not late and self.sleeps(slot) and slot in self.wants:
            self.attempt_soon(self.wants[slot], at)

    def bit(self, slot: int, bits: int, at: int) -> None:
        """The device itself says so: what stands there for its rules is confirmed."""
        for number, rule in enumerate(self.rules):
            cell = self.cells[slot, number]
            judged = rule.kind in JUDGED and self.here[slot, number].silent_us is None
            if judged and cell.active and bits & ~cell.bit:
                known = cell.bit and self.in_force(slot, number)
                cell.bit |= bits
                if cell.trial and not self.trial(slot, number):
                    cell.trial = False
                    self.changed(slot, number, Change.TRIED, at)
                    self.follow(slot, number, at)
                if not known:
                    self.acts(slot, number, at)

    # ---- what rules say ---------------------------------------------------------------------------------------------

    def trees(self, number: int) -> list[Condition]:
        parsed = self.here[0, number].parsed
        every = (parsed.condition, parsed.clear, *parsed.escalate)
        return [tree for tree in every if tree is not None and not isinstance(tree, Missing)]

    def says(self, slot: int, number: int, row: Rows, one: Reading, commanded: bool) -> Says:
        here = self.here[slot, number]
        rule, parsed = here.rule, here.parsed
        if not here.looks or rule.kind not in JUDGED or here.silent_us is not None:
            return Says(False, FALSE, UNKNOWN, rule.priority)

        def truth(tree: Condition) -> int:
            return self.speech.truth(number, slot, tree, one, commanded)

        at_once, raised, cleared = bool(one.flags & mask(rule)), TRUE, FALSE
        if not at_once and parsed.condition is not None and not here.by_flags:
            raised = truth(parsed.condition)
            opposite = raised if raised == UNKNOWN else 1 - raised
            cleared = opposite if parsed.clear is None else truth(parsed.clear)
        elif not at_once:
            _, raised, cleared = condition(rule, row, by_flags=here.by_flags)
        priority = rule.priority
        for tree, worse in zip(parsed.escalate, rule.escalate, strict=True):
            if truth(tree) == TRUE:
                priority = min(priority, worse.priority)
        if not here.inside(one.ts):
            at_once, raised, cleared = False, FALSE, TRUE
        return Says(at_once, raised, cleared, priority)

    def judge(self, slot: int, number: int, said: Says, one: Reading, value: float, at: int) -> None:
        rule, cell, ts = self.here[slot, number].rule, self.cells[slot, number], one.ts
        going = said.cleared == TRUE if cell.active else said.raised == TRUE
        stopped = said.cleared == FALSE if cell.active else said.raised == FALSE
        worst = self.worst(slot, number, one)
        hold = round((rule.clear_hold_s if cell.active else rule.hold_s) * SECOND)
        if going:
            since = ts if cell.since is None else min(cell.since, ts)
            if ts - since >= hold or (said.at_once and not cell.active):
                if cell.active:
                    self.lower(slot, number, at)
                else:
                    bit = int(one.flags & ALARM_FLAGS)
                    value = value if worst is None else worst
                    self.raised(slot, number, since, at, value, priority=said.priority, bit=bit)
            else:
                cell.due = since + hold + (at - ts) if cell.since is None else cell.due
                cell.since = since
        elif stopped:
            cell.since = cell.due = None
        cell.worst = worst if cell.since is not None else None

    def worst(self, slot: int, number: int, one: Reading) -> float | None:
        """Of a rule that acts: the worst good value of this reading and those before it since its hold began."""
        rule, cell, by = self.rules[number], self.cells[slot, number], self.by(number)
        if cell.active or not by.quantity or not (rule.action.closes or rule.action.ventilates):
            return None
        before = cell.worst if cell.since is not None else None
        said = one.good.get(by.quantity) if not one.stale else None
        if said is None or before is None:
            return before if said is None else said
        return said if by.worse(said, before) else before

    # ---- silence ----------------------------------------------------------------------------------------------------

    def heard_again(self, slot: int, number: int, at: int) -> None:
        here = self.here[slot, number]
        if here.silent_us is not None and here.looks:
            self.lower(slot, number, at)
        if (slot, number) in self.gone:
            self.gone.discard((slot, number))
            self.count_silent(slot, number, at)

    def counts(self, slot: int, number: int) -> bool:
        """An outage of this rule counts the device."""
        rule = self.rules[number]
        if rule.kind is not Kind.OUTAGE or rule.group is None or not self.here[slot, number].looks:
            return False
        return int(self.fleet.interval_us[slot]) > 0 and int(self.fleet.groups[rule.group].of[slot]) >= 0

    def count_silent(self, slot: int, number: int, at: int) -> None:
        rule = self.rules[number]
        assert rule.group is not None
        grouping = self.fleet.groups[rule.group]
        mine = [other for other in range(len(self.fleet)) if grouping.of[other] == grouping.of[slot]]
        silent = sum((other, number) in self.gone for other in mine)
        reporting = sum((other, number) in self.counted for other in mine)
        seen = [other for other in mine if self.here[other, number].looks]
        place = min(seen, key=lambda other: int(self.fleet.device_no[other]))
        name = grouping.names[int(grouping.of[slot])]
        note = f"{silent} of {reporting} devices of {WHERE[rule.group]} {name} are silent"
        if silent >= max(1, rule.least) and silent * 100 >= rule.share_pct * reporting:
            self.raised(place, number, at, at, note=note)
        else:
            self.lower(place, number, at, note)

    def silences(self) -> Iterator[tuple[int, int, int, int]]:
        for (slot, number), silent_us in self.silent_us.items():
            if not self.cells[slot, number].active:
                yield self.heard[slot] + silent_us, 1, slot, number
        for slot, number in self.counted - self.gone:
            yield self.heard[slot] + 3 * int(self.fleet.interval_us[slot]), 1, slot, number
        for slot, device in enumerate(self.fleet.devices):
            interval_us = int(self.fleet.interval_us[slot])
            if device is not None and interval_us and slot not in self.quiet:
                yield self.heard[slot] + 3 * interval_us, 1, slot, -1

    def fell_silent(self, slot: int, number: int, due: int, at: int) -> None:
        if number < 0:
            self.quiet.add(slot)
            self.speech.silent(slot)
        elif self.rules[number].kind is Kind.OUTAGE:
            self.gone.add((slot, number))
            self.count_silent(slot, number, at)
        else:
            self.raised(slot, number, due, at)

    # ---- timers -----------------------------------------------------------------------------------------------------

    def fire(self, until: int, back: int = 0) -> None:
        while (first := min(self.timers(), default=None)) is not None and first[0] <= until:
            kind, slot, number = first[1:]
            due = max(first[0], back)
            want = self.wants.get(slot)
            if kind == 0:
                self.hold_due(slot, number, first[0], due)
            elif kind == 1:
                self.fell_silent(slot, number, first[0], due)
            elif want is not None and kind == 2 and back:
                want.next_try = NEVER  # the attempts of an absence are one: the one on return
            elif want is not None and kind == 2:
                self.attempt(want, due)
            elif want is not None and kind == 3:
                want.tries[number - 1].over = True
                self.stepped(want, want.tries[number - 1], Step.EXPIRED, due)
            elif want is not None and kind == 4:
                want.unconfirmed_told = True
                self.raised(slot, self.only(Kind.UNCONFIRMED), want.since, due, because=want.alarm)
            elif kind == 5:
                self.noted(slot, number, due)
            elif kind == 6:
                self.end_shelf((slot, number), due, comment="its time is over")
            elif kind == 7:
                self.end_service(slot, due, comment="its time is over")
            elif kind == 8:
                self.die(slot, due, "its time is over")
            elif kind == 9:
                self.release_due(number, due)
            elif kind == 10:
                self.unseen(slot, due)

    def hold_due(self, slot: int, number: int, due: int, at: int) -> None:
        cell = self.cells[slot, number]
        assert cell.since is not None
        if cell.active:
            self.lower(slot, number, at)
        elif self.here[slot, number].inside(due):
            self.raised(slot, number, cell.since, at, float("nan") if cell.worst is None else cell.worst)
        else:
            cell.since = cell.due = None

    def timers(self) -> Iterator[tuple[int, int, int, int]]:
        for (slot, number), cell in self.cells.items():
            if cell.due is not None:
                yield cell.due, 0, slot, number
            if cell.unsaid:
                yield cell.told + MINUTE, 5, slot, number
        if not self.paused:
            yield from self.silences()
        for slot, want in self.wants.items():
            yield want.next_try, 2, slot, want.epoch
            for number, attempt in enumerate(want.tries, 1):
                if not attempt.over:
                    yield attempt.expires, 3, slot, number
            if not want.unconfirmed_told and self.only(Kind.UNCONFIRMED) >= 0:
                yield want.confirm_by, 4, slot, want.epoch
        for (slot, number), shelf in self.shelves.items():
            yield shelf.until, 6, slot, number
        for slot, service in self.service.items():
            if service.until:
                yield service.until, 7, slot, 0
        for slot, permit in self.permits.items():
            yield permit.expires, 8, slot, 0
        for one in self.held.values():
            frees = self.frees_at(one.number, bool(self.fleet.simulated[one.slot])) if not one.unheard else None
            if frees is not None:
                yield frees, 9, 0, one.number
        for slot in self.relied if not self.paused else ():
            yield self.unseen_at(slot), 10, slot, 0

    # ---- events -----------------------------------------------------------------------------------------------------

    def event(self, event: Event) -> None:
        if isinstance(event, Connected):
            slot = self.slot(event.device_no)
            want = self.wants.get(slot)
            self.came(slot, event.at)
            self.woke(slot)
            self.still_asleep(slot, event.at)
            if want is not None:
                self.attempt_soon(want, event.at)
        elif isinstance(event, Paused):
            self.paused = self.paused or event.at
        elif isinstance(event, Listening):
            for slot in self.wants:
                self.still_asleep(slot, event.at)
        elif isinstance(event, Resumed):
            for slot in self.wants:
                self.still_asleep(slot, event.at)
            for want in list(self.wants.values()):
                if want.since < event.at:
                    self.attempt(want, event.at)
        elif isinstance(event, LinkDown | LinkUp | SessionLost | ReadingsMissing | ReadingsComplete):
            if (slot := self.slot(event.device_no)) >= 0:
                self.way_in(slot, event)
        elif isinstance(event, AttemptSent | AttemptFailed | AttemptAcknowledged | Replied):
            self.link(event)
        elif not isinstance(event, Restored):
            accepted, subject = self.instructed(event)  # type: ignore[arg-type]
            self.out.append(Answered(at=event.at, id=event.id, accepted=accepted, subject=subject))  # type: ignore[union-attr]
