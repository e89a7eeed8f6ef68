"""P1 and P2 of storage/rule_packs.py: the rules of any day, as the engine had them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devices.readings import blank, pack
from engine.journal import JournalReader
from engine.records import Inputs
from engine.store import document
from rules.events import RulesChanged
from storage.batch import RulesPut
from storage.database import Connection
from storage.rule_packs import RulesSince, rules_at, rules_body, rules_over_time, write_rules
from tests.storage.cycles import DAY, HOUR, SECOND, T0
from tests.storage.engine import Engine, engine
from tests.storage.test_follower import following, part
from tests.storage.writing import one


@pytest.fixture
async def an_engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with engine(tmp_path) as found:
        yield found


def put(engine: Engine, body: bytes, at: int, by: str) -> int:
    """A cycle that brings rules in, as the engine's loop commits it."""
    doc = document("rules", body)
    event = RulesChanged(at=at, sha256=doc.sha256, by=by)
    return engine.store.commit(Inputs(at, pack(blank(0)), (), (event,), ()), (), readings=0, documents=[doc])


async def followed(url: str, engine: Engine, cycle: int) -> None:
    async with following(url, lambda: JournalReader(engine.path), engine.door) as watch:
        await watch.until_cycle(cycle)


async def told(database: Connection) -> list[tuple[int, str, bool, bytes | None]]:
    """(since, by, at_earliest, body), oldest first."""
    found = await rules_over_time(database, limit=9)
    return [(r.since, r.by, r.at_earliest, await rules_body(database, r.sha256)) for r in reversed(found)]


async def test_the_rules_of_any_day_are_known_with_who_brought_them_in(
    url: str, database: Connection, an_engine: Engine
) -> None:
    put(an_engine, b"first", T0, "built-in rules")
    put(an_engine, b"second", T0 + DAY, "wang\x00")
    last = put(an_engine, b"first", T0 + 2 * DAY, "li")
    await followed(url, an_engine, last)
    assert await told(database) == [
        (T0, "built-in rules", False, b"first"),
        (T0 + DAY, "wang\ufffd", False, b"second"),
        (T0 + 2 * DAY, "li", False, b"first"),
    ]
    assert await one(database, "SELECT count(*) FROM rule_pack") == 2

    async def by(at: int, engine: str | None = None) -> str:
        found = await rules_at(database, at, engine=engine)
        return found.by if found else "nobody"

    assert [await by(at) for at in (T0 - 1, T0, T0 + DAY - 1, T0 + DAY, T0 + 9 * DAY)] == [
        "nobody",
        "built-in rules",
        "built-in rules",
        "wang\ufffd",
        "li",
    ]
    assert await by(T0 + DAY, an_engine.store.engine) == "wang\ufffd"
    assert await by(T0 + DAY, "another") == "nobody"


async def test_rules_that_were_in_force_before_the_database_kept_them_are_found(
    url: str, database: Connection, an_engine: Engine
) -> None:
    put(an_engine, b"first", T0, "built-in rules")
    last = an_engine.commit(part(1))
    await followed(url, an_engine, last)
    await database.execute("DELETE FROM rule_pack_since")
    await database.execute("DELETE FROM rule_pack")
    # The engine goes on while nobody follows: what was in force where the cursor stands is not what is in force now.
    last = put(an_engine, b"second", T0 + HOUR, "wang")
    for _ in range(2):
        await followed(url, an_engine, last)
        assert await told(database) == [(0, "", True, b"first"), (T0 + HOUR, "wang", False, b"second")]
    found = await rules_at(database, T0 - DAY)
    assert found is not None
    assert found.at_earliest


async def test_rules_that_came_in_cycles_that_are_missing_are_found_with_the_earliest_time_they_can_have(
    url: str, database: Connection, an_engine: Engine
) -> None:
    put(an_engine, b"first", T0, "built-in rules")
    seen = an_engine.commit(part(1), now=T0 + SECOND)
    await followed(url, an_engine, seen)
    earliest = await one(database, "SELECT cycle_now FROM follower_cursor")
    put(an_engine, b"second", T0 + HOUR, "wang")
    last = an_engine.commit(part(2), now=T0 + 2 * HOUR)
    an_engine.store._db.execute("DELETE FROM cycle WHERE cycle < ?", (last,))
    await followed(url, an_engine, last)
    assert await told(database) == [(T0, "built-in rules", False, b"first"), (earliest, "", True, b"second")]


async def test_writing_the_same_rules_twice_changes_nothing(database: Connection) -> None:
    again = [RulesPut(1, 0, T0, "a" * 64, "wang", b"body"), RulesPut(1, 1, T0, "b" * 64, "li", None)]
    for _ in range(2):
        await write_rules(database, "engine-1", again)
    assert await rules_over_time(database, limit=9, engine="engine-1") == [
        RulesSince("engine-1:1:1", "engine-1", T0, "li", "b" * 64, at_earliest=False),
        RulesSince("engine-1:1:0", "engine-1", T0, "wang", "a" * 64, at_earliest=False),
    ]
    assert await rules_body(database, "b" * 64) is None
