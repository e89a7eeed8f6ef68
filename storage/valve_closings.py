"""On which days each valve was seen closed: what proves years later that it closes, when its readings are long gone.

C1  A day (UTC) on which some reading had the valve closed has a row, in the transaction of that reading, late ones too.
C2  A row is written once: `at` is the time of the earliest such reading of the batch that first said so.
"""

from typing import LiteralString

import numpy as np

from devices.quantities import Flag, ValvePosition
from devices.readings import Rows
from storage.database import Connection
from storage.times import DAY_US

_INSERT: LiteralString = """
INSERT INTO valve_closed (device_no, day, at)
SELECT device_no, date '1970-01-01' + (at / 86400000000)::integer,
    timestamptz 'epoch' + at * interval '1 microsecond'
FROM unnest(%s::integer[], %s::bigint[]) AS seen (device_no, at) ON CONFLICT DO NOTHING"""


async def mark(connection: Connection, rows: Rows) -> None:
    """Inside the caller's transaction. Raises psycopg.Error."""
    closed = rows[(rows["valve"] == ValvePosition.CLOSED) & (rows["flags"] & int(Flag.STALE) == 0)]
    if not len(closed):
        return
    in_order = closed[np.lexsort((closed["ts"], closed["device_no"]))]
    days = np.stack([in_order["device_no"].astype(np.int64), in_order["ts"] // DAY_US])
    first = np.ones(len(in_order), np.bool_)
    first[1:] = (days[:, 1:] != days[:, :-1]).any(axis=0)
    await connection.execute(_INSERT, (in_order["device_no"][first].tolist(), in_order["ts"][first].tolist()))
