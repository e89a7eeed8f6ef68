"""What lists of the register are asked: as of when, of whose, after which row. Put together here, so that every list
means the same by it.

S1  As of a time means: as it was recorded then. Nothing of today is mixed in, and whose a row was then decides who sees
    it. (When a thing was so in the world, `since` and `until` of the row say.)
S2  A row that is registered no longer (`gone`) is in no list, and still in its history.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, LiteralString

from access.ownership import EVERYTHING, Scope
from devices.areas import FIRST_DAY, prefix
from storage.scoped import OwnerColumns, condition
from storage.text import clean
from storage.times import as_datetime, as_microseconds


@dataclass(frozen=True, slots=True)
class Recorded:
    """Which version of a row it is, since when it stands so, and until when it did (0: it stands); microseconds since
    1970 UTC. And who wrote it. `gone`: it says that the thing is registered no longer."""

    version: int
    recorded: int
    recorded_by: str
    superseded: int = 0
    gone: bool = False


#: Of what was made by hand, as in a test.
UNRECORDED = Recorded(0, 0, "")


@dataclass(slots=True)
class Asked:
    """A question as it is put together: conditions with their values, in order. `as_of_us`: microseconds since 1970
    UTC; None: as it stands."""

    as_of_us: int | None = None
    sql: LiteralString = ""
    values: list[Any] = field(default_factory=list)

    def table(self, name: LiteralString, alias: LiteralString) -> LiteralString:
        """FROM what is asked; call it once for each table, before the conditions on others."""
        if self.as_of_us is None:
            return name + " " + alias
        at = as_datetime(self.as_of_us)
        self.where(alias + ".recorded <= %s", at)
        self.where("(" + alias + ".superseded IS NULL OR " + alias + ".superseded > %s)", at)
        return name + "_ever " + alias

    def where(self, condition: LiteralString, *values: Any) -> None:
        self.sql = self.sql + (" AND " if self.sql else " WHERE ") + condition
        self.values += values

    def equal(self, column: LiteralString, word: str | None) -> None:
        """`column` says `word`; None: not asked."""
        if word is not None:
            self.where(column + " = %s", clean(word))

    def within(self, column: LiteralString, area: str | None) -> None:
        """`column` is a code that lies in `area` (devices/areas.py A1); None or empty: not asked."""
        if area and (first := prefix(clean(area))):
            # A range, and not first digits as of a scope: a company's own sites are found by it (enterprise, area).
            after = first[:-1] + chr(ord(first[-1]) + 1)
            self.where("(" + column + " ~>=~ %s AND " + column + " ~<~ %s)", first, after)

    def scoped(self, scope: Scope, of: OwnerColumns) -> None:
        if scope != EVERYTHING:
            sql, values = condition(scope, of)
            self.where(sql, *values)


def select(
    columns: LiteralString, source: LiteralString, where: LiteralString = "", end: LiteralString = ""
) -> LiteralString:
    """A query of pieces that are all ours: LiteralString sees to it."""
    return "SELECT " + columns + " FROM " + source + where + end  # noqa: S608


def said_day(day: date | None) -> str:
    """A day as our types say it: empty where there is none, and for the first day of all."""
    text = day.isoformat() if day is not None else ""
    return "" if text == FIRST_DAY else text


def said_time(at: datetime | None) -> int:
    """Microseconds since 1970 UTC; 0 for none."""
    return as_microseconds(at) if at is not None else 0
