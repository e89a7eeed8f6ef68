"""What a gas company or a vendor did in a month, counted in the database by the areas of its sites: the tallies of
devices/scorecard.py.

S1  All of it is one question, so that it is of one instant. Sites and devices are put side by side and not joined:
    the planner, which does not know how many were registered then, would join them one by one.
S2  The register is as it was recorded by `known` and as it was in the world at the month's end. An alarm is of the
    company that has its site today (a site that is given to another takes its past along), and of its device's vendor.
    A device reports that measured a gas well or said where a valve stands, as in coverage (storage/coverage_sql.py).
S3  A step of an incident counts for each of its alarms: the first dispatch, arrival and closing of the incident that
    the alarm is in, or of the larger ones that this became part of. What was done before the alarm came was in time.
"""
# ruff: noqa: S608 - the parts are constants of this file; values are parameters

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString

from access.enterprises import Enterprise, EnterpriseKind
from devices.scorecard import ZONE, Promise, Step, Tally, month_bounds
from storage.coverage_gather import within
from storage.database import Connection, translated
from storage.text import clean
from storage.times import as_datetime

#: Critical and high (rules.decisions.Priority): what a promise of response is about.
_URGENT = 2
#: How long the counting may take (product choice): a month of a million devices is a million looks into the hours.
_WITHIN = "SET LOCAL statement_timeout = '60s'"

_REGISTERED: LiteralString = (
    "@.recorded <= %(known)s AND (@.superseded IS NULL OR @.superseded > %(known)s)"
    " AND (@.gone IS NULL OR @.gone >= %(to)s)"
)
_ALARM: LiteralString = "a.raised >= %(from)s AND a.raised < %(to)s AND NOT a.trial AND a.area LIKE %(area)s"


def _step(name: LiteralString) -> LiteralString:
    """How many had it, were judged, were in time."""
    done = name + " IS NOT NULL"
    due = "raised + " + name + "_s * INTERVAL '1 s'"
    judged = name + "_s IS NOT NULL AND (" + done + " OR " + due + " < %(until)s)"
    parts = (done, judged, name + " <= " + due)
    return "".join(", count(*) FILTER (WHERE " + part + ")" for part in parts)


#: Rows: area, users, connected, devices, reporting, alarms, others, then done, judged, in time of each step.
_COUNTS: LiteralString = (
    """
WITH RECURSIVE site_then AS (
    SELECT s.key, s.area FROM site_ever s WHERE """
    + _REGISTERED.replace("@", "s")
    + """ AND s.area LIKE %(area)s AND s.simulated = %(simulated)s
        AND (%(vendor)s <> '' OR s.enterprise = %(enterprise)s)),
device_then AS (
    SELECT d.device_no, d.site, s.area, EXISTS (SELECT FROM reading_1h h WHERE h.device_no = d.device_no
        AND h.bucket >= %(from)s AND h.bucket < %(to)s
        AND (h.combustible_lel_n > 0 OR h.co_ppm_n > 0 OR h.valve <> 0)) AS reports
    FROM device_ever d JOIN site_then s ON s.key = d.site WHERE """
    + _REGISTERED.replace("@", "d")
    + """ AND (%(vendor)s = '' OR d.vendor = %(vendor)s)
        AND d.model NOT IN (SELECT key FROM device_model WHERE kind = 'gateway')),
user_then AS (
    SELECT area, coalesce(bool_or(reports), false) AS connected, count(device_no) AS devices,
        count(*) FILTER (WHERE reports) AS reporting
    FROM (SELECT key, area, NULL::integer AS device_no, NULL::boolean AS reports FROM site_then
          UNION ALL SELECT site, area, device_no, reports FROM device_then) one
    GROUP BY key, area HAVING %(vendor)s = '' OR count(device_no) > 0),
alarm_then AS (
    SELECT a.alarm, a.area, a.raised, a.enterprise, a.incident, a.priority <= %(urgent)s AS urgent
    FROM alarm a JOIN site s ON s.key = a.site WHERE """
    + _ALARM
    + """ AND s.simulated = %(simulated)s
        AND CASE WHEN %(vendor)s = '' THEN a.enterprise = %(enterprise)s ELSE a.vendor = %(vendor)s END),
incident_of (alarm, incident) AS (
    SELECT alarm, incident FROM alarm_then WHERE urgent AND incident <> ''
    UNION SELECT c.alarm, i.merged_into FROM incident_of c JOIN incident i USING (incident) WHERE i.merged_into <> ''),
worked AS (
    SELECT c.alarm, min(e.at) FILTER (WHERE e.change = 'dispatched') AS dispatched,
        min(e.at) FILTER (WHERE e.change = 'arrived') AS arrived, min(e.at) FILTER (WHERE e.change = 'closed') AS closed
    FROM incident_of c JOIN incident_event e USING (incident)
    WHERE e.at < %(until)s AND e.change IN ('dispatched', 'arrived', 'closed') GROUP BY c.alarm),
dealt AS (
    SELECT a.area, a.raised, a.urgent, p.*, w.dispatched, w.arrived, w.closed,
        (SELECT min(e.at) FROM alarm_event e WHERE e.alarm = a.alarm AND e.change = 'acknowledged' AND e.at < %(until)s)
            AS acknowledged
    FROM alarm_then a LEFT JOIN worked w USING (alarm) LEFT JOIN LATERAL (
        SELECT p.acknowledged_s, p.dispatched_s, p.arrived_s, p.closed_s FROM response_promise p
        WHERE p.enterprise = a.enterprise AND p.since <= (a.raised AT TIME ZONE %(timezone)s)::date
        ORDER BY p.since DESC LIMIT 1) p ON true),
users AS (
    SELECT area, count(*) AS users, count(*) FILTER (WHERE connected) AS connected, sum(devices)::bigint AS devices,
        sum(reporting)::bigint AS reporting FROM user_then GROUP BY area),
others AS (SELECT area, count(*) AS others FROM dealt WHERE NOT urgent GROUP BY area),
alarms AS (SELECT area, ARRAY[count(*)"""
    + "".join(_step(name) for name in ("acknowledged", "dispatched", "arrived", "closed"))
    + """] AS counts FROM dealt WHERE urgent GROUP BY area)
SELECT area, coalesce(users, 0), coalesce(connected, 0), coalesce(devices, 0), coalesce(reporting, 0),
    coalesce(others, 0), coalesce(counts, array_fill(0::bigint, ARRAY[13]))
FROM users FULL JOIN others USING (area) FULL JOIN alarms USING (area) ORDER BY area"""
)


