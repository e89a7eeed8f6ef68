"""Sessions: begun and ended. Each is one step of the caller's transaction. All raise psycopg.Error; call under
`translated()`."""

from access.directory import Session
from storage.database import Connection
from storage.times import as_datetime

#: Sessions of one account that go on at a time. Source: product choice.
MOST_OF_ONE = 20


async def begin(connection: Connection, one: Session) -> bool:
    """Write it down; False where it is written already, or its account is disabled or gone. Of one account the newest
    MOST_OF_ONE go on."""
    cursor = await connection.execute(
        "INSERT INTO session (session, account, secret_sha256, how, began, expires, ended)"
        " SELECT %s, account, %s, %s, %s, %s, %s FROM account WHERE account = %s AND NOT disabled"
        " ON CONFLICT DO NOTHING",
        (
            one.session,
            one.secret_sha256,
            one.how,
            as_datetime(one.began),
            as_datetime(one.expires),
            as_datetime(one.ended) if one.ended else None,
            one.account,
        ),
    )
    if cursor.rowcount != 1:
        return False
    await connection.execute(
        "UPDATE session SET ended = %s WHERE session IN (SELECT session FROM session WHERE account = %s"
        " AND ended IS NULL AND expires > %s ORDER BY began DESC, session OFFSET %s)",
        (as_datetime(one.began), one.account, as_datetime(one.began), MOST_OF_ONE),
    )
    return True


async def end(connection: Connection, account: str, now_us: int, session: str | None = None) -> int:
    """End one session of an account, or (None) all that live; how many."""
    cursor = await connection.execute(
        "UPDATE session SET ended = %s WHERE account = %s AND ended IS NULL AND (%s::text IS NULL OR session = %s)",
        (as_datetime(now_us), account, session, session),
    )
    return cursor.rowcount


async def end_others(connection: Connection, account: str, now_us: int, but: str) -> None:
    """End all that live but one; `but` empty: all."""
    await connection.execute(
        "UPDATE session SET ended = %s WHERE account = %s AND ended IS NULL AND session <> %s",
        (as_datetime(now_us), account, but),
    )


async def forget(connection: Connection, before_us: int) -> int:
    """Take out what ended or expired before this; the record has who signed in when."""
    at = as_datetime(before_us)
    cursor = await connection.execute("DELETE FROM session WHERE expires < %s OR ended < %s", (at, at))
    return cursor.rowcount
