"""Keys of programs: shown once, scoped, expiring, revoked at once."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field, StringConstraints

from access.authorize import Action, enterprises_of, may
from access.directory import ApiKey
from access.principals import Membership, Person, Principal, Service
from access.roles import ROLE_ACTIONS, Role
from access.secrets import Secret, new_id, new_secret
from api.account_shapes import Key
from api.pages import USUAL_ROWS, Cursor, Limit, decode_cursor, stored_page
from api.parts import Parts, Shared
from api.permits import ChangesKeys, GuardedRoute, ReadsKeys
from api.problems import (
    BAD_PARAMETER,
    BODY_PROBLEMS,
    CONFLICT,
    DATABASE_PROBLEMS,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_SIGNED_IN,
    Problem,
    problem_answers,
)
from api.shapes import Asked, Page, Shape, example
from api.times import Utc
from devices.sites import token_sha256
from storage import account_changes as changes
from storage import api_keys as stored
from storage.account_changes import AccountRefused, By
from storage.api_keys import KeyPlace, ListedKey
from storage.database import translated
from storage.tenants import Standing

router = APIRouter(route_class=GuardedRoute, prefix="/v1/keys", tags=["keys"])

KeyId = Annotated[str, StringConstraints(pattern="^[a-z0-9]{12}$")]
_DAY_US = 86_400 * 1_000_000
_PAGE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, BAD_PARAMETER, *DATABASE_PROBLEMS)
_ONE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS)
_MAKE = problem_answers(
    NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, CONFLICT, BAD_PARAMETER, *BODY_PROBLEMS, *DATABASE_PROBLEMS
)


class KeyAsked(
    Asked,
    json_schema_extra=example(
        name="our dashboard", role="vendor", enterprise="acme", scopes=["read_devices", "read_readings"], days=90
    ),
):
    """A key has at most its role's rights in its party, and of these its scopes."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    role: Role
    enterprise: Annotated[str, Field(max_length=200, description="Key of the party; empty: the platform's own")] = ""
    sites: list[Key] = Field(default=[], max_length=1_000, description="Only these of the party's")
    scopes: list[Action] = Field(min_length=1, max_length=100, description="What it is for, and nothing else")
    days: int = Field(default=90, ge=1, le=400, description="How long it is good")


class KeyShown(Shape):
    """All but the secret."""

    key: str = Field(description="Its name; the secret begins with `dvk_` and this")
    name: str
    role: Role
    enterprise: str | None
    sites: list[str]
    scopes: list[str]
    made: Utc
    made_by: str
    expires: Utc
    revoked: Utc | None
    last_used: Utc | None = Field(description="To within half a minute")


class KeysShown(Page):
    keys: list[KeyShown]


class KeyMade(Shape):
    """`secret`: send it as `Authorization: Bearer`. It is shown this once."""

    secret: str
    key: KeyShown


@router.get("", operation_id="list_keys", responses=_PAGE)
async def list_keys(parts: Shared, who: ReadsKeys, cursor: Cursor = None, limit: Limit = USUAL_ROWS) -> KeysShown:
    """The keys of one's party, newest first, also those that are revoked."""
    async with parts.database(who) as connection:
        with translated():
            found = await stored.list_keys(
                connection,
                enterprises=enterprises_of(who, Action.READ_KEYS),
                after=decode_cursor(cursor, KeyPlace),
                limit=limit + 1,
            )
    page, following = stored_page(found, lambda one: KeyPlace(one.made, one.key), limit)
    return KeysShown(keys=[_show(one) for one in page], next=following)


