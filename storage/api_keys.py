"""Keys of programs: made, revoked, listed. Each is one step of the caller's transaction. All raise psycopg.Error; call
under `translated()`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString, NamedTuple

from access.directory import ApiKey
from storage.database import Connection
from storage.times import as_datetime


class KeyPlace(NamedTuple):
    """Where a page of keys ended."""

    made: int
    key: str


@dataclass(frozen=True, slots=True)
class ListedKey:
    """As it is shown to its owner: all but the secret. Times in microseconds, 0: not."""

    key: str
    name: str
    role: str
    enterprise: str
    sites: tuple[str, ...]
    scopes: tuple[str, ...]
    made: int
    made_by: str
    expires: int
    revoked: int
    last_used: int


_SELECT: LiteralString = (
    "SELECT key, name, role, enterprise, sites, scopes, davy_us(made), made_by, davy_us(expires),"
    " coalesce(davy_us(revoked), 0), coalesce(davy_us(last_used), 0) FROM api_key"
)


async def make_key(connection: Connection, one: ApiKey, *, name: str, by: str, now_us: int) -> None:
    of = one.membership
    await connection.execute(
        "INSERT INTO api_key (key, secret_sha256, name, role, enterprise, sites, scopes, made, made_by, expires)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            one.key,
            one.secret_sha256,
            name,
            of.role.value,
            of.enterprise,
            sorted(of.sites),
            sorted(one.scopes),
            as_datetime(now_us),
            by,
            as_datetime(one.expires),
        ),
    )


async def revoke_key(connection: Connection, key: str, now_us: int) -> bool:
    """False where it is revoked already."""
    cursor = await connection.execute(
        "UPDATE api_key SET revoked = %s WHERE key = %s AND revoked IS NULL", (as_datetime(now_us), key)
    )
    return cursor.rowcount == 1


async def read_key(connection: Connection, key: str) -> ListedKey | None:
    row = await (await connection.execute(_SELECT + " WHERE key = %s", (key,))).fetchone()
    return _listed(row) if row else None


async def list_keys(
    connection: Connection, *, enterprises: frozenset[str] | None, after: KeyPlace | None, limit: int
) -> list[ListedKey]:
    """Of these enterprises (None: all there are), newest first."""
    query: LiteralString = _SELECT + " WHERE true"
    values: list[Any] = []
    if enterprises is not None:
        query += " AND enterprise = ANY(%s)"
        values.append(sorted(enterprises))
    if after is not None:
        query += " AND (made < %s OR (made = %s AND key > %s))"
        values += [as_datetime(after.made), as_datetime(after.made), after.key]
    cursor = await connection.execute(query + " ORDER BY made DESC, key LIMIT %s", [*values, limit])
    return [_listed(row) for row in await cursor.fetchall()]


async def mark_used(connection: Connection, used: Mapping[str, int]) -> None:
    """key -> when it was last used, microseconds."""
    for key, at in sorted(used.items()):
        await connection.execute(
            "UPDATE api_key SET last_used = greatest(last_used, %s) WHERE key = %s", (as_datetime(at), key)
        )


def _listed(row: tuple[Any, ...]) -> ListedKey:
    key, name, role, enterprise, sites, scopes, *rest = row
    return ListedKey(key, name, role, enterprise, tuple(sites), tuple(scopes), *rest)
