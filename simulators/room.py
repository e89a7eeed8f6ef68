"""The air of one room: gas comes in, mixes at once, and leaves with the air.

The balance is that of a well-mixed room. What flows in pushes the same volume of mixed air out, so for a gas of
volume fraction c in a room of volume V:

    dc/dt = source / V - k c        k = (leak + flue) / V + air changes per hour

With constant inflows this has an exact solution, and `mixed` is that solution, not an approximation of it:

R1  A fraction is never negative and never above the richest inflow: each step is a weighted mean of what was there
    and of the equilibrium.
R2  The result does not depend on how a span of constant inflows is cut into steps.
R3  With constant inflows the air tends to `equilibrium`.
"""

import math
from dataclasses import dataclass

SECONDS_PER_HOUR = 3600.0
PPM = 1e6


@dataclass(frozen=True, slots=True)
class Air:
    """Volume fractions, 0 to 1, of methane and of carbon monoxide."""

    methane: float = 0.0
    co: float = 0.0

    def methane_lel(self, lel_percent_vol: float) -> float:
        """Methane in %LEL on a detector model's basis: `lel_percent_vol` %vol is 100 %LEL."""
        return self.methane * 100.0 / lel_percent_vol * 100.0

    @property
    def co_ppm(self) -> float:
        return self.co * PPM


@dataclass(frozen=True, slots=True)
class Inflow:
    """What enters a room, constant over a step; none of it negative.

    leak_m3h: unburnt gas, taken as pure methane (m3/h).
    flue_m3h, flue_co_ppm: flue gas that spills into the room (m3/h), and the carbon monoxide in it (ppm).
    air_changes_per_hour: fresh air, in room volumes per hour.
    """

    leak_m3h: float = 0.0
    flue_m3h: float = 0.0
    flue_co_ppm: float = 0.0
    air_changes_per_hour: float = 0.5

    def turnover_per_hour(self, volume_m3: float) -> float:
        """How often all inflows together replace the air of the room: k above, 1/h."""
        return (self.leak_m3h + self.flue_m3h) / volume_m3 + self.air_changes_per_hour


def equilibrium(inflow: Inflow, volume_m3: float) -> Air | None:
    """The air after an endless time of `inflow`; None for a sealed room, whose air stays as it is."""
    exchanged_m3h = inflow.turnover_per_hour(volume_m3) * volume_m3
    if exchanged_m3h == 0.0:
        return None
    return Air(
        methane=inflow.leak_m3h / exchanged_m3h,
        co=inflow.flue_m3h * (inflow.flue_co_ppm / PPM) / exchanged_m3h,
    )


def mixed(air: Air, inflow: Inflow, volume_m3: float, elapsed_s: float) -> Air:
    """The air `elapsed_s` seconds later, under constant inflow."""
    tends_to = equilibrium(inflow, volume_m3)
    if tends_to is None:
        return air
    exponent = -inflow.turnover_per_hour(volume_m3) * elapsed_s / SECONDS_PER_HOUR
    # expm1 keeps the replaced share exact for the very short steps of a fast clock.
    kept, replaced = math.exp(exponent), -math.expm1(exponent)
    return Air(
        methane=air.methane * kept + tends_to.methane * replaced,
        co=air.co * kept + tends_to.co * replaced,
    )
