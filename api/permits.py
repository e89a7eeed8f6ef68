"""The permission in each route's signature: `who: Annotated[Principal, Depends(Permit(Action.READ_ALARMS))]`.

N1  Every route has exactly one permit (a test reads them off `app.routes`); it calls access.authorize, the only judge.
N2  Who sent no valid token hears 401 and nothing else of the request, not even what was wrong with its body.
"""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from access.authorize import Action, Denied, NotFound, OfAlarm, OfCommand, OfDevice, Platform, Subject, authorize
from access.principals import Anonymous, Principal
from api.parts import parts_of
from api.problems import BAD_PARAMETER, NOT_ALLOWED, NOT_FOUND, NOT_SIGNED_IN, Problem, field_faults, problem_response

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
        case _:
            return Platform()


@dataclass(frozen=True, slots=True)
class Permit:
    """A dependency: signs the sender in and asks whether it may do `action` here."""

    action: Action

    async def __call__(self, request: Request, credential: Credential) -> Principal:
        token = credential.credentials if credential else ""
        subject = subject_of(request)
        tokens = parts_of(request).tokens
        if self.action is Action.PUBLISH_READINGS and isinstance(subject, OfDevice):
            who = await tokens.device(subject.identity, token)
        else:
            who = tokens.person(token)
        try:
            authorize(who, self.action, subject)
        except Denied as denied:
            if isinstance(who, Anonymous):
                raise Problem(NOT_SIGNED_IN, _SIGN_IN) from denied
            raise Problem(NOT_ALLOWED, str(denied)) from denied
        except NotFound as hidden:
            raise Problem(NOT_FOUND, str(hidden)) from hidden
        return who


@dataclass(frozen=True, slots=True)
class OpenPermit:
    """A permit that asks for no token: the route is open, and access.authorize has to say so too."""

    action: Action

    async def __call__(self) -> Principal:
        authorize(Anonymous(), self.action, Platform())
        return Anonymous()


def _invalid_request(request: Request, error: RequestValidationError) -> Response:
    """FastAPI reads the body before it asks the Permit, so N2 is kept here too."""
    path = request.url.path
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or isinstance(parts_of(request).tokens.person(token.strip()), Anonymous):
        refusal = Problem(NOT_SIGNED_IN, _SIGN_IN)
        return problem_response(path, NOT_SIGNED_IN, _SIGN_IN, dict(refusal.headers or {}))
    faults = field_faults(error)
    detail = "; ".join(f"{fault.where}: {fault.reason}" for fault in faults[:5])
    return problem_response(path, BAD_PARAMETER, detail, errors=faults)


def answer_invalid_requests(app: FastAPI) -> None:
    app.exception_handler(RequestValidationError)(_invalid_request)


WatchesHealth = Annotated[Principal, Depends(OpenPermit(Action.WATCH_HEALTH))]
ReadsMetrics = Annotated[Principal, Depends(Permit(Action.READ_METRICS))]
ReadsDescription = Annotated[Principal, Depends(Permit(Action.READ_DESCRIPTION))]
ReadsDevices = Annotated[Principal, Depends(Permit(Action.READ_DEVICES))]
ReadsReadings = Annotated[Principal, Depends(Permit(Action.READ_READINGS))]
ReadsAlarms = Annotated[Principal, Depends(Permit(Action.READ_ALARMS))]
AcknowledgesAlarms = Annotated[Principal, Depends(Permit(Action.ACKNOWLEDGE_ALARM))]
ResetsAlarms = Annotated[Principal, Depends(Permit(Action.RESET_ALARM))]
ClosesValves = Annotated[Principal, Depends(Permit(Action.CLOSE_VALVE))]
CancelsCloses = Annotated[Principal, Depends(Permit(Action.CANCEL_CLOSE))]
ReadsCommands = Annotated[Principal, Depends(Permit(Action.READ_COMMANDS))]
ReadsLedger = Annotated[Principal, Depends(Permit(Action.READ_LEDGER))]
PublishesReadings = Annotated[Principal, Depends(Permit(Action.PUBLISH_READINGS))]
