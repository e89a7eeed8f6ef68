"""Grants: what one party lets another see. Raises DatabaseAway, DatabaseRefused.

G1  A grant is made by the grantor and counts from when the receiver accepted it. Either ends it at any time, at once
    and for good; what was read before stays read.
G2  Each of these steps is in the record of both.
G3  A grant names resources and fields one by one. What is not named is not shared; a new field is shared by nobody.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import msgspec

from access.audit_chain import Plain
from storage.audit import Said, record
from storage.database import Connection, translated
from storage.text import clean
from storage.times import as_datetime

KEY_BYTES = 13


@dataclass(frozen=True, slots=True)
class Grant:
    """Times in microseconds UTC, None: not (yet). area: a prefix of codes, empty: everywhere."""

    key: str
    grantor: str
    receiver: str
    fields: Mapping[str, tuple[str, ...]]
    area: str
    begins: int
    ends: int | None
    purpose: str
    made: int
    accepted: int | None
    ended: int | None

    def counts_at(self, now_us: int) -> bool:
        """G1."""
        begun = self.accepted is not None and self.begins <= now_us
        return begun and self.ended is None and (self.ends is None or now_us < self.ends)


def new_key(random_bytes: Callable[[int], bytes]) -> str:
    """100 random bits: a key is no secret, and is not to be guessed either."""
    return base64.b32encode(random_bytes(KEY_BYTES)).decode()[:20]


_SELECT: LiteralString = (
    "SELECT grant_key, grantor, receiver, fields::text, area, davy_us(begins), davy_us(ends), purpose, davy_us(made),"
    " davy_us(accepted), davy_us(ended) FROM sharing_grant"
)


async def make(connection: Connection, grant: Grant, *, by: str, now_us: int) -> None:
    """Raises psycopg.IntegrityError for a receiver that does not exist."""
    with translated():
        await connection.execute(
            "INSERT INTO sharing_grant"
            " (grant_key, grantor, receiver, fields, area, begins, ends, purpose, made, made_by)"
            " VALUES (%s, %s, %s, %s::jsonb, %s, %s, %s, %s, %s, %s)",
            (
                grant.key,
                grant.grantor,
                grant.receiver,
                msgspec.json.encode(grant.fields).decode(),
                grant.area,
                as_datetime(grant.begins),
                None if grant.ends is None else as_datetime(grant.ends),
                clean(grant.purpose),
                as_datetime(now_us),
                by,
            ),
        )
        await _record(connection, grant, "grant_made", by, now_us)


async def grant(connection: Connection, key: str) -> Grant | None:
    """One that the asker is a party of, or None."""
    with translated():
        row = await (await connection.execute(_SELECT + " WHERE grant_key = %s", (clean(key),))).fetchone()
    return _grant(row) if row else None


async def grants_of(
    connection: Connection, enterprise: str, *, limit: int, after: tuple[int, str] | None = None
) -> list[Grant]:
    """Those that an enterprise made or was made, newest first, beginning after (made, key)."""
    asked: dict[str, Any] = {"who": clean(enterprise), "limit": limit}
    query: LiteralString = _SELECT + " WHERE (grantor = %(who)s OR receiver = %(who)s)"
    if after is not None:
        query += " AND (made < %(made)s OR (made = %(made)s AND grant_key > %(key)s))"
        asked |= {"made": as_datetime(after[0]), "key": clean(after[1])}
    with translated():
        cursor = await connection.execute(query + " ORDER BY made DESC, grant_key LIMIT %(limit)s", asked)
        return [_grant(row) for row in await cursor.fetchall()]


async def accept(connection: Connection, key: str, receiver: str, *, by: str, now_us: int) -> Grant | None:
    """None where there is no such grant for this receiver that waits."""
    return await _step(
        connection,
        "UPDATE sharing_grant SET accepted = %s, accepted_by = %s WHERE grant_key = %s AND receiver = %s"
        " AND accepted IS NULL AND ended IS NULL",
        (as_datetime(now_us), by, clean(key), clean(receiver)),
        key,
        "grant_accepted",
        by,
        now_us,
    )


async def end(connection: Connection, key: str, party: str, *, by: str, now_us: int) -> Grant | None:
    """None where this party has no such grant that goes on."""
    return await _step(
        connection,
        "UPDATE sharing_grant SET ended = %s, ended_by = %s WHERE grant_key = %s AND ended IS NULL"
        " AND (grantor = %s OR receiver = %s)",
        (as_datetime(now_us), by, clean(key), clean(party), clean(party)),
        key,
        "grant_ended",
        by,
        now_us,
    )


async def _step(
    connection: Connection, statement: LiteralString, values: Sequence[Any], key: str, kind: str, by: str, now_us: int
) -> Grant | None:
    with translated():
        if (await connection.execute(statement, values)).rowcount == 0:
            return None
        found = await grant(connection, key)
        assert found is not None
        await _record(connection, found, kind, by, now_us)
    return found


async def _record(connection: Connection, of: Grant, kind: str, by: str, now_us: int) -> None:
    """G2."""
    fields: dict[str, Plain] = {name: list(named) for name, named in sorted(of.fields.items())}
    body: dict[str, Plain] = {
        "grant": of.key,
        "grantor": of.grantor,
        "receiver": of.receiver,
        "fields": fields,
        "area": of.area,
        "purpose": of.purpose,
        "begins": of.begins,
        "ends": of.ends,
    }
    await record(connection, [Said(tenant, now_us, kind, by, body) for tenant in (of.grantor, of.receiver)])


def _grant(row: tuple[Any, ...]) -> Grant:
    key, grantor, receiver, fields, *rest = row
    named = msgspec.json.decode(fields, type=dict[str, tuple[str, ...]])
    return Grant(key, grantor, receiver, named, *rest)
