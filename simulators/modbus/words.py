"""How a number stands in registers, bit by bit: written from the words of devices/register_map.py, sharing no code with
the decoder or the planner.

A field is a list of places, one per bit of its raw number, the lowest bit first; a place is (space, wire address, bit).
Type, half words, bit ranges and the two byte and word orders only choose the places, and a number is laid out by
walking them.
"""

import math
import struct
from typing import NamedTuple

from devices.register_map import Field, Order, RegisterMap, Space

WORD_BITS = 16
#: A digit-coded word holds four decimal digits of four bits each.
_DIGITS, _DIGIT_BITS = 4, 4
_TWO_WORDS = ("u32", "s32", "f32")
_BY_LEADING_DIGIT = {"0": Space.COIL, "1": Space.DISCRETE, "3": Space.INPUT, "4": Space.HOLDING}


class Place(NamedTuple):
    """One bit: `at` is the address on the wire, `bit` 0 the lowest of the word."""

    space: Space
    at: int
    bit: int


def on_the_wire(chart: RegisterMap, at: int, space: Space | None, shift: int = 0) -> tuple[Space, int]:
    """Where an address of the file lies: its table, and its number as it goes over the wire. `shift`: what base and
    channel add. Raises ValueError for an address that lies nowhere."""
    text = str(at)
    match chart.notation:
        case "modicon":
            # Five digits or six, the first of which names the table; coils are written without their leading zero.
            digits = text.zfill(5)
            where, number = _BY_LEADING_DIGIT.get(digits[0]), int(digits[1:]) - 1
        case "one_based":
            where, number = space, at - 1
        case _:
            where, number = space, at
    if where is None:
        raise ValueError(f"address {at} does not say which table it is of")
    wire = number + chart.base + shift
    if not 0 <= wire < 1 << WORD_BITS:
        raise ValueError(f"address {at} comes to {wire} on the wire")
    return where, wire


def places_of(chart: RegisterMap, field: Field, shift: int = 0) -> tuple[Place, ...]:
    """The bits of a field's raw number, lowest first. Of text: of its characters, the last one first."""
    space, first = on_the_wire(chart, field.at, field.space, shift)
    if field.type == "bit":
        return (Place(space, first, 0),)
    word_order: Order = field.word_order or chart.word_order
    byte_order: Order = field.byte_order or chart.byte_order
    words = list(range(first, first + word_count(field)))
    # The last word is the lowest; text and single words have no order of words.
    if word_order == "big" or field.type not in _TWO_WORDS:
        words.reverse()
    turned = 8 if byte_order == "little" else 0
    places = [Place(space, at, (bit + turned) % WORD_BITS) for at in words for bit in range(WORD_BITS)]
    if field.byte is not None:
        places = places[8:] if field.byte == "high" else places[:8]
    if field.bits is not None:
        places = places[field.bits[0] : field.bits[1] + 1]
    return tuple(places)


def word_count(field: Field) -> int:
    """Registers (or bits) a field takes."""
    if field.type == "ascii":
        return field.words
    return 2 if field.type in _TWO_WORDS else 1


def pattern_of(field: Field, number: float, width: int) -> int:
    """A raw number as its bits; `width`: how many there are. Raises ValueError when it does not fit."""
    if field.type == "f32":
        return int.from_bytes(struct.pack(">f", number))
    whole = round(number)
    if field.type == "bcd16":
        if not 0 <= whole < 10**_DIGITS:
            raise ValueError(f"{field.name}: {whole} has no four digits")
        return int(f"{whole:04d}", 16)
    lowest, highest = limits_of(field, width)
    if not lowest <= whole <= highest:
        raise ValueError(f"{field.name}: {whole} does not fit {field.type}")
    return whole % (1 << width)


def number_of(field: Field, pattern: int, width: int) -> float:
    """The inverse: the raw number that a device means by these bits; NaN when they are none."""
    if field.type == "f32":
        (number,) = struct.unpack(">f", pattern.to_bytes(4))
        return float(number)
    if field.type == "bcd16":
        digits = [pattern >> (_DIGIT_BITS * place) & 0xF for place in range(_DIGITS)]
        if max(digits) > 9:
            return math.nan
        return float(sum(digit * 10**place for place, digit in enumerate(digits)))
    if is_signed(field) and pattern >> (width - 1):
        return pattern - (1 << width)
    return pattern


def limits_of(field: Field, width: int) -> tuple[float, float]:
    """The lowest and the highest raw number that fit."""
    if field.type == "f32":
        return -3.0e38, 3.0e38
    if field.type == "bcd16":
        return 0, 10**_DIGITS - 1
    if is_signed(field):
        return -(1 << (width - 1)), (1 << (width - 1)) - 1
    return 0, (1 << width) - 1


def is_signed(field: Field) -> bool:
    return field.type in ("s16", "s32")
