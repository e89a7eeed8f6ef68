"""Permits to open a valve on site, and shut-offs held back, as they are shown."""

from typing import Annotated

from pydantic import Field

from api.shapes import Asked, Comment, Page, Reason, Shape, Source, example
from api.times import Utc
from devices.commands import Verb
from engine import messages as m
from rules.decisions import HeldChange, PermitState
from storage.permits import HeldEvent
from storage.permits import PermitEvent as StoredStep


class ValvePermit(Shape):
    """A person on site may open this valve, because two people say so. Davy opens nothing."""

    permit: str
    device: str = Field(description="vendor/serial of the valve")
    device_no: int
    site: str
    state: PermitState
    requested: Utc
    requested_by: str
    reason: str
    expires: Utc | None
    approved_by: str | None
    granted: Utc | None
    ended: Utc | None
    ended_by: str | None
    comment: str | None
    combustible_lel: float | None = Field(description="Measured on site before it was completed, % LEL")


class ValvePermits(Page):
    as_of: str
    permits: list[ValvePermit]


class PastValvePermits(Page):
    permits: list[ValvePermit]


class ValvePermitStep(Shape):
    id: str = Field(description="engine:cycle:n, as in the stream")
    at: Utc
    state: PermitState
    expires: Utc | None
    by: str | None
    comment: str | None
    combustible_lel: float | None


class ValvePermitInFull(Shape):
    """`steps` is null where the database cannot be asked."""

    permit: ValvePermit
    source: Source
    steps: list[ValvePermitStep] | None


class PermitRequest(Asked, json_schema_extra=example(reason="the hose is new, and tight at 5 kPa")):
    reason: Reason = Field(description="Why it may be opened: what was found and put right")


class WithdrawalRequest(Asked, json_schema_extra=example(reason="nobody is at home")):
    reason: Reason


class CompletionRequest(Asked, json_schema_extra=example(combustible_lel=0.5)):
    """The valve was opened by hand, after this was measured."""

    combustible_lel: float = Field(ge=0.0, le=100.0, allow_inf_nan=False, description="At the appliance, % LEL")
    comment: Comment = ""


class HeldShutOff(Shape):
    """A shut-off that software judged, and that waits: the budget of its rule is used up, or its detector was not heard
    since the engine's store was restored (`unheard`)."""

    rule: str
    device: str = Field(description="vendor/serial of the valve")
    device_no: int
    site: str
    detector: str = Field(description="vendor/serial of whose alarm asks for it")
    alarm: str
    since: Utc
    value: float | None = Field(description="The worst that the detector said, in the rule's unit")
    unheard: bool
    verb: Verb


class HeldShutOffs(Page):
    as_of: str
    held: list[HeldShutOff]


class HeldStep(Shape):
    """A shut-off was held, or is held no more."""

    id: str = Field(description="engine:cycle:n, as in the stream")
    at: Utc
    rule: str
    device: str
    device_no: int
    site: str
    alarm: str
    change: HeldChange
    value: float | None
    reason: str | None
    by: str | None


class PastHeld(Page):
    held: list[HeldStep]


RuleId = Annotated[str, Field(pattern="^[a-z0-9-]{1,40}$")]
Identity = Annotated[str, Field(max_length=129, description="vendor/serial of one valve; null: every one")]


class ReleaseRequest(Asked, json_schema_extra=example(rule="ch4-low", device="acme/v1")):
    rule: RuleId
    device: Identity | None = None


class VetoRequest(Asked, json_schema_extra=example(rule="ch4-low", reason="a test of the sirens")):
    rule: RuleId
    reason: Reason = Field(description="Why these valves stay as they are")
    device: Identity | None = None


def show_permit(view: m.PermitView) -> ValvePermit:
    return ValvePermit(
        permit=view.permit,
        device=view.identity,
        device_no=view.device_no,
        site=view.site,
        state=view.state,
        requested=view.requested,
        requested_by=view.requested_by,
        reason=view.reason,
        expires=view.expires or None,
        approved_by=view.approved_by or None,
        granted=view.granted or None,
        ended=view.ended or None,
        ended_by=view.ended_by or None,
        comment=view.comment or None,
        combustible_lel=view.combustible_lel,
    )


def show_permit_step(step: StoredStep) -> ValvePermitStep:
    return ValvePermitStep(
        id=step.id,
        at=step.at,
        state=step.state,
        expires=step.expires or None,
        by=step.by or None,
        comment=step.comment or None,
        combustible_lel=step.combustible_lel,
    )


def show_held(view: m.HeldView) -> HeldShutOff:
    return HeldShutOff(
        rule=view.rule,
        device=view.identity,
        device_no=view.device_no,
        site=view.site,
        detector=view.detector,
        alarm=view.alarm,
        since=view.since,
        value=view.value,
        unheard=view.unheard,
        verb=view.verb,
    )


def show_held_step(step: HeldEvent) -> HeldStep:
    return HeldStep(
        id=step.id,
        at=step.key.at,
        rule=step.rule,
        device=step.identity,
        device_no=step.device_no,
        site=step.site,
        alarm=step.alarm,
        change=step.change,
        value=step.value,
        reason=step.reason or None,
        by=step.by or None,
    )
