"""What a backtest and an explanation need of the database besides readings: the registry as it is now, the rules that
were in force, what people did and said of alarms. All of these raise DatabaseAway and DatabaseRefused.

B1  Nothing is written, and nothing of an engine is asked for: neither touches live state.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from devices.fleet import build_fleet
from devices.quantities import Flag
from devices.readings import Rows
from devices.sites import Registry
from ingest.admission import FUTURE_US
from rules.documents.document import RulePack, load_pack
from rules.evaluation.selection import SILENT_INTERVALS
from rules.events import Event
from rules.history.backtest import LONGEST_LEAD_US, Request, lead_us, quantities_of
from rules.history.backtest_types import Assumed
from rules.history.explain import Question, look_back_us
from rules.history.explain_fleet import neighbourhood, part_of
from rules.instructions import Acknowledge, Reset
from storage.alarm_history import labels, written
from storage.database import Connection, DatabaseRefused, translated
from storage.history import Asked, stored_readings
from storage.registry_whole import whole_registry
from storage.rule_packs import rules_at, rules_body
from storage.text import clean
from storage.times import DAY_US, as_datetime


class Order(msgspec.Struct, frozen=True):
    """A backtest as it is asked for: from_us <= ts < to_us, microseconds UTC. `old` None: nothing to compare with.
    `sites`: keys; empty: all."""

    new: RulePack
    from_us: int
    to_us: int
    old: RulePack | None = None
    sites: tuple[str, ...] = ()
    assumed: Assumed = Assumed()


class Prepared(NamedTuple):
    """For rules.backtest, and for storage.history."""

    request: Request
    asked: Asked


class Asking(NamedTuple):
    """For rules.explain, and for storage.history."""

    question: Question
    asked: Asked

    def history(self, url: str) -> Iterator[Rows]:
        """What rules.explain reads. Raises DatabaseAway, DatabaseRefused, TooMuchBackfilled as it goes."""
        return stored_readings(url, self.asked)


async def prepare(connection: Connection, order: Order) -> Prepared:
    """Raises ValueError for a site that is not registered, or a time that ends before it begins."""
    if order.to_us <= order.from_us:
        raise ValueError("the time ends before it begins")
    registry = await registry_now(connection)
    if order.sites:
        registry = part_of(registry, _of_sites(registry, order.sites))
    fleet = build_fleet(registry)
    packs = (order.new,) if order.old is None else (order.new, order.old)
    said = await labels(connection, from_us=order.from_us, to_us=order.to_us)
    known = {device.device_no for device in registry.devices}
    request = Request(
        fleet=fleet,
        new=order.new,
        from_us=order.from_us,
        to_us=order.to_us,
        old=order.old,
        assumed=order.assumed,
        labels=tuple(label for label in said if label.device_no in known),
    )
    asked = Asked(
        from_us=max(order.from_us - lead_us(*packs), await _oldest_day_us(connection)),
        to_us=order.to_us,
        quantities=quantities_of(*packs),
        device_nos=tuple(device.device_no for device in registry.devices) if order.sites else None,
    )
    return Prepared(request, asked)


async def ask(
    connection: Connection,
    identity: str,
    at_us: int,
    pack: RulePack,
    rules: tuple[str, ...] = (),
    *,
    in_force: bool = True,
    lead: int = 0,
) -> Asking:
    """Why, at the device `vendor/serial` and this time, by the rules of `pack` (`rules`: these of them). `in_force`:
    `pack` is what was in force then. `lead`: so far back is looked at least, microseconds. Raises ValueError for a
    device that is not registered, and for a time before its oldest stored reading."""
    near, too_large = neighbourhood(await registry_now(connection), identity, pack, rules)
    fleet = build_fleet(near)
    device = next(one for one in near.devices if one.identity == identity)
    await _refuse_before_its_readings(connection, device.device_no, at_us)
    numbers = tuple(one.device_no for one in near.devices)
    oldest = await _oldest_onset(connection, device.device_no, at_us)
    newest = await _newest_reading(connection, device.device_no, at_us)
    # Of everybody who votes there is a reading in it, and of the device itself its last, however long it is silent.
    own_us = int(fleet.interval_us[fleet.slot_of[device.device_no]])
    silence = SILENT_INTERVALS * max(own_us, min(int(fleet.interval_us.max()), DAY_US))
    since = look_back_us(max(lead_us(pack), lead) + silence, at_us, min(oldest or at_us, newest or at_us))
    heard = await _last_heard(connection, numbers, since)
    people = await acknowledgements(connection, numbers, since, at_us)
    then = await written(connection, device.device_no, at_us)
    question = Question(fleet, pack, device.device_no, at_us, since, rules, people, too_large, then, heard, in_force)
    # What was received by then may be about a time that the device's fast clock says is later.
    return Asking(question, Asked(since, at_us + FUTURE_US + 1, device_nos=numbers))


async def registry_now(connection: Connection) -> Registry:
    """What is registered. Raises DatabaseRefused where nothing is."""
    with translated():
        registry = await whole_registry(connection)
    if not registry.devices:
        raise DatabaseRefused("no device is registered yet: `davy registry import` registers them")
    return registry


async def rules_in_force(connection: Connection, at_us: int) -> RulePack | None:
    """The rules that were in force at a time; None where nobody knows."""
    since = await rules_at(connection, at_us)
    body = None if since is None else await rules_body(connection, since.sha256)
    return None if since is None or body is None else load_pack(body, since.by or "rules in force", kept=True)


async def acknowledgements(
    connection: Connection, device_nos: tuple[int, ...], from_us: int, to_us: int
) -> tuple[Event, ...]:
    """What people acknowledged and reset at these devices with from <= at <= to, in order."""
    with translated():
        cursor = await connection.execute(
            "SELECT davy_us(e.at), e.change, e.alarm, e.by FROM alarm_event e JOIN alarm a USING (alarm)"
            " WHERE a.device_no = ANY(%s) AND e.at >= %s AND e.at <= %s AND e.change IN ('acknowledged', 'reset')"
            " ORDER BY e.at, e.cycle, e.n",
            (list(device_nos), as_datetime(from_us), as_datetime(to_us)),
        )
        rows = await cursor.fetchall()
    return tuple(
        Acknowledge(at=at, id=f"then-{n}", by=by, alarm=alarm)
        if change == "acknowledged"
        else Reset(at=at, id=f"then-{n}", by=by, alarm=alarm)
        for n, (at, change, alarm, by) in enumerate(rows)
    )


async def _newest_reading(connection: Connection, device_no: int, at_us: int) -> int:
    """Its effective time; 0: there is none."""
    with translated():
        cursor = await connection.execute(
            "SELECT davy_us(ts) FROM reading WHERE device_no = %s AND ts <= %s AND flags & %s = 0"
            " ORDER BY ts DESC LIMIT 1",
            (device_no, as_datetime(at_us), int(Flag.STALE | Flag.LATE)),
        )
        row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def _oldest_day_us(connection: Connection) -> int:
    """The beginning of the oldest day of which readings are stored: a search from the year 1 on would take an hour."""
    with translated():
        cursor = await connection.execute("SELECT min(day) - date '1970-01-01' FROM reading_day WHERE stored > dropped")
        row = await cursor.fetchone()
    return 0 if row is None or row[0] is None else int(row[0]) * DAY_US


async def _refuse_before_its_readings(connection: Connection, device_no: int, at_us: int) -> None:
    """A device that was never heard is explained: that is what there is to say of it."""
    with translated():
        cursor = await connection.execute(
            "SELECT davy_us(min(ts)), davy_us(min(received)) FROM (SELECT ts, received FROM reading"
            " WHERE device_no = %s ORDER BY ts LIMIT 100) AS oldest",
            (device_no,),
        )
        row = await cursor.fetchone()
    if row is not None and row[0] is not None and at_us < min(row):
        oldest = as_datetime(min(row)).strftime("%Y-%m-%d %H:%M:%S")
        raise ValueError(f"at: before its oldest stored reading, which is of {oldest} UTC")


async def _last_heard(
    connection: Connection, device_nos: tuple[int, ...], before_us: int
) -> tuple[tuple[int, int], ...]:
    """When each was last heard before that time; none of a device that was not in LONGEST_LEAD_US before it."""
    with translated():
        cursor = await connection.execute(
            "SELECT one.device_no, davy_us(newest.received) FROM unnest(%s::integer[]) AS one(device_no),"
            " LATERAL (SELECT received FROM reading r WHERE r.device_no = one.device_no AND r.ts >= %s AND r.ts < %s"
            " AND r.received < %s AND r.flags & %s = 0 ORDER BY r.ts DESC LIMIT 1) AS newest ORDER BY 1",
            (
                list(device_nos),
                as_datetime(before_us - LONGEST_LEAD_US),
                as_datetime(before_us),
                as_datetime(before_us),
                int(Flag.STALE),
            ),
        )
        return tuple((int(number), int(us)) for number, us in await cursor.fetchall())


async def _oldest_onset(connection: Connection, device_no: int, at_us: int) -> int:
    """Of the alarms of a device that stood then; 0: none stood."""
    with translated():
        cursor = await connection.execute(
            "SELECT coalesce(davy_us(min(onset)), 0) FROM alarm WHERE device_no = %s AND raised <= %s"
            " AND (state <> 0 OR changed > %s)",
            (device_no, as_datetime(at_us), as_datetime(at_us)),
        )
        row = await cursor.fetchone()
    return int(row[0]) if row else 0


def _of_sites(registry: Registry, sites: tuple[str, ...]) -> set[str]:
    known = {site.key for site in registry.sites}
    for site in sites:
        if clean(site) not in known:
            raise ValueError(f"site {site!r} is not registered")
    devices = {device.identity: device for device in registry.devices if device.site in sites}
    return devices.keys() | {device.gateway for device in devices.values() if device.gateway}
