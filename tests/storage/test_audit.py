"""The record in the database: added to by one function only, and what stands in it is what access/ can verify."""

import asyncio

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from access.audit_chain import FIRST_PREV, Entry, canonical_json
from access.audit_verify import verify_export
from rules.decisions import AlarmState, Change
from storage.audit import Said, record, record_many
from storage.database import Connection, connect
from tests.audit.chains import export
from tests.storage.cycles import SECOND, T0, cycle
from tests.storage.test_decided import changed, raised
from tests.storage.writing import write


async def entries(connection: Connection, tenant: str) -> list[Entry]:
    cursor = await connection.execute(
        "SELECT tenant, n, at, kind, by, body, prev FROM audit_entry WHERE tenant = %s ORDER BY n", (tenant,)
    )
    return [Entry(*row) for row in await cursor.fetchall()]


async def hashes(connection: Connection, tenant: str) -> list[str]:
    cursor = await connection.execute("SELECT sha256 FROM audit_entry WHERE tenant = %s ORDER BY n", (tenant,))
    return [str(row[0]) for row in await cursor.fetchall()]


async def test_each_tenants_chain_is_its_own_and_begins_at_one(database: Connection) -> None:
    await record(database, [Said("b", T0, "login", "person/1", {}), Said("a", T0, "login", "person/2", {"x": 1})])
    await record(database, [Said("a", T0 + 1, "grant", "person/2", {"y": [True, None, "z"]})])
    found = await entries(database, "a")
    assert [(one.n, one.kind) for one in found] == [(1, "login"), (2, "grant")]
    assert found[0].prev == FIRST_PREV
    assert found[1].prev == found[0].sha256
    assert len(await entries(database, "b")) == 1


async def test_what_the_database_hashes_is_what_a_verifier_hashes(database: Connection) -> None:
    words = ['"', "\\", "\n\t\r\b\f\x01\x1f\x7f", "阀门 🜂 \u2028\u2029", "</script>", "", "\ufffd", "é\u0301"]
    said = [Said("", T0, word, word, {word: word}) for word in words]
    await record(database, said)
    found = await entries(database, "")
    assert [one.sha256 for one in found] == await hashes(database, "")
    assert verify_export(export(found, ""), []).sound


async def test_one_at_a_time_and_many_at_once_make_the_same_chain(database: Connection) -> None:
    said = [Said(tenant, T0 + n, "x", "person/1", {"n": n, "w": "ü\n"}) for n in range(7) for tenant in ("a", "b")]
    for one in said:
        await record(database, [one])
    by_one = {tenant: await hashes(database, tenant) for tenant in ("a", "b")}
    await database.execute("SET session_replication_role = replica")
    await database.execute("DELETE FROM audit_entry")
    await database.execute("DELETE FROM audit_end")
    await record_many(database, said[:5])
    await record(database, said[5:6])
    await record_many(database, said[6:])
    assert {tenant: await hashes(database, tenant) for tenant in ("a", "b")} == by_one


async def test_any_text_is_hashed_alike_by_both(plain_url: str) -> None:
    connection = await connect(plain_url, name="test")
    loop = asyncio.get_running_loop()

    async def both(words: list[tuple[str, str, str]]) -> None:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute("DELETE FROM audit_entry")
        await connection.execute("DELETE FROM audit_end")
        await record(connection, [Said("t", -5, kind, by, {"k": body}) for kind, by, body in words])
        found = await entries(connection, "t")
        assert [one.sha256 for one in found] == await hashes(connection, "t")

    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)

    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.tuples(text, text, text), min_size=1, max_size=4))
    def agree(words: list[tuple[str, str, str]]) -> None:
        asyncio.run_coroutine_threadsafe(both(words), loop).result(30)

    await asyncio.to_thread(agree)
    await connection.close()


@pytest.mark.parametrize(
    "attempt",
    [
        "UPDATE audit_entry SET by = 'nobody'",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry",
    ],
)
async def test_nothing_in_the_record_is_changed_or_taken_out_even_by_its_owner(
    database: Connection, attempt: str
) -> None:
    await record(database, [Said("a", T0, "login", "person/1", {})])
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="only ever added to"):
        await database.execute(attempt.encode())


async def test_a_float_is_refused_before_it_is_said(database: Connection) -> None:
    with pytest.raises(ValueError, match="integers or text"):
        await record(database, [Said("a", T0, "x", "", {"deep": [{"v": 0.1}]})])  # type: ignore[dict-item]


async def test_two_who_add_at_once_make_one_chain(url: str) -> None:
    async def add(who: str) -> None:
        connection = await connect(url, name=who)
        for n in range(20):
            tenants = ("a", "b") if n % 2 else ("b", "a")
            async with connection.transaction():
                await record(connection, [Said(tenant, T0 + n, "x", who, {}) for tenant in tenants])
        await connection.close()

    await asyncio.gather(*(add(f"writer-{n}") for n in range(4)))
    connection = await connect(url, name="test")
    for tenant in ("a", "b"):
        found = await entries(connection, tenant)
        assert len(found) == 80
        assert verify_export(export(found, tenant), []).sound
    await connection.close()


async def site_of_a_company(database: Connection) -> None:
    await database.execute("INSERT INTO enterprise (key, kind) VALUES ('gas-1', 'gas_company')")
    await database.execute("INSERT INTO site (key, enterprise) VALUES ('home-1', 'gas-1')")


async def test_what_the_engine_decides_stands_in_the_chain_of_the_sites_company(database: Connection, url: str) -> None:
    await site_of_a_company(database)
    acknowledged = changed("a1", Change.ACKNOWLEDGED, AlarmState.ACKNOWLEDGED, at=T0 + SECOND, by="person/7")
    await write(url, [cycle(1, decisions=[raised("a1")]), cycle(2, decisions=[acknowledged])])
    found = await entries(database, "gas-1")
    assert [(one.kind, one.by, one.at) for one in found] == [
        ("alarm_raised", "", T0),
        ("alarm_changed", "person/7", T0 + SECOND),
    ]
    assert '"event":"engine-1:1:0"' in found[0].body
    assert '"value":"25.5"' in found[0].body
    assert verify_export(export(found), []).sound


async def test_what_belongs_to_no_company_stands_in_the_platforms_own_chain(database: Connection, url: str) -> None:
    await write(url, [cycle(1, decisions=[raised("a1")])])
    assert [one.kind for one in await entries(database, "")] == ["alarm_raised"]


async def test_what_was_not_committed_is_not_in_the_record(database: Connection, url: str) -> None:
    await site_of_a_company(database)
    await database.execute(
        "ALTER TABLE follower_cursor ADD CONSTRAINT stop CHECK (cycle < 2 OR follower <> 'storage') NOT VALID"
    )
    await write(url, [cycle(1, decisions=[raised("a1")])])
    with pytest.raises(psycopg.errors.CheckViolation):
        await write(url, [cycle(2, decisions=[raised("a2")])])
    assert len(await entries(database, "gas-1")) == 1
    await database.execute("ALTER TABLE follower_cursor DROP CONSTRAINT stop")
    await write(url, [cycle(2, decisions=[raised("a2")])])
    assert len(await entries(database, "gas-1")) == 2


def test_the_body_of_an_entry_is_canonical_json() -> None:
    assert canonical_json({"b": 1, "a": "ü"}) == '{"a":"ü","b":1}'
