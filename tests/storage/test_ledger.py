"""The ledger balances when nothing is lost, and says what is wrong when something is (G2)."""

from engine.records import Quarantined, SourceCount
from storage.database import Connection
from storage.ledger import EngineCounts
from tests.storage.cycles import T0, cycle, readings
from tests.storage.ledgers import account, balanced
from tests.storage.writing import write

NONE = Quarantined(T0, "http", 0, "no JSON", b"")


async def test_received_is_stored_and_duplicate_and_quarantined_and_pending(url: str, database: Connection) -> None:
    await write(
        url,
        [
            cycle(1, readings(100), duplicate=3),
            cycle(2, readings(100, seq=40), source="http", quarantined=[NONE]),
            cycle(3, readings(20)),
        ],
    )
    said = EngineCounts("engine-1", 5, [SourceCount("http", 101, 100, 0, 1), SourceCount("mqtt", 153, 150, 3, 0)])
    found = await balanced(database, [said])
    (engine,) = found.engines
    assert (engine.cycle, engine.followed, engine.alive) == (5, 3, True)
    assert (engine.stored, engine.duplicate, engine.poison) == (200, 20, 0)
    http, mqtt = engine.sources
    assert (http.received, http.taken, http.duplicate, http.quarantined, http.pending) == (101, 100, 0, 1, 0)
    assert (mqtt.received, mqtt.taken, mqtt.duplicate, mqtt.quarantined, mqtt.pending) == (153, 120, 3, 0, 30)
    for line in engine.sources:
        assert line.received == line.taken + line.duplicate + line.quarantined + line.pending
    assert (found.rows_stored, found.rows_counted, found.quarantined) == (200, 200, 1)


async def test_every_bus_and_every_broker_has_its_own_line(url: str, database: Connection) -> None:
    sources = ["broker:city-east", "broker:city-west", "http", "modbus", "mqtt"]
    cycles = [
        cycle(n, readings(10 + n, seq=100 * n), source=source, duplicate=n, quarantined=[NONE] * n)
        for n, source in enumerate(reversed(sources), 1)
    ]
    await write(url, cycles)
    said = [count for one in cycles for count in one.inputs.counts]
    said.append(SourceCount("broker:new", 4, 4, 0, 0))
    (engine,) = (await balanced(database, [EngineCounts("engine-1", 6, said)])).engines
    assert [line.source for line in engine.sources] == [
        "broker:city-east",
        "broker:city-west",
        "broker:new",
        *sources[2:],
    ]
    assert {line.source: line.pending for line in engine.sources if line.pending} == {"broker:new": 4}
    assert [line.taken for line in engine.sources] == [15, 14, 0, 13, 12, 11]
    for line in engine.sources:
        assert line.received == line.taken + line.duplicate + line.quarantined + line.pending


async def test_an_engine_that_is_not_asked_counts_as_followed_to_its_end(url: str, database: Connection) -> None:
    await write(url, [cycle(1, readings(10))], engine="old")
    await write(url, [cycle(1, readings(10, first_device=50))], engine="new")
    found = await balanced(database, [EngineCounts("new", 1, [SourceCount("mqtt", 10, 10, 0, 0)])])
    assert [(engine.engine, engine.alive) for engine in found.engines] == [("new", True), ("old", False)]


async def test_an_engine_that_the_follower_never_met_is_all_pending(database: Connection) -> None:
    found = await balanced(database, [EngineCounts("new", 4, [SourceCount("mqtt", 7, 5, 1, 1)])])
    assert found.engines[0].sources[0].pending == 7


async def test_a_lost_row_is_found(url: str, database: Connection) -> None:
    await write(url, [cycle(1, readings(10))])
    await database.execute("DELETE FROM reading WHERE device_no = 3")
    found = await account(database)
    assert not found.balanced
    assert found.faults == ("2025-12-02: 9 rows counted, 10 stored and not dropped",)


async def test_a_row_too_many_is_found(url: str, database: Connection) -> None:
    await write(url, [cycle(1, readings(10))])
    await database.execute("CREATE TEMP TABLE more AS SELECT * FROM reading WHERE device_no = 3")
    await database.execute("UPDATE more SET seq = 99")
    await database.execute("INSERT INTO reading SELECT * FROM more")
    found = await account(database)
    assert found.rows_counted == 11
    assert found.faults == ("2025-12-02: 11 rows counted, 10 stored and not dropped",)


async def test_counters_that_do_not_agree_with_each_other_are_found(url: str, database: Connection) -> None:
    await write(url, [cycle(1, readings(10))])
    await database.execute("UPDATE reading_day SET stored = stored - 1")
    assert (await account(database)).faults == (
        "9 rows stored by day, 10 by engine",
        "2025-12-02: 10 rows counted, 9 stored and not dropped",
    )


async def test_a_lost_quarantine_row_is_found(url: str, database: Connection) -> None:
    await write(url, [cycle(1, quarantined=[NONE, NONE])])
    await database.execute("DELETE FROM quarantine WHERE n = 0")
    assert (await account(database)).faults == ("1 rows in quarantine, 2 were put there",)


async def test_an_engine_store_older_than_the_database_is_found(url: str, database: Connection) -> None:
    await write(url, [cycle(1, readings(10)), cycle(2)])
    faults = (await account(database, [EngineCounts("engine-1", 1, [SourceCount("mqtt", 10, 10, 0, 0)])])).faults
    assert faults == ("engine engine-1: its store ends at cycle 1, the database is at 2",)


async def test_readings_that_never_came_although_nothing_is_pending_are_found(url: str, database: Connection) -> None:
    await write(url, [cycle(1, readings(10))])
    faults = (await account(database, [EngineCounts("engine-1", 1, [SourceCount("mqtt", 12, 12, 0, 0)])])).faults
    assert faults == ("engine engine-1, source mqtt: the engine counts 12 received, the database 10",)
