"""The permission in each route's signature: `who: Annotated[Principal, Depends(Permit(Action.READ_ALARMS))]`.

N1  Every route has exactly one permit (GuardedRoute refuses to be built otherwise, and a test reads them off
    `app.routes`); it calls access.authorize, the only judge.
N2  Whose the thing is that is asked for is found out first (api/owners.py), so that what is somebody else's is answered
    like what does not exist; and before that, whether the asker may do this to anything.
N3  The permit is asked before anything of the body is read: who sent no valid token hears 401 and nothing else of the
    request, whatever is wrong with it, and costs no memory.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.types import Receive, Scope, Send

from access.authorize import Action, Denied, NotFound, authorize, may
from access.principals import Administrator, Anonymous, DevicePrincipal, Principal
from access.subjects import (
    OfAlarm,
    OfArea,
    OfCommand,
    OfDevice,
    OfEnterprise,
    OfIncident,
    OfPermit,
    OfSite,
    Platform,
    Subject,
)
from api.once import PARAMETER, once
from api.owners import with_owner
from api.parts import parts_of
from api.problems import (
    BAD_PARAMETER,
    BODY_PROBLEMS,
    CONFLICT,
    DATABASE_PROBLEMS,
    EDGE_PROBLEMS,
    ENGINE_AWAY,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_SIGNED_IN,
    TOO_MANY,
    Kind,
    Problem,
    with_problems,
)
from api.rates import Rates
from api.tokens import network_of

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="token",
    description="The administrator's token; for telemetry the token of the device or its gateway",
)
Credential = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]

_SIGN_IN = "Send `Authorization: Bearer <token>` with a token that is in force"


def subject_of(request: Request) -> Subject:
    """What a request is about, from its path."""
    match dict(request.path_params):
        case {"vendor": str(vendor), "serial": str(serial)}:
            return OfDevice(f"{vendor}/{serial}")
        case {"alarm": str(alarm)}:
            return OfAlarm(alarm)
        case {"wanted": str(wanted)}:
            return OfCommand(wanted)
        case {"incident": str(incident)}:
            return OfIncident(incident)
        case {"permit": str(permit)}:
            return OfPermit(permit)
        case {"site": str(site)}:
            return OfSite(site)
        case {"area": str(area)}:
            return OfArea(area)
        case {"enterprise": str(enterprise)}:
            return OfEnterprise(enterprise)
        case _:
            return Platform()


def token_of(request: Request) -> str:
    """The bearer token, empty where there is none (RFC 6750, 2.1; the scheme in either case)."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


@dataclass(frozen=True, slots=True)
class Permit:
    """A dependency: who sent the request, once it is known that they may do `action` here."""

    action: Action

    async def __call__(self, request: Request, _: Credential) -> Principal:
        """`admit` was asked before; `Credential` is for the description."""
        return _admitted(request)

    async def admit(self, request: Request) -> Principal:
        """Signs the sender in and asks whether it may. Raises Problem."""
        parts, subject, token = parts_of(request), subject_of(request), token_of(request)
        if self.action is Action.PUBLISH_READINGS and isinstance(subject, OfDevice):
            address = request.client.host if request.client else ""
            who = await parts.tokens.device(subject.identity, token, address)
        else:
            who = parts.judges.judged(await parts.tokens.person(token))
        try:
            if may(who, self.action):
                subject = await with_owner(parts, who, self.action, subject)
            authorize(who, self.action, subject)
        except Denied as denied:
            if isinstance(who, Anonymous):
                raise Problem(NOT_SIGNED_IN, _SIGN_IN) from denied
            raise Problem(NOT_ALLOWED, str(denied)) from denied
        except NotFound as hidden:
            raise Problem(NOT_FOUND, str(hidden)) from hidden
        _require_room(parts.requests if isinstance(who, DevicePrincipal) else parts.people, who, self.action)
        request.scope[_SUBJECT] = subject
        if isinstance(who, Administrator):
            parts.known.note_administrator(network_of(request.client.host if request.client else ""))
        return who


#: What nobody is ever held up for.
NEVER_HELD_UP = frozenset({Action.CLOSE_VALVE, Action.ACKNOWLEDGE_ALARM})


