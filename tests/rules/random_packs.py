"""Random packs of rules of every kind for the district: short holds, small budgets, so that much happens in minutes."""

import random
from typing import Any

import msgspec

from devices.classes import Group
from devices.models import DeviceKind, Tier
from rules.decisions import Priority
from rules.documents.document import (
    Action,
    Budget,
    Escalation,
    Kind,
    Override,
    Rule,
    RulePack,
    RuleState,
    Schedule,
    Selection,
    Title,
)
from rules.language.expression import parse_condition
from rules.language.tree import Missing, Parsed
from rules.language.units import parse_number
from tests.rules.random_expressions import OWN, condition, of_others

TITLE = Title("规", "r")
DIMENSIONS = {name: parse_number(text)[1] for name, text in OWN.items()}
SELECTIONS = (
    *(Selection(),) * 12,
    Selection(models=("methane", "both")),
    Selection(tiers=(Tier.LOW, Tier.HIGH)),
    Selection(measures=("co_ppm",)),
    Selection(enterprises=("gas-a",)),
    Selection(areas=("1101",)),
    Selection(areas=("110102",), enterprises=("gas-b",)),
    Selection(site_classes=("catering",)),
    Selection(tags=("old", "new")),
)
#: T0 is a Monday noon UTC, eight in the evening in Shanghai.
SCHEDULES = (
    Schedule("11:00", "12:05"),
    Schedule("12:01", "11:59", timezone="UTC"),
    Schedule("19:58", "20:02", timezone="Asia/Shanghai"),
    Schedule("22:00", "12:03", days=("sun",), timezone="UTC"),
    Schedule("12:02", "20:01", days=("mon", "sat")),
)
SHORTHANDS: tuple[dict[str, Any], ...] = (
    {"quantity": "combustible_lel", "at_or_above": 20.0, "clear_below": 15.0},
    {"quantity": "combustible_lel", "at_or_above": 50.0, "clear_below": 45.0, "flags": ("high_alarm",)},
    {"quantity": "co_ppm", "at_or_above": 50.0, "clear_below": 30.1},
    {"quantity": "battery_pct", "at_or_below": 10.0, "clear_above": 12.0},
    {"flags": ("co_alarm", "low_alarm")},
    {"flags": ("high_alarm", "tamper")},
)
DETECTORS = (DeviceKind.DETECTOR,)
OF_CLOSINGS = (
    Kind.UNCONFIRMED,
    Kind.NO_VALVE,
    Kind.REOPENED,
    Kind.ASLEEP,
    Kind.HELD,
    Kind.REVERTED,
    Kind.LINK_DOWN,
    Kind.FIELD,
)
#: A pack that closes valves always holds these (rules/documents/together.py).
REQUIRED = (Kind.UNCONFIRMED, Kind.NO_VALVE, Kind.REOPENED)


def random_pack(rng: random.Random) -> RulePack:
    rules: list[Rule] = []
    parsed: list[Parsed] = []
    for number in range(rng.choice((2, 4, 7))):
        rule, says = _judged(rng, number)
        rules.append(rule)
        parsed.append(says)
    rules += _silences(rng)
    parsed += [Parsed()] * (len(rules) - len(parsed))
    if rng.random() < 0.5:
        text = rng.choice(("missing(2 * interval)", "missing(40 s)", "missing(1.5 * interval + 3 s)"))
        rules.append(_rule("missing", Kind.MEASURED, priority=Priority.LOW, condition=text, **_life(rng)))
        parsed.append(Parsed(parse_condition(text, {})))
    for kind in OF_CLOSINGS:
        if rng.random() < 0.9 or kind in REQUIRED:
            limit = {"quantity": "combustible_lel", "at_or_above": 20.0} if kind is Kind.FIELD else {}
            rules.append(_rule(kind.value.replace("_", "-"), kind, priority=rng.choice(tuple(Priority)), **limit))
            parsed.append(Parsed())
    rules = [_suppressed(rng, rule, rules[at + 1 :]) for at, rule in enumerate(rules)]
    return RulePack("random", "1", tuple(rules), _overrides(rng, rules), tuple(parsed))


def _rule(name: str, kind: Kind, **facts: Any) -> Rule:
    facts.setdefault("priority", Priority.MEDIUM)
    return Rule(id=name, title=TITLE, source="product choice", kind=kind, **facts)


def _life(rng: random.Random) -> dict[str, Any]:
    return {
        "latch": rng.random() < 0.3,
        "clear_hold_s": rng.choice((0.0, 0.0, 2.0, 9.0)),
        "only": rng.choice(SELECTIONS),
    }


