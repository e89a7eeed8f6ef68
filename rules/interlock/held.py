"""Shut-offs that wait: put among them, taken from them, and people told of them."""

import numpy as np

from devices.commands import Verb
from devices.fleet import Fan, ShutOffValve
from rules.decisions import HeldChange, ShutOffHeld
from rules.interlock.waiting import Line, Turn, Waiting
from rules.interlock.worst import worst_by
from rules.life import alarms
from rules.life.alarms import Out
from rules.life.lifecycle import IS_ACTIVE
from rules.stepping.standing import Held
from rules.stepping.state import OpenAlarm, State


def line_of(state: State, held: Held) -> Line:
    return Line(held.rule, bool(state.fleet.simulated[held.detector]), held.unheard)


def wait(state: State, held: Held) -> None:
    """It waits from now on, or in this way from now on."""
    before = state.held.get((held.rule, held.valve))
    state.held[held.rule, held.valve] = held
    _put(state, held)
    if before is not None and before.detector != held.detector:
        listen(state, before.detector)


def _put(state: State, held: Held) -> None:
    numbers = state.fleet.device_no
    order = worst_by(state.compiled.pack, state.compiled.by_id[held.rule]).order(held.value)
    turn = Turn(order, int(numbers[held.detector]), int(numbers[held.valve]))
    state.waiting.put(line_of(state, held), held, turn)
    state.waits[held.detector] = True


def take(state: State, out: Out, held: Held, what: HeldChange, at: int, *, reason: str = "", by: str = "") -> None:
    """It waits no more: RELEASED, VETOED or OVER."""
    key = (held.rule, held.valve)
    del state.held[key]
    state.waiting.take(key)
    listen(state, held.detector)
    out.append(told(state, held, what, at, reason=reason, by=by))


def told(state: State, held: Held, what: HeldChange, at: int, *, reason: str = "", by: str = "") -> ShutOffHeld:
    number, value = int(state.fleet.device_no[held.valve]), held.value if np.isfinite(held.value) else None
    return ShutOffHeld(
        at=at, rule=held.rule, device_no=number, alarm=held.alarm, change=what, value=value, reason=reason, by=by
    )


def listen(state: State, slot: int) -> None:
    """Whether a live reading of this detector decides about something held."""
    state.waits[slot] = slot in state.unheard or bool(state.waiting.of_detector(slot))


def asked(alarm: OpenAlarm, what: ShutOffValve | Fan, value: float, at: int, *, unheard: bool) -> Held:
    """What an alarm asks for and does not get yet. `value`: see Held."""
    return Held(
        rule=alarm.rule,
        valve=what.slot,
        detector=alarm.slot,
        alarm=alarm.alarm,
        since=at,
        value=value,
        unheard=unheard,
        verb=Verb.CLOSE if isinstance(what, ShutOffValve) else Verb.FAN_ON,
    )


def rebuild(state: State) -> None:
    """Everything that follows from what is held (state: waiting, waits, paged)."""
    state.waiting = Waiting()
    state.waits = np.zeros(len(state.fleet), np.bool_)
    state.waits[list(state.unheard)] = True
    for held in state.held.values():
        _put(state, held)
    number = state.compiled.held
    state.paged = {
        bool(state.fleet.simulated[slot]): slot
        for slot, rule in state.open
        if rule == number and IS_ACTIVE[state.phase[slot, rule]]
    }


def page(state: State, out: Out, at: int) -> None:
    """Tell people what waits now: one alarm for all of it (of simulated devices another one), where the first of it
    stands; over when nothing waits."""
    rule = state.compiled.held
    if rule < 0:
        return
    for simulated in (False, True):
        words = [_words(state, line) for line in state.waiting.lines() if line.simulated == simulated]
        slot = state.paged.get(simulated)
        if words and slot is not None:
            alarms.say(state, out, slot, rule, "; ".join(words), at=at)
        elif words:
            first = next(one for one in state.held.values() if bool(state.fleet.simulated[one.detector]) == simulated)
            state.paged[simulated] = first.detector
            note = "; ".join(words)
            alarms.raise_alarm(state, out, first.detector, rule, onset=at, at=at, because=first.alarm, note=note)
        elif slot is not None:
            del state.paged[simulated]
            alarms.return_alarm(state, out, slot, rule, at=at, comment="nothing waits any more")


def _words(state: State, line: Line) -> str:
    many, worst = state.waiting.many(line), state.waiting.worst(line)
    what = f"{many} shut-off{'s' if many > 1 else ''} of rule {line.rule}"
    if line.unheard:
        return f"{what}: detectors not heard since the engine's store was brought back from a copy"
    if worst is None or not np.isfinite(worst.value):
        return f"{what}: more than its budget; release or veto them"
    return f"{what}: more than its budget; the worst {worst.value:g} at {_where(state, worst)}; release or veto them"


def _where(state: State, held: Held) -> str:
    device = state.fleet.devices[held.detector]
    return device.identity if device is not None else "a device that has left"
