"""Wanted positions and the attempts towards them, as they are shown."""

from itertools import groupby

from pydantic import Field

from api.alarm_shapes import HEARS_BY
from api.shapes import NOT_SHOWN, Asked, Reason, Shape, Source, ValveWord, example
from api.times import Utc
from devices.commands import Verb
from engine import messages as m
from rules.decisions import Outcome, Step


class CloseRequest(Asked, json_schema_extra=example(reason="smell of gas in the stairway")):
    reason: Reason = Field(description="Why; it is kept with the command")


class CancelRequest(Asked, json_schema_extra=example(reason="closed by hand, seen on site")):
    reason: Reason = Field(description="Why; it is kept with the command")


class CloseAccepted(Shape):
    instruction: str
    wanted: str = Field(description="The wanted position: read /v1/commands/{wanted}")


class CommandStep(Shape):
    step: Step
    at: Utc
    note: str | None


class Attempt(Shape):
    """One CLOSE that was sent, or was to be sent. `confirmed` is the observed position, never an acknowledgement."""

    command: str
    attempt: int
    steps: list[CommandStep]


class Command(Shape):
    """A valve is wanted closed, or a fan running. `outcome` null: attempts go on. `position`: where the valve was last
    seen."""

    wanted: str
    verb: Verb = Field(description="close, or of a fan fan_on")
    source: Source
    device: str
    device_no: int
    site: str | None = Field(description=NOT_SHOWN)
    epoch: int
    reason: str | None = Field(description=NOT_SHOWN)
    alarm: str | None = Field(description="The alarm that asked for it")
    by: str | None = Field(description="The person who asked for it")
    since: Utc
    confirm_by: Utc | None = Field(description="Past it an unconfirmed CLOSE is an alarm of its own")
    hears_by: Utc | None = Field(description=HEARS_BY)
    outcome: Outcome | None
    ended: Utc | None
    position: ValveWord
    attempts: list[Attempt]


def show_command(view: m.WantedView, source: Source) -> Command:
    steps = sorted(view.steps, key=lambda step: (step.attempt, step.command))  # stable: each attempt's order stays
    return Command(
        wanted=view.wanted,
        verb=view.verb,
        source=source,
        device=view.identity,
        device_no=view.device_no,
        site=view.site,
        epoch=view.epoch,
        reason=view.reason,
        alarm=view.alarm or None,
        by=view.by or None,
        since=view.since,
        confirm_by=view.confirm_by or None,
        hears_by=view.hears_by or None,
        outcome=view.outcome,
        ended=view.ended or None,
        position=view.position,
        attempts=[
            Attempt(
                command=command,
                attempt=attempt,
                steps=[CommandStep(step=one.step, at=one.at, note=one.note or None) for one in of],
            )
            for (attempt, command), of in groupby(steps, key=lambda step: (step.attempt, step.command))
        ],
    )
