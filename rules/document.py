"""A rule pack: TOML in, frozen rules out, and every fault named with its place before a rule can judge anything.

1. A pack that loads is complete: each rule has all the numbers its kind needs, and none that its kind would ignore.
2. No number is NaN or infinite, no limit lies outside what its quantity can physically be, no hysteresis is inverted.
3. Only a rule about a detector's own readings may close a valve, and a pack that closes valves also holds the rules
   that say when a closing failed, had no valve, was undone, or must wait for a valve to wake.
"""

import re
import tomllib
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from devices.classes import Group
from devices.models import DeviceKind, Tier
from devices.quantities import DEVICE_FLAGS, QUANTITIES, QUANTITY_NAMES, Flag
from rules.decisions import Priority
from rules.tree import Parsed

#: A set of rules fits a signed 64-bit word.
MOST_RULES = 63
#: A condition that must last longer than a day is a matter for a report, not for an alarm (product choice).
LONGEST_HOLD_S = 86_400.0
#: What a rule may listen to: all a device may say of itself, save BACKFILL, which is about the delivery.
RULE_FLAGS: tuple[str, ...] = tuple((flag.name or "").lower() for flag in DEVICE_FLAGS if flag != Flag.BACKFILL)


class Kind(StrEnum):
    """What makes a rule's condition true. MEASURED: a limit or a device flag. QUALITY: a gas quantity that cannot be
    believed (out of range, sensor fault, sentinel) or a device flag. SILENCE: nothing received for three report
    intervals. UNCONFIRMED, NO_VALVE, REOPENED and ASLEEP speak of a closing: not seen within its deadline, no valve to
    close, opened again, and wanted of a valve that sleeps. LINK_DOWN, SESSION_LOST and MISSING speak of the way in: a
    gateway or broker that cannot be reached, a broker that forgot us, numbers that never came."""

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
    """What else an alarm does. CLOSE wants every shut-off valve linked to the detector closed."""

    NONE = "none"
    CLOSE = "close"
    #: Fans run; what a row of the matrix names.
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


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    rule: list[dict[str, Any]]


#: A fault of one rule: the key it is about (or empty), and the reason.
_Fault = tuple[str, str]

_ID = re.compile(r"[a-z0-9-]{1,40}\Z")
_PRIORITIES = {priority.name.lower(): priority for priority in Priority}
_LIMITS = ("at_or_above", "clear_below", "at_or_below", "clear_above")
#: What each kind makes use of; anything else set on it would be silently ignored, so it is refused.
_USES: dict[Kind, frozenset[str]] = {
    Kind.MEASURED: frozenset(
        {"applies_to", "quantity", *_LIMITS, "flags", "hold_s", "clear_hold_s", "latch", "action"}
    ),
    Kind.QUALITY: frozenset({"applies_to", "flags", "hold_s", "clear_hold_s", "latch"}),
    Kind.SILENCE: frozenset({"applies_to"}),
    Kind.UNCONFIRMED: frozenset(),
    Kind.NO_VALVE: frozenset(),
    Kind.REOPENED: frozenset(),
    Kind.ASLEEP: frozenset(),
    Kind.LINK_DOWN: frozenset(),
    Kind.SESSION_LOST: frozenset(),
    Kind.MISSING: frozenset(),
    Kind.OUTAGE: frozenset({"group", "least", "share_pct"}),
    Kind.HELD: frozenset(),
    Kind.REVERTED: frozenset(),
    Kind.FIELD: frozenset({"quantity", "at_or_above"}),
}
_DEFAULTS: dict[str, object] = {field.name: field.default for field in msgspec.structs.fields(Rule)}
#: What a pack that closes valves must hold. One that was in force before a kind was known did not have to: see `kept`.
_OF_A_CLOSING = (Kind.UNCONFIRMED, Kind.NO_VALVE, Kind.REOPENED, Kind.ASLEEP)
_LATER_REQUIRED = (Kind.ASLEEP,)
#: Without one of these their event is journaled, and is nobody's alarm.
_OF_THE_WAY_IN = (Kind.LINK_DOWN, Kind.SESSION_LOST, Kind.MISSING)


