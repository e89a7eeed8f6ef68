"""Scorecards as JSON. Each share stands beside its counts; of nothing there is no share."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from api.coverage_shapes import Month
from api.days import DayAsked
from api.shapes import Asked, Page, Shape, example
from api.times import Utc
from devices.scorecard import STEPS, Promise, Tally, lines, total
from storage.scorecards import Header

_Limit = Annotated[int, Field(ge=1, le=31 * 86_400)] | None
_PROMISED = "Seconds from the alarm; null: nothing is promised of this step"


class CardAsked(Asked, json_schema_extra=example(enterprise="gas-east", month="2026-10")):
    """A card of a month that is over. known_now: with the register as it is known now, and not as it was recorded by
    the month's end."""

    enterprise: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    month: Month
    known_now: bool = False
    simulated: bool = False
    corrects: int | None = Field(default=None, ge=1, lt=2**63, description="The published card that this corrects")


class PromiseGiven(
    Asked,
    json_schema_extra=example(since="2026-12-01", place="https://gas.example.com/service", arrived_s=1800),
):
    """What was published as the promise of response (seed 003, 9.1.1), and where."""

    since: DayAsked
    place: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
    acknowledged_s: _Limit = Field(default=None, description=_PROMISED)
    dispatched_s: _Limit = None
    arrived_s: _Limit = None
    closed_s: _Limit = None


class PromiseShown(Shape):
    since: date
    place: str
    acknowledged_s: int | None = Field(description=_PROMISED)
    dispatched_s: int | None
    arrived_s: int | None
    closed_s: int | None


class Promises(Shape):
    """Oldest first. Empty: no promise is published, and nothing is judged."""

    promises: list[PromiseShown]


class FigureShown(Shape):
    """part of whole. Of a step `in_time` the whole are the alarms that a promise judged: 0 where none was published."""

    figure: str = Field(examples=["users_connected", "arrived_in_time"])
    part: int
    whole: int
    share_pct: float | None
    promised_s: int | None


class AreaFigures(Shape):
    area: str
    figures: list[FigureShown]


class CardHead(Shape):
    """published null: a draft, which may be made anew. register_as_of: the register as it was recorded then; until:
    what happened before then counts."""

    scorecard: int
    enterprise: str
    kind: Literal["gas_company", "vendor"]
    area: str
    month: Month
    timezone: str
    register_as_of: Utc
    until: Utc
    simulated: bool
    promise_published: bool = Field(description="False: no promise was published, and nothing is judged by one")
    promises: list[PromiseShown] = Field(description="Those that held in the month; of a gas company")
    code: str
    sha256: str
    corrects: int | None
    published: Utc | None


class CardShown(CardHead):
    """alarms: of critical and high priority; other_alarms: all the others. areas: not told to a vendor."""

    alarms: int
    other_alarms: int
    figures: list[FigureShown]
    areas: list[AreaFigures]


class Cards(Page):
    scorecards: list[CardHead]


def promise_of(given: PromiseGiven) -> Promise:
    """Raises ValueError where nothing is promised."""
    if all(getattr(given, f"{name}_s") is None for name in STEPS):
        raise ValueError("say at least one of acknowledged_s, dispatched_s, arrived_s, closed_s")
    limits = (given.acknowledged_s, given.dispatched_s, given.arrived_s, given.closed_s)
    return Promise(date.fromisoformat(given.since), given.place, *limits)


def show_promise(one: Promise) -> PromiseShown:
    return PromiseShown(
        since=one.since,
        place=one.place,
        acknowledged_s=one.acknowledged_s,
        dispatched_s=one.dispatched_s,
        arrived_s=one.arrived_s,
        closed_s=one.closed_s,
    )


def show_card_head(one: Header) -> CardHead:
    whole = one.promises
    return CardHead(
        scorecard=one.scorecard,
        enterprise=one.enterprise,
        kind="vendor" if one.kind == "vendor" else "gas_company",
        area=one.area,
        month=f"{one.month:%Y-%m}",
        timezone=one.timezone,
        register_as_of=one.known,
        until=one.until,
        simulated=one.simulated,
        promise_published=bool(whole),
        promises=[show_promise(promise) for promise in whole],
        code=one.code,
        sha256=one.sha256,
        corrects=one.corrects,
        published=one.published,
    )


def show_card(one: Header, parts: list[tuple[str, Tally]]) -> CardShown:
    whole = total(tally for _, tally in parts)
    return CardShown(
        **dict(show_card_head(one)),
        alarms=whole.alarms,
        other_alarms=whole.others,
        figures=_figures(one, whole),
        areas=[AreaFigures(area=area, figures=_figures(one, tally)) for area, tally in parts if area],
    )


def _figures(one: Header, tally: Tally) -> list[FigureShown]:
    return [
        FigureShown(
            figure=line.key,
            part=line.part,
            whole=line.whole,
            share_pct=line.share_pct,
            promised_s=line.promised_s,
        )
        for line in lines(tally, one.promises)
    ]
