"""Suppressed by design: an alarm that another one explains is taken out of people's list while that one stands.

S1  It is suppressed exactly while an alarm of a rule in its `suppressed_by` is active (truly, and not a trial): at the
    same device, at its gateway, at the gateway's gateway, or, if that rule speaks of outages, of a group it stands in.
    Whichever comes or goes, and whatever the registry becomes, that holds again at once.
S2  A critical gas alarm is never suppressed. (A document that asks for it is refused; an alarm that becomes critical
    while it is suppressed comes out.)
S3  Without a rule that names `suppressed_by` nothing is looked up.
"""

from collections.abc import Collection

from rules.decisions import AlarmState, Change, Priority
from rules.documents.expressions import about_gas
from rules.evaluation.kernels import Compiled
from rules.incidents import life as incident_life
from rules.language.tree import Parsed
from rules.life.lifecycle import IS_ACTIVE
from rules.life.lookups import Explaining
from rules.life.showing import Out, record
from rules.stepping.standing import Suppression
from rules.stepping.state import State


def of_gas(compiled: Compiled, rule: int) -> bool:
    """Whether the rule (its number) speaks of gas: of %LEL, of carbon monoxide, or of a device's own alarm."""
    parsed = compiled.pack.parsed
    return about_gas(compiled.rules[rule], parsed[rule] if rule < len(parsed) else Parsed())


def explains(state: State, slot: int, rule: int) -> bool:
    """Whether the alarm there is one that explains others now."""
    alarm = state.open.get((slot, rule))
    return alarm is not None and not alarm.trial and bool(IS_ACTIVE[state.phase[slot, rule]])


def explained(state: State, slot: int, rule: int, priority: Priority) -> None:
    """An alarm of this priority is about to be raised: note what explains it, so that it is suppressed from the
    start."""
    because = _because(state, slot, rule, priority)
    if because:
        name = state.compiled.rules[rule].id
        state.suppressions[slot, name] = Suppression(slot, name, because)


def follow(state: State, out: Out, slot: int, rule: int, at: int, *, before: bool) -> None:
    """The alarm there is another now; `before`: whether it explained others until now."""
    if (slot, rule) not in state.open:
        state.suppressions.pop((slot, state.compiled.rules[rule].id), None)
    found = _explaining(state)
    now = explains(state, slot, rule)
    if rule not in found.explains or now is before:
        return
    group = found.group_of(rule, slot)
    if group >= 0:
        _stands(found, rule, group, slot, now)
    reach = found.reach(rule, slot)
    for dependent in found.explains[rule]:
        open_there = reach[state.phase[reach, dependent] != AlarmState.NORMAL]
        for one in open_there.tolist():
            refresh(state, out, one, dependent, at)


def refresh(state: State, out: Out, slot: int, rule: int, at: int) -> None:
    """Make S1 and S2 true again of one alarm."""
    alarm, name = state.open.get((slot, rule)), state.compiled.rules[rule].id
    because = _because(state, slot, rule, alarm.priority) if alarm is not None else ()
    before = state.suppressions.get((slot, name))
    if because == (before.because if before else ()):
        return
    if because:
        state.suppressions[slot, name] = Suppression(slot, name, because)
    else:
        state.suppressions.pop((slot, name), None)
    if alarm is None or bool(before) == bool(because):
        return
    comment = _words(state, because[0]) if because else ""
    record(state, out, slot, rule, Change.SUPPRESSED if because else Change.UNSUPPRESSED, at, comment=comment)
    incident_life.follow(state, out, slot, rule, at)


def refresh_all(state: State, out: Out, at: int, touched: Collection[int] | None = None) -> None:
    """The registry or the rules are others now. `touched`: the registry is, at these slots; None: anywhere."""
    state.explaining = None
    by_id = state.compiled.by_id
    known = [key for key in state.suppressions if touched is None or key[0] in touched]
    for slot, name in [key for key in known if (key[0], by_id.get(key[1], -1)) not in state.open]:
        del state.suppressions[slot, name]
    suppressed = {(slot, by_id[name]) for slot, name in known if (slot, name) in state.suppressions}
    asks = _explaining(state).by
    places = [place for place in state.open if touched is None or place[0] in touched]
    for slot, rule in [place for place in places if place[1] in asks or place in suppressed]:
        refresh(state, out, slot, rule, at)


def _because(state: State, slot: int, rule: int, priority: Priority) -> tuple[str, ...]:
    """The ids of the alarms that explain one of this priority there, sorted."""
    spec = state.compiled.rules[rule]
    if not spec.suppressed_by or (priority is Priority.CRITICAL and of_gas(state.compiled, rule)):
        return ()
    found, because = _explaining(state), set()
    for one in found.by[rule]:
        sort = state.compiled.rules[one].group
        places = set(found.chain(slot)) if sort is None else {slot}
        if sort is not None:
            places |= found.outages.get((one, int(state.fleet.groups[sort].of[slot])), set())
        because |= {state.open[place, one].alarm for place in places if explains(state, place, one)}
    return tuple(sorted(because))


def _explaining(state: State) -> Explaining:
    found = state.explaining
    if found is None or found.fleet is not state.fleet or found.compiled is not state.compiled:
        found = state.explaining = Explaining(state.fleet, state.compiled)
        for slot, rule in state.open:
            if rule in found.explains and explains(state, slot, rule):
                _stands(found, rule, found.group_of(rule, slot), slot, True)
    return found


def _stands(found: Explaining, rule: int, group: int, slot: int, now: bool) -> None:
    """Whether the outage of this group is said at this slot."""
    if now and group >= 0:
        found.outages.setdefault((rule, group), set()).add(slot)
    elif group >= 0:
        found.outages.get((rule, group), set()).discard(slot)


def _words(state: State, alarm: str) -> str:
    explaining = state.open[state.by_alarm[alarm]]
    return f"explained by {explaining.rule} at {explaining.identity}"
