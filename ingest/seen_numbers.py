"""Which of the last `WINDOW` numbers of each device came: one bit each, as arrays by slot.

The number n has the place n % WINDOW, so a window that moves on moves no bits: the places of the numbers that it passes
are emptied, and those that came are set. A place of a number that is not in the window is always empty.
"""

import numpy as np
from numpy.typing import NDArray

from ingest.one_device import WINDOW

_WORD_BITS = 64
WORDS = WINDOW // _WORD_BITS
_FIRST_BIT = np.arange(WORDS, dtype=np.int64) * _WORD_BITS


class SeenNumbers:
    """`words`: shape (slots, WORDS), u8; bit b of word w is the place w * 64 + b."""

    def __init__(self, words: NDArray[np.uint64]) -> None:
        self.words = words

    @classmethod
    def none(cls, slots: int) -> "SeenNumbers":
        return cls(np.zeros((slots, WORDS), np.uint64))

    def came(self, slot: NDArray[np.int32], number: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each number came. It must be one of its device's window: another may share its place."""
        word, bit = _place(number)
        came: NDArray[np.bool_] = (self.words[slot, word] >> bit & np.uint64(1)).astype(np.bool_)
        return came

    def note(self, slot: NDArray[np.int32], number: NDArray[np.int64]) -> None:
        """These numbers of the windows came."""
        word, bit = _place(number)
        np.bitwise_or.at(self.words.reshape(-1), slot * np.int64(WORDS) + word, np.uint64(1) << bit)

    def move_on(self, slot: NDArray[np.int32], highest: NDArray[np.int64], by: NDArray[np.int64]) -> None:
        """Empty the places of the numbers after `highest` (not below -1) up to `highest + by`; all where `by` is
        WINDOW or more. Each slot at most once."""
        self.words[slot[by >= WINDOW]] = 0
        few = np.flatnonzero((by > 0) & (by <= _WORD_BITS))
        if len(few):
            self._empty_few(slot[few], highest[few] + 1, by[few])
        many = np.flatnonzero((by > _WORD_BITS) & (by < WINDOW))
        if len(many):
            self.words[slot[many]] &= ~_places(highest[many] + 1, by[many])

    def _empty_few(self, slot: NDArray[np.int32], first: NDArray[np.int64], count: NDArray[np.int64]) -> None:
        """The usual step, a word's worth at most, lies in two words."""
        word, bit = _place(first)
        run = _lowest(count)
        self.words[slot, word] &= ~(run << bit)
        self.words[slot, (word + 1) % WORDS] &= ~(run >> np.uint64(1) >> (np.uint64(_WORD_BITS - 1) - bit))

    def run_from(self, slot: NDArray[np.int32], number: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many numbers without a gap came from `number` on, at most WINDOW; all of them places of the window."""
        run = np.zeros(len(slot), np.int64)
        going = np.arange(len(slot))
        for _ in range(WORDS + 1):
            word, bit = _place(number[going] + run[going])
            ahead = self.words[slot[going], word] >> bit
            ones = np.bitwise_count(ahead & ~(ahead + np.uint64(1))).astype(np.int64)
            run[going] += ones
            going = going[ones == _WORD_BITS - bit.astype(np.int64)]  # up to the word's end: the next one goes on
            if not len(going):
                break
        return np.minimum(run, WINDOW)

    def many(self, slot: NDArray[np.int32], first: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many of `count` numbers (at most WINDOW) from `first` on came."""
        inside = np.where((count >= WINDOW)[:, None], ~np.uint64(0), _places(first, np.minimum(count, WINDOW - 1)))
        counted: NDArray[np.int64] = np.bitwise_count(self.words[slot] & inside).sum(axis=1, dtype=np.int64)
        return counted

    def of(self, slot: int) -> int:
        """One device's places as one integer: bit n % WINDOW."""
        return int.from_bytes(self.words[slot].astype("<u8").tobytes(), "little")

    def put(self, slot: int, seen: int) -> None:
        self.words[slot] = np.frombuffer(seen.to_bytes(WINDOW // 8, "little"), "<u8")


def _place(number: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """(word, bit in it)."""
    return number // _WORD_BITS % WORDS, (number % _WORD_BITS).astype(np.uint64)


def _places(first: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The places of `count` numbers (fewer than WINDOW) from `first` on, each of shape (n,), as (n, WORDS)."""
    # How far behind the first place a word begins, round the window; the run may come round into that word's end.
    behind = (_FIRST_BIT - first[:, None] % WINDOW) % WINDOW
    count = count[:, None]
    return _lowest(count - behind) | _lowest(count - behind + WINDOW) & ~_lowest(WINDOW - behind)


def _lowest(bits: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Words with so many lowest bits set; none for 0 and less, all for 64 and more."""
    some = np.clip(bits, 1, _WORD_BITS)
    full = np.uint64(0xFFFF_FFFF_FFFF_FFFF) >> (_WORD_BITS - some).astype(np.uint64)
    lowest: NDArray[np.uint64] = np.where(bits > 0, full, np.uint64(0))
    return lowest
