"""Frames of registers to columns: every frame of one model in one pass, one vectorised expression per field.

R1  No payload makes it raise: what is no frame of the device's model is refused with a reason, and so is an answer that
    fails a check of the map (another device's, or a gateway's invention).
R2  A dead device observes nothing: in a STALE frame every quantity of the map is STALE and the valve is UNKNOWN; the
    numbers and the device's own flags are kept as evidence. NO_REPLY has the quality, and nothing to keep.
R3  Flag.STALE says so of the whole reading. Besides those frames it is set where the map's own quality entries leave
    every quantity STALE (an age register), with the valve UNKNOWN as well; for a map without quantities, where the
    first quality entry that holds is a stale one.
R4  Flags and positions are what the map says, entry by entry; gas values of a device in fault, warm-up or inhibit are
    doubted as in every codec.

R5  A frame that was read at another place, or by another map, than its device has now is refused (frame.py W1).

A reading of a frame has boot 0, the header's number and no device time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from devices.codecs.decoded import Decoded, Refused
from devices.codecs.frame import HEADER, NOWHERE, FrameState
from devices.codecs.gas_doubt import doubt_gas
from devices.codecs.register_extra import extras
from devices.codecs.register_values import MeasuredField, fill_quantities, measured_fields
from devices.models import DeviceModel
from devices.quantities import NOTHING_MEASURED, QUALITY_BITS, Flag, Quality, ValveCause, ValvePosition
from devices.readings import Rows, blank
from devices.register_map import Field, RegisterMap
from devices.register_numbers import RawField, RawNumbers, raw_fields
from devices.registers import layout

_Extra = tuple[tuple[int, bytes], ...]

_HEADER = np.dtype([("state", "u1"), ("seq", "<i8"), ("place", "<u8")])
assert _HEADER.itemsize == HEADER.size

#: R5.
_ELSEWHERE = "read before the registry changed: its device now has another bus, unit, channel or register map"


@dataclass(frozen=True, slots=True)
class FrameDecoder:
    """A register map made ready. fields: by name. raw: how they are cut out of the words. words: of a frame. frame:
    what a whole payload looks like."""

    model: str
    chart: RegisterMap
    fields: dict[str, Field]
    raw: dict[str, RawField]
    words: int
    frame: np.dtype[np.void]
    measured: tuple[MeasuredField, ...]
    extra: tuple[Field, ...]

    @property
    def all_stale(self) -> int:
        """The quality word of a reading in which every quantity of the map is STALE."""
        word = NOTHING_MEASURED
        for one in self.measured:
            word ^= (Quality.STALE ^ Quality.NOT_MEASURED) << (QUALITY_BITS * one.at)
        return word


@dataclass(frozen=True, slots=True)
class _Part:
    """Some of the payloads of one model. message: (n,), which they are."""

    rows: Rows
    message: NDArray[np.int64]
    extra: _Extra = ()
    refused: tuple[Refused, ...] = ()


def compile_map(model: DeviceModel) -> FrameDecoder:
    """Raises ValueError for a model without a register map, or with one that cannot be laid out."""
    chart = model.modbus
    if chart is None:
        raise ValueError(f"model {model.key} has no register map")
    frame = layout(chart)
    return FrameDecoder(
        model=model.key,
        chart=chart,
        fields={field.name: field for field in chart.field},
        raw=raw_fields(chart, frame),
        words=frame.words,
        frame=np.dtype([*_HEADER.descr, ("words", ">u2", (frame.words,))]),
        measured=measured_fields(chart),
        extra=tuple(field for field in chart.field if field.extra),
    )


def decode_frames(
    payloads: Sequence[bytes],
    decoder_no: NDArray[np.int32],
    decoders: Sequence[FrameDecoder],
    place: NDArray[np.uint64] | None = None,
) -> Decoded:
    """Frames to columns. decoder_no: (payloads,), the index in `decoders` of each payload's model, -1 for none.
    place: (payloads,), where the registry says that each payload's device is read (R5); None: NOWHERE, all of them."""
    here = np.full(len(payloads), NOWHERE, np.uint64) if place is None else place
    lengths = np.fromiter(map(len, payloads), np.int64, len(payloads))
    known = (decoder_no >= 0) & (decoder_no < len(decoders))
    refused = [Refused(at, "the device's model has no register map") for at in np.flatnonzero(~known).tolist()]
    parts: list[_Part] = []
    counts = np.bincount(decoder_no[known], minlength=len(decoders))
    with np.errstate(all="ignore"):  # wild floats are what this is for; they become quality
        for number in np.flatnonzero(counts).tolist():
            decoder = decoders[number]
            mine = np.flatnonzero(decoder_no == number)
            whole = lengths[mine] == decoder.frame.itemsize
            silent = lengths[mine] == HEADER.size
            parts += (
                _frames(decoder, payloads, mine if whole.all() else mine[whole], here),
                _silences(decoder, payloads, mine[silent], here),
            )
            refused += (_wrong_length(at, payloads[at], decoder, here) for at in mine[~whole & ~silent].tolist())
    return _merge([part for part in parts if len(part.message) or part.refused], refused)


def _wrong_length(at: int, payload: bytes, decoder: FrameDecoder, here: NDArray[np.uint64]) -> Refused:
    if len(payload) > HEADER.size and HEADER.unpack_from(payload)[2] != here[at]:
        return Refused(at, _ELSEWHERE)
    return Refused(at, f"a frame of {decoder.model} has {decoder.frame.itemsize} bytes, this one has {len(payload)}")


def _joined(payloads: Sequence[bytes], these: NDArray[np.int64]) -> bytes:
    return b"".join(payloads if len(these) == len(payloads) else [payloads[at] for at in these.tolist()])


