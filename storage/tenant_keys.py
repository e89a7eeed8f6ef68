"""Tenants' keys in the database: made when the first person is registered, wrapped, rotated, destroyed. Inside the
caller's transaction.

K1  A key is made under the lock of its tenant, so that two writers never seal under two first keys.
K2  Rotating seals everything anew and deletes the old version in the same transaction: at no time is something sealed
    under a key that is not there.
K3  What was sealed under a destroyed key stays where it is, and says nothing any more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from storage.database import Connection
from storage.sealed import Keyring, MasterKey, Place, RandomBytes, TenantKey, Unreadable, new_key, version_of
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
    resealing = _Resealing(old, key, random_bytes)
    for table, tenants, keys, columns in _SEALED:
        await resealing.table(connection, table, tenants, keys, columns)
    await connection.execute("DELETE FROM tenant_key WHERE tenant = %s AND version < %s", (clean(tenant), key.version))
    return Rotated(key.version, resealing.sealed, resealing.unreadable)


async def destroy(connection: Connection, tenant: str) -> int:
    """Forget the people of a tenant: every version of its key goes, for good. Returns how many there were."""
    await _lock(connection, tenant)
    cursor = await connection.execute("DELETE FROM tenant_key WHERE tenant = %s", (clean(tenant),))
    return cursor.rowcount


def contact_place(tenant: str, person: str, channel: str, rank: int) -> Place:
    """Where the address of a contact belongs."""
    return Place(tenant, person, f"contact/{channel}/{rank}")


def webhook_place(tenant: str, webhook: str) -> Place:
    """Where a webhook's secret belongs, and the one before it."""
    return Place(tenant, f"webhook/{webhook}", "secret")


def contact_kind(channel: str) -> str:
    """As what an address is indexed: a contact by telephone or SMS is found by the number, whichever of the two."""
    return "telephone" if channel in ("telephone", "sms") else channel


@dataclass(frozen=True, slots=True)
class _Column:
    """A sealed column. place and kind: from what names a row beside its tenant. indexed: whether `<name>_index` has its
    blind index."""

    name: str
    place: Callable[[str, tuple[Any, ...]], Place]
    kind: Callable[[tuple[Any, ...]], str]
    indexed: bool = True


def _of_person(field: str, *, indexed: bool = True) -> _Column:
    return _Column(field, lambda tenant, keys: Place(tenant, keys[0], field), lambda _: field, indexed)


_ADDRESS = _Column("address", lambda tenant, keys: contact_place(tenant, *keys), lambda keys: contact_kind(keys[1]))


def _of_webhook(name: str) -> _Column:
    return _Column(name, lambda tenant, keys: webhook_place(tenant, keys[0]), lambda _: name, indexed=False)


_PEOPLE = (
    ("person", ("key",), (_of_person("name", indexed=False), _of_person("telephone"), _of_person("id_number"))),
    ("contact", ("person", "channel", "rank"), (_ADDRESS,)),
)
#: Tables with sealed columns, which other column names the tenant, and what names a row beside it. The past comes last:
#: to change a row of today makes one.
_SEALED: tuple[tuple[str, str, tuple[str, ...], tuple[_Column, ...]], ...] = (
    ("webhook", "enterprise", ("webhook",), (_of_webhook("secret"), _of_webhook("former"))),
    *((table, "tenant", keys, columns) for table, keys, columns in _PEOPLE),
    *((f"{table}_past", "tenant", keys, columns) for table, keys, columns in _PEOPLE),
)


@dataclass(slots=True)
class _Resealing:
    """Rows of one tenant, from one key's versions to the next."""

    old: Keyring
    key: TenantKey
    random_bytes: RandomBytes
    sealed: int = 0
    unreadable: int = 0

    async def table(
        self, connection: Connection, table: str, tenants: str, keys: tuple[str, ...], columns: tuple[_Column, ...]
    ) -> None:
        """Rows are known by ctid, because a past version has no key of its own."""
        names = ", ".join((*keys, *(column.name for column in columns)))
        query = f"SELECT ctid::text, {names} FROM {table} WHERE {tenants} = %s"  # noqa: S608
        cursor = await connection.execute(query.encode(), (clean(self.old.tenant),))
        sets = ", ".join(
            f"{name} = coalesce(%s, {name})"
            for column in columns
            for name in ((column.name, f"{column.name}_index") if column.indexed else (column.name,))
        )
        changed = [
            (*values, ctid)
            for ctid, *row in await cursor.fetchall()
            if any(values := self._row(tuple(row[: len(keys)]), columns, row[len(keys) :]))
        ]
        async with connection.cursor() as writer:
            await writer.executemany(f"UPDATE {table} SET {sets} WHERE ctid = %s::tid".encode(), changed)  # noqa: S608

    def _row(self, keys: tuple[Any, ...], columns: tuple[_Column, ...], cells: list[Any]) -> list[bytes | None]:
        """New values of the columns and their indexes; None: it stays as it is."""
        values: list[bytes | None] = []
        for column, cell in zip(columns, cells, strict=True):
            new = None if cell is None else self._cell(keys, column, bytes(cell))
            values += [None if new is None else new[0]] + ([None if new is None else new[1]] if column.indexed else [])
        return values

    def _cell(self, keys: tuple[Any, ...], column: _Column, sealed: bytes) -> tuple[bytes, bytes] | None:
        place = column.place(self.old.tenant, keys)
        try:
            if version_of(sealed) == self.key.version:
                return None  # in a version of the past that this very rotation made
            plain = self.old.open(place, sealed)
        except Unreadable:
            self.unreadable += 1
            return None
        self.sealed += 1
        return self.key.seal(place, plain, self.random_bytes), self.key.index(column.kind(keys), plain)


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
