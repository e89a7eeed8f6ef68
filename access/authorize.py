"""May this principal do this to that? One pure function; every route and every instruction asks it.

A1  What no row of the table allows is denied. A new action or a new kind of principal starts with no rights.
A2  Who may not know that a thing exists gets NotFound for it, not Denied: the answer is the same as for a thing that
    does not exist (G11).
A3  Only devices publish readings, and only for themselves and those registered behind them: an administrator's token
    cannot invent a reading.
"""

from dataclasses import dataclass
from enum import StrEnum

from access.ownership import Owner
from access.principals import Administrator, Anonymous, DevicePrincipal, Person, Principal, Service


class Action(StrEnum):
    """What can be asked of the API. `WATCH_HEALTH` is the only one that needs no credential."""

    WATCH_HEALTH = "watch_health"
    READ_METRICS = "read_metrics"
    READ_DESCRIPTION = "read_description"
    READ_DEVICES = "read_devices"
    READ_READINGS = "read_readings"
    READ_ALARMS = "read_alarms"
    ACKNOWLEDGE_ALARM = "acknowledge_alarm"
    RESET_ALARM = "reset_alarm"
    SHELVE_ALARM = "shelve_alarm"
    COMMENT = "comment"
    RESOLVE_ALARM = "resolve_alarm"
    TAKE_OUT_OF_SERVICE = "take_out_of_service"
    RETURN_TO_SERVICE = "return_to_service"
    READ_INCIDENTS = "read_incidents"
    WORK_ON_INCIDENT = "work_on_incident"
    CLOSE_INCIDENT = "close_incident"
    READ_PERMITS = "read_permits"
    REQUEST_PERMIT = "request_permit"
    APPROVE_PERMIT = "approve_permit"
    WITHDRAW_PERMIT = "withdraw_permit"
    COMPLETE_PERMIT = "complete_permit"
    READ_HELD = "read_held"
    RELEASE_HELD = "release_held"
    VETO_HELD = "veto_held"
    CLOSE_VALVE = "close_valve"
    CANCEL_CLOSE = "cancel_close"
    READ_COMMANDS = "read_commands"
    READ_LEDGER = "read_ledger"
    READ_RULES = "read_rules"
    CHECK_RULES = "check_rules"
    EXPLAIN_RULES = "explain_rules"
    READ_BACKTESTS = "read_backtests"
    RUN_BACKTEST = "run_backtest"
    PUBLISH_READINGS = "publish_readings"


@dataclass(frozen=True, slots=True)
class Platform:
    """The installation as a whole: lists, ledger, metrics."""


@dataclass(frozen=True, slots=True)
class OfDevice:
    """One device, by `vendor/serial`. `owner` of this and the following: whose it is, None where nobody is known to
    have such a thing."""

    identity: str
    owner: Owner | None = None


@dataclass(frozen=True, slots=True)
class OfAlarm:
    alarm: str
    owner: Owner | None = None


@dataclass(frozen=True, slots=True)
class OfCommand:
    """A wanted position and its attempts."""

    wanted: str
    owner: Owner | None = None


@dataclass(frozen=True, slots=True)
class OfIncident:
    """An incident may stand over several sites; `owners` has each of them."""

    incident: str
    owners: tuple[Owner, ...] = ()


@dataclass(frozen=True, slots=True)
class OfPermit:
    """A permit to open a valve on site."""

    permit: str
    owner: Owner | None = None


@dataclass(frozen=True, slots=True)
class OfSite:
    site: str
    owner: Owner | None = None


@dataclass(frozen=True, slots=True)
class OfEnterprise:
    """A party, and what belongs to it as a whole: its people, keys, grants, reports, rosters."""

    enterprise: str


Subject = Platform | OfDevice | OfAlarm | OfCommand | OfIncident | OfPermit | OfSite | OfEnterprise


class Denied(PermissionError):
    """This principal may not do this. Permanent: asking again changes nothing."""


class NotFound(LookupError):
    """For this principal the subject does not exist. Permanent."""


#: All but speak for a device (A3). Written out, so that a new action is a decision here and not an accident (A1).
ADMINISTRATOR_ACTIONS = frozenset(
    {
        Action.WATCH_HEALTH,
        Action.READ_METRICS,
        Action.READ_DESCRIPTION,
        Action.READ_DEVICES,
        Action.READ_READINGS,
        Action.READ_ALARMS,
        Action.ACKNOWLEDGE_ALARM,
        Action.RESET_ALARM,
        Action.SHELVE_ALARM,
        Action.COMMENT,
        Action.RESOLVE_ALARM,
        Action.TAKE_OUT_OF_SERVICE,
        Action.RETURN_TO_SERVICE,
        Action.READ_INCIDENTS,
        Action.WORK_ON_INCIDENT,
        Action.CLOSE_INCIDENT,
        Action.READ_PERMITS,
        Action.REQUEST_PERMIT,
        Action.APPROVE_PERMIT,
        Action.WITHDRAW_PERMIT,
        Action.COMPLETE_PERMIT,
        Action.READ_HELD,
        Action.RELEASE_HELD,
        Action.VETO_HELD,
        Action.CLOSE_VALVE,
        Action.CANCEL_CLOSE,
        Action.READ_COMMANDS,
        Action.READ_LEDGER,
        Action.READ_RULES,
        Action.CHECK_RULES,
        Action.EXPLAIN_RULES,
        Action.READ_BACKTESTS,
        Action.RUN_BACKTEST,
    }
)
ANONYMOUS_ACTIONS = frozenset({Action.WATCH_HEALTH})
DEVICE_ACTIONS = ANONYMOUS_ACTIONS | {Action.PUBLISH_READINGS}


def authorize(principal: Principal, action: Action, subject: Subject) -> None:
    """Return when `principal` may do `action` to `subject`. Raises Denied, or NotFound where the principal may not
    learn whether the subject exists."""
    match principal:
        case Administrator():
            allowed = ADMINISTRATOR_ACTIONS
        case DevicePrincipal():
            allowed = DEVICE_ACTIONS
        case Person() | Service():
            allowed = frozenset()
        case Anonymous():
            allowed = ANONYMOUS_ACTIONS
    if action not in allowed:
        raise Denied(f"{principal.name} may not {action.replace('_', ' ')}")
    if isinstance(principal, DevicePrincipal) and action is Action.PUBLISH_READINGS:
        if not isinstance(subject, OfDevice):
            raise Denied(f"{principal.name} publishes for devices only")
        if subject.identity not in principal.may_publish_for:
            raise NotFound(f"no device {subject.identity} for {principal.name}")