@dataclass(frozen=True, slots=True)
class Asked:
    """Of whom a card is, and of what. area: a code of GB/T 2260, empty for everywhere. Times in microseconds since 1970
    UTC; known_us: as of when the register is; until_us: what happened before then counts."""

    enterprise: str
    kind: EnterpriseKind
    vendor: str
    area: str
    month: date
    known_us: int
    until_us: int
    timezone: str = ZONE
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class Counted:
    """Tallies by the areas of sites; the promises that held in the month, for a gas company."""

    asked: Asked
    tallies: dict[str, Tally]
    promises: tuple[Promise, ...]


def asked_of(
    party: Enterprise,
    area: str,
    month: date,
    now_us: int,
    *,
    timezone: str = ZONE,
    simulated: bool = False,
    known_now: bool = False,
) -> Asked:
    """The register as it was recorded by the month's end, or as it is known now. Raises ValueError for a month that is
    not over, and for a party of another kind."""
    if party.kind not in (EnterpriseKind.GAS_COMPANY, EnterpriseKind.VENDOR):
        raise ValueError(f"{party.key} is neither a gas company nor a vendor")
    vendor = party.vendor if party.kind is EnterpriseKind.VENDOR else ""
    if party.kind is EnterpriseKind.VENDOR and not vendor:
        raise ValueError(f"{party.key} has no word that its devices' identities begin with")
    _, to_us = month_bounds(month, timezone)
    if to_us > now_us:
        raise ValueError(f"{month:%Y-%m} is not over in {timezone}")
    known_us = now_us if known_now else to_us
    return Asked(party.key, party.kind, vendor, area, month, known_us, now_us, timezone, simulated)


class NotSummedUp(Exception):
    """Some hour of the month is not summed up yet (storage/rollups.py). Transient: it is in minutes."""


async def count(connection: Connection, asked: Asked) -> Counted:
    """S1, inside the caller's transaction. Raises NotSummedUp; DatabaseAway, DatabaseRefused."""
    from_us, to_us = month_bounds(asked.month, asked.timezone)
    values: dict[str, Any] = {
        "enterprise": clean(asked.enterprise),
        "vendor": clean(asked.vendor),
        "area": within(asked.area),
        "simulated": asked.simulated,
        "from": as_datetime(from_us),
        "to": as_datetime(to_us),
        "known": as_datetime(asked.known_us),
        "until": as_datetime(asked.until_us),
        "timezone": asked.timezone,
        "urgent": _URGENT,
    }
    with translated():
        await connection.execute(_WITHIN)
        cursor = await connection.execute(
            "SELECT FROM rollup_due WHERE bucket >= %(from)s AND bucket < %(to)s LIMIT 1", values
        )
        if await cursor.fetchone() is not None:
            raise NotSummedUp(f"what was heard in {asked.month:%Y-%m} is being summed up; ask again in some minutes")
        cursor = await connection.execute(_COUNTS, values)
        tallies = {row[0]: _tally(row[1:]) for row in await cursor.fetchall()}
        promises = await _promises(connection, asked) if asked.kind is EnterpriseKind.GAS_COMPANY else ()
    return Counted(asked, tallies, promises)


def _tally(row: Sequence[Any]) -> Tally:
    users, connected, devices, reporting, others, (alarms, *steps) = row
    each = (Step(*steps[at : at + 3]) for at in range(0, len(steps), 3))
    return Tally(users, connected, devices, reporting, alarms, others, *each)


async def _promises(connection: Connection, asked: Asked) -> tuple[Promise, ...]:
    """Those that held on some day of the month."""
    following = date(asked.month.year + asked.month.month // 12, asked.month.month % 12 + 1, 1)
    cursor = await connection.execute(
        "SELECT since, place, acknowledged_s, dispatched_s, arrived_s, closed_s FROM response_promise p"
        " WHERE enterprise = %(enterprise)s AND since < %(after)s AND NOT EXISTS (SELECT FROM response_promise n"
        " WHERE n.enterprise = p.enterprise AND n.since > p.since AND n.since <= %(month)s) ORDER BY since",
        {"enterprise": clean(asked.enterprise), "after": following, "month": asked.month},
    )
    return tuple(Promise(*row) for row in await cursor.fetchall())
