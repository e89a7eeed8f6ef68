"""How many devices of each group are silent, of those that should be heard (outage.py O1)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from devices.classes import Group
from rules.documents.document import Kind
from rules.evaluation.kernels import Compiled
from rules.language.canonical import walk
from rules.language.tree import Votes
from rules.life.deadlines import Deadlines

_NOBODY = np.iinfo(np.int32).max


class Counted(NamedTuple):
    """One rule's groups. of: shape (slots,), i4, the group of each device that counts, else -1. silent, reporting:
    shape (groups,), i8: how many are silent, how many should be heard. place: shape (groups,), i4, where the alarm
    stands; -1: nowhere."""

    of: NDArray[np.int32]
    silent: NDArray[np.int64]
    reporting: NDArray[np.int64]
    place: NDArray[np.int32]


def counting(compiled: Compiled) -> tuple[int, ...]:
    """Rules of kind OUTAGE, by number."""
    return tuple(number for number, rule in enumerate(compiled.rules) if rule.kind is Kind.OUTAGE)


def deadlines(compiled: Compiled) -> Deadlines:
    """When the devices of each class fall silent, to rules, to groups and to votes."""
    return Deadlines(compiled, counting(compiled), any(_votes(compiled)))


def _votes(compiled: Compiled) -> list[bool]:
    every = [(one.condition, one.clear, *one.escalate) for one in compiled.pack.parsed]
    return [isinstance(node, Votes) for said in every for top in said if top is not None for node in walk(top)]


def tally(compiled: Compiled, due: Deadlines, stage: NDArray[np.uint8]) -> dict[int, Counted]:
    """By rule; it follows from how many of its silences have come to each device."""
    fleet, found = compiled.fleet, {}
    for rule in counting(compiled):
        grouping = fleet.groups[compiled.rules[rule].group or Group.AREA]
        member = fleet.present & compiled.looks[compiled.class_of, rule] & (grouping.of >= 0)
        counts = member & (fleet.interval_us > 0)
        silent = counts & (stage > due.stage_of(rule)[compiled.class_of])
        groups = len(grouping.names)
        numbers = np.full(groups, _NOBODY, np.int32)
        np.minimum.at(numbers, grouping.of[member], fleet.device_no[member])
        place = np.full(groups, -1, np.int32)
        some = numbers != _NOBODY
        place[some] = fleet.slot_of[numbers[some]]
        found[rule] = Counted(
            np.where(counts, grouping.of, np.int32(-1)).astype(np.int32),
            np.bincount(grouping.of[silent], minlength=groups),
            np.bincount(grouping.of[counts], minlength=groups),
            place,
        )
    return found