@router.post("", operation_id="create_key", status_code=201, responses=_MAKE)
async def create_key(parts: Shared, who: ChangesKeys, body: KeyAsked) -> KeyMade:
    """A key for a program of one's party."""
    of = Membership(body.role, body.enterprise, sites=frozenset(body.sites))
    scopes = frozenset(action.value for action in body.scopes)
    _require_own(who, of, body.scopes)
    name, now_us = new_id(), parts.config.now_us()
    secret = new_secret(Secret.KEY, name)
    key = ApiKey(name, token_sha256(secret), of, scopes, now_us + body.days * _DAY_US)
    async with parts.database(Standing.PLATFORM, writing=True) as connection:
        try:
            await changes.make_key(connection, key, body.name, By(who.name, now_us))
        except AccountRefused as refused:
            raise Problem(CONFLICT, str(refused)) from refused
    await parts.known.look()
    shown = ListedKey(
        name, body.name, of.role, of.enterprise, tuple(sorted(of.sites)), tuple(sorted(scopes)),
        now_us, who.name, key.expires, 0, 0,
    )  # fmt: skip
    return KeyMade(secret=secret, key=_show(shown))


@router.get("/{key}", operation_id="get_key", responses=_ONE)
async def get_key(parts: Shared, who: ReadsKeys, key: Annotated[KeyId, Path(description="Its name")]) -> KeyShown:
    """One key, without its secret."""
    return _show(await _find(parts, who, Action.READ_KEYS, key))


@router.delete("/{key}", operation_id="revoke_key", responses=_ONE)
async def revoke_key(parts: Shared, who: ChangesKeys, key: Annotated[KeyId, Path(description="Its name")]) -> KeyShown:
    """It opens nothing any more, at once. A key that is revoked stays so."""
    found = await _find(parts, who, Action.CHANGE_KEYS, key)
    async with parts.database(Standing.PLATFORM, writing=True) as connection:
        await changes.revoke_key(connection, key, found.enterprise, By(who.name, parts.config.now_us()))
    await parts.known.look()
    return _show(await _find(parts, who, Action.CHANGE_KEYS, key))


async def _find(parts: Parts, who: Principal, action: Action, key: str) -> ListedKey:
    """In `who`'s own name, so that the database's fence stands before every change. Raises Problem (404)."""
    own = enterprises_of(who, action)
    async with parts.database(who) as connection:
        with translated():
            found = await stored.read_key(connection, key)
    if found is None or (own is not None and found.enterprise not in own):
        raise Problem(NOT_FOUND, f"no key {key}")
    return found


def _require_own(who: Principal, of: Membership, scopes: list[Action]) -> None:
    """A key gives nothing that its maker has not: not another party, not a role that can do more, not sites beyond its
    own. Raises Problem (404 for another party, as for one that is not there; 403)."""
    own = enterprises_of(who, Action.CHANGE_KEYS)
    if own is None:
        return
    if of.enterprise not in own or of.role is Role.PLATFORM_ADMINISTRATOR:
        raise Problem(NOT_FOUND, f"there is no enterprise {of.enterprise}")
    assert isinstance(who, Person | Service)
    mine = who.memberships if isinstance(who, Person) else (who.membership,)
    held = [one for one in mine if one.enterprise == of.enterprise and ROLE_ACTIONS[of.role] <= ROLE_ACTIONS[one.role]]
    bound = [one for one in held if one.sites]
    if not held or (len(bound) == len(held) and not any(of.sites and of.sites <= one.sites for one in bound)):
        raise Problem(NOT_ALLOWED, f"{of.role} of {of.enterprise} has more than you have; make a lesser key")
    if unheld := [scope.value for scope in scopes if not may(who, scope)]:
        raise Problem(NOT_ALLOWED, f"scopes: {', '.join(unheld)}: you may not do this yourself")


def _show(one: ListedKey) -> KeyShown:
    return KeyShown(
        key=one.key,
        name=one.name,
        role=Role(one.role),
        enterprise=one.enterprise or None,
        sites=list(one.sites),
        scopes=list(one.scopes),
        made=one.made,
        made_by=one.made_by,
        expires=one.expires,
        revoked=one.revoked or None,
        last_used=one.last_used or None,
    )
