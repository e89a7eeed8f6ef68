"""The rows of a batch that have to be taken in their time, and how far that has come."""

import numpy as np
from numpy.typing import NDArray

from rules.life.alarms import Out
from rules.stepping.judge import asks_of_others, judge
from rules.stepping.notable import Piece
from rules.stepping.state import NEVER, State


class Todo:
    """next_at: when the next of them were received; NEVER: there is none left."""

    def __init__(self, state: State, piece: Piece, received: NDArray[np.int64]) -> None:
        self._state, self._piece, self._received = state, piece, received
        self._rows = np.flatnonzero(piece.taken)
        self._several = bool(received[0] != received[-1])
        self._valves: NDArray[np.int32] | None = None
        self._stood: NDArray[np.int16] = np.empty(0, np.int16)
        self._followed: NDArray[np.bool_] = np.empty(0, np.bool_)
        self.next_at = NEVER
        if not self._several and (len(self._rows) or len(piece.places)):
            self.next_at = int(received[0])
        elif len(self._rows):
            self.next_at = int(received[self._rows[0]])

    def take(self, out: Out, until: int) -> None:
        """All of the next time, and what follows before `until`, when something else is due, as far as it may be judged
        together (judge)."""
        begin = int(np.searchsorted(self._received, self.next_at)) if self._several else 0
        for end in (min(until, self.next_at + self._state.deadlines.soonest_us), self.next_at + 1):
            span = (begin, int(np.searchsorted(self._received, end)))
            mine = self._rows[: int(np.searchsorted(self._rows, span[1]))]
            if end == self.next_at + 1 or not asks_of_others(self._state, self._piece, mine, span):
                break
        said, self._rows = len(out), self._rows[len(mine) :]
        judge(self._state, out, self._piece, mine, span)
        self.next_at = int(self._received[self._rows[0]]) if len(self._rows) else NEVER
        if len(out) > said:
            self._follow(span[1])

    def follow(self, at: int, moved: bool) -> None:
        """Something happened at `at`, before the readings of that time, and may have `moved` something."""
        if moved and self._several:
            self._follow(int(np.searchsorted(self._received, at)))

    def _follow(self, row: int) -> None:
        """Rows from here on of valves that are watched from now on, or that stand elsewhere since an event (a reply, a
        permit that forgets where they stood), must be taken too. (Of those of which the piece itself says that they are
        watched or move all are.)"""
        if not self._several:
            return
        piece, state = self._piece, self._state
        if self._valves is None:
            plain = piece.places[~piece.taken[piece.places]]
            self._valves, first = np.unique(piece.slots[plain], return_index=True)
            self._stood = piece.valve[plain[first]]
            self._followed = np.zeros(len(self._valves), np.bool_)
        follow = state.watched[self._valves] | (state.position[self._valves] != self._stood)
        fresh = self._valves[follow & ~self._followed]
        if len(fresh):
            self._followed |= follow
            rows = piece.places[piece.places >= row]
            rows = rows[np.isin(piece.slots[rows], fresh)]
            self._rows = np.union1d(self._rows, rows)
            self.next_at = int(self._received[self._rows[0]]) if len(self._rows) else NEVER
