"""One followed device in a cycle in which more happens to it than a few numbers of its boot; in order of arrival."""

import numpy as np

from ingest.followed import NOTE_EVERY_US, NOTES, Earlier, Followed, count_lost
from ingest.one_boot import OneBoot
from ingest.one_device import WINDOW

#: Earlier boots of a device that may be offered side by side. Product choice: a device that starts anew over and over
#: has one or two readings of each.
EARLIER = 4


class DeviceTurn:
    """Read at the start, written back by `end`."""

    def __init__(self, followed: Followed, slot: int, now: int) -> None:
        self.is_new = int(followed.rows(np.array([slot], np.int32))[0]) < 0
        self._followed, self._slot, self._now = followed, slot, now
        self._row = -1 if self.is_new else followed.row(slot)
        self._current = OneBoot(-1, -1, -1) if self.is_new else followed.current(self._row)
        self._earlier = {one.boot: one for one in followed.earlier.get(slot, ())}
        self._firsts: dict[int, int] = {}
        self._lost = (-1, -1, 0)  # of the first that is lost, its boot and number; how many are
        self._before: dict[int, int] = {self._current.boot: self._current.upto}
        self._again: set[int] = set()
        self._anew = self.is_new
        self._wiped = -1 if self.is_new else int(followed.numbers["wiped"][self._row])
        #: Whether something happened that the rows of this cycle do not show.
        self.unseen = self.is_new

    def number(self, boot: int, seq: int, first: int, *, newest: bool, again: bool, anew: bool, older: bool) -> None:
        """One number is settled. `again`: it was before, or has no row; the others as in Offered."""
        start = min(first, seq) if first >= 0 else seq
        current = self._current
        self.unseen |= again or first >= 0 or anew
        if older and boot == current.boot and current.highest + WINDOW < seq <= self._wiped:
            self.unseen = True
            return  # from before the counters were wiped
        self._before.setdefault(boot, self._earlier[boot].upto if boot in self._earlier else -1)
        if boot > current.boot or (boot < current.boot and (newest or anew)):
            self._change_to(boot, seq, start, anew=anew)
        elif boot == current.boot and (anew or (newest and seq <= current.upto - WINDOW)):
            self._start_over(current, start)
        if again or seq <= self._before[boot]:
            self._again.add(boot)
        if first >= 0:
            self._firsts[boot] = max(self._firsts.get(boot, 0), min(first, seq))
        if boot == self._current.boot:
            self._lose(self._current, seq - WINDOW)
            self._current.settle(seq)
        else:
            self._settle_earlier(boot, seq, start)

    def give_up(self, boot: int, to: int) -> None:
        """The device no longer holds anything of this boot up to `to`."""
        if boot == self._current.boot:
            self._lose(self._current, to)
        elif boot in self._earlier:
            kept = self._earlier[boot]
            one = kept.opened()
            self._lose(one, to)
            self._earlier[boot] = Earlier.closed(one, kept.missing_since if one.missing else 0, kept.heard)

    def end(self) -> None:
        """All numbers have come: now what is no longer held is passed over (Q4), and all of it is remembered."""
        for boot, first in self._firsts.items():
            self.give_up(boot, first - 1)
        followed = self._followed
        self._row = followed.row(self._slot)
        followed.put_current(self._row, self._current)
        if self._anew:
            followed.notes[:, self._row] = -1
            followed.numbers["told_to"][self._row] = -1
        followed.numbers["wiped"][self._row] = self._wiped
        followed.keep(self._slot, tuple(self._earlier.values()))
        if self._lost[2]:
            count_lost(followed, self._row, *self._lost)
        followed.changed.add(self._slot)

    def to_say(self, boot: int) -> int:
        """Up to where this boot may be acknowledged now; -1 when there is nothing new to say."""
        upto = self._current.upto if boot == self._current.boot else -1
        if boot in self._earlier:
            upto = self._earlier[boot].upto
        moved = upto > self._before.get(boot, -1)
        return upto if moved or boot in self._again else -1

    def _change_to(self, boot: int, seq: int, start: int, *, anew: bool) -> None:
        """Another boot is the current one now; the one before may still be offered. What is kept of this one goes on,
        unless its numbers come again under a later clock: then it is another one by the same name."""
        old, kept = self._current, self._earlier.pop(boot, None)
        if old.boot >= 0:
            self._keep(Earlier.closed(old, self._missing_since(old), self._now))
        one = kept.opened() if kept else OneBoot.before(boot, start)
        if kept and anew and seq <= one.upto:
            self._start_over(one, start)
        else:
            self._start(one)

    def _start_over(self, one: OneBoot, start: int) -> None:
        """The counters of this boot were wiped. It is the current one, begins at `start`, and what it lacks is lost."""
        self._lose(one, one.highest)
        self._start(OneBoot.before(one.boot, start), wiped=one.highest)
        self._before[one.boot] = -1

    def _start(self, one: OneBoot, wiped: int = -1) -> None:
        self._current, self._anew, self._wiped = one, True, wiped
        self._firsts.pop(one.boot, None)

    def _missing_since(self, one: OneBoot) -> int:
        """When the oldest number that is missing, and was not told, was noticed."""
        if not one.missing:
            return 0
        if self._anew:
            return self._now
        if int(self._followed.numbers["told_to"][self._row]) > one.upto:
            return 0
        notes = self._followed.notes[:, self._row].tolist()
        since = (self._followed.noted - (NOTES - 1 - at) * NOTE_EVERY_US for at, one_note in enumerate(notes))
        return next((time for time, note in zip(since, notes, strict=True) if note > one.upto), self._now)

    def _settle_earlier(self, boot: int, seq: int, start: int) -> None:
        kept = self._earlier.get(boot)
        one = kept.opened() if kept else OneBoot.before(boot, start)
        self._lose(one, seq - WINDOW)
        one.settle(seq)
        since = kept.missing_since if kept and kept.lacks else self._now
        self._keep(Earlier.closed(one, since if one.missing else 0, self._now))

    def _keep(self, one: Earlier) -> None:
        """Remember it; where there are too many, the one that was silent longest goes, never this one."""
        others = [kept for kept in self._earlier.values() if kept.boot != one.boot]
        self._earlier[one.boot] = one
        if len(others) == EARLIER:
            oldest = min(others, key=lambda kept: (kept.heard, kept.boot))
            del self._earlier[oldest.boot]
            self._lose(oldest.opened(), oldest.highest)

    def _lose(self, one: OneBoot, to: int) -> None:
        first = one.upto + 1
        if to >= first and (lost := one.give_up(to)):
            boot, lost_first, many = self._lost
            self._lost = (boot, lost_first, many + lost) if many else (one.boot, first, lost)
