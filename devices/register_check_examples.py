"""Whether the golden examples of a register map can be run: their addresses, words and the names they expect.

What they come to is found out by running them (`devices/register_examples.py`)."""

from collections.abc import Iterator

from devices.codecs.telemetry import CAUSE_WORDS, FLAG_NAMES, VALVE_WORDS
from devices.quantities import Quality
from devices.register_check_fields import Fault
from devices.register_map import RegisterExample, RegisterMap, Space
from devices.registers import HIGHEST_ADDRESS, wire_address

#: Words of `expect` for a quantity that may not be believed.
QUALITY_WORDS: tuple[str, ...] = tuple(quality.name.lower() for quality in Quality if quality is not Quality.GOOD)
#: What can be compared: above it a 64-bit float no longer holds every whole number (IEEE 754).
_MOST_EXPECTED = 2.0**53


def example_faults(chart: RegisterMap) -> Iterator[Fault]:
    """Keys from `example` on."""
    measured = {field.quantity for field in chart.field if field.quantity}
    if not any(is_good(example, measured) for example in chart.example):
        yield "example", "needs at least one that shows what good registers mean"
    if not any(is_bad(example, measured) for example in chart.example):
        yield "example", "needs at least one bad one: refused, or with a quality word (a valve: unknown or fault)"
    for at, example in enumerate(chart.example):
        for faults in (_register_faults(chart, example), _expect_faults(chart, example, measured)):
            yield from ((f"example[{at}].{key}", reason) for key, reason in faults)


def is_good(example: RegisterExample, measured: set[str]) -> bool:
    """It pins a number, or, where nothing is measured, a position or a flag."""
    if measured:
        return any(name in measured and not isinstance(said, str) for name, said in example.expect.items())
    return bool(example.expect) and not is_bad(example, measured)


def is_bad(example: RegisterExample, measured: set[str]) -> bool:
    """It pins what is not taken for true."""
    doubted = any(name in measured and isinstance(said, str) for name, said in example.expect.items())
    return bool(example.refused) or doubted or (not measured and example.expect.get("valve") in ("unknown", "fault"))


def _register_faults(chart: RegisterMap, example: RegisterExample) -> Iterator[Fault]:
    if not 1 <= example.channel <= chart.channels:
        yield "channel", f"must be 1 to {chart.channels}"
    for at, run in enumerate(example.registers):
        key = f"registers[{at}]"
        try:
            space, first = wire_address(chart, run.at, run.space)
        except ValueError as wrong:
            yield f"{key}.at", str(wrong)
            continue
        highest = 1 if space in (Space.COIL, Space.DISCRETE) else 0xFFFF
        if any(not 0 <= word <= highest for word in run.words):
            yield f"{key}.words", f"words of {space} are 0 to {highest}"
        if first + len(run.words) - 1 > HIGHEST_ADDRESS:
            yield f"{key}.words", f"end beyond wire address {HIGHEST_ADDRESS}"


def _expect_faults(chart: RegisterMap, example: RegisterExample, measured: set[str]) -> Iterator[Fault]:
    if bool(example.expect) == bool(example.refused):
        yield "expect", "needs either expect or refused"
    kept = {field.name for field in chart.field if field.extra}
    for name, said in example.expect.items():
        key = f"expect.{name}"
        if not isinstance(said, str) and not abs(said) <= _MOST_EXPECTED:  # also refuses nan
            yield key, f"must be a number up to {_MOST_EXPECTED:g}"
        if name in measured:
            if isinstance(said, bool) or (isinstance(said, str) and said not in QUALITY_WORDS):
                yield key, f"must be a number or one of {', '.join(QUALITY_WORDS)}"
        elif name in FLAG_NAMES:
            if not isinstance(said, bool):
                yield key, "must be true or false"
        elif name in ("valve", "valve_cause"):
            words = VALVE_WORDS if name == "valve" else CAUSE_WORDS
            if said not in words:
                yield key, f"must be one of {', '.join(words)}"
        elif name not in kept:
            yield key, "is no quantity of this map, no flag, no valve word, and no field with extra = true"
        elif isinstance(said, bool):
            yield key, "must be a number or text"
