"""Signing in and out, one's own sessions and password."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from access.authorize import Action, may
from access.principals import Administrator, Person, Principal, Service
from access.secrets import Secret, kind_of
from api.external import NONCE_LIVES_S
from api.own_password import change_password, password_by_link
from api.parts import Parts, Shared
from api.permits import ChangesSelf, GuardedRoute, SignsIn
from api.problems import (
    BAD_PARAMETER,
    BODY_PROBLEMS,
    DATABASE_PROBLEMS,
    NOT_FOUND,
    NOT_SIGNED_IN,
    PROVIDER_AWAY,
    TOO_MANY,
    Problem,
    problem_answers,
)
from api.session_shapes import (
    Challenge,
    Me,
    PasswordByLink,
    PasswordChange,
    ProviderSignInRequest,
    SessionId,
    SessionsShown,
    SignedIn,
    SignInRequest,
    show_membership,
    show_session,
)
from api.sign_in import Begun, by_password, by_provider
from storage import sessions as stored
from storage.audit import record
from storage.database import translated
from storage.sign_ins import said_of
from storage.tenants import Standing

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["sign-in"])

_BEGIN = problem_answers(NOT_SIGNED_IN, BAD_PARAMETER, TOO_MANY, *BODY_PROBLEMS, *DATABASE_PROBLEMS)
_BEGIN_ELSEWHERE = problem_answers(
    NOT_SIGNED_IN, NOT_FOUND, BAD_PARAMETER, TOO_MANY, PROVIDER_AWAY, *BODY_PROBLEMS, *DATABASE_PROBLEMS
)
_OWN = problem_answers(NOT_SIGNED_IN, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS)
_PASSWORD = problem_answers(NOT_SIGNED_IN, NOT_FOUND, BAD_PARAMETER, TOO_MANY, *BODY_PROBLEMS, *DATABASE_PROBLEMS)


@router.post("/session", operation_id="sign_in", status_code=201, responses=_BEGIN)
async def sign_in(parts: Shared, who: SignsIn, request: Request, body: SignInRequest) -> SignedIn:
    """Begin a session. A wrong login and a wrong password are answered alike. Staff may sign in while the database is
    away."""
    return _signed_in(await by_password(parts, body.login, body.password, address_of(request)))


@router.post(
    "/session/provider/challenge",
    operation_id="begin_provider_sign_in",
    responses=problem_answers(NOT_FOUND),
)
async def begin_provider_sign_in(parts: Shared, who: SignsIn) -> Challenge:
    """A nonce for signing in at the installation's OpenID Connect provider; good once."""
    if parts.external is None:
        raise Problem(NOT_FOUND, "This installation has no external provider; sign in with a password")
    provider = parts.external.provider
    return Challenge(
        issuer=provider.issuer,
        client=provider.client,
        nonce=parts.external.challenge(),
        lives_s=int(NONCE_LIVES_S),
    )


@router.post("/session/provider", operation_id="sign_in_by_provider", status_code=201, responses=_BEGIN_ELSEWHERE)
async def sign_in_by_provider(parts: Shared, who: SignsIn, request: Request, body: ProviderSignInRequest) -> SignedIn:
    """Begin a session with the ID token of the installation's OpenID Connect provider."""
    return _signed_in(await by_provider(parts, body.id_token, body.nonce, address_of(request)))


@router.post("/session/password", operation_id="set_password_by_link", status_code=204, responses=_PASSWORD)
async def set_password_by_link(parts: Shared, who: SignsIn, request: Request, body: PasswordByLink) -> Response:
    """Set the password by an administrator's one-time link. Every session of the account ends."""
    if kind_of(body.secret) is not Secret.PASSWORD_LINK:
        raise Problem(NOT_FOUND, "That link is used, too old, or none of ours; ask an administrator for another")
    await password_by_link(parts, body.secret, body.password, address_of(request))
    return Response(status_code=204)


@router.delete("/session", operation_id="sign_out", status_code=204, responses=_OWN)
async def sign_out(parts: Shared, who: ChangesSelf) -> Response:
    """End the session that this request came by."""
    person = a_person(who)
    await _end(parts, person, person.session)
    return Response(status_code=204)


@router.get("/sessions", operation_id="list_own_sessions", responses=problem_answers(NOT_SIGNED_IN))
async def list_own_sessions(parts: Shared, who: ChangesSelf) -> SessionsShown:
    """One's own sessions that go on, newest first; also while the database is away."""
    if not isinstance(who, Person):
        return SessionsShown(sessions=[])
    found = parts.known.directory.sessions_of(who.account, parts.config.now_us())
    return SessionsShown(sessions=[show_session(one, who.session) for one in found])


@router.delete("/sessions/{session}", operation_id="end_own_session", status_code=204, responses=_OWN)
async def end_own_session(
    parts: Shared, who: ChangesSelf, session: Annotated[SessionId, Path(description="One of your own")]
) -> Response:
    """End one of one's own sessions: a telephone that was lost, a desk that was left."""
    await _end(parts, a_person(who), session)
    return Response(status_code=204)


@router.post("/me/password", operation_id="change_own_password", status_code=204, responses=_PASSWORD)
async def change_own_password(parts: Shared, who: ChangesSelf, request: Request, body: PasswordChange) -> Response:
    """Another password. Every other session of the account ends."""
    await change_password(parts, a_person(who), body.old, body.new, address_of(request))
    return Response(status_code=204)


@router.get("/me", operation_id="get_me", responses=problem_answers(NOT_SIGNED_IN))
async def get_me(parts: Shared, who: ChangesSelf) -> Me:
    """Who this token is, and what it may do at all."""
    memberships = who.memberships if isinstance(who, Person) else ()
    if isinstance(who, Service):
        memberships = (who.membership,)
    return Me(
        kind={Administrator: "administrator", Person: "person", Service: "key"}[type(who)],
        name=who.name,
        account=who.account if isinstance(who, Person) else None,
        session=(who.session or None) if isinstance(who, Person) else None,
        memberships=[show_membership(one) for one in memberships],
        actions=[action.value for action in Action if may(who, action)],
    )


def address_of(request: Request) -> str:
    return request.client.host if request.client else ""


def a_person(who: Principal) -> Person:
    """Raises Problem (404) for programs and the administrator's token, which have no account."""
    if not isinstance(who, Person):
        raise Problem(NOT_FOUND, f"{who.name} has no account of its own")
    return who


async def _end(parts: Parts, who: Person, session: str) -> None:
    """Raises Problem (404) where it is none that goes on."""
    now_us = parts.config.now_us()
    account = parts.known.directory.accounts.get(who.account)
    async with parts.database(Standing.PLATFORM, writing=True) as connection:
        with translated():
            ended = await stored.end(connection, who.account, now_us, session)
            if ended and account is not None:
                said = said_of(account, "session_ended", at_us=now_us, by=who.name, session=session)
                await record(connection, said)
    if not ended:
        raise Problem(NOT_FOUND, f"no session {session} of yours goes on")
    await parts.known.look()


def _signed_in(begun: Begun) -> SignedIn:
    return SignedIn(
        token=begun.token,
        session=begun.session.session,
        expires=begun.session.expires,
        account=begun.account.account,
        login=begun.account.login,
        memberships=[show_membership(one) for one in begun.account.memberships],
    )
