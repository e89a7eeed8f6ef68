"""Contiguity once more, in the words of its invariants, with plain sets that never forget and one number at a time."""

from dataclasses import dataclass, field

WINDOW = 1_024
MISSING_FOR_US = 20_000_000
NOTE_EVERY_US = 4_000_000
EARLIER = 4
EARLIER_KEPT_US = 600_000_000


@dataclass
class Item:
    boot: int
    seq: int
    first: int = -1
    newest: bool = True
    stored: bool = True
    anew: bool = False
    older: bool = False


@dataclass
class Numbers:
    """One boot. start: the first number that matters. done: settled or given up. since: when each missing number was
    noticed. told: the missing numbers that people know of."""

    start: int
    done: set[int] = field(default_factory=set)
    since: dict[int, int] = field(default_factory=dict)
    told: set[int] = field(default_factory=set)
    heard: int = 0
    wiped: int = -1

    @property
    def highest(self) -> int:
        return max(self.done, default=self.upto)

    @property
    def upto(self) -> int:
        while self.start in self.done:  # what is below is done for good
            self.start += 1
        return self.start - 1

    @property
    def missing(self) -> list[int]:
        return [n for n in range(self.start, max(self.done, default=-1)) if n not in self.done]


class Device:
    def __init__(self) -> None:
        self.boots: dict[int, Numbers] = {}
        self.current: int | None = None
        self.lost = 0
        self.stated = 0
        self.is_told = False

    def cycle(self, items: list[Item], now: int) -> dict[int, int]:
        """What may be acknowledged, by boot, to the sender of these."""
        before = {boot: numbers.upto for boot, numbers in self.boots.items()}
        firsts: dict[int, int] = {}
        again: set[int] = set()
        for item in items:
            if self._is_from_before(item):
                continue
            self._choose(item, now, before, firsts)
            numbers = self.boots[item.boot]
            if not item.stored or item.seq <= before.get(item.boot, -1):
                again.add(item.boot)
            if item.first >= 0:
                firsts[item.boot] = max(firsts.get(item.boot, 0), min(item.first, item.seq))
            self._give_up(numbers, item.seq - WINDOW)
            numbers.done.add(item.seq)
            numbers.heard = now
            self._forget_the_oldest()
        for boot, first in firsts.items():
            if boot in self.boots:
                self._give_up(self.boots[boot], first - 1)
        for numbers in self.boots.values():
            numbers.since = {n: numbers.since.get(n, now) for n in numbers.missing}
        uptos = {boot: self.boots[boot].upto for boot in {item.boot for item in items} if boot in self.boots}
        return {b: n for b, n in uptos.items() if n >= 0 and (b in again or n > before.get(b, -1))}

    def _choose(self, item: Item, now: int, before: dict[int, int], firsts: dict[int, int]) -> None:
        start = item.seq if item.first < 0 else min(item.first, item.seq)
        old = self.current
        if old is None or item.boot > old or (item.boot < old and (item.newest or item.anew)):
            if old is not None:
                self.boots[old].heard = now
            self.current = item.boot
            firsts.pop(item.boot, None)
            kept = self.boots.get(item.boot)
            if kept is not None:
                kept.wiped = -1
                if item.anew and item.seq <= kept.upto:
                    self._start_over(item.boot, start, before, firsts)
        elif item.boot == old and (item.anew or (item.newest and item.seq <= self.boots[old].upto - WINDOW)):
            self._start_over(old, start, before, firsts)
        self.boots.setdefault(item.boot, Numbers(start))
        self._forget_the_oldest(item.boot, old)

    def _start_over(self, boot: int, start: int, before: dict[int, int], firsts: dict[int, int]) -> None:
        highest = self.boots[boot].highest
        self._give_up(self.boots[boot], highest)
        self.boots[boot] = Numbers(start, wiped=highest)
        before[boot] = -1
        firsts.pop(boot, None)

    def _is_from_before(self, item: Item) -> bool:
        if not item.older or item.boot != self.current:
            return False
        numbers = self.boots[item.boot]
        return numbers.highest + WINDOW < item.seq <= numbers.wiped

    def _forget_the_oldest(self, *but: int | None) -> None:
        earlier = [(n.heard, boot) for boot, n in self.boots.items() if boot not in (self.current, *but)]
        spare = len(self.boots) - 1 - EARLIER
        for _, boot in sorted(earlier)[: max(spare, 0)]:
            self.lost += len(self.boots.pop(boot).missing)

    def _give_up(self, numbers: Numbers, to: int) -> None:
        for n in range(numbers.upto + 1, to + 1):
            if n not in numbers.done:
                self.lost += 1
                numbers.done.add(n)

    @property
    def is_missing(self) -> bool:
        return any(numbers.missing for numbers in self.boots.values())

    def forget(self, now: int) -> None:
        for boot, numbers in list(self.boots.items()):
            if boot != self.current and numbers.heard + EARLIER_KEPT_US <= now:
                self.lost += len(numbers.missing)
                del self.boots[boot]
