"""How hard the alarm system works its people just now, for /metrics: what came within ten minutes, what stands.

L1  What came is counted from the engine's feed, which this process follows anyway: the engine is asked for nothing. It
    counts what came into people's list and asks for a person, as `GET /v1/alarms/health` does; a trial nowhere.
L2  What stands is counted from the alarm list, which costs the engine time where it is long. It is asked for at most
    every STANDING_EVERY_S, and so seldom that it takes at most a hundredth of the time.
The figures are the whole installation's; those of one desk are in /v1/alarms/health.
"""

import time
from collections import Counter, deque
from dataclasses import dataclass, field

from api.door import Door
from api.shapes import word
from engine import messages as m
from engine.client import EngineAway
from rules.decisions import AlarmChanged, AlarmRaised, Priority
from rules.health.events import asks_for_a_person
from rules.health.health import FLOOD_ABOVE, INTERVAL_US, STALE_AFTER_US
from rules.life.lifecycle import IS_ACTIVE

#: The usual scrape interval of Prometheus. Source: product choice.
STANDING_EVERY_S = 15.0
#: One more than the share of its time that the engine may spend on these lists. Source: product choice.
SELDOM = 100
_SECOND_US = 1_000_000


@dataclass(slots=True)
class Arrivals:
    """What came, by second and priority; the memory is one counter per second of an interval at most."""

    seconds: "deque[tuple[int, Counter[Priority]]]" = field(default_factory=deque)
    _last: tuple[str, int, int] = ("", -1, -1)

    def hear(self, event: m.FeedEvent) -> None:
        """An event of the feed, in its order; one that was heard before, after a restore, begins anew."""
        place = (event.engine, event.cycle, event.n)
        if place[0] != self._last[0] or place <= self._last:
            self.seconds.clear()
        self._last = place
        told = event.decision
        if isinstance(told, AlarmRaised | AlarmChanged) and asks_for_a_person(told):
            second = told.at // _SECOND_US
            if not self.seconds or self.seconds[-1][0] < second:
                self.seconds.append((second, Counter()))
            self.seconds[-1][1][told.priority] += 1
            self._forget(told.at)

    def within(self, now_us: int) -> Counter[Priority]:
        """What came in the ten minutes before `now_us`."""
        self._forget(now_us)
        found: Counter[Priority] = Counter()
        for _, many in self.seconds:
            found += many
        return found

    def _forget(self, now_us: int) -> None:
        while self.seconds and self.seconds[0][0] * _SECOND_US <= now_us - INTERVAL_US:
            self.seconds.popleft()


@dataclass(frozen=True, slots=True)
class Standing:
    """by: (priority, state) -> how many are not normal, trials apart. stale: active for longer than a day."""

    by: Counter[tuple[str, str]]
    stale: int


class AlarmLoad:
    """`arrivals` hears the feed; `standing` asks the door, seldom (L2)."""

    def __init__(self, door: Door) -> None:
        self.arrivals = Arrivals()
        self._door = door
        self._standing: Standing | None = None
        self._ask_after_s = 0.0

    async def standing(self, now_us: int) -> Standing | None:
        """None while the engine is away."""
        began_s = time.monotonic()
        if self._standing is None or began_s >= self._ask_after_s:
            try:
                views = (await self._door.alarms()).alarms
            except EngineAway:
                self._standing = None
                return None
            self._standing = count(views, now_us)
            took_s = time.monotonic() - began_s
            self._ask_after_s = began_s + max(STANDING_EVERY_S, SELDOM * took_s)
        return self._standing


def count(views: tuple[m.AlarmView, ...], now_us: int) -> Standing:
    """The figures of an alarm list."""
    told = [view for view in views if not view.trial]
    stale = sum(
        IS_ACTIVE[view.state if view.true_state is None else view.true_state] and now_us - view.onset > STALE_AFTER_US
        for view in told
    )
    return Standing(Counter((word(view.priority), word(view.state)) for view in told), int(stale))


def is_flood(came: Counter[Priority]) -> bool:
    """More than an operator can follow (EEMUA 191): as if all were one desk's."""
    return came.total() > FLOOD_ABOVE
