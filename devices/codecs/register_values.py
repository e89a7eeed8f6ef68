"""From raw numbers to values with their quality: what a register map says of a quantity, for n frames at once.

V1  value = (raw x scale + offset, or by the ramp) / 10^decimals, negative by `sign`, in % of `full_scale`, times the
    unit's scale; in this order. `decimals`, `sign` and `unit` look at raw numbers of other fields; `full_scale` at
    another field's scaled number (its own scale, offset, ramp, decimals and sign).
V2  The quality of a value is the first of these that applies: a [[modbus.quality]] entry, in the order of the file;
    SENTINEL; OUT_OF_RANGE, by `valid`; SENSOR_FAULT, where there is no number: an f32 that is not finite, a digit above
    9, decimals that are not a whole 0 to 6, a full scale that is not above 0, a unit code that is not listed; and for
    an f32, be it the value or its full scale, that is neither 0 nor as large as LEAST_F32; OUT_OF_RANGE, by what is
    physically possible.
V3  As in C1 of native_columns.py, a number that may not be believed is kept as evidence, and a column holds NaN for
    NOT_MEASURED and OUT_OF_RANGE, whose number goes to `extra`; beyond C1 it holds NaN wherever there is no number
    (V2): a value in an unknown unit is not in ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.quantities import QUALITY_BITS, QUANTITIES, QUANTITY_NAMES, Quality, Quantity
from devices.readings import Rows
from devices.register_map import Field, QualityWhen, RegisterMap
from devices.register_numbers import RawNumbers, is_one_of

#: The most decimals a register may declare. Product choice: devices show at most 4.
MOST_DECIMALS = 6
_POWERS_OF_TEN = 10.0 ** np.arange(MOST_DECIMALS + 1)

#: Nothing measures so little, but a number whose two words are exchanged on the way looks so and would read as clean
#: air: 40.0 as 2.4e-41, 10.2 as 4.2e-8. Product choice: of all tenths from 0.1 to 256.0 none is then left that reads as
#: possible and below itself (without it 1,023 are). Of finer steps and larger numbers some are left, 855 of the 10,000
#: hundredths to 100.00 (10.14 reads as 0.059): against those only a map whose word order was seen on the device helps.
LEAST_F32 = 1e-6

#: (frame, quantity, number) of values whose column holds NaN though there is a number.
Beyond = list[tuple[int, str, float]]


@dataclass(frozen=True, slots=True)
class MeasuredField:
    """A field that is a quantity. `rules`: the [[modbus.quality]] entries that speak of it, in order."""

    field: Field
    quantity: Quantity
    at: int
    rules: tuple[QualityWhen, ...]


def measured_fields(chart: RegisterMap) -> tuple[MeasuredField, ...]:
    """The fields of a map that are quantities, in canonical order. Raises ValueError for an unknown quantity."""
    found = [
        MeasuredField(
            field=field,
            quantity=QUANTITIES[QUANTITY_NAMES.index(field.quantity)],
            at=QUANTITY_NAMES.index(field.quantity),
            rules=tuple(rule for rule in chart.quality if not rule.of or field.quantity in rule.of),
        )
        for field in chart.field
        if field.quantity
    ]
    return tuple(sorted(found, key=lambda measured: measured.at))


def scaled(field: Field, fields: Mapping[str, Field], raw: RawNumbers) -> NDArray[np.float64]:
    """(n,): raw numbers with scale, offset or ramp, decimals and sign (V1). NaN where there is no number."""
    number = raw.number(field.name)
    if field.ramp is not None:
        (low, high), (bottom, top) = field.ramp.raw, field.ramp.value
        number = (number - low) * (top - bottom) / (high - low) + bottom
    else:
        if field.scale != 1.0:
            number = number * field.scale
        if field.offset:
            number = number + field.offset
    if field.decimals:
        number = _without_decimals(number, raw.number(field.decimals))
    if field.sign:
        # Adding 0 makes -0 plain.
        number = np.where(raw.number(field.sign) != 0, -number, number) + 0.0
    return number


def _without_decimals(number: NDArray[np.float64], decimals: NDArray[np.float64]) -> NDArray[np.float64]:
    told = (decimals >= 0) & (decimals <= MOST_DECIMALS) & (np.trunc(decimals) == decimals)
    power = _POWERS_OF_TEN[np.where(told, decimals, 0).astype(np.int64)]
    return np.where(told, number / power, np.nan)


def value(field: Field, fields: Mapping[str, Field], raw: RawNumbers) -> NDArray[np.float64]:
    """(n,): values in the quantity's own unit (V1). NaN where there is no number (V2)."""
    number = scaled(field, fields, raw)
    if field.full_scale is not None:
        number = _of_full_scale(number, field.full_scale, fields, raw)
    if field.unit is not None:
        code, factor = raw.number(field.unit.field), np.full(len(raw), np.nan)
        for known in field.unit.codes:
            factor[code == known.code] = known.scale
        number = number * factor
    return number


