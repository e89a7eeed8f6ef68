"""The memory of one device, one reading at a time: the plain words of what `identity_window` does for all at once."""

from dataclasses import dataclass

#: Numbers below the highest whose arrival is remembered: what a device may have in flight and deliver twice or out of
#: order. 64, because that is one machine word.
WINDOW = 64
#: Hashes remembered of a device without numbers. Eight unacknowledged messages; such devices rarely have two.
RING = 8
#: No clock was believed yet. Below every time in i8 microseconds.
NO_CLOCK = -(1 << 63)
#: An empty place of the ring; hashes are 63 bits, so never negative.
NO_HASH = -1

_MASK = (1 << WINDOW) - 1


@dataclass(slots=True)
class OneDevice:
    """boot, seq: the highest seen, -1 for none. seen: bit k = the number k below it. clock: latest believed time.
    ring: the last RING hashes, oldest first; pushed: how many there ever were."""

    boot: int
    seq: int
    seen: int
    clock: int
    ring: list[int]
    pushed: int

    def sight(
        self, boot: int, seq: int, clock: int, *, numbered: bool, hashed: bool, suspect: bool
    ) -> tuple[bool, bool]:
        """(duplicate, newest), by W1 to W4 of `identity_window`."""
        newer = clock > self.clock
        if numbered:
            duplicate, later = self._number(boot, seq, newer)
            newest = later or newer
        elif hashed:
            duplicate, newest = seq in self.ring, newer or suspect
            if not duplicate:
                self.ring = [*self.ring[1:], seq]
                self.pushed += 1
        else:
            duplicate, newest = False, True
        if not duplicate:
            self.clock = max(self.clock, clock)
        return duplicate, newest

    def _number(self, boot: int, seq: int, newer: bool) -> tuple[bool, bool]:
        later = (boot, seq) > (self.boot, self.seq)
        behind = self.seq - seq if boot == self.boot else WINDOW
        if later:
            advance = seq - self.seq if boot == self.boot else WINDOW
            self.seen = (self.seen << advance | 1) & _MASK if advance < WINDOW else 1
            self.boot, self.seq = boot, seq
        elif behind < WINDOW:
            if self.seen >> behind & 1:
                return True, False
            self.seen |= 1 << behind
        elif newer:
            self.boot, self.seq, self.seen = boot, seq, 1
        return False, later
