"""What sort of rules there are, asked with every batch."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from devices.quantities import ALARM_FLAGS
from rules.documents.document import Kind
from rules.evaluation.kernels import Compiled
from rules.evaluation.selection import parsed_of
from rules.interlock.worst import By, worst_by
from rules.language.canonical import walk
from rules.language.tree import Commanded, Votes


class Traits(NamedTuple):
    """judged: shape (rules,), bool: a reading says by itself whether it is true. of_others: shape (rules,), bool: what
    it says of one depends on other devices or on commands. escalates: those that may. bits: those that listen to an
    alarm bit of the device. acts: those that close or ventilate. waits: those of which some alarm has to wait, so that
    a hold can run. By number, ascending. by: of those that act and are about a quantity, by what their shut-offs are
    compared; worsens: of those of them that hold an alarm back for a time. quantity: of every rule, that of the value
    that its alarms say, or empty.
    """

    judged: NDArray[np.bool_]
    of_others: NDArray[np.bool_]
    escalates: NDArray[np.intp]
    bits: NDArray[np.intp]
    acts: NDArray[np.intp]
    waits: list[int]
    by: dict[int, By]
    worsens: dict[int, By]
    quantity: list[str]


def traits(compiled: Compiled) -> Traits:
    rules = range(len(compiled))
    waits = (compiled.hold_us != 0).any(axis=0) | (compiled.clear_hold_us != 0).any(axis=0)
    said = (Kind.MEASURED, Kind.QUALITY)
    found = {rule: worst_by(compiled.pack, rule) for rule in rules if _acts(compiled, rule)}
    by = {rule: one for rule, one in found.items() if one.quantity}
    return Traits(
        judged=np.array([compiled.rules[rule].kind in said and rule not in compiled.silence for rule in rules], bool),
        of_others=np.array([_of_others(compiled, rule) for rule in rules], np.bool_),
        escalates=np.array([rule for rule in rules if compiled.rules[rule].escalate], np.intp),
        bits=np.flatnonzero(compiled.flags & int(ALARM_FLAGS)),
        acts=np.array([i for i in rules if _acts(compiled, i)], np.intp),
        waits=np.flatnonzero(waits).tolist(),
        by=by,
        worsens={rule: one for rule, one in by.items() if (compiled.hold_us[:, rule] != 0).any()},
        quantity=[compiled.rules[rule].quantity or (by[rule].quantity if rule in by else "") for rule in rules],
    )


def _acts(compiled: Compiled, rule: int) -> bool:
    action = compiled.rules[rule].action
    return action.closes or action.ventilates


def _of_others(compiled: Compiled, rule: int) -> bool:
    said = parsed_of(compiled.pack, rule)
    parts = [part for part in (said.condition, said.clear, *said.escalate) if part is not None]
    return any(isinstance(node, Votes | Commanded) for part in parts for node in walk(part))