def _judged(rng: random.Random, number: int) -> tuple[Rule, Parsed]:
    facts: dict[str, Any] = _life(rng) | {"priority": rng.choice(tuple(Priority))}
    facts["hold_s"] = rng.choice((0.0, 0.0, 0.0, 1.0, 7.0))
    if rng.random() < 0.7:
        facts |= {"applies_to": DETECTORS, "action": rng.choice((Action.NONE, Action.CLOSE, Action.CLOSE, *Action))}
        facts["budget"] = Budget(rng.choice((1, 1, 1, 2, 5)), 0.0, rng.choice((5.0, 20.0, 600.0)))
    facts["state"] = rng.choice(
        (*(RuleState.ACTIVE,) * 6, RuleState.CANARY, RuleState.CANARY, RuleState.DRY_RUN, RuleState.DRAFT)
    )
    if facts["state"] is RuleState.CANARY:
        facts["canary_pct"] = rng.choice((30.0, 70.0, 100.0))
    if rng.random() < 0.06:
        facts.pop("action", None)
        facts.pop("budget", None)
        return _rule(f"rule-{number}", Kind.QUALITY, **facts, flags=rng.choice(((), ("fault",)))), Parsed()
    texts = {"condition": "", "clear_condition": "", "escalate": ""}
    if rng.random() < 0.65:
        texts["condition"] = of_others(rng) if rng.random() < 0.3 else condition(rng)
        texts["clear_condition"] = condition(rng) if rng.random() < 0.25 else ""
        facts |= {"numbers": OWN, "flags": rng.choice(((), (), (), ("tamper",), ("high_alarm",)))}
    else:
        facts |= rng.choice(SHORTHANDS)
        facts["numbers"] = OWN
    if rng.random() < 0.35:
        texts["escalate"] = condition(rng, 1)
    if rng.random() < 0.25 and not any(flag.endswith("_alarm") for flag in facts.get("flags", ())):
        facts["schedule"] = rng.choice(SCHEDULES)
    trees = {key: parse_condition(text, DIMENSIONS) if text else None for key, text in texts.items()}
    worse = texts.pop("escalate")
    facts["escalate"] = (Escalation(worse, rng.choice((Priority.CRITICAL, Priority.HIGH))),) if worse else ()
    escalate = (trees["escalate"],) if trees["escalate"] is not None else ()
    return _rule(f"rule-{number}", Kind.MEASURED, **facts, **texts), Parsed(
        trees["condition"], trees["clear_condition"], escalate
    )


def _silences(rng: random.Random) -> list[Rule]:
    found = []
    if rng.random() < 0.7:
        found.append(_rule("silent", Kind.SILENCE, priority=rng.choice(tuple(Priority)), only=rng.choice(SELECTIONS)))
    if rng.random() < 0.5:
        facts = {
            "group": rng.choice(tuple(Group)),
            "least": rng.choice((0, 1, 2, 4)),
            "share_pct": rng.choice((0.0, 30.0, 60.0)),
        }
        found.append(_rule("outage", Kind.OUTAGE, priority=rng.choice(tuple(Priority)), **facts))
    return found


def _suppressed(rng: random.Random, rule: Rule, later: list[Rule]) -> Rule:
    """Only by rules that stand after it: so no rule suppresses itself in a circle."""
    if rng.random() > 0.3 or not later:
        return rule
    named = rng.sample([one.id for one in later], min(len(later), rng.choice((1, 1, 2))))
    return msgspec.structs.replace(rule, suppressed_by=tuple(named))


def _overrides(rng: random.Random, rules: list[Rule]) -> tuple[Override, ...]:
    found = []
    for rule in rules:
        if rule.kind is not Kind.MEASURED or rng.random() > 0.4 or not rule.numbers:
            continue
        facts: dict[str, Any] = {"hold_s": rng.choice((0.0, 3.0))} if rng.random() < 0.5 else {}
        if rule.at_or_above is not None and rng.random() < 0.7:
            facts["at_or_above"] = rng.choice((15.0, 49.0))
        if rng.random() < 0.7:
            facts["numbers"] = {"limit": rng.choice(("10 %LEL", "49 %LEL"))}
            facts["numbers"] |= {"patience": "2 s"} if rng.random() < 0.5 else {}
        found.append(Override(rule=rule.id, only=rng.choice(SELECTIONS[11:]), source="product choice", **facts))
    return tuple(found)


def random_edit(rng: random.Random, pack: RulePack) -> RulePack:
    """The pack with some rules edited, gone, new or elsewhere."""
    rules = list(zip(pack.rules, [*pack.parsed, *[Parsed()] * len(pack.rules)], strict=False))
    fresh = random_pack(rng)
    others = {rule.id: (rule, says) for rule, says in zip(fresh.rules, fresh.parsed, strict=True)}
    edited = []
    for rule, says in rules:
        sort = rng.random()
        if sort < 0.1 and rule.kind not in REQUIRED:
            continue
        if sort < 0.25 and rule.id in others:
            edited.append(others[rule.id])
        elif sort < 0.35 and rule.kind is Kind.MEASURED:
            edited.append((msgspec.structs.replace(rule, state=rng.choice(tuple(RuleState)), canary_pct=50.0), says))
        elif sort < 0.45 and rule.kind is Kind.MEASURED and not isinstance(says.condition, Missing):
            facts = {
                "latch": not rule.latch,
                "hold_s": rng.choice((0.0, 5.0)),
                "numbers": {**rule.numbers, "limit": "49 %LEL"},
            }
            edited.append((msgspec.structs.replace(rule, **facts), says))
        else:
            edited.append((rule, says))
    if rng.random() < 0.3:
        rng.shuffle(edited)
    ids = {rule.id for rule, _ in edited}
    edited += [one for name, one in others.items() if name not in ids and rng.random() < 0.3]
    overrides = pack.overrides if rng.random() < 0.7 else fresh.overrides
    kept = [(_sound(rule, at, edited), says) for at, (rule, says) in enumerate(edited)]
    ids = {rule.id for rule, _ in kept}
    return RulePack(
        "random",
        pack.version + "1",
        tuple(rule for rule, _ in kept),
        tuple(one for one in overrides if one.rule in ids and _fits(one, next(r for r, _ in kept if r.id == one.rule))),
        tuple(says for _, says in kept),
    )


def _sound(rule: Rule, at: int, edited: list[tuple[Rule, Parsed]]) -> Rule:
    """Suppressed by rules that stand after it only."""
    after = {other.id for other, _ in edited[at + 1 :]}
    return msgspec.structs.replace(rule, suppressed_by=tuple(one for one in rule.suppressed_by if one in after))


def _fits(override: Override, rule: Rule) -> bool:
    return (
        override.at_or_above is None or rule.at_or_above is not None
    ) and override.numbers.keys() <= rule.numbers.keys()
