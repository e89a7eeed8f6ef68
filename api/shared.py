"""What others let one see, pulled: a feed of changes that is taken up anywhere; lists of alarms, devices, readings.

S1  It is read in the grantor's name: nothing is shared that the grantor does not see itself. Of that the grant's
    fields, its area and its time are shown, and nothing else.
S2  A grant that does not count now, and one of others, is answered like one that does not exist.
S3  The feed skips nothing and repeats nothing (storage/change_feed.py): its cursor is a place in the engines' logs, and
    outlives restarts. Who lost a cursor begins anew and tells by the ids what it knows.
"""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field, StringConstraints

from access.authorize import Action, enterprises_of
from access.enterprises import EnterpriseKind
from access.ownership import EVERYTHING, Scope
from access.principals import Principal
from access.sharing import given
from api.grant_shapes import GrantKey
from api.grants import kind_of, require_whole
from api.pages import MOST_ROWS, USUAL_ROWS, Cursor, From, Limit, To, decode_cursor, encode_cursor, stored_page
from api.pages import time_range as asked_range
from api.parts import Parts, Shared
from api.permits import GuardedRoute, ReadsShared
from api.problems import (
    BAD_PARAMETER,
    DATABASE_PROBLEMS,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_SIGNED_IN,
    Problem,
    problem_answers,
)
from api.shapes import Page, Shape
from api.shared_shown import Row, alarm_row, device_row, reading_row
from api.times import Utc
from storage import alarms as stored_alarms
from storage import change_feed, grants
from storage import devices as registered
from storage import readings as stored_readings
from storage.alarms import AlarmKey
from storage.change_feed import RESOURCES, Place, Within
from storage.devices import DevicesAsked
from storage.grants import Grant
from storage.readings import ReadingKey
from storage.tenants import Standing, Tenant
from storage.times import DAY_US

router = APIRouter(route_class=GuardedRoute, prefix="/v1/shared/{grant}", tags=["sharing"])

_ANSWERS = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS)
#: A cursor of the feed names every engine's log that was ever followed; each takes some 50 bytes.
_LONGEST_CURSOR = 4_000
#: Raw readings of one device in one question at most, as everywhere (api/readings.py).
_MOST_READINGS_US = 31 * DAY_US

Identity = Annotated[
    str,
    StringConstraints(pattern="^[A-Za-z0-9_.:-]{1,64}/[A-Za-z0-9_.:-]{1,64}$"),
    Query(description="vendor/serial"),
]


class SharedChange(Shape):
    """A step of an alarm or of a command. `data`: the fields that the grant names."""

    id: str = Field(description="engine:cycle:n; the same wherever this change is told")
    type: str = Field(examples=["alarm.raised"])
    at: Utc
    data: dict[str, str | int | float | None]


class SharedChanges(Shape):
    """`next`: the cursor to go on with, also when there is nothing more now. `more`: there is, already."""

    changes: list[SharedChange]
    next: str
    more: bool


class SharedAlarms(Page):
    alarms: list[Row]


class SharedDevices(Page):
    devices: list[Row]


class SharedReadings(Page):
    device: str
    readings: list[Row]


@dataclass(frozen=True, slots=True)
class _Lent:
    """A grant that counts now, and the kind of who made it."""

    grant: Grant
    kind: EnterpriseKind

    @property
    def lender(self) -> Tenant:
        return Tenant(self.grant.grantor, self.kind)

    def fields(self, resource: str) -> tuple[str, ...]:
        """Raises Problem (404) for a resource of which it shares nothing."""
        found = given(self.kind, self.grant.fields, resource)
        if not found:
            raise Problem(NOT_FOUND, f"the grant shares no {resource}")
        return found

    def within(self, from_us: int, to_us: int) -> tuple[int, int]:
        """The part of a range that the grant is about; empty where there is none."""
        ends = change_feed.LATEST_US if self.grant.ends is None else self.grant.ends
        begun = max(from_us, self.grant.begins)
        return begun, max(begun, min(to_us, ends))


@router.get("/changes", operation_id="follow_shared_changes", responses=_ANSWERS)
async def follow_shared_changes(
    parts: Shared,
    who: ReadsShared,
    grant: GrantKey,
    cursor: Annotated[
        str | None, Query(max_length=_LONGEST_CURSOR, description="`next` of the last answer; none: from the beginning")
    ] = None,
    limit: Limit = USUAL_ROWS,
) -> SharedChanges:
    """What happened to alarms and commands since the cursor, in the order in which it was decided. Keep `next`: to ask
    with it again, also after a restart of either side, skips nothing and repeats nothing."""
    place = read_place(cursor)
    lent = await _lent(parts, who, grant)
    fields = {kind: given(lent.kind, lent.grant.fields, kind) for kind in RESOURCES}
    kinds = frozenset(kind for kind, named in fields.items() if named)
    if not kinds:
        raise Problem(NOT_FOUND, "the grant shares neither alarms nor commands")
    from_us, to_us = lent.within(0, change_feed.LATEST_US)
    async with parts.database(Standing.PLATFORM) as connection:
        ends = await change_feed.ends(connection)
        until = await change_feed.reach(connection, place, ends)
    async with parts.database(lent.lender) as connection:
        within = Within(kinds, lent.grant.area, from_us, to_us)
        found, reached = await change_feed.events(connection, within, place, until, limit=limit)
    return SharedChanges(
        changes=[
            SharedChange(id=one.id, type=one.type, at=one.at, data={name: one.fields[name] for name in fields[one.of]})
            for one in found
        ],
        next=write_place(reached),
        more=len(found) == limit or until != ends,
    )


