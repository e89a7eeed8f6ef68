"""Whether each field of a register map makes sense: its place, its bits, its value, and what it refers to."""

import math
import re
from collections.abc import Iterator

from devices.codecs.telemetry import FLAG_NAMES
from devices.quantities import QUANTITY_NAMES
from devices.register_map import Field, RegisterMap, Space
from devices.register_numbers import pattern_bits, whole_bits
from devices.registers import HIGHEST_ADDRESS, width, wire_address

#: (dotted key, reason).
Fault = tuple[str, str]
#: Registers of one text. Product choice: 64 characters hold any name or serial, and every reading may carry it.
MOST_TEXT_REGISTERS = 32
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
#: Names that mean something else in a reading, and so cannot be of `extra`.
_TAKEN = frozenset((*QUANTITY_NAMES, *FLAG_NAMES, "valve", "valve_cause"))
_BIT_SPACES = (Space.COIL, Space.DISCRETE)
_INTEGERS = ("bit", "u16", "s16", "u32", "s32", "bcd16")


def field_faults(chart: RegisterMap) -> Iterator[Fault]:
    """Faults of all fields, keys from `field` on."""
    if not chart.field:
        yield "field", "there is nothing to read; a map has at least one field"
    fields: dict[str, Field] = {}
    quantities: dict[str, str] = {}
    for at, field in enumerate(chart.field):
        key = f"field[{at}]"
        if field.name in fields:
            yield f"{key}.name", f"{field.name!r} is there twice"
        fields.setdefault(field.name, field)
        if field.quantity and field.quantity in quantities:
            yield f"{key}.quantity", f"{field.quantity} is field {quantities[field.quantity]!r} already"
        quantities.setdefault(field.quantity, field.name)
    for at, field in enumerate(chart.field):
        key = f"field[{at}]"
        for faults in (_name_faults(field), _place_faults(chart, field), _bit_faults(field), _value_faults(field)):
            yield from ((f"{key}.{name}", reason) for name, reason in faults)
        yield from ((f"{key}.{name}", reason) for name, reason in _reference_faults(field, fields))


def _name_faults(field: Field) -> Iterator[Fault]:
    if not _NAME.match(field.name):
        yield "name", f"{field.name!r} must be 1 to 40 of a-z 0-9 _, a letter first"
    if field.quantity and field.quantity not in QUANTITY_NAMES:
        yield "quantity", f"{field.quantity!r} is not one of {', '.join(QUANTITY_NAMES)}"
    if field.extra and field.name in _TAKEN:
        yield "name", f"{field.name!r} means something else in a reading; a field with extra = true needs another name"


def _place_faults(chart: RegisterMap, field: Field) -> Iterator[Fault]:
    if field.stride < 0:
        yield "stride", "must be 0 or more"
    try:
        space, first = wire_address(chart, field.at, field.space)
    except ValueError as wrong:
        yield "at", str(wrong)
        return
    if (field.type == "bit") != (space in _BIT_SPACES):
        yield "type", f"{field.type} cannot be in {space}: bit is of coils and discrete inputs, all else of registers"
    last = first + max(field.stride, 0) * (max(chart.channels, 1) - 1) + width(field) - 1
    if last > HIGHEST_ADDRESS:
        yield "at", f"ends at wire address {last}, beyond {HIGHEST_ADDRESS}"


def _bit_faults(field: Field) -> Iterator[Fault]:
    if field.type == "ascii":
        if not 1 <= field.words <= MOST_TEXT_REGISTERS:
            yield "words", f"ascii needs 1 to {MOST_TEXT_REGISTERS} registers"
        for name, said in (("byte", field.byte), ("bits", field.bits), ("quantity", field.quantity or None)):
            if said is not None:
                yield name, "text has none"
        return
    if field.words:
        yield "words", "only for ascii; the type says how many registers the others have"
    if field.byte is not None and field.type not in ("u16", "s16", "bcd16"):
        yield "byte", f"only a 16-bit word has halves, not {field.type}"
    if field.bits is None:
        return
    if field.type in ("bit", "f32"):
        yield "bits", f"a {field.type} cannot be cut"
        return
    first, last = field.bits
    if not 0 <= first <= last < whole_bits(field):
        yield "bits", f"[{first}, {last}] must be within 0 to {whole_bits(field) - 1}, the first not above the last"
    elif field.type == "bcd16" and pattern_bits(field) % 4:
        yield "bits", "decimal digits have four bits each"


def _value_faults(field: Field) -> Iterator[Fault]:
    if not math.isfinite(field.scale) or field.scale == 0:
        yield "scale", "must be a number other than 0"
    if not math.isfinite(field.offset):
        yield "offset", "must be a number"
    if field.ramp is not None:
        if not all(map(math.isfinite, (*field.ramp.raw, *field.ramp.value))):
            yield "ramp", "must be numbers"
        elif field.ramp.raw[0] == field.ramp.raw[1] or field.ramp.value[0] == field.ramp.value[1]:
            yield "ramp", "needs two different raw numbers and two different values"
        if field.scale != 1 or field.offset:
            yield "ramp", "goes instead of scale and offset"
    if field.valid is not None and not field.valid[0] < field.valid[1]:
        yield "valid", "the first must be below the second"
    if isinstance(field.full_scale, float) and not 0 < field.full_scale < math.inf:
        yield "full_scale", "must be above 0"
    if field.unit is not None:
        codes = [code.code for code in field.unit.codes]
        if not codes or len(set(codes)) != len(codes):
            yield "unit.codes", "needs at least one code, each once"
        if any(not math.isfinite(code.scale) or code.scale == 0 for code in field.unit.codes):
            yield "unit.codes", "a scale must be a number other than 0"


def _reference_faults(field: Field, fields: dict[str, Field]) -> Iterator[Fault]:
    for key, name in (
        ("decimals", field.decimals),
        ("sign", field.sign),
        ("unit.field", field.unit.field if field.unit is not None else ""),
    ):
        if not name and key != "unit.field":
            continue
        if key == "unit.field" and field.unit is None:
            continue
        if name not in fields:
            yield key, f"there is no field {name!r}"
        elif name == field.name:
            yield key, "a field cannot say this of itself"
        elif fields[name].type not in _INTEGERS:
            yield key, f"field {name!r} must be an integer, not {fields[name].type}"
    if not isinstance(field.full_scale, str):
        return
    full = fields.get(field.full_scale)
    if full is None:
        yield "full_scale", f"there is no field {field.full_scale!r}"
    elif full.type == "ascii" or full.full_scale is not None or full.name == field.name:
        yield "full_scale", f"field {field.full_scale!r} must be a number of its own, not text nor a part of another"
