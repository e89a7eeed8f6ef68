"""Whether a register map makes sense, beyond the types of its keys. Every fault is found, each with its key.

K1  A map without faults can be laid out, planned for all its channels, compiled and commanded without an error.
K2  Nothing in it can never happen: a condition on a number that the field cannot hold is a slip, and is refused.
K3  Registers that are all 0, which some gateways answer for a unit that nobody has, never read as a closed valve (G7).
"""

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from devices.codecs.telemetry import CAUSE_WORDS, FLAG_NAMES
from devices.register_check_fields import Fault, field_faults
from devices.register_check_writes import command_faults
from devices.register_map import Field, RegisterMap, Term
from devices.register_numbers import RawNumbers, pattern_bits, raw_fields
from devices.registers import layout, plan_reads, width, wire_address

#: Modbus application protocol 1.1b3, sections 6.1 to 6.4.
MOST_REGISTERS, MOST_BITS = 125, 2000
#: Product choices: a panel has tens of heads, and a pause or a reply takes seconds at most.
MOST_CHANNELS = 1000
LONGEST_MS = 60_000.0
#: Bits of the widest number, u32.
_MOST_PATTERN_BITS = 32


def map_faults(chart: RegisterMap, *, verb: str, reports_position: bool) -> list[Fault]:
    """Faults of a `[modbus]` part, keys from the file's top. verb: what such a device is commanded for ("close" of a
    shut_off_valve, "fan_on" of a fan); empty: it takes no commands."""
    faults = [*_number_faults(chart), *field_faults(chart)]
    fields = {field.name: field for field in chart.field}
    faults += _condition_faults(chart, fields)
    faults += _valve_faults(chart, verb == "close" and reports_position)
    faults += command_faults(chart, verb=verb)
    if not faults:
        faults += _plan_faults(chart)
    if not faults:
        faults += _zero_faults(chart)
    return [(f"modbus.{key}" if key else "modbus", reason) for key, reason in faults]


def _number_faults(chart: RegisterMap) -> Iterator[Fault]:
    for key, number, lowest, highest in (
        ("most_registers", chart.most_registers, 1, MOST_REGISTERS),
        ("most_bits", chart.most_bits, 1, MOST_BITS),
        ("most_gap", chart.most_gap, 0, MOST_REGISTERS),
        ("channels", chart.channels, 1, MOST_CHANNELS),
        ("gap_ms", chart.gap_ms, 0, LONGEST_MS),
        ("reply_within_ms", chart.reply_within_ms, 1, LONGEST_MS),
    ):
        if not lowest <= number <= highest:  # also refuses nan
            yield key, f"must be {lowest} to {highest:g}"
    if chart.channels > 1 and not any(field.stride for field in chart.field):
        yield "channels", "no field has a stride, so all channels would be the same"
    if chart.serial is not None and not 300 <= chart.serial.baud <= 4_000_000:
        yield "serial.baud", "must be 300 to 4000000"
    heartbeat = chart.heartbeat
    if heartbeat is not None:
        if not 0 < heartbeat.within_s < math.inf:
            yield "heartbeat.within_s", "must be positive and finite, or a dead device would never be seen dead"
        beating = next((field for field in chart.field if field.name == heartbeat.field), None)
        if beating is None:
            yield "heartbeat.field", f"there is no field {heartbeat.field!r}"
        elif beating.type == "ascii":
            yield "heartbeat.field", f"field {heartbeat.field!r} is text"


def _condition_faults(chart: RegisterMap, fields: dict[str, Field]) -> Iterator[Fault]:
    for at, flag in enumerate(chart.flag):
        if flag.flag not in FLAG_NAMES:
            yield f"flag[{at}].flag", f"{flag.flag!r} is not one of {', '.join(FLAG_NAMES)}"
        elif flag.flag == "backfill":
            yield f"flag[{at}].flag", "what is polled is live; backfill would keep it from closing a valve"
        yield from term_faults(f"flag[{at}].when", flag.when, fields)
    measured = {field.quantity for field in chart.field if field.quantity}
    for at, quality in enumerate(chart.quality):
        yield from term_faults(f"quality[{at}].when", quality.when, fields)
        for name in quality.of:
            if name not in measured:
                yield f"quality[{at}].of", f"no field is the quantity {name!r}"
    for at, check in enumerate(chart.check):
        yield from term_faults(f"check[{at}].when", check.when, fields)
        if not check.reason.strip():
            yield f"check[{at}].reason", "is empty; it is what quarantine says"
    for at, valve in enumerate(chart.valve):
        yield from term_faults(f"valve[{at}].when", valve.when, fields)
        if valve.cause and valve.cause not in CAUSE_WORDS:
            yield f"valve[{at}].cause", f"{valve.cause!r} is not one of {', '.join(CAUSE_WORDS)}"
    for at, command in enumerate(chart.command):
        for part, writes in (("write", command.write), ("release", command.release)):
            for number, write in enumerate(writes):
                if write.then:
                    yield from term_faults(f"command[{at}].{part}[{number}].then", write.then, fields)


