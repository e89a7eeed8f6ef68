"""Which rule looks at which devices, and with which numbers: one table per question, [class of device, rule].

L1  A rule looks at a device when its kind, its `only` and the class fit, when it is no draft, and when it is not all
    about quantities that the model says it does not measure. One of silence looks only where readings are promised.
L2  Of several overrides that fit a class, the last in the document that gives a key holds for that key.
L3  A device has a vote on a condition about quantities when its model measures one of them: a detector whose model does
    not say what it measures, any gas; another device whose model does not say, none. On a condition about what valves
    say, or detectors alone (their alarm bits), and about no quantity, those have a vote; on any other, whoever sends
    readings. What can never speak would keep a vote unknown for ever.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.classes import DeviceClass
from devices.models import DeviceKind, DeviceModel
from devices.quantities import ALARM_FLAGS, GAS_QUANTITIES, Flag
from rules.documents.document import Kind, Override, Rule, RulePack, RuleState, Selection
from rules.language.canonical import quantities, walk
from rules.language.tree import Commanded, Condition, FlagTest, Missing, OfDevice, Parsed, WordTest
from rules.language.units import kept, parse_number

MICROSECONDS = 1_000_000
#: Silence is this many report intervals without a reading. Source: product choice, usual for NB-IoT fleets.
SILENT_INTERVALS = 3
#: "Never": later than any clock.
_NEVER = 1 << 62
_NOTHING = Parsed()


def parsed_of(pack: RulePack, rule: int) -> Parsed:
    """The expressions of a rule by its number; all None when it has none."""
    return pack.parsed[rule] if rule < len(pack.parsed) else _NOTHING


def fits(only: Selection, one: DeviceClass) -> bool:
    """Whether a class of devices is among those that `only` selects. Those that left the registry never are."""
    model = one.model
    if model is None:
        return False
    return (
        (not only.models or model.key in only.models)
        and (not only.tiers or model.tier in only.tiers)
        and (not only.measures or any(name in model.measures for name in only.measures))
        and (not only.enterprises or one.enterprise in only.enterprises)
        and (not only.areas or any(one.area.startswith(area) for area in only.areas))
        and (not only.site_classes or one.site_class in only.site_classes)
        and (not only.tags or any(tag in one.tags for tag in only.tags))
    )


@dataclass(frozen=True, slots=True)
class Applies:
    """Each of shape (classes, rules). by_flags: the rule has only the device's flags to look at there. silent_us: after
    how long without a reading the rule is true; later than any clock where it is about something else."""

    looks: NDArray[np.bool_]
    by_flags: NDArray[np.bool_]
    silent_us: NDArray[np.int64]


def applies(pack: RulePack, classes: Sequence[DeviceClass]) -> Applies:
    """L1 for every class and rule."""
    shape = (len(classes), len(pack.rules))
    looks, by_flags = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    silent_us = np.full(shape, _NEVER, np.int64)
    for column, rule in enumerate(pack.rules):
        parsed = parsed_of(pack, column)
        named, only_quantities = _subjects(rule, parsed)
        for number, one in enumerate(classes):
            model = one.model
            if model is None or rule.state is RuleState.DRAFT or not fits(rule.only, one):
                continue
            if rule.applies_to and model.kind not in rule.applies_to:
                continue
            of_flags = only_quantities and not _measures(model, named)
            silent = _silent_us(rule, parsed, model)
            looks[number, column] = silent is not None and not (of_flags and not rule.flags)
            by_flags[number, column] = looks[number, column] and of_flags
            silent_us[number, column] = _NEVER if silent is None else silent
    return Applies(looks, by_flags, silent_us)


def _subjects(rule: Rule, parsed: Parsed) -> tuple[tuple[str, ...], bool]:
    """The quantities that a rule's condition names, and whether it is about nothing else (it may be about none)."""
    if rule.kind is not Kind.MEASURED:
        return (), False
    if parsed.condition is None:
        return ((rule.quantity,) if rule.quantity else ()), True
    other = any(isinstance(node, FlagTest | WordTest | Commanded | OfDevice) for node in walk(parsed.condition))
    return quantities(parsed.condition), not other and not isinstance(parsed.condition, Missing)


