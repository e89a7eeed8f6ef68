"""Incidents: alarms that people deal with together, by site, and sites by riser, building and area.

I1  A site has at most one open incident. An alarm that is active, no trial and not hidden opens it when it is critical
    or high, and joins the one that is open whatever it is. It stays in it when it is hidden later, and counts as active
    while its condition is present.
I2  An incident is OVER when none of its alarms, and of its parts, is active; an alarm that comes again, or a new one,
    makes it not over. It is open until a person closes it.
I3  When SITES_OF_A_RISER sites of one riser, or as many of one building, or SITES_OF_AN_AREA of one area, have an open
    incident that was opened within TOGETHER_US and is part of nothing as large, a larger one opens and they merge into
    it, each as the largest that it is part of; unless that is one and the same. A further one of such a place is merged
    at its opening, into the smallest open one. So in a storm a desk sees areas, and each of them once.
I4  Its priority is the highest that one of its alarms, or parts, has had.
"""

import msgspec

from devices.classes import Group
from rules.decisions import IncidentChange, IncidentChanged, IncidentScope, Priority, incident_id
from rules.life.lifecycle import IS_ACTIVE, TRUE_STATES
from rules.life.lookups import Gathered, Place
from rules.life.showing import Out
from rules.stepping.standing import Incident
from rules.stepping.state import OpenAlarm, State

#: Sources: product choice, all of them.
SITES_OF_A_RISER = 3
SITES_OF_AN_AREA = 10
TOGETHER_US = 600_000_000
#: Ids of alarms, and of parts, that the record of an incident keeps, the last ones; the journal has them all.
MOST_KEPT = 1_000

#: From small to large: what gathers sites, and how many make it.
_LARGER = (
    (IncidentScope.RISER, Group.RISER, SITES_OF_A_RISER),
    (IncidentScope.BUILDING, Group.BUILDING, SITES_OF_A_RISER),
    (IncidentScope.AREA, Group.AREA, SITES_OF_AN_AREA),
)
_SIZE = {scope: size for size, scope in enumerate(IncidentScope)}


def belongs(state: State, alarm: OpenAlarm, at: int) -> str:
    """The incident that an alarm is in, or would be in if it is active now (I1), or empty. It need not be open yet."""
    if alarm.incident in state.incidents:
        return alarm.incident
    if alarm.trial or alarm.state not in TRUE_STATES or not IS_ACTIVE[alarm.state]:
        return ""
    there = gathered(state).of.get((IncidentScope.SITE, alarm.site), "")
    if there or alarm.priority > Priority.HIGH:
        return there
    return incident_id(IncidentScope.SITE, alarm.site, at)


def follow(state: State, out: Out, slot: int, rule: int, at: int, ended: OpenAlarm | None = None) -> None:
    """The alarm there is another now (its state, priority, whether it is tried or hidden). `ended`: as it was when it
    ended, if it has."""
    alarm = state.open.get((slot, rule), ended)
    if alarm is None:
        return
    name = belongs(state, alarm, at) if ended is None else alarm.incident
    counts = ended is None and not alarm.trial and bool(IS_ACTIVE[state.phase[slot, rule]])
    if not name or (not counts and name not in state.incidents):
        return
    if alarm.incident != name:
        alarm = state.open[slot, rule] = msgspec.structs.replace(alarm, incident=name)
    if counts:
        _active(state, out, alarm, at)
    else:
        active = gathered(state).active.setdefault(name, set())
        active.discard(alarm.alarm)
        _over(state, out, name, at)


def _active(state: State, out: Out, alarm: OpenAlarm, at: int) -> None:
    if alarm.incident not in state.incidents:
        _open(state, out, alarm, at)
        return
    was = state.incidents[alarm.incident]
    gathered(state).active.setdefault(was.incident, set()).add(alarm.alarm)
    fresh = alarm.alarm not in was.alarms
    if not fresh and not was.over:
        _escalate(state, out, was.incident, alarm.priority, alarm.alarm, at)
        return
    alarms = (*was.alarms, alarm.alarm)[-MOST_KEPT:] if fresh else was.alarms
    incident = msgspec.structs.replace(was, alarms=alarms, priority=min(was.priority, alarm.priority), over=0)
    state.incidents[incident.incident] = incident
    tell(out, incident, IncidentChange.JOINED, at, alarm=alarm.alarm)
    _escalate(state, out, incident.into, alarm.priority, alarm.alarm, at)
    _wake(state, out, incident, alarm.alarm, at)


