"""How long a rule proves itself after it came into force (rules/interlock/trials.py D3): until what it waits for can
have come.

A rule that is wrong for the whole fleet is true of it as soon as it can be. With a hold, a window, a silence or a dose
in it that is later by so much; who only watched the first ten minutes would call it proved before it ever spoke.
"""

from collections.abc import Mapping

import numpy as np

from devices.fleet import MICROSECONDS
from rules.documents.document import Kind
from rules.evaluation.doses import TIME_CONSTANT_MIN
from rules.evaluation.kernels import Compiled
from rules.evaluation.selection import named_numbers, parsed_of
from rules.language.canonical import walk
from rules.language.tree import (
    Commanded,
    Comparison,
    Condition,
    Count,
    Dose,
    FlagTest,
    Measured,
    Missing,
    Named,
    Node,
    Number,
    Since,
    Stuck,
    Windowed,
    WordTest,
)
from rules.language.units import DURATION

#: How long a rule proves itself besides. Source: product choice.
PROVING_US = 600 * MICROSECONDS
#: A dose is 99 % of what it tends to after five of its time constants.
_DOSE_US = round(5 * TIME_CONSTANT_MIN * 60) * MICROSECONDS
_LATER = 1 << 61
#: What follows from readings, or from their absence.
_OF_READINGS = (Measured, Windowed, Dose, Stuck, FlagTest, WordTest, Commanded, Missing)


def proving_us(compiled: Compiled, rule: int) -> int:
    """`rule`: its number. PROVING_US, and the longest hold, silence, window, dose and wait that it has for any device
    that it looks at."""
    looks = compiled.looks[:, rule]
    hold_us = int(compiled.hold_us[looks, rule].max(initial=0))
    silent_us = compiled.silent_us[looks, rule]
    silence_us = int(silent_us[silent_us < _LATER].max(initial=0))
    condition = parsed_of(compiled.pack, rule).condition
    return PROVING_US + hold_us + max(silence_us, _ripe_us(compiled, rule, condition) if condition else 0)


def proves_itself(compiled: Compiled, rule: int) -> bool:
    """Whether what software makes of readings, or of their absence, raises this rule: not one of flags alone, nor one
    that follows from the register (how much of a life is left: that a town's devices are old is no fault of a rule)."""
    spec = compiled.rules[rule]
    if spec.kind is not Kind.MEASURED:
        return spec.kind is Kind.QUALITY
    condition = parsed_of(compiled.pack, rule).condition
    return bool(spec.quantity) if condition is None else any(isinstance(node, _OF_READINGS) for node in walk(condition))


def _ripe_us(compiled: Compiled, rule: int, condition: Condition) -> int:
    """How long until everything that the condition remembers can be what it is about."""
    numbers = {
        name: float(np.abs(values).max(initial=0.0))
        for name, values in named_numbers(compiled.pack, compiled.fleet.classes.all, rule).items()
    }
    return max(_of_node(node, numbers) for node in walk(condition))


def _of_node(node: Node, numbers: Mapping[str, float]) -> int:
    match node:
        case Windowed() | Count() | Stuck():
            return node.window_us
        case Dose():
            return _DOSE_US
        case Comparison() if any(isinstance(one, Since) for one in walk(node)):
            return sum(_duration_us(one, numbers) for one in walk(node))
    return 0


def _duration_us(node: Node, numbers: Mapping[str, float]) -> int:
    """Of a duration that `since(...)` is compared with."""
    if not isinstance(node, Number | Named) or node.dimension != DURATION:
        return 0
    return round(abs(node.value if isinstance(node, Number) else numbers[node.name]) * MICROSECONDS)
