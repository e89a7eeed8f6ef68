"""What a device says of itself decides how its gas values may be read, whatever protocol it speaks."""

import numpy as np

from devices.quantities import GAS_QUANTITIES, QUALITY_BITS, QUANTITIES, Flag, Quality
from devices.readings import Rows


def doubt_gas(rows: Rows) -> None:
    """Fault goes before warm-up, warm-up before inhibit; only a value that is GOOD so far is doubted. A device's own
    alarm bits are not touched by any of them. Changes `quality` of rows, (n,), in place."""
    flags = rows["flags"]
    doubt = np.select(
        [(flags & flag) != 0 for flag in (Flag.FAULT, Flag.WARM_UP, Flag.INHIBIT)],
        [Quality.SENSOR_FAULT, Quality.WARM_UP, Quality.INHIBITED],
        Quality.GOOD,
    ).astype(np.int64)
    if not doubt.any():
        return
    for at, quantity in enumerate(QUANTITIES):
        if quantity.name in GAS_QUANTITIES:
            shift = QUALITY_BITS * at
            good = (rows["quality"] >> shift & 0xF) == Quality.GOOD
            rows["quality"] |= np.where(good, doubt, 0) << shift
