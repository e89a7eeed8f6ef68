"""Alarms as they are shown, in lists and as events of the stream."""

from typing import Self

from pydantic import Field, model_validator

from api.shapes import NOT_SHOWN, AlarmStateWord, Asked, Comment, Page, PriorityWord, Reason, Shape, Source, example
from api.times import Utc, UtcParameter
from engine import messages as m
from rules.instructions import Resolution
from storage.alarms import AlarmEvent as StoredStep

NOTE = "What to know beyond the rule's title, in plain words: why a link is down, how many readings are missing"
EXPECTED = "When something is expected: for a valve that sleeps, when it next hears"
TRIAL = "Its rule is being tried: nobody is told and nothing moves"
UNTIL = "Until when it is shelved or out of service; null: without a limit, or neither"
SHELVED_FOR = "At most 24 hours for a critical alarm, 7 days for another"
HEARS_BY = "The valve sleeps, and hears a command by then at the latest; null: it hears at once"


class Alarm(Shape):
    """An alarm that is not normal now."""

    alarm: str = Field(description="Hash of rule, subject and onset: the same alarm has the same id everywhere")
    rule: str
    device: str = Field(description="vendor/serial")
    device_no: int
    site: str | None = Field(description=NOT_SHOWN)
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
    note: str | None = Field(description=NOTE)
    expected: Utc | None = Field(description=EXPECTED)
    trial: bool = Field(description=TRIAL)
    incident: str | None = Field(description="The incident it belongs to: read /v1/incidents/{incident}")
    resolution: str | None = Field(description="What a person found it to be: real, false, test or maintenance")
    until: Utc | None = Field(description=UNTIL)
    true_state: AlarmStateWord | None = Field(
        description="What it would show if nothing hid it; null where only the engine knows, of a stored alarm"
    )
    device_says: bool | None = Field(
        description="An alarm bit of the device itself raised it, then or since; null where only the engine knows"
    )


class Alarms(Page):
    """`as_of` is the event id these are true for: follow `/v1/alarms/stream?after={as_of}` and nothing is missed."""

    as_of: str
    alarms: list[Alarm]


class PastAlarms(Page):
    alarms: list[Alarm]


class AlarmStep(Shape):
    """`change` is `raised`, or a word of the stream's `alarm_changed`."""

    id: str = Field(description="engine:cycle:n, as in the stream")
    at: Utc
    change: str
    state: AlarmStateWord
    by: str | None
    comment: str | None
    priority: PriorityWord | None = Field(description="As it was then; null: stored before this was kept")
    trial: bool = Field(description=TRIAL)
    until: Utc | None = Field(description=UNTIL)
    resolution: str | None


class AlarmInFull(Shape):
    """`steps` is null where the database cannot be asked."""

    alarm: Alarm
    source: Source
    steps: list[AlarmStep] | None


class Acknowledgement(Asked, json_schema_extra=example(comment="on our way")):
    comment: Comment = ""


class Shelving(Asked, json_schema_extra=example(for_s=3600, reason="a welder is at work until ten")):
    """Until a time, or for so long from now: one of the two."""

    until: UtcParameter | None = Field(default=None, description=SHELVED_FOR)
    for_s: float | None = Field(default=None, gt=0.0, le=604_800.0, description=SHELVED_FOR)
    reason: Reason = Field(description="Why; it is kept with the alarm")

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.until is None) == (self.for_s is None):
            raise ValueError("say `until`, or `for_s`, and not both")
        return self

    def until_us(self, now_us: int) -> int:
        return now_us + round(self.for_s * 1_000_000) if self.until is None and self.for_s else self.until or 0


class AlarmComment(Asked, json_schema_extra=example(text="the neighbour rang too")):
    text: Reason


class AlarmResolution(Asked, json_schema_extra=example(resolution="false", comment="cooking wine")):
    resolution: Resolution = Field(description="What it was, as you found it")
    comment: Comment = ""


class Instructed(Shape):
    """The engine has committed the instruction."""

    instruction: str = Field(description="Its id: the same Idempotency-Key gives the same answer, done once")
    subject: str = Field(description="What it was about: an alarm, a wanted position, an incident, a permit, a rule")


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
        trial=view.trial,
        incident=view.incident or None,
        resolution=view.resolution or None,
        until=view.until or None,
        true_state=view.true_state,
        device_says=view.device_says,
    )


def show_step(step: StoredStep) -> AlarmStep:
    return AlarmStep(
        id=step.id,
        at=step.at,
        change=step.change,
        state=step.state,
        by=step.by or None,
        comment=step.comment or None,
        priority=step.priority,
        trial=step.trial,
        until=step.until or None,
        resolution=step.resolution or None,
    )
