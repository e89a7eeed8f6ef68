"""The rule engine as its semantics read, one input at a time, without arrays, heaps or cleverness.

Written from docs/RULES.md and the guarantees, not from the engine: every step scans everything. It is what the
vectorised engine is compared with, so plainness is all it is for. Ids and decisions are the contract's own.
"""

from collections.abc import Iterator, Sequence

from devices.fleet import Fleet
from devices.quantities import ALARM_FLAGS, Flag, ValvePosition
from devices.readings import Rows
from rules.decisions import (
    Acknowledge,
    Answered,
    AttemptAcknowledged,
    AttemptFailed,
    AttemptSent,
    CancelClose,
    Change,
    CloseValve,
    Connected,
    Decision,
    Event,
    LinkDown,
    LinkUp,
    Listening,
    Outcome,
    Paused,
    ReadingsComplete,
    ReadingsMissing,
    Replied,
    Reset,
    Resumed,
    SessionLost,
    Step,
)
from rules.document import Kind, Rule, RulePack
from tests.rules.reference_closings import Closings
from tests.rules.reference_terms import FALSE, MINUTE, NEVER, SECOND, TRUE, S, Try, Want, condition, mask


class Reference(Closings):
    def __init__(self, fleet: Fleet, pack: RulePack, now: int) -> None:
        super().__init__(fleet, pack)
        self.heard = dict.fromkeys(range(len(fleet)), now)

    # ---- inputs -----------------------------------------------------------------------------------------------------

    def step(self, rows: Rows, slots: Sequence[int], events: Sequence[Event], now: int) -> list[Decision]:
        self.out = []
        for at in sorted({event.at for event in events} | {int(at) for at in rows["received"]}):
            told = [event for event in events if event.at == at]
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
        flags, ts = int(row["flags"][0]), int(row["ts"][0])
        late, stale = bool(flags & Flag.LATE), bool(flags & Flag.STALE)
        valve = ValvePosition(int(row["valve"][0]))
        if not stale:
            self.heard[slot] = at
            self.came(slot, at)
        if not stale and not late:
            self.woke(slot)
            if valve is not ValvePosition.UNKNOWN and not self.from_before(slot, ts, at):
                self.observed(slot, valve, at)
        if not stale:
            self.still_asleep(slot, at)
        if not stale and not late and self.sleeps(slot) and slot in self.wants:
            self.attempt_soon(self.wants[slot], at)
        for number, rule in enumerate(self.rules):
            if not self.looks(slot, rule):
                continue
            value = float(row[rule.quantity][0]) if rule.quantity else float("nan")
            if rule.kind is Kind.SILENCE and stale:
                continue
            if rule.kind is Kind.SILENCE:
                self.lower(slot, number, at)
            elif late:
                if flags & mask(rule) & ALARM_FLAGS:
                    self.raise_late(slot, number, ts, at, value)
            elif rule.kind in (Kind.MEASURED, Kind.QUALITY):
                self.judge(slot, number, row, at)

    def judge(self, slot: int, number: int, row: Rows, at: int) -> None:
        rule, cell, ts = self.rules[number], self.cells[slot, number], int(row["ts"][0])
        at_once, raised, cleared = condition(rule, row)
        going = cleared == TRUE if cell.active else raised == TRUE
        stopped = cleared == FALSE if cell.active else raised == FALSE
        hold = round((rule.clear_hold_s if cell.active else rule.hold_s) * SECOND)
        if going:
            since = ts if cell.since is None else min(cell.since, ts)
            if ts - since >= hold or (at_once and not cell.active):
                value = float(row[rule.quantity][0]) if rule.quantity else float("nan")
                if cell.active:
                    self.lower(slot, number, at)
                else:
                    self.raised(slot, number, since, at, value)
            elif since != cell.since:
                cell.since, cell.due = since, since + hold + (at - ts)
        elif stopped:
            cell.since = cell.due = None

    def looks(self, slot: int, rule: Rule) -> bool:
        model = self.fleet.model_by_slot[slot]
        if model is None or (rule.kind is Kind.SILENCE and model.report_interval_s == 0):
            return False
        return not rule.applies_to or model.kind in rule.applies_to

    # ---- timers -----------------------------------------------------------------------------------------------------

    def fire(self, until: int, back: int = 0) -> None:
        while (first := min(self.timers(), default=None)) is not None and first[0] <= until:
            kind, slot, number = first[1:]
            due = max(first[0], back)
            cell = self.cells.get((slot, number))
            want = self.wants.get(slot)
            if kind == 0 and cell is not None:
                assert cell.since is not None
                if cell.active:
                    self.lower(slot, number, due)
                else:
                    self.raised(slot, number, cell.since, due)
            elif kind == 1:
                self.raised(slot, number, due, due)
            elif want is not None and kind == 2 and back:
                want.next_try = NEVER  # the attempts of an absence are one: the one on return
            elif want is not None and kind == 2:
                self.attempt(want, due)
            elif want is not None and kind == 3:
                want.tries[number - 1].over = True
                self.stepped(want, want.tries[number - 1], Step.EXPIRED, due)
            elif kind == 5:
                self.noted(slot, number, due)
            elif want is not None:
                want.unconfirmed_told = True
                number = self.only(Kind.UNCONFIRMED)
                self.raised(slot, number, want.since, due, because=want.alarm)

    def timers(self) -> Iterator[tuple[int, int, int, int]]:
        for (slot, number), cell in self.cells.items():
            if cell.due is not None:
                yield cell.due, 0, slot, number
            if cell.unsaid:
                yield cell.told + MINUTE, 5, slot, number
            rule = self.rules[number]
            if rule.kind is Kind.SILENCE and self.looks(slot, rule) and not cell.active and not self.paused:
                yield self.heard[slot] + 3 * int(self.fleet.interval_us[slot]), 1, slot, number
        for slot, want in self.wants.items():
            yield want.next_try, 2, slot, want.epoch
            for number, attempt in enumerate(want.tries, 1):
                if not attempt.over:
                    yield attempt.expires, 3, slot, number
            if not want.unconfirmed_told and self.only(Kind.UNCONFIRMED) >= 0:
                yield want.confirm_by, 4, slot, want.epoch

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
        elif isinstance(event, Acknowledge | Reset | CloseValve | CancelClose):
            accepted, subject = self.instructed(event)
            self.out.append(Answered(at=event.at, id=event.id, accepted=accepted, subject=subject))

    def way_in(self, slot: int, event: LinkDown | LinkUp | SessionLost | ReadingsMissing | ReadingsComplete) -> None:
        down, lost, missing = self.only(Kind.LINK_DOWN), self.only(Kind.SESSION_LOST), self.only(Kind.MISSING)
        if isinstance(event, LinkDown):
            self.raised(slot, down, event.at, event.at, note=event.reason)
        elif isinstance(event, LinkUp):
            self.lower(slot, down, event.at)
        elif isinstance(event, SessionLost):
            self.raised(slot, lost, event.at, event.at, note=event.reason)
            self.lower(slot, lost, event.at)
        elif isinstance(event, ReadingsMissing):
            words = (
                "1 reading from {} on (boot {}) is missing"
                if event.many == 1
                else "{2} readings from {0} on (boot {1}) are missing"
            )
            self.raised(slot, missing, event.at, event.at, note=words.format(event.first, event.boot, event.many))
        else:
            lost_words = "1 reading is lost for ever" if event.lost == 1 else f"{event.lost} readings are lost for ever"
            self.lower(slot, missing, event.at, lost_words if event.lost else "all have come")

    def slot(self, device_no: int) -> int:
        return next((slot for slot, no in enumerate(self.fleet.device_no) if int(no) == device_no), -1)

    def find(self, command: str) -> tuple[Want, Try] | None:
        every = ((want, attempt) for want in self.wants.values() for attempt in want.tries)
        return next((found for found in every if found[1].command == command), None)

    def link(self, event: AttemptSent | AttemptFailed | AttemptAcknowledged | Replied) -> None:
        found = self.find(event.command)
        if isinstance(event, Replied):
            slot = self.slot(event.device_no)
            if found is not None and found[0].slot != slot:
                return  # a device may only answer for its own valve
            if found is None and slot in self.wants:
                return  # an answer to something older says nothing of what is wanted now
            if found is not None:
                self.acknowledged(*found, event.at, f"valve {event.valve.name.lower()}")
            self.came(slot, event.at)
            self.woke(slot)
            if slot >= 0 and event.valve is not ValvePosition.UNKNOWN:
                self.observed(slot, event.valve, event.at)
            self.still_asleep(slot, event.at)
        elif found is not None:
            want, attempt = found
            if isinstance(event, AttemptSent):
                attempt.sent = True
                want.first_sent = want.first_sent or event.at
                self.stepped(want, attempt, Step.SENT, event.at)
            elif isinstance(event, AttemptFailed):
                if not attempt.over:
                    attempt.over = True
                    self.stepped(want, attempt, Step.FAILED, event.at, event.reason)
            else:
                self.acknowledged(want, attempt, event.at)

    def acknowledged(self, want: Want, attempt: Try, at: int, note: str = "") -> None:
        self.stepped(want, attempt, Step.ACKNOWLEDGED, at, note)
        if not self.fleet.valves[want.slot].actuator.reports_position:
            self.stepped(want, attempt, Step.UNVERIFIABLE, at, "this model reports no position")
            self.end(want, Outcome.UNVERIFIABLE, at)

    def instructed(self, said: Acknowledge | Reset | CloseValve | CancelClose) -> tuple[bool, str]:
        if isinstance(said, CloseValve):
            slot = self.slot(said.device_no)
            if slot not in self.fleet.valves:
                return False, ""
            if slot in self.wants:
                self.attempt_soon(self.wants[slot], said.at)
            return True, self.want_closed(slot, said.reason, "", said.by, said.at).wanted
        if isinstance(said, CancelClose):
            want = next((want for want in self.wants.values() if want.wanted == said.wanted), None)
            if want is not None:
                self.end(want, Outcome.CANCELLED, said.at, said.by, said.reason)
            return want is not None, said.wanted
        place = next((p for p, cell in self.cells.items() if cell.state and cell.alarm == said.alarm), None)
        if place is None:
            return False, said.alarm
        acknowledge = {
            S.UNACKNOWLEDGED: S.ACKNOWLEDGED,
            S.RETURNED_UNACKNOWLEDGED: S.NORMAL,
            S.LATCHED_UNACKNOWLEDGED: S.LATCHED_ACKNOWLEDGED,
        }
        allowed = acknowledge if isinstance(said, Acknowledge) else {S.LATCHED_ACKNOWLEDGED: S.NORMAL}
        to = allowed.get(self.cells[place].state)
        if to is None:
            return False, said.alarm
        change = Change.ACKNOWLEDGED if isinstance(said, Acknowledge) else Change.RESET
        comment = said.comment if isinstance(said, Acknowledge) else ""
        self.changed(*place, change, to, said.at, said.by, comment)
        self.settled(*place, said.at)
        return True, said.alarm
