"""Tenants' keys in the database: made when the first person is registered, wrapped, rotated, destroyed. Inside the
caller's transaction.

K1  A key is made under the lock of its tenant, so that two writers never seal under two first keys.
K2  Rotating seals everything anew and deletes the old version in the same transaction: at no time is something sealed
    under a key that is not there.
K3  What was sealed under a destroyed key stays where it is, and says nothing any more.
"""

from collections.abc import Callable
from dataclasses import dataclass

from storage.database import Connection
from storage.sealed import Keyring, MasterKey, Place, RandomBytes, TenantKey, Unreadable, new_key
from storage.text import clean
from storage.times import as_datetime


async def keyring(connection: Connection, master: MasterKey, tenant: str) -> Keyring:
    """All versions of a tenant's key that are there. Raises psycopg.Error, Unreadable (another master key)."""
    cursor = await connection.execute("SELECT version, wrapped FROM tenant_key WHERE tenant = %s", (clean(tenant),))
    rows = await cursor.fetchall()
    return Keyring(tenant, {version: master.unwrap(tenant, version, bytes(wrapped)) for version, wrapped in rows})


async def key_to_seal(
    connection: Connection, master: MasterKey, tenant: str, *, now_us: int, random_bytes: RandomBytes
) -> TenantKey:
    """The key under which something of this tenant is sealed now; made where there is none (K1)."""
    await _lock(connection, tenant)
    current = (await keyring(connection, master, tenant)).current
    if current is not None:
        return current
    return await _make(connection, master, tenant, now_us, random_bytes)


@dataclass(frozen=True, slots=True)
class Rotated:
    """version: of the new key. sealed: fields that are under it now. unreadable: fields whose key was gone before, and
    which stay as they are."""

    version: int
    sealed: int
    unreadable: int


async def rotate(
    connection: Connection, master: MasterKey, tenant: str, *, now_us: int, random_bytes: RandomBytes
) -> Rotated:
    """A new key, everything sealed under it, the old ones deleted (K2)."""
    await _lock(connection, tenant)
    old = await keyring(connection, master, tenant)
    key = await _make(connection, master, tenant, now_us, random_bytes)
    sealed = unreadable = 0
    for what in _SEALED:
        done, left = await _reseal(connection, what, old, key, random_bytes)
        sealed, unreadable = sealed + done, unreadable + left
    await connection.execute("DELETE FROM tenant_key WHERE tenant = %s AND version < %s", (clean(tenant), key.version))
    return Rotated(key.version, sealed, unreadable)


async def destroy(connection: Connection, tenant: str) -> int:
    """Forget the people of a tenant: every version of its key goes, for good. Returns how many there were."""
    await _lock(connection, tenant)
    cursor = await connection.execute("DELETE FROM tenant_key WHERE tenant = %s", (clean(tenant),))
    return cursor.rowcount


@dataclass(frozen=True, slots=True)
class _Sealed:
    """Where sealed columns stand. keys: what names a row beside its tenant. place: the person and field of a row's
    column, from its keys. indexed: the blind index's column and kind, or empty."""

    table: str
    keys: tuple[str, ...]
    column: str
    indexed: str
    kind: Callable[[tuple[object, ...]], str]
    place: Callable[[str, tuple[object, ...]], Place]


def _of_person(field: str) -> Callable[[str, tuple[object, ...]], Place]:
    return lambda tenant, keys: Place(tenant, str(keys[0]), field)


def contact_place(tenant: str, person: str, channel: str, rank: int) -> Place:
    """Where the address of a contact belongs."""
    return Place(tenant, person, f"contact/{channel}/{rank}")


#: A contact by telephone or SMS is found by the number, whichever of the two it is.
def contact_kind(channel: str) -> str:
    return "telephone" if channel in ("telephone", "sms") else channel


_PERSON = ("key",)
_SEALED = tuple(
    _Sealed(f"{table}{past}", keys, column, indexed, kind, place)
    for past in ("", "_past")
    for table, keys, column, indexed, kind, place in (
        ("person", _PERSON, "name", "", lambda _: "", _of_person("name")),
        ("person", _PERSON, "telephone", "telephone_index", lambda _: "telephone", _of_person("telephone")),
        ("person", _PERSON, "id_number", "id_number_index", lambda _: "id_number", _of_person("id_number")),
        (
            "contact",
            ("person", "channel", "rank"),
            "address",
            "address_index",
            lambda keys: contact_kind(str(keys[1])),
            lambda tenant, keys: contact_place(tenant, str(keys[0]), str(keys[1]), int(str(keys[2]))),
        ),
    )
)


async def _reseal(
    connection: Connection, what: _Sealed, old: Keyring, key: TenantKey, random_bytes: RandomBytes
) -> tuple[int, int]:
    """(fields sealed anew, fields whose key is gone). Rows are known by ctid: a past version has no key of its own."""
    keys = ", ".join(what.keys)
    query = f"SELECT ctid::text, {what.column}, {keys} FROM {what.table} WHERE tenant = %s"  # noqa: S608
    cursor = await connection.execute(f"{query} AND {what.column} IS NOT NULL".encode(), (clean(old.tenant),))
    changed: list[tuple[object, ...]] = []
    unreadable = 0
    for ctid, sealed, *named in await cursor.fetchall():
        place = what.place(old.tenant, tuple(named))
        try:
            plain = old.open(place, bytes(sealed))
        except Unreadable:
            unreadable += 1
            continue
        index = key.index(what.kind(tuple(named)), plain) if what.indexed else None
        changed.append((key.seal(place, plain, random_bytes), *([index] if what.indexed else []), ctid))
    also = f", {what.indexed} = %s" if what.indexed else ""
    async with connection.cursor() as writer:
        await writer.executemany(
            f"UPDATE {what.table} SET {what.column} = %s{also} WHERE ctid = %s::tid".encode(),  # noqa: S608
            changed,
        )
    return len(changed), unreadable


async def _make(
    connection: Connection, master: MasterKey, tenant: str, now_us: int, random_bytes: RandomBytes
) -> TenantKey:
    # Versions go up for ever, also past those that were destroyed: what they sealed must not pass for this one's.
    cursor = await connection.execute("SELECT nextval('tenant_key_version')")
    row = await cursor.fetchone()
    assert row is not None
    key = new_key(tenant, int(row[0]), random_bytes)
    await connection.execute(
        "INSERT INTO tenant_key (tenant, version, wrapped, made) VALUES (%s, %s, %s, %s)",
        (clean(tenant), key.version, master.wrap(key, random_bytes), as_datetime(now_us)),
    )
    return key


async def _lock(connection: Connection, tenant: str) -> None:
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtext('davy tenant key'), hashtext(%s))", (clean(tenant),)
    )
