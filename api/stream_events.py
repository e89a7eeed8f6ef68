"""A decision as a server-sent event: `id` is `engine:cycle:n`, `event` the decision's type, `data` one JSON object."""

from api.alarm_shapes import (
    AlarmChangedEvent,
    AlarmRaisedEvent,
    CloseWantedEvent,
    CommandSteppedEvent,
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
    return f"id: {event.id}\nevent: {shown.type}\ndata: {shown.model_dump_json()}\n\n".encode()


def show_event(decision: d.Decision, device: str | None) -> StreamEvent | None:
    match decision:
        case d.AlarmRaised() | d.AlarmChanged():
            return _alarm_event(decision, device)
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
        case d.AttemptRequested() | d.CommandStepped():
            return _step_event(decision, device)
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
        case d.Answered():
            return None


def _alarm_event(decision: d.AlarmRaised | d.AlarmChanged, device: str | None) -> StreamEvent:
    if isinstance(decision, d.AlarmRaised):
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
        )
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
    )


def _step_event(decision: d.AttemptRequested | d.CommandStepped, device: str | None) -> CommandSteppedEvent:
    attempt, step, note = (
        (decision.attempt, d.Step.REQUESTED, "")
        if isinstance(decision, d.AttemptRequested)
        else (None, decision.step, decision.note)
    )
    return CommandSteppedEvent(
        at=decision.at,
        device=device,
        device_no=decision.device_no,
        wanted=decision.wanted,
        command=decision.command,
        attempt=attempt,
        step=step,
        note=note or None,
    )