def _valve_faults(chart: RegisterMap, must_show_closed: bool) -> Iterator[Fault]:
    if must_show_closed and not any(entry.position == "closed" for entry in chart.valve):
        yield "valve", 'no entry says when it is "closed"; without a position: [actuator] reports_position = false'


def term_faults(key: str, terms: Sequence[Term], fields: dict[str, Field]) -> Iterator[Fault]:
    """Faults of conditions that are listed together."""
    if not terms:
        yield key, "needs at least one condition; without any it would always hold"
    for at, term in enumerate(terms):
        place = f"{key}[{at}]"
        field = fields.get(term.field)
        tests = (term.bit is not None, bool(term.one_of), bool(term.none_of), term.above is not None)
        if sum((*tests, term.below is not None)) != 1:
            yield place, "needs exactly one of bit, one_of, none_of, above, below"
        if field is None:
            yield f"{place}.field", f"there is no field {term.field!r}"
        elif field.type == "ascii":
            yield f"{place}.field", f"field {term.field!r} is text; conditions are on numbers"
        else:
            yield from _impossible(place, term, field)


def _impossible(place: str, term: Term, field: Field) -> Iterator[Fault]:
    """What can never hold, or never fail (K2)."""
    size = pattern_bits(field)
    if not 1 <= size <= _MOST_PATTERN_BITS:
        return  # the field itself is at fault
    if term.bit is not None and (field.type == "f32" or not 0 <= term.bit < size):
        yield (
            f"{place}.bit",
            f"field {field.name!r} has " + ("no bits" if field.type == "f32" else f"bits 0 to {size - 1}"),
        )
    if term.bit is None and not term.set:
        yield f"{place}.set", "is only for bit"
    lowest, highest = possible(field)
    for key, numbers in (("one_of", term.one_of), ("none_of", term.none_of)):
        for number in numbers:
            if not (lowest <= number <= highest or (math.isnan(number) and field.type in ("f32", "bcd16"))):
                yield f"{place}.{key}", f"{number:g} cannot be in field {field.name!r} ({lowest:g} to {highest:g})"
    if term.above is not None and not lowest <= term.above < highest:
        yield f"{place}.above", f"{term.above:g}: field {field.name!r} is {lowest:g} to {highest:g}"
    if term.below is not None and not lowest < term.below <= highest:
        yield f"{place}.below", f"{term.below:g}: field {field.name!r} is {lowest:g} to {highest:g}"


def possible(field: Field) -> tuple[float, float]:
    """The lowest and the highest raw number of a field that is no text."""
    size = pattern_bits(field)
    if field.type == "f32":
        return -math.inf, math.inf
    if field.type == "bcd16":
        return 0.0, 10.0 ** (size // 4) - 1
    if field.type in ("s16", "s32"):
        return -(2.0 ** (size - 1)), 2.0 ** (size - 1) - 1
    return 0.0, 2.0**size - 1


def _plan_faults(chart: RegisterMap) -> Iterator[Fault]:
    """Only for a map whose fields are sound one by one."""
    for one, other in combinations(chart.field, 2):
        if _torn(chart, one, other):
            yield "field", f"{one.name!r} and {other.name!r} overlap in part: one of them must hold the other"
    try:
        plan_reads(chart, range(1, chart.channels + 1))
    except ValueError as wrong:
        yield "", str(wrong)


def _zero_faults(chart: RegisterMap) -> Iterator[Fault]:
    """K3. Only for a map that can be laid out."""
    zeros = RawNumbers(raw_fields(chart), np.zeros((layout(chart).words, 1), np.uint16))
    if not all(zeros.hold(check.when)[0] for check in chart.check):
        return
    at = next((at for at, entry in enumerate(chart.valve) if zeros.hold(entry.when)[0]), None)
    if at is not None and chart.valve[at].position == "closed":
        reason = "registers that are all 0 would read as closed, and some gateways answer them for a unit nobody has"
        yield f"valve[{at}]", f"{reason}; a check that zeros do not pass must stand before it"


def _torn(chart: RegisterMap, one: Field, other: Field) -> bool:
    """Two wide fields that share a word and are not one inside the other: their words could not all come from one
    read of each."""
    (space, first), (other_space, other_first) = (wire_address(chart, f.at, f.space) for f in (one, other))
    if space is not other_space or one.stride != other.stride:
        return False
    end, other_end = first + width(one), other_first + width(other)
    shared = max(first, other_first) < min(end, other_end)
    inside = (first <= other_first and other_end <= end) or (other_first <= first and end <= other_end)
    return shared and not inside
