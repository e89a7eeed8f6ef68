"""Readings: the newest of a device, and its history, raw or summed up per minute or hour."""

from enum import StrEnum
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query

from api.pages import MOST_ROWS, USUAL_ROWS, decode_cursor, encode_cursor
from api.parts import Parts, Shared
from api.permits import Admitted, GuardedRoute, ReadsReadings
from api.problems import BAD_PARAMETER, DATABASE_PROBLEMS, NOT_FOUND, NOT_SIGNED_IN, Problem, problem_answers
from api.reading_shapes import BucketPage, Latest, RawPage, show_bucket, show_reading
from api.seen import owner_of
from api.shapes import DeviceId
from api.times import UtcParameter
from storage import devices as registered
from storage import readings as stored
from storage.database import Connection
from storage.readings import ReadingKey
from storage.times import DAY_US, HOUR_US

router = APIRouter(route_class=GuardedRoute, prefix="/v1/devices/{vendor}/{serial}", tags=["readings"])

_ANSWERS = problem_answers(NOT_SIGNED_IN, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS)


class Resolution(StrEnum):
    RAW = "raw"
    MINUTE = "1m"
    HOUR = "1h"


class Order(StrEnum):
    OLDEST_FIRST = "asc"
    NEWEST_FIRST = "desc"


class _Range(NamedTuple):
    """What is answered when nothing is asked, and the most that is answered; days only in the text."""

    usual_us: int
    most_us: int


#: A request never scans more than about 45,000 rows of one device (source: product choice; raw at one per minute).
_RANGES = {
    Resolution.RAW: _Range(HOUR_US, 31 * DAY_US),
    Resolution.MINUTE: _Range(DAY_US, 31 * DAY_US),
    Resolution.HOUR: _Range(30 * DAY_US, 5 * 366 * DAY_US),
}


class _BucketKey(NamedTuple):
    bucket: int


@router.get("/latest", operation_id="get_latest_reading", responses=_ANSWERS)
async def get_latest_reading(
    parts: Shared, who: ReadsReadings, subject: Admitted, vendor: DeviceId, serial: DeviceId
) -> Latest:
    """The newest stored reading of a device."""
    async with parts.database(who, owner_of(subject)) as connection:
        device_no = await _number(connection, f"{vendor}/{serial}")
        reading = (await stored.latest(connection, [device_no])).get(device_no)
    return Latest(device=f"{vendor}/{serial}", reading=show_reading(reading) if reading else None)


@router.get("/readings", operation_id="list_readings", responses=_ANSWERS)
async def list_readings(
    parts: Shared,
    who: ReadsReadings,
    subject: Admitted,
    vendor: DeviceId,
    serial: DeviceId,
    from_: Annotated[UtcParameter | None, Query(alias="from", description="At or after")] = None,
    to: Annotated[UtcParameter | None, Query(description="Before; usually now")] = None,
    resolution: Resolution = Resolution.RAW,
    order: Order = Order.OLDEST_FIRST,
    cursor: Annotated[str | None, Query(max_length=200, description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS, description="Rows of a page at most")] = USUAL_ROWS,
) -> RawPage | BucketPage:
    """Readings by effective time, `from` <= ts < `to`: raw or per minute over at most 31 days, per hour over at most 5
    years. While paging keep `from`, `to`, `resolution` and `order`."""
    asked = _asked_range(parts, resolution, from_, to)
    identity = f"{vendor}/{serial}"
    newest_first = order is Order.NEWEST_FIRST
    async with parts.database(who, owner_of(subject)) as connection:
        device_no = await _number(connection, identity)
        if resolution is Resolution.RAW:
            raw = await stored.history(
                connection,
                device_no,
                from_us=asked[0],
                to_us=asked[1],
                limit=limit + 1,
                after=decode_cursor(cursor, ReadingKey),
                newest_first=newest_first,
            )
            readings, more = [show_reading(reading) for reading in raw[:limit]], len(raw) > limit
            return RawPage(device=identity, readings=readings, next=encode_cursor(raw[limit - 1].key) if more else None)
        key = decode_cursor(cursor, _BucketKey)
        rows = await stored.buckets(
            connection,
            device_no,
            hourly=resolution is Resolution.HOUR,
            from_us=asked[0],
            to_us=asked[1],
            limit=limit + 1,
            after=key.bucket if key else None,
            newest_first=newest_first,
        )
    return BucketPage(
        device=identity,
        resolution="1h" if resolution is Resolution.HOUR else "1m",
        readings=[show_bucket(bucket) for bucket in rows[:limit]],
        next=encode_cursor(_BucketKey(rows[limit - 1].bucket)) if len(rows) > limit else None,
    )


def _asked_range(parts: Parts, resolution: Resolution, from_: int | None, to: int | None) -> tuple[int, int]:
    usual_us, most_us = _RANGES[resolution]
    to_us = parts.config.now_us() if to is None else to
    from_us = to_us - usual_us if from_ is None else from_
    if not 0 <= to_us - from_us <= most_us:
        days = most_us // DAY_US
        raise Problem(BAD_PARAMETER, f"from, to: `from` comes before `to`, and at most {days} days lie between")
    return from_us, to_us


async def _number(connection: Connection, identity: str) -> int:
    device = await registered.device(connection, identity)
    if device is None:
        raise Problem(NOT_FOUND, f"no device {identity}")
    return device.device_no
