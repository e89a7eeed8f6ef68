"""The closings of the naive reference: wanted positions, their attempts, valves that sleep."""

from devices.fleet import Fleet
from devices.models import Reachability
from devices.quantities import ValvePosition
from rules.decisions import (
    AttemptRequested,
    CloseWanted,
    CommandStepped,
    Outcome,
    Step,
    WantedEnded,
    command_id,
    wanted_id,
)
from rules.document import Action, Kind, RulePack
from tests.rules.reference_alarms import Alarms
from tests.rules.reference_terms import PAUSES_S, SECOND, S, Try, Want


class Closings(Alarms):
    def __init__(self, fleet: Fleet, pack: RulePack) -> None:
        super().__init__(fleet, pack)
        self.epochs = dict.fromkeys(range(len(fleet)), 0)
        self.wants: dict[int, Want] = {}
        self.ended: set[str] = set()
        self.confirmed: dict[int, tuple[int, int]] = {}  # by valve: when the first attempt left, when it was confirmed
        self.causes: dict[int, list[tuple[int, int]]] = {}
        self.paused = 0
        self.deaf_until = 0
        self.awake: dict[int, int] = {}

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
        hears_by = self.hears_by(slot, at)
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
                hears_by=hears_by,
            )
        )
        self.still_asleep(slot, at)
        self.attempt(want, at)
        return want

    # ---- valves that sleep ------------------------------------------------------------------------------------------

    def sleeps(self, slot: int) -> bool:
        valve = self.fleet.valves.get(slot)
        return valve is not None and valve.actuator.reachability is Reachability.WAKES

    def still_asleep(self, slot: int, at: int) -> None:
        """What is to be said of a valve that sleeps and whose closing is wanted."""
        want = self.wants.get(slot)
        if want is not None and self.sleeps(slot):
            note = f"it wakes every {self.fleet.valves[slot].actuator.wake_interval_s:g} s at the latest"
            due = self.hears_by(slot, at)
            self.raised(slot, self.only(Kind.ASLEEP), at, at, because=want.alarm, note=note, expected=due)

    def came(self, slot: int, at: int) -> None:
        if self.sleeps(slot):
            self.awake[slot] = at

    def woke(self, slot: int) -> None:
        if slot in self.wants:
            self.wants[slot].unheard = 0

    def hears_by(self, slot: int, at: int) -> int:
        """A wake interval after it was last heard; when it may have woken while nobody listened, one after that."""
        if not self.sleeps(slot):
            return 0
        wakes = round(self.fleet.valves[slot].actuator.wake_interval_s * SECOND)
        deaf_until = at if self.paused else self.deaf_until
        if slot not in self.awake:
            return at + wakes
        if self.awake[slot] < deaf_until:
            return max(at, deaf_until + wakes)
        return max(at, self.awake[slot] + wakes)

    def pause(self, want: Want) -> int:
        if not self.sleeps(want.slot):
            return PAUSES_S[min(len(want.tries), len(PAUSES_S)) - 1] * SECOND
        longest = self.fleet.valves[want.slot].actuator.wake_interval_s
        pauses = [*PAUSES_S]
        while pauses[-1] < longest:
            pauses.append(min(pauses[-1] * 2, longest))
        return round(pauses[min(want.unheard, len(pauses)) - 1] * SECOND)

    def attempt(self, want: Want, at: int) -> None:
        valve = self.fleet.valves[want.slot]
        number = len(want.tries) + 1
        expires = at + round(valve.actuator.attempt_expires_s * SECOND)
        want.tried_at = at
        want.tries.append(Try(command_id(want.wanted, number), expires))
        want.unheard += 1
        want.next_try = at + self.pause(want)
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
        self.lower(want.slot, self.only(Kind.ASLEEP), at, comment)
        self.confirmed.pop(want.slot, None)
        if outcome is Outcome.CONFIRMED:
            assert want.first_sent is not None
            self.confirmed[want.slot] = (want.first_sent, at)
            self.lower(want.slot, self.only(Kind.REOPENED), at, comment)
        if outcome is Outcome.CANCELLED:  # a named person decided: what is open now is not "opened again"
            self.causes.pop(want.slot, None)
            self.lower(want.slot, self.only(Kind.REOPENED), at, comment)

    def from_before(self, slot: int, ts: int, at: int) -> bool:
        """A reading measured more than a minute before the first attempt left says nothing of what came of it."""
        if slot in self.wants:
            first_sent = self.wants[slot].first_sent
            return first_sent is not None and ts + 60 * SECOND < first_sent
        if slot in self.confirmed:
            first_sent, confirmed_at = self.confirmed[slot]
            return ts + 60 * SECOND < first_sent and at <= confirmed_at + 60 * SECOND
        return False

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
