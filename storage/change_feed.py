"""What changed, as a series that can be taken up anywhere: steps of alarms and of commands, as the engine decided them.

C1  Events are in the order of the engine's log, in which the follower commits them: a place in the feed that was read
    has everything before it, and what comes later stands after it. So nothing is skipped and nothing comes twice.
C2  A place is (cycle, n) in each engine's log. It outlives restarts of everything but the engine's own store.
C3  One question looks at MOST_LOOKED_AT events at most, whoever's they are, and then says how far it came: who sees few
    of many comes on too.
C4  It is read in somebody's name; what that party does not see is not in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

from access.sharing import ALARMS, COMMANDS
from engine.times import rfc3339
from rules.decisions import AlarmState, Priority
from storage.database import Connection, translated
from storage.text import clean
from storage.times import as_datetime

Scalar = str | int | float | None
_TIMES = frozenset({"onset", "raised"})
#: 2200-01-01: later than anything that happens.
LATEST_US = 7_258_118_400_000_000
#: Engine -> (cycle, n) of the last event that was read.
Place = Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Event:
    """id: `engine:cycle:n`. kind: alarm or command. at: microseconds UTC. what: the change (`raised`, `acknowledged`,
    `confirmed`, ...). fields: of the alarm or the command, by the names that grants use; times as RFC 3339, priority
    and state as words."""

    id: str
    engine: str
    cycle: int
    n: int
    kind: str
    at: int
    what: str
    fields: Mapping[str, Scalar]

    @property
    def of(self) -> str:
        """The resource it is of, as grants call it."""
        return f"{self.kind}s"

    @property
    def type(self) -> str:
        """As messages call it: `alarm.raised`."""
        return f"{self.kind}.{self.what}"


_ALARMS: LiteralString = """
SELECT e.engine, e.cycle, e.n, davy_us(e.at), e.change, a.alarm, a.rule, e.priority, e.state, a.site,
    coalesce(d.identity, ''), a.area, davy_us(a.onset), davy_us(a.raised), a.quantity, a.value, e.by, e.comment,
    e.resolution
FROM alarm_event e JOIN alarm a USING (alarm) LEFT JOIN device d USING (device_no)
WHERE e.engine = %(engine)s AND (e.cycle, e.n) > (%(cycle)s, %(n)s) AND e.cycle <= %(to_cycle)s
    AND e.at >= %(from)s AND e.at < %(to)s AND NOT e.trial AND starts_with(a.area, %(area)s)
ORDER BY e.cycle, e.n LIMIT %(limit)s"""
_COMMANDS: LiteralString = """
SELECT e.engine, e.cycle, e.n, davy_us(e.at), e.step, c.command, c.verb, c.attempt, w.site, coalesce(d.identity, ''),
    w.area, c.reason, e.note
FROM command_step e JOIN command c USING (command) JOIN wanted w ON w.wanted = e.wanted
LEFT JOIN device d ON d.device_no = c.device_no
WHERE e.engine = %(engine)s AND (e.cycle, e.n) > (%(cycle)s, %(n)s) AND e.cycle <= %(to_cycle)s
    AND e.at >= %(from)s AND e.at < %(to)s AND starts_with(w.area, %(area)s)
