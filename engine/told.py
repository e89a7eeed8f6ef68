"""What is told of alarms, wanted positions, incidents, permits and shut-offs that wait: by the door as they stand, by
the database as they were last stored."""

import msgspec

from access.ownership import Owner
from devices.commands import Verb
from devices.quantities import ValvePosition
from rules.decisions import AlarmState, IncidentScope, Outcome, PermitState, Priority, Step
from rules.instructions import FieldStep


class AlarmView(msgspec.Struct, frozen=True):
    """An alarm as it stands. Times in microseconds UTC."""

    alarm: str
    rule: str
    device_no: int
    identity: str
    site: str
    priority: Priority
    state: AlarmState
    onset: int
    raised: int
    changed: int
    quantity: str
    value: float | None
    late: bool
    because: str
    acknowledged_by: str
    #: As of rules.decisions.AlarmRaised: plain words or empty; a time or 0.
    note: str = ""
    expected: int = 0
    trial: bool = False
    incident: str = ""
    #: A word of rules.instructions.Resolution, or empty.
    resolution: str = ""
    #: Until when it is shelved or out of service; 0: without a limit, or neither.
    until: int = 0
    #: What only the engine knows, None where it is not known: the state under what hides it; whether an alarm bit of
    #: the device itself raised it, then or since.
    true_state: AlarmState | None = None
    device_says: bool | None = None
    owner: Owner = Owner()


class StepView(msgspec.Struct, frozen=True):
    command: str
    attempt: int
    step: Step
    at: int
    note: str


class WantedView(msgspec.Struct, frozen=True):
    """One wanted position and every step of every attempt, in order. `outcome` empty: still wanted."""

    wanted: str
    device_no: int
    identity: str
    site: str
    epoch: int
    reason: str
    alarm: str
    by: str
    since: int
    confirm_by: int
    outcome: Outcome | None
    ended: int
    position: ValvePosition
    steps: tuple[StepView, ...]
    #: A valve that sleeps hears by then at the latest; 0: it hears at once.
    hears_by: int = 0
    #: CLOSE, or of a fan FAN_ON.
    verb: Verb = Verb.CLOSE
    owner: Owner = Owner()


class MarkView(msgspec.Struct, frozen=True):
    """One thing that somebody did or said about an incident; `what` is a word of IncidentChange."""

    at: int
    what: str
    by: str
    comment: str = ""
    quantity: str = ""
    value: float | None = None
    step: str = ""


class IncidentView(msgspec.Struct, frozen=True):
    """An incident as it stands. Times in microseconds UTC, 0: not yet. `device_no`, `identity`: where the first alarm
    stands. `alarms`: ids in the order they joined. `steps`: those of the four that are still to be done;
    `opened_steps`: when they were asked for. `over`: since when none of its alarms is active. `into`: the larger
    incident it is part of; `parts`: the smaller ones it is made of."""

    incident: str
    scope: IncidentScope
    key: str
    opened: int
    priority: Priority
    alarms: tuple[str, ...]
    device_no: int
    identity: str
    steps: tuple[FieldStep, ...] = ()
    opened_steps: int = 0
    over: int = 0
    into: str = ""
    parts: tuple[str, ...] = ()
    marks: tuple[MarkView, ...] = ()
    closed: int = 0
    closed_by: str = ""
    resolution: str = ""
    #: Of every site that it is about: one of a riser, a building or an area may be several parties' at once.
    owners: tuple[Owner, ...] = ()


class PermitView(msgspec.Struct, frozen=True):
    """A permit to open a valve on site. Times in microseconds UTC, 0: not yet. `ended`: completed, withdrawn or dead,
    by whom (empty: nobody), why."""

    permit: str
    device_no: int
    identity: str
    site: str
    state: PermitState
    requested: int
    requested_by: str
    reason: str
    epoch: int
    expires: int
    approved_by: str = ""
    granted: int = 0
    ended: int = 0
    ended_by: str = ""
    comment: str = ""
    #: Measured on site before it was completed.
    combustible_lel: float | None = None
    owner: Owner = Owner()


class HeldView(msgspec.Struct, frozen=True):
    """A shut-off that waits. `device_no`, `identity`, `site`: the valve's (or fan's); `detector`: whose alarm asks for
    it, `vendor/serial`. `value`: the worst the detector said, in the rule's unit. `unheard`: it waits for the detector
    to be heard after a restore, not for the budget."""

    rule: str
    device_no: int
    identity: str
    site: str
    detector: str
    alarm: str
    since: int
    value: float | None
    unheard: bool = False
    verb: Verb = Verb.CLOSE
    owner: Owner = Owner()
