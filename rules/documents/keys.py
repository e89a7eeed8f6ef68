"""What is wrong with one rule, looked at by itself: keys its kind would ignore, numbers that cannot be, limits that
contradict each other. Expressions are looked at in rules/documents/expressions.py."""

import math
import re
from collections.abc import Iterator

import msgspec
import numpy as np

from devices.models import DeviceKind
from devices.quantities import DEVICE_FLAGS, QUANTITIES, QUANTITY_NAMES, Flag, Quantity
from rules.documents.faults import Fault
from rules.documents.schedule import DAYS, clock_us, is_zone
from rules.documents.types import Action, Kind, Rule, RuleState, Schedule, Selection

#: A condition that must last longer than a day is a matter for a report, not for an alarm (product choice).
LONGEST_HOLD_S = 86_400.0
#: Windows of a budget (product choice): below a minute it is none, above a day nobody waits for it.
SHORTEST_BUDGET_S, LONGEST_BUDGET_S = 60.0, 86_400.0
MOST_OF_A_BUDGET = 10_000
#: What a rule may listen to: all a device may say of itself, save BACKFILL, which is about the delivery.
RULE_FLAGS: tuple[str, ...] = tuple((flag.name or "").lower() for flag in DEVICE_FLAGS if flag != Flag.BACKFILL)
ALARM_FLAG_NAMES: frozenset[str] = frozenset({"low_alarm", "high_alarm", "co_alarm"})
RISING, FALLING = ("at_or_above", "clear_below"), ("at_or_below", "clear_above")
LIMITS: tuple[str, ...] = (*RISING, *FALLING)

_ID = re.compile(r"[a-z0-9-]{1,40}\Z")
_NOTICE = re.compile(r"[a-z_]{1,20}\Z")
_LOOKS = {"applies_to", "only"}
_TRIED = {"state", "canary_pct"}
_HOLDS = {"hold_s", "clear_hold_s", "latch"}
_EXPRESSIONS = {"condition", "clear_condition", "numbers", "escalate"}
_MEASURED = {"quantity", *LIMITS, "flags", "action", "budget", "schedule"}
_NOTIFIED = {"notify"}
_EXPLAINED = {"notify", "suppressed_by"}
#: What each kind makes use of; anything else set on it would be silently ignored, so it is refused.
USES: dict[Kind, frozenset[str]] = {
    kind: frozenset(keys)
    for kind, keys in {
        Kind.MEASURED: _LOOKS | _TRIED | _HOLDS | _EXPRESSIONS | _MEASURED | _EXPLAINED,
        Kind.QUALITY: _LOOKS | _TRIED | _HOLDS | {"flags", "numbers", "escalate", "schedule"} | _EXPLAINED,
        Kind.SILENCE: _LOOKS | _TRIED | _EXPLAINED,
        Kind.UNCONFIRMED: _NOTIFIED,
        Kind.NO_VALVE: _NOTIFIED,
        Kind.REOPENED: _NOTIFIED,
        Kind.ASLEEP: _NOTIFIED,
        Kind.LINK_DOWN: _EXPLAINED,
        Kind.SESSION_LOST: _EXPLAINED,
        Kind.MISSING: _EXPLAINED,
        Kind.OUTAGE: {"group", "least", "share_pct"} | _TRIED | _EXPLAINED,
        Kind.HELD: _NOTIFIED,
        Kind.REVERTED: _NOTIFIED,
        Kind.FIELD: {"quantity", "at_or_above"} | _NOTIFIED,
    }.items()
}
#: Of one rule each, whatever its kind.
_ALWAYS = frozenset({"id", "title", "priority", "source", "kind"})


def _default(field: msgspec.structs.FieldInfo) -> object:
    return field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default


_DEFAULTS: dict[str, object] = {field.name: _default(field) for field in msgspec.structs.fields(Rule)}