def default_pack() -> bytes:
    """The pack a new installation starts with, as the TOML it is."""
    return (Path(__file__).parent / "packs" / "default.toml").read_bytes()


def load_pack(body: bytes, name: str, *, kept: bool = False) -> RulePack:
    """The rules in a TOML document. `name` is its file's name, for people. `kept`: the pack is in force already, in a
    log that an older Davy may have written, so it need not hold the kinds of rule that are required since: an engine
    must come up again with the rules it had (G3).

    Raises ValueError with one line per fault: `name:line: rule 'id': key: reason`, as much of it as can be known."""
    try:
        text = body.decode("utf-8")
        document = msgspec.convert(tomllib.loads(text), _Document)
    except UnicodeDecodeError as wrong:
        raise ValueError(f"{name}: not UTF-8 at byte {wrong.start}") from wrong
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as wrong:
        raise ValueError(f"{name}: {wrong}") from wrong
    lines = _rule_lines(text, len(document.rule))
    rules: list[Rule] = []
    faults: list[str] = []
    for index, fields in enumerate(document.rule):
        rule, wrong_fields = _convert(fields)
        if rule is not None:
            rules.append(rule)
        called = f"rule {fields['id']!r}" if isinstance(fields.get("id"), str) else f"rule number {index + 1}"
        for key, reason in wrong_fields:
            faults.append(": ".join(part for part in (_place(name, lines, index, key), called, key, reason) if part))
    if len(rules) == len(document.rule):
        faults += [f"{name}: {reason}" for reason in _pack_faults(rules, kept=kept)]
    if faults:
        raise ValueError("\n".join(faults))
    return RulePack(name, document.version, tuple(rules))


def _convert(fields: dict[str, Any]) -> tuple[Rule | None, list[_Fault]]:
    """The rule, or None, and what is wrong with it."""
    word = fields.get("priority")
    if word is not None and not (isinstance(word, str) and word in _PRIORITIES):
        return None, [("priority", f"{word!r} is not one of {', '.join(_PRIORITIES)}")]
    try:
        rule = msgspec.convert(fields if word is None else fields | {"priority": _PRIORITIES[word]}, Rule)
    except msgspec.ValidationError as wrong:
        reason, _, path = str(wrong).partition(" - at `$.")
        return None, [(path.rstrip("`"), reason)]
    return rule, list(_rule_faults(rule))


def _rule_faults(rule: Rule) -> Iterator[_Fault]:
    if not _ID.match(rule.id):
        yield "id", "must be 1 to 40 of a-z 0-9 -"
    for key, text in (("title.zh", rule.title.zh), ("title.en", rule.title.en), ("source", rule.source)):
        if not text.strip():
            yield key, "is empty" + ("; a standard and its clause, or 'product choice'" if key == "source" else "")
    for key in sorted(_USES[Kind.MEASURED] - _USES[rule.kind]):
        if getattr(rule, key) != _DEFAULTS[key]:
            yield key, f"a rule of kind {rule.kind} makes no use of it"
    for flag in rule.flags:
        if flag not in RULE_FLAGS:
            yield "flags", f"{flag!r} is not one of {', '.join(RULE_FLAGS)}"
    for key in ("hold_s", "clear_hold_s"):
        if not 0 <= getattr(rule, key) <= LONGEST_HOLD_S:  # also refuses NaN
            yield key, f"must be 0 to {LONGEST_HOLD_S:.0f} seconds"
    if rule.kind is Kind.MEASURED:
        yield from _limit_faults(rule)
    if rule.action is Action.CLOSE and rule.applies_to != (DeviceKind.DETECTOR,):
        yield "action", 'only a rule with applies_to = ["detector"] may close valves'


