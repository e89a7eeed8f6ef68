"""Signing where the chains of the record end, and putting that where this machine cannot alter it.

P1  A document is in the database and in the folder before it counts; a folder that cannot be written is tried again at
    the next turn, with the same document.
P2  A file in the folder is written whole, made durable, and never written again: a name that is there already with
    other bytes is refused and said, because then the database was put back or the folder is another's.
P3  Where the folder is ahead of the database (a restored backup), numbering goes on after the folder's last document,
    and follows it: what was published stays part of the series.
"""

import os
from pathlib import Path

import msgspec

from access.audit_heads import Head, SignedHeads, Signer, next_document
from storage.database import Connection

#: Heads of one document: of as many tenants; the rest follow in the next (product choice).
_MOST_HEADS = 10_000


async def sign_heads(connection: Connection, signer: Signer, now_us: int, folder: Path | None) -> SignedHeads | None:
    """The next document, when a chain grew since the last; None when none did. Raises OSError when the folder cannot be
    read, psycopg.Error."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('davy audit heads'))")
        last = await _last(connection)
        ahead = last_published(folder) if folder is not None else None
        if ahead is not None and (last is None or ahead.parsed().number > last.parsed().number):
            last = ahead
        heads = await _grown(connection)
        if not heads:
            return None
        signed = signer.sign(next_document(last, now_us, heads))
        await connection.execute(
            "INSERT INTO audit_heads (number, at, document, key, signature) VALUES (%s, %s, %s, %s, %s)",
            (signed.parsed().number, now_us, signed.document, signed.key, signed.signature),
        )
        await connection.execute(
            "INSERT INTO audit_vouched (tenant, n) SELECT * FROM unnest(%s::text[], %s::bigint[])"
            " ON CONFLICT (tenant) DO UPDATE SET n = excluded.n",
            ([head.tenant for head in heads], [head.n for head in heads]),
        )
    return signed


async def _grown(connection: Connection) -> tuple[Head, ...]:
    cursor = await connection.execute(
        "SELECT e.tenant, e.n, e.sha256 FROM audit_end e LEFT JOIN audit_vouched v USING (tenant)"
        " WHERE e.n > 0 AND v.n IS DISTINCT FROM e.n ORDER BY e.tenant LIMIT %s",
        (_MOST_HEADS,),
    )
    return tuple(Head(*row) for row in await cursor.fetchall())


async def _last(connection: Connection) -> SignedHeads | None:
    cursor = await connection.execute("SELECT document, key, signature FROM audit_heads ORDER BY number DESC LIMIT 1")
    row = await cursor.fetchone()
    return None if row is None else SignedHeads(*row)


async def heads_after(connection: Connection, number: int, *, limit: int = 1_000) -> list[SignedHeads]:
    """Documents above `number`, in order."""
    cursor = await connection.execute(
        "SELECT document, key, signature FROM audit_heads WHERE number > %s ORDER BY number LIMIT %s", (number, limit)
    )
    return [SignedHeads(*row) for row in await cursor.fetchall()]


def publish(signed: SignedHeads, folder: Path) -> bool:
    """Put a document into the folder; False where it is there already. Raises FileExistsError where another is there by
    its name (P2), OSError."""
    path, body = folder / signed.file_name, msgspec.json.encode(signed) + b"\n"
    if path.exists():
        if path.read_bytes() != body:
            raise FileExistsError(f"{path} holds other heads than number {signed.parsed().number} of this database")
        return False
    part = folder / f".{signed.file_name}.{os.getpid()}"
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(descriptor)
    try:
        os.link(part, path)  # unlike a rename it never takes another's place
    finally:
        part.unlink()
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return True


def published_in(folder: Path) -> list[SignedHeads]:
    """Every document in a folder, in order. Raises ValueError naming a file that holds none, OSError."""
    found: list[SignedHeads] = []
    for path in sorted(folder.glob("heads-*.json")):
        found.append(_read(path))
    return found


def last_published(folder: Path) -> SignedHeads | None:
    """The newest document in a folder. Raises ValueError, OSError as published_in."""
    newest = max(folder.glob("heads-*.json"), default=None)
    return None if newest is None else _read(newest)


def _read(path: Path) -> SignedHeads:
    try:
        return msgspec.json.decode(path.read_bytes(), type=SignedHeads)
    except msgspec.DecodeError as wrong:
        raise ValueError(f"{path}: {wrong}") from wrong
