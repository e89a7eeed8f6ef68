"""What the engine may say. Frozen, journaled, sent over the door.

No decision opens a valve (G6): a permit lets a person on site open it, takes two people, and no rule can say it.
Times are microseconds since 1970 UTC. The `type` field of the encoded form names the struct, so that the feed, the
journal and the API speak of the same thing.
"""

import hashlib
from enum import IntEnum, StrEnum

import msgspec

from devices.commands import Verb


class Priority(IntEnum):
    CRITICAL = 1
    HIGH = 2
    MEDIUM = 3
    LOW = 4


class AlarmState(IntEnum):
    """ISA-18.2 / IEC 62682."""

    NORMAL = 0
    UNACKNOWLEDGED = 1
    ACKNOWLEDGED = 2
    RETURNED_UNACKNOWLEDGED = 3
    LATCHED_UNACKNOWLEDGED = 4
    LATCHED_ACKNOWLEDGED = 5
    SHELVED = 6
    SUPPRESSED = 7
    OUT_OF_SERVICE = 8


class _Decision(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    at: int


class AlarmRaised(_Decision, frozen=True, tag="alarm_raised"):
    """A new alarm. `onset` is effective time, frozen. `late`: raised by a late alarm bit; people are told, no valve
    moves (G10). `quantity`, `value`: of the reading that raised it; of a rule that acts, the worst since its hold
    began."""

    alarm: str
    rule: str
    device_no: int
    site: str
    priority: Priority
    onset: int
    state: AlarmState
    late: bool = False
    quantity: str = ""
    value: float | None = None
    #: The alarm that led to this one (an interlock's own alarms), or empty.
    because: str = ""
    #: What people need to know beyond the title, in plain words: why a link is down, how many readings are missing.
    note: str = ""
    #: When something is expected: for a sleeping valve, when it next hears. 0: nothing.
    expected: int = 0
    #: The rule is being tried (dry run, or a canary elsewhere): nobody is told and nothing moves.
    trial: bool = False
    #: The incident that it belongs to, or empty.
    incident: str = ""
    #: Of one that is raised while it is shelved or its device is out of service (`state` says so): until when.
    until: int = 0


class Change(StrEnum):
    ACKNOWLEDGED = "acknowledged"
    RETURNED = "returned"
    REALARMED = "re-alarmed"
    RESET = "reset"
    #: Its rule or its device is no longer there.
    REMOVED = "removed"
    #: Its state is what it was; its note, or what is expected, is another now.
    NOTED = "noted"
    #: Its condition is worse than when it was raised: its priority is higher now.
    ESCALATED = "escalated"
    SHELVED = "shelved"
    #: By a person, or because its time is over: the state is what it truly is now.
    UNSHELVED = "unshelved"
    #: By design: an alarm that explains it stands.
    SUPPRESSED = "suppressed"
    UNSUPPRESSED = "unsuppressed"
    OUT_OF_SERVICE = "out of service"
    IN_SERVICE = "in service"
    #: The state is what it was.
    COMMENTED = "commented"
    #: A person said what it was (`resolution`); the state is what it was.
    RESOLVED = "resolved"
    #: It was tried until now, and is in force from now on; or the other way round (`trial` says which).
    TRIED = "tried"


class AlarmChanged(_Decision, frozen=True, tag="alarm_changed"):
    """An alarm took another state, or says something else now (NOTED); `by` is a person's principal or empty."""

    alarm: str
    rule: str
    device_no: int
    site: str
    priority: Priority
    onset: int
    change: Change
    state: AlarmState
    by: str = ""
    #: What a person said; of RE-ALARMED and NOTED its note, as in AlarmRaised; of a return what there is to say of it.
    comment: str = ""
    #: Of RE-ALARMED and NOTED, as in AlarmRaised.
    expected: int = 0
    trial: bool = False
    #: While `state` is SHELVED or OUT_OF_SERVICE: until when. 0: without a limit.
    until: int = 0
    #: Of RESOLVED.
    resolution: str = ""


class CloseWanted(_Decision, frozen=True, tag="close_wanted"):
    """The wanted position of a valve is now closed. `by` is a person, or empty when `alarm` asked for it."""

    wanted: str
    device_no: int
    epoch: int
    reason: str
    alarm: str = ""
    by: str = ""
    #: Confirmation is due by then; past it the valve-not-closed alarm is raised (G7).
    confirm_by: int = 0
    #: The valve sleeps, and hears a command by then at the latest; 0: it hears at once.
    hears_by: int = 0


class FanWanted(_Decision, frozen=True, tag="fan_wanted"):
    """A fan shall run. It is attempted as a CLOSE is, and ends with WantedEnded. `alarm` asked for it."""

    wanted: str
    device_no: int
    epoch: int
    reason: str
    alarm: str = ""


class AttemptRequested(_Decision, frozen=True, tag="attempt_requested"):
    """One command to send now. Never sent on replay; never run by the device after `expires` (G8)."""

    command: str
    wanted: str
    device_no: int
    epoch: int
    attempt: int
    expires: int
    reason: str
    #: What is sent: CLOSE, or to a fan FAN_ON, or (once, never repeated) PERMIT_OPEN.
    verb: Verb = Verb.CLOSE


class Step(StrEnum):
    REQUESTED = "requested"
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    CONFIRMED = "confirmed"
    EXPIRED = "expired"
    FAILED = "failed"
    UNVERIFIABLE = "unverifiable"


class CommandStepped(_Decision, frozen=True, tag="command_stepped"):
    """An attempt moved on (AttemptRequested itself is the step `requested`)."""

    command: str
    wanted: str
    device_no: int
    step: Step
    note: str = ""


class Outcome(StrEnum):
    CONFIRMED = "confirmed"
    UNVERIFIABLE = "unverifiable"
    CANCELLED = "cancelled"
    #: Of a fan: nothing asks for it any more.
    OVER = "over"


class WantedEnded(_Decision, frozen=True, tag="wanted_ended"):
    """Attempts stop: the valve was seen closed, or cannot be seen, or a named person cancelled; or of a fan, the alarms
    that asked for it are over."""

    wanted: str
    device_no: int
    outcome: Outcome
    by: str = ""
    comment: str = ""


class IncidentScope(StrEnum):
    SITE = "site"
    RISER = "riser"
    BUILDING = "building"
    AREA = "area"


class IncidentChange(StrEnum):
    OPENED = "opened"
    #: An alarm joined it, or one of its alarms came again; if it was over, it is not.
    JOINED = "joined"
    #: Its priority is higher now.
    ESCALATED = "escalated"
    #: It became part of a larger one (`into`).
    MERGED = "merged"
    DISPATCHED = "dispatched"
    ARRIVED = "arrived"
    FIELD_READING = "field reading"
    #: The four steps are to be done.
    STEPS_OPENED = "steps opened"
    STEP_DONE = "step done"
    COMMENTED = "commented"
    #: None of its alarms is active any more; it waits to be closed.
    OVER = "over"
    CLOSED = "closed"


class IncidentChanged(_Decision, frozen=True, tag="incident_changed"):
    """What belongs together for the people who deal with it. `key` names the site, the riser or the area."""

    incident: str
    scope: IncidentScope
    key: str
    change: IncidentChange
    priority: Priority
    #: The alarm that opened or joined it.
    alarm: str = ""
    by: str = ""
    #: What a person said: the crew, a comment, a place.
    comment: str = ""
    quantity: str = ""
    value: float | None = None
    step: str = ""
    resolution: str = ""
    #: Of MERGED: the larger incident.
    into: str = ""


class PermitState(StrEnum):
    """REQUESTED by one person, GRANTED by another (PERMIT_OPEN is sent), COMPLETED on site. DEAD: a newer CLOSE, a
    closing alarm, or its time has ended it. WITHDRAWN by a person."""

    REQUESTED = "requested"
    GRANTED = "granted"
    COMPLETED = "completed"
    WITHDRAWN = "withdrawn"
    DEAD = "dead"


class PermitChanged(_Decision, frozen=True, tag="permit_changed"):
    permit: str
    device_no: int
    state: PermitState
    #: Of GRANTED: the epoch that PERMIT_OPEN carries. A valve ignores one lower than it has seen.
    epoch: int = 0
    expires: int = 0
    by: str = ""
    comment: str = ""
    combustible_lel: float | None = None


class HeldChange(StrEnum):
    HELD = "held"
    RELEASED = "released"
    VETOED = "vetoed"
    #: Its alarm ended while it waited.
    OVER = "over"


class ShutOffHeld(_Decision, frozen=True, tag="shut_off_held"):
    """A shut-off that software judged waits (G13: the budget of its rule is used up; or the store was restored and its
    detector was not heard since), or waits no more. RELEASED is followed by CloseWanted. `by` is a person or empty."""

    rule: str
    device_no: int
    alarm: str
    change: HeldChange
    value: float | None = None
    reason: str = ""
    by: str = ""


class RuleNoted(_Decision, frozen=True, tag="rule_noted"):
    """A rule is another now: what was edited (`before` and `now`, key by key), or that it was taken back to a dry run
    by itself and why."""

    rule: str
    what: str
    reverted: bool = False


class Answered(_Decision, frozen=True, tag="answered"):
    """What became of an instruction. `reason` says why one was refused."""

    id: str
    accepted: bool
    reason: str = ""
    #: The alarm or wanted position it was about.
    subject: str = ""


Decision = (
    AlarmRaised
    | AlarmChanged
    | CloseWanted
    | FanWanted
    | AttemptRequested
    | CommandStepped
    | WantedEnded
    | IncidentChanged
    | PermitChanged
    | ShutOffHeld
    | RuleNoted
    | Answered
)


def alarm_id(rule: str, device_no: int, onset: int) -> str:
    """The id of an alarm: the same rule, subject and onset give the same id, whoever computes it."""
    return _digest(f"alarm|{rule}|{device_no}|{onset}")


def wanted_id(device_no: int, epoch: int) -> str:
    return _digest(f"wanted|{device_no}|{epoch}")


def incident_id(scope: IncidentScope, key: str, opened: int) -> str:
    return _digest(f"incident|{scope}|{key}|{opened}")


def permit_id(device_no: int, requested: int) -> str:
    return _digest(f"permit|{device_no}|{requested}")


def command_id(wanted: str, attempt: int) -> str:
    return _digest(f"command|{wanted}|{attempt}")


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
