"""Coverage reports that are asked for, by a schedule or by somebody. The storage process makes them
(coverage_turns.py)."""

from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString

from storage.database import Connection, translated
from storage.text import clean
from storage.times import as_datetime, as_microseconds


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for. known_us None: the register as it was at the end of the day. due_us: a schedule asked."""

    area: str
    day: date
    timezone: str
    policy: str
    asked_by: str
    simulated: bool = False
    known_us: int | None = None
    due_us: int | None = None
    phase: str = ""
    publish: bool = False
    corrects: int | None = None


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order and what became of it. report: its number; because: why there is none; both empty: not yet."""

    number: int
    order: Order
    asked: int
    ended: int | None
    report: int | None
    because: str


_ORDER: LiteralString = """
INSERT INTO coverage_order
    (area, day, timezone, policy, asked_by, simulated, known, due, phase, publish, corrects, asked)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (area, policy, due) DO NOTHING RETURNING order_no"""
_ORDERS: LiteralString = """
SELECT order_no, area, day, timezone, policy, asked_by, simulated, known, due, phase, publish, corrects, asked, ended,
    report, because FROM coverage_order """


async def ask(connection: Connection, order: Order, *, now_us: int) -> int | None:
    """Its number; None: a schedule asked for this one already. In the caller's transaction. Raises psycopg.Error."""
    known, due = order.known_us, order.due_us
    values = (
        *(clean(order.area), order.day, clean(order.timezone), clean(order.policy), clean(order.asked_by)),
        *(order.simulated, None if known is None else as_datetime(known), None if due is None else as_datetime(due)),
        *(order.phase, order.publish, order.corrects, as_datetime(now_us)),
    )
    row = await (await connection.execute(_ORDER, values)).fetchone()
    return None if row is None else int(row[0])


async def next_order(connection: Connection) -> Ordered | None:
    """The first that has no end yet. Raises psycopg.Error."""
    row = await (await connection.execute(_ORDERS + "WHERE ended IS NULL ORDER BY order_no LIMIT 1")).fetchone()
    return None if row is None else _ordered(row)


async def ordered(connection: Connection, number: int) -> Ordered | None:
    """Raises DatabaseAway, DatabaseRefused."""
    with translated():
        row = await (await connection.execute(_ORDERS + "WHERE order_no = %s", (number,))).fetchone()
    return None if row is None else _ordered(row)


def _ordered(row: tuple[Any, ...]) -> Ordered:
    number, area, day, zone, policy, by, simulated, known, due, phase, out, corrects, asked, ended, report, because = (
        row
    )
    order = Order(
        area=area,
        day=day,
        timezone=zone,
        policy=policy,
        asked_by=by,
        simulated=simulated,
        known_us=_us(known),
        due_us=_us(due),
        phase=phase,
        publish=out,
        corrects=corrects,
    )
    return Ordered(number, order, as_microseconds(asked), _us(ended), report, because)


def _us(time: Any) -> int | None:
    return None if time is None else as_microseconds(time)
