"""Where valves were seen to stand, taken in the order of the readings, as late as somebody asks.

Watched valves are looked at one by one, and so is every reading of a valve that sleeps: it is awake. All others only
stand where they were seen last.
"""

import numpy as np
from numpy.typing import NDArray

from devices.quantities import ValvePosition
from rules import interlock
from rules.alarms import Out
from rules.notable import Piece
from rules.state import State


class Places:
    """Of the rows of one time, until all of them are taken."""

    def __init__(self, state: State, piece: Piece, span: tuple[int, int]) -> None:
        """span: [from, to), the rows received at that time."""
        begin, end = np.searchsorted(piece.places, span)
        self.state, self.piece = state, piece
        self._rows = piece.places[begin:end]
        self._taken = 0

    def moving(self) -> NDArray[np.intp]:
        """Those of which more may follow than that a valve stands somewhere."""
        return self._rows[self._one_by_one(self._rows)]

    def _one_by_one(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        slots = self.piece.slots[rows]
        found: NDArray[np.bool_] = self.state.watched[slots] | self.state.sleeps[slots]
        return found

    def until(self, out: Out, row: int, at: int) -> None:
        """Take the rows before this one. What other rows brought about before them was applied."""
        rows = self._rows[self._taken :]
        if not len(rows) or rows[0] >= row:
            return
        rows = rows[: int(np.searchsorted(rows, row))]
        self._taken += len(rows)
        state, piece = self.state, self.piece
        if not self._one_by_one(rows).any():
            state.position[piece.slots[rows]] = piece.rows["valve"][rows]
            return
        for one in rows.tolist():
            slot, position = int(piece.slots[one]), ValvePosition(int(piece.rows["valve"][one]))
            if state.watched[slot] or state.sleeps[slot]:
                measured, late = int(piece.rows["ts"][one]), bool(piece.late[one])
                interlock.heard(state, out, slot, position, at, measured=measured, late=late)
            else:
                state.position[slot] = position
