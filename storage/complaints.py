"""Complaints about entries of the catalogue: by anybody, without an account and without a name, followed by a number
that cannot be guessed. Raises DatabaseAway, DatabaseRefused.

M1  The number is 100 random bits and the only way to a complaint for who has no account.
M2  Nothing is taken back: each step, with who took it and what was answered, stays. The way is received, examined, then
    upheld or rejected; what was decided is decided once.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, LiteralString

from storage.audit import Said, record
from storage.database import Connection, translated
from storage.text import clean
from storage.times import as_datetime

#: From which state to which.
STEPS = {
    "received": ("examined", "upheld", "rejected"),
    "examined": ("upheld", "rejected"),
    "upheld": (),
    "rejected": (),
}
#: Bits of a number: 20 characters of base 32 (product choice; a guess a microsecond for the age of the universe).
NUMBER_BYTES = 13


@dataclass(frozen=True, slots=True)
class ComplaintStep:
    at: int
    state: str
    answer: str


@dataclass(frozen=True, slots=True)
class Complaint:
    """`received`: microseconds UTC. `subject`: what it is about, one of the API's words."""

    number: str
    enterprise: str
    area: str
    received: int
    subject: str
    words: str
    steps: tuple[ComplaintStep, ...]

    @property
    def state(self) -> str:
        return self.steps[-1].state


def new_number(random_bytes: Callable[[int], bytes]) -> str:
    """M1."""
    return base64.b32encode(random_bytes(NUMBER_BYTES)).decode()[:20]


async def receive(
    connection: Connection, number: str, enterprise: str, area: str, subject: str, words: str, *, now_us: int
) -> bool:
    """False where the catalogue has no such entry for the public."""
    at = as_datetime(now_us)
    with translated():
        cursor = await connection.execute(
            "INSERT INTO complaint (number, enterprise, area, received, subject, words)"
            " SELECT %s, enterprise, area, %s, %s, %s FROM catalogue_entry"
            " WHERE enterprise = %s AND area = %s AND state <> 'offered'",
            (number, at, clean(subject), clean(words), clean(enterprise), clean(area)),
        )
        if cursor.rowcount == 0:
            return False
        await connection.execute(
            "INSERT INTO complaint_step (number, at, state) VALUES (%s, %s, 'received')", (number, at)
        )
        # Not its number: who reads the record must not follow it as the one who complained.
        said = Said("", now_us, "complaint_received", "", {"area": area, "enterprise": enterprise, "subject": subject})
        await record(connection, [said])
    return True


async def complaint(connection: Connection, number: str) -> Complaint | None:
    """One by its number."""
    found = await _complaints(connection, "c.number = %s", clean(number), 1)
    return found[0] if found else None


async def complaints(connection: Connection, area: str, *, limit: int) -> list[Complaint]:
    """Of an area and what lies within it (a prefix of its code), newest first."""
    return await _complaints(connection, "c.area LIKE %s || '%%'", clean(area), limit)


async def step(connection: Connection, number: str, state: str, answer: str, *, by: str, now_us: int) -> str:
    """Take a complaint on. Returns the state it is in: `state`, or, where that may not follow (M2), another; empty:
    there is no such complaint."""
    with translated():
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('davy complaint ' || %s))", (number,))
        known = await complaint(connection, number)
        if known is None or state not in STEPS[known.state]:
            return known.state if known else ""
        await connection.execute(
            "INSERT INTO complaint_step (number, at, state, by, answer) VALUES (%s, %s, %s, %s, %s)",
            (number, as_datetime(now_us), state, by, clean(answer)),
        )
        body = {"area": known.area, "enterprise": known.enterprise, "number": number, "state": state, "answer": answer}
        await record(connection, [Said("", now_us, "complaint_step", by, {**body})])
    return state


_SELECT: LiteralString = (
    "SELECT c.number, c.enterprise, c.area, davy_us(c.received), c.subject, c.words,"
    " array_agg(davy_us(s.at) ORDER BY s.step), array_agg(s.state ORDER BY s.step),"
    " array_agg(s.answer ORDER BY s.step) FROM complaint c JOIN complaint_step s USING (number) WHERE "
)
_NEWEST: LiteralString = " GROUP BY c.number ORDER BY c.received DESC, c.number LIMIT %s"


async def _complaints(connection: Connection, where: LiteralString, value: str, limit: int) -> list[Complaint]:
    with translated():
        cursor = await connection.execute(_SELECT + where + _NEWEST, (value, limit))
        rows = await cursor.fetchall()
    return [_complaint(*row) for row in rows]


def _complaint(
    number: str, enterprise: str, area: str, received: int, subject: str, words: str, *steps: list[Any]
) -> Complaint:
    taken = tuple(ComplaintStep(*one) for one in zip(*steps, strict=True))
    return Complaint(number, enterprise, area, received, subject, words, taken)
