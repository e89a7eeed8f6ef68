"""Accounts: made, listed, disabled, given other roles, by the administrators of their party."""

from typing import Annotated

from fastapi import APIRouter, Path

from access.authorize import Action, enterprises_of
from access.directory import Account
from access.principals import Membership, Principal
from access.roles import Role
from access.secrets import new_id
from api.account_shapes import (
    AccountId,
    AccountInFull,
    AccountMade,
    AccountShown,
    AccountsShown,
    LinkShown,
    MembershipsAsked,
    NewAccountAsked,
    show_account,
)
from api.pages import USUAL_ROWS, Cursor, Limit, decode_cursor, encode_cursor
from api.parts import Parts, Shared
from api.permits import ChangesAccounts, GuardedRoute, ReadsAccounts
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
from api.session_shapes import show_session
from storage import account_changes as changes
from storage import accounts as stored
from storage.account_changes import AccountRefused, By, Link
from storage.accounts import NewAccount
from storage.database import translated
from storage.tenants import Standing

router = APIRouter(route_class=GuardedRoute, prefix="/v1/accounts", tags=["accounts"])

_PAGE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, BAD_PARAMETER, *DATABASE_PROBLEMS)
_ONE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS)
_CHANGE = problem_answers(
    NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, CONFLICT, BAD_PARAMETER, *BODY_PROBLEMS, *DATABASE_PROBLEMS
)
Id = Annotated[AccountId, Path(description="As it was answered when it was made")]


@router.get("", operation_id="list_accounts", responses=_PAGE)
async def list_accounts(
    parts: Shared, who: ReadsAccounts, cursor: Cursor = None, limit: Limit = USUAL_ROWS
) -> AccountsShown:
    """The accounts of one's party, by login."""
    after = decode_cursor(cursor, tuple[str])
    async with parts.database(who) as connection:
        with translated():
            found = await stored.list_accounts(
                connection,
                enterprises=enterprises_of(who, Action.READ_ACCOUNTS),
                after=after[0] if after else "",
                limit=limit + 1,
            )
    page = found[:limit]
    return AccountsShown(
        accounts=[show_account(one) for one in page],
        next=encode_cursor((page[-1].login,)) if len(found) > limit else None,
    )


@router.post("", operation_id="create_account", status_code=201, responses=_CHANGE)
async def create_account(parts: Shared, who: ChangesAccounts, body: NewAccountAsked) -> AccountMade:
    """An account, and a one-time link by which its person sets a password."""
    memberships = tuple(one.membership() for one in body.memberships)
    _require_grantable(who, memberships)
    issuer = ""
    if body.subject:
        if parts.external is None:
            raise Problem(BAD_PARAMETER, "subject: this installation has no external provider; leave it out")
        issuer = parts.external.provider.issuer
    new = NewAccount(new_id(), body.login, memberships, issuer=issuer, subject=body.subject)
    async with parts.database(Standing.PLATFORM, writing=True) as connection:
        try:
            link = await changes.create(connection, new, _by(parts, who))
        except AccountRefused as refused:
            raise Problem(CONFLICT, str(refused)) from refused
    await parts.known.look()
    made = Account(new.account, new.login, "", issuer, body.subject, False, memberships)
    return AccountMade(account=show_account(made), link=None if link is None else _show_link(link))


@router.get("/{account}", operation_id="get_account", responses=_ONE)
async def get_account(parts: Shared, who: ReadsAccounts, account: Id) -> AccountInFull:
    """One account, and its sessions that go on."""
    found = await _find(parts, who, Action.READ_ACCOUNTS, account)
    sessions = parts.known.directory.sessions_of(account, parts.config.now_us())
    return AccountInFull(account=show_account(found), sessions=[show_session(one, "") for one in sessions])


