"""The engine's store was brought back from a copy: what it remembers may be hours old (not after a plain restart).

Y1  What software judged and nobody has seen done waits, until its detector says in a live reading that it still is so.
    What a person or a device's own alarm bit asked for is attempted at once, anew.
Y2  Every epoch leaps over those that may have been given since the copy was made, or a valve that has seen a higher one
    would not obey; so every wanted position that is kept is a new one. It leaps no further than to where a store that
    began now would begin (Restored.least_epoch), so that a valve also obeys one that begins later.
Y3  Where valves stand is not known: nothing read before counts as seen. Permits are dead.
"""

import numpy as np

from devices.commands import Verb
from rules import held, matrix, permits, releasing, wanting
from rules.alarms import Out
from rules.decisions import Outcome
from rules.matrix import Place
from rules.standing import Held
from rules.state import State, Wanted

_WHY = "the engine's store was brought back from a copy"


def restored(state: State, out: Out, at: int, least_epoch: int) -> None:
    """Once, before anything else that is due or told at `at`. `least_epoch`: see Restored."""
    permits.restored(state, out, at)
    commanded = [*state.fleet.valves, *state.fleet.fans]
    state.epoch[commanded] = np.maximum(state.epoch[commanded] + 1, least_epoch)
    state.position[:] = 0
    state.seen.clear()
    state.relied.clear()
    state.unheard = {int(slot) for slot in np.flatnonzero(state.busy & state.fleet.present)}
    waited = list(state.held.values())
    held.rebuild(state)
    for wanted in list(state.wanted_by_slot.values()):
        _anew(state, out, wanted, at)
    for one in waited:
        _still_waits(state, out, one, at)
    held.page(state, out, at)


def _anew(state: State, out: Out, wanted: Wanted, at: int) -> None:
    """Y1 of one wanted position."""
    causes = state.closed_for.get(wanted.slot, ())
    place = state.by_alarm.get(wanted.alarm)
    if wanted.verb is Verb.FAN_ON and place is not None:
        causes = (place,)
    certain = wanted.by or any(one in state.open and state.open[one].device_says for one in causes)
    what = "it is wanted anew" if certain else "what software judged waits until its detector is heard"
    wanting.end(state, out, wanted, Outcome.CANCELLED, at, comment=f"{_WHY}: {what}")
    if not certain:
        for cause in _one_of_each_rule(state, causes):
            _waits(state, out, cause, wanted.slot, at)
    elif wanted.verb is Verb.FAN_ON:
        fan = state.fleet.fans[wanted.slot]
        wanting.want_running(state, out, fan, at=at, reason=wanted.reason, alarm=wanted.alarm)
    else:
        if causes:
            state.closed_for[wanted.slot] = causes
        valve = state.fleet.valves[wanted.slot]
        wanting.want_closed(state, out, valve, at=at, reason=wanted.reason, alarm=wanted.alarm, by=wanted.by)


def _one_of_each_rule(state: State, causes: tuple[Place, ...]) -> list[Place]:
    by_rule: dict[int, Place] = {}
    for place in causes:
        if matrix.acts(state, *place):
            by_rule.setdefault(place[1], place)
    return list(by_rule.values())


def _waits(state: State, out: Out, cause: Place, target: int, at: int) -> None:
    what = state.fleet.valves.get(target) or state.fleet.fans[target]
    releasing.ask(state, out, cause, what, (cause,), at)


def _still_waits(state: State, out: Out, one: Held, at: int) -> None:
    """What waited for its turn waits to be heard first."""
    place = state.by_alarm.get(one.alarm)
    if not one.unheard and place is not None and matrix.acts(state, *place):
        _waits(state, out, place, one.valve, at)
