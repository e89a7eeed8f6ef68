"""What a map's conditions must come to for a truth: each flag, quality, valve rule and check, made to hold or fail."""

from collections.abc import Sequence

from devices.quantities import GAS_QUANTITIES
from devices.register_map import QualityWhen, RegisterMap, ValveWhen
from simulators.modbus.choosing import CannotSay, Demand, all_hold, any_fails
from simulators.modbus.truth import FLAG_OF_STATE, Truth


def demands_of(chart: RegisterMap, truth: Truth, variant: int) -> list[Demand]:
    """Everything that must hold or fail. `variant`: where several entries say the same, which of them (the last for a
    number too high). Raises CannotSay."""
    demands: list[Demand] = [all_hold(check.when) for check in chart.check]
    demands += _flags(chart, truth)
    for quantity in measured(chart):
        demands += _quality(chart, truth, quantity, variant)
    demands += _valve(chart, truth, variant)
    # What asks for one certain thing goes first: the others then choose around it.
    return sorted(demands, key=len)


def variants(chart: RegisterMap) -> int:
    """How many different `variant`s there can be."""
    return max(1, len(chart.quality), len(chart.valve))


def measured(chart: RegisterMap) -> tuple[str, ...]:
    return tuple(field.quantity for field in chart.field if field.quantity)


def flags_of(chart: RegisterMap) -> frozenset[str]:
    """The flags a device of this map can set."""
    return frozenset(entry.flag for entry in chart.flag)


def states_of(chart: RegisterMap) -> frozenset[str]:
    """The states in which a device of this map can say that none of its gas values may be believed."""
    said = flags_of(chart)
    gases = [quantity for quantity in measured(chart) if quantity in GAS_QUANTITIES]
    by_quality = {
        entry.quality for entry in chart.quality if all(not entry.of or quantity in entry.of for quantity in gases)
    }
    by_flag = {state for state, flag in FLAG_OF_STATE.items() if flag in said and gases}
    return frozenset(by_quality | by_flag)


def _flags(chart: RegisterMap, truth: Truth) -> list[Demand]:
    can = flags_of(chart)
    wanted = {*truth.flags, FLAG_OF_STATE.get(truth.state, "")} - {""}
    strange = truth.flags - can
    if strange:
        raise CannotSay(f"no register says {', '.join(sorted(strange))}")
    demands: list[Demand] = []
    for flag in sorted(can):
        entries = [entry.when for entry in chart.flag if entry.flag == flag]
        if flag in wanted:
            demands.append([way for when in entries for way in all_hold(when)])
        else:
            demands += [any_fails(when) for when in entries]
    return demands


def _quality(chart: RegisterMap, truth: Truth, quantity: str, variant: int) -> list[Demand]:
    entries = [entry for entry in chart.quality if not entry.of or quantity in entry.of]
    wanted = truth.doubts.get(quantity) or truth.state
    matching = [at for at, entry in enumerate(entries) if entry.quality == wanted]
    if not wanted or not matching:
        return [any_fails(entry.when) for entry in entries]
    return _first_that_holds(entries, matching[min(variant, len(matching) - 1)], wanted)


def _valve(chart: RegisterMap, truth: Truth, variant: int) -> list[Demand]:
    if not truth.valve:
        return [any_fails(entry.when) for entry in chart.valve]
    matching = [
        at
        for at, entry in enumerate(chart.valve)
        if entry.position == truth.valve and (not truth.cause or entry.cause == truth.cause)
    ]
    if not matching:
        raise CannotSay(f"no register says that the valve is {truth.valve} {truth.cause}".rstrip())
    return _first_that_holds(chart.valve, matching[min(variant, len(matching) - 1)], truth.valve)


def _first_that_holds(entries: Sequence[QualityWhen | ValveWhen], which: int, word: str) -> list[Demand]:
    """This entry holds, and none before it that says something else."""
    before = [any_fails(entry.when) for entry in entries[:which] if _word(entry) != word]
    return [all_hold(entries[which].when), *before]


def _word(entry: QualityWhen | ValveWhen) -> str:
    return entry.quality if isinstance(entry, QualityWhen) else entry.position
