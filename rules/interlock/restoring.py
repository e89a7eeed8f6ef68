"""The engine's store was brought back from a copy: what it remembers may be hours old (not after a plain restart).

Y1  What software judged and nobody has seen done waits, until its detector says in a live reading that it still is so.
    What a person or a device's own alarm bit asked for is attempted at once, anew.
Y2  Every epoch leaps over those that may have been given since the copy was made, or a valve that has seen a higher one
    would not obey; so every wanted position that is kept is a new one. It leaps no further than to where a store that
    began now would begin (Restored.least_epoch), so that a valve also obeys one that begins later.
Y3  Where valves stand is not known: nothing read before counts as seen. Permits are dead.
Y4  A closing that is put aside (Y1) is not lost: once its detector is heard it is wanted anew if the rule is raised or
    its alarm is latched, and is over if neither is. What it took of its budget is given back meanwhile.
"""

import numpy as np

from devices.commands import Verb
from rules.decisions import Outcome
from rules.interlock import held, matrix, permits, releasing, wanting
from rules.interlock.matrix import Place
from rules.interlock.worst import worst_by
from rules.life.alarms import Out
from rules.stepping.standing import Held
from rules.stepping.state import State, Wanted

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


def _anew(state: State, out: Out, wanted: Wanted, at: int) -> None:
    """Y1, Y4 of one wanted position."""
    causes = state.closed_for.get(wanted.slot, ())
    place = state.by_alarm.get(wanted.alarm)
    if wanted.verb is Verb.FAN_ON and place is not None:
        causes = (place,)
    certain = bool(wanted.by) or any(state.open[one].device_says for one in causes)
    aside = [] if certain else _put_aside(state, wanted, causes, at)
    anew = certain or (wanted.verb is Verb.CLOSE and not aside)  # nobody could be heard who would say it again
    what = "what software judged waits until its detector is heard" if aside else "no alarm asks for it any more"
    what = "it is wanted anew" if anew else what
    wanting.end(state, out, wanted, Outcome.CANCELLED, at, comment=f"{_WHY}: {what}")
    if aside:
        releasing.give_back(state, wanted)
    for one in aside:
        releasing.put(state, out, one, at, releasing.NOT_HEARD)
    if not anew:
        return
    if wanted.verb is Verb.FAN_ON:
        fan = state.fleet.fans[wanted.slot]
        wanting.want_running(state, out, fan, at=at, reason=wanted.reason, alarm=wanted.alarm)
        return
    if causes:
        state.closed_for[wanted.slot] = causes
    valve = state.fleet.valves[wanted.slot]
    wanting.want_closed(state, out, valve, at=at, reason=wanted.reason, alarm=wanted.alarm, by=wanted.by)


def _put_aside(state: State, wanted: Wanted, causes: tuple[Place, ...], at: int) -> list[Held]:
    """Y4. Of each rule it waits for one alarm, rather for one that acts; when all are over, for who could raise it."""
    closes = wanted.verb is Verb.CLOSE
    by_rule: dict[int, Place] = {}
    for acting in (True, False) if closes else (True,):
        for place in causes:
            if matrix.acts(state, *place) is acting:
                by_rule.setdefault(place[1], place)
    found = [releasing.unheard(state, place, wanted.slot, at, again=closes) for place in by_rule.values()]
    rule = state.compiled.by_id.get(wanted.reason, -1)
    if found or not closes or rule < 0:
        return found
    value = worst_by(state.compiled.pack, rule).least_bad
    for detector in matrix.detectors_of(state.fleet, wanted.slot):
        if any(valve.slot == wanted.slot for valve in matrix.reach(state.fleet, detector, wanted.reason)):
            return [Held(wanted.reason, wanted.slot, detector, wanted.alarm, at, value, unheard=True, again=True)]
    return []


def _still_waits(state: State, out: Out, one: Held, at: int) -> None:
    """What waited for its turn waits to be heard first."""
    place = state.by_alarm.get(one.alarm)
    if not one.unheard and place is not None and (one.again or matrix.acts(state, *place)):
        waits = releasing.unheard(state, place, one.valve, at, again=one.again)
        releasing.put(state, out, waits, at, releasing.NOT_HEARD)
