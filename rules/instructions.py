"""What people may tell the engine. Frozen, journaled, answered once by id. Times are microseconds since 1970 UTC.

The `type` field of the encoded form names the struct, so that the feed, the journal and the API speak of the same
thing.
"""

from enum import StrEnum

import msgspec


class Input(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    at: int


class _Instruction(Input, frozen=True, kw_only=True):
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


class Shelve(_Instruction, frozen=True, tag="shelve"):
    """Take an alarm out of the list until `until`, for a reason. `role`: what the person is at this site, as the API
    knows it (`resident`, `operator`, ...): a resident cannot shelve high gas or carbon monoxide."""

    alarm: str
    until: int
    reason: str
    role: str


class Unshelve(_Instruction, frozen=True, tag="unshelve"):
    alarm: str


class TakeOutOfService(_Instruction, frozen=True, tag="take_out_of_service"):
    """A device is being worked on until `until`: its alarms are tracked and shown apart, and close nothing, save its
    own high alarm bit, which always does."""

    device_no: int
    until: int
    reason: str


class ReturnToService(_Instruction, frozen=True, tag="return_to_service"):
    device_no: int


class Comment(_Instruction, frozen=True, tag="comment"):
    """`subject`: an alarm or an incident."""

    subject: str
    text: str


class Resolution(StrEnum):
    """What an alarm was, as found by a person."""

    REAL = "real"
    FALSE = "false"
    TEST = "test"
    MAINTENANCE = "maintenance"


class Resolve(_Instruction, frozen=True, tag="resolve"):
    """Says what the alarm was. Changes no state: acknowledging and resetting are other instructions."""

    alarm: str
    resolution: Resolution
    comment: str = ""


class Dispatched(_Instruction, frozen=True, tag="dispatched"):
    incident: str
    #: Who was sent: a name, a crew.
    crew: str
    comment: str = ""


class Arrived(_Instruction, frozen=True, tag="arrived"):
    incident: str
    comment: str = ""


class FieldReading(_Instruction, frozen=True, tag="field_reading"):
    """What somebody measured on site with a hand-held instrument. At and above the limit of the rule of kind `field` it
    opens the four steps."""

    incident: str
    quantity: str
    value: float
    place: str = ""


class FieldStep(StrEnum):
    """The four steps at 20 %LEL and more on site. Source: seed 003, 9.2.3."""

    EVACUATE = "evacuate"
    CORDON = "cordon"
    CLOSE_UPSTREAM = "close_upstream"
    VENT = "vent"


class StepDone(_Instruction, frozen=True, tag="step_done"):
    incident: str
    step: FieldStep
    comment: str = ""


class CloseIncident(_Instruction, frozen=True, tag="close_incident"):
    """Only when none of its alarms is active and none of its steps is left."""

    incident: str
    resolution: Resolution
    comment: str = ""


class RequestPermit(_Instruction, frozen=True, tag="request_permit"):
    """The first of two people: this valve may be opened on site again."""

    device_no: int
    reason: str


class ApprovePermit(_Instruction, frozen=True, tag="approve_permit"):
    """The second of two people, who is not the first."""

    permit: str


class WithdrawPermit(_Instruction, frozen=True, tag="withdraw_permit"):
    permit: str
    reason: str


class CompletePermit(_Instruction, frozen=True, tag="complete_permit"):
    """On site: the valve was opened by hand, after this was measured (%LEL at the appliance)."""

    permit: str
    combustible_lel: float
    comment: str = ""


class ReleaseHeld(_Instruction, frozen=True, tag="release_held"):
    """Send shut-offs that the budget of `rule` holds: of this valve, or of all (device_no 0)."""

    rule: str
    device_no: int = 0


class VetoHeld(_Instruction, frozen=True, tag="veto_held"):
    """Do not send them: of this valve, or of all (device_no 0)."""

    rule: str
    reason: str
    device_no: int = 0


Instruction = (
    Acknowledge
    | Reset
    | CloseValve
    | CancelClose
    | Shelve
    | Unshelve
    | TakeOutOfService
    | ReturnToService
    | Comment
    | Resolve
    | Dispatched
    | Arrived
    | FieldReading
    | StepDone
    | CloseIncident
    | RequestPermit
    | ApprovePermit
    | WithdrawPermit
    | CompletePermit
    | ReleaseHeld
    | VetoHeld
)
