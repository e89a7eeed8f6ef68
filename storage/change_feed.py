"""What changed, as a series that can be taken up anywhere: steps of alarms and of commands, as the engine decided them.

C1  Events are in the order of the engine's log, in which the follower commits them: a place in the feed that was read
    has everything before it, and what comes later stands after it. So nothing is skipped and nothing comes twice.
C2  A place is (cycle, n) in each engine's log. It outlives restarts of everything but the engine's own store.
C3  It is read in somebody's name; what that party does not see is not in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

from storage.database import Connection, translated

#: Engine -> (cycle, n) of the last event that was read.
Place = Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Event:
    """id: `engine:cycle:n`. kind: alarm or command. at: microseconds UTC. what: the change (`raised`, `acknowledged`,
    `confirmed`, ...). fields: of the alarm or the command as it stands, by the names that grants use."""

    id: str
    engine: str
    cycle: int
    n: int
    kind: str
    at: int
    what: str
    fields: dict[str, str | int | float | bool | None]


_ALARMS: LiteralString = """
SELECT e.engine, e.cycle, e.n, davy_us(e.at), e.change, a.alarm, a.rule, e.priority, e.state, a.site,
    coalesce(d.identity, ''), coalesce(s.area, ''), davy_us(a.onset), davy_us(a.raised), a.quantity, a.value, e.by,
    e.comment, e.resolution
FROM alarm_event e JOIN alarm a USING (alarm) LEFT JOIN device d USING (device_no) LEFT JOIN site s ON s.key = a.site
WHERE e.engine = %(engine)s AND (e.cycle, e.n) > (%(cycle)s, %(n)s) AND (e.cycle, e.n) <= (%(to_cycle)s, 2147483647)
    AND NOT e.trial AND coalesce(s.area, '') LIKE %(area)s
ORDER BY e.cycle, e.n LIMIT %(limit)s"""
_COMMANDS: LiteralString = """
SELECT e.engine, e.cycle, e.n, davy_us(e.at), e.step, c.command, c.verb, c.attempt, coalesce(d.site, ''),
    coalesce(d.identity, ''), coalesce(s.area, ''), c.reason, e.note
FROM command_step e JOIN command c USING (command) LEFT JOIN device d ON d.device_no = c.device_no
LEFT JOIN site s ON s.key = d.site
WHERE e.engine = %(engine)s AND (e.cycle, e.n) > (%(cycle)s, %(n)s) AND (e.cycle, e.n) <= (%(to_cycle)s, 2147483647)
    AND coalesce(s.area, '') LIKE %(area)s
ORDER BY e.cycle, e.n LIMIT %(limit)s"""
_ALARM_FIELDS = (
    "alarm", "rule", "priority", "state", "site", "device", "area", "onset_us", "raised_us", "quantity", "value", "by",
    "comment", "resolution",
)  # fmt: skip
_COMMAND_FIELDS = ("command", "verb", "attempt", "site", "device", "area", "reason", "note")
#: What of each kind a grant may name.
FIELDS: dict[str, tuple[str, ...]] = {"alarms": _ALARM_FIELDS, "commands": _COMMAND_FIELDS}


async def ends(connection: Connection) -> Place:
    """How far each engine's log is in the database, as the platform's own connection sees it."""
    with translated():
        cursor = await connection.execute("SELECT engine, cycle FROM follower_cursor WHERE follower = 'storage'")
        return {str(engine): (int(cycle), 2_147_483_647) for engine, cycle in await cursor.fetchall()}


async def events(
    connection: Connection, kinds: frozenset[str], after: Place, until: Place, *, area: str = "", limit: int = 100
) -> tuple[list[Event], Place]:
    """At most `limit` events after `after` of each engine in `until`, oldest first within each engine, and the place
    that they lead to. `kinds`: keys of FIELDS. `until`: as `ends` gave it, read before the events were (C1)."""
    found: list[Event] = []
    place = dict(after)
    for engine, end in sorted(until.items()):
        left = limit - len(found)
        if left <= 0:
            break
        begun = place.get(engine, (-1, -1))
        asked = {
            "engine": engine,
            "cycle": begun[0],
            "n": begun[1],
            "to_cycle": end[0],
            "area": area.replace("%", "").replace("_", "") + "%",
            "limit": left,
        }
        mine: list[Event] = []
        with translated():
            if "alarms" in kinds:
                cursor = await connection.execute(_ALARMS, asked)
                mine += [_event("alarm", row, _ALARM_FIELDS) for row in await cursor.fetchall()]
            if "commands" in kinds:
                cursor = await connection.execute(_COMMANDS, asked)
                mine += [_event("command", row, _COMMAND_FIELDS) for row in await cursor.fetchall()]
        mine = sorted(mine, key=lambda one: (one.cycle, one.n))[:left]
        found += mine
        # With fewer than were asked for, all is read up to the end.
        place[engine] = (mine[-1].cycle, mine[-1].n) if len(mine) == left else max(end, begun)
    return found, place


def _event(kind: str, row: tuple[Any, ...], names: tuple[str, ...]) -> Event:
    engine, cycle, n, at, what, *values = row
    return Event(f"{engine}:{cycle}:{n}", engine, cycle, n, kind, at, what, dict(zip(names, values, strict=True)))
