"""A rule pack laid out for one fleet: every number of every rule by class of device, before any reading.

Z1  What a pack remembers of a device follows from the pack alone, and is refused when the pack is brought in. A pack in
    force is never refused for it, whatever becomes of the registry, or of Davy: an engine must go on judging (G3).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from devices.fleet import Fleet
from devices.quantities import ALARM_FLAGS, Flag
from rules.documents.document import Kind, Override, Rule, RulePack, Schedule
from rules.documents.schedule import inside
from rules.evaluation.limits import Limits, gather
from rules.evaluation.program import Program, compile_program
from rules.evaluation.selection import Applies, applies, by_class, is_silence, microseconds

#: What one device may take of an engine's memory, in bytes, with all rules (product choice): sixteen gigabytes hold a
#: million of the largest.
MOST_BYTES = 16_384
#: Of a device whatever the rules are (State): heard, position, epoch, busy, watched, stage, silent.
_OF_DEVICE = 17
#: Of a device and rule: the phase; the two times of a hold, where the rule has one.
_OF_RULE, _OF_HOLD = 1, 16


@dataclass(frozen=True, slots=True)
class Compiled:
    """A pack for one fleet. Of shape (rules,): flags, latch, closes, priority. Of shape (classes, rules), by the class
    of the device (devices/classes.py): hold_us and clear_hold_us; looks, whether the rule looks at such a device;
    by_flags, whether it has only the device's flags to look at there; silent_us, after how long without a reading a
    rule of `silence` is true (NEVER: it is about something else); limit and clear, f4, of a rule that has limits, NaN
    else. class_of: shape (slots,), i4.
    silence: the rules, by number, that are true of devices not heard. schedules: by rule number.
    limits: rules with limits, by quantity. of_quality, alone: the numbers of rules of kind QUALITY, and of those that
    look at flags alone in some class. of_alarms: shape (rules,): it listens to an alarm flag. any_flag: all that rules
    listen to. judged: shape (classes, rules): more than flags is looked at. program: what expressions say.
    bytes_of_rule: shape (rules,), i8, what a rule takes of memory per device; what two share is counted to both."""

    pack: RulePack
    rules: tuple[Rule, ...]
    fleet: Fleet
    class_of: NDArray[np.int32]
    looks: NDArray[np.bool_]
    by_flags: NDArray[np.bool_]
    silent_us: NDArray[np.int64]
    limit: NDArray[np.float32]
    clear: NDArray[np.float32]
    flags: NDArray[np.int64]
    hold_us: NDArray[np.int64]
    clear_hold_us: NDArray[np.int64]
    latch: NDArray[np.bool_]
    closes: NDArray[np.bool_]
    priority: NDArray[np.uint8]
    by_id: dict[str, int]
    schedules: dict[int, Schedule]
    silence: tuple[int, ...]
    unconfirmed: int
    no_valve: int
    reopened: int
    asleep: int
    link_down: int
    session_lost: int
    missing: int
    outage: int
    held: int
    reverted: int
    field: int
    limits: tuple[Limits, ...]
    of_quality: tuple[int, ...]
    alone: NDArray[np.intp]
    of_alarms: NDArray[np.bool_]
    any_flag: int
    judged: NDArray[np.bool_]
    program: Program
    bytes_of_rule: NDArray[np.int64]
    bytes_per_device: int

    def __len__(self) -> int:
        return len(self.rules)

    def looks_at(self, slots: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which rule looks at which of these devices, shape (n, rules)."""
        found: NDArray[np.bool_] = self.looks[self.class_of[slots]]
        return found

    def inside(self, rule: int, slots: NDArray[np.int32], ts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether these instants (microseconds UTC) are within the rule's schedule at these devices, shape (n,)."""
        schedule = self.schedules.get(rule)
        if schedule is None:
            return np.ones(len(slots), np.bool_)
        if schedule.timezone:
            return inside(schedule, schedule.timezone, ts)
        zones = [one.timezone for one in self.fleet.classes.all]
        found, classes = np.zeros(len(slots), np.bool_), self.class_of[slots]
        for zone in {zones[one] for one in np.unique(classes).tolist()}:
            there = np.array([one == zone for one in zones])[classes]
            found[there] = inside(schedule, zone, ts[there])
        return found


def compile_pack(pack: RulePack, fleet: Fleet) -> Compiled:
    """Of a pack that was brought in before: it is in force, and is not asked again what it remembers (Z1)."""
    rules, classes = pack.rules, fleet.classes.all
    applied = applies(pack, classes)
    limit = by_class(pack, classes, _limit, _limit).astype(np.float32)
    clear = by_class(pack, classes, _clear, _clear).astype(np.float32)
    hold_us = microseconds(by_class(pack, classes, lambda one: one.hold_s, lambda one: one.hold_s))
    clear_hold_us = microseconds(by_class(pack, classes, lambda one: one.clear_hold_s, lambda one: one.clear_hold_s))
    flags = np.array([flags_mask(rule) for rule in rules], np.int64)
    program = compile_program(pack, fleet, applied)
    own = _own_bytes(pack)
    return Compiled(
        pack=pack,
        rules=rules,
        fleet=fleet,
        class_of=fleet.classes.of,
        looks=applied.looks,
        by_flags=applied.by_flags,
        silent_us=applied.silent_us,
        limit=limit,
        clear=clear,
        flags=flags,
        hold_us=hold_us,
        clear_hold_us=clear_hold_us,
        latch=np.array([rule.latch for rule in rules], np.bool_),
        closes=np.array([rule.action.closes for rule in rules], np.bool_),
        priority=np.array([rule.priority for rule in rules], np.uint8),
        by_id={rule.id: i for i, rule in enumerate(rules)},
        schedules={i: rule.schedule for i, rule in enumerate(rules) if rule.schedule is not None},
        silence=tuple(i for i in range(len(rules)) if is_silence(pack, i)),
        **_only(rules),
        limits=gather(rules, frozenset(one.rule for one in program.said if one.condition), limit, clear),
        of_quality=tuple(i for i, rule in enumerate(rules) if rule.kind is Kind.QUALITY),
        alone=np.flatnonzero(applied.by_flags.any(axis=0)),
        of_alarms=(flags & int(ALARM_FLAGS)) != 0,
        any_flag=int(np.bitwise_or.reduce(flags)) if len(flags) else 0,
        judged=applied.looks & ~applied.by_flags,
        program=program,
        bytes_of_rule=program.bytes_of_rule + own,
        bytes_per_device=_OF_DEVICE + int(own.sum()) + program.bytes_per_device,
    )


def compile_again(before: Compiled, fleet: Fleet) -> Compiled:
    """The same pack for the fleet that followed. Where no class of devices is new, nothing that is said of classes is
    asked again; nor are the expressions, unless there are more devices, or devices vote in groups."""
    if fleet.classes.all is not before.fleet.classes.all:
        return compile_pack(before.pack, fleet)
    program = before.program
    if program.votes or len(fleet) != len(before.fleet):
        program = compile_program(before.pack, fleet, Applies(before.looks, before.by_flags, before.silent_us))
    return replace(before, fleet=fleet, class_of=fleet.classes.of, program=program)


def compile_new(pack: RulePack, fleet: Fleet) -> Compiled:
    """As compile_pack, for a pack that somebody brings in. Raises ValueError when it remembers too much of a device."""
    compiled = compile_pack(pack, fleet)
    if too_much := remembers_too_much(compiled):
        raise ValueError(too_much)
    return compiled


def _own_bytes(pack: RulePack) -> NDArray[np.int64]:
    """What each rule takes of a device besides what its expressions remember, shape (rules,). A hold counts where it is
    only some devices' too: others may be registered tomorrow."""
    held = {rule.id for rule in pack.rules if rule.hold_s or rule.clear_hold_s}
    held |= {one.rule for one in pack.overrides if one.hold_s or one.clear_hold_s}
    return np.array([_OF_RULE + _OF_HOLD * (rule.id in held) for rule in pack.rules], np.int64)


#: Kinds of which a pack has one rule at most, by the name of its number; -1: none.
_ONE = {
    "unconfirmed": Kind.UNCONFIRMED,
    "no_valve": Kind.NO_VALVE,
    "reopened": Kind.REOPENED,
    "asleep": Kind.ASLEEP,
    "link_down": Kind.LINK_DOWN,
    "session_lost": Kind.SESSION_LOST,
    "missing": Kind.MISSING,
    "outage": Kind.OUTAGE,
    "held": Kind.HELD,
    "reverted": Kind.REVERTED,
    "field": Kind.FIELD,
}


def _only(rules: tuple[Rule, ...]) -> dict[str, int]:
    kinds = [rule.kind for rule in rules]
    return {name: kinds.index(kind) if kind in kinds else -1 for name, kind in _ONE.items()}


def remembers_too_much(compiled: Compiled) -> str:
    """Why the pack may not be brought in, with the dearest rules; empty: it may."""
    total = compiled.bytes_per_device
    if total <= MOST_BYTES:
        return ""
    dearest = sorted(range(len(compiled)), key=lambda rule: (-compiled.bytes_of_rule[rule], rule))[:3]
    named = ", ".join(f"{compiled.rules[rule].id!r} ({compiled.bytes_of_rule[rule]} bytes)" for rule in dearest)
    return (
        f"{compiled.pack.name}: these rules would remember {total} bytes of every device, and {MOST_BYTES} are allowed;"
        f" the dearest are {named}. Ask for fewer different windows (twa is the dearest, since and cohb cost little),"
        " or let rules share them: the same function of the same quantity over the same time is kept once"
    )


def _limit(one: Rule | Override) -> float | None:
    return one.at_or_above if one.at_or_above is not None else one.at_or_below


def _clear(one: Rule | Override) -> float | None:
    return one.clear_below if one.clear_below is not None else one.clear_above


def flags_mask(rule: Rule) -> int:
    """The bits that a rule listens to."""
    mask = 0
    for name in rule.flags:
        mask |= Flag[name.upper()]
    return mask