def _open(state: State, out: Out, alarm: OpenAlarm, at: int) -> None:
    incident = Incident(
        incident=alarm.incident,
        scope=IncidentScope.SITE,
        key=alarm.site,
        opened=at,
        priority=alarm.priority,
        alarms=(alarm.alarm,),
        slot=alarm.slot,
    )
    found = gathered(state)
    _place(state, found, incident)
    found.active[incident.incident] = {alarm.alarm}
    state.incidents[incident.incident] = incident
    tell(out, incident, IncidentChange.OPENED, at, alarm=alarm.alarm)
    _join_larger(state, out, incident, alarm.alarm, at)
    _grow(state, out, incident, alarm.alarm, at)


def _join_larger(state: State, out: Out, incident: Incident, alarm: str, at: int) -> None:
    """Into the smallest open incident that gathers its site, if there is one."""
    found = gathered(state)
    for place, _ in _places(state, incident):
        if place in found.of:
            _merge(state, out, incident.incident, found.of[place], alarm, at)
            return


def _grow(state: State, out: Out, incident: Incident, alarm: str, at: int) -> None:
    """Open what is larger, where enough sites have come together (I3)."""
    found = gathered(state)
    for place, enough in _places(state, incident):
        if place in found.of or _SIZE[state.incidents[root(state, incident.incident)].scope] >= _SIZE[place[0]]:
            continue
        together: list[str] = []
        for name, opened in reversed(found.sites_in[place].items()):
            if opened < at - TOGETHER_US:
                break
            if _SIZE[state.incidents[root(state, name)].scope] < _SIZE[place[0]]:
                together.append(name)
        merging = list(dict.fromkeys(root(state, name) for name in reversed(together)))
        if len(together) < enough or len(merging) < 2:
            continue
        larger = Incident(
            incident=incident_id(*place, at),
            scope=place[0],
            key=place[1],
            opened=at,
            priority=incident.priority,
            alarms=(alarm,),
            slot=incident.slot,
        )
        found.of[place] = larger.incident
        state.incidents[larger.incident] = larger
        tell(out, larger, IncidentChange.OPENED, at, alarm=alarm)
        for part in merging:
            _merge(state, out, part, larger.incident, alarm, at)


def _merge(state: State, out: Out, part: str, into: str, alarm: str, at: int) -> None:
    merged = msgspec.structs.replace(state.incidents[part], into=into)
    larger = state.incidents[into]
    state.incidents[part] = merged
    state.incidents[into] = msgspec.structs.replace(larger, parts=(*larger.parts, part)[-MOST_KEPT:])
    gathered(state).parts.setdefault(into, set()).add(part)
    tell(out, merged, IncidentChange.MERGED, at, into=into)
    _escalate(state, out, into, merged.priority, alarm, at)
    if not merged.over:
        _wake(state, out, merged, alarm, at)


def _wake(state: State, out: Out, incident: Incident, alarm: str, at: int) -> None:
    """A part that is not over makes what it is part of not over."""
    while incident.into:
        gathered(state).live.setdefault(incident.into, set()).add(incident.incident)
        incident = state.incidents[incident.into]
        if incident.over:
            incident = state.incidents[incident.incident] = msgspec.structs.replace(incident, over=0)
            tell(out, incident, IncidentChange.JOINED, at, alarm=alarm)


def _escalate(state: State, out: Out, name: str, priority: Priority, alarm: str, at: int) -> None:
    """I4. (An incident that an alarm joined told its priority with that.)"""
    while name and priority < state.incidents[name].priority:
        incident = state.incidents[name] = msgspec.structs.replace(state.incidents[name], priority=priority)
        tell(out, incident, IncidentChange.ESCALATED, at, alarm=alarm)
        name = incident.into