def _measures(model: DeviceModel, named: tuple[str, ...]) -> bool:
    """A model that does not say what it measures may measure anything."""
    return bool(named) and (not model.measures or any(name in model.measures for name in named))


def surely_measures(model: DeviceModel) -> tuple[str, ...]:
    """What a model says it measures; of a detector that does not say, gas."""
    return model.measures or (GAS_QUANTITIES if model.kind is DeviceKind.DETECTOR else ())


def may_vote(model: DeviceModel, condition: Condition) -> bool:
    """L3."""
    if model.kind is DeviceKind.GATEWAY and not model.report_interval_s:
        return False
    if named := quantities(condition):
        return any(name in surely_measures(model) for name in named)
    speaks: set[DeviceKind] = set()
    for node in walk(condition):
        if isinstance(node, WordTest):
            speaks |= {DeviceKind.SHUT_OFF_VALVE, DeviceKind.SELF_CLOSING_VALVE}
        elif isinstance(node, FlagTest) and Flag[node.flag.upper()] & ALARM_FLAGS:
            speaks.add(DeviceKind.DETECTOR)
    return not speaks or model.kind in speaks


def _silent_us(rule: Rule, parsed: Parsed, model: DeviceModel) -> int | None:
    """See Applies; None where a rule of silence cannot be true, because the model promises no readings."""
    interval_us = round(model.report_interval_s * MICROSECONDS)
    if isinstance(parsed.condition, Missing):
        intervals, fixed_us = parsed.condition.intervals, parsed.condition.fixed_us
    elif rule.kind is Kind.SILENCE:
        intervals, fixed_us = float(SILENT_INTERVALS), 0
    else:
        return _NEVER
    return None if intervals and not interval_us else round(intervals * interval_us) + fixed_us


def is_silence(pack: RulePack, column: int) -> bool:
    """Whether a rule is true of a device that is not heard, and so needs no reading."""
    return pack.rules[column].kind is Kind.SILENCE or isinstance(parsed_of(pack, column).condition, Missing)


# ---- numbers that are others for other devices ----------------------------------------------------------------------


def by_class(
    pack: RulePack,
    classes: Sequence[DeviceClass],
    of_rule: Callable[[Rule], float | None],
    of_override: Callable[[Override], float | None],
) -> NDArray[np.float64]:
    """One number of every rule, shape (classes, rules), f8; NaN where there is none."""
    own = [of_rule(rule) for rule in pack.rules]
    found = np.tile(np.array([np.nan if one is None else one for one in own], np.float64), (len(classes), 1))
    columns = {rule.id: column for column, rule in enumerate(pack.rules)}
    for override in pack.overrides:
        value = of_override(override)
        if value is not None and override.rule in columns:
            found[[fits(override.only, one) for one in classes], columns[override.rule]] = value
    return found


def microseconds(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Seconds, none NaN, as whole microseconds."""
    return np.rint(seconds * MICROSECONDS).astype(np.int64)


def named_numbers(pack: RulePack, classes: Sequence[DeviceClass], column: int) -> dict[str, NDArray[np.float64]]:
    """Each of a rule's own numbers, by name: shape (classes,), f8, in the unit of its dimension. One that has a unit is
    rounded to a 4-byte float, as readings are."""
    rule = pack.rules[column]
    found = {name: np.full(len(classes), kept(*parse_number(text))) for name, text in rule.numbers.items()}
    for override in pack.overrides:
        if override.rule == rule.id:
            mine = [fits(override.only, one) for one in classes]
            for name, text in override.numbers.items():
                found[name][mine] = kept(*parse_number(text))
    return found
