"""Rules in force over time: what explains an old alarm, and what an audit asks for.

P1  A change of rules is written in the transaction of its cycle, with the body as the engine had it; a body is kept
    once, for ever.
P2  What was in force before the database was told anything (it is younger than the rules, or cycles are missing) is
    written as such: `at_earliest`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, NamedTuple

from storage.batch import RulesPut
from storage.database import Connection, translated
from storage.text import clean
from storage.times import as_datetime

_BODY: LiteralString = "INSERT INTO rule_pack (sha256, body) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_SINCE: LiteralString = """
INSERT INTO rule_pack_since (engine, cycle, n, since, sha256, by) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING"""
#: Found in force, not seen to come: nobody knows when and by whom. -1 stands before every event of the cycle.
_FOUND: LiteralString = """
INSERT INTO rule_pack_since (engine, cycle, n, since, sha256)
SELECT %(engine)s, %(cycle)s, -1, coalesce(%(since)s::timestamptz, '-infinity'), %(sha256)s
WHERE %(sha256)s::text IS DISTINCT FROM
(SELECT sha256 FROM rule_pack_since WHERE engine = %(engine)s ORDER BY cycle DESC, n DESC LIMIT 1)
ON CONFLICT DO NOTHING"""
_SELECT: LiteralString = "engine, cycle, n, coalesce(davy_us(since), 0), by, sha256 FROM rule_pack_since"


class RulesKey(NamedTuple):
    """Where a pack stands among all over time."""

    since: int
    cycle: int
    n: int


@dataclass(frozen=True, slots=True)
class RulesSince:
    """A pack was in force at `engine` since `since` (microseconds UTC). `at_earliest`: it was found in force, and
    nobody saw it come; `since` 0 is then any time before. `by`: a person, or the name of the pack's file."""

    id: str
    engine: str
    since: int
    by: str
    sha256: str
    at_earliest: bool

    @property
    def key(self) -> RulesKey:
        _, cycle, n = self.id.rsplit(":", 2)
        return RulesKey(self.since, int(cycle), int(n))


async def write_rules(connection: Connection, engine: str, puts: Sequence[RulesPut]) -> None:
    """Inside the caller's transaction. Raises psycopg.DataError or IntegrityError when the database refuses one."""
    async with connection.cursor() as cursor:
        await cursor.executemany(_BODY, [(put.sha256, put.body) for put in puts if put.body is not None])
        await cursor.executemany(
            _SINCE, [(engine, p.cycle, p.n, as_datetime(p.at), p.sha256, clean(p.by)) for p in puts]
        )


async def rules_are_known(connection: Connection, engine: str) -> bool:
    cursor = await connection.execute("SELECT FROM rule_pack_since WHERE engine = %s LIMIT 1", (engine,))
    return await cursor.fetchone() is not None


async def found_in_force(
    connection: Connection, engine: str, cycle: int, since_us: int | None, sha256: str, body: bytes
) -> None:
    """This pack was in force after `cycle`, since `since_us` at the earliest (None: any time)."""
    async with connection.transaction():
        await connection.execute(_BODY, (sha256, body))
        since = None if since_us is None else as_datetime(since_us)
        await connection.execute(_FOUND, {"engine": engine, "cycle": cycle, "since": since, "sha256": sha256})


async def rules_over_time(
    connection: Connection, *, limit: int, engine: str | None = None, after: RulesKey | None = None
) -> list[RulesSince]:
    """Newest first, those that follow `after`. Raises DatabaseAway, DatabaseRefused."""
    query: LiteralString = "SELECT " + _SELECT + " WHERE true"
    values: list[Any] = []
    if engine is not None:
        query += " AND engine = %s"
        values.append(engine)
    if after is not None:
        query += " AND (coalesce(davy_us(since), 0), cycle, n) < (%s, %s, %s)"
        values += after
    with translated():
        cursor = await connection.execute(query + " ORDER BY since DESC, cycle DESC, n DESC LIMIT %s", (*values, limit))
        return [_since(*row) for row in await cursor.fetchall()]


async def rules_at(connection: Connection, at_us: int, *, engine: str | None = None) -> RulesSince | None:
    """What was in force at a time, or None where nobody knows. Raises DatabaseAway, DatabaseRefused."""
    query: LiteralString = "SELECT " + _SELECT + " WHERE since <= %s"
    values: list[Any] = [as_datetime(at_us)]
    if engine is not None:
        query += " AND engine = %s"
        values.append(engine)
    with translated():
        cursor = await connection.execute(query + " ORDER BY since DESC, cycle DESC, n DESC LIMIT 1", values)
        row = await cursor.fetchone()
    return _since(*row) if row else None


async def rules_body(connection: Connection, sha256: str) -> bytes | None:
    """The pack as the engine had it, or None where it was never stored. Raises DatabaseAway, DatabaseRefused."""
    with translated():
        cursor = await connection.execute("SELECT body FROM rule_pack WHERE sha256 = %s", (clean(sha256),))
        row = await cursor.fetchone()
    return bytes(row[0]) if row else None


def _since(engine: str, cycle: int, n: int, since: int, by: str, sha256: str) -> RulesSince:
    return RulesSince(f"{engine}:{cycle}:{n}", engine, since, by, sha256, at_earliest=n < 0)
