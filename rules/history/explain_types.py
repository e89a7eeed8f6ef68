"""What an explanation says of one device and one time, rule by rule. Frozen: command, file and API say the same.

Times are microseconds since 1970 UTC.
"""

from enum import StrEnum

import msgspec

from rules.decisions import AlarmState, Priority
from rules.documents.document import Kind


class Says(StrEnum):
    """Three-valued, as conditions are."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


class Certainty(StrEnum):
    """AT_LEAST: some of it is not known; it is this or more."""

    EXACT = "exact"
    AT_LEAST = "at least"
    UNKNOWN = "unknown"


class Role(StrEnum):
    """Which of a rule's conditions a predicate stands in."""

    FLAG = "flag"
    CONDITION = "condition"
    CLEAR = "clear"
    ESCALATE = "escalate"


class Reason(StrEnum):
    """Why a rule is in the state it is in, as one word; sentences in explain_words."""

    DRAFT = "draft"
    OTHER_KIND = "other kind of device"
    NOT_SELECTED = "not selected"
    NOT_MEASURED = "not measured"
    OF_THE_ENGINE = "of the engine"
    GROUP_TOO_LARGE = "group too large"
    NOT_HEARD = "not heard"
    OUTSIDE_SCHEDULE = "outside schedule"
    NOT_TRUE = "condition is false"
    NOT_KNOWN = "condition is unknown"
    HOLDING = "holding"
    HELD_LATE = "late or stale"
    STANDS = "condition stands"
    BETWEEN = "between the limits"
    CLEAR_UNKNOWN = "clear condition is unknown"
    CLEARING = "clearing"
    RETURNED = "returned"
    LATCHED = "latched"
    SILENT = "silent"
    HEARD = "heard"


class Predicate(msgspec.Struct, frozen=True):
    """One comparison or test, as its author wrote it. `value` and `threshold` in `unit` (durations in seconds); None:
    unknown, or it has none. `named`: the threshold is no number of the text. `why`: why it is unknown, as in
    explain_words, or of a quality what it is."""

    role: Role
    text: str
    says: Says
    value: float | None = None
    certainty: Certainty = Certainty.UNKNOWN
    comparator: str = ""
    threshold: float | None = None
    unit: str = ""
    named: bool = False
    why: str = ""


class Running(msgspec.Struct, frozen=True):
    """A hold (`clearing`: a clear hold) that runs: since when (effective time), when it ends (received time), how much
    of it has passed, in seconds."""

    clearing: bool
    since: int
    due: int
    lasts_s: float
    passed_s: float


class Stood(msgspec.Struct, frozen=True):
    """An alarm as it was shown then, by what the engine wrote and not by what is recomputed: with what people did, what
    hid it and what was taken back. `at`, `change`, `by`, `comment`: its newest step by then."""

    alarm: str
    rule: str
    state: AlarmState
    priority: Priority
    trial: bool
    onset: int
    at: int
    change: str
    by: str
    comment: str


class Reverted(msgspec.Struct, frozen=True):
    """A rule that had taken itself back by then: its alarms were trials."""

    rule: str
    at: int
    what: str


class Written(msgspec.Struct, frozen=True):
    """What the engine wrote of a device's alarms, and of rules, as it was at a time."""

    stood: tuple[Stood, ...] = ()
    reverted: tuple[Reverted, ...] = ()


class RuleExplained(msgspec.Struct, frozen=True):
    """`raised`, `cleared`: what its conditions said at the device's last live reading. `state`: what is shown; `phase`:
    the true state. `alarm` empty: none is open. All these are recomputed from readings. `stood`: the alarm as it was
    shown then (None: none was, or nobody asked). `differs_zh`, `differs_en`: in what that is another, or empty.
    `older`: it may have begun before `onset`: it was so from the first reading that was looked at on."""

    rule: str
    title_zh: str
    title_en: str
    kind: Kind
    priority: Priority
    reason: Reason
    sentence_zh: str
    sentence_en: str
    raised: Says = Says.UNKNOWN
    cleared: Says = Says.UNKNOWN
    state: AlarmState = AlarmState.NORMAL
    phase: AlarmState = AlarmState.NORMAL
    alarm: str = ""
    onset: int = 0
    older: bool = False
    trial: bool = False
    running: Running | None = None
    predicates: tuple[Predicate, ...] = ()
    stood: Stood | None = None
    differs_zh: str = ""
    differs_en: str = ""


class Said(msgspec.Struct, frozen=True):
    """A reading as the rules saw it: values by quantity, None where its quality (beside it) is not good."""

    ts: int
    received: int
    values: dict[str, float | None]
    qualities: dict[str, str]
    flags: tuple[str, ...]
    valve: str
    valve_cause: str


class Turn(msgspec.Struct, frozen=True):
    """Something that became of an alarm of this device in the time looked at."""

    at: int
    rule: str
    what: str
    state: AlarmState


class Explained(msgspec.Struct, frozen=True):
    """`since`: history was looked at from there. `last`: the device's last reading that rules could see (neither late
    nor stale) by then; None: there was none. `heard`: when it was last heard at all; 0: not since `since`."""

    device_no: int
    identity: str
    model: str
    at: int
    since: int
    readings: int
    heard: int
    last: Said | None
    rules: tuple[RuleExplained, ...]
    turns: tuple[Turn, ...]
