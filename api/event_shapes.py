"""The events of the stream, as they are shown: one shape for each kind of decision, and `reset`."""

from typing import Literal, get_args

from pydantic import Field

from api.alarm_shapes import EXPECTED, HEARS_BY, NOTE, TRIAL, UNTIL
from api.shapes import NOT_SHOWN, AlarmStateWord, PriorityWord, Shape
from api.times import Utc
from devices.commands import Verb
from rules.decisions import Change, HeldChange, IncidentChange, IncidentScope, PermitState


class _Event(Shape):
    at: Utc
    device: str | None = Field(description="vendor/serial")
    device_no: int


class _AlarmEvent(_Event):
    alarm: str
    rule: str
    site: str | None = Field(description=NOT_SHOWN)
    priority: PriorityWord
    onset: Utc
    state: AlarmStateWord
    trial: bool = Field(description=TRIAL)


class AlarmRaisedEvent(_AlarmEvent):
    type: Literal["alarm_raised"] = "alarm_raised"
    incident: str | None = Field(description="The incident it belongs to")
    until: Utc | None = Field(description=UNTIL)
    late: bool
    quantity: str | None
    value: float | None
    because: str | None
    note: str | None = Field(description=NOTE)
    expected: Utc | None = Field(description=EXPECTED)


class AlarmChangedEvent(_AlarmEvent):
    type: Literal["alarm_changed"] = "alarm_changed"
    change: Change
    by: str | None
    comment: str | None = Field(description="A person's; of an alarm that came back or was `noted`, what `note` is now")
    expected: Utc | None = Field(description=EXPECTED)
    until: Utc | None = Field(description=UNTIL)
    resolution: str | None = Field(description="Of `resolved`: what a person found it to be")


class CloseWantedEvent(_Event):
    """A valve is to be closed; attempts follow until it is seen closed."""

    type: Literal["close_wanted"] = "close_wanted"
    wanted: str
    reason: str | None = Field(description=NOT_SHOWN)
    alarm: str | None
    by: str | None
    confirm_by: Utc
    hears_by: Utc | None = Field(description=HEARS_BY)


class FanWantedEvent(_Event):
    """A fan is to run; attempts follow as for a valve."""

    type: Literal["fan_wanted"] = "fan_wanted"
    wanted: str
    reason: str | None = Field(description=NOT_SHOWN)
    alarm: str | None


class CommandSteppedEvent(_Event):
    """An attempt went one step on. `confirmed` is the observed position, never an acknowledgement."""

    type: Literal["command_stepped"] = "command_stepped"
    wanted: str
    command: str
    attempt: int | None = Field(description="Number of the attempt, in its first step")
    verb: Verb | None = Field(description="What is sent, in its first step")
    step: str
    note: str | None


class WantedEndedEvent(_Event):
    type: Literal["wanted_ended"] = "wanted_ended"
    wanted: str
    outcome: str
    by: str | None
    comment: str | None


class IncidentChangedEvent(Shape):
    """What happened to an incident. A field means something only for the changes that have it."""

    type: Literal["incident_changed"] = "incident_changed"
    at: Utc
    incident: str
    scope: IncidentScope
    key: str = Field(description="The site, riser, building or area")
    change: IncidentChange
    priority: PriorityWord
    alarm: str | None = Field(description="The alarm that opened or joined it")
    by: str | None
    comment: str | None = Field(description="What a person said: the crew, a comment, a place")
    quantity: str | None
    value: float | None
    step: str | None
    resolution: str | None
    into: str | None = Field(description="Of `merged`: the larger incident")


class PermitChangedEvent(_Event):
    """A permit to open a valve on site. No event opens one."""

    type: Literal["permit_changed"] = "permit_changed"
    permit: str
    state: PermitState
    expires: Utc | None
    by: str | None
    comment: str | None
    combustible_lel: float | None = Field(description="Of `completed`: what was measured on site, % LEL")


class ShutOffHeldEvent(_Event):
    """A shut-off that software judged waits, or waits no more. `device` is the valve."""

    type: Literal["shut_off_held"] = "shut_off_held"
    rule: str
    alarm: str
    change: HeldChange
    value: float | None
    reason: str | None
    by: str | None


class RuleNotedEvent(Shape):
    """A rule is another now, or was taken back to a dry run by itself (`reverted`)."""

    type: Literal["rule_noted"] = "rule_noted"
    at: Utc
    rule: str
    what: str
    reverted: bool


class ResetEvent(Shape):
    """Events before this one are gone for this client: read `/v1/alarms` anew. The stream goes on."""

    type: Literal["reset"] = "reset"
    as_of: str
    reason: str


StreamEvent = (
    AlarmRaisedEvent
    | AlarmChangedEvent
    | CloseWantedEvent
    | FanWantedEvent
    | CommandSteppedEvent
    | WantedEndedEvent
    | IncidentChangedEvent
    | PermitChangedEvent
    | ShutOffHeldEvent
    | RuleNotedEvent
)
#: For the description: no route returns them by its type.
EVENTS: tuple[type[Shape], ...] = (*get_args(StreamEvent), ResetEvent)
