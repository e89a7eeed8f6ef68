"""What a register map means, one frame and one field at a time, in plain Python: what the decoder is held to.

Written from the words of devices/register_map.py; shares nothing with devices/register_numbers.py or the codecs."""

import math
import struct
from dataclasses import dataclass, field

import numpy as np

from devices.quantities import QUANTITIES
from devices.register_map import Field, RegisterMap, Term

BOUNDS = {quantity.name: (quantity.lowest, quantity.highest) for quantity in QUANTITIES}
GAS = ("combustible_lel", "co_ppm")


@dataclass
class Meaning:
    """value: quantity -> number or nan. quality: quantity -> word ("good" too)."""

    refused: str = ""
    value: dict[str, float] = field(default_factory=dict)
    quality: dict[str, str] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)
    stale: bool = False
    valve: str = "unknown"
    cause: str = "unknown"
    extra: dict[str, object] = field(default_factory=dict)


class Reading:
    """One frame. words: field name -> its words in the order of their addresses."""

    def __init__(self, chart: RegisterMap, words: dict[str, list[int]]) -> None:
        self.chart = chart
        self.words = words
        self.fields = {one.name: one for one in chart.field}

    def bytes_of(self, name: str) -> bytes:
        one = self.fields[name]
        words = [struct.pack(">H", word) for word in self.words[name]]
        if (one.byte_order or self.chart.byte_order) == "little" and one.type != "bit":
            words = [word[::-1] for word in words]
        if (one.word_order or self.chart.word_order) == "little" and one.type in ("u32", "s32", "f32"):
            words = words[::-1]
        return b"".join(words)

    def pattern(self, name: str) -> tuple[int, int]:
        """(bits as a number, how many)."""
        one = self.fields[name]
        body = self.bytes_of(name)
        if one.byte is not None:
            body = body[:1] if one.byte == "high" else body[1:]
        text = "".join(f"{byte:08b}" for byte in body)
        if one.type == "bit":
            text = text[-1]
        if one.bits is not None:
            text = text[::-1][one.bits[0] : one.bits[1] + 1][::-1]
        return int(text, 2), len(text)

    def raw(self, name: str) -> float:
        one = self.fields[name]
        if one.type == "f32":
            return float(struct.unpack(">f", self.bytes_of(name))[0])
        number, size = self.pattern(name)
        if one.type == "bcd16":
            digits = f"{number:0{(size + 3) // 4}x}"
            return float(digits) if digits.isdigit() else math.nan
        if one.type in ("s16", "s32") and number >= 1 << (size - 1):
            number -= 1 << size
        return float(number)

    def holds(self, terms: tuple[Term, ...]) -> bool:
        return all(self.one_holds(term) for term in terms)

    def one_holds(self, term: Term) -> bool:
        if term.bit is not None:
            return bool(self.pattern(term.field)[0] >> term.bit & 1) is term.set
        number = self.raw(term.field)
        if term.one_of:
            return listed(number, term.one_of)
        if term.none_of:
            return not listed(number, term.none_of)
        if term.above is not None:
            return number > term.above
        assert term.below is not None
        return number < term.below

    def scaled(self, one: Field) -> float:
        number = self.raw(one.name)
        if one.ramp is not None:
            (low, high), (bottom, top) = one.ramp.raw, one.ramp.value
            number = bottom + (number - low) / (high - low) * (top - bottom)
        else:
            number = number * one.scale + one.offset
        if one.decimals:
            decimals = self.raw(one.decimals)
            number = number / 10**decimals if decimals in range(7) else math.nan
        if one.sign and self.raw(one.sign) != 0:
            number = -number
        return number

    def value(self, one: Field) -> float:
        number = self.scaled(one)
        if isinstance(one.full_scale, str):
            full = self.scaled(self.fields[one.full_scale])
            usable = full > 0 and not self.next_to_nothing(self.fields[one.full_scale])
            number = number * full / 100 if usable else math.nan
        elif one.full_scale is not None:
            number = number * one.full_scale / 100
        if one.unit is not None:
            code = self.raw(one.unit.field)
            factors = [known.scale for known in one.unit.codes if known.code == code]
            number = number * factors[0] if factors else math.nan
        return number

    def next_to_nothing(self, one: Field) -> bool:
        return one.type == "f32" and 0 < abs(self.raw(one.name)) < 0.000001

    def quality(self, one: Field) -> str:
        for rule in self.chart.quality:
            if (not rule.of or one.quantity in rule.of) and self.holds(rule.when):
                return rule.quality
        raw, number = self.raw(one.name), self.value(one)
        if listed(raw, one.sentinels):
            return "sentinel"
        if one.valid is not None and math.isfinite(raw) and not one.valid[0] <= raw <= one.valid[1]:
            return "out_of_range"
        if not math.isfinite(number) or self.next_to_nothing(one):
            return "sensor_fault"
        lowest, highest = BOUNDS[one.quantity]
        return "good" if lowest <= np.float32(number) <= highest else "out_of_range"

    def meaning(self, dead: bool) -> Meaning:
        told = Meaning()
        for check in self.chart.check:
            if not self.holds(check.when):
                return Meaning(refused=check.reason)
        told.flags = {entry.flag for entry in self.chart.flag if self.holds(entry.when)}
        for one in self.chart.field:
            if one.quantity:
                self._measure(one, dead, told)
        told.stale = dead or self._stale(told)
        if not told.stale:
            for entry in self.chart.valve:
                if self.holds(entry.when):
                    told.valve, told.cause = entry.position, entry.cause or "unknown"
                    break
        for name in GAS:
            if told.quality.get(name) == "good":
                doubts = (("fault", "sensor_fault"), ("warm_up", "warm_up"), ("inhibit", "inhibited"))
                told.quality[name] = next((word for flag, word in doubts if flag in told.flags), "good")
        return told

    def _measure(self, one: Field, dead: bool, told: Meaning) -> None:
        quality = "stale" if dead else self.quality(one)
        number = self.value(one)
        told.quality[one.quantity] = quality
        told.value[one.quantity] = number if math.isfinite(number) else math.nan
        if quality in ("not_measured", "out_of_range"):
            told.value[one.quantity] = math.nan
            if quality == "out_of_range" and math.isfinite(number):
                told.extra[one.quantity] = number

    def _stale(self, told: Meaning) -> bool:
        if told.quality:
            return set(told.quality.values()) == {"stale"}
        first = next((rule for rule in self.chart.quality if self.holds(rule.when)), None)
        return first is not None and first.quality == "stale"


def listed(number: float, these: tuple[float, ...]) -> bool:
    return any(number == this or (math.isnan(number) and math.isnan(this)) for this in these)
