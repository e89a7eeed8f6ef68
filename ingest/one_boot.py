"""The numbers of one boot of one device, in plain words: up to which everything is settled, and what is missing.

Settled is what is stored, a duplicate, in quarantine, or given up; missing is what is not settled below the highest.
`contiguity` does for many devices at once what this does for one.
"""

from dataclasses import dataclass

from ingest.one_device import WINDOW

_MASK = (1 << WINDOW) - 1


@dataclass(slots=True)
class OneBoot:
    """upto: every number up to it is settled; -1 when none is. highest: of the settled ones, at least `upto`.
    seen: bit n % WINDOW = the number n, above `upto` and at most WINDOW above it, is settled; no other bit is set."""

    boot: int
    upto: int
    highest: int
    seen: int = 0

    @classmethod
    def before(cls, boot: int, number: int) -> "OneBoot":
        """Nothing is missing before `number`, and it is the next to come."""
        return cls(boot, number - 1, number - 1)

    @property
    def missing(self) -> int:
        return self.highest - self.upto - self.seen.bit_count()

    def settle(self, number: int) -> int:
        """One more number is settled. What falls more than WINDOW behind it is given up; returns how much that is."""
        given_up = self.give_up(number - WINDOW)
        if number > self.upto:
            self.seen |= 1 << number % WINDOW
            self.highest = max(self.highest, number)
            self._advance()
        return given_up

    def give_up(self, to: int) -> int:
        """What is not settled up to `to` never comes; returns how many numbers that is."""
        if to <= self.upto:
            return 0
        many = to - self.upto
        passed = places(self.upto + 1, many) if many < WINDOW else _MASK
        lost = many - (self.seen & passed).bit_count()
        self.seen &= ~passed
        self.upto = to
        self.highest = max(self.highest, to)
        self._advance()
        return lost

    def _advance(self) -> None:
        begin = (self.upto + 1) % WINDOW
        if not self.seen >> begin & 1:
            return
        ahead = (self.seen >> begin | self.seen << WINDOW - begin) & _MASK
        run = (~ahead & ahead + 1).bit_length() - 1
        self.seen &= ~places(self.upto + 1, run)
        self.upto += run


def places(first: int, count: int) -> int:
    """The bits of `count` numbers (at most WINDOW) from `first` on."""
    run = ((1 << count) - 1) << first % WINDOW
    return (run | run >> WINDOW) & _MASK
