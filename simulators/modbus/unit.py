"""One unit on a line: its measuring points, what is true of each, and its registers kept in step with that."""

from dataclasses import dataclass

import msgspec

from devices.models import DeviceModel
from devices.register_map import Field, Order, RegisterMap, Space
from simulators.modbus.choosing import Bits, CannotSay, Demand
from simulators.modbus.encoding import Pen
from simulators.modbus.faults import UnitFaults
from simulators.modbus.registers import Registers
from simulators.modbus.truth import CLEAN, Truth
from simulators.modbus.valve import BusValve
from simulators.modbus.words import on_the_wire, word_count

#: A heart beats a little slower than a device promises to be read, so that neighbouring polls see it change, and at
#: least twice within the time in which it must.
_BEAT_PER_REPORT, _BEATS_WITHIN = 1.3, 2
_OTHER: dict[Order, Order] = {"big": "little", "little": "big"}


@dataclass(slots=True)
class Point:
    """One measuring point of a unit: a channel of a model, at one base."""

    model: DeviceModel
    channel: int = 1
    base: int = 0
    truth: Truth = CLEAN
    valve: BusValve | None = None


class Unit:
    """Build it with its points, tell it what is true (`tell`), and ask it (`answer`). `now_s`: any steady clock."""

    def __init__(self, number: int, points: list[Point], now_s: float = 0.0) -> None:
        """Raises CannotSay for a truth that a point's model cannot express, ValueError for one without a map."""
        self.number = number
        self.points = points
        self.faults = UnitFaults()
        charts = [_chart(point.model) for point in points]
        self.registers = Registers(min(c.most_registers for c in charts), min(c.most_bits for c in charts))
        #: Requests, and those that came sooner after the last answer than the model allows.
        self.asked = 0
        self.hurried = 0
        self._gap_s = max(chart.gap_ms for chart in charts) / 1000
        self._beat_s = min((_beat_s(point.model) for point in points), default=0.0)
        self._born_s = now_s
        self._beats = 0
        self._answered_s = float("-inf")
        self._swapped = False
        self._stale = True
        self._pens = [Pen(point.model, point.channel, point.base) for point in points]
        self._swapped_pens: list[Pen] = []
        self._positions: list[str] = []
        for point, chart in zip(points, charts, strict=True):
            self._define(point, chart)
        self.refresh(now_s)

    def tell(self, truth: Truth, point: int = 0) -> None:
        """What is true of a point from now on. Raises CannotSay, and then nothing has changed."""
        before = self.points[point].truth
        if truth == before:
            return
        self.points[point].truth = truth
        if self.faults.held:
            self._stale = True
            return
        try:
            self._write_all()
        except CannotSay:
            self.points[point].truth = before
            raise

    def answer(self, pdu: bytes, now_s: float) -> bytes:
        """The reply to a request that arrives now."""
        self.asked += 1
        self.hurried += now_s - self._answered_s < self._gap_s
        self._answered_s = now_s
        self.refresh(now_s)

        def take(function: int, at: int, values: tuple[int, ...]) -> bool:
            return self._take(Space.COIL if function in (5, 15) else Space.HOLDING, at, values, now_s)

        return self.registers.answer(pdu, take)

    def refresh(self, now_s: float) -> None:
        """Bring the registers up to date. Raises CannotSay for a truth that they cannot express."""
        self.registers.zero_for_undefined = self.faults.zero_for_undefined
        for point in self.points:
            if point.valve is not None:
                point.valve.advance(now_s)
        if self.faults.swapped_words is not self._swapped:
            self._swapped, self._stale = self.faults.swapped_words, True
        positions = [point.valve.position for point in self.points if point.valve is not None]
        if (self._stale or positions != self._positions) and not self.faults.held:
            self._write_all()
            self._stale, self._positions = False, positions
        self._beat(now_s)

    def _take(self, space: Space, at: int, values: tuple[int, ...], now_s: float) -> bool:
        known = False
        for point in self.points:
            if point.valve is not None:
                known |= point.valve.take(space, at, values, now_s)
        self._stale = True
        return known

    def _beat(self, now_s: float) -> None:
        if self._beat_s == 0.0 or self.faults.dead_heartbeat:
            return
        beats = int((now_s - self._born_s) / self._beat_s)
        if beats != self._beats:
            self._beats = beats
            for pen in self._swapped_pens if self._swapped else self._pens:
                self.registers.put(pen.heartbeat(beats))

    def _write_all(self) -> None:
        bits: Bits = {}
        for pen, point in zip(self._use_pens(), self.points, strict=True):
            bits = _written(pen, point, self._beats, bits)
        self.registers.put(bits)

    def _use_pens(self) -> list[Pen]:
        if self._swapped and not self._swapped_pens:
            self._swapped_pens = [Pen(_swapped(point.model), point.channel, point.base) for point in self.points]
        return self._swapped_pens if self._swapped else self._pens

    def _define(self, point: Point, chart: RegisterMap) -> None:
        """The addresses that exist: of fields, of what the map says can be read, and of what it writes."""
        for field in chart.field:
            space, first = on_the_wire(chart, field.at, field.space, point.base + field.stride * (point.channel - 1))
            self.registers.define(space, range(first, first + word_count(field)))
        for span in chart.readable:
            space, first = on_the_wire(chart, span.first, span.space, point.base)
            _, last = on_the_wire(chart, span.last, span.space, point.base)
            self.registers.define(space, range(first, last + 1))
        if point.valve is not None:
            for space, at in point.valve.writable:
                self.registers.define(space, (at,))
                self.registers.writable[space].add(at)


def _written(pen: Pen, point: Point, beats: int, bits: Bits) -> Bits:
    """The bits of one point beside those of the others. A valve says where it stands as well as its map can: some have
    no word for a valve under way."""
    truth = msgspec.structs.replace(point.truth, heartbeat=beats)
    if point.valve is None:
        return pen.write(truth, chosen=bits).bits
    hold, fail = point.valve.demands()
    refusal: CannotSay | None = None
    for valve in _sayable(point.valve.position):
        said = msgspec.structs.replace(truth, valve=valve)
        # A result that nobody asked for yet should not read as given; where it reads the position, it may.
        for also in ([*hold, *fail], hold, _none()):
            try:
                return pen.write(said, also, bits).bits
            except CannotSay as reason:
                refusal = refusal or reason
    raise refusal or CannotSay(point.model.key)


def _none() -> list[Demand]:
    return []


def _sayable(position: str) -> tuple[str, ...]:
    return (position, "", "open") if position == "closing" else (position,)


def _chart(model: DeviceModel) -> RegisterMap:
    if model.modbus is None:
        raise ValueError(f"model {model.key} has no register map")
    return model.modbus


def _beat_s(model: DeviceModel) -> float:
    heartbeat = _chart(model).heartbeat
    if heartbeat is None:
        return float("inf")
    return min(_BEAT_PER_REPORT * model.report_interval_s, heartbeat.within_s / _BEATS_WITHIN)


def _swapped(model: DeviceModel) -> DeviceModel:
    """The model as a device has it whose numbers of two words are the other way round."""
    chart = _chart(model)

    def turned(field: Field) -> Field:
        order = _OTHER[field.word_order or chart.word_order]
        return msgspec.structs.replace(field, word_order=order) if word_count(field) == 2 else field

    return msgspec.structs.replace(model, modbus=msgspec.structs.replace(chart, field=tuple(map(turned, chart.field))))
