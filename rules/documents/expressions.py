"""The expressions of one rule: its named numbers are read, its conditions parsed and looked at as a whole.

A condition that every reading or none fulfils is refused here, for it would alarm the whole fleet at once or never.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from rules.documents.faults import Fault
from rules.documents.keys import ALARM_FLAG_NAMES
from rules.documents.types import Action, Kind, Rule
from rules.language import expression
from rules.language.bounds import clear_faults, condition_faults
from rules.language.canonical import quantities, walk
from rules.language.expression import ExpressionFault, number_name_fault, parse_condition
from rules.language.tree import Condition, Dimension, FlagTest, Missing, Named, Parsed
from rules.language.units import parse_number

#: Keys that mean nothing beside `missing(...)`: it speaks of no reading.
_OF_READINGS = ("clear_condition", "flags", "hold_s", "clear_hold_s", "latch", "action", "escalate", "schedule")


def read_numbers(numbers: Mapping[str, str]) -> tuple[dict[str, tuple[float, Dimension]], list[Fault]]:
    """Each named number and its dimension, without those at fault."""
    found: dict[str, tuple[float, Dimension]] = {}
    faults: list[Fault] = []
    for name, text in numbers.items():
        if reason := number_name_fault(name):
            faults.append(Fault(f"numbers.{name}", reason))
            continue
        try:
            found[name] = parse_number(text)
        except ValueError as wrong:
            faults.append(Fault(f"numbers.{name}", str(wrong)))
    return found, faults


def parse_rule(rule: Rule) -> tuple[Parsed | None, list[Fault]]:
    """The rule's expressions; None when one of them cannot be judged by."""
    numbers, faults = read_numbers(rule.numbers)
    if faults:
        return None, faults
    dimensions = {name: dimension for name, (_, dimension) in numbers.items()}
    parts = [("condition", rule.condition), ("clear_condition", rule.clear_condition)]
    parts += [(f"escalate[{at}].when", one.when) for at, one in enumerate(rule.escalate)]
    parsed: list[Condition | None] = []
    for key, text in parts:
        if not text and not key.startswith("escalate"):
            parsed.append(None)
            continue
        try:
            parsed.append(parse_condition(text, dimensions, silence=key == "condition"))
        except ExpressionFault as wrong:
            faults += _placed(key, text, wrong.faults)
    if faults:
        return None, faults
    found = Parsed(parsed[0], parsed[1], tuple(one for one in parsed[2:] if one is not None))
    return found, [*_meaning_faults(rule, found), *together_faults(rule, found, values(numbers))]


def values(numbers: Mapping[str, tuple[float, Dimension]]) -> dict[str, float]:
    return {name: value for name, (value, _) in numbers.items()}


def together_faults(rule: Rule, parsed: Parsed, numbers: Mapping[str, float]) -> list[Fault]:
    """What is wrong with the expressions when the named numbers are these."""
    faults: list[Fault] = []
    for key, text, condition in _conditions(rule, parsed):
        if key == "clear_condition" and parsed.condition is not None:
            wrong = clear_faults(parsed.condition, condition, numbers)
        else:
            wrong = condition_faults(condition, numbers)
        faults += (replace(one, weighed=True) for one in _placed(key, text, wrong))
    return faults


def about_gas(rule: Rule, parsed: Parsed) -> bool:
    """Whether the rule speaks of gas: of %LEL, of carbon monoxide, or of a device's own alarm."""
    if rule.quantity in ("combustible_lel", "co_ppm") or ALARM_FLAG_NAMES & {*rule.flags}:
        return True
    conditions = [one for _, _, one in _conditions(rule, parsed)]
    return any(
        {"combustible_lel", "co_ppm"} & {*quantities(one)} or ALARM_FLAG_NAMES & _flags(one) for one in conditions
    )


def _conditions(rule: Rule, parsed: Parsed) -> Iterator[tuple[str, str, Condition]]:
    if parsed.condition is not None:
        yield "condition", rule.condition, parsed.condition
    if parsed.clear is not None:
        yield "clear_condition", rule.clear_condition, parsed.clear
    for at, (one, condition) in enumerate(zip(rule.escalate, parsed.escalate, strict=True)):
        yield f"escalate[{at}].when", one.when, condition


def _meaning_faults(rule: Rule, parsed: Parsed) -> Iterator[Fault]:
    asked = {node.name for _, _, one in _conditions(rule, parsed) for node in walk(one) if isinstance(node, Named)}
    for name in sorted({*rule.numbers} - asked):
        yield Fault(f"numbers.{name}", "no expression of the rule asks for it", weighed=True)
    for at, one in enumerate(rule.escalate):
        if one.priority >= rule.priority:
            yield Fault(f"escalate[{at}].priority", "must be higher than the rule's own")
    if isinstance(parsed.condition, Missing):
        for key in _OF_READINGS:
            if getattr(rule, key) not in ("", (), 0.0, False, None, Action.NONE):
                yield Fault(key, "means nothing beside missing(...), which looks at no reading")
    if rule.schedule is not None and rule.kind is Kind.MEASURED and parsed.condition is not None:
        for flag in sorted(ALARM_FLAG_NAMES & _flags(parsed.condition)):
            yield Fault("schedule", f"a device's own alarm ({flag}) counts at any hour; make it a rule of its own")


def _flags(condition: Condition) -> set[str]:
    return {node.flag for node in walk(condition) if isinstance(node, FlagTest)}


def _placed(key: str, text: str, faults: Iterable[expression.Fault]) -> list[Fault]:
    """Faults of an expression as those of the rule's key."""
    return [
        Fault(key, "; ".join(part for part in (one.reason, one.remedy) if part), text, one.span.start, one.span.end)
        for one in faults
    ]
