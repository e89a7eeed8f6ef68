"""Rules that may be used, and that hardly anybody means: true of a device that is well, true between two readings, or
never true, because what they look back at never holds two readings.

They are no faults: a sensor that drifted below zero makes such a rule false, and a device may report more often than
its model promises. So they are said where a pack is looked at, before it is brought in.
"""

from collections.abc import Iterator, Sequence

import msgspec

from devices.models import DeviceModel
from devices.quantities import GAS_QUANTITIES
from rules.documents.document import Kind, Override, Rule, RulePack, RuleState
from rules.documents.expressions import read_numbers, values
from rules.evaluation.selection import parsed_of, surely_measures
from rules.language.bounds import true_of_clean_air
from rules.language.canonical import canonical, walk
from rules.language.tree import Condition, Missing, Statistic, Windowed
from rules.language.units import DURATION, shown


def doubtful(pack: RulePack, models: Sequence[DeviceModel] = ()) -> Iterator[str]:
    """A sentence for each, naming the rule. `models`: those that devices may be of, as far as they are known."""
    for column, rule in enumerate(pack.rules):
        if rule.state is RuleState.DRAFT or rule.kind is not Kind.MEASURED:
            continue
        condition = parsed_of(pack, column).condition
        where = next((said for one, said in _made(pack, rule) if _of_clean_air(one, condition)), None)
        if where is not None:
            yield f"rule {rule.id!r}{where} is true of clean air: it would stand at nearly every device that is well"
        if isinstance(condition, Missing):
            yield from _too_short(rule, condition, models)
        yield from _too_narrow(pack, column, models)


def _made(pack: RulePack, rule: Rule) -> Iterator[tuple[Rule, str]]:
    """The rule, and what each of its overrides makes of it; in words which."""
    yield rule, ""
    for number, one in enumerate(pack.overrides, 1):
        if one.rule == rule.id:
            yield _changed(rule, one), f" with override number {number}"


def _changed(rule: Rule, override: Override) -> Rule:
    given = {key: value for key in ("at_or_above", "at_or_below") if (value := getattr(override, key)) is not None}
    return msgspec.structs.replace(rule, numbers=rule.numbers | override.numbers, **given)


def _of_clean_air(rule: Rule, condition: Condition | None) -> bool:
    if condition is not None:
        return true_of_clean_air(condition, values(read_numbers(rule.numbers)[0]))
    if rule.quantity not in GAS_QUANTITIES:
        return False
    rising, falling = rule.at_or_above, rule.at_or_below
    return (rising is not None and rising <= 0) or (falling is not None and falling >= 0)


def _too_short(rule: Rule, condition: Missing, models: Sequence[DeviceModel]) -> Iterator[str]:
    """Of a silence that is shorter than a device is silent between its readings."""
    if condition.intervals:
        return
    slow = [one for one in models if _may_look(rule, one) and one.report_interval_s * 1e6 > condition.fixed_us]
    if slow:
        silent = shown(condition.fixed_us / 1e6, DURATION)
        yield (
            f"rule {rule.id!r}: missing({silent}) is true between any two readings of {_some(slow)};"
            " write 1 * interval or more, 3 is usual, or select the models that report more often"
        )


def _too_narrow(pack: RulePack, column: int, models: Sequence[DeviceModel]) -> Iterator[str]:
    """Of a rise over a window that a device reports in hardly twice: a rise is known from two readings in it, half the
    window apart or more; the window is up to a twelfth shorter, and no reading is punctual."""
    rule, parsed = pack.rules[column], parsed_of(pack, column)
    rises: dict[str, Windowed] = {}
    for tree in (parsed.condition, parsed.clear, *parsed.escalate):
        for node in walk(tree) if tree is not None else ():
            if isinstance(node, Windowed) and node.statistic in (Statistic.RATE, Statistic.DELTA):
                rises.setdefault(canonical(node), node)
    for text, node in rises.items():
        for never in (True, False):
            slow = [
                one
                for one in models
                if _may_look(rule, one)
                and node.quantity in surely_measures(one)
                and node.window_us < 2e6 * one.report_interval_s
                and (node.window_us <= 1e6 * one.report_interval_s) == never
            ]
            if slow:
                known = "can never be known" if never else "is not known after a reading that is late or lost"
                yield (
                    f"rule {rule.id!r}: {text} {known} at {_some(slow)}: a window of two report intervals or more is"
                    " needed, or select the models that report more often"
                )


def _some(models: Sequence[DeviceModel]) -> str:
    """The slowest of them, and how many more."""
    slowest = max(models, key=lambda one: one.report_interval_s)
    more = f" and {len(models) - 1} more models" if len(models) > 1 else ""
    return f"{slowest.key} ({shown(slowest.report_interval_s, DURATION)}){more}"


def _may_look(rule: Rule, model: DeviceModel) -> bool:
    only = rule.only
    return (
        (not rule.applies_to or model.kind in rule.applies_to)
        and (not only.models or model.key in only.models)
        and (not only.tiers or model.tier in only.tiers)
        and (not only.measures or any(name in model.measures for name in only.measures))
    )
