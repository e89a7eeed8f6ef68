"""Personal data in a real database: never in clear there, found by its number, rotated, forgotten, unmasked with a
purpose (storage/people.py, storage/tenant_keys.py, storage/unmasking.py)."""

import asyncio
import json
import os
from collections.abc import AsyncIterator

import pytest

from access.enterprises import EnterpriseKind as Kind
from access.people import Channel, Contact
from storage import contacts, people, tenant_keys
from storage.database import Connection, connect
from storage.people import Hand, PersonChange
from storage.sealed import KEY_BYTES, MasterKey, Unreadable
from storage.tenant_keys import key_to_seal, keyring
from storage.tenants import FenceRefused, Tenant, in_the_name_of, roles_of
from storage.unmasking import Field, Unmasked, unmask
from tests.storage.conftest import copies, plain_server, plain_url

__all__ = ["copies", "plain_server", "plain_url"]

MASTER = MasterKey(os.urandom(KEY_BYTES))
HAND = Hand("person/ann", 1_000_000, MASTER, os.urandom)
NAME, NUMBER, IDENTITY, SMS = "张三丰", "13812345678", "110101199003071234", "13987654321"


@pytest.fixture
async def connection(plain_url: str) -> AsyncIterator[Connection]:
    found = await connect(plain_url, name="test")
    for key in ("gas-a", "gas-b"):
        await found.execute("INSERT INTO enterprise (key, kind) VALUES (%s, 'gas_company')", (key,))
        async with found.transaction():
            change = PersonChange(NAME, NUMBER, IDENTITY, "zh", ())
            await people.put_person(found, HAND, key, "p1", change)
            await contacts.put_contact(found, HAND, Contact(key, "p1", Channel.SMS, 1, SMS))
    yield found
    await found.close()


async def _everything(connection: Connection) -> bytes:
    """Every row of every table that could hold personal data, as text, with bytes in hex and as they are."""
    said = b""
    for table in ("person", "person_past", "contact", "contact_past", "tenant_key", "audit_entry", "site_role"):
        cursor = await connection.execute(f"SELECT t::text FROM {table} t".encode())
        for (row,) in await cursor.fetchall():
            said += str(row).encode()
            for part in str(row).split('"\\\\x')[1:]:
                said += bytes.fromhex(part.split('"')[0])
    return said


async def _unmask(connection: Connection, tenant: str, *fields: Field, purpose: str = "a call") -> Unmasked | None:
    async with connection.transaction():
        return await unmask(
            connection, MASTER, tenant, "p1", fields, purpose=purpose, by="person/ann", now_us=2_000_000
        )


async def test_nothing_of_it_is_in_the_database_in_clear(connection: Connection) -> None:
    async with connection.transaction():
        await people.put_person(connection, HAND, "gas-a", "p1", PersonChange(telephone=SMS))
    said = await _everything(connection)
    assert b"p1" in said
    for plain in (NAME, NUMBER, IDENTITY, SMS, NUMBER[3:7] + NUMBER[7:]):
        assert plain.encode() not in said


async def test_what_is_shown_is_masked_and_what_is_unmasked_is_in_the_record_first(connection: Connection) -> None:
    shown = await people.person(connection, MASTER, "gas-a", "p1")
    assert shown is not None
    assert (shown.person.name, shown.person.telephone, shown.person.id_number) == (
        "张**",
        "138****5678",
        "110***********1234",
    )
    found = await _unmask(
        connection, "gas-a", Field.TELEPHONE, Field.CONTACTS, purpose=f"call back {NUMBER}, no answer"
    )
    assert found is not None
    assert (found.name, found.telephone, found.id_number) == (None, NUMBER, None)
    assert [way.address for way in found.contacts or ()] == [SMS]
    cursor = await connection.execute("SELECT by, body FROM audit_entry WHERE tenant = 'gas-a' AND kind = 'unmasking'")
    rows = await cursor.fetchall()
    assert [by for by, _ in rows] == ["person/ann"]
    assert json.loads(rows[0][1]) == {
        "person": "p1",
        "fields": ["contacts", "telephone"],
        "purpose": "call back 138****5678, no answer",
    }


async def test_what_cannot_be_recorded_is_not_shown(connection: Connection) -> None:
    async with connection.transaction(force_rollback=True):  # a lost connection at the commit: nobody is answered
        found = await unmask(connection, MASTER, "gas-a", "p1", [Field.NAME], purpose="x", by="y", now_us=1)
        assert found == Unmasked(name=NAME)
    cursor = await connection.execute("SELECT FROM audit_entry WHERE kind = 'unmasking'")
    assert cursor.rowcount == 0


async def test_a_person_is_found_by_a_number_however_it_is_written(connection: Connection) -> None:
    for written in (NUMBER, "+86 138 1234 5678", "１３８１２３４５６７８", SMS):
        found = await people.people_of_number(connection, MASTER, "gas-a", written)
        assert [one.person.key for one in found] == ["p1"], written
    assert await people.people_of_number(connection, MASTER, "gas-a", "13800000000") == []


