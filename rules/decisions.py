"""What the engine may be told besides readings, and what it may say. Frozen, journaled, sent over the door.

No decision opens a valve: there is no type for it (G6). Times are microseconds since 1970 UTC. The `type` field of
the encoded form names the struct, so that the feed, the journal and the API speak of the same thing.
"""

import hashlib
from enum import IntEnum, StrEnum

import msgspec

from devices.quantities import ValvePosition


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


# ---- inputs: link events and instructions ---------------------------------------------------------------------------


class _Input(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    at: int


class Connected(_Input, frozen=True, tag="connected"):
    """A valve can be reached again; a pending attempt is repeated at once."""

    device_no: int


class AttemptSent(_Input, frozen=True, tag="attempt_sent"):
    """The attempt's bytes were handed to the valve's connection."""

    command: str


class AttemptFailed(_Input, frozen=True, tag="attempt_failed"):
    """The attempt could not leave (no connection, or the link refused it)."""

    command: str
    reason: str


class AttemptAcknowledged(_Input, frozen=True, tag="attempt_acknowledged"):
    """The device's transport has it (PUBACK). Says nothing of the valve (G7)."""

    command: str


class Replied(_Input, frozen=True, tag="replied"):
    """The device answered a command, and says where its valve stands."""

    command: str
    device_no: int
    valve: ValvePosition


class Resumed(_Input, frozen=True, tag="resumed"):
    """The engine was away for `down_us` (restarted, stopped, or its machine's clock leapt): that time is nobody's
    silence, and what came due in it happens once, now."""

    down_us: int


class Paused(_Input, frozen=True, tag="paused"):
    """From now on the engine does not hear everybody (its store is in the reserve): that is nobody's silence either,
    until Listening."""


class Listening(_Input, frozen=True, tag="listening"):
    """Everybody is heard again."""


class LinkDown(_Input, frozen=True, tag="link_down"):
    """A gateway or a broker cannot be reached, so nobody behind it is heard."""

    device_no: int
    reason: str


class LinkUp(_Input, frozen=True, tag="link_up"):
    device_no: int


class SessionLost(_Input, frozen=True, tag="session_lost"):
    """A broker has forgotten our session: what it held for us may be gone."""

    device_no: int
    reason: str


class ReadingsMissing(_Input, frozen=True, tag="readings_missing"):
    """Numbers of this device have been missing for longer than a link may take to bring them: `many` from `first`."""

    device_no: int
    boot: int
    first: int
    many: int


class ReadingsComplete(_Input, frozen=True, tag="readings_complete"):
    """No number is missing any more. `lost`: so many never came, and the device no longer holds them."""

    device_no: int
    lost: int


class RegistryChanged(_Input, frozen=True, tag="registry_changed"):
    """`sha256` names the document; its body stands in the store. `number` is the outbox number (0: none)."""

    sha256: str
    number: int = 0


class RulesChanged(_Input, frozen=True, tag="rules_changed"):
    sha256: str
    by: str = ""


class _Instruction(_Input, frozen=True, kw_only=True):
    #: Given by the sender; the same id is answered again, not done again.
    id: str
    #: The principal, as the API knows it.
    by: str


class Acknowledge(_Instruction, frozen=True, tag="acknowledge"):
    alarm: str
    comment: str = ""


class Reset(_Instruction, frozen=True, tag="reset"):
    """Take a latched alarm back to normal, once acknowledged and its condition gone."""

    alarm: str


class CloseValve(_Instruction, frozen=True, tag="close_valve"):
    device_no: int
    reason: str


class CancelClose(_Instruction, frozen=True, tag="cancel_close"):
    """A named person ends the attempts. Does not open anything."""

    wanted: str
    reason: str


Instruction = Acknowledge | Reset | CloseValve | CancelClose
LinkEvent = (
    Connected
    | AttemptSent
    | AttemptFailed
    | AttemptAcknowledged
    | Replied
    | LinkDown
    | LinkUp
    | SessionLost
    | ReadingsMissing
    | ReadingsComplete
)
Event = LinkEvent | Instruction | Paused | Listening | Resumed | RegistryChanged | RulesChanged


# ---- outputs --------------------------------------------------------------------------------------------------------


class _Decision(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    at: int


class AlarmRaised(_Decision, frozen=True, tag="alarm_raised"):
    """A new alarm. `onset` is effective time, frozen. `late`: raised by a late alarm bit; people are told, no valve
    moves (G10)."""

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


class Change(StrEnum):
    ACKNOWLEDGED = "acknowledged"
    RETURNED = "returned"
    REALARMED = "re-alarmed"
    RESET = "reset"
    #: Its rule or its device is no longer there.
    REMOVED = "removed"
    #: Its state is what it was; its note, or what is expected, is another now.
    NOTED = "noted"


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


class AttemptRequested(_Decision, frozen=True, tag="attempt_requested"):
    """One CLOSE to send now. Never sent on replay; never run by the device after `expires` (G8)."""

    command: str
    wanted: str
    device_no: int
    epoch: int
    attempt: int
    expires: int
    reason: str


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


class WantedEnded(_Decision, frozen=True, tag="wanted_ended"):
    """Attempts stop: the valve was seen closed, or cannot be seen, or a named person cancelled."""

    wanted: str
    device_no: int
    outcome: Outcome
    by: str = ""
    comment: str = ""


class Answered(_Decision, frozen=True, tag="answered"):
    """What became of an instruction. `reason` says why one was refused."""

    id: str
    accepted: bool
    reason: str = ""
    #: The alarm or wanted position it was about.
    subject: str = ""


Decision = AlarmRaised | AlarmChanged | CloseWanted | AttemptRequested | CommandStepped | WantedEnded | Answered


def alarm_id(rule: str, device_no: int, onset: int) -> str:
    """The id of an alarm: the same rule, subject and onset give the same id, whoever computes it."""
    return _digest(f"alarm|{rule}|{device_no}|{onset}")


def wanted_id(device_no: int, epoch: int) -> str:
    return _digest(f"wanted|{device_no}|{epoch}")


def command_id(wanted: str, attempt: int) -> str:
    return _digest(f"command|{wanted}|{attempt}")


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
