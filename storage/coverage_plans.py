"""Plans of installation, whose reports are due by schedule, and notices. What was planned before is kept by the
database. Reading raises DatabaseAway and DatabaseRefused; writing is in the caller's transaction and raises
psycopg.Error."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString

import msgspec

from access.ownership import EVERYTHING, Scope
from devices.coverage_plans import Planned
from storage.audit import Said, record
from storage.coverage_gather import within
from storage.database import Connection, translated
from storage.scoped import OwnerColumns, condition
from storage.text import clean
from storage.times import as_datetime, as_microseconds

_OF_AREA = OwnerColumns("''", "''", "''", "p.area", "''", "''")
_PLANS: LiteralString = """
SELECT area, site_class, month, planned FROM coverage_plan_ever p WHERE area LIKE %s AND
    CASE WHEN %s::timestamptz IS NULL THEN superseded IS NULL
         ELSE recorded <= %s AND (superseded IS NULL OR superseded > %s) END AND """
_AS: LiteralString = "SELECT set_config('davy.by', %s, true), set_config('davy.at', %s, true)"
_NOTICES: LiteralString = """
SELECT notice, at, kind, area, body::text FROM notice p WHERE (%s::bigint IS NULL OR notice < %s) AND """


async def plans(
    connection: Connection, *, area: str = "", as_of_us: int | None = None, scope: Scope = EVERYTHING
) -> dict[tuple[str, str, date], int]:
    """(area, class, month) -> sites, of an area and what lies in it; as they stood at a time."""
    seen, values = condition(scope, _OF_AREA)
    at = None if as_of_us is None else as_datetime(as_of_us)
    with translated():
        cursor = await connection.execute(_PLANS + seen, (within(area), at, at, at, *values))
        return {(where, one, month): planned for where, one, month, planned in await cursor.fetchall()}


async def put_plans(connection: Connection, planned: Planned, *, by: str, now_us: int, tenant: str = "") -> None:
    """Set these; what is not named stays. Said in the record of `tenant`."""
    await connection.execute(_AS, (by, str(now_us)))
    for (area, site_class, month), sites in sorted(planned.items()):
        await connection.execute(
            "INSERT INTO coverage_plan (area, site_class, month, planned) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (area, site_class, month) DO UPDATE SET planned = excluded.planned"
            " WHERE coverage_plan.planned <> excluded.planned",
            (clean(area), clean(site_class), month, sites),
        )
        body: dict[str, Any] = {"area": area, "class": site_class, "month": month.isoformat(), "planned": sites}
        await record(connection, [Said(tenant, now_us, "coverage_plan", by, body)])


@dataclass(frozen=True, slots=True)
class Scheduled:
    """Reports on `area` are due by the schedule of this policy, in this time zone. done: until then they are ordered,
    microseconds since 1970 UTC."""

    area: str
    policy: str
    timezone: str
    simulated: bool
    done: int
    set_by: str


async def scheduled(connection: Connection) -> list[Scheduled]:
    with translated():
        cursor = await connection.execute(
            "SELECT area, policy, timezone, simulated, done_at, set_by FROM coverage_schedule ORDER BY area, policy"
        )
        return [
            Scheduled(area, policy, zone, simulated, as_microseconds(done), by)
            for area, policy, zone, simulated, done, by in await cursor.fetchall()
        ]


async def put_schedule(
    connection: Connection,
    area: str,
    policy: str,
    timezone: str,
    *,
    simulated: bool,
    by: str,
    now_us: int,
    tenant: str = "",
) -> None:
    """From now on, or in another zone from now on."""
    await connection.execute(
        "INSERT INTO coverage_schedule (area, policy, timezone, simulated, done_at, set_by)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (area, policy) DO UPDATE"
        " SET timezone = excluded.timezone, simulated = excluded.simulated, set_by = excluded.set_by",
        (clean(area), clean(policy), clean(timezone), simulated, as_datetime(now_us), clean(by)),
    )
    body: dict[str, Any] = {"area": area, "policy": policy, "timezone": timezone, "step": "on"}
    await record(connection, [Said(tenant, now_us, "coverage_schedule", by, body)])


async def end_schedule(
    connection: Connection, area: str, policy: str, *, by: str, now_us: int, tenant: str = ""
) -> bool:
    """False: there was none."""
    cursor = await connection.execute(
        "DELETE FROM coverage_schedule WHERE area = %s AND policy = %s", (clean(area), clean(policy))
    )
    if not cursor.rowcount:
        return False
    body: dict[str, Any] = {"area": area, "policy": policy, "step": "off"}
    await record(connection, [Said(tenant, now_us, "coverage_schedule", by, body)])
    return True


@dataclass(frozen=True, slots=True)
class Notice:
    """at: microseconds since 1970 UTC."""

    number: int
    at: int
    kind: str
    area: str
    body: Mapping[str, object]


async def notices(
    connection: Connection, *, limit: int, after: tuple[int, ...] | None = None, scope: Scope = EVERYTHING
) -> list[Notice]:
    """Newest first."""
    seen, values = condition(scope, _OF_AREA)
    before = after[0] if after else None
    with translated():
        cursor = await connection.execute(
            _NOTICES + seen + " ORDER BY notice DESC LIMIT %s",
            (before, before, *values, limit),
        )
        return [
            Notice(number, as_microseconds(at), kind, area, msgspec.json.decode(body, type=dict[str, object]))
            for number, at, kind, area, body in await cursor.fetchall()
        ]