def _of_full_scale(
    number: NDArray[np.float64], full_scale: float | str, fields: Mapping[str, Field], raw: RawNumbers
) -> NDArray[np.float64]:
    if not isinstance(full_scale, str):
        return number * (full_scale / 100)
    full = scaled(fields[full_scale], fields, raw)
    if fields[full_scale].type == "f32":
        full = np.where(_next_to_nothing(raw.number(full_scale)), np.nan, full)
    return number * np.where(full > 0, full, np.nan) / 100


def _next_to_nothing(plain: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n,): where the raw number of an f32 is too small to be one (LEAST_F32)."""
    size = np.abs(plain)
    return np.asarray((size > 0) & (size < LEAST_F32))


def fill_quantities(
    measured: tuple[MeasuredField, ...],
    fields: Mapping[str, Field],
    raw: RawNumbers,
    stale: NDArray[np.bool_],
    rows: Rows,
) -> Beyond:
    """Values and qualities of all quantities of a map into rows, (n,), that are blank. stale: (n,), the frames whose
    device is dead: every quality is STALE there."""
    beyond: Beyond = []
    held: dict[int, NDArray[np.bool_]] = {}
    word = rows["quality"].copy()
    for one in measured:
        number = value(one.field, fields, raw)
        quality = _quality(one, number, raw, held)
        quality[stale] = Quality.STALE
        unknown = (quality == Quality.NOT_MEASURED) | (quality == Quality.OUT_OF_RANGE)
        if unknown.any():
            lost = np.flatnonzero((quality == Quality.OUT_OF_RANGE) & np.isfinite(number))
            beyond += [(at, one.quantity.name, float(number[at])) for at in lost.tolist()]
            number = np.where(unknown, np.nan, number)
        column = number.astype(np.float32)
        column[~np.isfinite(column)] = np.nan
        rows[one.quantity.name] = column
        word ^= (quality ^ Quality.NOT_MEASURED) << (QUALITY_BITS * one.at)
    rows["quality"] = word
    return beyond


def _quality(
    one: MeasuredField, number: NDArray[np.float64], raw: RawNumbers, held: dict[int, NDArray[np.bool_]]
) -> NDArray[np.int64]:
    """(n,), by V2: what goes before is written later. `held`: what quality entries gave, by identity, since one entry
    often speaks of several quantities."""
    quality = np.full(len(raw), Quality.GOOD, np.int64)
    finite = np.isfinite(number)
    # As the column will hold it: what the arithmetic of a scale adds at the end of a range is no measurement.
    shown = number.astype(np.float32)
    quality[(shown < one.quantity.lowest) | (shown > one.quantity.highest)] = Quality.OUT_OF_RANGE
    quality[~finite] = Quality.SENSOR_FAULT
    if one.field.type == "f32":
        quality[_next_to_nothing(raw.number(one.field.name))] = Quality.SENSOR_FAULT
    if one.field.valid is not None:
        lowest, highest = one.field.valid
        plain = raw.number(one.field.name)
        quality[np.isfinite(plain) & ((plain < lowest) | (plain > highest))] = Quality.OUT_OF_RANGE
    if one.field.sentinels:
        quality[is_one_of(raw.number(one.field.name), one.field.sentinels)] = Quality.SENTINEL
    for rule in reversed(one.rules):
        if id(rule) not in held:
            held[id(rule)] = raw.hold(rule.when)
        quality[held[id(rule)]] = Quality[rule.quality.upper()]
    return quality
