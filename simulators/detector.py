"""A household gas detector: two slow, noisy sensors, a display with steps, and an opinion of its own.

D1  The device's own alarm bits come from what it shows, never from the true concentration.
D2  Warm-up is flagged and hides no alarm bit (GB 15322.2 asks for an alarm during warm-up).
D3  A faulty sensor reports no value at all, so nothing can be taken for clean air.
"""

import math
from dataclasses import dataclass
from random import Random
from typing import Annotated

import msgspec

from simulators.room import Air

Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]

#: A first-order lag reaches 90 % of a step after ln(10) time constants.
TIME_CONSTANTS_IN_T90 = math.log(10.0)


class DetectorTraits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one make of detector is like. Set-points are in what the device shows.

    low_lel: 10 %LEL, the set-point of a common natural-gas household product; GB 15322.2 allows 5 to 25 %LEL.
    high_lel: 25 %LEL, the top of that range, where the usual interlock drops the valve.
    co_alarm: (ppm, seconds above it) after which the CO alarm comes; inside the windows of EN 50291-1: 300 ppm before
        3 min, 100 ppm in 10 to 40 min, 50 ppm in 60 to 90 min.
    The rest is product choice: the middle of what data sheets of semiconductor and electrochemical sensors say.
    """

    low_lel: Positive = 10.0
    high_lel: Positive = 25.0
    clears_below_lel: NotNegative = 3.0
    alarm_delay_s: NotNegative = 1.0
    co_alarm: tuple[tuple[float, float], ...] = ((300.0, 120.0), (100.0, 1200.0), (50.0, 4500.0))
    lel_t90_s: Positive = 8.0
    co_t90_s: Positive = 30.0
    noise_lel: NotNegative = 0.15
    noise_ppm: NotNegative = 0.7
    step_lel: Positive = 0.1
    step_ppm: Positive = 1.0
    full_scale_lel: Positive = 100.0
    full_scale_ppm: Positive = 1000.0
    warm_up_s: NotNegative = 180.0
    report_s: Positive = 10.0
    #: How often it reports while it shows gas, and what it takes for gas.
    report_in_gas_s: Positive = 1.0
    gas_lel: Positive = 2.0
    gas_ppm: Positive = 15.0

    def __post_init__(self) -> None:
        if self.low_lel > self.high_lel:
            raise ValueError(f"low_lel {self.low_lel} must not be above high_lel {self.high_lel}")
        if self.clears_below_lel >= self.low_lel:
            raise ValueError(f"clears_below_lel {self.clears_below_lel} must be below low_lel {self.low_lel}")


@dataclass(slots=True)
class HeldAbove:
    """On once a value has stood at or above `limit` for `hold_s` without a break; off below `limit - clears_below`."""

    limit: float
    hold_s: float
    clears_below: float
    above_s: float = 0.0
    on: bool = False

    def follow(self, value: float, elapsed_s: float) -> bool:
        if value >= self.limit:
            self.above_s += elapsed_s
            self.on = self.on or self.above_s >= self.hold_s
        else:
            self.above_s = 0.0
            self.on = self.on and value >= self.limit - self.clears_below
        return self.on


class Detector:
    """The state of one detector. Time goes by only in `sense`."""

    def __init__(self, traits: DetectorTraits, lel_percent_vol: float, rng: Random, on_for_s: float = math.inf) -> None:
        """`on_for_s`: how long it has been powered already; by default its warm-up is long over."""
        self.traits = traits
        self.faulty = False
        self.shown_lel = 0.0
        self.shown_ppm = 0.0
        self._lel_percent_vol = lel_percent_vol
        self._rng = rng
        self._on_for_s = on_for_s
        self._lagged_lel = 0.0
        self._lagged_ppm = 0.0
        delay_s, clears = traits.alarm_delay_s, traits.clears_below_lel
        self._low = HeldAbove(traits.low_lel, delay_s, clears)
        self._high = HeldAbove(traits.high_lel, delay_s, clears)
        # CO clears at 10 % below its level: product choice.
        self._co = [HeldAbove(ppm, hold_s, ppm * 0.1) for ppm, hold_s in traits.co_alarm]

    def sense(self, air: Air, elapsed_s: float) -> None:
        """Stand in `air` for `elapsed_s` seconds of the device's own time."""
        traits = self.traits
        self._on_for_s += elapsed_s
        true_lel = air.methane_lel(self._lel_percent_vol)
        self._lagged_lel = _follow(self._lagged_lel, true_lel, elapsed_s, traits.lel_t90_s)
        self._lagged_ppm = _follow(self._lagged_ppm, air.co_ppm, elapsed_s, traits.co_t90_s)
        self.shown_lel = self._shown(self._lagged_lel, traits.noise_lel, traits.step_lel, traits.full_scale_lel)
        self.shown_ppm = self._shown(self._lagged_ppm, traits.noise_ppm, traits.step_ppm, traits.full_scale_ppm)
        if self.faulty:
            return
        self._low.follow(self.shown_lel, elapsed_s)
        self._high.follow(self.shown_lel, elapsed_s)
        for alarm in self._co:
            alarm.follow(self.shown_ppm, elapsed_s)

    def restart(self) -> None:
        """Power comes back: warm-up begins again, and no alarm is remembered."""
        self._on_for_s = 0.0
        for alarm in (self._low, self._high, *self._co):
            alarm.above_s, alarm.on = 0.0, False

    @property
    def low_alarm(self) -> bool:
        return self._low.on

    @property
    def high_alarm(self) -> bool:
        return self._high.on

    @property
    def co_alarm(self) -> bool:
        return any(alarm.on for alarm in self._co)

    @property
    def warming_up(self) -> bool:
        return self._on_for_s < self.traits.warm_up_s

    @property
    def sees_gas(self) -> bool:
        """Whether it reports at the faster rate."""
        alarmed = self.low_alarm or self.high_alarm or self.co_alarm
        return alarmed or self.shown_lel >= self.traits.gas_lel or self.shown_ppm >= self.traits.gas_ppm

    def _shown(self, value: float, noise: float, step: float, full_scale: float) -> float:
        noisy = min(max(value + self._rng.gauss(0.0, noise), 0.0), full_scale)
        # The outer rounding takes the binary dust off, so that 0.3 is sent as 0.3.
        return round(round(noisy / step) * step, 6)


def _follow(lagged: float, towards: float, elapsed_s: float, t90_s: float) -> float:
    """The exact first-order step towards a constant input."""
    return lagged + (towards - lagged) * -math.expm1(-TIME_CONSTANTS_IN_T90 * elapsed_s / t90_s)
