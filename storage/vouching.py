"""The heads of the record, signed and published as time goes by: a task beside the follower, with a connection of its
own. What is in its way is told, and tried again; it never ends by itself.

A document is due `every_s` after the last one when a chain grew since. At the end of a process nothing is signed: what
no head covers yet is said by whoever verifies.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import psycopg

from access.audit_heads import Signer
from storage.audit_heads import heads_after, last_published, publish, sign_heads
from storage.database import Connection, DatabaseAway, DatabaseRefused, connect, ready, translated
from storage.engine_side import pause

_TURN_S = 5.0


async def keep_vouching(
    url: str,
    signer: Signer,
    folder: Path | None,
    every_s: float,
    *,
    stop: asyncio.Event,
    clock: Callable[[], int],
    tell: Callable[[str], None],
) -> None:
    """Until `stop`. clock: microseconds since 1970 UTC. `tell` hears what is in the way, or an empty text when nothing
    is."""
    while not stop.is_set():
        connection: Connection | None = None
        try:
            connection = await connect(url, name="audit heads")
            await ready(connection)
            while not stop.is_set():
                with translated():
                    await vouch(connection, signer, folder, every_s, clock())
                tell("")
                await pause(stop, _TURN_S)
        except (DatabaseAway, DatabaseRefused, psycopg.Error) as away:
            tell(f"signed heads of the record wait for the database: {away}")
        except (OSError, ValueError) as wrong:
            tell(f"signed heads of the record cannot be published: {wrong}")
        finally:
            if connection is not None:
                await connection.close()
        await pause(stop, _TURN_S)


async def vouch(connection: Connection, signer: Signer, folder: Path | None, every_s: float, now_us: int) -> None:
    """One turn: sign what is due, publish what is not published. Raises OSError, ValueError for the folder."""
    cursor = await connection.execute("SELECT coalesce(max(at), 0) FROM audit_heads")
    row = await cursor.fetchone()
    assert row is not None
    # A clock that was put back must not put this off.
    if not 0 <= now_us - row[0] < every_s * 1e6:
        await sign_heads(connection, signer, now_us, folder)
    if folder is not None:
        await publish_all(connection, folder)


async def publish_all(connection: Connection, folder: Path) -> int:
    """Every document that the folder lacks at its end. Returns how many. Raises OSError (P2 of storage/audit_heads.py),
    ValueError."""
    known = await asyncio.to_thread(last_published, folder)
    # The last one again too: a folder that holds another by its name is found out.
    number, put = (known.parsed().number - 1 if known else 0), 0
    while documents := await heads_after(connection, number):
        for signed in documents:
            put += await asyncio.to_thread(publish, signed, folder)
        number = documents[-1].parsed().number
    return put
