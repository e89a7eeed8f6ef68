"""Incidents as they are shown, and what people say of them."""

from typing import Annotated

from pydantic import Field

from api.shapes import Asked, Comment, Page, PriorityWord, Reason, Shape, Source, example
from api.times import Utc
from devices.quantities import QUANTITY_NAMES
from engine import messages as m
from rules.decisions import IncidentChange, IncidentScope
from rules.instructions import FieldStep, Resolution
from storage.incidents import IncidentEvent as StoredStep

Name = Annotated[str, Field(min_length=1, max_length=200)]


class Mark(Shape):
    """One thing that somebody did or said."""

    at: Utc
    what: str
    by: str
    comment: str | None
    quantity: str | None
    value: float | None
    step: str | None


class Incident(Shape):
    """Alarms that people deal with together: of a site, a riser, a building, an area. Open until a person closes it."""

    incident: str
    scope: IncidentScope
    key: str = Field(description="The site, riser, building or area")
    opened: Utc
    priority: PriorityWord
    alarms: list[str] = Field(description="Ids in the order in which they joined")
    device: str = Field(description="vendor/serial of where the first alarm stands")
    device_no: int
    opened_steps: Utc | None = Field(description="When a reading on site asked for the four steps")
    steps: list[FieldStep] = Field(description="Those of the four that are still to be done")
    over: Utc | None = Field(description="Since when none of its alarms is active; null: one is")
    into: str | None = Field(description="The larger incident that it is part of")
    parts: list[str]
    marks: list[Mark] | None = Field(description="What people did and said; empty in the list of past ones")
    closed: Utc | None
    closed_by: str | None
    resolution: str | None


class Incidents(Page):
    """`as_of` is the event id these are true for: follow `/v1/alarms/stream?after={as_of}` and nothing is missed."""

    as_of: str
    incidents: list[Incident]


class PastIncidents(Page):
    incidents: list[Incident]


class IncidentStep(Shape):
    """A step of an incident, as `incident_changed` in the stream."""

    id: str = Field(description="engine:cycle:n, as in the stream")
    at: Utc
    change: IncidentChange
    priority: PriorityWord
    alarm: str | None
    by: str | None
    comment: str | None
    quantity: str | None
    value: float | None
    step: str | None
    resolution: str | None
    into: str | None


class IncidentInFull(Shape):
    """`history` is null where the database cannot be asked."""

    incident: Incident
    source: Source
    history: list[IncidentStep] | None


class DispatchRequest(Asked, json_schema_extra=example(crew="crew 7")):
    crew: Reason = Field(description="Who was sent: a name, a crew")
    comment: Comment = ""


class ArrivalRequest(Asked, json_schema_extra=example(comment="the door is locked")):
    comment: Comment = ""


class FieldReadingRequest(Asked, json_schema_extra=example(quantity="combustible_lel", value=22.0, place="kitchen")):
    """What was measured on site with a hand-held instrument. At and above the limit the four steps are to be done:
    evacuate, cordon, close upstream, vent."""

    quantity: str = Field(max_length=40, json_schema_extra={"enum": list(QUANTITY_NAMES)})
    value: float = Field(allow_inf_nan=False, description="In the quantity's unit, which is in its name")
    place: Comment = ""


class StepRequest(Asked, json_schema_extra=example(step="evacuate")):
    step: FieldStep
    comment: Comment = ""


class IncidentComment(Asked, json_schema_extra=example(text="the windows are open")):
    text: Reason


class ClosingRequest(Asked, json_schema_extra=example(resolution="real", comment="a loose hose")):
    resolution: Resolution = Field(description="What it was, as you found it")
    comment: Comment = ""


def show_incident(view: m.IncidentView) -> Incident:
    return Incident(
        incident=view.incident,
        scope=view.scope,
        key=view.key,
        opened=view.opened,
        priority=view.priority,
        alarms=list(view.alarms),
        device=view.identity,
        device_no=view.device_no,
        opened_steps=view.opened_steps or None,
        steps=list(view.steps),
        over=view.over or None,
        into=view.into or None,
        parts=list(view.parts),
        marks=[_mark(mark) for mark in view.marks],
        closed=view.closed or None,
        closed_by=view.closed_by or None,
        resolution=view.resolution or None,
    )


def _mark(mark: m.MarkView) -> Mark:
    return Mark(
        at=mark.at,
        what=mark.what,
        by=mark.by,
        comment=mark.comment or None,
        quantity=mark.quantity or None,
        value=mark.value,
        step=mark.step or None,
    )


def show_incident_step(step: StoredStep) -> IncidentStep:
    return IncidentStep(
        id=step.id,
        at=step.at,
        change=step.change,
        priority=step.priority,
        alarm=step.alarm or None,
        by=step.by or None,
        comment=step.comment or None,
        quantity=step.quantity or None,
        value=step.value,
        step=step.step or None,
        resolution=step.resolution or None,
        into=step.into or None,
    )
