"""What a model's devices did and what its papers say, counted in the database: evidence for devices/conformance.

N1  What is counted is what came: readings as they were summed up by the hour, closings as they were seen, the register
    as it stands. A claim of the model is counted apart, as a claim.
N2  Only devices that are registered and not simulated count, unless simulated homes are asked for.
"""

from collections.abc import Sequence
from typing import Any, LiteralString

import msgspec

from devices.conformance.evidence import Evidence, Papers, Share
from devices.models import DeviceModel
from devices.quantities import ALARM_FLAGS, DEVICE_FLAGS, ValvePosition
from storage import conformance_sql as ask
from storage.database import Connection, translated
from storage.text import clean
from storage.times import DAY_US, as_datetime

#: A domestic detector has alarmed by then: the alarm set point lies within 5 to 25 %LEL (GB 15322.2-2019).
ALARMED_BY_LEL = 50.0
#: What a device may send of itself.
_STATE_FLAGS = sum(DEVICE_FLAGS)
_SEEN = (ValvePosition.OPEN, ValvePosition.OPENING, ValvePosition.CLOSED, ValvePosition.CLOSING, ValvePosition.FAULT)


async def evidence(
    connection: Connection,
    model: str,
    *,
    from_us: int,
    to_us: int,
    claims: Sequence[str],
    report_interval_s: float,
    simulated: bool = False,
) -> Evidence:
    """Of the readings from <= t < to, in whole hours; certificates as of the last day. `claims` and `report_interval_s`
    are the model's own words. Raises DatabaseAway, DatabaseRefused."""
    values = {
        "model": clean(model),
        "simulated": simulated,
        "from": as_datetime(from_us),
        "to": as_datetime(to_us),
        "day": as_datetime(to_us - 1).date(),
        "state": _STATE_FLAGS,
        "alarm": int(ALARM_FLAGS),
        "seen": [int(one) for one in _SEEN],
        "by_lel": ALARMED_BY_LEL,
        "a_day": max(1, int(DAY_US / 1e6 / report_interval_s)),
    }
    with translated():
        devices, heard, lel, co, state, valve, identified, active = await _row(connection, ask.HOURS, values)
        came, passed = await _row(connection, ask.INTERVALS, values)
        alarmed, high = await _row(connection, ask.ALARMS, values)
        linked, linked_seen = await _row(connection, ask.LINKED, values)
        cursor = await connection.execute(ask.CLOSINGS, values)
        closings = await cursor.fetchall()
        cursor = await connection.execute(ask.PAPERS, values)
        papers = await cursor.fetchall()
    return Evidence(
        devices=devices,
        papers=_papers(papers),
        claims=frozenset(claims),
        reported=Share(heard, devices),
        sent={"combustible_lel": Share(lel, heard), "co_ppm": Share(co, heard)},
        state=Share(state, state),
        valve_state=Share(valve, heard),
        intervals=Share(came, passed),
        alarms=Share(alarmed, high),
        closings=Share(sum(bool(good) for good, _ in closings), len(closings)),
        linked=Share(linked, devices),
        linked_reports=Share(linked_seen, linked),
        identifiers={"passive": Share(identified, devices), "active": Share(active, devices)},
        latencies_ms=tuple(sorted(int(ms) for _, ms in closings if ms >= 0)),
    )


def _papers(rows: Sequence[tuple[Any, ...]]) -> Papers:
    return Papers(
        frozenset(str(scheme) for scheme, good, _ in rows if good),
        {str(scheme): str(expires) for scheme, good, expires in rows if not good},
    )


async def _row(connection: Connection, query: LiteralString, values: dict[str, Any]) -> tuple[int, ...]:
    row = await (await connection.execute(query, values)).fetchone()
    assert row is not None
    return tuple(int(one) for one in row)


async def known_model(connection: Connection, key: str) -> DeviceModel | None:
    """As the register has it. Raises msgspec.MsgspecError for a document that this version cannot read; DatabaseAway,
    DatabaseRefused."""
    with translated():
        cursor = await connection.execute("SELECT document::text FROM device_model WHERE key = %s", (clean(key),))
        row = await cursor.fetchone()
    return msgspec.json.decode(row[0], type=DeviceModel) if row else None