@router.put("/{account}/memberships", operation_id="set_memberships", responses=_CHANGE)
async def set_memberships(parts: Shared, who: ChangesAccounts, account: Id, body: MembershipsAsked) -> AccountShown:
    """What it may act as from now on, in place of what it could. At once."""
    memberships = tuple(one.membership() for one in body.memberships)
    _require_grantable(who, memberships)
    found = await _find(parts, who, Action.CHANGE_ACCOUNTS, account)
    own = enterprises_of(who, Action.CHANGE_ACCOUNTS)
    if own is not None and len(own) != 1:
        raise Problem(
            NOT_ALLOWED, "Who administers several parties changes roles of one at a time: use an account each"
        )
    async with parts.database(Standing.PLATFORM, writing=True) as connection:
        try:
            enterprise = None if own is None else next(iter(own))
            await changes.set_memberships(connection, account, memberships, enterprise, _by(parts, who))
        except AccountRefused as refused:
            raise Problem(CONFLICT, str(refused)) from refused
    await parts.known.look()
    return show_account(Account(account, found.login, "", found.issuer, found.subject, found.disabled, memberships))


@router.post("/{account}/disable", operation_id="disable_account", responses=_CHANGE)
async def disable_account(parts: Shared, who: ChangesAccounts, account: Id) -> AccountShown:
    """Nobody signs in with it any more, and its sessions end, at once. Nothing that it did is forgotten."""
    return await _set_disabled(parts, who, account, disabled=True)


@router.post("/{account}/enable", operation_id="enable_account", responses=_CHANGE)
async def enable_account(parts: Shared, who: ChangesAccounts, account: Id) -> AccountShown:
    """It may sign in again."""
    return await _set_disabled(parts, who, account, disabled=False)


@router.post("/{account}/reset", operation_id="reset_account", responses=_CHANGE)
async def reset_account(parts: Shared, who: ChangesAccounts, account: Id) -> LinkShown:
    """A one-time link by which its person sets another password; its sessions end."""
    await _find_wholly_own(parts, who, account)
    async with parts.database(Standing.PLATFORM, writing=True) as connection:
        link = await changes.reset(connection, account, _by(parts, who))
    await parts.known.look()
    return _show_link(link)


async def _set_disabled(parts: Parts, who: Principal, account: str, *, disabled: bool) -> AccountShown:
    found = await _find_wholly_own(parts, who, account)
    async with parts.database(Standing.PLATFORM, writing=True) as connection:
        await changes.set_disabled(connection, account, disabled, _by(parts, who))
    await parts.known.look()
    return show_account(Account(account, found.login, "", found.issuer, found.subject, disabled, found.memberships))


async def _find(parts: Parts, who: Principal, action: Action, account: str) -> Account:
    """The account, as `who` may see it: read in their name, so that the database's fence stands before every change.
    Raises Problem (404)."""
    async with parts.database(who) as connection:
        with translated():
            found = await stored.find_account(connection, account, enterprises_of(who, action))
    if found is None:
        raise Problem(NOT_FOUND, f"no account {account}")
    return found


async def _find_wholly_own(parts: Parts, who: Principal, account: str) -> Account:
    """One that is of no other party: else one company would lock out another's people. Raises Problem (404, 403)."""
    found = await _find(parts, who, Action.CHANGE_ACCOUNTS, account)
    own = enterprises_of(who, Action.CHANGE_ACCOUNTS)
    if own is not None:
        whole = parts.known.directory.accounts.get(account)
        others = {one.enterprise for one in (whole or found).memberships} - own
        if others:
            raise Problem(NOT_ALLOWED, "The account acts for others too; take your own roles from it instead")
    return found


def _require_grantable(who: Principal, memberships: tuple[Membership, ...]) -> None:
    """Nobody gives what is not theirs to give. Raises Problem (403)."""
    own = enterprises_of(who, Action.CHANGE_ACCOUNTS)
    if own is None:
        return
    for one in memberships:
        if one.role is Role.PLATFORM_ADMINISTRATOR or one.enterprise not in own:
            raise Problem(NOT_ALLOWED, f"{one.role} of {one.enterprise or 'the platform'} is not yours to give")


def _by(parts: Parts, who: Principal) -> By:
    return By(who.name, parts.config.now_us())


def _show_link(link: Link) -> LinkShown:
    return LinkShown(account=link.account, secret=link.secret, expires=link.expires_us)