def _frames(
    decoder: FrameDecoder, payloads: Sequence[bytes], message: NDArray[np.int64], here: NDArray[np.uint64]
) -> _Part:
    """Payloads of the right length for FRESH and STALE frames."""
    frames = np.frombuffer(_joined(payloads, message), decoder.frame)
    state = frames["state"]
    mine = frames["place"] == here[message]
    sound = ((state == FrameState.FRESH) | (state == FrameState.STALE)) & (frames["seq"] >= 0) & mine
    refused = [
        Refused(
            int(message[at]), f"a frame of state {state[at]} and number {frames['seq'][at]}" if mine[at] else _ELSEWHERE
        )
        for at in np.flatnonzero(~sound).tolist()
    ]
    if refused:
        frames, message = frames[sound], message[sound]
    raw = RawNumbers(decoder.raw, np.ascontiguousarray(frames["words"].T, np.uint16))
    failed = _failed_checks(decoder.chart, raw)
    if failed:
        refused += (Refused(int(message[at]), reason) for at, reason in failed.items())
        passed = np.ones(len(message), np.bool_)
        passed[list(failed)] = False
        frames, message = frames[passed], message[passed]
        raw = RawNumbers(decoder.raw, np.ascontiguousarray(frames["words"].T, np.uint16))
    rows, extra = _rows(decoder, raw, frames["state"] == FrameState.STALE)
    rows["seq"] = frames["seq"]
    return _Part(rows, message, extra, tuple(refused))


def _failed_checks(chart: RegisterMap, raw: RawNumbers) -> dict[int, str]:
    """Frame -> the reason of the first check that it fails."""
    failed: dict[int, str] = {}
    for check in chart.check:
        held = raw.hold(check.when)
        if not held.all():
            for at in np.flatnonzero(~held).tolist():
                failed.setdefault(at, check.reason)
    return failed


def _rows(decoder: FrameDecoder, raw: RawNumbers, dead: NDArray[np.bool_]) -> tuple[Rows, _Extra]:
    rows = blank(len(raw))
    beyond = fill_quantities(decoder.measured, decoder.fields, raw, dead, rows)
    stale = dead | _wholly_stale(decoder, raw, rows)
    rows["flags"] = _flags(decoder.chart, raw)
    rows["flags"][stale] |= Flag.STALE
    _fill_valve(decoder.chart, raw, stale, rows)
    doubt_gas(rows)
    return rows, extras(decoder.extra, decoder.fields, raw, beyond)


def _wholly_stale(decoder: FrameDecoder, raw: RawNumbers, rows: Rows) -> NDArray[np.bool_]:
    """R3."""
    if decoder.measured:
        return np.asarray(rows["quality"] == decoder.all_stale)
    stale, undecided = np.zeros(len(raw), np.bool_), np.ones(len(raw), np.bool_)
    for entry in decoder.chart.quality:
        holds = raw.hold(entry.when) & undecided
        undecided &= ~holds
        if entry.quality == "stale":
            stale |= holds
    return stale


def _flags(chart: RegisterMap, raw: RawNumbers) -> NDArray[np.int64]:
    flags = np.zeros(len(raw), np.int64)
    for entry in chart.flag:
        flags |= np.where(raw.hold(entry.when), int(Flag[entry.flag.upper()]), 0)
    return flags


def _fill_valve(chart: RegisterMap, raw: RawNumbers, stale: NDArray[np.bool_], rows: Rows) -> None:
    if not chart.valve:
        return
    undecided = ~stale
    for entry in chart.valve:
        holds = raw.hold(entry.when) & undecided
        undecided &= ~holds
        rows["valve"][holds] = ValvePosition[entry.position.upper()]
        if entry.cause:
            rows["valve_cause"][holds] = ValveCause[entry.cause.upper()]


def _silences(
    decoder: FrameDecoder, payloads: Sequence[bytes], message: NDArray[np.int64], here: NDArray[np.uint64]
) -> _Part:
    """Payloads without words."""
    header = np.frombuffer(_joined(payloads, message), _HEADER)
    mine = header["place"] == here[message]
    sound = (header["state"] == FrameState.NO_REPLY) & (header["seq"] >= 0) & mine
    refused = tuple(
        Refused(int(message[at]), f"a frame of state {header['state'][at]} without words" if mine[at] else _ELSEWHERE)
        for at in np.flatnonzero(~sound).tolist()
    )
    rows = blank(int(sound.sum()))
    rows["seq"] = header["seq"][sound]
    rows["quality"] = decoder.all_stale
    rows["flags"] = int(Flag.STALE)
    return _Part(rows, message[sound], (), refused)


def _merge(parts: Sequence[_Part], refused: list[Refused]) -> Decoded:
    """In the order of the payloads."""
    refused += chain.from_iterable(part.refused for part in parts)
    whole = parts[0] if len(parts) == 1 else _woven(parts)
    return Decoded(
        rows=whole.rows,
        message=whole.message.astype(np.int32),
        hashed=np.zeros(len(whole.rows), np.bool_),
        extra=whole.extra,
        refused=tuple(sorted(refused)),
    )


def _woven(parts: Sequence[_Part]) -> _Part:
    """Several parts, or none, as one in the order of the payloads."""
    if not parts:
        return _Part(blank(0), np.zeros(0, np.int64))
    message = np.concatenate([part.message for part in parts])
    order = np.argsort(message, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    extra: list[tuple[int, bytes]] = []
    first = 0
    for part in parts:
        extra += zip(
            place[[first + at for at, _ in part.extra]].tolist(), (body for _, body in part.extra), strict=True
        )
        first += len(part.rows)
    rows = np.concatenate([part.rows for part in parts])
    return _Part(rows[order], message[order], tuple(sorted(extra)))