def rule_faults(rule: Rule) -> Iterator[Fault]:
    if not _ID.match(rule.id):
        yield Fault("id", "must be 1 to 40 of a-z 0-9 -")
    for key, text in (("title.zh", rule.title.zh), ("title.en", rule.title.en), ("source", rule.source)):
        if not text.strip():
            yield Fault(
                key, "is empty" + ("; a standard and its clause, or 'product choice'" if key == "source" else "")
            )
    for key in (key for key in _DEFAULTS if key not in USES[rule.kind] | _ALWAYS):
        if getattr(rule, key) != _DEFAULTS[key]:
            yield Fault(key, f"a rule of kind {rule.kind} makes no use of it")
    for flag in rule.flags:
        if flag not in RULE_FLAGS:
            yield Fault("flags", f"{flag!r} is not one of {', '.join(RULE_FLAGS)}")
    for key in ("hold_s", "clear_hold_s"):
        if not 0 <= getattr(rule, key) <= LONGEST_HOLD_S:  # also refuses NaN
            yield Fault(key, f"must be 0 to {LONGEST_HOLD_S:.0f} seconds")
    if rule.kind is Kind.MEASURED:
        yield from _measured_faults(rule)
    yield from _acting_faults(rule)
    yield from selection_faults(rule.only, "only")
    if rule.schedule is not None:
        yield from _schedule_faults(rule.schedule, rule)
    yield from _trial_faults(rule)
    if rule.notify and not _NOTICE.match(rule.notify):
        yield Fault("notify", "must be 1 to 20 of a-z _")
    if rule.kind is Kind.OUTAGE:
        yield from _outage_faults(rule)
    if rule.kind is Kind.FIELD:
        yield from _field_faults(rule)


def _measured_faults(rule: Rule) -> Iterator[Fault]:
    given = [key for key in LIMITS if getattr(rule, key) is not None]
    if rule.condition:
        for key in (*(["quantity"] if rule.quantity else []), *given):
            yield Fault(key, "a rule with a condition has no limit of its own; write it into the condition")
        return
    if rule.clear_condition:
        yield Fault("clear_condition", "needs a condition")
    if not given:
        if not rule.flags:
            yield Fault("", "needs a limit (at_or_above or at_or_below), a condition, or flags")
        if rule.quantity:
            yield Fault("quantity", "is named without a limit")
        if rule.hold_s:
            yield Fault("hold_s", "has no limit to hold: flags are true at once")
        return
    yield from limit_faults(rule, given)


def limit_faults(rule: Rule, given: list[str]) -> Iterator[Fault]:
    """Of the limits in the shorthand; `given`: the keys that are set."""
    quantity = next((one for one in QUANTITIES if one.name == rule.quantity), None)
    if quantity is None:
        yield Fault("quantity", f"{rule.quantity!r} is not one of {', '.join(QUANTITY_NAMES)}")
        return
    for key in given:
        if not quantity.lowest <= getattr(rule, key) <= quantity.highest:  # also refuses NaN and the infinities
            yield Fault(key, f"must be {quantity.lowest:g} to {quantity.highest:g} {quantity.unit}")
            return
    rising, falling = ([key for key in keys if key in given] for keys in (RISING, FALLING))
    if rising and falling:
        yield Fault("at_or_below", "one rule has one limit: rising or falling")
        return
    for limit_key, clear_key in (RISING, FALLING):
        limit, clear = getattr(rule, limit_key), getattr(rule, clear_key)
        if limit is None and clear is not None:
            yield Fault(clear_key, f"needs {limit_key}")
        if limit is not None and clear is None:
            yield Fault(limit_key, f"needs {clear_key} (the hysteresis)")
        if limit is None or clear is None:
            continue
        if (clear > limit) if limit_key == "at_or_above" else (clear < limit):
            yield Fault(
                clear_key, f"{clear:g} is on the wrong side of {limit:g}: the alarm would clear while it is true"
            )
        else:
            yield from _reach_faults(quantity, limit_key, limit, clear_key, clear)


def _reach_faults(quantity: Quantity, limit_key: str, limit: float, clear_key: str, clear: float) -> Iterator[Fault]:
    """A limit that every reading is at, or one that none is ever clear of again. As readings are kept, in 4 bytes."""
    rising = limit_key == "at_or_above"
    end = quantity.lowest if rising else quantity.highest
    limit, clear, end = (float(np.float32(one)) for one in (limit, clear, end))
    least = f"{quantity.name} is never {'below' if rising else 'above'} {end:g} {quantity.unit}"
    if limit == end:
        reason = f"{limit:g} is true of every possible reading, so it would fire for the whole fleet at once: {least}"
        yield Fault(limit_key, reason, weighed=True)
    elif clear == end:
        yield Fault(clear_key, f"at {clear:g} the alarm would never clear: {least}", weighed=True)


