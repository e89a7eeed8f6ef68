"""Golden examples, run: registers as a device holds them, through layout, plan, frame and decoder, against what their
file says that they mean."""

import math
from collections.abc import Iterator

import msgspec
import numpy as np

from devices.codecs.decoded import Decoded
from devices.codecs.frame import FrameState, encode_frame
from devices.codecs.registers import FrameDecoder, compile_map, decode_frames
from devices.codecs.telemetry import CAUSE_WORDS, FLAG_NAMES, VALVE_WORDS
from devices.example_refusals import refusal_differences
from devices.models import DeviceModel
from devices.quantities import QUANTITY_NAMES, Flag, Quality, quality_shift
from devices.register_check_fields import Fault
from devices.register_map import RegisterExample, RegisterMap, Space
from devices.registers import Read, plan_reads, wire_address

#: How far a number may be from what the file says: a column holds 32-bit floats, 24 bits of significand (IEEE 754).
_TOLERANCE = 2.0**-22


def run_examples(model: DeviceModel) -> list[Fault]:
    """(dotted key, reason) of every register example that does not mean what it says. Raises ValueError for a map that
    cannot be laid out; a model without one has nothing to run."""
    if model.modbus is None:
        return []
    decoder = compile_map(model)
    return [
        (f"modbus.example[{at}]", f"{example.title!r}: {reason}")
        for at, example in enumerate(model.modbus.example)
        for reason in _differences(decoder, example)
    ]


def good_zeros(model: DeviceModel) -> tuple[str, ...]:
    """The quantities that read as a sound value when all registers are 0: no check of the map tells a gateway that
    invents zeros from clean air. Not a fault, since not every device has a register that says what it is."""
    if model.modbus is None:
        return ()
    decoder = compile_map(model)
    zeros = encode_frame(FrameState.FRESH, 1, bytes(2 * decoder.words))
    decoded = decode_frames([zeros], np.zeros(1, np.int32), [decoder])
    names = [one.quantity.name for one in decoder.measured]
    return tuple(name for row in decoded.rows for name in names if _quality(row, name) is Quality.GOOD)


def example_payload(chart: RegisterMap, example: RegisterExample) -> bytes:
    """The FRESH frame that a poller would make of an example's registers. Raises ValueError."""
    held: dict[tuple[Space, int], int] = {}
    for run in example.registers:
        space, first = wire_address(chart, run.at, run.space)
        held.update(((space, first + at), word) for at, word in enumerate(run.words))
    plan = plan_reads(chart, (example.channel,))
    words = np.array([held.get(place, 0) for read in plan.reads for place in _places(read)], np.uint16)
    return encode_frame(FrameState.FRESH, 1, plan.frame(words, example.channel))


def _places(read: Read) -> Iterator[tuple[Space, int]]:
    return ((read.space, read.first + at) for at in range(read.count))


def _differences(decoder: FrameDecoder, example: RegisterExample) -> Iterator[str]:
    decoded = decode_frames([example_payload(decoder.chart, example)], np.zeros(1, np.int32), [decoder])
    refusal = refusal_differences(decoded, example.refused)
    if refusal is not None:
        yield from refusal
        return
    extra: dict[str, object] = msgspec.json.decode(decoded.extra[0][1]) if decoded.extra else {}
    for name, said in example.expect.items():
        if name in FLAG_NAMES:
            continue
        found = _found(name, decoded, extra)
        if not _same(said, found):
            yield f"{name} is {found!r}, expected {said!r}"
    yield from _flag_differences(decoded.rows[0], example)


def _found(name: str, decoded: Decoded, extra: dict[str, object]) -> object:
    """A quantity's number, or its quality word; a valve's word; or what `extra` holds."""
    row = decoded.rows[0]
    if name in QUANTITY_NAMES:
        quality = _quality(row, name)
        return float(row[name]) if quality is Quality.GOOD else quality.name.lower()
    if name in ("valve", "valve_cause"):
        words = VALVE_WORDS if name == "valve" else CAUSE_WORDS
        return next(word for word, code in words.items() if code == row[name])
    return extra.get(name)


def _quality(row: np.void, name: str) -> Quality:
    return Quality(int(row["quality"]) >> quality_shift(name) & 0xF)


def _same(said: float | int | str | bool, found: object) -> bool:
    if found is None:
        return said in (0, "")
    if isinstance(said, str) or not isinstance(found, int | float):
        return said == found
    return math.isclose(said, found, rel_tol=_TOLERANCE, abs_tol=1e-9)


def _flag_differences(row: np.void, example: RegisterExample) -> Iterator[str]:
    for name in FLAG_NAMES:
        wanted, is_set = bool(example.expect.get(name, False)), bool(int(row["flags"]) & Flag[name.upper()])
        if wanted is not is_set:
            yield f"flag {name} is {'set' if is_set else 'not set'}"
