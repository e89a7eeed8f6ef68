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
    AttemptRequested,
    AttemptSent,
    CancelClose,
    Change,
    CloseValve,
    CloseWanted,
    CommandStepped,
    Connected,
    Decision,
    Event,
    Listening,
    Outcome,
    Paused,
    Replied,
    Reset,
    Resumed,
    Step,
    WantedEnded,
    command_id,
    wanted_id,
)
from rules.document import Action, Kind, Rule, RulePack
from tests.rules.reference_alarms import Alarms
from tests.rules.reference_terms import FALSE, NEVER, PAUSES_S, SECOND, TRUE, S, Try, Want, condition, mask


class Reference(Alarms):
    def __init__(self, fleet: Fleet, pack: RulePack, now: int) -> None:
        super().__init__(fleet, pack)
        self.heard = dict.fromkeys(range(len(fleet)), now)
        self.epochs = dict.fromkeys(range(len(fleet)), 0)
        self.wants: dict[int, Want] = {}
        self.ended: set[str] = set()
        self.causes: dict[int, list[tuple[int, int]]] = {}
        self.paused = 0

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
        self.heard[slot] = at
        flags, ts = int(row["flags"][0]), int(row["ts"][0])
        late = bool(flags & Flag.LATE)
        valve = ValvePosition(int(row["valve"][0]))
        if not late and valve is not ValvePosition.UNKNOWN:
            self.observed(slot, valve, at)
        for number, rule in enumerate(self.rules):
            if not self.looks(slot, rule):
                continue
            value = float(row[rule.quantity][0]) if rule.quantity else float("nan")
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
        return model is not None and (not rule.applies_to or model.kind in rule.applies_to)

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
            elif want is not None:
                want.unconfirmed_told = True
                number = self.only(Kind.UNCONFIRMED)
                self.raised(slot, number, want.since, due, because=want.alarm)

    def timers(self) -> Iterator[tuple[int, int, int, int]]:
        for (slot, number), cell in self.cells.items():
            if cell.due is not None:
                yield cell.due, 0, slot, number
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

    # ---- cause and effect -------------------------------------------------------------------------------------------

    def close_for(self, slot: int, number: int, at: int) -> None:
        cell = self.cells[slot, number]
        valves = self.fleet.links.get(slot, ())
        if not valves:
            self.raised(slot, self.only(Kind.NO_VALVE), cell.onset, at, because=cell.alarm)
        for valve in valves:
            if (slot, number) not in self.causes.setdefault(valve.slot, []):
                self.causes[valve.slot].append((slot, number))
            self.want_closed(valve.slot, self.rules[number].id, cell.alarm, "", at)

    def settled(self, slot: int, number: int, at: int) -> None:
        """A closing alarm has returned, or is over."""
        if self.rules[number].action is not Action.CLOSE:
            return
        if not any(self.cells[slot, n].active for n, rule in enumerate(self.rules) if rule.action is Action.CLOSE):
            self.lower(slot, self.only(Kind.NO_VALVE), at)
        if self.cells[slot, number].state is S.NORMAL:
            for valve in self.fleet.links.get(slot, ()):
                causes = self.causes.get(valve.slot, [])
                if (slot, number) in causes:
                    causes.remove((slot, number))
                if not causes:
                    self.lower(valve.slot, self.only(Kind.REOPENED), at)

    def want_closed(self, slot: int, reason: str, alarm: str, by: str, at: int) -> Want:
        if slot in self.wants:
            return self.wants[slot]
        valve = self.fleet.valves[slot]
        self.epochs[slot] += 1
        epoch = self.epochs[slot]
        confirm_by = at + round(valve.actuator.confirm_within_s * SECOND)
        name = wanted_id(valve.device.device_no, epoch)
        want = self.wants[slot] = Want(name, slot, epoch, reason, alarm, at, confirm_by)
        self.out.append(
            CloseWanted(
                at=at,
                wanted=name,
                device_no=valve.device.device_no,
                epoch=epoch,
                reason=reason,
                alarm=alarm,
                by=by,
                confirm_by=confirm_by,
            )
        )
        self.attempt(want, at)
        return want

    def attempt(self, want: Want, at: int) -> None:
        valve = self.fleet.valves[want.slot]
        number = len(want.tries) + 1
        expires = at + round(valve.actuator.attempt_expires_s * SECOND)
        want.tried_at = at
        want.tries.append(Try(command_id(want.wanted, number), expires))
        want.next_try = at + PAUSES_S[min(number, len(PAUSES_S)) - 1] * SECOND
        self.out.append(
            AttemptRequested(
                at=at,
                command=want.tries[-1].command,
                wanted=want.wanted,
                device_no=valve.device.device_no,
                epoch=want.epoch,
                attempt=number,
                expires=expires,
                reason=want.reason,
            )
        )

    def attempt_soon(self, want: Want, at: int) -> None:
        """At once, or a second after the last one, if that is sooner than planned."""
        if want.tried_at + SECOND <= at:
            self.attempt(want, at)
        else:
            want.next_try = min(want.next_try, want.tried_at + SECOND)

    def stepped(self, want: Want, attempt: Try, step: Step, at: int, note: str = "") -> None:
        device_no = self.fleet.valves[want.slot].device.device_no
        self.out.append(
            CommandStepped(
                at=at, command=attempt.command, wanted=want.wanted, device_no=device_no, step=step, note=note
            )
        )

    def end(self, want: Want, outcome: Outcome, at: int, by: str = "", comment: str = "") -> None:
        del self.wants[want.slot]
        self.ended.add(want.wanted)
        device_no = self.fleet.valves[want.slot].device.device_no
        self.out.append(
            WantedEnded(at=at, wanted=want.wanted, device_no=device_no, outcome=outcome, by=by, comment=comment)
        )
        self.lower(want.slot, self.only(Kind.UNCONFIRMED), at, comment)
        if outcome is Outcome.CONFIRMED:
            self.lower(want.slot, self.only(Kind.REOPENED), at, comment)
        if outcome is Outcome.CANCELLED:  # a named person decided: what is open now is not "opened again"
            self.causes.pop(want.slot, None)
            self.lower(want.slot, self.only(Kind.REOPENED), at, comment)

    def observed(self, slot: int, position: ValvePosition, at: int) -> None:
        want = self.wants.get(slot)
        valve = self.fleet.valves.get(slot)
        if valve is None or not valve.actuator.reports_position:
            return
        if want is not None:
            if position is ValvePosition.CLOSED and want.first_sent is not None:
                last = [attempt for attempt in want.tries if attempt.sent][-1]
                self.stepped(want, last, Step.CONFIRMED, at)
                self.end(want, Outcome.CONFIRMED, at)
        elif position in (ValvePosition.OPEN, ValvePosition.OPENING):
            self.opened_again(slot, at)
        elif position is ValvePosition.CLOSED:
            self.lower(slot, self.only(Kind.REOPENED), at)

    def opened_again(self, slot: int, at: int) -> None:
        causes = [(place, self.cells[place]) for place in self.causes.get(slot, [])]
        standing = [(place, cell) for place, cell in causes if cell.state not in (S.NORMAL, S.RETURNED_UNACKNOWLEDGED)]
        if not standing:
            return
        (_, number), cell = next((one for one in standing if one[1].active), standing[0])
        self.raised(slot, self.only(Kind.REOPENED), at, at, because=cell.alarm)
        if cell.active:
            self.want_closed(slot, self.rules[number].id, cell.alarm, "", at)

    # ---- events -----------------------------------------------------------------------------------------------------

    def event(self, event: Event) -> None:
        if isinstance(event, Connected):
            want = self.wants.get(self.slot(event.device_no))
            if want is not None:
                self.attempt_soon(want, event.at)
        elif isinstance(event, Paused):
            self.paused = self.paused or event.at
        elif isinstance(event, Resumed):
            for want in list(self.wants.values()):
                if want.since < event.at:
                    self.attempt(want, event.at)
        elif isinstance(event, AttemptSent | AttemptFailed | AttemptAcknowledged | Replied):
            self.link(event)
        elif isinstance(event, Acknowledge | Reset | CloseValve | CancelClose):
            accepted, subject = self.instructed(event)
            self.out.append(Answered(at=event.at, id=event.id, accepted=accepted, subject=subject))

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
            if slot >= 0 and event.valve is not ValvePosition.UNKNOWN:
                self.observed(slot, event.valve, event.at)
        elif found is not None:
            want, attempt = found
            if isinstance(event, AttemptSent):
                attempt.sent = True
                want.first_sent = want.first_sent or event.at
                self.stepped(want, attempt, Step.SENT, event.at)
            elif isinstance(event, AttemptFailed):
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