def _acting_faults(rule: Rule) -> Iterator[Fault]:
    budget = rule.budget
    if rule.action is Action.NONE:
        if budget != _DEFAULTS["budget"] and rule.kind is Kind.MEASURED:
            yield Fault("budget", "has nothing to hold back; it goes with an action that closes valves")
        return
    if rule.applies_to != (DeviceKind.DETECTOR,):
        what = "close valves" if rule.action.closes else "run fans"
        yield Fault("action", f'only a rule with applies_to = ["detector"] may {what}')
    if not 1 <= budget.least <= MOST_OF_A_BUDGET:
        yield Fault("budget.least", f"must be 1 to {MOST_OF_A_BUDGET}: one shut-off at least must leave by itself")
    if not 0 <= budget.share_pct <= 100:
        yield Fault("budget.share_pct", "must be 0 to 100 percent")
    if not SHORTEST_BUDGET_S <= budget.per_s <= LONGEST_BUDGET_S:
        yield Fault("budget.per_s", f"must be {SHORTEST_BUDGET_S:.0f} to {LONGEST_BUDGET_S:.0f} seconds")


def selection_faults(only: Selection, key: str) -> Iterator[Fault]:
    for name in Selection.__struct_fields__:
        said = getattr(only, name)
        if any(not str(word).strip() for word in said):
            yield Fault(f"{key}.{name}", "holds an empty text, which would fit nothing; take it away")
        if len(set(said)) != len(said):
            yield Fault(f"{key}.{name}", "names one thing twice")
    for name in only.measures:
        if name not in QUANTITY_NAMES:
            yield Fault(f"{key}.measures", f"{name!r} is not one of {', '.join(QUANTITY_NAMES)}")


def _schedule_faults(schedule: Schedule, rule: Rule) -> Iterator[Fault]:
    for key, text in (("from", schedule.from_), ("until", schedule.until)):
        try:
            clock_us(text)
        except ValueError as wrong:
            yield Fault(f"schedule.{key}", str(wrong))
    if not schedule.days:
        yield Fault("schedule.days", "names no day: the rule would never look")
    for day in schedule.days:
        if day not in DAYS:
            yield Fault("schedule.days", f"{day!r} is not one of {', '.join(DAYS)}")
    if schedule.timezone and not is_zone(schedule.timezone):
        yield Fault(
            "schedule.timezone",
            f"{schedule.timezone!r} is not an IANA time zone such as Asia/Shanghai; empty: that of each site",
            weighed=True,
        )
    if said := sorted(ALARM_FLAG_NAMES & {*rule.flags}):
        yield Fault(
            "schedule", f"a device's own alarm ({', '.join(said)}) counts at any hour; make it a rule of its own"
        )


def _trial_faults(rule: Rule) -> Iterator[Fault]:
    if rule.state is RuleState.CANARY:
        if not 0 < rule.canary_pct < 100:  # also refuses NaN
            yield Fault("canary_pct", "must be more than 0 and less than 100 percent of the sites; 100 is state active")
    elif rule.canary_pct and "canary_pct" in USES[rule.kind]:
        yield Fault("canary_pct", 'goes with state = "canary"')


def _outage_faults(rule: Rule) -> Iterator[Fault]:
    if rule.group is None:
        yield Fault("group", "an outage is counted in one of site, riser, building, area, gateway")
    if rule.least < 1:
        yield Fault("least", "must be 1 or more devices")
    if not 0 <= rule.share_pct <= 100:
        yield Fault("share_pct", "must be 0 to 100 percent of the devices that should be heard")


def _field_faults(rule: Rule) -> Iterator[Fault]:
    if rule.at_or_above is None or math.isnan(rule.at_or_above):
        yield Fault("at_or_above", "a rule of kind field needs the limit from which the four steps are opened")
    quantity = next((one for one in QUANTITIES if one.name == rule.quantity), None)
    if quantity is None:
        yield Fault("quantity", f"{rule.quantity!r} is not one of {', '.join(QUANTITY_NAMES)}")
    elif rule.at_or_above is not None and not 0 < rule.at_or_above <= quantity.highest:
        yield Fault("at_or_above", f"must be more than 0 and at most {quantity.highest:g} {quantity.unit}")