ORDER BY e.cycle, e.n LIMIT %(limit)s"""
#: What of each kind is read; the words are those of access/sharing.py.
RESOURCES: Mapping[str, tuple[str, ...]] = {"alarms": ALARMS, "commands": COMMANDS}
_LAST_N = 2**31 - 1
#: C3. Some 100 ms of looking whose each is (product choice).
MOST_LOOKED_AT = 20_000
_FAR: LiteralString = (
    "SELECT min(cycle) FROM ("
    "(SELECT cycle FROM alarm_event WHERE engine = %(engine)s AND cycle > %(cycle)s"
    " ORDER BY cycle OFFSET %(most)s LIMIT 1) UNION ALL "
    "(SELECT cycle FROM command_step WHERE engine = %(engine)s AND cycle > %(cycle)s"
    " ORDER BY cycle OFFSET %(most)s LIMIT 1)) far"
)


@dataclass(frozen=True, slots=True)
class Within:
    """What of the feed is asked for. kinds: keys of RESOURCES. area: a prefix of codes, empty: everywhere; it is where
    the site was at that time. from_us <= at < to_us, microseconds UTC."""

    kinds: frozenset[str]
    area: str = ""
    from_us: int = 0
    to_us: int = LATEST_US


async def ends(connection: Connection) -> Place:
    """How far each engine's log is in the database, as the platform's own connection sees it."""
    with translated():
        cursor = await connection.execute("SELECT engine, cycle FROM follower_cursor WHERE follower = 'storage'")
        return {str(engine): (int(cycle), _LAST_N) for engine, cycle in await cursor.fetchall()}


async def reach(connection: Connection, after: Place, end: Place) -> Place:
    """How far one question from `after` on looks, at most to `end` (C3); asked by the platform's own connection."""
    found: dict[str, tuple[int, int]] = {}
    for engine, last in end.items():
        begun = after.get(engine, (-1, -1))
        found[engine] = last
        if begun >= last:
            continue
        asked = {"engine": clean(engine), "cycle": begun[0], "most": MOST_LOOKED_AT}
        with translated():
            row = await (await connection.execute(_FAR, asked)).fetchone()
        if row is not None and row[0] is not None:
            found[engine] = min(last, (int(row[0]), _LAST_N))
    return found


async def events(
    connection: Connection, within: Within, after: Place, until: Place, *, limit: int = 100
) -> tuple[list[Event], Place]:
    """At most `limit` events after `after` of each engine in `until`, oldest first within each engine, and the place
    that they lead to. `until`: as `reach` gave it, in a transaction that began before this one (C1)."""
    found: list[Event] = []
    place = dict(after)
    for engine, end in sorted(until.items()):
        left = limit - len(found)
        if left <= 0:
            break
        begun = place.get(engine, (-1, -1))
        if begun >= end:
            continue
        mine = await _of_engine(connection, engine, within, begun, end, left)
        found += mine
        # With fewer than were asked for, all is read up to the end.
        place[engine] = (mine[-1].cycle, mine[-1].n) if len(mine) == left else end
    return found, place


async def _of_engine(
    connection: Connection, engine: str, within: Within, begun: tuple[int, int], end: tuple[int, int], limit: int
) -> list[Event]:
    asked = {
        "engine": clean(engine),
        "cycle": begun[0],
        "n": begun[1],
        "to_cycle": end[0],
        "from": as_datetime(within.from_us),
        "to": as_datetime(within.to_us),
        "area": within.area,
        "limit": limit,
    }
    found: list[Event] = []
    with translated():
        if "alarms" in within.kinds:
            cursor = await connection.execute(_ALARMS, asked)
            found += [_event("alarm", row, ALARMS) for row in await cursor.fetchall()]
        if "commands" in within.kinds:
            cursor = await connection.execute(_COMMANDS, asked)
            found += [_event("command", row, COMMANDS) for row in await cursor.fetchall()]
    return sorted(found, key=lambda one: (one.cycle, one.n))[:limit]


def _event(kind: str, row: tuple[Any, ...], names: tuple[str, ...]) -> Event:
    engine, cycle, n, at, what, *values = row
    fields = {name: _said(name, value) for name, value in zip(names, values, strict=True)}
    return Event(f"{engine}:{cycle}:{n}", engine, cycle, n, kind, at, what, fields)


def _said(name: str, value: Any) -> Scalar:
    """As it is said outside."""
    if value is None:
        return None
    if name == "priority":
        return Priority(value).name.lower()
    if name == "state":
        return AlarmState(value).name.lower()
    shown: Scalar = rfc3339(value) if name in _TIMES else value
    return shown
