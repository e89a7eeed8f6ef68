"""K1 to K3 of storage/retention.py, and what is let go when clocks are wrong."""

import pytest

from engine.records import Quarantined
from storage.clock_watch import STEADY_S, ClockWatch
from storage.database import Connection, connect
from storage.modes import Mode
from storage.retention import LetGo, Retention, let_go, raw_from_us
from storage.upkeep import Upkeep
from tests.storage.cycles import DAY, HOUR, SECOND, T0, cycle, readings
from tests.storage.ledgers import balanced
from tests.storage.writing import one, write

KEEP = Retention(raw_days=5, minutes_days=10, quarantine_days=7)
NOTHING = LetGo(dropped=0, waiting=(), more=False)


async def daily(url: str, days: int) -> None:
    """One reading on each of so many days, the last of them T0's."""
    rows = readings(days, at=T0 - (days - 1) * DAY, step=DAY, devices=1)
    await write(url, [cycle(1, rows)])


async def test_old_days_go_whole_and_are_counted(url: str, database: Connection, mode: Mode) -> None:
    old = readings(40, at=T0 - 9 * DAY, step=6 * HOUR, devices=2)
    await write(url, [cycle(1, old, extra=[(0, b"{}"), (39, b"{}")])])
    assert await raw_from_us(database) == 0
    assert (await let_go(database, mode, KEEP, T0 + 3600)).dropped > 0
    assert await one(database, "SELECT count(*) FROM reading") == 24
    assert await one(database, "SELECT davy_us(min(ts)) FROM reading") == T0 - 5 * DAY
    assert await one(database, "SELECT count(*) FROM reading_extra") == 1
    assert await one(database, "SELECT sum(dropped) FROM reading_day") == 16
    assert await raw_from_us(database) == T0 - 5 * DAY
    await balanced(database)
    assert await let_go(database, mode, KEEP, T0 + 3600) == NOTHING


async def test_a_late_row_for_a_day_that_is_gone_is_stored_and_goes_again(
    url: str, database: Connection, mode: Mode
) -> None:
    await daily(url, 9)
    await let_go(database, mode, KEEP, T0)
    await write(url, [cycle(2, readings(10, at=T0 - 8 * DAY + 1, seq=50))])
    assert await one(database, "SELECT count(*) FROM reading") == 16
    await balanced(database)
    await let_go(database, mode, KEEP, T0)
    assert await one(database, "SELECT sum(dropped) FROM reading_day") == 13
    await balanced(database)


async def test_quarantine_goes_with_its_count(url: str, database: Connection, mode: Mode) -> None:
    items = [Quarantined(T0 - days * DAY, "mqtt", 0, "no JSON", b"") for days in (0, 1, 20, 30)]
    await write(url, [cycle(1, quarantined=items)])
    await let_go(database, mode, KEEP, T0)
    assert await one(database, "SELECT count(*) FROM quarantine") == 2
    await balanced(database)


async def test_a_table_in_use_waits_for_the_next_turn_and_the_others_do_not(
    url: str, database: Connection, mode: Mode
) -> None:
    items = [Quarantined(T0 - days * DAY, "mqtt", 0, "no JSON", b"") for days in (0, 20)]
    rows = readings(9, at=T0 - 8 * DAY, step=DAY, devices=1)
    await write(url, [cycle(1, rows, extra=[(0, b"{}")], quarantined=items)])
    reader = await connect(url, name="long reader")
    async with reader.transaction():
        await reader.execute("SELECT count(*) FROM reading")
        first = await let_go(database, mode, KEEP, T0)
    await reader.close()
    assert first.waiting == ("reading",)
    assert not first.finished
    assert await one(database, "SELECT count(*) FROM reading") == 9
    assert await one(database, "SELECT count(*) FROM reading_extra") == 0
    assert await one(database, "SELECT count(*) FROM quarantine") == 1
    assert (await let_go(database, mode, KEEP, T0)).finished
    assert await one(database, "SELECT count(*) FROM reading") == 6
    await balanced(database)


async def test_no_clock_however_wrong_drops_what_came_lately(url: str, database: Connection, mode: Mode) -> None:
    await daily(url, 6)
    item = Quarantined(T0, "mqtt", 0, "no JSON", b"")
    await write(url, [cycle(2, readings(100, at=T0 + 1), quarantined=[item])])
    # The clock stands 40 days ahead, and some rows are received so.
    for now in (T0 + 40 * DAY, T0 + 4_000 * DAY):
        assert await let_go(database, mode, KEEP, now) == NOTHING
        await write(url, [cycle(now // DAY, readings(10, at=now, seq=500))], now=now)
        assert (await let_go(database, mode, KEEP, now + SECOND)).dropped <= 2
    assert await one(database, f"SELECT count(*) FROM reading WHERE davy_us(ts) > {T0}") == 100 + 20
    # It is put back.
    await write(url, [cycle(100_000, readings(100, at=T0 + HOUR, seq=900))])
    assert await one(database, "SELECT poison FROM follower_cursor") == 0
    assert await one(database, "SELECT count(*) FROM quarantine WHERE origin = 'database'") == 0
    await balanced(database)


async def test_retention_waits_a_steady_day_after_the_clock_was_set(url: str, database: Connection, mode: Mode) -> None:
    await daily(url, 20)
    upkeep = Upkeep(database, mode, KEEP, ClockWatch())
    await upkeep.turn(T0 - 15 * DAY, 1_000.0)
    assert upkeep.in_the_way == ""
    assert await one(database, "SELECT count(*) FROM reading") == 20 - 0
    # 15 days ahead between two turns of five seconds.
    await upkeep.turn(T0, 1_005.0)
    assert upkeep.in_the_way.startswith("the machine's clock was set by +1295995 s, to 2025-12-02 00:00:00 UTC")
    await upkeep.turn(T0 + (int(STEADY_S) - 5) * SECOND, 1_000.0 + STEADY_S)
    assert upkeep.in_the_way
    assert await one(database, "SELECT count(*) FROM reading") == 20
    await upkeep.turn(T0 + int(STEADY_S) * SECOND, 1_005.0 + STEADY_S)
    assert upkeep.in_the_way == ""
    assert await one(database, "SELECT count(*) FROM reading") < 20
    await balanced(database)


def test_a_clock_that_is_slewed_is_believed_and_one_that_is_set_is_not_either_way() -> None:
    watch = ClockWatch()
    assert watch.doubt(T0, 0) == ""
    assert watch.doubt(T0 + 3_601 * SECOND, 3_600) == ""
    assert "set by +3600 s" in watch.doubt(T0 + 7_206 * SECOND, 3_605)
    assert "set by -3600 s" in watch.doubt(T0 + 3_611 * SECOND, 3_610)
    assert watch.doubt(T0 + 3_611 * SECOND + DAY - SECOND, 3_610 + STEADY_S - 1)
    assert watch.doubt(T0 + 3_611 * SECOND + DAY, 3_610 + STEADY_S) == ""


def test_days_that_are_still_written_cannot_be_let_go() -> None:
    with pytest.raises(ValueError, match="retention of raw must be more than 2 days"):
        Retention(raw_days=2)
