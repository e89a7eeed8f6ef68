"""Pure array functions: what each rule's condition says of each reading. Three-valued: 1 true, 0 false, -1 unknown.

N1  A value that is NaN or whose quality is not GOOD makes a comparison unknown, never false (G9).
N2  The device's own flags are facts: they make a condition true whatever the quantities say.
N3  A reading flagged STALE says that nobody was heard. Its flags still make a condition true; all else it says, and
    what it does not say, is unknown to every rule (G9).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.quantities import GAS_QUANTITIES, QUALITY_BITS, Quality, quality_shift
from devices.readings import Rows
from rules.evaluation.compiled import Compiled, compile_again, compile_new, compile_pack
from rules.evaluation.leaves import BLIND
from rules.evaluation.limits import Limits
from rules.evaluation.view import NIBBLE, View

__all__ = ["Compiled", "Conditions", "compile_again", "compile_new", "compile_pack", "conditions"]

TRUE, FALSE, UNKNOWN = np.int8(1), np.int8(0), np.int8(-1)
_BROKEN = np.zeros(1 << QUALITY_BITS, np.bool_)
_BROKEN[[Quality.OUT_OF_RANGE, Quality.SENSOR_FAULT, Quality.SENTINEL]] = True
_HIDDEN = np.zeros(1 << QUALITY_BITS, np.bool_)
_HIDDEN[[Quality.WARM_UP, Quality.INHIBITED, Quality.STALE]] = True


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
    """What limits, flags and qualities say of every row; of a rule with an expression, what its flags say. looks,
    by_flags: shape (n, rules), the rows' devices' rows of Compiled's."""
    return conditions_of(
        compiled, View(compiled.fleet, rows, compiled.fleet.slots(rows["device_no"]), {}), looks, by_flags
    )


def conditions_of(compiled: Compiled, view: View, looks: NDArray[np.bool_], by_flags: NDArray[np.bool_]) -> Conditions:
    """The same, of the rows of a view."""
    raised = np.zeros(looks.shape, np.int8)
    cleared = np.full(looks.shape, UNKNOWN, np.int8)
    at_once = np.zeros(looks.shape, np.bool_)
    for limits in compiled.limits:
        _by_limits(limits, view, raised, cleared)
    if compiled.of_quality:
        for column in compiled.of_quality:
            raised[:, column], cleared[:, column] = _unbelievable(view.column("quality"))
    alone = compiled.alone
    if len(alone):
        _by_flags(compiled, view.column("flags"), by_flags[:, alone], raised, cleared)
    unheard = view.column("stale")
    if unheard.any():
        raised[unheard], cleared[unheard] = UNKNOWN, UNKNOWN
    marked = np.flatnonzero(view.column("flags") & compiled.any_flag)
    if len(marked):
        says = (view.column("flags")[marked, None] & compiled.flags) != 0
        raised[marked] = np.where(says, TRUE, raised[marked])
        cleared[marked] = np.where(says, FALSE, cleared[marked])
        at_once[marked] = says & looks[marked]
    raised *= looks
    cleared = np.where(looks, cleared, UNKNOWN)
    return Conditions(raised, cleared, at_once, np.tile(compiled.priority, (len(view), 1)))


def raised_by_limits(compiled: Compiled, view: View) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """What `conditions` says is true, shape (n, rules), bool, and no more: most rows are told by a glance. And at which
    rows that is anything, shape (n,), bool."""
    hot = (view.column("flags") & compiled.any_flag) != 0
    for limits in compiled.limits:
        hot |= limits.may(view.believed(limits.quantity))
    if compiled.of_quality:
        hot |= _broken(view.column("quality"))
    found = np.zeros((len(view), len(compiled)), np.bool_)
    rows = np.flatnonzero(hot)
    if len(rows):
        some = _raised(compiled, view.some(rows, None))
        found[rows] = some
        hot[rows] = some.any(axis=1)
    return found, hot


def _raised(compiled: Compiled, view: View) -> NDArray[np.bool_]:
    classes, flags = view.column("class"), view.column("flags")
    found = np.zeros((len(view), len(compiled)), np.bool_)
    for limits in compiled.limits:
        found[:, limits.columns] = limits.reached(view.believed(limits.quantity), classes)
    if compiled.of_quality:
        broken = _broken(view.column("quality"))
        for column in compiled.of_quality:
            found[:, column] = broken
    found[view.column("stale")] = False
    found &= compiled.judged[classes]
    marked = np.flatnonzero(flags & compiled.any_flag)
    if len(marked):
        found[marked] |= ((flags[marked, None] & compiled.flags) != 0) & compiled.looks[classes[marked]]
    return found


def _by_limits(limits: Limits, view: View, raised: NDArray[np.int8], cleared: NDArray[np.int8]) -> None:
    value, classes = view.believed(limits.quantity), view.column("class")
    nobody_knows = np.isnan(value)
    for table, says in ((raised, limits.reached(value, classes)), (cleared, limits.cleared(value, classes))):
        block = says.view(np.int8)
        block[nobody_knows] = UNKNOWN
        table[:, limits.columns] = block


def _by_flags(
    compiled: Compiled,
    flags: NDArray[np.int64],
    by_flags: NDArray[np.bool_],
    raised: NDArray[np.int8],
    cleared: NDArray[np.int8],
) -> None:
    """Where a rule has only flags to look at: none is set, so far; whether that says that the condition is gone, which
    no alarm flag does while the device itself is blind. by_flags: shape (n, compiled.alone)."""
    columns = compiled.alone
    blind = (flags & int(BLIND)) != 0
    gone = np.where(blind[:, None] & compiled.of_alarms[columns], UNKNOWN, TRUE)
    raised[:, columns] = np.where(by_flags, FALSE, raised[:, columns])
    cleared[:, columns] = np.where(by_flags, gone, cleared[:, columns])


def _broken(quality: NDArray[np.int64]) -> NDArray[np.bool_]:
    broken = np.zeros(len(quality), np.bool_)
    for name in GAS_QUANTITIES:
        broken |= _BROKEN[(quality >> quality_shift(name)) & NIBBLE]
    return broken


def _unbelievable(quality: NDArray[np.int64]) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """A gas value cannot be believed for a reason that will not pass by itself. While a reason that does pass hides
    the sensor (warm-up), nobody knows."""
    broken, hidden = _broken(quality), np.zeros(len(quality), np.bool_)
    for name in GAS_QUANTITIES:
        hidden |= _HIDDEN[(quality >> quality_shift(name)) & NIBBLE]
    hidden &= ~broken
    return np.where(hidden, UNKNOWN, broken).astype(np.int8), np.where(hidden, UNKNOWN, ~broken).astype(np.int8)
