"""Which numbers of a device are settled without a gap: what it may be told is on disk, and what is missing.

Followed are devices that number their readings and came by a link that carries such acknowledgements; from then on by
whatever link they come. Settled is a number that is stored, a duplicate, or in quarantine.

Q1  `upto` of a boot: every number up to it is settled, or given up: the device says that it no longer holds it (its
    `first`, never above the number beside it), or has gone on for more than WINDOW numbers without it, which no device
    does that waits for acknowledgements (docs/WIRE.md). Nothing else moves it. What was given up is counted as lost.
Q2  Of a boot, WINDOW numbers above `upto` are remembered one by one and none beyond, so no sender makes memory grow:
    a device costs 250 bytes here, and about twice that for each of at most EARLIER earlier boots.
Q3  A device starts at the first number that comes, or at that reading's `first`. A higher boot starts anew; so does a
    lower one whose reading is newest, and a boot where the window of admission does (its counters were wiped): nothing
    that it numbered before may be said of what it numbers now, and a number from before that comes once more, known by
    its earlier clock, is no leap. It starts anew as well at a newest number that lies WINDOW and more below `upto`:
    what went so far ahead was no reading, but a number that a refused message showed.
    An earlier boot is still acknowledged while it is offered. What is missing of it when it was not heard of for
    EARLIER_KEPT_US, or when EARLIER others came after it, is lost.
Q4  In one cycle the numbers of a boot come before the `first`s, so their order does not lose what came beside it.
Q5  A number that was missing, a higher one settled, for NOTES x NOTE_EVERY_US is told, at most NOTE_EVERY_US later:
    `look` is due then, and at the start of that time too. What is lost without having been told is told at once. When
    nothing is missing any more that is said once, with how many were lost.
Q6  All this is a function of the journaled rows, marks and times: `take_in` returns a mark of every device in which
    something happened that the rows do not show, and a replay puts it in the place of that device's rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ingest.device_turn import DeviceTurn
from ingest.followed import NOTE_EVERY_US, Followed, FrozenFollowed, Mark
from ingest.gaps import Complete, Missing, look
from ingest.links import Upto
from ingest.one_device import WINDOW

#: Later than every time.
NEVER = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Offered:
    """Numbers that are settled by this cycle, in order of arrival, each array of shape (n,).

    slot: i4. boot, seq: i8. first: i8, the oldest number of the boot that the device holds, -1 where it did not say.
    newest: bool, the reading was newest for admission. stored: bool, there is a row of it. message: i4, where it came.
    anew: bool, admission's window started anew here. older: bool, its clock is believed and earlier than one before it.
    """

    slot: NDArray[np.int32]
    boot: NDArray[np.int64]
    seq: NDArray[np.int64]
    first: NDArray[np.int64]
    newest: NDArray[np.bool_]
    stored: NDArray[np.bool_]
    message: NDArray[np.int32]
    anew: NDArray[np.bool_]
    older: NDArray[np.bool_]

    def take(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> "Offered":
        return Offered(*(getattr(self, column.name)[which] for column in fields(self)))

    def with_more(self, other: "Offered") -> "Offered":
        return Offered(*(np.concatenate([getattr(self, one.name), getattr(other, one.name)]) for one in fields(self)))


@dataclass(frozen=True, slots=True)
class Settling:
    """What came of it. said: (m, 4), i8, rows of message, slot, boot, seq: what may be acknowledged to the sender of
    that message, only where it moved, or where the message brought what was settled before. marked: slots whose marks
    must be journaled."""

    said: NDArray[np.int64]
    marked: tuple[int, ...]

    def of(self, first: int, many: int, device_no: NDArray[np.int32]) -> tuple[Upto, ...]:
        """The acknowledgements for the senders of `many` messages from `first`; `device_no`: by slot."""
        message, slot, boot, seq = self.said.T
        mine = np.flatnonzero((message >= first) & (message < first + many))
        slots = slot[mine]
        said = zip(device_no[slots].tolist(), boot[mine].tolist(), seq[mine].tolist(), strict=True)
        once = said if len(np.unique(slots)) == len(slots) else dict.fromkeys(said)
        return tuple([tuple.__new__(Upto, one) for one in once])  # a third of what Upto(*one) costs, for each message


NOTHING_SETTLED = Settling(np.zeros((0, 4), np.int64), ())


class Contiguity:
    """The engine's memory of it, by slot of a fleet."""

    def __init__(self, slots: int) -> None:
        self._followed = Followed(slots)

    def __bool__(self) -> bool:
        """Whether anybody is followed."""
        return self._followed.used > 0

    def follows(self, slot: NDArray[np.int32]) -> NDArray[np.bool_]:
        return self._followed.rows(slot) >= 0

    def resize(self, stays: NDArray[np.bool_]) -> None:
        """Follow a registry change. `stays`: (slots,), False for who is followed no longer."""
        self._followed.grow(len(stays))
        self._followed.forget(~stays)

    def take_in(self, offered: Offered, now: int) -> Settling:
        """Settle these numbers. Devices that are not followed yet are from now on."""
        if not len(offered.slot):
            return NOTHING_SETTLED
        followed = self._followed
        row = followed.rows(offered.slot)
        at = np.maximum(row, 0)
        before = followed.numbers["upto"][at] if followed.used else np.full(len(row), -1)
        odd = self._odd(offered, row, before)
        if odd.any():
            odd = np.isin(offered.slot, offered.slot[odd])
        plain = np.flatnonzero(~odd)
        marked = self._settle(offered.take(plain), row[plain], before[plain])
        upto = followed.numbers["upto"][at] if followed.used else before
        again = ~offered.stored | (offered.seq <= before)
        say = plain[((upto > before) | again)[plain] & (upto >= 0)[plain]]
        said = np.stack([offered.message[say], offered.slot[say], offered.boot[say], upto[say]], axis=1)
        if odd.any():
            walked, more = self._walk(offered.take(odd), now)
            said, marked = np.concatenate([said, walked]), marked | more
        return Settling(said, tuple(sorted(marked)))

    def _odd(self, offered: Offered, row: NDArray[np.int32], upto: NDArray[np.int64]) -> NDArray[np.bool_]:
        """What makes its device's turn more than a few bits: the first of it, another boot, a number out of reach."""
        odd = (row < 0) | (offered.seq - WINDOW > upto) | (offered.newest & (offered.seq <= upto)) | offered.anew
        if self._followed.used:
            odd |= offered.boot != self._followed.numbers["boot"][np.maximum(row, 0)]
        return odd

    def _settle(self, offered: Offered, row: NDArray[np.int32], before: NDArray[np.int64]) -> set[int]:
        """Numbers of current boots, none of them out of reach; returns the slots that need a mark."""
        followed = self._followed
        numbers, seq = followed.numbers, offered.seq
        fresh = np.flatnonzero(seq > before)
        if len(fresh):
            followed.seen.note(row[fresh], seq[fresh])
            np.maximum.at(numbers["highest"], row[fresh], seq[fresh])
            moving = np.unique(row[fresh])
            upto = numbers["upto"][moving]
            run = followed.seen.run_from(moving, upto + 1)
            followed.seen.move_on(moving, upto, run)
            numbers["upto"][moving] = upto + run
            told = moving[(run > 0) & (numbers["told"][moving] > 0)]
            followed.changed.update(numbers["slot"][told].tolist())
        marked = set(offered.slot[fresh[~offered.stored[fresh]]].tolist())
        to = np.minimum(offered.first, seq) - 1
        no_longer = np.flatnonzero(to > numbers["upto"][row])
        if len(no_longer):
            given_up = np.full(followed.used, -1, np.int64)
            np.maximum.at(given_up, row[no_longer], to[no_longer])
            for one in np.unique(row[no_longer]).tolist():
                slot, boot = int(numbers["slot"][one]), int(numbers["boot"][one])
                turn = DeviceTurn(followed, slot, 0)
                turn.give_up(boot, int(given_up[one]))
                turn.end()
                marked.add(slot)
        return marked

    def _walk(self, offered: Offered, now: int) -> tuple[NDArray[np.int64], set[int]]:
        """A few devices, one number after the other: what to say, and the slots to mark."""
        turns: dict[int, DeviceTurn] = {}
        said: dict[tuple[int, int, int], None] = {}  # message, slot, boot: each once, in order
        columns = (getattr(offered, column.name).tolist() for column in fields(Offered))
        for slot, boot, seq, first, newest, stored, message, anew, older in zip(*columns, strict=True):
            turn = turns.get(slot) or turns.setdefault(slot, DeviceTurn(self._followed, slot, now))
            turn.number(boot, seq, first, newest=newest, again=not stored, anew=anew, older=older)
            said[message, slot, boot] = None
        for turn in turns.values():
            turn.end()
        words = np.array([(m, s, b, turns[s].to_say(b)) for m, s, b in said], np.int64).reshape(-1, 4)
        return words[words[:, 3] >= 0], {slot for slot, turn in turns.items() if turn.unseen}

    def look(self, now: int, *, anew: bool) -> tuple[list[Missing], list[Complete]]:
        """What there is to tell at `now`; once in each committed cycle. `anew`: nobody was heard until now, so what is
        missing has its whole time again."""
        return look(self._followed, now, anew=anew)

    def has_to_look(self, now: int) -> bool:
        return now >= self.next_look or bool(self._followed.changed)

    @property
    def next_look(self) -> int:
        """There is nothing to tell before this, unless numbers come. Microseconds UTC."""
        followed = self._followed
        if not followed.used:
            return NEVER
        note = followed.noted + NOTE_EVERY_US
        return min(note, followed.due[0][0]) if followed.due else note

    def marks(self, slots: Sequence[int], device_no: NDArray[np.int32]) -> tuple[Mark, ...]:
        return tuple(self._followed.mark(slot, int(device_no[slot])) for slot in slots)

    def replay(self, offered: Offered, marks: Sequence[tuple[int, Mark]], now: int) -> None:
        """A journaled cycle again. `offered`: its rows; `marks`: with the slots of their devices."""
        marked = np.array([slot for slot, _ in marks], np.int32)
        mine = self.follows(offered.slot) & ~np.isin(offered.slot, marked)
        self.take_in(offered.take(mine), now)
        for slot, mark in marks:
            self._followed.put(slot, mark)

    @property
    def lost(self) -> int:
        """Readings that never came, of all devices, since they are followed."""
        followed = self._followed
        return followed.lost_before + int(followed.numbers["lost"][: followed.used].sum())

    @property
    def with_gaps(self) -> int:
        """Devices of which a number is missing now."""
        followed = self._followed
        numbers = followed.numbers[: followed.used]
        slots = set(numbers["slot"][numbers["highest"] > numbers["upto"]].tolist())
        slots.update(slot for slot, kept in followed.earlier.items() if any(one.lacks for one in kept))
        return len(slots)

    def gauges(self) -> dict[str, float]:
        """Figures for /metrics."""
        return {
            "devices_followed": self._followed.used,
            "devices_with_gaps": self.with_gaps,
            "readings_lost_total": self.lost,
        }

    def frozen(self) -> FrozenFollowed:
        return self._followed.frozen()

    @classmethod
    def thawed(cls, slots: int, frozen: FrozenFollowed) -> "Contiguity":
        """The inverse. Raises ValueError."""
        contiguity = cls(slots)
        contiguity._followed = Followed.thawed(slots, frozen)
        return contiguity
