"""Random readings of the devices of the district, with values near the limits of random rules."""

import random

import numpy as np

from devices.quantities import Flag, Quality, ValveCause, ValvePosition, quality_shift
from devices.readings import Rows, blank
from tests.rules.random_expressions import LIMITS, QUANTITIES
from tests.rules.world import SECOND, T0


def random_rows(rng: random.Random, many: int, t: float, behind: dict[int, int] | None = None) -> Rows:
    """Readings of a few devices that are heard at `t` seconds. behind: by device number, how many seconds its clock is
    behind, if it is not right; some are set anew."""
    rows, behind = blank(many), {} if behind is None else behind
    for row in rows:
        row["device_no"] = rng.choice((*range(2, 12), *range(2, 32)))
        row["received"] = T0 + round(t * SECOND)
        if rng.random() < 0.01:
            behind[int(row["device_no"])] = rng.choice((0, 0, 3_600, 8 * 3_600, 8 * 3_600 + 1, -3_600, 40))
        row["ts"] = row["received"] - behind.get(int(row["device_no"]), 0) * SECOND
        row["ts"] -= rng.choice((0, 0, 0, SECOND, 30 * SECOND, -3 * SECOND, 123_456))
        row["flags"] = sum(
            {rng.choice((0, 0, *(flag.value for flag in Flag if flag <= Flag.MAINS_LOSS))) for _ in range(2)}
        )
        if rng.random() < 0.08:
            row["flags"] |= rng.choice((Flag.STALE, Flag.LATE))
        row["valve"], row["valve_cause"] = (
            rng.choice((*ValvePosition, *(ValvePosition.CLOSED,) * 6)),
            rng.choice(list(ValveCause)),
        )
        word = int(row["quality"])
        for unit, names in QUANTITIES.items():
            for name in names:
                sort = rng.random()
                row[name] = (
                    np.nan if sort < 0.05 else float(rng.choice(LIMITS[unit])) + rng.choice((0, 0, 0, 0.001, -1))
                )
                quality = rng.choice(list(Quality)) if sort > 0.9 else Quality.GOOD
                word = word & ~(15 << quality_shift(name)) | int(quality) << quality_shift(name)
        row["quality"] = word
    return rows
