"""The columns of coverage (devices/coverage_columns.py) as of any day, streamed from the database: a city of a million
sites passes through in pieces, and only its columns stay.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from devices.areas import prefix
from devices.coverage_columns import AsOf, Devices, Sites
from devices.coverage_policy import Policy
from devices.models import DeviceKind, DeviceModel
from storage.coverage_rows import DeviceColumns, SiteColumns, SiteKinds
from storage.coverage_rules import Ruled
from storage.coverage_sql import CONTACTS, DEVICES, MODELS, NOT_SUMMED_UP, SITES
from storage.database import Connection, translated
from storage.text import clean
from storage.times import HOUR_US, as_datetime, as_microseconds

#: Rows in one piece: some 10 ms of Python, so that what shares the process is not held up.
_PIECE = 10_000
_VALVES = (DeviceKind.SELF_CLOSING_VALVE, DeviceKind.SHUT_OFF_VALVE)


@dataclass(frozen=True, slots=True)
class Question:
    """What a report is about. area: a code of GB/T 2260, empty for everywhere. until_us: readings before then count.
    known_us: the register counts as it was recorded by then. Both microseconds since 1970 UTC. simulated: simulated
    sites only; else real ones only, never both."""

    area: str
    day: date
    timezone: str
    until_us: int
    known_us: int
    simulated: bool = False


def question_of(
    area: str, day: date, timezone: str, now_us: int, *, known_us: int | None = None, simulated: bool = False
) -> Question:
    """A day as it ended there; on the day itself as it is, readings up to the last whole hour. The register as it was
    recorded by the end of the day, or by `known_us`. Raises ValueError for a day that has not begun."""
    zone = ZoneInfo(timezone)
    if as_microseconds(datetime.combine(day, time(), zone)) > now_us:
        raise ValueError(f"{day} has not begun in {timezone}; ask for a day that has")
    after_us = as_microseconds(datetime.combine(day + timedelta(days=1), time(), zone))
    known = min(after_us, now_us) if known_us is None else min(known_us, now_us)
    return Question(area, day, timezone, min(after_us, now_us // HOUR_US * HOUR_US), known, simulated)


@dataclass(frozen=True, slots=True)
class Gathered:
    sites: Sites
    devices: Devices
    at: AsOf
    rules_sha256: str


async def gather(connection: Connection, policy: Policy, question: Question) -> Gathered:
    """Everything as of one instant of the database. Raises DatabaseAway, DatabaseRefused."""
    at = AsOf(question.day, question.until_us)
    with translated():
        async with connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            await connection.execute("SET LOCAL cursor_tuple_fraction = 1")
            await connection.execute("SET LOCAL statement_timeout = 0")
            # So that a city's sorts and joins stay in memory; a few at a time are as much as the columns themselves.
            await connection.execute("SET LOCAL work_mem = '128MB'")
            values = await _values(connection, question)
            ruled = await Ruled.at(connection, at.until_us)
            sites, kinds = await _sites(connection, values)
            models = await _models(connection, policy)
            devices = await _devices(connection, values, models, kinds, ruled, at)
    return Gathered(sites, devices, at, ruled.sha256)


async def _values(connection: Connection, question: Question) -> dict[str, Any]:
    until = as_datetime(question.until_us)
    row = await (await connection.execute(NOT_SUMMED_UP, (until,))).fetchone()
    return {
        "area": within(question.area),
        "simulated": question.simulated,
        "day": question.day,
        "timezone": question.timezone,
        "until": until,
        "known": as_datetime(question.known_us),
        "raw_from": row[0] if row else None,
    }


async def _sites(connection: Connection, values: Mapping[str, Any]) -> tuple[Sites, SiteKinds]:
    columns = SiteColumns()
    async for rows in _pieces(connection, SITES, values):
        columns.add(rows)
    contacts: dict[str, int] = {}
    async for rows in _pieces(connection, CONTACTS, values):
        contacts.update(rows)
    return columns.done(contacts)


async def _models(connection: Connection, policy: Policy) -> dict[str, DeviceModel]:
    """Those of the kinds that the policy asks for."""
    cursor = await connection.execute(MODELS)
    found = (msgspec.json.decode(text, type=DeviceModel) for (text,) in await cursor.fetchall())
    return {model.key: model for model in found if model.kind in policy.kinds()}


async def _devices(
    connection: Connection,
    values: Mapping[str, Any],
    models: Mapping[str, DeviceModel],
    kinds: SiteKinds,
    ruled: Ruled,
    at: AsOf,
) -> Devices:
    longest_s = max((model.report_interval_s for model in models.values()), default=0.0)
    oldest = values["until"] - max(timedelta(days=31), timedelta(seconds=min(4 * longest_s, 366 * 86_400.0)))
    asked = {
        **values,
        "oldest": oldest,
        "models": list(models),
        "valves": [key for key, model in models.items() if model.kind in _VALVES],
    }
    columns = DeviceColumns(models, kinds, ruled)
    async for rows in _pieces(connection, DEVICES, asked):
        columns.add(rows)
    return columns.done(at)


async def _pieces(
    connection: Connection, query: str, values: Mapping[str, Any]
) -> AsyncIterator[list[tuple[Any, ...]]]:
    async with connection.cursor(name="coverage") as cursor:
        await cursor.execute(query.encode(), values, binary=True)
        while rows := await cursor.fetchmany(_PIECE):
            yield rows


def within(area: str) -> str:
    """A pattern for LIKE: the codes within an area, every code for an empty one."""
    literal = clean(prefix(area)).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"{literal}%"


def today(now_us: int, timezone: str) -> date:
    """The day it is there."""
    return datetime.fromtimestamp(now_us / 1_000_000, UTC).astimezone(ZoneInfo(timezone)).date()
