"""The words of the naive reference: what a condition says of one reading, and the records it keeps."""

from dataclasses import dataclass, field

import numpy as np

from devices.commands import Verb
from devices.quantities import ALARM_FLAGS, GAS_QUANTITIES, Flag, Quality, quality_shift
from devices.readings import Rows
from rules.decisions import AlarmState, Priority
from rules.documents.document import Kind, Rule

S = AlarmState
TRUE, FALSE, UNKNOWN = 1, 0, -1
SECOND = 1_000_000
MINUTE = 60 * SECOND
NEVER = 1 << 62
PAUSES_S = (1, 2, 4, 8, 15)
BROKEN = (Quality.OUT_OF_RANGE, Quality.SENSOR_FAULT, Quality.SENTINEL)
UNSURE = (Quality.WARM_UP, Quality.INHIBITED, Quality.STALE)


@dataclass
class Cell:
    """One rule at one device. since, due: a running hold (or clear hold, when active), or None."""

    state: AlarmState = S.NORMAL
    since: int | None = None
    due: int | None = None
    alarm: str = ""
    onset: int = 0
    note: str = ""
    expected: int = 0
    #: When note and expected were last told; whether they are others now.
    told: int = 0
    unsaid: bool = False
    priority: Priority = Priority.LOW
    trial: bool = False
    incident: str = ""
    #: The alarm bits of the device itself that say so.
    bit: int = 0
    resolution: str = ""
    value: float | None = None
    #: The worst that was said since its hold began, of a rule that acts; while one runs.
    worst: float | None = None
    #: The value it was raised with the last time.
    ranked: float | None = None
    #: In what order alarms were raised.
    serial: int = 0
    #: What was told last: the state that is shown, and until when.
    shows: tuple[AlarmState, int] = (S.NORMAL, 0)

    @property
    def active(self) -> bool:
        return self.state in (S.UNACKNOWLEDGED, S.ACKNOWLEDGED)


@dataclass
class Shelved:
    until: int
    by: str
    alarm: str
    priority: Priority


@dataclass
class Service:
    until: int
    by: str


@dataclass
class Try:
    command: str
    expires: int
    sent: bool = False
    over: bool = False
    #: Over so long ago that nobody is listened to who still speaks of it.
    forgotten: bool = False


@dataclass
class Want:
    wanted: str
    slot: int
    epoch: int
    reason: str
    alarm: str
    since: int
    confirm_by: int
    tries: list[Try] = field(default_factory=list)
    next_try: int = 0
    tried_at: int = 0
    verb: Verb = Verb.CLOSE
    by: str = ""
    first_sent: int | None = None
    unconfirmed_told: bool = False
    #: Attempts since a valve that sleeps was last awake.
    unheard: int = 0


def mask(rule: Rule) -> int:
    return sum(Flag[name.upper()] for name in rule.flags)


def condition(rule: Rule, row: Rows, *, by_flags: bool = False) -> tuple[bool, int, int]:
    """At once, raised, cleared. by_flags: it has only the device's flags to look at."""
    flags, quality = int(row["flags"][0]), int(row["quality"][0])
    if flags & mask(rule):
        return True, TRUE, FALSE
    if flags & Flag.STALE:
        return False, UNKNOWN, UNKNOWN

    def of(name: str) -> Quality:
        return Quality((quality >> quality_shift(name)) & 15)

    if rule.kind is Kind.QUALITY:
        found = [of(name) for name in GAS_QUANTITIES]
        if any(quality in BROKEN for quality in found):
            return False, TRUE, FALSE
        if any(quality in UNSURE for quality in found):
            return False, UNKNOWN, UNKNOWN
        return False, FALSE, TRUE
    if not rule.quantity or by_flags:
        blind = mask(rule) & ALARM_FLAGS and flags & (Flag.WARM_UP | Flag.INHIBIT | Flag.FAULT)
        return False, FALSE, UNKNOWN if blind else TRUE
    value = np.float32(row[rule.quantity][0])
    if np.isnan(value) or of(rule.quantity) is not Quality.GOOD:
        return False, UNKNOWN, UNKNOWN
    if rule.at_or_above is not None and rule.clear_below is not None:
        return False, int(value >= np.float32(rule.at_or_above)), int(value < np.float32(rule.clear_below))
    assert rule.at_or_below is not None
    assert rule.clear_above is not None
    return False, int(value <= np.float32(rule.at_or_below)), int(value > np.float32(rule.clear_above))