async def test_bytes_that_are_moved_open_nowhere_else(connection: Connection) -> None:
    for moved in (
        b"UPDATE person a SET telephone = b.telephone FROM person b WHERE a.tenant = 'gas-a' AND b.tenant = 'gas-b'",
        b"UPDATE person SET telephone = name WHERE tenant = 'gas-a'",
        b"UPDATE person SET telephone = set_byte(telephone, 20, get_byte(telephone, 20) # 1) WHERE tenant = 'gas-a'",
    ):
        async with connection.transaction(force_rollback=True):
            await connection.execute(moved)
            shown = await people.person(connection, MASTER, "gas-a", "p1")
            assert shown is not None
            assert shown.person.telephone == "***"
            found = await unmask(connection, MASTER, "gas-a", "p1", [Field.TELEPHONE], purpose="x", by="y", now_us=1)
            assert found == Unmasked(gone=True)


async def test_rotating_seals_all_of_it_anew_the_past_too_and_destroys_the_old_key(connection: Connection) -> None:
    async with connection.transaction():
        await people.put_person(connection, HAND, "gas-a", "p1", PersonChange(telephone=SMS))
    old = await keyring(connection, MASTER, "gas-a")
    async with connection.transaction():
        done = await tenant_keys.rotate(connection, MASTER, "gas-a", now_us=3, random_bytes=os.urandom)
    new = await keyring(connection, MASTER, "gas-a")
    assert list(new.versions) == [done.version]
    assert not set(old.versions) & set(new.versions)
    assert done.unreadable == 0
    for table in ("person", "person_past", "contact"):
        column = "address" if table == "contact" else "telephone"
        cursor = await connection.execute(
            f"SELECT {column} FROM {table} WHERE tenant = 'gas-a' AND {column} IS NOT NULL".encode()
        )
        rows = await cursor.fetchall()
        assert rows
        assert all(int.from_bytes(bytes(sealed)[1:5], "big") == done.version for (sealed,) in rows)
    assert [one.person.key for one in await people.people_of_number(connection, MASTER, "gas-a", SMS)] == ["p1"]
    assert await _unmask(connection, "gas-a", Field.NAME) == Unmasked(name=NAME)


async def test_a_destroyed_key_forgets_its_people_and_nobody_elses(connection: Connection) -> None:
    async with connection.transaction():
        assert await tenant_keys.destroy(connection, "gas-a") == 1
    assert await _unmask(connection, "gas-a", Field.NAME, Field.CONTACTS) == Unmasked(
        contacts=((await _ways_of(connection)),), gone=True
    )
    assert await _unmask(connection, "gas-b", Field.NAME) == Unmasked(name=NAME)
    async with connection.transaction():
        again = await key_to_seal(connection, MASTER, "gas-a", now_us=4, random_bytes=os.urandom)
        await people.put_person(connection, HAND, "gas-a", "p2", PersonChange(name="李四"))
    shown = await people.person(connection, MASTER, "gas-a", "p1")
    assert shown is not None
    assert shown.person.name == "***"
    assert again.version > 2  # versions are never given twice


async def _ways_of(connection: Connection) -> object:
    found = await _unmask(connection, "gas-a", Field.CONTACTS)
    assert found is not None
    assert found.contacts is not None
    assert found.contacts[0].address is None
    return found.contacts[0]


async def test_another_master_key_is_told_apart_and_opens_nothing(connection: Connection) -> None:
    with pytest.raises(Unreadable, match="DAVY_MASTER_KEY_FILE"):
        await people.person(connection, MasterKey(os.urandom(KEY_BYTES)), "gas-a", "p1")


async def test_two_first_writers_seal_under_one_key(connection: Connection, plain_url: str) -> None:
    await connection.execute("DELETE FROM tenant_key")
    others = [await connect(plain_url, name="test") for _ in range(4)]

    async def seal(one: Connection) -> int:
        async with one.transaction():
            return (await key_to_seal(one, MASTER, "gas-a", now_us=1, random_bytes=os.urandom)).version

    versions = await asyncio.gather(*(seal(one) for one in others))
    assert len(set(versions)) == 1
    for one in others:
        await one.close()


async def test_behind_the_fence_a_company_reads_its_own_people_and_nobody_elses(connection: Connection) -> None:
    roles = await roles_of(connection)
    a = Tenant("gas-a", Kind.GAS_COMPANY)
    async with in_the_name_of(connection, roles, a, writing=True):
        own = await unmask(connection, MASTER, "gas-a", "p1", [Field.NAME], purpose="x", by="y", now_us=1)
        others = await unmask(connection, MASTER, "gas-b", "p1", [Field.NAME], purpose="x", by="y", now_us=1)
        await people.put_person(connection, HAND, "gas-a", "p9", PersonChange(name="王五"))
    assert (own, others) == (Unmasked(name=NAME), None)
    with pytest.raises(FenceRefused):
        async with in_the_name_of(connection, roles, a, writing=True):
            await people.put_person(connection, HAND, "gas-b", "p9", PersonChange(name="王五"))
