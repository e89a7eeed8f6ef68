"""The closings of the naive reference: wanted positions, their attempts, valves that sleep."""

from devices.commands import Verb
from devices.fleet import Fan, Fleet
from devices.models import Reachability
from devices.quantities import ValvePosition
from rules.decisions import (
    AttemptRequested,
    CloseWanted,
    CommandStepped,
    FanWanted,
    Outcome,
    Step,
    WantedEnded,
    command_id,
    wanted_id,
)
from rules.documents.document import Kind, RulePack
from tests.rules.reference_budget import NOT_HEARD, Waits
from tests.rules.reference_matrix import FORBIDS
from tests.rules.reference_people import People
from tests.rules.reference_terms import PAUSES_S, SECOND, S, Try, Want

WHY = "the engine's store was brought back from a copy"


class Closings(People):
    def __init__(self, fleet: Fleet, pack: RulePack, now: int) -> None:
        super().__init__(fleet, pack)
        self.heard = dict.fromkeys(range(len(fleet)), now)
        self.epochs = dict.fromkeys(range(len(fleet)), 0)
        self.positions, self.seen, self.relied = {}, {}, set()
        self.wants: dict[int, Want] = {}
        #: When each device was attempted last.
        self.tried: dict[int, int] = {}
        self.ended: set[str] = set()
        self.confirmed: dict[int, tuple[int, int]] = {}  # by valve: when the first attempt left, when it was confirmed
        self.causes: dict[int, list[tuple[int, int]]] = {}
        self.permits, self.held, self.left, self.paged, self.marks = {}, {}, {}, {}, {}
        self.unheard = set()
        self.paused = 0
        self.deaf_until = 0
        self.awake: dict[int, int] = {}

    # ---- cause and effect -------------------------------------------------------------------------------------------

    def acts(self, slot: int, number: int, at: int) -> None:
        """What an active alarm asks for now."""
        action, cell = self.rules[number].action, self.cells[slot, number]
        for valve in self.reach(slot, number) if cell.trial else ():
            if (slot, number) in self.causes.get(valve, []):
                self.forget_cause(valve, (slot, number), at)
        if action.closes and cell.active and not cell.trial:
            for valve in self.reach(slot, number):
                self.die(valve, at, f"alarm {self.rules[number].id} closes the valve")
        if not (action.closes or action.ventilates) or not self.in_force(slot, number):
            return
        if action.closes and not self.reach(slot, number):
            self.raised(slot, self.only(Kind.NO_VALVE), cell.onset, at, because=cell.alarm)
        for what, causes in self.asks(slot, number):
            if self.in_force(slot, number):
                self.ask((slot, number), what, causes, at)

    def settled(self, slot: int, number: int, at: int) -> None:
        """An alarm has returned, or is over."""
        action = self.rules[number].action
        if not (action.closes or action.ventilates):
            return
        closing = [n for n, rule in enumerate(self.rules) if rule.action.closes and not self.reach(slot, n)]
        if not any(self.cells[slot, n].active for n in closing):
            self.lower(slot, self.only(Kind.NO_VALVE), at)
        self.no_longer(slot, number, at)
        if action.ventilates:
            for fan in [fan for row in self.fleet.rows_of.get(slot, ()) for fan in row.fans]:
                running = self.wants.get(fan.slot)
                asks = any(self.asked_for(fan.slot, n) for n in range(len(self.rules)))
                if running is not None and running.verb is Verb.FAN_ON and not asks:
                    self.end(running, Outcome.OVER, at)
        if self.cells[slot, number].state is S.NORMAL:
            for valve in self.reach(slot, number):
                self.forget_cause(valve, (slot, number), at)

    def forget_cause(self, valve: int, place: tuple[int, int], at: int) -> None:
        """This alarm no longer keeps the valve closed."""
        causes = self.causes.get(valve, [])
        if place in causes:
            causes.remove(place)
        if not causes:
            self.causes.pop(valve, None)
            self.lower(valve, self.only(Kind.REOPENED), at)
        self.forget_seen(valve)

    def forget_seen(self, slot: int) -> None:
        if not self.watched(slot):
            self.unsee(slot)

    def unsee(self, slot: int) -> None:
        self.seen.pop(slot, None)
        self.relied.discard(slot)

    def unseen_at(self, slot: int) -> int:
        """When what was seen of a valve is too old."""
        return max(self.seen.get(slot, 0), self.deaf_until) + 3 * int(self.fleet.interval_us[slot])

    def unseen(self, slot: int, at: int) -> None:
        """An alarm relied on it that it was seen closed: it is told to close now."""
        self.relied.discard(slot)
        place = next((one for one in self.causes.get(slot, []) if self.in_force(*one)), None)
        if place is not None:
            self.want_closed(slot, self.rules[place[1]].id, self.cells[place].alarm, "", at)

    def watched(self, slot: int) -> bool:
        """Its closing is wanted, or an alarm that closed it is open."""
        return slot in self.wants or bool(self.causes.get(slot))

    def want_closed(self, slot: int, reason: str, alarm: str, by: str, at: int) -> Want:
        if slot in self.wants:
            return self.wants[slot]
        valve = self.fleet.valves[slot]
        self.die(slot, at, "the valve's closing is wanted")
        self.relied.discard(slot)
        self.epochs[slot] += 1
        epoch = self.epochs[slot]
        confirm_by = at + round(valve.actuator.confirm_within_s * SECOND)
        name = wanted_id(valve.device.device_no, epoch)
        hears_by = self.hears_by(slot, at)
        want = self.wants[slot] = Want(name, slot, epoch, reason, alarm, at, confirm_by, by=by)
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
        self.begin(want, at)
        return want

    def want_running(self, fan: Fan, reason: str, alarm: str, at: int) -> Want:
        if fan.slot in self.wants:
            return self.wants[fan.slot]
        self.epochs[fan.slot] += 1
        epoch, number = self.epochs[fan.slot], fan.device.device_no
        name = wanted_id(number, epoch)
        confirm_by = at + round(fan.actuator.confirm_within_s * SECOND)
        want = self.wants[fan.slot] = Want(name, fan.slot, epoch, reason, alarm, at, confirm_by, verb=Verb.FAN_ON)
        self.out.append(FanWanted(at=at, wanted=name, device_no=number, epoch=epoch, reason=reason, alarm=alarm))
        self.begin(want, at)
        return want

    def begin(self, want: Want, at: int) -> None:
        """At once, or a second after the last attempt at this device."""
        if at >= self.tried.get(want.slot, at - SECOND) + SECOND:
            self.attempt(want, at)
        else:
            want.tried_at = self.tried[want.slot]
            want.next_try = want.tried_at + SECOND

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
        number = len(want.tries) + 1
        actuator = self.fleet.actuator(want.slot)
        assert actuator is not None
        expires = at + round(actuator.attempt_expires_s * SECOND)
        want.tried_at = self.tried[want.slot] = at
        self.forget_tries(want)
        want.tries.append(Try(command_id(want.wanted, number), expires))
        want.unheard += 1
        want.next_try = at + self.pause(want)
        self.out.append(
            AttemptRequested(
                at=at,
                command=want.tries[-1].command,
                wanted=want.wanted,
                device_no=int(self.fleet.device_no[want.slot]),
                epoch=want.epoch,
                attempt=number,
                expires=expires,
                reason=want.reason,
                verb=want.verb,
            )
        )

    def forget_tries(self, want: Want) -> None:
        """Of 32 attempts those that are over, save the last 16 and the last that was sent, are forgotten."""
        known = [(number, one) for number, one in enumerate(want.tries, 1) if not one.forgotten]
        if len(known) >= 32:
            last_sent = max((number for number, one in known if one.sent), default=0)
            for number, one in known:
                one.forgotten = one.over and number <= len(want.tries) - 16 and number != last_sent

    def attempt_soon(self, want: Want, at: int) -> None:
        """At once, or a second after the last one, if that is sooner than planned."""
        if want.tried_at + SECOND <= at:
            self.attempt(want, at)
        else:
            want.next_try = min(want.next_try, want.tried_at + SECOND)

    def stepped(self, want: Want, attempt: Try, step: Step, at: int, note: str = "") -> None:
        device_no = int(self.fleet.device_no[want.slot])
        self.out.append(
            CommandStepped(
                at=at, command=attempt.command, wanted=want.wanted, device_no=device_no, step=step, note=note
            )
        )

    def end(self, want: Want, outcome: Outcome, at: int, by: str = "", comment: str = "") -> None:
        del self.wants[want.slot]
        self.ended.add(want.wanted)
        device_no = int(self.fleet.device_no[want.slot])
        self.out.append(
            WantedEnded(at=at, wanted=want.wanted, device_no=device_no, outcome=outcome, by=by, comment=comment)
        )
        self.lower(want.slot, self.only(Kind.UNCONFIRMED), at, comment)
        self.lower(want.slot, self.only(Kind.ASLEEP), at, comment)
        self.confirmed.pop(want.slot, None)
        if outcome is Outcome.CONFIRMED:
            self.confirmed[want.slot] = (want.first_sent or 0, at)
            self.lower(want.slot, self.only(Kind.REOPENED), at, comment)
        if outcome is Outcome.CANCELLED:  # a named person decided: what is open now is not "opened again"
            self.causes.pop(want.slot, None)
        self.forget_seen(want.slot)
        if outcome is Outcome.CANCELLED:
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

    def stands(self, slot: int, position: ValvePosition, at: int) -> None:
        """A valve was seen."""
        self.positions[slot] = position
        if self.watched(slot):
            self.seen[slot] = at
        self.observed(slot, position, at)

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
        standing = [
            place
            for place in self.causes.get(slot, [])
            if self.cells[place].state in FORBIDS and not self.cells[place].trial
        ]
        if not standing:
            return
        place = next((one for one in standing if self.cells[one].active), standing[0])
        alarm = self.cells[place].alarm
        self.raised(slot, self.only(Kind.REOPENED), at, at, because=alarm)
        if any(self.in_force(*one) for one in standing):
            self.want_closed(slot, self.rules[place[1]].id, alarm, "", at)

    # ---- after a restore --------------------------------------------------------------------------------------------

    def restored(self, at: int, least_epoch: int) -> None:
        for slot in sorted(self.permits):
            self.die(slot, at, WHY)
        for slot in (*self.fleet.valves, *self.fleet.fans):
            self.epochs[slot] = max(self.epochs[slot] + 1, least_epoch)
        self.positions.clear()
        self.tried.clear()
        self.seen.clear()
        self.relied.clear()
        self.confirmed.clear()
        self.unheard = {slot for (slot, _), cell in self.cells.items() if cell.state is not S.NORMAL or cell.since}
        waited = list(self.held.values())
        for want in list(self.wants.values()):
            self.anew(want, at)
        for one in waited:
            place = (one.slot, one.number)
            mine = self.cells[place].state is not S.NORMAL and self.cells[place].alarm == one.alarm
            if not one.unheard and mine and (one.again or self.in_force(*place)):
                self.put(self.waits_for(place, one.target, again=one.again), at, NOT_HEARD)
        self.page(at)

    def anew(self, want: Want, at: int) -> None:
        causes = list(self.causes.get(want.slot, []))
        place = self.find_alarm(want.alarm)
        closes = want.verb is Verb.CLOSE
        if not closes and place is not None:
            causes = [place]
        certain = bool(want.by) or any(self.cells[one].bit for one in causes if self.cells[one].state is not S.NORMAL)
        aside = [] if certain else self.put_aside(want, causes)
        certain = certain or (closes and not aside)
        what = "what software judged waits until its detector is heard" if aside else "no alarm asks for it any more"
        what = "it is wanted anew" if certain else what
        self.end(want, Outcome.CANCELLED, at, comment=f"{WHY}: {what}")
        if aside:
            self.give_back(want)
        for one in aside:
            self.put(one, at, NOT_HEARD)
        if certain and not closes:
            self.want_running(self.fleet.fans[want.slot], want.reason, want.alarm, at)
        elif certain:
            if causes:
                self.causes[want.slot] = causes
            self.want_closed(want.slot, want.reason, want.alarm, want.by, at)

    def give_back(self, want: Want) -> None:
        number = next((n for n, rule in enumerate(self.rules) if rule.id == want.reason), -1)
        left = self.left.get((number, bool(self.fleet.simulated[want.slot])), [])
        if want.since in left:
            left.remove(want.since)

    def put_aside(self, want: Want, causes: list[tuple[int, int]]) -> list[Waits]:
        """What waits to be heard instead: one alarm of each rule, or who could raise it anew."""
        closes = want.verb is Verb.CLOSE
        standing = [one for one in causes if self.cells[one].state is not S.NORMAL and not self.cells[one].trial]
        chosen: dict[int, tuple[int, int]] = {}
        for place in [one for one in standing if self.in_force(*one)] + (standing if closes else []):
            chosen.setdefault(place[1], place)
        number = next((n for n, rule in enumerate(self.rules) if rule.id == want.reason), -1)
        if chosen or not closes or number < 0:
            return [self.waits_for(place, want.slot, again=closes) for place in chosen.values()]
        for slot in self.detectors(want.slot):
            if want.slot in self.reach(slot, number):
                return [Waits(number, want.slot, slot, want.alarm, self.by(number).least_bad, True, True)]
        return []

    def waits_for(self, place: tuple[int, int], target: int, *, again: bool) -> Waits:
        slot, number = place
        return Waits(number, target, slot, self.cells[place].alarm, self.value(place), True, again)
