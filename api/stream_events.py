"""A decision as a server-sent event: `id` is `engine:cycle:n`, `event` the decision's type, `data` one JSON object."""

from typing import assert_never

from api.event_shapes import (
    AlarmChangedEvent,
    AlarmRaisedEvent,
    CloseWantedEvent,
    CommandSteppedEvent,
    FanWantedEvent,
    IncidentChangedEvent,
    PermitChangedEvent,
    RuleNotedEvent,
    ShutOffHeldEvent,
    StreamEvent,
    WantedEndedEvent,
)
from engine.messages import FeedEvent
from rules import decisions as d


def encode_event(event: FeedEvent) -> bytes | None:
    """The bytes of one event; None for what is said to its sender only (Answered)."""
    shown = show_event(event.decision, event.identity or None)
    if shown is None:
        return None
    return as_event(event.id, shown)


def as_event(id_: str, shown: StreamEvent) -> bytes:
    return f"id: {id_}\nevent: {shown.type}\ndata: {shown.model_dump_json()}\n\n".encode()


def show_event(decision: d.Decision, device: str | None) -> StreamEvent | None:
    match decision:
        case d.AlarmRaised():
            return _alarm_raised(decision, device)
        case d.AlarmChanged():
            return _alarm_changed(decision, device)
        case d.CloseWanted() | d.FanWanted() | d.WantedEnded():
            return _wanted_event(decision, device)
        case d.AttemptRequested() | d.CommandStepped():
            return _step_event(decision, device)
        case d.IncidentChanged():
            return _incident_event(decision)
        case d.PermitChanged() | d.ShutOffHeld():
            return _held_or_permitted(decision, device)
        case d.RuleNoted():
            return RuleNotedEvent(at=decision.at, rule=decision.rule, what=decision.what, reverted=decision.reverted)
        case d.Answered():
            return None
        case _:
            assert_never(decision)


def _alarm_raised(decision: d.AlarmRaised, device: str | None) -> AlarmRaisedEvent:
    return AlarmRaisedEvent(
        at=decision.at,
        device=device,
        device_no=decision.device_no,
        alarm=decision.alarm,
        rule=decision.rule,
        site=decision.site,
        priority=decision.priority,
        onset=decision.onset,
        state=decision.state,
        late=decision.late,
        quantity=decision.quantity or None,
        value=decision.value,
        because=decision.because or None,
        note=decision.note or None,
        expected=decision.expected or None,
        trial=decision.trial,
        incident=decision.incident or None,
        until=decision.until or None,
    )


def _alarm_changed(decision: d.AlarmChanged, device: str | None) -> AlarmChangedEvent:
    return AlarmChangedEvent(
        at=decision.at,
        device=device,
        device_no=decision.device_no,
        alarm=decision.alarm,
        rule=decision.rule,
        site=decision.site,
        priority=decision.priority,
        onset=decision.onset,
        state=decision.state,
        change=decision.change,
        by=decision.by or None,
        comment=decision.comment or None,
        expected=decision.expected or None,
        trial=decision.trial,
        until=decision.until or None,
        resolution=decision.resolution or None,
    )


def _wanted_event(decision: d.CloseWanted | d.FanWanted | d.WantedEnded, device: str | None) -> StreamEvent:
    match decision:
        case d.CloseWanted():
            return CloseWantedEvent(
                at=decision.at,
                device=device,
                device_no=decision.device_no,
                wanted=decision.wanted,
                reason=decision.reason,
                alarm=decision.alarm or None,
                by=decision.by or None,
                confirm_by=decision.confirm_by,
                hears_by=decision.hears_by or None,
            )
        case d.FanWanted():
            return FanWantedEvent(
                at=decision.at,
                device=device,
                device_no=decision.device_no,
                wanted=decision.wanted,
                reason=decision.reason,
                alarm=decision.alarm or None,
            )
        case d.WantedEnded():
            return WantedEndedEvent(
                at=decision.at,
                device=device,
                device_no=decision.device_no,
                wanted=decision.wanted,
                outcome=decision.outcome,
                by=decision.by or None,
                comment=decision.comment or None,
            )


def _incident_event(decision: d.IncidentChanged) -> IncidentChangedEvent:
    return IncidentChangedEvent(
        at=decision.at,
        incident=decision.incident,
        scope=decision.scope,
        key=decision.key,
        change=decision.change,
        priority=decision.priority,
        alarm=decision.alarm or None,
        by=decision.by or None,
        comment=decision.comment or None,
        quantity=decision.quantity or None,
        value=decision.value,
        step=decision.step or None,
        resolution=decision.resolution or None,
        into=decision.into or None,
    )


def _held_or_permitted(decision: d.PermitChanged | d.ShutOffHeld, device: str | None) -> StreamEvent:
    if isinstance(decision, d.PermitChanged):
        return PermitChangedEvent(
            at=decision.at,
            device=device,
            device_no=decision.device_no,
            permit=decision.permit,
            state=decision.state,
            expires=decision.expires or None,
            by=decision.by or None,
            comment=decision.comment or None,
            combustible_lel=decision.combustible_lel,
        )
    return ShutOffHeldEvent(
        at=decision.at,
        device=device,
        device_no=decision.device_no,
        rule=decision.rule,
        alarm=decision.alarm,
        change=decision.change,
        value=decision.value,
        reason=decision.reason or None,
        by=decision.by or None,
    )


def _step_event(decision: d.AttemptRequested | d.CommandStepped, device: str | None) -> CommandSteppedEvent:
    first = decision if isinstance(decision, d.AttemptRequested) else None
    return CommandSteppedEvent(
        at=decision.at,
        device=device,
        device_no=decision.device_no,
        wanted=decision.wanted,
        command=decision.command,
        attempt=first.attempt if first else None,
        verb=first.verb if first else None,
        step=d.Step.REQUESTED if isinstance(decision, d.AttemptRequested) else decision.step,
        note=(None if isinstance(decision, d.AttemptRequested) else decision.note) or None,
    )
