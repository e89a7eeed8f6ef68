"""Shut-offs that software judged, released at a budgeted rate (G13).

B1  Software judged a shut-off unless one of the alarms that ask for it was raised, or is confirmed since, by an alarm
    bit of its own device. A person's CLOSE never comes here, and what a device's own bit asks for is never held.
B2  Of each rule at most `limit` shut-offs leave within its budget's window, whatever the batches are; what is more is
    held, and leaves as the window moves on: worst first, then by the numbers of detector and valve. What a person
    releases is not counted. An edit of the rule changes the budget, and refills nothing.
B3  What is held is over when no alarm of its rule asks for it any more. A veto holds until the alarm has returned: only
    an alarm that becomes active, or a device's own alarm bit, asks again.
B4  Simulated devices have a budget of their own, so that a drill never holds up what is real (G10).
B5  A valve whose closing is wanted already, or that was seen closed for an alarm and still reads closed, needs none:
    the cause is kept. Nor does closing again a valve that was opened while its alarm stands. Fans are never held for a
    budget.
B6  After the store was restored from a copy, what an alarm asks for that is only remembered waits until its detector
    says in a live reading that the rule is raised, or until the alarm is over; a closing that was wanted already also
    leaves for an alarm that is latched by then (rules/interlock/restoring.py).
B7  A rule in its canary of which as many wait as may leave is taken back (rules/interlock/trials.py).
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from devices.commands import Verb
from devices.readings import Rows
from rules.decisions import HeldChange
from rules.instructions import ReleaseHeld, VetoHeld
from rules.interlock import held, matrix, releasing, restoring
from rules.interlock.waiting import Line
from rules.interlock.worst import good, worst_by
from rules.life.alarms import Out
from rules.stepping.standing import Held
from rules.stepping.state import State

_NO_COMMANDS, _OTHER_COMMANDS = "it takes no commands any more", "it takes other commands now"
_NO_ACTION = "rule {} does not ask for it any more"

ask, drop, limit = releasing.ask, releasing.drop, releasing.limit


def release_due(state: State, out: Out, rule: int, due: int, at: int) -> None:
    """The budget of a rule may have room again."""
    for simulated in (False, True):
        releasing.turn(state, out, Line(state.compiled.rules[rule].id, simulated), at)
    held.page(state, out, at)


def release(state: State, out: Out, said: ReleaseHeld) -> str:
    """A person sends what waits. Returns why not, or empty."""
    found, refused = _named(state, said.rule, said.device_no)
    for one in found:
        releasing.go(state, out, one, said.at, by=said.by)
    held.page(state, out, said.at)
    return refused


def veto(state: State, out: Out, said: VetoHeld) -> str:
    """A person ends what waits. Returns why not, or empty."""
    if not said.reason.strip():
        return "say why it must not leave"
    found, refused = _named(state, said.rule, said.device_no)
    for one in found:
        held.take(state, out, one, HeldChange.VETOED, said.at, reason=said.reason, by=said.by)
    held.page(state, out, said.at)
    return refused


def _named(state: State, rule: str, device_no: int) -> tuple[list[Held], str]:
    """What waits of a rule (of one valve or fan, or of all of them), worst first; and why there is nothing."""
    if rule not in state.compiled.by_id:
        return [], f"there is no rule {rule!r}"
    numbers, by = state.fleet.device_no, worst_by(state.compiled.pack, state.compiled.by_id[rule])
    mine = [one for one in state.held.values() if one.rule == rule and device_no in (0, int(numbers[one.valve]))]
    mine.sort(key=lambda one: (by.order(one.value), int(numbers[one.detector]), int(numbers[one.valve])))
    what = f" of device {device_no}" if device_no else ""
    return mine, "" if mine else f"nothing{what} is held of rule {rule}; it may have left, or its alarm is over"


# ---- what happens meanwhile -----------------------------------------------------------------------------------------


def settled(state: State, out: Out, slot: int, rule: int, at: int) -> None:
    """An alarm is no longer active: what waits for it waits for another that asks for it, or is over; and so is what
    waits for others that ask for nothing without its vote."""
    if not state.held or matrix.acts(state, slot, rule):
        return
    mine = [key for key in state.waiting.of_detector(slot) if key[0] == state.compiled.rules[rule].id]
    for one in [state.held[key] for key in mine]:
        if one.unheard and slot not in state.unheard and releasing.latched(state, one):
            releasing.was_heard(state, out, one, at)
        elif not releasing.latched(state, one):
            releasing.or_over(state, out, one, at)
    outvoted = _outvoted(state, slot, rule)
    for one in outvoted:
        releasing.or_over(state, out, one, at)
    if mine or outvoted:
        held.page(state, out, at)


def _outvoted(state: State, slot: int, rule: int) -> list[Held]:
    """What waits for its turn in rows in which this alarm voted, and nothing asks for now."""
    rows = matrix.rows_for(state.fleet, slot, state.compiled.rules[rule].id)
    keys = [(other, valve.slot) for row in rows for valve in row.valves for other in state.compiled.by_id]
    return [
        state.held[key]
        for key in sorted(set(keys) & state.held.keys())
        if not state.held[key].unheard and not matrix.asks_for(state, key[1], state.compiled.by_id[key[0]])
    ]


def heard(state: State, out: Out, slot: int, row: Rows, raised: NDArray[np.int8], at: int) -> None:
    """A live reading of a detector of which something waits, or that was not heard since the store was restored
    (state.waits). row: shape (1,); raised: shape (rules,), what every rule says of it (kernels.TRUE). To be told before
    what the reading itself raises."""
    first = slot in state.unheard
    state.unheard.discard(slot)
    for rule in np.flatnonzero(raised == 1).tolist():
        if matrix.acts(state, slot, rule):
            _confirmed(state, out, slot, rule, at, first=first)
    for one in [state.held[key] for key in state.waiting.of_detector(slot)]:
        if one.unheard and one.again and raised[state.compiled.by_id[one.rule]] == 0:
            releasing.was_heard(state, out, one, at)
    for key in state.waiting.of_detector(slot):
        _worsened(state, state.held[key], row)
    held.listen(state, slot)
    held.page(state, out, at)


def _confirmed(state: State, out: Out, slot: int, rule: int, at: int, *, first: bool) -> None:
    """A live reading says what was only remembered (B6): what waited for that is asked for now. Its vote counts again,
    too, where it was the one that lacked."""
    spec = state.compiled.rules[rule]
    for what, causes in matrix.asked(state, state.fleet, slot, rule):
        waited = state.held.get((spec.id, what.slot))
        if (waited is not None and waited.unheard) or (first and len(causes) > 1):
            releasing.ask(state, out, (slot, rule), what, causes, at)
    for key in state.waiting.of_detector(slot):
        if key[0] == spec.id and state.held[key].unheard:
            releasing.or_over(state, out, state.held[key], at)


def _worsened(state: State, one: Held, row: Rows) -> None:
    by = worst_by(state.compiled.pack, state.compiled.by_id[one.rule])
    value = good(row, by.quantity) if by.quantity else None
    if value is not None and by.worse(value, one.value):
        held.wait(state, msgspec.structs.replace(one, value=value))


def laid_out(state: State, out: Out, now: int) -> None:
    """The registry or the rules are others, and nothing has followed from that yet: from here on everything that waits
    waits for an alarm that stands."""
    for one in [one for one in state.held.values() if one.rule not in state.compiled.by_id]:
        held.take(state, out, one, HeldChange.OVER, now, reason=f"rule {one.rule} is no longer in force")
    state.unheard = {slot for slot in state.unheard if state.fleet.present[slot]}
    held.rebuild(state)
    for one in list(state.held.values()):
        place = state.by_alarm.get(one.alarm)
        told = matrix.commanded(state.fleet, one.valve)
        if told is not one.verb:
            held.take(state, out, one, HeldChange.OVER, now, reason=_NO_COMMANDS if told is None else _OTHER_COMMANDS)
        elif not _has_action(state, one):
            held.take(state, out, one, HeldChange.OVER, now, reason=_NO_ACTION.format(one.rule))
        elif not _still_reached(state, one) and (place is None or not _acts_at(state, one, place)):
            releasing.or_over(state, out, one, now)


def _has_action(state: State, one: Held) -> bool:
    """Whether alarms of its rule still do what waits."""
    action = state.compiled.rules[state.compiled.by_id[one.rule]].action
    return action.closes if one.verb is Verb.CLOSE else action.ventilates


def _acts_at(state: State, one: Held, place: matrix.Place) -> bool:
    """Whether its alarm acts at the detector it waits for: what waits since a restore may name another one's."""
    return place[0] == one.detector and matrix.acts(state, *place)


def _still_reached(state: State, one: Held) -> bool:
    """Whether a closing that was wanted before a restore goes on waiting for its detector."""
    reached = matrix.reach(state.fleet, one.detector, one.rule) if one.again else []
    return bool(state.fleet.present[one.detector]) and any(valve.slot == one.valve for valve in reached)


def reshaped(state: State, out: Out, now: int) -> None:
    """What followed from that: a larger budget has room at once."""
    for line in state.waiting.lines():
        if not line.unheard:
            releasing.turn(state, out, line, now)
    held.page(state, out, now)


def remind_all(state: State) -> None:
    """What follows from what is held, and reminders of everything that is due some time (state A3)."""
    held.rebuild(state)
    for line in state.waiting.lines():
        if not line.unheard:
            releasing.remind(state, line)


def restored(state: State, out: Out, at: int, least_epoch: int) -> None:
    """The store was brought back from a copy (B6)."""
    restoring.restored(state, out, at, least_epoch)
