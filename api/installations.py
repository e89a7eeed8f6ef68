"""Installations: what was where and when, who put it there, and what took its place."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from msgspec.structs import replace

from access.authorize import Action
from access.fields import Resource
from access.ownership import Owner
from api.days import AsOf, DayAsked
from api.device_query import Word
from api.device_shapes import owner_of_device
from api.installation_shapes import (
    Install,
    InstallationChange,
    Installations,
    InstallationShown,
    TakeDown,
    show_installation,
)
from api.pages import USUAL_ROWS, Cursor, Limit, decode_cursor, encode_cursor
from api.parts import Shared
from api.permits import GuardedRoute, Installs, ReadsInstallations
from api.problems import (
    BAD_PARAMETER,
    CONFLICT,
    DATABASE_PROBLEMS,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_SIGNED_IN,
    Problem,
    problem_answers,
)
from api.register_changes import CHANGE, change, changing
from api.register_shapes import IfMatch, expect_version, laid, tell_version
from api.seen import Eyes
from api.site_shapes import Key
from devices.register import Installation
from storage import devices, sites
from storage import installations as registered
from storage.database import Connection
from storage.installations import InstallationsAsked, RegisteredInstallation
from storage.installing import Known, put_up, taken_down

router = APIRouter(route_class=GuardedRoute, prefix="/v1/installations", tags=["register"])

_PAGE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, BAD_PARAMETER, *DATABASE_PROBLEMS)
_ONE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS)


async def _asked(
    device: Annotated[str | None, Query(max_length=129, description="vendor/serial")] = None,
    site: Word = None,
    installer: Word = None,
    replaces: Annotated[str | None, Query(max_length=129, description="What took the place of this device")] = None,
    day: Annotated[DayAsked | None, Query(description="Those in force on this day: who had what then")] = None,
    open: Annotated[bool | None, Query(description="Whether the device is still there")] = None,
) -> InstallationsAsked:
    return InstallationsAsked(device, site, installer, replaces, day, open)


@router.get("", operation_id="list_installations", responses=_PAGE)
async def list_installations(
    parts: Shared,
    who: ReadsInstallations,
    asked: Annotated[InstallationsAsked, Depends(_asked)],
    as_of: AsOf = None,
    cursor: Cursor = None,
    limit: Limit = USUAL_ROWS,
) -> Installations:
    """Installations in the order of their keys. `day` asks how it was in the world, `as_of` what was known of it."""
    after, eyes = decode_cursor(cursor, tuple[str]), Eyes(who, Action.READ_DEVICES)
    async with parts.database(who) as connection:
        page = await registered.installations(
            connection,
            limit=limit + 1,
            after=after[0] if after else "",
            asked=asked,
            within=eyes.scope,
            as_of_us=as_of,
        )
    shown = page[:limit]
    return Installations(
        installations=[_seen(eyes, one) for one in shown],
        next=encode_cursor((shown[-1].installation.key,)) if len(page) > limit else None,
    )


@router.get("/{installation}", operation_id="get_installation", responses=_ONE)
async def get_installation(
    parts: Shared, who: ReadsInstallations, response: Response, installation: Key, as_of: AsOf = None
) -> InstallationShown:
    """One installation."""
    eyes = Eyes(who, Action.READ_DEVICES)
    async with parts.database(who) as connection:
        found = await _found(connection, installation, eyes, as_of)
    return _answer(response, eyes, found)


@router.post("", operation_id="install", responses=CHANGE, status_code=201)
async def install(parts: Shared, who: Installs, response: Response, body: Install) -> InstallationShown:
    """Put a registered device up at a site. Its installation before ends on that day; the device that it replaces
    leaves the register, and its links to valves or detectors go to this one."""
    wanted = _wanted(body)
    eyes = Eyes(who, Action.INSTALL)
    async with changing(parts, who) as connection:
        before = await registered.installation(connection, wanted.key)
        if before is not None and before.installation != wanted:
            raise Problem(CONFLICT, f"there is an installation {wanted.key}; change that one, or take another key")
        if before is not None:  # the same again, because the answer was lost
            return _answer(response, eyes, await _found(connection, wanted.key, eyes))
        known = await _known(connection, eyes, wanted.identity)
        if wanted.site != known.device.site:
            await _own_site(connection, eyes, wanted.site)
        old = await _known(connection, eyes, wanted.replaces) if wanted.replaces else None
        if old is not None and old.device.identity == wanted.identity:
            raise Problem(CONFLICT, "a device does not take its own place")
        try:
            rows = put_up(wanted, known, old)
        except ValueError as wrong:
            raise Problem(CONFLICT, str(wrong)) from wrong
        await change(parts, connection, who, *rows)
        found = await _found(connection, wanted.key, eyes)
    return _answer(response, eyes, found)


@router.patch("/{installation}", operation_id="change_installation", responses=CHANGE)
async def change_installation(
    parts: Shared,
    who: Installs,
    response: Response,
    installation: Key,
    body: InstallationChange,
    if_match: IfMatch = None,
) -> InstallationShown:
    """Add evidence, an inspection, the gas-on check."""
    eyes = Eyes(who, Action.INSTALL)
    async with changing(parts, who) as connection:
        before = await _found(connection, installation, eyes)
        expect_version(if_match, before.recorded.version)
        said = {name: getattr(body, name) for name in body.model_fields_set}
        await change(parts, connection, who, laid(before.installation, said))
        found = await _found(connection, installation, eyes)
    return _answer(response, eyes, found)


@router.post("/{installation}/end", operation_id="end_installation", responses=CHANGE)
async def end_installation(
    parts: Shared, who: Installs, response: Response, installation: Key, body: TakeDown, if_match: IfMatch = None
) -> InstallationShown:
    """The device was taken down. It leaves the register; its number, its readings and its past stay."""
    eyes = Eyes(who, Action.INSTALL)
    async with changing(parts, who) as connection:
        before = await _found(connection, installation, eyes)
        expect_version(if_match, before.recorded.version)
        if before.installation.until:
            raise Problem(CONFLICT, f"it ended on {before.installation.until}")
        known = await _known(connection, eyes, before.installation.identity)
        ending = replace(before.installation, until=body.until, ended_because=body.reason)
        try:
            rows = taken_down(ending, known)
        except ValueError as wrong:
            raise Problem(CONFLICT, str(wrong)) from wrong
        await change(parts, connection, who, *rows)
        found = await _found(connection, installation, eyes)
    return _answer(response, eyes, found)


def _wanted(body: Install) -> Installation:
    return Installation(
        body.installation,
        body.device,
        body.site,
        body.since,
        installer=body.installer,
        mounting=body.mounting,
        evidence=tuple(body.evidence),
        gas_on_check=body.gas_on_check or "",
        replaces=body.replaces or "",
        reason=body.reason,
    )


async def _known(connection: Connection, eyes: Eyes, identity: str) -> Known:
    """The device, if it is the asker's. Raises Problem."""
    device = await devices.device(connection, identity)
    if device is None or device.recorded.gone or not eyes.admit(owner_of_device(device)):
        raise Problem(NOT_FOUND, f"there is no device {identity}")
    open_ones = await registered.installations(
        connection, limit=1, asked=InstallationsAsked(identity=identity, open=True)
    )
    links = await registered.links_of(connection, identity)
    return Known(device, open_ones[0].installation if open_ones else None, tuple(one.link for one in links))


async def _own_site(connection: Connection, eyes: Eyes, key: str) -> None:
    site = await sites.site(connection, key)
    of = site.site if site else None
    if of is None or not eyes.admit(Owner(of.key, of.enterprise, of.manager, of.area)):
        raise Problem(NOT_FOUND, f"there is no site {key}")


async def _found(connection: Connection, key: str, eyes: Eyes, as_of_us: int | None = None) -> RegisteredInstallation:
    found = await registered.installation(connection, key, within=eyes.scope, as_of_us=as_of_us)
    if found is None:
        raise Problem(NOT_FOUND, f"there is no installation {key}")
    return found


def _answer(response: Response, eyes: Eyes, found: RegisteredInstallation) -> InstallationShown:
    tell_version(response, found.recorded.version)
    return _seen(eyes, found)


def _seen(eyes: Eyes, found: RegisteredInstallation) -> InstallationShown:
    return eyes.see(Resource.INSTALLATION, found.owner, show_installation(found))
