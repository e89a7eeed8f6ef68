"""Many devices of a group silent at once: one alarm for them all, at the group's first device.

O1  A device counts from the moment it is silent (SILENT_INTERVALS without a reading) until it is heard again. The alarm
    stands while at least `least` devices, and `share_pct` of those of the group that should be heard, are silent.
O2  It stands at the device of the group with the lowest number, of those the rule looks at. When that leaves, the alarm
    ends there and is raised at the next.
"""

import numpy as np

from devices.classes import Group
from rules.life import alarms
from rules.life.alarms import Out
from rules.life.lifecycle import IS_ACTIVE
from rules.stepping.state import State

_WHERE = {
    Group.SITE: "site",
    Group.RISER: "riser",
    Group.BUILDING: "building",
    Group.AREA: "area",
    Group.GATEWAY: "gateway",
}


def place_of(state: State, rule: int, slot: int) -> int:
    """Where the alarm of the group stands that this device counts in; -1: it counts in none."""
    counted = state.outages[rule]
    group = int(counted.of[slot])
    return int(counted.place[group]) if group >= 0 else -1


def fell_silent(state: State, out: Out, slot: int, rule: int, at: int) -> None:
    _count(state, out, slot, rule, 1, at)


def spoke(state: State, out: Out, slot: int, rule: int, at: int) -> None:
    _count(state, out, slot, rule, -1, at)


def _count(state: State, out: Out, slot: int, rule: int, by: int, at: int) -> None:
    counted = state.outages[rule]
    group = int(counted.of[slot])
    if group >= 0:
        counted.silent[group] += by
        _judge(state, out, rule, group, at)


def _judge(state: State, out: Out, rule: int, group: int, at: int) -> None:
    counted, spec = state.outages[rule], state.compiled.rules[rule]
    silent, reporting, place = int(counted.silent[group]), int(counted.reporting[group]), int(counted.place[group])
    if place < 0:
        return
    stands = silent >= max(1, spec.least) and silent * 100 >= spec.share_pct * reporting
    said = _note(state, rule, group)
    if not stands:
        alarms.return_alarm(state, out, place, rule, at=at, comment=said)
    elif alarms.raise_alarm(state, out, place, rule, onset=at, at=at, note=said) is None:
        alarms.say(state, out, place, rule, said, at=at)


def _note(state: State, rule: int, group: int) -> str:
    counted, sort = state.outages[rule], state.compiled.rules[rule].group or Group.AREA
    name = state.fleet.groups[sort].names[group]
    return f"{counted.silent[group]} of {counted.reporting[group]} devices of {_WHERE[sort]} {name} are silent"


def reshaped(state: State, out: Out, now: int) -> None:
    """The registry or the rules are others now: alarms stand where and while the groups of today say so (O2)."""
    for rule, counted in state.outages.items():
        for slot, number in list(state.open):
            if number == rule and IS_ACTIVE[state.phase[slot, rule]] and slot not in counted.place:
                moved = "it is not the first device of its group any more"
                alarms.return_alarm(state, out, slot, rule, at=now, comment=moved)
        for group in np.flatnonzero(counted.place >= 0).tolist():
            place = int(counted.place[group])
            if counted.silent[group] or IS_ACTIVE[state.phase[place, rule]]:
                _judge(state, out, rule, group, now)