def _limit_faults(rule: Rule) -> Iterator[_Fault]:
    given = [key for key in _LIMITS if getattr(rule, key) is not None]
    if not given:
        if not rule.flags:
            yield "", "needs a limit (at_or_above or at_or_below) or flags"
        if rule.quantity:
            yield "quantity", "is named without a limit"
        if rule.hold_s:
            yield "hold_s", "has no limit to hold: flags are true at once"
        return
    if rule.quantity not in QUANTITY_NAMES:
        yield "quantity", f"{rule.quantity!r} is not one of {', '.join(QUANTITY_NAMES)}"
        return
    quantity = QUANTITIES[QUANTITY_NAMES.index(rule.quantity)]
    for key in given:
        if not quantity.lowest <= getattr(rule, key) <= quantity.highest:  # also refuses NaN and the infinities
            yield key, f"must be {quantity.lowest:g} to {quantity.highest:g} {quantity.unit}"
            return
    yield from _hysteresis_faults(rule)


def _hysteresis_faults(rule: Rule) -> Iterator[_Fault]:
    rising = (rule.at_or_above, rule.clear_below)
    falling = (rule.at_or_below, rule.clear_above)
    if rising != (None, None) and falling != (None, None):
        yield "at_or_below", "one rule has one limit: rising or falling"
        return
    for (limit, clear), limit_key, clear_key in (
        (rising, "at_or_above", "clear_below"),
        (falling, "at_or_below", "clear_above"),
    ):
        if limit is None and clear is not None:
            yield clear_key, f"needs {limit_key}"
        if limit is not None and clear is None:
            yield limit_key, f"needs {clear_key} (the hysteresis)"
        if limit is None or clear is None:
            continue
        if (clear > limit) if limit_key == "at_or_above" else (clear < limit):
            yield clear_key, f"{clear:g} is on the wrong side of {limit:g}: the alarm would clear while it is true"


def _pack_faults(rules: Sequence[Rule], *, kept: bool) -> Iterator[str]:
    if len(rules) > MOST_RULES:
        yield f"{len(rules)} rules; a pack has at most {MOST_RULES}"
    ids = [rule.id for rule in rules]
    for twice in sorted({rule_id for rule_id in ids if ids.count(rule_id) > 1}):
        yield f"rule {twice!r}: id: stands {ids.count(twice)} times; an id is one rule"
    closing = [rule.id for rule in rules if rule.action is Action.CLOSE]
    for kind in (*_OF_A_CLOSING, *_OF_THE_WAY_IN):
        of_kind = [rule.id for rule in rules if rule.kind is kind]
        if len(of_kind) > 1:
            yield f"rules {', '.join(of_kind)}: kind: a pack has at most one rule of kind {kind}"
        needed = kind in _OF_A_CLOSING and not (kept and kind in _LATER_REQUIRED)
        if closing and needed and not of_kind:
            yield f"no rule of kind {kind}, which a pack that closes valves (rule {closing[0]!r}) must have"


def _rule_lines(text: str, rules: int) -> list[tuple[int, list[str]]]:
    """Of each rule: the number (from 1) of its `[[rule]]` line, and the lines up to the next. Empty when the text is
    written in another way than one `[[rule]]` per rule, so that a wrong place is never named."""
    lines = text.splitlines()
    starts = [at for at, line in enumerate(lines) if re.match(r"\s*\[\[\s*rule\s*\]\]", line)]
    if len(starts) != rules:
        return []
    return [(at + 1, lines[at:end]) for at, end in zip(starts, [*starts[1:], len(lines)], strict=True)]


def _place(name: str, lines: list[tuple[int, list[str]]], index: int, key: str) -> str:
    """`name:line` of a rule's key, else of the rule, else only `name`."""
    if not lines:
        return name
    first, block = lines[index]
    key_line = re.compile(rf"\s*{re.escape(key.split('.')[0].split('[')[0])}\s*[.=]")
    offset = next((at for at, line in enumerate(block) if key and key_line.match(line)), 0)
    return f"{name}:{first + offset}"
