"""What a rule document says, as frozen types: rules, whom they look at, when, and other numbers for some devices.

Nothing here reads or checks a document: rules/documents/document.py does, and a value of these types that came from
there is sound. The comments beside the fields are also what docs/rule-pack.schema.json says of them.
"""

from enum import StrEnum

import msgspec

from devices.classes import Group
from devices.models import DeviceKind, Tier
from rules.decisions import Priority
from rules.language.tree import Parsed


class Kind(StrEnum):
    """What makes a rule's condition true. MEASURED: a limit, an expression or a device flag. QUALITY: a gas quantity
    that cannot be believed (out of range, sensor fault, sentinel) or a device flag. SILENCE: nothing received for three
    report intervals. UNCONFIRMED, NO_VALVE, REOPENED and ASLEEP speak of a closing: not seen within its deadline, no
    valve to close, opened again, and wanted of a valve that sleeps. LINK_DOWN, SESSION_LOST and MISSING speak of the
    way in: a gateway or broker that cannot be reached, a broker that forgot us, numbers that never came."""

    MEASURED = "measured"
    QUALITY = "quality"
    SILENCE = "silence"
    UNCONFIRMED = "unconfirmed"
    NO_VALVE = "no_valve"
    REOPENED = "reopened"
    ASLEEP = "asleep"
    LINK_DOWN = "link_down"
    SESSION_LOST = "session_lost"
    MISSING = "missing"
    #: So many devices of a group are silent at once: stands at the first device of the group.
    OUTAGE = "outage"
    #: The budget of a rule holds shut-offs back (G13): stands at the first detector whose shut-off waits.
    HELD = "held"
    #: A rule was taken back to a dry run by itself: stands at the last detector it was raised at.
    REVERTED = "reverted"
    #: A reading on site reached the limit (seed 003, 9.2.3): stands at the device of the incident's first alarm.
    FIELD = "field"


class RuleState(StrEnum):
    """DRAFT is judged by nobody. DRY_RUN is judged, and what it would do is recorded: nobody is told, nothing moves.
    CANARY is active at some sites and a dry run at the others."""

    DRAFT = "draft"
    DRY_RUN = "dry_run"
    CANARY = "canary"
    ACTIVE = "active"


class Action(StrEnum):
    """What else an alarm does. CLOSE wants every shut-off valve closed that is linked to the detector or stands in its
    row of the matrix; FAN_ON wants the fans of that row to run. No action opens anything."""

    NONE = "none"
    CLOSE = "close"
    FAN_ON = "fan_on"
    CLOSE_AND_FAN = "close_and_fan"

    @property
    def closes(self) -> bool:
        return self in (Action.CLOSE, Action.CLOSE_AND_FAN)

    @property
    def ventilates(self) -> bool:
        return self in (Action.FAN_ON, Action.CLOSE_AND_FAN)


class Title(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What people read, in the two languages every rule must have."""

    zh: str
    en: str


class Selection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which devices, besides `applies_to`: every key that is given must fit, by one of its values. `areas`: codes, each
    standing for all that begin with it. `measures`: the model says it reports one of these quantities."""

    models: tuple[str, ...] = ()
    tiers: tuple[Tier, ...] = ()
    measures: tuple[str, ...] = ()
    enterprises: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    site_classes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a rule looks: on these days from `from_` until `until` (HH:MM; past midnight when it is not later), local
    time of `timezone` (IANA), or of the site when it is empty. Outside its condition is false."""

    from_: str = msgspec.field(name="from")
    until: str
    days: tuple[str, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    timezone: str = ""


class Escalation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """While `when` is true the alarm has at least this priority; it does not sink while the alarm is active."""

    when: str
    priority: Priority


class Budget(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So many shut-offs that software judged may leave within `per_s`: `least`, or `share_pct` of the fleet's shut-off
    valves if that is more. Source: product choice (design G13)."""

    least: int = 5
    share_pct: float = 0.1
    per_s: float = 600.0


class Override(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Other numbers of one rule for some devices. The last one in the document that fits a device holds. `numbers` as
    in the rule; the rest as the rule's keys."""

    rule: str
    only: Selection
    #: Why: a standard and clause, or "product choice".
    source: str
    numbers: dict[str, str] = {}
    at_or_above: float | None = None
    clear_below: float | None = None
    at_or_below: float | None = None
    clear_above: float | None = None
    hold_s: float | None = None
    clear_hold_s: float | None = None


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule. Limits are in the quantity's unit and are compared as 4-byte floats, as readings are kept."""

    #: `[a-z0-9-]{1,40}`, unique in its pack. A rule that keeps its id over a change keeps its alarms and timers.
    id: str
    title: Title
    priority: Priority
    #: The standard and clause the numbers come from, or "product choice".
    source: str
    kind: Kind = Kind.MEASURED
    #: Empty: every kind of device.
    applies_to: tuple[DeviceKind, ...] = ()
    #: A canonical name; only with a limit.
    quantity: str = ""
    #: True at and above; false below `clear_below`; between the two, whatever it was (hysteresis).
    at_or_above: float | None = None
    clear_below: float | None = None
    #: The mirror image, for what is dangerous when it falls.
    at_or_below: float | None = None
    clear_above: float | None = None
    #: Lower-case names of device flags. One that is set makes the condition true at once: it waits for no hold.
    flags: tuple[str, ...] = ()
    #: How long a limit (or a bad quality) must last before it is an alarm, and how long its absence before it is over.
    hold_s: float = 0.0
    clear_hold_s: float = 0.0
    #: A latched alarm waits for a person's reset after its condition is gone.
    latch: bool = False
    action: Action = Action.NONE
    only: Selection = Selection()
    #: Instead of a limit: an expression (docs/RULES.md). `clear_condition` empty: the condition is false.
    condition: str = ""
    clear_condition: str = ""
    #: Numbers with units ("20 %LEL") by the names that expressions call them by.
    numbers: dict[str, str] = {}
    escalate: tuple[Escalation, ...] = ()
    schedule: Schedule | None = None
    #: Ids of rules; while an alarm of one of them stands at this device, at its gateway or for its group, this rule's
    #: alarms are suppressed by design. Never of a critical gas alarm.
    suppressed_by: tuple[str, ...] = ()
    #: What sort of notice it is: a word of `[a-z_]{1,20}` for whoever tells people.
    notify: str = ""
    state: RuleState = RuleState.ACTIVE
    #: Of a canary: at so many percent of the sites it is active.
    canary_pct: float = 0.0
    budget: Budget = Budget()
    #: Of OUTAGE: what is counted together, how many at least, and which share of those that should be heard.
    group: Group | None = None
    least: int = 0
    share_pct: float = 0.0


class RulePack(msgspec.Struct, frozen=True):
    """Rules in document order. `name` is where they came from; `version` is the author's."""

    name: str
    version: str
    rules: tuple[Rule, ...]
    overrides: tuple[Override, ...] = ()
    #: The expressions of each rule, in the rules' order; shorter: the rest have none.
    parsed: tuple[Parsed, ...] = ()