@router.get("/alarms", operation_id="list_shared_alarms", responses=_ANSWERS)
async def list_shared_alarms(
    parts: Shared,
    who: ReadsShared,
    grant: GrantKey,
    from_: From = None,
    to: To = None,
    cursor: Cursor = None,
    limit: Limit = USUAL_ROWS,
) -> SharedAlarms:
    """Alarms as they stand, by when they were raised, newest first; 30 days to now unless asked otherwise."""
    after, asked = decode_cursor(cursor, AlarmKey), asked_range(from_, to, parts.config.now_us())
    lent = await _lent(parts, who, grant)
    names, (from_us, to_us) = lent.fields("alarms"), lent.within(*asked)
    async with parts.database(lent.lender) as connection:
        found = await stored_alarms.alarms(
            connection,
            limit=limit + 1,
            from_us=from_us,
            to_us=to_us,
            after=after,
            trial=False,
            within=Scope(areas=frozenset({lent.grant.area})) if lent.grant.area else EVERYTHING,
        )
    page, following = stored_page(found, lambda one: AlarmKey(one.raised, one.alarm), limit)
    return SharedAlarms(alarms=[alarm_row(one, names) for one in page], next=following)


@router.get("/devices", operation_id="list_shared_devices", responses=_ANSWERS)
async def list_shared_devices(
    parts: Shared, who: ReadsShared, grant: GrantKey, cursor: Cursor = None, limit: Limit = USUAL_ROWS
) -> SharedDevices:
    """Devices as they are registered now."""
    after = decode_cursor(cursor, tuple[int])
    lent = await _lent(parts, who, grant)
    names = lent.fields("devices")
    async with parts.database(lent.lender) as connection:
        asked = DevicesAsked(area=lent.grant.area or None)
        found = await registered.devices(connection, limit=limit + 1, after=after[0] if after else 0, asked=asked)
    page, following = stored_page(found, lambda one: (one.device_no,), limit)
    return SharedDevices(devices=[device_row(one, names) for one in page], next=following)


@router.get("/readings", operation_id="list_shared_readings", responses=_ANSWERS)
async def list_shared_readings(
    parts: Shared,
    who: ReadsShared,
    grant: GrantKey,
    device: Identity,
    from_: From = None,
    to: To = None,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS, description="Rows of a page at most")] = USUAL_ROWS,
) -> SharedReadings:
    """Raw readings of one device by effective time, oldest first: of the last day unless asked otherwise, 31 days at
    most in one question."""
    after, now_us = decode_cursor(cursor, ReadingKey), parts.config.now_us()
    to_us = now_us if to is None else to
    asked = asked_range(to_us - DAY_US if from_ is None else from_, to_us, now_us)
    if asked[1] - asked[0] > _MOST_READINGS_US:
        raise Problem(BAD_PARAMETER, "from, to: at most 31 days lie between")
    lent = await _lent(parts, who, grant)
    names, (from_us, to_us) = lent.fields("readings"), lent.within(*asked)
    async with parts.database(lent.lender) as connection:
        found = await registered.device(connection, device)
        if found is None or not found.area.startswith(lent.grant.area):
            raise Problem(NOT_FOUND, f"no device {device}")
        rows = await stored_readings.history(
            connection, found.device_no, from_us=from_us, to_us=to_us, limit=limit + 1, after=after
        )
    page, following = stored_page(rows, lambda one: one.key, limit)
    return SharedReadings(device=device, readings=[reading_row(one, names) for one in page], next=following)


async def _lent(parts: Parts, who: Principal, key: str) -> _Lent:
    """The grant, where `who` speaks for its receiver and it counts now. Raises Problem (404)."""
    found = await _grant(parts, who, key)
    if found is None or not found.counts_at(parts.config.now_us()):
        raise Problem(NOT_FOUND, f"there is no grant {key} that counts now")
    require_whole(who, Action.READ_SHARED, found.receiver)
    try:
        return _Lent(found, await kind_of(parts, found.grantor))
    except Problem as gone:
        if gone.kind is NOT_FOUND:
            raise Problem(NOT_FOUND, f"there is no grant {key} that counts now") from gone
        raise


async def _grant(parts: Parts, who: Principal, key: str) -> Grant | None:
    """Asked in the name of each of the parties that `who` acts for, as the database's fence has it too."""
    own = enterprises_of(who, Action.READ_SHARED)
    if own is None:
        async with parts.database(who) as connection:
            return await grants.grant(connection, key)
    for enterprise in sorted(own):
        async with parts.party(who, enterprise) as connection:
            found = await grants.grant(connection, key)
        if found is not None and found.receiver == enterprise:
            return found
    return None


def read_place(cursor: str | None) -> Place:
    """Raises Problem (422) for a cursor that is not ours."""
    return dict(decode_cursor(cursor, tuple[tuple[str, tuple[int, int]], ...]) or ())


def write_place(place: Place) -> str:
    return encode_cursor(tuple(sorted(place.items())))
