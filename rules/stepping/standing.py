"""Records of what stands between inputs, besides alarms and wanted positions. Frozen; replaced when they change.

All name rules and alarms by id and devices by slot, so that a change of rules moves nothing here.
"""

import msgspec

from devices.commands import Verb
from rules.decisions import IncidentScope, PermitState, Priority
from rules.instructions import FieldStep


class Shelf(msgspec.Struct, frozen=True):
    """An alarm that a person took out of the list. It holds over a return and a re-alarm. `alarm`: the last one that
    it hid. `priority`: what that had; it does not hide one that is worse."""

    slot: int
    rule: str
    until: int
    by: str
    reason: str
    alarm: str = ""
    priority: Priority = Priority.CRITICAL


class OutOfService(msgspec.Struct, frozen=True):
    """`until` 0: until a person says so."""

    slot: int
    until: int
    by: str
    reason: str


class Suppression(msgspec.Struct, frozen=True):
    """`because`: ids of the alarms that explain this one, sorted; never empty."""

    slot: int
    rule: str
    because: tuple[str, ...]


class FieldMark(msgspec.Struct, frozen=True):
    """One thing somebody did or said about an incident."""

    at: int
    what: str
    by: str
    comment: str = ""
    quantity: str = ""
    value: float | None = None


class Incident(msgspec.Struct, frozen=True):
    """`alarms`: ids of all that belong to it, in the order they joined (the last MOST of them). `steps`: those of the
    four that are still to be done; `opened_steps`: they were asked for. `into`: the larger incident it is part of."""

    incident: str
    scope: IncidentScope
    key: str
    opened: int
    priority: Priority
    alarms: tuple[str, ...]
    #: Where the first alarm stands.
    slot: int
    steps: tuple[FieldStep, ...] = ()
    opened_steps: int = 0
    over: int = 0
    into: str = ""
    parts: tuple[str, ...] = ()
    marks: tuple[FieldMark, ...] = ()


class Permit(msgspec.Struct, frozen=True):
    permit: str
    slot: int
    device_no: int
    state: PermitState
    requested: int
    requested_by: str
    reason: str
    #: The epoch of the valve when it was requested; any newer CLOSE makes the permit dead.
    epoch: int
    expires: int
    approved_by: str = ""
    granted: int = 0


class Held(msgspec.Struct, frozen=True):
    """A shut-off that waits. `value`: the worst concentration its detector said since the alarm, in the rule's unit."""

    rule: str
    valve: int
    detector: int
    alarm: str
    since: int
    value: float
    #: Waits for its detector to be heard after a restore, not for the budget.
    unheard: bool = False
    #: Its closing was wanted already before that: it is wanted anew for an alarm that is latched by then, too. `alarm`
    #: may be over.
    again: bool = False
    verb: Verb = Verb.CLOSE


class Tokens(msgspec.Struct, frozen=True):
    """What the budget of a rule has spent, whatever its version: when each of the last shut-offs was released
    (microseconds UTC). `rule`: its id, followed by "|simulated" for the shut-offs of simulated devices, which are
    counted apart (G10). `window_us`: of the budget when it was last spent; 0 in snapshots of before this was kept."""

    rule: str
    released: tuple[int, ...] = ()
    window_us: int = 0


class Proving(msgspec.Struct, frozen=True):
    """A rule that came into force, or was edited, at `since`: at which devices (slots, ascending) software raised it
    since, and at how many at most it may. Not about simulated devices, unless the rule looks at no other. lasts_us: for
    how long (rules/interlock/proving.py); 0 in what an older Davy kept: ten minutes."""

    rule: str
    since: int
    most: int
    simulated: bool = False
    slots: tuple[int, ...] = ()
    lasts_us: int = 0


class Standing(msgspec.Struct, frozen=True):
    """All of them at rest, each sorted by its key."""

    shelves: tuple[Shelf, ...] = ()
    out_of_service: tuple[OutOfService, ...] = ()
    suppressions: tuple[Suppression, ...] = ()
    incidents: tuple[Incident, ...] = ()
    permits: tuple[Permit, ...] = ()
    held: tuple[Held, ...] = ()
    tokens: tuple[Tokens, ...] = ()
    #: Rule -> why it was taken back to a dry run.
    reverted: dict[str, str] = {}
    #: Slots of detectors not heard since the store was restored; empty: none waits.
    unheard: tuple[int, ...] = ()
    #: Rules that came into force a short while ago.
    proving: tuple[Proving, ...] = ()
