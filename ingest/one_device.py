"""The memory of one device, one reading at a time: the plain words of what `identity_window` does for all at once."""

from dataclasses import dataclass

#: Numbers up to the highest whose arrival is remembered: what a device may have offered and not seen acknowledged. The
#: MQTT endpoint grants 512 messages in flight; twice that, so that half of them may have been overtaken.
WINDOW = 1_024
#: Hashes remembered of a device without numbers. Such devices have a message or two in flight, or one array.
RING = 64
#: No clock was believed yet. Below every time in i8 microseconds.
NO_CLOCK = -(1 << 63)
#: An empty place of the ring; hashes are 63 bits, so never negative.
NO_HASH = -1

_MASK = (1 << WINDOW) - 1


@dataclass(slots=True)
class OneDevice:
    """boot, seq: the highest seen, -1 for none. seen: bit n % WINDOW = the number n of the window came. clock: latest
    believed time. ring: the last RING hashes, oldest first; pushed: how many there ever were."""

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
        bit = 1 << seq % WINDOW
        later = (boot, seq) > (self.boot, self.seq)
        if later:
            advance = seq - self.seq if boot == self.boot else WINDOW
            self.seen = (self.seen & ~_places(self.seq + 1, advance) if advance < WINDOW else 0) | bit
            self.boot, self.seq = boot, seq
        elif boot == self.boot and self.seq - seq < WINDOW:
            if self.seen & bit:
                return True, False
            self.seen |= bit
        elif newer:
            self.boot, self.seq, self.seen = boot, seq, bit
        return False, later


def _places(first: int, count: int) -> int:
    """The bits of `count` numbers from `first` on; fewer than WINDOW."""
    run = ((1 << count) - 1) << first % WINDOW
    return (run | run >> WINDOW) & _MASK
