"""The budget of the naive reference: shut-offs that software judged leave at a rate, the worst first."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from devices.fleet import Fan, ShutOffValve
from devices.quantities import ValvePosition
from rules.decisions import Change, HeldChange, RuleNoted, ShutOffHeld
from rules.documents.document import Kind, RuleState
from rules.instructions import ReleaseHeld, VetoHeld
from tests.rules.reference_expressions import Reading
from tests.rules.reference_matrix import Matrix, Place
from tests.rules.reference_terms import SECOND, S, Want

NOT_HEARD = "its detector was not heard since the engine's store was brought back from a copy"
NO_MORE = "no alarm asks for it any more"
#: (rule id, of simulated devices, waits to be heard)
Line = tuple[str, bool, bool]


@dataclass
class Waits:
    """A shut-off that is held. number: of its rule."""

    number: int
    target: int
    slot: int
    alarm: str
    value: float
    unheard: bool
    #: Its closing was wanted before a restore.
    again: bool = False


class Budget(Matrix):
    wants: dict[int, Want]
    causes: dict[int, list[Place]]
    positions: dict[int, ValvePosition]
    heard: dict[int, int]
    #: Of watched valves: when their position was last seen.
    seen: dict[int, int]
    #: Valves that an alarm did not tell to close, because they were seen closed.
    relied: set[int]
    #: By rule number and what is commanded; in the order in which they came.
    held: dict[Place, Waits]
    #: By (rule number, simulated): when shut-offs left.
    left: dict[tuple[int, bool], list[int]]
    #: By simulated: where people are told of what waits.
    paged: dict[bool, int]

    def want_closed(self, slot: int, reason: str, alarm: str, by: str, at: int) -> Want:
        raise NotImplementedError

    def forget_cause(self, valve: int, place: Place, at: int) -> None:
        raise NotImplementedError

    def want_running(self, fan: Fan, reason: str, alarm: str, at: int) -> Want:
        raise NotImplementedError

    def most(self, number: int) -> int:
        budget = self.rules[number].budget
        return max(budget.least, int(len(self.fleet.valves) * budget.share_pct / 100))

    def line(self, one: Waits) -> Line:
        return self.rules[one.number].id, bool(self.fleet.simulated[one.slot]), one.unheard

    def in_line(self, line: Line) -> list[Waits]:
        """Worst first."""
        mine = [one for one in self.held.values() if self.line(one) == line]
        return sorted(mine, key=self.turn)

    def turn(self, one: Waits) -> tuple[float, int, int]:
        numbers = self.fleet.device_no
        return self.by(one.number).order(one.value), int(numbers[one.slot]), int(numbers[one.target])

    def room(self, number: int, simulated: bool, at: int) -> bool:
        per = round(self.rules[number].budget.per_s * SECOND)
        return sum(one > at - per for one in self.left.get((number, simulated), [])) < self.most(number)

    def frees_at(self, number: int, simulated: bool) -> int | None:
        """When the next shut-off may leave."""
        times, most = self.left.get((number, simulated), []), self.most(number)
        return times[-most] + round(self.rules[number].budget.per_s * SECOND) if len(times) >= most > 0 else None

    def seen_closed(self, valve: ShutOffValve, at: int) -> bool:
        return (
            bool(self.causes.get(valve.slot))
            and valve.slot not in self.wants
            and valve.actuator.reports_position
            and self.positions.get(valve.slot) is ValvePosition.CLOSED
            and valve.slot in self.seen
            and at - self.seen[valve.slot] < 3 * int(self.fleet.interval_us[valve.slot])
        )

    # ---- asking -----------------------------------------------------------------------------------------------------

    def ask(self, place: Place, what: ShutOffValve | Fan, causes: Sequence[Place], at: int) -> None:
        slot, number = place
        if self.remembered(slot, number):
            self.hold(place, what, at, NOT_HEARD, True)
            return
        simulated = bool(self.fleet.simulated[slot])
        if self.spends(what, causes, at):
            line = (self.rules[number].id, simulated, False)
            if self.in_line(line) or not self.room(number, simulated, at):
                budget = self.rules[number].budget
                why = f"the budget of rule {line[0]} is used up: {self.most(number)} in {budget.per_s:g} s"
                self.hold(place, what, at, why, False)
                self.prove(place, line, at)
                return
            self.left.setdefault((number, simulated), []).append(at)
        if (number, what.slot) in self.held:
            self.take(self.held[number, what.slot], HeldChange.RELEASED, at)
            self.page(at)
        self.leave(place, what, causes, at)

    def spends(self, what: ShutOffValve | Fan, causes: Sequence[Place], at: int) -> bool:
        if isinstance(what, Fan) or what.slot in self.wants or self.seen_closed(what, at):
            return False
        return not any(self.cells[cause].bit for cause in causes)

    def leave(self, place: Place, what: ShutOffValve | Fan, causes: Sequence[Place], at: int) -> None:
        cell, named = self.cells[place], self.rules[place[1]].id
        if isinstance(what, Fan):
            self.want_running(what, named, cell.alarm, at)
            return
        seen = self.seen_closed(what, at)
        known = self.causes.setdefault(what.slot, [])
        known += [cause for cause in causes if cause not in known]
        if seen:
            self.relied.add(what.slot)
        else:
            self.want_closed(what.slot, named, cell.alarm, "", at)
            self.closed(what.slot, at)

    def closed(self, target: int, at: int) -> None:
        """What waits for this valve waits no more."""
        waited = [(number, target) for number in range(len(self.rules)) if (number, target) in self.held]
        for place in waited:
            if place in self.held and not self.held[place].unheard:
                self.go(self.held[place], at)
        if waited:
            self.page(at)

    def hold(self, place: Place, what: ShutOffValve | Fan, at: int, why: str, unheard: bool) -> None:
        slot, number = place
        self.put(Waits(number, what.slot, slot, self.cells[place].alarm, self.value(place), unheard), at, why)

    def put(self, one: Waits, at: int, why: str) -> None:
        before = self.held.get((one.number, one.target))
        one.again = one.again or (before is not None and before.again)
        if before is not None and before.unheard == one.unheard:
            if self.by(one.number).worse(one.value, before.value):
                self.held[one.number, one.target] = one
                self.page(at)
            return
        self.held[one.number, one.target] = one
        self.tell_held(one, HeldChange.HELD, at, reason=why)
        self.page(at)

    def value(self, place: Place) -> float:
        cell, by = self.cells[place], self.by(place[1])
        known = cell.value if cell.ranked is None else cell.ranked
        return known if known is not None and by.quantity else by.least_bad

    def prove(self, place: Place, line: Line, at: int) -> None:
        slot, number = place
        real = any(device is not None and not self.fleet.simulated[n] for n, device in enumerate(self.fleet.devices))
        if self.rules[number].state is not RuleState.CANARY or (line[1] and real):
            return
        most = self.most(number)
        if len(self.in_line(line)) >= most:
            why = f"in its canary it asked for more than twice its budget of {most} shut-offs"
            self.revert(slot, number, at, why)
            for one in [one for one in self.held.values() if one.number == number]:
                self.take(one, HeldChange.OVER, at, reason=f"rule {line[0]} was taken back to a dry run")
            for valve, places in list(self.causes.items()):
                for one_place in [one for one in places if one[1] == number and self.cells[one].trial]:
                    self.forget_cause(valve, one_place, at)
            self.page(at)

    def revert(self, slot: int, number: int, at: int, why: str) -> None:
        named = self.rules[number].id
        self.reverted[named] = why
        self.out.append(RuleNoted(at=at, rule=named, what=f"taken back to a dry run: {why}", reverted=True))
        because = self.cells[slot, number].alarm if self.cells[slot, number].state else ""
        for place in self.in_order(number):
            if not self.cells[place].trial and self.trial(*place):
                self.cells[place].trial = True
                self.changed(*place, Change.TRIED, at)
                self.follow(*place, at)
        note, told = f"rule {named}: {why}; edit it to bring it into force again", self.only(Kind.REVERTED)
        if told >= 0:
            standing = self.cells[slot, told]
            note = f"{standing.note}; {note}" if standing.active else note
            self.raised(slot, told, at, at, because=because, note=note)

    def in_order(self, number: int) -> list[Place]:
        """Open alarms of a rule in the order in which they were raised."""
        mine = [place for place, cell in self.cells.items() if place[1] == number and cell.state is not S.NORMAL]
        return sorted(mine, key=lambda place: self.cells[place].serial)

    # ---- going, or not ----------------------------------------------------------------------------------------------

    def go(self, one: Waits, at: int, by: str = "") -> bool:
        causes = self.asked_for(one.target, one.number)
        place = (one.slot, one.number)
        mine = self.cells[place].state is not S.NORMAL and self.cells[place].alarm == one.alarm
        if not causes and mine and (self.latched(one) or (by and self.in_force(*place))):
            causes = [place]
        if not causes and not (by and one.again):
            self.take(one, HeldChange.OVER, at, reason=NO_MORE)
            return False
        self.take(one, HeldChange.RELEASED, at, by=by)
        what = self.fleet.valves.get(one.target) or self.fleet.fans[one.target]
        if not causes:
            self.want_closed(one.target, self.rules[one.number].id, one.alarm, by, at)
            self.closed(one.target, at)
            return True
        self.leave(place if mine and place in causes else causes[0], what, causes, at)
        return True

    def take_turns(self, line: Line, number: int, at: int) -> None:
        while (mine := self.in_line(line)) and self.room(number, line[1], at):
            spends = self.spends(self.fleet.valves[mine[0].target], (), at)
            if self.go(mine[0], at) and spends:
                self.left.setdefault((number, line[1]), []).append(at)

    def release_due(self, number: int, at: int) -> None:
        for simulated in (False, True):
            self.take_turns((self.rules[number].id, simulated, False), number, at)
        self.page(at)

    def latched(self, one: Waits) -> bool:
        """A closing that was wanted before a restore, of an alarm that is latched."""
        cell = self.cells[one.slot, one.number]
        latched = cell.state in (S.LATCHED_UNACKNOWLEDGED, S.LATCHED_ACKNOWLEDGED) and cell.alarm == one.alarm
        return one.again and latched and not cell.trial and one.slot not in self.service

    def was_heard(self, one: Waits, at: int) -> None:
        """Its detector is heard, and does not say it again."""
        cell, place = self.cells[one.slot, one.number], (one.slot, one.number)
        if self.latched(one):
            self.ask(place, self.fleet.valves[one.target], [place], at)
        elif not cell.active or cell.alarm != one.alarm:
            self.or_over(one, at)

    def or_over(self, one: Waits, at: int) -> None:
        if not one.unheard and self.latched(one):
            return
        causes = [] if one.unheard else self.asked_for(one.target, one.number)
        if not causes:
            self.take(one, HeldChange.OVER, at, reason=NO_MORE)
            return
        slot, number = causes[0]
        alarm, value = self.cells[causes[0]].alarm, self.value(causes[0])
        found = Waits(number, one.target, slot, alarm, value, one.unheard, one.again)
        self.held[number, one.target] = found

    def of_detector(self, slot: int) -> list[Waits]:
        mine = [one for one in self.held.values() if one.slot == slot]
        return sorted(mine, key=lambda one: (self.rules[one.number].id, one.target))

    def no_longer(self, slot: int, number: int, at: int) -> None:
        """An alarm is no longer active."""
        if self.in_force(slot, number):
            return
        mine = [one for one in self.of_detector(slot) if one.number == number]
        for one in mine:
            if one.unheard and slot not in self.unheard and self.latched(one):
                self.was_heard(one, at)
            elif not self.latched(one):
                self.or_over(one, at)
        voted = {valve.slot for row in self.rows(slot, number) for valve in row.valves}
        lost = [
            one
            for one in self.held.values()
            if one.target in voted and not one.unheard and not self.asked_for(one.target, one.number)
        ]
        for one in sorted(lost, key=lambda one: (self.rules[one.number].id, one.target)):
            self.or_over(one, at)
        if mine or lost:
            self.page(at)

    def said_again(self, slot: int, one: Reading, raised: Sequence[int], at: int) -> None:
        """A live reading of a detector of which something waits, or that was not heard since a restore."""
        first = slot in self.unheard
        if not first and not self.of_detector(slot):
            return
        self.unheard.discard(slot)
        for number, says in enumerate(raised):
            if says == 1 and self.in_force(slot, number):
                self.confirmed_alive(slot, number, at, first)
        for waits in self.of_detector(slot):
            if waits.unheard and waits.again and raised[waits.number] == 0:
                self.was_heard(waits, at)
        for waits in self.of_detector(slot):
            by = self.by(waits.number)
            if by.quantity in one.good and by.worse(one.good[by.quantity], waits.value):
                waits.value = one.good[by.quantity]
        self.page(at)

    def confirmed_alive(self, slot: int, number: int, at: int, first: bool) -> None:
        for what, causes in self.asks(slot, number):
            waited = self.held.get((number, what.slot))
            if (waited is not None and waited.unheard) or (first and len(causes) > 1):
                self.ask((slot, number), what, causes, at)
        for one in self.of_detector(slot):
            if one.number == number and one.unheard:
                self.or_over(one, at)

    # ---- what people say, and are told ------------------------------------------------------------------------------

    def of_people(self, said: ReleaseHeld | VetoHeld) -> bool:
        number = next((n for n, rule in enumerate(self.rules) if rule.id == said.rule), -1)
        if isinstance(said, VetoHeld) and not said.reason.strip():
            return False
        if number < 0:
            return False
        numbers = self.fleet.device_no
        mine = [one for one in self.held.values() if one.number == number]
        mine = sorted((one for one in mine if said.device_no in (0, int(numbers[one.target]))), key=self.turn)
        for one in mine:
            if isinstance(said, ReleaseHeld):
                self.go(one, said.at, by=said.by)
            else:
                self.take(one, HeldChange.VETOED, said.at, reason=said.reason, by=said.by)
        self.page(said.at)
        return bool(mine)

    def take(self, one: Waits, what: HeldChange, at: int, reason: str = "", by: str = "") -> None:
        del self.held[one.number, one.target]
        self.tell_held(one, what, at, reason, by)

    def tell_held(self, one: Waits, what: HeldChange, at: int, reason: str = "", by: str = "") -> None:
        self.out.append(
            ShutOffHeld(
                at=at,
                rule=self.rules[one.number].id,
                device_no=int(self.fleet.device_no[one.target]),
                alarm=one.alarm,
                change=what,
                value=one.value if math.isfinite(one.value) else None,
                reason=reason,
                by=by,
            )
        )

    def page(self, at: int) -> None:
        number = self.only(Kind.HELD)
        if number < 0:
            return
        for simulated in (False, True):
            mine = [one for one in self.held.values() if bool(self.fleet.simulated[one.slot]) == simulated]
            note = "; ".join(self.words(line) for line in sorted({self.line(one) for one in mine}))
            if mine and simulated in self.paged:
                self.say(self.paged[simulated], number, note, 0, at)
            elif mine:
                self.paged[simulated] = mine[0].slot
                self.raised(mine[0].slot, number, at, at, because=mine[0].alarm, note=note)
            elif simulated in self.paged:
                self.lower(self.paged.pop(simulated), number, at, "nothing waits any more")

    def words(self, line: Line) -> str:
        mine = self.in_line(line)
        what = f"{len(mine)} shut-off{'s' if len(mine) > 1 else ''} of rule {line[0]}"
        if line[2]:
            return f"{what}: detectors not heard since the engine's store was brought back from a copy"
        if not math.isfinite(mine[0].value):
            return f"{what}: more than its budget; release or veto them"
        device = self.fleet.devices[mine[0].slot]
        assert device is not None
        return f"{what}: more than its budget; the worst {mine[0].value:g} at {device.identity}; release or veto them"
