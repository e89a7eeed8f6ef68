"""Backtests as they are asked for and shown. Long lists are shown in part (api/trimmed.py); all of it is counted."""

from typing import Annotated

from pydantic import Field

from api.alarm_health import AlarmHealth
from api.rule_shapes import RulesGiven
from api.shapes import Asked, PriorityWord, Shape, example
from api.times import Utc, UtcParameter
from api.trimmed import MOST_SHOWN
from rules.instructions import Resolution

_PART = f"The first {MOST_SHOWN}"


_EXAMPLE = {"rules": {"packs": ["methane", "valves"]}, "from": "2025-11-01T00:00:00Z", "to": "2026-03-31T00:00:00Z"}


class BacktestRequest(Asked, json_schema_extra=example(**_EXAMPLE)):
    """`from` <= effective time < `to`."""

    rules: RulesGiven = Field(description="The rules to try")
    against: RulesGiven | None = Field(default=None, description="To compare with; null: those in force at `to`")
    from_: UtcParameter = Field(alias="from")
    to: UtcParameter
    sites: list[Annotated[str, Field(max_length=200)]] = Field(default=[], max_length=1_000, description="Empty: all")
    as_written: bool = Field(default=False, description="Leave dry runs and canaries what they are, instead of active")
    acknowledge_after_s: float | None = Field(
        default=60.0, ge=1.0, le=31_536_000.0, description="When people are taken to acknowledge; null: never"
    )
    valves_answer: bool = Field(default=True, description="A valve that is told to close is seen closed in its time")


class BacktestAlarm(Shape):
    """One alarm of a run."""

    alarm: str
    rule: str
    device: str
    site: str
    priority: PriorityWord
    onset: Utc
    raised: Utc
    returned: Utc | None = Field(description="Null: it stands at the end")
    again: int = Field(description="How often it came again before it was over")
    quantity: str | None
    value: float | None
    late: bool
    trial: bool


class RuleFigures(Shape):
    """What one rule did in a run."""

    rule: str
    priority: PriorityWord
    alarms: int
    again: int
    late: int
    trials: int
    devices: int
    standing: int
    shut_offs: int
    valves: int
    held: int = Field(description="Shut-offs that its budget held back")
    released: int
    longest_wait_s: float


class RunFigures(Shape):
    """What one version of the rules did."""

    name: str
    version: str
    raised: int
    shut_offs: int
    held: int
    reverted: list[str]
    rules: list[RuleFigures]
    annunciated: int = Field(description="Alarms and re-alarms that people are told of")
    priority_pct: dict[str, float]
    chattering: int
    stale: int
    health: AlarmHealth = Field(description=f"Its lists: {_PART.lower()} of each")
    alarms: list[BacktestAlarm] = Field(description=f"{_PART}, by time raised; `raised` counts all")


class MovedAlarm(Shape):
    """The same alarm in both, with another onset; `by_s`: so much later in the new version."""

    old: BacktestAlarm
    new: BacktestAlarm
    by_s: float


class BacktestDifferences(Shape):
    same: int = Field(description="Equal in rule, device and onset")
    only_new: int
    only_old: int
    moved: int
    only_new_alarms: list[BacktestAlarm] = Field(description=_PART)
    only_old_alarms: list[BacktestAlarm] = Field(description=_PART)
    moved_alarms: list[MovedAlarm] = Field(description=_PART)


class LabelledAlarms(Shape):
    """Alarms of the past that people said were of one sort: how many, and how many of them a version raises."""

    resolution: Resolution
    labels: int
    new: int
    old: int | None


class BacktestResult(Shape):
    """`assumes`: what it rests on and history does not say. `unknown`: readings of devices that are not registered any
    more, passed over. `old` and `differences` are null where there was nothing to compare with."""

    begin: Utc
    end: Utc
    readings: int
    unknown: int
    devices: int
    new: RunFigures
    old: RunFigures | None
    differences: BacktestDifferences | None
    labelled: list[LabelledAlarms]
    assumes: str
