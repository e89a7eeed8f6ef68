"""The cause-and-effect matrix: which valves an alarm closes and which fans it runs, now.

X1  A link is a row of one detector and one valve. A row acts when at least `votes` of its detectors have an alarm of a
    rule that acts: active, in force, and of a device in service.
X2  A device that is out of service acts by its own high alarm bit only. What was not heard since the store was restored
    has no vote, save by a device's own alarm bit.
X3  A simulated detector only ever reaches what is simulated (G10): links that do not are passed over, rows that do not
    are refused with the registry.
"""

from collections.abc import Iterator
from typing import NamedTuple

from devices.commands import Verb
from devices.fleet import Effects, Fan, Fleet, ShutOffValve
from devices.quantities import Flag
from rules.interlock.canary import is_trial
from rules.life.lifecycle import IS_ACTIVE
from rules.stepping.state import State

#: An alarm: the slot of its device, and the number of its rule.
Place = tuple[int, int]


class Closing(NamedTuple):
    """A valve to be closed, and the alarms that ask for it."""

    what: ShutOffValve
    causes: tuple[Place, ...]


class Running(NamedTuple):
    """A fan to be run, and the alarms that ask for it."""

    what: Fan
    causes: tuple[Place, ...]


def valves_of(fleet: Fleet, slot: int) -> list[ShutOffValve]:
    """The valves linked to a detector, simulated exactly if it is."""
    here = bool(fleet.simulated[slot])
    return [valve for valve in fleet.links.get(slot, ()) if bool(fleet.simulated[valve.slot]) == here]


def commanded(fleet: Fleet, slot: int) -> Verb | None:
    """What it is told when an alarm asks for it; None: it takes no commands."""
    if slot in fleet.valves:
        return Verb.CLOSE
    return Verb.FAN_ON if slot in fleet.fans else None


def rows_for(fleet: Fleet, slot: int, rule: str) -> Iterator[Effects]:
    """The rows in which a detector votes by alarms of this rule."""
    return (row for row in fleet.rows_of.get(slot, ()) if not row.rules or rule in row.rules)


def acts(state: State, slot: int, rule: int) -> bool:
    """Whether this alarm acts at all, if its rule has an action: X1, X2 save for what was not heard."""
    alarm = state.open.get((slot, rule))
    if alarm is None or not IS_ACTIVE[state.phase[slot, rule]]:
        return False
    if alarm.trial or is_trial(
        state, rule, slot, device_says=alarm.device_says
    ):  # while rules change the alarm may not have been told yet
        return False
    return slot not in state.out_of_service or _own_high(state, slot, rule)


def _own_high(state: State, slot: int, rule: int) -> bool:
    return bool(int(state.compiled.flags[rule]) & state.open[slot, rule].device_bits & int(Flag.HIGH_ALARM))


def unheard(state: State, slot: int, rule: int) -> bool:
    """Whether this alarm is only remembered: its device was not heard since the store was restored."""
    return slot in state.unheard and not state.open[slot, rule].device_says


def votes(state: State, row: Effects, *, closes: bool) -> tuple[Place, ...]:
    """The alarms by which a row acts, in the order of its detectors: empty when it does not. `closes`: on its valves;
    else on its fans."""
    rules = [
        number
        for number, rule in enumerate(state.compiled.rules)
        if (rule.action.closes if closes else rule.action.ventilates) and (not row.rules or rule.id in row.rules)
    ]
    found = [
        (slot, rule)
        for slot in row.slots
        for rule in rules
        if acts(state, slot, rule) and not unheard(state, slot, rule)
    ]
    return tuple(found) if len({slot for slot, _ in found}) >= row.votes else ()


def closings(state: State, fleet: Fleet, slot: int, rule: int) -> list[Closing]:
    """What an alarm that acts closes now, each valve once. `fleet`: that of the state, or the one before a change. Of
    one that is only remembered: what it may close, for that waits (budget, B6)."""
    spec = state.compiled.rules[rule]
    if not spec.action.closes:
        return []
    found = {valve.slot: Closing(valve, ((slot, rule),)) for valve in valves_of(fleet, slot)}
    alone = ((slot, rule),) if unheard(state, slot, rule) else None
    for row in rows_for(fleet, slot, spec.id):
        causes = alone or (votes(state, row, closes=True) if row.valves else ())
        for valve in row.valves if (slot, rule) in causes else ():
            before = found.get(valve.slot)
            known = before.causes if before is not None else ()
            found[valve.slot] = Closing(valve, (*known, *(place for place in causes if place not in known)))
    return list(found.values())


def runnings(state: State, fleet: Fleet, slot: int, rule: int) -> list[Running]:
    """What fans an alarm that acts runs now, each once. As closings."""
    spec = state.compiled.rules[rule]
    if not spec.action.ventilates:
        return []
    found: dict[int, Running] = {}
    alone = ((slot, rule),) if unheard(state, slot, rule) else None
    for row in rows_for(fleet, slot, spec.id):
        causes = alone or (votes(state, row, closes=False) if row.fans else ())
        for fan in row.fans if (slot, rule) in causes else ():
            found.setdefault(fan.slot, Running(fan, causes))
    return list(found.values())


def asked(state: State, fleet: Fleet, slot: int, rule: int) -> list[Closing | Running]:
    """Everything that an alarm that acts asks for now."""
    return [*closings(state, fleet, slot, rule), *runnings(state, fleet, slot, rule)]


def reach(fleet: Fleet, slot: int, rule: str) -> list[ShutOffValve]:
    """Every valve that an alarm of this rule at this detector closes, alone or with others."""
    found = {valve.slot: valve for valve in valves_of(fleet, slot)}
    for row in rows_for(fleet, slot, rule):
        found.update({valve.slot: valve for valve in row.valves})
    return list(found.values())


def reaches(state: State, slot: int, rule: int) -> bool:
    """Whether there is any valve that an alarm of this rule at this detector closes."""
    return bool(reach(state.fleet, slot, state.compiled.rules[rule].id))


def detectors_of(fleet: Fleet, target: int) -> list[int]:
    """Slots of the detectors that close this valve or run this fan, alone or with others."""
    linked = [slot for slot in fleet.closed_by.get(target, ()) if fleet.simulated[slot] == fleet.simulated[target]]
    rows = fleet.rows_to.get(target, ())
    return list(dict.fromkeys([*linked, *(slot for row in rows for slot in row.slots)]))


def asks_for(state: State, target: int, rule: int) -> tuple[Place, ...]:
    """The alarms of one rule that ask for this valve to be closed, or this fan to run, now."""
    closes = target in state.fleet.valves
    for slot in detectors_of(state.fleet, target):
        if not acts(state, slot, rule) or unheard(state, slot, rule):
            continue
        found = closings(state, state.fleet, slot, rule) if closes else runnings(state, state.fleet, slot, rule)
        for one, causes in found:
            if one.slot == target:
                return ((slot, rule), *(place for place in causes if place != (slot, rule)))
    return ()
