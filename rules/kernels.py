"""Pure array functions: what each rule's condition says of each reading. Three-valued: 1 true, 0 false, -1 unknown.

N1  A value that is NaN or whose quality is not GOOD makes a comparison unknown, never false (G9).
N2  The device's own flags are facts: they make a condition true whatever the quantities say.
N3  A reading flagged STALE says that nobody was heard. Its flags still make a condition true; all else it says, and
    what it does not say, is unknown to every rule (G9).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.fleet import Fleet
from devices.quantities import (
    ALARM_FLAGS,
    GAS_QUANTITIES,
    QUALITY_BITS,
    Flag,
    Quality,
    quality_shift,
)
from devices.readings import Rows
from rules.document import Kind, Override, Rule, RulePack, Schedule
from rules.schedule import inside
from rules.selection import applies, by_class, is_silence, microseconds

TRUE, FALSE, UNKNOWN = np.int8(1), np.int8(0), np.int8(-1)
_NIBBLE = (1 << QUALITY_BITS) - 1
_BROKEN = np.zeros(1 << QUALITY_BITS, np.bool_)
_BROKEN[[Quality.OUT_OF_RANGE, Quality.SENSOR_FAULT, Quality.SENTINEL]] = True
_HIDDEN = np.zeros(1 << QUALITY_BITS, np.bool_)
_HIDDEN[[Quality.WARM_UP, Quality.INHIBITED, Quality.STALE]] = True
#: While these are set the device's judgement says nothing about clean air: its alarm bits raise, but do not clear.
_BLIND = Flag.WARM_UP | Flag.INHIBIT | Flag.FAULT


@dataclass(frozen=True, slots=True)
class Compiled:
    """A pack for one fleet. Of shape (rules,): flags, latch, closes, priority. Of shape (classes, rules), by the class
    of the device (devices/classes.py): hold_us and clear_hold_us; looks, whether the rule looks at such a device;
    by_flags, whether it has only the device's flags to look at there; silent_us, after how long without a reading a
    rule of `silence` is true (NEVER: it is about something else); limit and clear, f4, of a rule that has limits, NaN
    else. class_of: shape (slots,), i4.
    silence: the rules, by number, that are true of devices not heard. schedules: by rule number."""

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
    """Raises ValueError for a pack that does not fit this fleet (what it would remember of it is too much)."""
    rules, classes = pack.rules, fleet.classes.all
    applied = applies(pack, classes)
    kinds = {kind: [i for i, rule in enumerate(rules) if rule.kind is kind] for kind in Kind}

    def only(kind: Kind) -> int:
        return kinds[kind][0] if kinds[kind] else -1

    return Compiled(
        pack=pack,
        rules=rules,
        fleet=fleet,
        class_of=fleet.classes.of,
        looks=applied.looks,
        by_flags=applied.by_flags,
        silent_us=applied.silent_us,
        limit=by_class(pack, classes, _limit, _limit).astype(np.float32),
        clear=by_class(pack, classes, _clear, _clear).astype(np.float32),
        flags=np.array([flags_mask(rule) for rule in rules], np.int64),
        hold_us=microseconds(by_class(pack, classes, lambda one: one.hold_s, lambda one: one.hold_s)),
        clear_hold_us=microseconds(by_class(pack, classes, lambda one: one.clear_hold_s, lambda one: one.clear_hold_s)),
        latch=np.array([rule.latch for rule in rules], np.bool_),
        closes=np.array([rule.action.closes for rule in rules], np.bool_),
        priority=np.array([rule.priority for rule in rules], np.uint8),
        by_id={rule.id: i for i, rule in enumerate(rules)},
        schedules={i: rule.schedule for i, rule in enumerate(rules) if rule.schedule is not None},
        silence=tuple(i for i in range(len(rules)) if is_silence(pack, i)),
        unconfirmed=only(Kind.UNCONFIRMED),
        no_valve=only(Kind.NO_VALVE),
        reopened=only(Kind.REOPENED),
        asleep=only(Kind.ASLEEP),
        link_down=only(Kind.LINK_DOWN),
        session_lost=only(Kind.SESSION_LOST),
        missing=only(Kind.MISSING),
        outage=only(Kind.OUTAGE),
        held=only(Kind.HELD),
        reverted=only(Kind.REVERTED),
        field=only(Kind.FIELD),
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


@dataclass(frozen=True, slots=True)
class Conditions:
    """raised, cleared: shape (n, rules), i1, three-valued. at_once: shape (n, rules), bool: the device itself says so,
    so no hold applies. priority: shape (n, rules), u1: what an alarm of the rule has as of this row, the rule's own or
    that of an escalation whose condition is true here."""

    raised: NDArray[np.int8]
    cleared: NDArray[np.int8]
    at_once: NDArray[np.bool_]
    priority: NDArray[np.uint8]


def conditions(compiled: Compiled, rows: Rows, looks: NDArray[np.bool_], by_flags: NDArray[np.bool_]) -> Conditions:
    """What every rule says of every row. looks, by_flags: shape (n, rules), the rows' devices' rows of `applies`."""
    shape = (len(rows), len(compiled))
    raised, cleared = np.zeros(shape, np.int8), np.full(shape, UNKNOWN, np.int8)
    at_once = np.zeros(shape, np.bool_)
    flags, quality = np.ascontiguousarray(rows["flags"]), np.ascontiguousarray(rows["quality"])
    for i, rule in enumerate(compiled.rules):
        if rule.kind is Kind.MEASURED:
            if rule.quantity:
                raised[:, i], cleared[:, i] = _measured(rule, rows, quality)
            alone = by_flags[:, i]
            if alone.any():
                raised[alone, i], cleared[alone, i] = FALSE, _by_flags(rule, flags)[alone]
        elif rule.kind is Kind.QUALITY:
            raised[:, i], cleared[:, i] = _unbelievable(quality)
        if compiled.flags[i]:
            says = (flags & compiled.flags[i]) != 0
            raised[says, i], cleared[says, i] = TRUE, FALSE
            at_once[:, i] = says
    unheard = (flags & int(Flag.STALE)) != 0
    if unheard.any():
        raised[unheard] = np.where(at_once[unheard], TRUE, UNKNOWN)
        cleared[unheard] = np.where(at_once[unheard], FALSE, UNKNOWN)
    raised[~looks] = FALSE
    cleared[~looks] = UNKNOWN
    at_once &= looks
    return Conditions(raised, cleared, at_once, np.tile(compiled.priority, (len(rows), 1)))


def _by_flags(rule: Rule, flags: NDArray[np.int64]) -> NDArray[np.int8]:
    """Whether flags alone say that the condition is gone: not while the device itself is blind."""
    blind = ((flags & int(_BLIND)) != 0) & bool(flags_mask(rule) & int(ALARM_FLAGS))
    return np.where(blind, UNKNOWN, TRUE)


def _measured(rule: Rule, rows: Rows, quality: NDArray[np.int64]) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    value = np.ascontiguousarray(rows[rule.quantity])
    known = (((quality >> quality_shift(rule.quantity)) & _NIBBLE) == Quality.GOOD) & ~np.isnan(value)
    with np.errstate(invalid="ignore"):
        if rule.at_or_above is not None and rule.clear_below is not None:
            over, clear = value >= np.float32(rule.at_or_above), value < np.float32(rule.clear_below)
        else:
            assert rule.at_or_below is not None
            assert rule.clear_above is not None
            over, clear = value <= np.float32(rule.at_or_below), value > np.float32(rule.clear_above)
    return np.where(known, over, UNKNOWN).astype(np.int8), np.where(known, clear, UNKNOWN).astype(np.int8)


def _unbelievable(quality: NDArray[np.int64]) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """A gas value cannot be believed for a reason that will not pass by itself. While a reason that does pass hides
    the sensor (warm-up), nobody knows."""
    broken, hidden = np.zeros(len(quality), np.bool_), np.zeros(len(quality), np.bool_)
    for name in GAS_QUANTITIES:
        says = (quality >> quality_shift(name)) & _NIBBLE
        broken |= _BROKEN[says]
        hidden |= _HIDDEN[says]
    hidden &= ~broken
    return np.where(hidden, UNKNOWN, broken).astype(np.int8), np.where(hidden, UNKNOWN, ~broken).astype(np.int8)
