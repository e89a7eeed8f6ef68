"""Daily partitions of plain mode: made a few days ahead, and on demand for late data. TimescaleDB makes its own chunks.

A day that retention may be dropping is written to only under the same advisory lock, in every mode, so that a row is
either dropped and counted as dropped, or stored after it (storage/retention.py).
"""

from datetime import timedelta

from devices.readings import Rows
from storage.copy_rows import rows_per_day
from storage.database import Connection
from storage.modes import Mode
from storage.times import DAY_US, as_datetime

#: Days made ahead of time, so that midnight costs nobody a wait.
DAYS_AHEAD = 3
#: Retention never touches a day this young, so these need no look before each batch.
YOUNG_DAYS = 2
#: Weeks begin on a Monday: day 4 after 1970-01-01.
_WEEK = 7
_MONDAY = 4

LOCK = "SELECT pg_advisory_xact_lock(hashtext('davy partition'))"


def day_of(time_us: int) -> int:
    """Days since 1970-01-01 UTC."""
    return time_us // DAY_US


def week_of(day: int) -> int:
    """The Monday of that day's week, as a day number."""
    return day - (day - _MONDAY) % _WEEK


class Partitions:
    """Which partitions are known to be there. One per connection that writes."""

    def __init__(self, mode: Mode) -> None:
        self._mode = mode
        self._known: set[tuple[str, int]] = set()

    async def for_rows(self, connection: Connection, rows: Rows, now_us: int) -> None:
        """Inside the transaction that writes `rows`: every day they need is there, and stays until it ends."""
        days = list(rows_per_day(rows))
        if not days:
            return
        young = day_of(now_us) - YOUNG_DAYS + 1
        if self._mode is not Mode.PLAIN:
            if days[0] < young:
                await connection.execute(LOCK)
            return
        for day in days:
            for table in ("reading", "reading_extra"):
                if day < young or (table, day) not in self._known:
                    await self._add(connection, table, day, 1)

    async def for_buckets(self, connection: Connection, first_us: int, last_us: int) -> None:
        """The weeks of `reading_1m` from `first_us` to `last_us`."""
        if self._mode is Mode.PLAIN:
            for week in range(week_of(day_of(first_us)), day_of(last_us) + 1, _WEEK):
                if ("reading_1m", week) not in self._known:
                    await self._add(connection, "reading_1m", week, _WEEK)

    async def ahead(self, connection: Connection, now_us: int) -> None:
        """The next days and the next week, each in a transaction of its own."""
        if self._mode is not Mode.PLAIN:
            return
        today = day_of(now_us)
        wanted = [
            (table, today + ahead, 1) for table in ("reading", "reading_extra") for ahead in range(DAYS_AHEAD + 1)
        ]
        wanted += [("reading_1m", week_of(today) + ahead, _WEEK) for ahead in (0, _WEEK)]
        for table, day, days in wanted:
            if (table, day) not in self._known:
                await self._add(connection, table, day, days)
                self._known.add((table, day))

    def committed(self, rows: Rows) -> None:
        """The transaction of `rows` is committed: its days are known now."""
        for day in rows_per_day(rows):
            self._known |= {("reading", day), ("reading_extra", day)}

    @staticmethod
    async def _add(connection: Connection, table: str, day: int, days: int) -> None:
        lower = as_datetime(day * DAY_US)
        await connection.execute("SELECT davy_add_partition(%s, %s, %s)", (table, lower, lower + timedelta(days=days)))
