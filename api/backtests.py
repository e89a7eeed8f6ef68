"""Backtests as jobs: what rules would have done with the stored past."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import AliasChoices, Field, StringConstraints

from api.apart_work import BacktestJob, Document
from api.backtest_jobs import JobState, Kept
from api.backtest_shapes import BacktestRequest, BacktestResult
from api.backtest_shown import show_result
from api.pages import MOST_RANGE_US
from api.parts import Parts, Shared
from api.permits import GuardedRoute, ReadsBacktests, RunsBacktests
from api.problems import (
    BAD_PARAMETER,
    BODY_PROBLEMS,
    DATABASE_PROBLEMS,
    NOT_FOUND,
    NOT_SIGNED_IN,
    RETRY_AFTER_S,
    TOO_MANY,
    Problem,
    problem_answers,
)
from api.rule_checks import sound
from api.rule_shapes import RulesGiven
from api.shapes import Shape
from api.times import Utc
from rules.history.backtest_types import Assumed
from storage.database import server_version

router = APIRouter(route_class=GuardedRoute, prefix="/v1/rules/backtests", tags=["rules"])

BacktestId = Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")]


class Backtest(Shape):
    """A backtest that was asked for, and how far it is."""

    backtest: str
    state: JobState
    by: str
    begun: Utc
    ended: Utc | None
    from_: Utc = Field(validation_alias=AliasChoices("from", "from_"), serialization_alias="from")
    to: Utc
    sites: list[str]
    done_pct: float = Field(description="By the time of the readings; those of the lead before `from` are 0")
    readings: int
    failure: str | None = Field(description="Why it failed, and what to do")


class BacktestInFull(Shape):
    backtest: Backtest
    result: BacktestResult | None = Field(description="Null until it is done")


class Backtests(Shape):
    """Of this API process: a restart forgets them. The newest first."""

    backtests: list[Backtest]


_ONE = problem_answers(NOT_SIGNED_IN, NOT_FOUND, BAD_PARAMETER)


@router.post(
    "",
    operation_id="begin_backtest",
    status_code=202,
    responses=problem_answers(NOT_SIGNED_IN, BAD_PARAMETER, TOO_MANY, *BODY_PROBLEMS, *DATABASE_PROBLEMS),
)
async def begin_backtest(parts: Shared, who: RunsBacktests, body: BacktestRequest) -> Backtest:
    """Replay stored readings through the rule engine, in a process of its own that reads the database and nothing
    else: no engine, valve or person notices. One at a time; an hour and 4 GiB at most. Ask for `backtest` until it is
    done."""
    if not 0 < body.to - body.from_ <= MOST_RANGE_US:
        raise Problem(BAD_PARAMETER, "from, to: `from` comes before `to`, and at most 366 days lie between")
    _room(parts)
    document = await _document(body.rules, "rules")
    against = None if body.against is None else await _document(body.against, "against")
    async with parts.database(who) as connection:
        await server_version(connection)  # who asks while it is away hears so now
    url, limits = parts.config.database_url, parts.config.limits
    assert url is not None  # else there was no connection
    job = BacktestJob(
        url=url,
        most_bytes=limits.backtest_bytes,
        rules=document,
        from_us=body.from_,
        to_us=body.to,
        against=against,
        sites=tuple(body.sites),
        assumed=Assumed(body.valves_answer, body.acknowledge_after_s, not body.as_written),
    )
    _room(parts)
    return _show(parts.backtests.begin(parts.config.new_id(), who.name, job))


@router.get("", operation_id="list_backtests", responses=problem_answers(NOT_SIGNED_IN))
async def list_backtests(parts: Shared, who: ReadsBacktests) -> Backtests:
    """The last 20 that this API process was asked for."""
    return Backtests(backtests=[_show(one) for one in reversed(parts.backtests.all.values())])


@router.get("/{backtest}", operation_id="get_backtest", responses=_ONE)
async def get_backtest(
    parts: Shared, who: ReadsBacktests, backtest: Annotated[BacktestId, Path(description="As begin_backtest said")]
) -> BacktestInFull:
    """How far it is, and its result once it is done."""
    one = _find(parts, backtest)
    result = None if one.result is None else await asyncio.to_thread(show_result, one.result)
    return BacktestInFull(backtest=_show(one), result=result)


@router.delete("/{backtest}", operation_id="end_backtest", responses=_ONE)
async def end_backtest(parts: Shared, who: RunsBacktests, backtest: BacktestId) -> Backtest:
    """End it if it runs; one that is over stays what it is."""
    one = _find(parts, backtest)
    await parts.backtests.end(one)
    return _show(one)


def _room(parts: Parts) -> None:
    running = parts.backtests.running
    if running is not None:
        reason = f"backtest {running.id} of {running.by} is running; wait for it, or DELETE it"
        raise Problem(TOO_MANY, reason, retry_after_s=RETRY_AFTER_S)


async def _document(given: RulesGiven, where: str) -> Document:
    return (await asyncio.to_thread(sound, given, where)).document


def _find(parts: Parts, backtest: str) -> Kept:
    one = parts.backtests.all.get(backtest)
    if one is None:
        raise Problem(NOT_FOUND, f"no backtest {backtest}; an API process keeps its last {parts.backtests.kept}")
    return one


def _show(one: Kept) -> Backtest:
    return Backtest(
        backtest=one.id,
        state=one.state,
        by=one.by,
        begun=one.begun_us,
        ended=one.ended_us or None,
        from_=one.job.from_us,
        to=one.job.to_us,
        sites=list(one.job.sites),
        done_pct=one.done_pct,
        readings=one.readings,
        failure=one.failure or None,
    )
