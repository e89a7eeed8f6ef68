"""Valves that sleep: when one next hears a command, how long to wait between attempts, what people are told.

Z1  The time at which a valve hears is the latest that follows from what was heard of it, and never in the past. A time
    in which the engine did not listen proves nothing: the valve may have woken at the end of it, however soon after it
    was last heard.
    While its closing is wanted that time and the alarm about it are what follows from all that is known now: they move
    on when it is heard and not seen closed, when the engine was away, and when its model says otherwise.
Z2  Attempts at a valve that sleeps grow rarer up to its wake interval, so that one that is away for months does not
    fill the journal; when it is heard they begin anew.
"""

import msgspec

from devices.fleet import MICROSECONDS, ShutOffValve
from devices.models import Actuator, Reachability
from rules.life import alarms
from rules.life.alarms import Out
from rules.stepping.state import State

#: Pauses between attempts in seconds, the last one for ever. Source: product choice (reliability: 1, 2, 4, 8, 15).
BACK_OFF_S = (1, 2, 4, 8, 15)
#: 15 s doubled so often is half a year, more than any valve sleeps; it only bounds the power (product choice).
MOST_DOUBLINGS = 20


def hears_by(state: State, valve: ShutOffValve, at: int) -> int:
    """When a valve that sleeps hears a command at the latest (microseconds UTC); 0 for one that always hears. One that
    should have woken by now: `at`, for it may wake at any moment."""
    if not state.sleeps[valve.slot]:
        return 0
    wakes_us = round(valve.actuator.wake_interval_s * MICROSECONDS)
    deaf_until = at if state.paused_since else state.deaf_until
    last = max(state.awake.get(valve.slot, at), deaf_until)
    return max(at, last + wakes_us)


def note(valve: ShutOffValve) -> str:
    """What people should know of a valve that sleeps, besides the time at which it hears."""
    return f"it wakes every {valve.actuator.wake_interval_s:g} s at the latest"


def tell(state: State, out: Out, valve: ShutOffValve, at: int) -> None:
    """Nothing has failed yet, but somebody on site could be quicker: people are told at once that its closing is wanted
    and by when it hears."""
    rule, wanted = state.compiled.asleep, state.wanted_by_slot[valve.slot]
    if rule < 0:
        return
    because, expected, said = wanted.alarm, wanted.hears_by, note(valve)
    fresh = alarms.raise_alarm(
        state, out, valve.slot, rule, onset=at, at=at, because=because, note=said, expected=expected
    )
    if fresh is None:
        alarms.say(state, out, valve.slot, rule, said, at=at, expected=expected)


def follow(state: State, out: Out, slot: int, at: int) -> None:
    """If the closing of this valve is wanted, when it hears is what follows from what is known now."""
    wanted, valve = state.wanted_by_slot.get(slot), state.fleet.valves.get(slot)
    if wanted is None or valve is None:
        return
    state.wanted_by_slot[slot] = msgspec.structs.replace(wanted, hears_by=hears_by(state, valve, at))
    if state.sleeps[slot]:
        tell(state, out, valve, at)
    elif state.compiled.asleep >= 0:
        alarms.return_alarm(state, out, slot, state.compiled.asleep, at=at, comment="it does not sleep any more")


def follow_all(state: State, out: Out, at: int) -> None:
    """`follow` of every valve that sleeps and is wanted."""
    for slot in list(state.wanted_by_slot):
        if state.sleeps[slot]:
            follow(state, out, slot, at)


def heard(state: State, slot: int, at: int) -> None:
    """Something of this valve came: it was awake at `at`, or not long before. (`follow` is the caller's.)"""
    if state.sleeps[slot]:
        state.awake[slot] = at


def woke(state: State, slot: int, at: int) -> None:
    """It is awake now, so attempts follow each other as at the first."""
    heard(state, slot, at)
    wanted = state.wanted_by_slot.get(slot)
    if wanted is not None and wanted.unheard:
        state.wanted_by_slot[slot] = msgspec.structs.replace(wanted, unheard=0)


def pause_us(actuator: Actuator, number: int) -> int:
    """The pause after the `number`-th attempt (from 1, of a valve that sleeps since it was awake)."""
    longest_s = float(BACK_OFF_S[-1])
    pause_s = float(BACK_OFF_S[min(number, len(BACK_OFF_S)) - 1])
    if actuator.reachability is Reachability.WAKES and number > len(BACK_OFF_S):
        doubled_s = longest_s * 2.0 ** min(number - len(BACK_OFF_S), MOST_DOUBLINGS)
        pause_s = min(doubled_s, max(longest_s, actuator.wake_interval_s))
    return round(pause_s * MICROSECONDS)
