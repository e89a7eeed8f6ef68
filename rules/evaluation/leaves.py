"""What the plain words of an expression say of every row: quantities, flags, valves, what the registry knows."""

import numpy as np

from devices.fleet import MICROSECONDS
from devices.quantities import ALARM_FLAGS, Flag
from rules.evaluation.numbers import Amount, Truth
from rules.evaluation.view import View
from rules.language.tree import Property, Word

#: While these are set the device's judgement says nothing about clean air: an alarm bit that is not set is unknown.
BLIND = Flag.WARM_UP | Flag.INHIBIT | Flag.FAULT


def measured(view: View, quantity: str) -> Amount:
    return Amount(view.good(quantity))


def of_device(view: View, of: Property) -> Amount:
    """Seconds; NaN where the registry does not know, or nobody was heard."""
    match of:
        case Property.INTERVAL:
            known = view.fleet.interval_us[view.slots]
            seconds = known / MICROSECONDS
        case Property.LIFE_LEFT:
            known = view.fleet.life_end_us[view.slots]
            seconds = (known - view.column("ts")) / MICROSECONDS
        case Property.CALIBRATION_LEFT:
            known = view.fleet.calibration_due_us[view.slots]
            seconds = (known - view.column("ts")) / MICROSECONDS
    return Amount(np.where((known == 0) | view.column("stale"), np.nan, seconds))


def flag(view: View, bit: Flag) -> Truth:
    """One that is set is a fact, whoever says it."""
    flags = view.column("flags")
    true = (flags & int(bit)) != 0
    false = ~true & ~view.column("stale")
    if bit & ALARM_FLAGS:
        false &= (flags & int(BLIND)) == 0
    return Truth(true, false)


def word(view: View, column: Word, value: int, *, equal: bool) -> Truth:
    """Unknown (0 of both enums) says nothing."""
    said = view.column(column.value)
    known = (said != 0) & ~view.column("stale")
    same = said == value
    return Truth(known & same, known & ~same) if equal else Truth(known & ~same, known & same)


def commanded(view: View) -> Truth:
    """See Evaluation.whole."""
    if view.watched is None:
        nobody = np.zeros(len(view), np.bool_)
        return Truth(nobody, nobody)
    known = ~view.column("stale")
    wanted = view.watched[view.slots]
    return Truth(known & wanted, known & ~wanted)
