"""People at sites, in and out of the database, in the caller's transaction.

F1  Personal data is sealed before it is written, and opened only to be masked: what leaves this module is masked
    (access/masks.py), but for `opened`, which is for an unmasking that is recorded.
F2  Every change is in the record of the tenant (storage/audit.py), without a word of personal data.
F3  Who is deleted is forgotten, in every version (migration 0008); the record says that it was done.
All of these raise psycopg.Error; call under `translated()`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from access.audit_chain import Plain
from access.masks import masked
from access.people import Need, Person
from storage.audit import Said, record
from storage.database import Connection
from storage.register_asked import Recorded, said_time, select
from storage.sealed import Keyring, MasterKey, Place, RandomBytes, Unreadable
from storage.tenant_keys import key_to_seal, keyring
from storage.text import clean

#: What is shown for what was sealed under a key that is gone.
_GONE = "***"


@dataclass(frozen=True, slots=True)
class Hand:
    """Who writes: by whom, when (microseconds since 1970 UTC), and with which key and randomness."""

    by: str
    now_us: int
    master: MasterKey
    random_bytes: RandomBytes


@dataclass(frozen=True, slots=True)
class ShownPerson:
    """A person with the first three fields masked."""

    person: Person
    recorded: Recorded


@dataclass(frozen=True, slots=True)
class PersonChange:
    """What is said of a person; None: it stays as it is. Empty: not known."""

    name: str | None = None
    telephone: str | None = None
    id_number: str | None = None
    language: str | None = None
    needs: tuple[Need, ...] | None = None


_COLUMNS: LiteralString = (
    "p.tenant, p.key, p.name, p.telephone, p.id_number, p.language, p.needs, p.version, p.recorded, p.recorded_by"
)
_SEALED = ("name", "telephone", "id_number")


async def people(
    connection: Connection, master: MasterKey, tenant: str, *, limit: int, after: str = ""
) -> list[ShownPerson]:
    """People of a tenant in the order of their keys, beginning after `after`."""
    where: LiteralString = " WHERE p.tenant = %s AND p.key > %s"
    cursor = await connection.execute(
        select(_COLUMNS, "person p", where, " ORDER BY p.key LIMIT %s"), (clean(tenant), clean(after), limit)
    )
    return _shown(await keyring(connection, master, tenant), await cursor.fetchall())


async def person(connection: Connection, master: MasterKey, tenant: str, key: str) -> ShownPerson | None:
    where: LiteralString = " WHERE p.tenant = %s AND p.key = %s"
    cursor = await connection.execute(select(_COLUMNS, "person p", where), (clean(tenant), clean(key)))
    found = _shown(await keyring(connection, master, tenant), await cursor.fetchall())
    return found[0] if found else None


async def hold(connection: Connection, tenant: str, key: str) -> None:
    """Whoever changes this person waits for whoever does so already, until that transaction ends."""
    await connection.execute(
        "SELECT FROM person WHERE tenant = %s AND key = %s FOR UPDATE", (clean(tenant), clean(key))
    )


async def people_of_number(connection: Connection, master: MasterKey, tenant: str, telephone: str) -> list[ShownPerson]:
    """Whose telephone, or whose contact, this number is; found by its blind index, so that nothing is opened for it."""
    ring = await keyring(connection, master, tenant)
    index = ring.current.index("telephone", telephone) if ring.current else b""
    where: LiteralString = (
        " WHERE p.tenant = %s AND (p.telephone_index = %s OR EXISTS (SELECT FROM contact c WHERE c.tenant = p.tenant"
        " AND c.person = p.key AND c.address_index = %s))"
    )
    cursor = await connection.execute(
        select(_COLUMNS, "person p", where, " ORDER BY p.key LIMIT 100"), (clean(tenant), index, index)
    )
    return _shown(ring, await cursor.fetchall())


async def opened(connection: Connection, master: MasterKey, tenant: str, key: str) -> Person | None:
    """With everything in clear (F1): record it. Raises Unreadable where the key is gone."""
    where: LiteralString = " WHERE p.tenant = %s AND p.key = %s"
    cursor = await connection.execute(select(_COLUMNS, "person p", where), (clean(tenant), clean(key)))
    row = await cursor.fetchone()
    if row is None:
        return None
    ring = await keyring(connection, master, tenant)
    name, telephone, id_number = (
        _open(ring, Place(tenant, key, field), row[2 + at]) for at, field in enumerate(_SEALED)
    )
    return Person(row[0], row[1], name, telephone, id_number, row[5], tuple(Need(need) for need in row[6]))


async def put_person(connection: Connection, hand: Hand, tenant: str, key: str, change: PersonChange) -> bool:
    """Add a person, or change what is said of one. Whether there was none before."""
    await say_who(connection, hand)
    seal = await key_to_seal(connection, hand.master, tenant, now_us=hand.now_us, random_bytes=hand.random_bytes)
    columns: dict[str, Any] = {}
    for field in _SEALED:
        text = getattr(change, field)
        if text is not None:
            columns[field] = seal.seal(Place(tenant, key, field), text, hand.random_bytes) if text else None
            if field != "name":
                columns[f"{field}_index"] = seal.index(field, text) if text else None
    if change.language is not None:
        columns["language"] = clean(change.language)
    if change.needs is not None:
        columns["needs"] = sorted(need.value for need in change.needs)
    names = list(columns)
    sets = ", ".join(f"{name} = %s" for name in names) or "language = language"
    cursor = await connection.execute(
        f"UPDATE person SET {sets} WHERE tenant = %s AND key = %s".encode(),  # noqa: S608
        (*columns.values(), clean(tenant), clean(key)),
    )
    new = cursor.rowcount == 0
    if new:
        inserted = ", ".join(["tenant", "key", *names])
        places = ", ".join(["%s"] * (2 + len(names)))
        await connection.execute(
            f"INSERT INTO person ({inserted}) VALUES ({places})".encode(),  # noqa: S608
            (clean(tenant), clean(key), *columns.values()),
        )
    fields: list[Plain] = [name for name in names if not name.endswith("_index")]
    await note(connection, hand, tenant, "person", {"person": key, "new": new, "fields": fields})
    return new


async def forget_person(connection: Connection, hand: Hand, tenant: str, key: str) -> None:
    """F3."""
    await say_who(connection, hand)
    await connection.execute("DELETE FROM person WHERE tenant = %s AND key = %s", (clean(tenant), clean(key)))
    await note(connection, hand, tenant, "person", {"person": key, "forgotten": True})


async def say_who(connection: Connection, hand: Hand) -> None:
    """Before a change: whose it is, for the register's history."""
    await connection.execute(
        "SELECT set_config('davy.by', %s, true), set_config('davy.at', %s, true)", (clean(hand.by), str(hand.now_us))
    )


async def note(connection: Connection, hand: Hand, tenant: str, kind: str, body: dict[str, Plain]) -> None:
    """F2."""
    await record(connection, [Said(tenant, hand.now_us, kind, hand.by, body)])


def _shown(ring: Keyring, rows: Sequence[tuple[Any, ...]]) -> list[ShownPerson]:
    found: list[ShownPerson] = []
    for tenant, key, *sealed, language, needs, version, recorded, by in rows:
        name, telephone, id_number = (
            mask(ring, Place(tenant, key, field), one, field) for field, one in zip(_SEALED, sealed, strict=True)
        )
        person_of = Person(tenant, key, name, telephone, id_number, language, tuple(Need(need) for need in needs))
        found.append(ShownPerson(person_of, Recorded(version, said_time(recorded), by)))
    return found


def mask(ring: Keyring, place: Place, sealed: bytes | None, kind: str) -> str:
    """F1: what is sealed there, masked as its kind."""
    try:
        return masked(kind, _open(ring, place, sealed))
    except Unreadable:
        return _GONE


def _open(ring: Keyring, place: Place, sealed: bytes | None) -> str:
    return ring.open(place, bytes(sealed)) if sealed is not None else ""