def _over(state: State, out: Out, name: str, at: int) -> None:
    """Say that an incident is over, if it is, and what it is part of, if that is (I2)."""
    while name:
        incident, found = state.incidents[name], gathered(state)
        if incident.over or found.active.get(name) or found.live.get(name):
            return
        incident = state.incidents[name] = msgspec.structs.replace(incident, over=at)
        tell(out, incident, IncidentChange.OVER, at)
        name = incident.into
        found.live.get(name, set()).discard(incident.incident)


def root(state: State, name: str) -> str:
    """The largest incident that this one is part of; itself, if of none."""
    while state.incidents[name].into:
        name = state.incidents[name].into
    return name


def family(state: State, name: str) -> list[str]:
    """An incident and all its parts and theirs, each after its own parts; parts in the order of their opening."""
    parts = gathered(state).parts.get(name, ())
    ordered = sorted(parts, key=lambda part: (state.incidents[part].opened, part))
    return [one for part in ordered for one in family(state, part)] + [name]


def forget(state: State, name: str) -> None:
    """An incident is closed. It has no parts any more."""
    incident, found = state.incidents.pop(name), gathered(state)
    found.of.pop((incident.scope, incident.key), None)
    found.active.pop(name, None)
    found.live.pop(name, None)
    found.parts.pop(name, None)
    for sites in (found.sites_in.get(place, {}) for place, _ in _places(state, incident)):
        sites.pop(name, None)
    if incident.into:
        larger = state.incidents[incident.into]
        parts = tuple(part for part in larger.parts if part != name)
        state.incidents[incident.into] = msgspec.structs.replace(larger, parts=parts)
        found.parts[incident.into].discard(name)


def gathered(state: State) -> Gathered:
    found = state.gathered
    if found is not None and found.fleet is state.fleet:
        return found
    found = state.gathered = Gathered(state.fleet)
    for incident in state.incidents.values():
        _place(state, found, incident)
        if incident.into:
            found.parts.setdefault(incident.into, set()).add(incident.incident)
        if incident.into and not incident.over:
            found.live.setdefault(incident.into, set()).add(incident.incident)
    for (slot, rule), alarm in state.open.items():
        if alarm.incident in state.incidents and not alarm.trial and IS_ACTIVE[state.phase[slot, rule]]:
            found.active.setdefault(alarm.incident, set()).add(alarm.alarm)
    return found


def _place(state: State, found: Gathered, incident: Incident) -> None:
    found.of[incident.scope, incident.key] = incident.incident
    for place, _ in _places(state, incident):
        found.sites_in.setdefault(place, {})[incident.incident] = incident.opened


def _places(state: State, incident: Incident) -> list[tuple[Place, int]]:
    """What gathers the site of this incident, from small to large, and how many sites make it. Nothing gathers an
    incident that is larger already, or one whose site has lost the device by which it is known."""
    site = state.fleet.site_by_slot[incident.slot]
    if incident.scope is not IncidentScope.SITE or site is None or site.key != incident.key:
        return []
    found: list[tuple[Place, int]] = []
    for scope, sort, enough in _LARGER:
        grouping = state.fleet.groups[sort]
        number = int(grouping.of[incident.slot])
        if number >= 0:
            found.append(((scope, grouping.names[number]), enough))
    return found


def tell(
    out: Out,
    incident: Incident,
    what: IncidentChange,
    at: int,
    *,
    alarm: str = "",
    by: str = "",
    comment: str = "",
    quantity: str = "",
    value: float | None = None,
    step: str = "",
    resolution: str = "",
    into: str = "",
) -> None:
    out.append(
        IncidentChanged(
            at=at,
            incident=incident.incident,
            scope=incident.scope,
            key=incident.key,
            change=what,
            priority=incident.priority,
            alarm=alarm,
            by=by,
            comment=comment,
            quantity=quantity,
            value=value,
            step=step,
            resolution=resolution,
            into=into,
        )
    )