def _require_room(rates: Rates, who: Principal, action: Action) -> None:
    """Raises Problem (429) for one request too many."""
    if action in NEVER_HELD_UP or isinstance(who, Administrator):
        return
    wait_s = rates.wait_s(who.name)
    if wait_s > 0.0:
        raise Problem(TOO_MANY, f"Too many requests of {who.name}", retry_after_s=math.ceil(wait_s))
    rates.take(who.name)


@dataclass(frozen=True, slots=True)
class OpenPermit:
    """A permit that asks for no token: the route is open, and access.authorize has to say so too."""

    action: Action

    async def __call__(self, request: Request) -> Principal:
        return _admitted(request)

    async def admit(self, request: Request) -> Principal:
        """Raises Problem (429) for one request too many of a network; whoever watches our health is let through."""
        authorize(Anonymous(), self.action, Platform())
        if self.action is not Action.WATCH_HEALTH:
            network, strangers = network_of(request.client.host if request.client else ""), parts_of(request).strangers
            wait_s = strangers.wait_s(network)
            if wait_s > 0.0:
                raise Problem(TOO_MANY, "Too many requests from this address", retry_after_s=math.ceil(wait_s))
            strangers.take(network)
        return Anonymous()


#: Where the admitted principal, and what it was admitted to, stand in a request's scope.
_WHO = "davy.who"
_SUBJECT = "davy.subject"


def _admitted(request: Request) -> Principal:
    who = request.scope[_WHO]
    assert isinstance(who, Principal)
    return who


async def _subject(request: Request) -> Subject:
    subject: Subject = request.scope[_SUBJECT]
    return subject


#: What the permit admitted the sender to, with whose it is where that was looked up.
Admitted = Annotated[Subject, Depends(_subject)]


#: What is asked by POST and makes nothing; readings, whose key goes to the engine.
_CREATES_NOTHING = frozenset(
    {Action.UNMASK, Action.READ_PEOPLE, Action.CHECK_RULES, Action.CHANGE_SELF, Action.PUBLISH_READINGS}
)


class GuardedRoute(APIRoute):
    """A route that asks its permit first (N3): FastAPI by itself reads and parses the body before any dependency."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        permits = list(permits_of(self.dependant))
        if len(permits) != 1:
            raise TypeError(f"{path}: a route has exactly one permit, this one has {len(permits)}")
        self.permit = permits[0]
        self.once = self._is_once()
        if self.once:
            told = self.openapi_extra or {}
            self.openapi_extra = told | {"parameters": [*told.get("parameters", ()), PARAMETER]}
        self.responses = with_problems(self.responses, *self._problems())

    def _is_once(self) -> bool:
        """Whether an Idempotency-Key is seen to here: what the engine is told has its own way (api/instructions.py)."""
        own = {field.alias.lower() for field in self.dependant.header_params}
        named = isinstance(self.permit, Permit) and self.permit.action not in _CREATES_NOTHING
        return named and "POST" in (self.methods or ()) and "idempotency-key" not in own

    def _problems(self) -> Iterator[Kind]:
        """What may come of its permit, of what is around every route, and of what it reads."""
        if isinstance(self.permit, Permit):
            yield from (NOT_SIGNED_IN, NOT_ALLOWED, TOO_MANY)
            if "{" in self.path:
                yield from (NOT_FOUND, ENGINE_AWAY, *DATABASE_PROBLEMS)
        elif self.permit.action is not Action.WATCH_HEALTH:
            yield TOO_MANY
        if self.once:
            yield from (BAD_PARAMETER, CONFLICT, *DATABASE_PROBLEMS)
        if self.body_field is not None:
            yield from (*BODY_PROBLEMS, BAD_PARAMETER)
        yield from EDGE_PROBLEMS

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in (self.methods or ()):  # else the answer is 405, to anybody
            request = Request(scope, receive)
            who = scope[_WHO] = await self.permit.admit(request)
            key = request.headers.get("idempotency-key")
            if self.once and key is not None:
                return await once(
                    parts_of(request), who, token_of(request), key, (scope, receive, send), super().handle
                )
        await super().handle(scope, receive, send)


def permits_of(dependant: Dependant) -> Iterator[Permit | OpenPermit]:
    """The permits that a route's signature names."""
    if isinstance(dependant.call, Permit | OpenPermit):
        yield dependant.call
    for below in dependant.dependencies:
        yield from permits_of(below)


