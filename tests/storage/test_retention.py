"""K1 and K2 of storage/retention.py."""

import pytest

from engine.records import Quarantined
from storage.database import Connection, connect
from storage.modes import Mode
from storage.retention import Retention, let_go
from tests.storage.cycles import DAY, T0, cycle, readings
from tests.storage.ledgers import balanced
from tests.storage.writing import one, write

KEEP = Retention(raw_days=5, minutes_days=10, quarantine_days=7)


async def test_old_days_go_whole_and_are_counted(url: str, database: Connection, mode: Mode) -> None:
    old = readings(40, at=T0 - 9 * DAY, step=6 * 3600 * 1_000_000, devices=2)
    await write(url, [cycle(1, old, extra=[(0, b"{}"), (39, b"{}")])])
    assert await let_go(database, mode, KEEP, T0 + 3600) > 0
    assert await one(database, "SELECT count(*) FROM reading") == 24
    assert await one(database, "SELECT davy_us(min(ts)) FROM reading") == T0 - 5 * DAY
    assert await one(database, "SELECT count(*) FROM reading_extra") == 1
    assert await one(database, "SELECT sum(dropped) FROM reading_day") == 16
    await balanced(database)
    assert await let_go(database, mode, KEEP, T0 + 3600) == 0


async def test_a_late_row_for_a_day_that_is_gone_is_stored_and_goes_again(
    url: str, database: Connection, mode: Mode
) -> None:
    await write(url, [cycle(1, readings(10, at=T0 - 8 * DAY))])
    await let_go(database, mode, KEEP, T0)
    await write(url, [cycle(2, readings(10, at=T0 - 8 * DAY + 1, seq=50))])
    assert await one(database, "SELECT count(*) FROM reading") == 10
    await balanced(database)
    await let_go(database, mode, KEEP, T0)
    assert await one(database, "SELECT sum(dropped) FROM reading_day") == 20
    await balanced(database)


async def test_quarantine_goes_with_its_count(url: str, database: Connection, mode: Mode) -> None:
    items = [Quarantined(T0 - days * DAY, "mqtt", 0, "no JSON", b"") for days in (1, 20, 30)]
    await write(url, [cycle(1, quarantined=items)])
    await let_go(database, mode, KEEP, T0)
    assert await one(database, "SELECT count(*) FROM quarantine") == 1
    await balanced(database)


async def test_a_drop_that_would_have_to_wait_is_left_for_later(url: str, database: Connection, mode: Mode) -> None:
    await write(url, [cycle(1, readings(10, at=T0 - 8 * DAY))])
    reader = await connect(url, name="long reader")
    async with reader.transaction():
        await reader.execute("SELECT count(*) FROM reading")
        assert await let_go(database, mode, KEEP, T0) == 0
    await reader.close()
    assert await let_go(database, mode, KEEP, T0) > 0


def test_days_that_are_still_written_cannot_be_let_go() -> None:
    with pytest.raises(ValueError, match="retention of raw must be more than 2 days"):
        Retention(raw_days=2)
