"""The making of coverage reports, in the storage process: it has the database, sees everything, and is started again
when it dies (docs/decisions/0016-coverage-reports-are-orders.md).

O1  An order is a row. What dies while it is made is made again; a report and the end of its order are one transaction,
    so nothing is made twice.
O2  What a schedule asks for is ordered once (a key of the table), also when nobody ran at that time: then as of that
    time, marked as missed, with a notice.
O3  One at a time, over all processes: a lock of the database.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import LiteralString
from zoneinfo import ZoneInfo

import msgspec
import psycopg

from devices.coverage_policy import Policy
from devices.coverage_schedule import Due, due_between, missed
from storage.coverage_gather import Question, gather, question_of
from storage.coverage_making import Occasion, keep, make, publish
from storage.coverage_orders import Order, Ordered, ask, next_order
from storage.database import Connection, DatabaseAway, DatabaseRefused, connect, ready, translated
from storage.engine_side import pause
from storage.text import clean
from storage.times import as_datetime, as_microseconds

#: An order is begun so long after it was made, at most.
_TURN_S = 2.0
#: Of a schedule that was behind for very long so many reports are made up for; those before are noticed and let go.
#: Source: product choice: a year of Fridays.
MOST_MISSED = 53
_LOCK: LiteralString = "SELECT pg_try_advisory_lock(hashtext('davy coverage'))"
_UNLOCK: LiteralString = "SELECT pg_advisory_unlock(hashtext('davy coverage'))"


async def keep_reporting(
    url: str,
    policies: Mapping[str, Policy],
    code: str,
    *,
    stop: asyncio.Event,
    clock: Callable[[], int],
    tell: Callable[[str], None],
) -> None:
    """Until `stop`. clock: microseconds since 1970 UTC. `tell` hears what is in the way, empty when nothing is."""
    while not stop.is_set():
        connection: Connection | None = None
        try:
            connection = await connect(url, name="coverage")
            await ready(connection)
            while not stop.is_set():
                done = await turn(connection, policies, code, clock)
                tell("")
                await pause(stop, 0.1 if done else _TURN_S)
        except (DatabaseAway, DatabaseRefused, psycopg.Error) as wrong:
            tell(f"{type(wrong).__name__}: {wrong}")
        finally:
            if connection is not None:
                await connection.close()
        await pause(stop, _TURN_S)


async def turn(connection: Connection, policies: Mapping[str, Policy], code: str, clock: Callable[[], int]) -> bool:
    """Order what is due and make one report. False: there was nothing to make, or somebody else is at it."""
    with translated():
        row = await (await connection.execute(_LOCK)).fetchone()
        if row is None or not row[0]:
            return False
        try:
            await _order_what_is_due(connection, policies, clock())
            return await _make_next(connection, policies, code, clock)
        finally:
            await connection.execute(_UNLOCK)


async def _order_what_is_due(connection: Connection, policies: Mapping[str, Policy], now_us: int) -> None:
    cursor = await connection.execute("SELECT area, policy, timezone, simulated, done_at FROM coverage_schedule")
    for area, policy, timezone, simulated, done_at in await cursor.fetchall():
        if policy not in policies:
            continue
        schedule, zone = policies[policy].schedule, ZoneInfo(timezone)
        due = list(due_between(schedule, zone, as_microseconds(done_at), now_us))
        if not due:
            continue
        async with connection.transaction():
            for one in due[-MOST_MISSED:]:
                order = Order(
                    area=area,
                    day=one.day,
                    timezone=timezone,
                    policy=policy,
                    asked_by="schedule",
                    simulated=simulated,
                    known_us=one.at_us,
                    due_us=one.at_us,
                    phase=one.phase,
                    publish=True,
                )
                await ask(connection, order, now_us=now_us)
            if late := [one for one in due if missed(one, now_us)]:
                await _notice(connection, "coverage_report_missed", area, policy, late, now_us)
            await connection.execute(
                "UPDATE coverage_schedule SET done_at = %s WHERE area = %s AND policy = %s",
                (as_datetime(due[-1].at_us), area, policy),
            )


async def _notice(
    connection: Connection, kind: str, area: str, policy: str, late: list[Due], now_us: int, because: str = ""
) -> None:
    body = {"policy": policy, "days": [one.day.isoformat() for one in late], "because": because}
    await connection.execute(
        "INSERT INTO notice (at, kind, area, body) VALUES (%s, %s, %s, %s)",
        (as_datetime(now_us), kind, area, msgspec.json.encode(body).decode()),
    )


async def _make_next(
    connection: Connection, policies: Mapping[str, Policy], code: str, clock: Callable[[], int]
) -> bool:
    one = await next_order(connection)
    if one is None:
        return False
    await connection.execute(
        "UPDATE coverage_order SET begun = %s WHERE order_no = %s", (as_datetime(clock()), one.number)
    )
    try:
        await _make(connection, one, policies, code, clock)
    except (ValueError, DatabaseRefused, psycopg.DataError, psycopg.IntegrityError) as wrong:
        await _refused(connection, one, str(wrong), clock())
    return True


async def _make(
    connection: Connection, one: Ordered, policies: Mapping[str, Policy], code: str, clock: Callable[[], int]
) -> None:
    order, now_us = one.order, clock()
    policy = policies.get(order.policy)
    if policy is None:
        raise ValueError(f"there is no policy {order.policy}; there are {', '.join(sorted(policies))}")
    question = asked_for(order, now_us)
    gathered = await gather(connection, policy, question)
    made = await asyncio.to_thread(make, policy, gathered, question)
    late = order.due_us is not None and missed(Due(order.day, order.due_us, order.phase), one.asked)
    occasion = Occasion(order.due_us, order.phase, late, order.corrects)
    async with connection.transaction():
        report = await keep(connection, made, occasion, code=code, now_us=clock())
        if order.publish:
            await publish(connection, report, by=order.asked_by, now_us=clock())
        await connection.execute(
            "UPDATE coverage_order SET ended = %s, report = %s WHERE order_no = %s",
            (as_datetime(clock()), report, one.number),
        )


def asked_for(order: Order, now_us: int) -> Question:
    """What an order means now. One by schedule is as of its time, whenever it is made. Raises ValueError."""
    question = question_of(
        order.area, order.day, order.timezone, now_us, known_us=order.known_us, simulated=order.simulated
    )
    if order.due_us is None:
        return question
    return replace(question, until_us=min(question.until_us, order.due_us))


async def _refused(connection: Connection, one: Ordered, because: str, now_us: int) -> None:
    order = one.order
    async with connection.transaction():
        await connection.execute(
            "UPDATE coverage_order SET ended = %s, because = %s WHERE order_no = %s",
            (as_datetime(now_us), clean(because), one.number),
        )
        if order.due_us is not None:
            due = Due(order.day, order.due_us, order.phase)
            await _notice(connection, "coverage_report_failed", order.area, order.policy, [due], now_us, because)
