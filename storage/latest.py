"""`device_latest`: the newest reading of each device, kept at a cost that does not grow with the rate of readings.

L1  A device's row is never older than its newest stored reading by more than REFRESH_US of the follower's time.
L2  What is not yet shown is named in the cursor (`latest_from`), in the transaction of the rows; after a crash it is
    read back from `reading`.
"""

from dataclasses import dataclass, field

import numpy as np

from devices.readings import Rows
from storage.batch import empty_rows
from storage.copy_rows import COLUMNS, sort_by_key
from storage.database import Connection
from storage.store_rows import copy
from storage.times import as_datetime

#: At 10,000 devices with a reading each second, every second costs 10,000 row updates beside 10,000 inserts; more often
#: would cost more than the readings themselves.
REFRESH_US = 1_000_000
#: So few devices are written at once, however short the time since the last refresh: an idle system shows all at once.
_FEW = 500

_LIST = ", ".join(COLUMNS)
_SET = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name != "device_no")
_NEWER = "(excluded.ts, excluded.boot, excluded.seq) > (device_latest.ts, device_latest.boot, device_latest.seq)"
_UPSERT = f"ON CONFLICT (device_no) DO UPDATE SET {_SET} WHERE {_NEWER}"
_COPY = f"COPY pg_temp.davy_latest ({_LIST}) FROM STDIN (FORMAT BINARY)"
_FROM_COPY = f"INSERT INTO device_latest ({_LIST}) SELECT {_LIST} FROM pg_temp.davy_latest {_UPSERT}"  # noqa: S608
_FROM_READING = (
    f"INSERT INTO device_latest ({_LIST}) SELECT r.* FROM device d CROSS JOIN LATERAL (SELECT {_LIST} FROM reading"  # noqa: S608
    " WHERE device_no = d.device_no AND ts >= %s ORDER BY ts DESC, boot DESC, seq DESC LIMIT 1) r " + _UPSERT
)


@dataclass(slots=True)
class Newest:
    """The newest unshown reading per device, sorted by device number, and when the table was last brought up to date
    (microseconds UTC). A value: `with_rows` makes the next one, which counts once its transaction is committed."""

    rows: Rows = field(default_factory=empty_rows)
    refreshed_us: int = 0

    def with_rows(self, rows: Rows) -> "Newest":
        """`rows` are sorted by key."""
        if not len(rows):
            return self
        last = _last_of_each(rows)
        if len(self.rows):
            last = _last_of_each(sort_by_key(np.concatenate((self.rows, last))))
        return Newest(last, self.refreshed_us)

    def due(self, now_us: int) -> bool:
        waited = now_us - self.refreshed_us
        return len(self.rows) > 0 and (len(self.rows) <= _FEW or not 0 <= waited < REFRESH_US)

    @property
    def from_us(self) -> int | None:
        """The oldest effective time that the table may not show yet."""
        return int(self.rows["ts"].min()) if len(self.rows) else None


def _last_of_each(rows: Rows) -> Rows:
    device_no = rows["device_no"]
    return np.take(rows, np.append(np.flatnonzero(device_no[1:] != device_no[:-1]), len(rows) - 1))


async def prepare(connection: Connection) -> None:
    await connection.execute("CREATE TEMP TABLE IF NOT EXISTS davy_latest (LIKE device_latest) ON COMMIT DELETE ROWS")


async def show(connection: Connection, newest: Newest) -> None:
    """Inside a transaction: bring the table up to date with `newest`."""
    await copy(connection, _COPY, newest.rows)
    await connection.execute(_FROM_COPY.encode())


async def read_back(connection: Connection, from_us: int) -> None:
    """After a crash: what `reading` holds from that effective time on, one index look-up per device and day."""
    await connection.execute(_FROM_READING.encode(), (as_datetime(from_us),))
