"""From a register map to wire addresses: how a poll's words are laid out, and the fewest requests that read them. Pure.

P1  A read covers whole fields: no field is torn over two requests.
P2  A read holds nothing but fields, and what lies between them where the map's `readable` spans allow it.
P3  A read never exceeds what the device gives in one reply, and never mixes the four spaces.
P4  Of all plans that keep P1 to P3 this one has the fewest reads: spans are taken in the order of their addresses, and
    each read reaches as far as it may. The order in which fields are declared makes no difference.
P5  What can be written is what the map's commands list, at the addresses they list.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.register_map import Field, Notation, RegisterMap, Space, Span, Term, Write

#: The highest address of each space (1.1b3, section 4.4).
HIGHEST_ADDRESS = 65_535
_BITS = (Space.COIL, Space.DISCRETE)
#: First digit of a modicon number -> its space.
_MODICON = {0: Space.COIL, 1: Space.DISCRETE, 3: Space.INPUT, 4: Space.HOLDING}
_ORDER = {space: at for at, space in enumerate(Space)}


@dataclass(frozen=True, slots=True, order=True)
class Read:
    """One request: `count` registers or bits from wire address `first`."""

    space: Space
    first: int
    count: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A frame of one measuring point. words: its length. place: field name -> the places of its words in the frame, in
    the order of their addresses."""

    words: int
    place: dict[str, tuple[int, ...]]
    keys: tuple[tuple[Space, int, int], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """reads: the requests, by space and address. cut: channel -> for each word of its frame the index in the words of
    all reads, one after the other; shape (layout.words,)."""

    reads: tuple[Read, ...]
    cut: dict[int, NDArray[np.intp]]

    def frame(self, words: NDArray[np.uint16], channel: int) -> bytes:
        """The channel's words as a frame carries them. `words`: (sum of counts,), u2 in native order."""
        return words[self.cut[channel]].astype(">u2").tobytes()


@dataclass(frozen=True, slots=True)
class WireWrite:
    """A write as it goes over the wire; `pause_s` after it, then `then` must hold of what is read."""

    function: int
    at: int
    values: tuple[int, ...]
    pause_s: float
    then: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Procedure:
    """A command of one measuring point, ready to be carried out. `release` is empty for a latched one."""

    verb: str
    write: tuple[WireWrite, ...]
    pulse_s: float
    release: tuple[WireWrite, ...]


def wire_address(chart: RegisterMap, at: int, space: Space | None, base: int = 0) -> tuple[Space, int]:
    """The space and the address on the wire of an address as the file writes it. Raises ValueError."""
    if chart.notation is Notation.MODICON:
        said, number = _modicon(at)
        if space is not None and space is not said:
            raise ValueError(f"{at} is a {said} address, not {space}")
        space, address = said, number
    else:
        if space is None:
            raise ValueError(f"{at} needs a space (coil, discrete, input or holding): the notation does not say it")
        address = at - (1 if chart.notation is Notation.ONE_BASED else 0)
    address += chart.base + base
    if not 0 <= address <= HIGHEST_ADDRESS:
        raise ValueError(f"{at} is wire address {address}, which must be 0 to {HIGHEST_ADDRESS}")
    return space, address


def _modicon(at: int) -> tuple[Space, int]:
    """Five digits (40001) or six (400001); numbers below 10000 are coils."""
    unit = 100_000 if at >= 100_000 else 10_000
    space = _MODICON.get(at // unit)
    number = at % unit
    if space is None or number == 0:
        raise ValueError(f"{at} is no modicon address: coils 1.., 10001.., 30001.., 40001.. or six digits")
    return space, number - 1


def width(field: Field) -> int:
    """Registers (or bits) of a field."""
    if field.type == "ascii":
        return field.words
    return 2 if field.type in ("u32", "s32", "f32") else 1


def layout(chart: RegisterMap) -> Layout:
    """The frame of a map; the same for all channels and bases. Raises ValueError for an impossible address."""
    wanted: dict[str, list[tuple[Space, int, int]]] = {}
    for field in chart.field:
        space, first = wire_address(chart, field.at, field.space)
        wanted[field.name] = [(space, first + word, field.stride) for word in range(width(field))]
    keys = sorted({key for of_field in wanted.values() for key in of_field}, key=_key_order)
    place = {key: at for at, key in enumerate(keys)}
    return Layout(
        words=len(keys),
        place={name: tuple(place[key] for key in of_field) for name, of_field in wanted.items()},
        keys=tuple(keys),
    )


def _key_order(key: tuple[Space, int, int]) -> tuple[int, int, int]:
    return _ORDER[key[0]], key[1], key[2]


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What must be read in one request: a field of one channel, [first, end)."""

    space: Space
    first: int
    end: int


def plan_reads(chart: RegisterMap, channels: Sequence[int] = (1,), base: int = 0) -> Plan:
    """The fewest requests that read every field of these channels (counted from 1). Raises ValueError for a layout
    that cannot be read: outside the declared spans, outside the address space, or wider than one reply."""
    stretches = {stretch for channel in channels for stretch in _stretches(chart, channel, base)}
    spans = _spans(chart, base)
    reads: list[Read] = []
    for space in Space:
        mine = sorted((s for s in stretches if s.space is space), key=lambda s: (s.first, s.end))
        reads += _joined(chart, space, mine, spans.get(space, []))
    return Plan(tuple(reads), {channel: _cut(chart, reads, channel, base) for channel in channels})


def _stretches(chart: RegisterMap, channel: int, base: int) -> Iterable[_Stretch]:
    if not 1 <= channel <= chart.channels:
        raise ValueError(f"channel {channel} must be 1 to {chart.channels}")
    for field in chart.field:
        space, first = wire_address(chart, field.at, field.space, base + field.stride * (channel - 1))
        end = first + width(field)
        if end - 1 > HIGHEST_ADDRESS:
            raise ValueError(f"field {field.name!r} ends at wire address {end - 1}, beyond {HIGHEST_ADDRESS}")
        yield _Stretch(space, first, end)


def _spans(chart: RegisterMap, base: int) -> dict[Space, list[tuple[int, int]]]:
    """The declared spans as [first, end), joined where they touch."""
    spans: dict[Space, list[tuple[int, int]]] = {}
    for span in chart.readable:
        space, first, end = _span(chart, span, base)
        spans.setdefault(space, []).append((first, end))
    for space, mine in spans.items():
        joined: list[tuple[int, int]] = []
        for first, end in sorted(mine):
            if joined and first <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(joined[-1][1], end))
            else:
                joined.append((first, end))
        spans[space] = joined
    return spans


def _span(chart: RegisterMap, span: Span, base: int) -> tuple[Space, int, int]:
    space, first = wire_address(chart, span.first, span.space, base)
    same, last = wire_address(chart, span.last, span.space, base)
    if same is not space or last < first:
        raise ValueError(f"readable span {span.first} to {span.last}: the first address comes first, in one space")
    return space, first, last + 1


def _joined(
    chart: RegisterMap, space: Space, stretches: Sequence[_Stretch], spans: Sequence[tuple[int, int]]
) -> list[Read]:
    most = chart.most_bits if space in _BITS else chart.most_registers
    reads: list[Read] = []
    first = end = -1
    for stretch in stretches:
        if stretch.end - stretch.first > most:
            raise ValueError(f"{space} {stretch.first}: {stretch.end - stretch.first} in one reply, at most {most}")
        if chart.readable and not _within(spans, stretch.first, stretch.end):
            raise ValueError(f"{space} wire address {stretch.first} to {stretch.end - 1} is outside the readable spans")
        if first >= 0 and max(end, stretch.end) - first <= most and _may_bridge(chart, spans, end, stretch.first):
            end = max(end, stretch.end)
            continue
        if first >= 0:
            reads.append(Read(space, first, end - first))
        first, end = stretch.first, stretch.end
    if first >= 0:
        reads.append(Read(space, first, end - first))
    return reads


def _may_bridge(chart: RegisterMap, spans: Sequence[tuple[int, int]], end: int, first: int) -> bool:
    if first <= end:
        return True
    return first - end <= chart.most_gap and bool(chart.readable) and _within(spans, end, first)


def _within(spans: Sequence[tuple[int, int]], first: int, end: int) -> bool:
    return any(start <= first and end <= stop for start, stop in spans)


def _cut(chart: RegisterMap, reads: Sequence[Read], channel: int, base: int) -> NDArray[np.intp]:
    """Where each word of a channel's frame stands. The words of one field come from one read (P1), so fields of several
    words choose first."""
    starts = np.cumsum([0, *(read.count for read in reads)])
    found: dict[tuple[Space, int, int], int] = {}
    for field in sorted(chart.field, key=width, reverse=True):
        space, first = wire_address(chart, field.at, field.space, base + field.stride * (channel - 1))
        words = width(field)
        place = next(
            int(start) + first - read.first
            for read, start in zip(reads, starts, strict=False)
            if read.space is space and read.first <= first and first + words <= read.first + read.count
        )
        key_space, key_first = wire_address(chart, field.at, field.space)
        for word in range(words):
            found.setdefault((key_space, key_first + word, field.stride), place + word)
    return np.array([found[key] for key in layout(chart).keys], np.intp)


def procedure(chart: RegisterMap, verb: str, channel: int = 1, base: int = 0) -> Procedure | None:
    """How a command is carried out; None when the map declares no such command (P5). Raises ValueError."""
    declared = next((command for command in chart.command if command.verb == verb), None)
    if declared is None:
        return None
    return Procedure(
        verb=verb,
        write=tuple(_wire_write(chart, write, channel, base) for write in declared.write),
        pulse_s=declared.pulse_ms / 1000,
        release=tuple(_wire_write(chart, write, channel, base) for write in declared.release),
    )


def _wire_write(chart: RegisterMap, write: Write, channel: int, base: int) -> WireWrite:
    bits = write.function in (5, 15)
    space, at = wire_address(
        chart, write.at, Space.COIL if bits else Space.HOLDING, base + write.stride * (channel - 1)
    )
    if not write.values or (write.function in (5, 6) and len(write.values) != 1):
        raise ValueError(f"write at {write.at}: function {write.function} takes one value; 15 and 16 one or more")
    highest = 1 if bits else 0xFFFF
    if any(not 0 <= value <= highest for value in write.values):
        raise ValueError(f"write at {write.at}: values of {space}s are 0 to {highest}")
    return WireWrite(write.function, at, write.values, write.pause_ms / 1000, write.then)
