"""What a batch of readings makes due for summing up again, written in the transaction of the rows.

Live rows mark their whole minute (every device reports in it anyway); late ones mark the hour of their one device,
because a backfill touches few devices and much time.
"""

from typing import LiteralString

import numpy as np
from numpy.typing import NDArray

from devices.readings import Rows
from storage.database import Connection
from storage.times import HOUR_US, MINUTE_US

#: A reading so much older than its arrival is late for this purpose: its minute has been summed up already.
LIVE_US = 2 * MINUTE_US

_MARK: LiteralString = """
INSERT INTO rollup_due (level, bucket, device_no)
SELECT '1m', timestamptz 'epoch' + due.minute * interval '1 minute', due.device_no
FROM unnest(%s::bigint[], %s::integer[]) AS due (minute, device_no)"""


async def mark(connection: Connection, rows: Rows) -> None:
    """Mark what `rows`, shape (n,), READING, change."""
    if not len(rows):
        return
    live = rows["ts"] >= rows["received"] - LIVE_US
    minutes = _distinct(rows["ts"][live] // MINUTE_US)
    late = np.take(rows, np.flatnonzero(~live))
    hours = np.unique(np.stack((late["ts"] // HOUR_US, late["device_no"].astype(np.int64)), axis=1), axis=0)
    buckets = minutes.tolist() + (hours[:, 0] * (HOUR_US // MINUTE_US)).tolist()
    await connection.execute(_MARK, (buckets, [0] * len(minutes) + hours[:, 1].tolist()))


def _distinct(minutes: NDArray[np.int64]) -> NDArray[np.int64]:
    """np.unique of numbers that are nearly all the same few."""
    if not len(minutes):
        return minutes
    first, span = int(minutes.min()), int(minutes.max() - minutes.min()) + 1
    if span > 1024:
        return np.unique(minutes)
    return np.flatnonzero(np.bincount(minutes - first, minlength=span)) + first
