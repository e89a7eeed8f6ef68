"""From what is true of a device to what its registers hold.

N1  What this writes follows from the format's words (devices/register_map.py); nothing of the planner or the decoder
    is used.
N2  A truth that the model's registers cannot express raises CannotSay: nothing is written that means something else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from devices.models import DeviceModel
from devices.register_map import Field, RegisterMap, UnitCode
from simulators.modbus.choosing import Bits, CannotSay, Cell, Demand, choose
from simulators.modbus.demands import demands_of, states_of, variants
from simulators.modbus.truth import Truth
from simulators.modbus.words import limits_of, number_of, pattern_of, places_of

#: What a device shows at most of decimals when nobody set it up otherwise.
_MOST_DECIMALS = 3
_NO_UNIT = UnitCode(0)
#: IEEE 754 binary32 has 23 bits after the leading one.
_F32_STEP: float = 2.0**-23


@dataclass(frozen=True, slots=True)
class Written:
    """bits: what the registers of the measuring point hold. steps: quantity -> how far two neighbouring raw numbers are
    apart in its canonical unit; of floating-point numbers at most."""

    bits: Bits
    steps: dict[str, float]


class Pen:
    """Writes the registers of one measuring point: one channel of a model, at one base."""

    def __init__(self, model: DeviceModel, channel: int = 1, base: int = 0) -> None:
        """Raises ValueError for a model without a register map."""
        if model.modbus is None:
            raise ValueError(f"model {model.key} has no register map")
        self.chart: RegisterMap = model.modbus
        self._model = model
        self.cells: dict[str, Cell] = {
            field.name: Cell(field, places_of(self.chart, field, base + field.stride * (channel - 1)))
            for field in self.chart.field
        }

    def write(self, truth: Truth, also: Sequence[Demand] = (), chosen: Bits | None = None) -> Written:
        """`also`: further demands, as of a command's answer. `chosen`: bits that other channels of the unit have set
        already. Raises CannotSay."""
        self._refuse_strange(truth)
        begun: Bits = dict(chosen or {})
        refusal: CannotSay | None = None
        # A state may be said by the very number it doubts (reads zero while warming up); then the number gives way.
        for believed_only in (False, True):
            for variant in range(variants(self.chart)):
                try:
                    return self._attempt(truth, also, dict(begun), variant, believed_only)
                except CannotSay as reason:
                    refusal = refusal or reason
        raise CannotSay(f"model {self._model.key}: {refusal}")

    def heartbeat(self, count: int) -> Bits:
        """The bits of the heartbeat after `count` beats; none for a model without one."""
        if self.chart.heartbeat is None:
            return {}
        cell = self.cells[self.chart.heartbeat.field]
        return _bits(cell, count % (1 << len(cell.places)))

    def _refuse_strange(self, truth: Truth) -> None:
        quantities = {cell.field.quantity for cell in self.cells.values()}
        strange = sorted({*truth.values, *truth.doubts} - quantities) + sorted(
            truth.settings.keys() - self.cells.keys()
        )
        if strange:
            raise CannotSay(f"model {self._model.key}: no register holds {strange[0]}")
        if truth.state and truth.state not in states_of(self.chart):
            raise CannotSay(f"model {self._model.key}: no register says {truth.state}")

    def _attempt(self, truth: Truth, also: Sequence[Demand], bits: Bits, variant: int, believed_only: bool) -> Written:
        for name, raw in truth.settings.items():
            self._put(bits, self.cells[name], raw)
        _agree(bits, self.heartbeat(truth.heartbeat))
        steps: dict[str, float] = {}
        for cell in self.cells.values():
            quantity = cell.field.quantity
            doubt = truth.doubts.get(quantity, truth.state) if quantity else ""
            if not quantity or (believed_only and doubt):
                continue
            if not self._put_doubt(bits, cell, truth.doubts.get(quantity, "")):
                steps[quantity] = self._put_value(bits, cell, truth.values.get(quantity, 0.0))
        return Written(choose(self.cells, [*demands_of(self.chart, truth, variant), *also], bits), steps)

    def _put_doubt(self, bits: Bits, cell: Cell, doubt: str) -> bool:
        """A doubt that the number itself says; False when it is said elsewhere, or there is none."""
        field = cell.field
        if not doubt or any(
            entry.quality == doubt and (not entry.of or field.quantity in entry.of) for entry in self.chart.quality
        ):
            return False
        if doubt == "sentinel" and field.sentinels:
            self._put(bits, cell, field.sentinels[0])
            return True
        if doubt == "out_of_range" and field.valid is not None:
            lowest, highest = limits_of(field, len(cell.places))
            beyond = [raw for raw in (field.valid[1] + 1, field.valid[0] - 1) if lowest <= raw <= highest]
            if beyond:
                self._put(bits, cell, beyond[0])
                return True
        if doubt == "sensor_fault" and field.type == "f32":
            self._put(bits, cell, float("nan"))
            return True
        raise CannotSay(f"{field.name} cannot say {doubt}")

    def _put_value(self, bits: Bits, cell: Cell, value: float) -> float:
        """Lay a value out with the unit, sign, full scale and decimals it needs; its step in the canonical unit."""
        field = cell.field
        unit = self._unit(bits, field)
        factor = unit.scale * self._full_scale(bits, field)
        shown = value / factor
        if field.sign:
            sign = self.cells[field.sign]
            self._put(bits, sign, 1 if shown < 0 else 0)
            shown = abs(shown)
        decimals = self._decimals(bits, cell, shown)
        raw = _raw(field, shown * 10.0**decimals)
        if field.type != "f32":
            raw = round(raw)
        if raw in field.sentinels or (field.valid and not field.valid[0] <= raw <= field.valid[1]):
            raise CannotSay(f"{field.name}: {value:g} would be raw {raw:g}, which is no measurement")
        self._put(bits, cell, raw)
        neighbour = abs(raw) * _F32_STEP if field.type == "f32" else 1.0
        return abs(_slope(field) * factor / 10.0**decimals) * neighbour

    def _unit(self, bits: Bits, field: Field) -> UnitCode:
        if field.unit is None:
            return _NO_UNIT
        codes = {unit.code: unit for unit in field.unit.codes}
        code = self._setting(bits, field.unit.field, field.unit.codes[0].code)
        if code not in codes:
            raise CannotSay(f"{field.name}: unit code {code:g} is not one of {sorted(codes)}")
        return codes[int(code)]

    def _full_scale(self, bits: Bits, field: Field) -> float:
        """What one percent is worth; 1 for a field that is not in percent."""
        if field.full_scale is None:
            return 1.0
        if not isinstance(field.full_scale, str):
            return field.full_scale / 100.0
        other = self.cells[field.full_scale].field
        usual = self._model.ranges.get(field.quantity, (0.0, 100.0))[1]
        raw = self._setting(bits, field.full_scale, round(_raw(other, usual)))
        return _value(other, raw) / 100.0

    def _decimals(self, bits: Bits, cell: Cell, shown: float) -> int:
        """As many as the number leaves room for, unless the device is set up already."""
        if not cell.field.decimals:
            return 0
        top = max([abs(shown), *map(abs, self._model.ranges.get(cell.field.quantity, ()))])
        highest = limits_of(cell.field, len(cell.places))[1]
        room = [n for n in range(_MOST_DECIMALS, 0, -1) if _raw(cell.field, top * 10.0**n) <= highest]
        return int(self._setting(bits, cell.field.decimals, room[0] if room else 0))

    def _setting(self, bits: Bits, name: str, usual: float) -> float:
        """A number that says how another is meant: as set up, or else as usual, and then it is set up so."""
        cell = self.cells[name]
        if all(place in bits for place in cell.places):
            pattern = sum(bits[place] << at for at, place in enumerate(cell.places))
            return number_of(cell.field, pattern, len(cell.places))
        self._put(bits, cell, usual)
        return usual

    def _put(self, bits: Bits, cell: Cell, raw: float) -> None:
        try:
            pattern = pattern_of(cell.field, raw, len(cell.places))
        except (ValueError, OverflowError) as wrong:
            raise CannotSay(str(wrong)) from wrong
        _agree(bits, _bits(cell, pattern))


def _bits(cell: Cell, pattern: int) -> Bits:
    return {place: pattern >> at & 1 for at, place in enumerate(cell.places)}


def _agree(bits: Bits, more: Bits) -> None:
    for place, value in more.items():
        if bits.setdefault(place, value) != value:
            raise CannotSay(f"{place.space} {place.at} bit {place.bit} would have to be 0 and 1")


def _slope(field: Field) -> float:
    if field.ramp is None:
        return field.scale
    return (field.ramp.value[1] - field.ramp.value[0]) / (field.ramp.raw[1] - field.ramp.raw[0])


def _raw(field: Field, value: float) -> float:
    if field.ramp is not None:
        return field.ramp.raw[0] + (value - field.ramp.value[0]) / _slope(field)
    return (value - field.offset) / field.scale


def _value(field: Field, raw: float) -> float:
    if field.ramp is not None:
        return field.ramp.value[0] + (raw - field.ramp.raw[0]) * _slope(field)
    return raw * field.scale + field.offset