SignsIn = Annotated[Principal, Depends(OpenPermit(Action.SIGN_IN))]
WatchesHealth = Annotated[Principal, Depends(OpenPermit(Action.WATCH_HEALTH))]
ReadsMetrics = Annotated[Principal, Depends(Permit(Action.READ_METRICS))]
ReadsDescription = Annotated[Principal, Depends(Permit(Action.READ_DESCRIPTION))]
ReadsInstallations = Annotated[Principal, Depends(Permit(Action.READ_INSTALLATIONS))]
ReadsDevices = Annotated[Principal, Depends(Permit(Action.READ_DEVICES))]
ReadsReadings = Annotated[Principal, Depends(Permit(Action.READ_READINGS))]
ReadsAlarms = Annotated[Principal, Depends(Permit(Action.READ_ALARMS))]
AcknowledgesAlarms = Annotated[Principal, Depends(Permit(Action.ACKNOWLEDGE_ALARM))]
ResetsAlarms = Annotated[Principal, Depends(Permit(Action.RESET_ALARM))]
ShelvesAlarms = Annotated[Principal, Depends(Permit(Action.SHELVE_ALARM))]
Comments = Annotated[Principal, Depends(Permit(Action.COMMENT))]
ResolvesAlarms = Annotated[Principal, Depends(Permit(Action.RESOLVE_ALARM))]
TakesOutOfService = Annotated[Principal, Depends(Permit(Action.TAKE_OUT_OF_SERVICE))]
ReturnsToService = Annotated[Principal, Depends(Permit(Action.RETURN_TO_SERVICE))]
ReadsIncidents = Annotated[Principal, Depends(Permit(Action.READ_INCIDENTS))]
WorksOnIncidents = Annotated[Principal, Depends(Permit(Action.WORK_ON_INCIDENT))]
ClosesIncidents = Annotated[Principal, Depends(Permit(Action.CLOSE_INCIDENT))]
ReadsPermits = Annotated[Principal, Depends(Permit(Action.READ_PERMITS))]
RequestsPermits = Annotated[Principal, Depends(Permit(Action.REQUEST_PERMIT))]
ApprovesPermits = Annotated[Principal, Depends(Permit(Action.APPROVE_PERMIT))]
WithdrawsPermits = Annotated[Principal, Depends(Permit(Action.WITHDRAW_PERMIT))]
CompletesPermits = Annotated[Principal, Depends(Permit(Action.COMPLETE_PERMIT))]
ReadsHeld = Annotated[Principal, Depends(Permit(Action.READ_HELD))]
ReleasesHeld = Annotated[Principal, Depends(Permit(Action.RELEASE_HELD))]
VetoesHeld = Annotated[Principal, Depends(Permit(Action.VETO_HELD))]
ChangesSelf = Annotated[Principal, Depends(Permit(Action.CHANGE_SELF))]
ReadsAccounts = Annotated[Principal, Depends(Permit(Action.READ_ACCOUNTS))]
ChangesAccounts = Annotated[Principal, Depends(Permit(Action.CHANGE_ACCOUNTS))]
ReadsKeys = Annotated[Principal, Depends(Permit(Action.READ_KEYS))]
ChangesKeys = Annotated[Principal, Depends(Permit(Action.CHANGE_KEYS))]
ClosesValves = Annotated[Principal, Depends(Permit(Action.CLOSE_VALVE))]
CancelsCloses = Annotated[Principal, Depends(Permit(Action.CANCEL_CLOSE))]
ReadsCommands = Annotated[Principal, Depends(Permit(Action.READ_COMMANDS))]
ReadsLedger = Annotated[Principal, Depends(Permit(Action.READ_LEDGER))]
ReadsRules = Annotated[Principal, Depends(Permit(Action.READ_RULES))]
ReadsRuleDocuments = Annotated[Principal, Depends(Permit(Action.READ_RULE_DOCUMENTS))]
ChecksRules = Annotated[Principal, Depends(Permit(Action.CHECK_RULES))]
ExplainsRules = Annotated[Principal, Depends(Permit(Action.EXPLAIN_RULES))]
ReadsBacktests = Annotated[Principal, Depends(Permit(Action.READ_BACKTESTS))]
RunsBacktests = Annotated[Principal, Depends(Permit(Action.RUN_BACKTEST))]
PublishesReadings = Annotated[Principal, Depends(Permit(Action.PUBLISH_READINGS))]
ReadsAreas = Annotated[Principal, Depends(Permit(Action.READ_AREAS))]
ReadsEnterprises = Annotated[Principal, Depends(Permit(Action.READ_ENTERPRISES))]
ReadsSites = Annotated[Principal, Depends(Permit(Action.READ_SITES))]
ReadsPeople = Annotated[Principal, Depends(Permit(Action.READ_PEOPLE))]
Installs = Annotated[Principal, Depends(Permit(Action.INSTALL))]
ChangesRegister = Annotated[Principal, Depends(Permit(Action.CHANGE_REGISTER))]
ChangesPeople = Annotated[Principal, Depends(Permit(Action.CHANGE_PEOPLE))]
Unmasks = Annotated[Principal, Depends(Permit(Action.UNMASK))]
ChangesParties = Annotated[Principal, Depends(Permit(Action.CHANGE_PARTIES))]
ReadsAudit = Annotated[Principal, Depends(Permit(Action.READ_AUDIT))]
ReadsPublic = Annotated[Principal, Depends(OpenPermit(Action.READ_PUBLIC))]
OffersProducts = Annotated[Principal, Depends(Permit(Action.OFFER_PRODUCTS))]
GovernsCatalogue = Annotated[Principal, Depends(Permit(Action.GOVERN_CATALOGUE))]
Complains = Annotated[Principal, Depends(OpenPermit(Action.COMPLAIN))]
ReadsClaims = Annotated[Principal, Depends(Permit(Action.READ_CLAIMS))]
OffersDevices = Annotated[Principal, Depends(Permit(Action.OFFER_DEVICE))]
ClaimsDevices = Annotated[Principal, Depends(Permit(Action.CLAIM_DEVICE))]
DecidesClaims = Annotated[Principal, Depends(Permit(Action.DECIDE_CLAIM))]
ChangesTokens = Annotated[Principal, Depends(Permit(Action.CHANGE_TOKENS))]
ReadsModels = Annotated[Principal, Depends(Permit(Action.READ_MODELS))]
HandsInModels = Annotated[Principal, Depends(Permit(Action.HAND_IN_MODEL))]
DecidesModels = Annotated[Principal, Depends(Permit(Action.DECIDE_MODEL))]
ImportsRegister = Annotated[Principal, Depends(Permit(Action.IMPORT_REGISTER))]
ExportsRegister = Annotated[Principal, Depends(Permit(Action.EXPORT_REGISTER))]
ReadsCoverage = Annotated[Principal, Depends(Permit(Action.READ_COVERAGE))]
GovernsCoverage = Annotated[Principal, Depends(Permit(Action.GOVERN_COVERAGE))]
ReadsScorecards = Annotated[Principal, Depends(Permit(Action.READ_SCORECARDS))]
PromisesResponse = Annotated[Principal, Depends(Permit(Action.PROMISE_RESPONSE))]
ReadsConformance = Annotated[Principal, Depends(Permit(Action.READ_CONFORMANCE))]
ReadsGrants = Annotated[Principal, Depends(Permit(Action.READ_GRANTS))]
ChangesGrants = Annotated[Principal, Depends(Permit(Action.CHANGE_GRANTS))]
ReadsShared = Annotated[Principal, Depends(Permit(Action.READ_SHARED))]
ReadsWebhooks = Annotated[Principal, Depends(Permit(Action.READ_WEBHOOKS))]
ChangesWebhooks = Annotated[Principal, Depends(Permit(Action.CHANGE_WEBHOOKS))]
