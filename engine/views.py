"""What the rules' memory looks like from outside, as the door tells it: alarms, wanted positions, incidents, permits,
shut-offs that are held."""

import math
from collections import Counter

from devices.fleet import Fleet
from engine import messages as m
from engine import owners
from engine.memory import Memory
from engine.messages import AlarmView, HeldView, IncidentView, MarkView, PermitView, StepView, WantedView
from rules.decisions import AlarmState
from rules.stepping.standing import FieldMark, Held, Incident, Permit
from rules.stepping.state import OpenAlarm, State, Wanted

Listing = m.ListAlarms | m.ListWanted | m.ListIncidents | m.ListPermits | m.ListHeld


def listed(
    memory: Memory, as_of: int, asked: Listing
) -> m.Alarms | m.WantedList | m.Incidents | m.Permits | m.HeldList:
    """The answer to a request for a list; `as_of` is the cycle that the memory stands at."""
    request = asked.request
    match asked:
        case m.ListAlarms():
            return m.Alarms(request=request, as_of=as_of, alarms=alarm_views(memory, asked.alarm))
        case m.ListWanted():
            return m.WantedList(request=request, as_of=as_of, wanted=wanted_views(memory, asked.wanted))
        case m.ListIncidents():
            return m.Incidents(request=request, as_of=as_of, incidents=incident_views(memory, asked.incident))
        case m.ListPermits():
            return m.Permits(request=request, as_of=as_of, permits=permit_views(memory, asked.permit))
        case m.ListHeld():
            return m.HeldList(request=request, as_of=as_of, held=held_views(memory, asked.rule))


def alarm_views(memory: Memory, alarm: str = "") -> tuple[AlarmView, ...]:
    """Every alarm that is not NORMAL, worst and oldest first; or one by its id, or none."""
    state = memory.state
    if alarm:
        place = state.by_alarm.get(alarm)
        return (_alarm(state, place, state.open[place]),) if place else ()
    found = sorted(state.open.items(), key=lambda item: (item[1].priority, item[1].onset, item[1].alarm))
    return tuple(_alarm(state, place, one) for place, one in found)


def wanted_views(memory: Memory, wanted: str) -> tuple[WantedView, ...]:
    """One by its id (or none), or all that are kept when `wanted` is empty; newest first."""
    if not wanted:
        return tuple(_wanted(memory.fleet, one) for one in memory.state.wanted())
    found = memory.state.find_wanted(wanted)
    return (_wanted(memory.fleet, found),) if found else ()


def incident_views(memory: Memory, incident: str = "") -> tuple[IncidentView, ...]:
    """Every incident that nobody has closed, worst and oldest first; or one by its id, or none."""
    state = memory.state
    if incident:
        found = state.incidents.get(incident)
        return (_incident(state, found),) if found else ()
    ordered = sorted(state.incidents.values(), key=lambda one: (one.priority, one.opened, one.incident))
    return tuple(_incident(state, one) for one in ordered)


def permit_views(memory: Memory, permit: str = "") -> tuple[PermitView, ...]:
    """Every permit that lives, oldest first; or one by its id, or none."""
    state = memory.state
    found = [one for one in state.permits.values() if permit in ("", one.permit)]
    return tuple(_permit(state.fleet, one) for one in sorted(found, key=lambda one: (one.requested, one.permit)))


def held_views(memory: Memory, rule: str = "") -> tuple[HeldView, ...]:
    """Every shut-off that waits, of one rule or of all, in the order they came."""
    state = memory.state
    return tuple(_held(state.fleet, one) for one in state.held.values() if rule in ("", one.rule))


def rules_in_force(memory: Memory, as_of: int, request: int) -> m.RulesInForce:
    """The pack in force, and what became of its rules."""
    state, pack = memory.state, memory.pack
    return m.RulesInForce(
        request=request,
        as_of=as_of,
        sha256=memory.rules_sha256,
        version=pack.version,
        rules=pack.rules,
        overrides=pack.overrides,
        reverted=dict(state.reverted),
        alarms=dict(Counter(alarm.rule for alarm in state.open.values())),
    )


def _alarm(state: State, place: tuple[int, int], one: OpenAlarm) -> AlarmView:
    return AlarmView(
        alarm=one.alarm,
        rule=one.rule,
        device_no=one.device_no,
        identity=one.identity,
        site=one.site,
        priority=one.priority,
        state=one.state,
        onset=one.onset,
        raised=one.raised,
        changed=one.changed,
        quantity=one.quantity,
        value=one.value,
        late=one.late,
        because=one.because,
        acknowledged_by=one.acknowledged_by,
        note=one.note,
        expected=one.expected,
        trial=one.trial,
        incident=one.incident,
        resolution=one.resolution,
        until=one.until,
        true_state=AlarmState(int(state.phase[place])),
        device_says=one.device_says,
        owner=owners.of_site(state.fleet, one.site, one.identity),
    )


def _wanted(fleet: Fleet, one: Wanted) -> WantedView:
    return WantedView(
        wanted=one.wanted,
        device_no=one.device_no,
        identity=one.identity,
        site=one.site,
        epoch=one.epoch,
        reason=one.reason,
        alarm=one.alarm,
        by=one.by,
        since=one.since,
        confirm_by=one.confirm_by,
        outcome=one.outcome,
        ended=one.ended,
        position=one.position,
        steps=tuple(StepView(s.command, s.attempt, s.step, s.at, s.note) for s in one.steps),
        verb=one.verb,
        hears_by=one.hears_by,
        owner=owners.of_site(fleet, one.site, one.identity),
    )


def _incident(state: State, one: Incident) -> IncidentView:
    device_no, identity, _ = _device(state.fleet, one.slot)
    return IncidentView(
        incident=one.incident,
        scope=one.scope,
        key=one.key,
        opened=one.opened,
        priority=one.priority,
        alarms=one.alarms,
        device_no=device_no,
        identity=identity,
        steps=one.steps,
        opened_steps=one.opened_steps,
        over=one.over,
        into=one.into,
        parts=one.parts,
        marks=tuple(_mark(mark) for mark in one.marks),
        owners=owners.of_incident(state, one),
    )


def _mark(mark: FieldMark) -> MarkView:
    """The step that was done stands behind the word."""
    what, _, step = mark.what.partition(": ")
    return MarkView(mark.at, what, mark.by, mark.comment, mark.quantity, mark.value, step)


def _permit(fleet: Fleet, one: Permit) -> PermitView:
    _, identity, site = _device(fleet, one.slot)
    return PermitView(
        permit=one.permit,
        device_no=one.device_no,
        identity=identity,
        site=site,
        state=one.state,
        requested=one.requested,
        requested_by=one.requested_by,
        reason=one.reason,
        epoch=one.epoch,
        expires=one.expires,
        approved_by=one.approved_by,
        granted=one.granted,
        owner=owners.of_slot(fleet, one.slot),
    )


def _held(fleet: Fleet, one: Held) -> HeldView:
    device_no, identity, site = _device(fleet, one.valve)
    return HeldView(
        rule=one.rule,
        device_no=device_no,
        identity=identity,
        site=site,
        detector=_device(fleet, one.detector)[1],
        alarm=one.alarm,
        since=one.since,
        value=one.value if math.isfinite(one.value) else None,
        unheard=one.unheard,
        verb=one.verb,
        owner=owners.of_slot(fleet, one.valve),
    )


def _device(fleet: Fleet, slot: int) -> tuple[int, str, str]:
    """(device_no, identity, site); the latter two are empty for a device that has left the registry."""
    device = fleet.devices[slot]
    return int(fleet.device_no[slot]), device.identity if device else "", device.site if device else ""
