"""What the engine is told besides readings: by links, by the cycle, by changes, by people (rules/instructions.py).

Frozen, journaled. Times are microseconds since 1970 UTC.
"""

from devices.quantities import ValvePosition
from rules.instructions import Input, Instruction


class Connected(Input, frozen=True, tag="connected"):
    """A valve can be reached again; a pending attempt is repeated at once."""

    device_no: int


class AttemptSent(Input, frozen=True, tag="attempt_sent"):
    """The attempt's bytes were handed to the valve's connection."""

    command: str


class AttemptFailed(Input, frozen=True, tag="attempt_failed"):
    """The attempt could not leave (no connection, or the link refused it)."""

    command: str
    reason: str


class AttemptAcknowledged(Input, frozen=True, tag="attempt_acknowledged"):
    """The device's transport has it (PUBACK). Says nothing of the valve (G7)."""

    command: str


class Replied(Input, frozen=True, tag="replied"):
    """The device answered a command, and says where its valve stands."""

    command: str
    device_no: int
    valve: ValvePosition


class Resumed(Input, frozen=True, tag="resumed"):
    """The engine was away for `down_us` (restarted, stopped, or its machine's clock leapt): that time is nobody's
    silence, and what came due in it happens once, now."""

    down_us: int


class Paused(Input, frozen=True, tag="paused"):
    """From now on the engine does not hear everybody (its store is in the reserve): that is nobody's silence either,
    until Listening."""


class Listening(Input, frozen=True, tag="listening"):
    """Everybody is heard again."""


class LinkDown(Input, frozen=True, tag="link_down"):
    """A gateway or a broker cannot be reached, so nobody behind it is heard."""

    device_no: int
    reason: str


class LinkUp(Input, frozen=True, tag="link_up"):
    device_no: int


class SessionLost(Input, frozen=True, tag="session_lost"):
    """A broker has forgotten our session: what it held for us may be gone."""

    device_no: int
    reason: str


class ReadingsMissing(Input, frozen=True, tag="readings_missing"):
    """Numbers of this device have been missing for longer than a link may take to bring them: `many` from `first`."""

    device_no: int
    boot: int
    first: int
    many: int


class ReadingsComplete(Input, frozen=True, tag="readings_complete"):
    """No number is missing any more. `lost`: so many never came, and the device no longer holds them."""

    device_no: int
    lost: int


class RegistryChanged(Input, frozen=True, tag="registry_changed"):
    """`sha256` names the document; its body stands in the store. `number` is the outbox number (0: none). `change`: the
    document is a change (devices.sites.RegistryChange) of the registry in force, not a whole registry."""

    sha256: str
    number: int = 0
    change: bool = False


class RulesChanged(Input, frozen=True, tag="rules_changed"):
    sha256: str
    by: str = ""


class Restored(Input, frozen=True, tag="restored"):
    """The engine's store was brought back from a copy: what it remembers may be hours old. Shut-offs that software
    judged wait until the detector was heard again; a device's own alarm and a person's CLOSE do not. `least_epoch`: no
    valve's epoch is lower from now on."""

    least_epoch: int = 0


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


Event = LinkEvent | Instruction | Paused | Listening | Resumed | Restored | RegistryChanged | RulesChanged
