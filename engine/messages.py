"""What is said through the door: requests to the engine and its answers, as msgpack, each behind a 4-byte length.

Every request carries a `request` number chosen by the client; the answer repeats it. `Follow` is answered by a stream
of `FeedEvent`s that ends only with the connection.
"""

import msgspec

from access.ownership import Owner
from engine.records import SourceCount
from engine.told import AlarmView as AlarmView
from engine.told import HeldView as HeldView
from engine.told import IncidentView as IncidentView
from engine.told import MarkView as MarkView
from engine.told import PermitView as PermitView
from engine.told import StepView as StepView
from engine.told import WantedView as WantedView
from rules.decisions import Decision
from rules.documents.document import Override, Rule
from rules.instructions import Instruction

#: The largest message either side takes. A registry of 100,000 devices is about 30 MiB.
MOST_MESSAGE_BYTES = 256 * 1024 * 1024


# ---- requests -------------------------------------------------------------------------------------------------------


class _Request(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    request: int


class Push(_Request, frozen=True):
    """Readings that came by HTTP. `identity` (`vendor/serial`) is whom they speak for; `principal` the device or
    gateway that signed in, `token_sha256` the token it signed in with (empty: with none): it is looked at again here.
    Answered by Pushed after the commit, Busy, or an Authenticated without identity: the token is good no longer."""

    principal: str
    identity: str
    payloads: tuple[bytes, ...]
    content_type: str
    #: Idempotency key: the same principal and key get the same answer again. Empty: none.
    key: str = ""
    token_sha256: str = ""


class Instruct(_Request, frozen=True):
    """Answered by Instructed after the commit."""

    instruction: Instruction


class ListAlarms(_Request, frozen=True):
    """Alarms that are not NORMAL now: `alarm` one by its id, or empty for every one. Answered by Alarms."""

    alarm: str = ""


class ListWanted(_Request, frozen=True):
    """Wanted positions, newest first: `wanted` one by its id, or empty for all that are kept (every open one and the
    last 1,000 that ended). Answered by WantedList."""

    wanted: str = ""


class ListIncidents(_Request, frozen=True):
    """Incidents that nobody has closed yet: `incident` one by its id, or empty for every one. Answered by Incidents."""

    incident: str = ""


class ListPermits(_Request, frozen=True):
    """Permits that live (requested or granted): `permit` one by its id, or empty for every one. Answered by
    Permits."""

    permit: str = ""


class ListHeld(_Request, frozen=True):
    """Shut-offs that wait for a budget, or for their detector after a restore: those of `rule`, or empty for every
    one. Answered by HeldList."""

    rule: str = ""


class GetRules(_Request, frozen=True):
    """The rules in force. Answered by RulesInForce."""


class GetStatus(_Request, frozen=True):
    """Answered by Status."""


class Authenticate(_Request, frozen=True):
    """Does this token belong to this device, or to the gateway it is registered behind? (HTTP carries a token and no
    user name, so a gateway pushing for a device names only the device.) Answered by Authenticated, whose `identity`
    is whose token it is."""

    identity: str
    token: str


class FindDevice(_Request, frozen=True):
    """A device by its identity (`vendor/serial`), from the engine's own registry, so that a valve can be closed with
    PostgreSQL down. Answered by DeviceFound."""

    identity: str


class Follow(_Request, frozen=True):
    """The feed of decisions after (`cycle`, `n`), then live. `cycle` -1: from now on. Answered by FeedEvents, or
    FeedGone when the place asked for has been trimmed."""

    cycle: int = -1
    n: int = -1


class Passed(_Request, frozen=True):
    """A follower has made everything up to and including `cycle` durable on its side. Answered by Done."""

    follower: str
    cycle: int


class ReplaceRegistry(_Request, frozen=True):
    """A whole registry document, with its outbox number; an older number is answered Done and changes nothing.
    Answered by Done after the commit, or Failed naming every fault."""

    number: int
    body: bytes


class ChangeRegistry(_Request, frozen=True):
    """A change of the registry (devices.sites.RegistryChange), with its outbox number and the number of the registry
    that it stands on. Answered by Done after the commit (at once when the number is not new), by Stands when the
    engine's registry is another than `base`, or Failed naming every fault."""

    number: int
    base: int
    body: bytes


class ReplaceRules(_Request, frozen=True):
    """A whole rule pack as TOML. Answered by Done after the commit, or Failed naming place and reason."""

    by: str
    body: bytes


Request = (
    Push
    | Instruct
    | ListAlarms
    | ListWanted
    | ListIncidents
    | ListPermits
    | ListHeld
    | GetRules
    | GetStatus
    | Authenticate
    | FindDevice
    | Follow
    | Passed
    | ReplaceRegistry
    | ChangeRegistry
    | ReplaceRules
)


# ---- answers --------------------------------------------------------------------------------------------------------


class _Answer(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    request: int


class Pushed(_Answer, frozen=True):
    """Readings of this push: on disk, known already, put in quarantine."""

    stored: int
    duplicate: int
    quarantined: int


class Busy(_Answer, frozen=True):
    """The store is in its reserve, or too much is waiting: try again after so many seconds."""

    retry_after_s: int
    reason: str


class Instructed(_Answer, frozen=True):
    accepted: bool
    reason: str
    subject: str


class Alarms(_Answer, frozen=True):
    """`as_of` is the cycle these are true for: follow the feed after it and nothing is missed."""

    as_of: int
    alarms: tuple[AlarmView, ...]


class WantedList(_Answer, frozen=True):
    as_of: int
    wanted: tuple[WantedView, ...]


class Incidents(_Answer, frozen=True):
    as_of: int
    incidents: tuple[IncidentView, ...]


class Permits(_Answer, frozen=True):
    as_of: int
    permits: tuple[PermitView, ...]


class HeldList(_Answer, frozen=True):
    as_of: int
    held: tuple[HeldView, ...]


class RulesInForce(_Answer, frozen=True):
    """The pack that judges now. `sha256` names its document, empty for the rules a new engine starts with. `reverted`:
    rules that were taken back to a dry run, each with the reason. `alarms`: how many of each rule are open."""

    as_of: int
    sha256: str
    version: str
    rules: tuple[Rule, ...]
    overrides: tuple[Override, ...]
    reverted: dict[str, str]
    alarms: dict[str, int]


class Status(_Answer, frozen=True):
    """The engine's own figures. `gauges` are named for /metrics (`davy_` is put before them)."""

    engine: str
    cycle: int
    now: int
    devices: int
    registry_number: int
    counts: tuple[SourceCount, ...]
    followers: dict[str, int]
    gauges: dict[str, float]


class Authenticated(_Answer, frozen=True):
    """`identity` empty: no. `may_publish_for`: the device itself and those behind it."""

    identity: str
    may_publish_for: tuple[str, ...] = ()


class DeviceFound(_Answer, frozen=True):
    """`device_no` 0: there is no such device. `commandable`: it is a shut-off valve and takes CLOSE."""

    device_no: int
    identity: str = ""
    kind: str = ""
    model: str = ""
    site: str = ""
    simulated: bool = False
    commandable: bool = False
    owner: Owner = Owner()


class FeedEvent(_Answer, frozen=True):
    """`identity` is `vendor/serial` of the decision's device, empty where it has none or the device is gone. `owners`:
    whose it is; several of an incident, none of what is about rules or an instruction."""

    engine: str
    cycle: int
    n: int
    decision: Decision
    identity: str = ""
    owners: tuple[Owner, ...] = ()

    @property
    def owner(self) -> Owner:
        """Whose it is, of what has one owner; nobody's (the platform's) of what has none."""
        return self.owners[0] if self.owners else Owner()

    @property
    def id(self) -> str:
        return f"{self.engine}:{self.cycle}:{self.n}"


class FeedGone(_Answer, frozen=True):
    """The feed cannot resume there: read the alarms anew and follow from their `as_of`."""

    oldest: int


class Done(_Answer, frozen=True):
    cycle: int


class Stands(_Answer, frozen=True):
    """The change does not fit: the engine's registry is `number`. Nothing was done; offer it whole."""

    number: int


class Failed(_Answer, frozen=True):
    """The request was understood and refused; place, reason and remedy in words."""

    reason: str


Answer = (
    Pushed
    | Busy
    | Instructed
    | Alarms
    | WantedList
    | Incidents
    | Permits
    | HeldList
    | RulesInForce
    | Status
    | Authenticated
    | DeviceFound
    | FeedEvent
    | FeedGone
    | Done
    | Stands
    | Failed
)
