"""Alarms as they are shown, in lists and as events of the stream."""

from typing import Literal

from pydantic import Field

from api.shapes import AlarmStateWord, Asked, Comment, Page, PriorityWord, Shape, Source
from api.times import Utc
from engine import messages as m
from storage.alarms import AlarmEvent as StoredStep

_NOTE = "What to know beyond the rule's title, in plain words: why a link is down, how many readings are missing"
_EXPECTED = "When something is expected: for a valve that sleeps, when it next hears"
HEARS_BY = "The valve sleeps, and hears a command by then at the latest; null: it hears at once"


class Alarm(Shape):
    """An alarm that is not normal now."""

    alarm: str = Field(description="Hash of rule, subject and onset: the same alarm has the same id everywhere")
    rule: str
    device: str = Field(description="vendor/serial")
    device_no: int
    site: str
    priority: PriorityWord
    state: AlarmStateWord
    onset: Utc = Field(description="When the condition began, by the effective time of the reading")
    raised: Utc
    changed: Utc
    quantity: str | None = Field(description="The quantity that was judged, with its unit in the name")
    value: float | None
    late: bool = Field(description="Raised by a late reading: people are told, no valve moves")
    because: str | None = Field(description="The alarm that led to this one")
    acknowledged_by: str | None
    note: str | None = Field(description=_NOTE)
    expected: Utc | None = Field(description=_EXPECTED)


class Alarms(Page):
    """`as_of` is the event id these are true for: follow `/v1/alarms/stream?after={as_of}` and nothing is missed."""

    as_of: str
    alarms: list[Alarm]


class PastAlarms(Page):
    alarms: list[Alarm]


class AlarmStep(Shape):
    """`change` is `raised`, `acknowledged`, `returned`, `re-alarmed`, `reset`, `removed` or `noted`."""

    id: str = Field(description="engine:cycle:n, as in the stream")
    at: Utc
    change: str
    state: AlarmStateWord
    by: str | None
    comment: str | None


class AlarmInFull(Shape):
    """`steps` is null where the database cannot be asked."""

    alarm: Alarm
    source: Source
    steps: list[AlarmStep] | None


class Acknowledgement(Asked):
    comment: Comment = ""


class Instructed(Shape):
    """The engine has committed the instruction."""

    instruction: str = Field(description="Its id: the same Idempotency-Key gives the same answer, done once")
    subject: str = Field(description="The alarm or wanted position it was about")


class _Event(Shape):
    at: Utc
    device: str | None = Field(description="vendor/serial")
    device_no: int


class _AlarmEvent(_Event):
    alarm: str
    rule: str
    site: str
    priority: PriorityWord
    onset: Utc
    state: AlarmStateWord


class AlarmRaisedEvent(_AlarmEvent):
    type: Literal["alarm_raised"] = "alarm_raised"
    late: bool
    quantity: str | None
    value: float | None
    because: str | None
    note: str | None = Field(description=_NOTE)
    expected: Utc | None = Field(description=_EXPECTED)


class AlarmChangedEvent(_AlarmEvent):
    type: Literal["alarm_changed"] = "alarm_changed"
    change: str
    by: str | None
    comment: str | None = Field(description="A person's; of an alarm that came back or was `noted`, what `note` is now")
    expected: Utc | None = Field(description=_EXPECTED)


class CloseWantedEvent(_Event):
    """A valve is to be closed; attempts follow until it is seen closed."""

    type: Literal["close_wanted"] = "close_wanted"
    wanted: str
    reason: str
    alarm: str | None
    by: str | None
    confirm_by: Utc
    hears_by: Utc | None = Field(description=HEARS_BY)


class CommandSteppedEvent(_Event):
    """An attempt went one step on. `confirmed` is the observed position, never an acknowledgement."""

    type: Literal["command_stepped"] = "command_stepped"
    wanted: str
    command: str
    attempt: int | None = Field(description="Number of the attempt, in its first step")
    step: str
    note: str | None


class WantedEndedEvent(_Event):
    type: Literal["wanted_ended"] = "wanted_ended"
    wanted: str
    outcome: str
    by: str | None
    comment: str | None


class ResetEvent(Shape):
    """Events before this one are gone for this client: read `/v1/alarms` anew. The stream goes on."""

    type: Literal["reset"] = "reset"
    as_of: str
    reason: str


StreamEvent = AlarmRaisedEvent | AlarmChangedEvent | CloseWantedEvent | CommandSteppedEvent | WantedEndedEvent


def show_alarm(view: m.AlarmView) -> Alarm:
    return Alarm(
        alarm=view.alarm,
        rule=view.rule,
        device=view.identity,
        device_no=view.device_no,
        site=view.site,
        priority=view.priority,
        state=view.state,
        onset=view.onset,
        raised=view.raised,
        changed=view.changed,
        quantity=view.quantity or None,
        value=view.value,
        late=view.late,
        because=view.because or None,
        acknowledged_by=view.acknowledged_by or None,
        note=view.note or None,
        expected=view.expected or None,
    )


def show_step(step: StoredStep) -> AlarmStep:
    return AlarmStep(
        id=step.id,
        at=step.at,
        change=step.change,
        state=step.state,
        by=step.by or None,
        comment=step.comment or None,
    )
