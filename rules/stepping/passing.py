"""The rows of a stretch of time, passed in their order: what they say of where valves stand and of who was heard, and
the timers that what they brought about makes due between them.

Watched valves are looked at one by one, and so is every reading of a valve that sleeps: it is awake. All others only
stand where they were seen last.
"""

import numpy as np
from numpy.typing import NDArray

from devices.quantities import ValvePosition
from rules.interlock import interlock
from rules.life.alarms import Out
from rules.stepping.firing import fire
from rules.stepping.notable import Piece
from rules.stepping.state import State


class Passing:
    """Of rows [from, to) of a piece, until all of them are passed. Nothing else was due when the first was received."""

    def __init__(self, state: State, out: Out, piece: Piece, span: tuple[int, int]) -> None:
        self._state, self._out, self._piece = state, out, piece
        self._places, self._away = (rows[slice(*np.searchsorted(rows, span))] for rows in (piece.places, piece.away))
        self._now = int(piece.received[span[0]])
        self._end = span[1]

    def moving(self) -> NDArray[np.intp]:
        """Those of which more may follow than that a valve stands somewhere."""
        return self._places[self._one_by_one(self._places)]

    def _one_by_one(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        slots = self._piece.slots[rows]
        found: NDArray[np.bool_] = self._state.watched[slots] | self._state.sleeps[slots]
        return found

    def reach(self, row: int) -> int:
        """Pass the rows up to and with this one; something of it is applied next. When it was received."""
        at = int(self._piece.received[row])
        if at > self._now:
            self._be(at)
        self._pass(row + 1)
        return at

    def finish(self, row: int) -> None:
        """Pass the rows before this one."""
        self._pass(row)

    def _be(self, at: int) -> None:
        """Time passes: what came due by then through what was applied, before the rows of that time."""
        self._pass(int(np.searchsorted(self._piece.received[: self._end], at)))
        self._now = at
        fire(self._state, self._out, at)

    def _pass(self, row: int) -> None:
        while len(self._places) and self._places[0] < row:
            some = self._places[: int(np.searchsorted(self._places, row))]
            one_by_one = some[self._one_by_one(some)]
            if not len(one_by_one):
                break
            self._pass_plain(int(one_by_one[0]))
            self._look(int(one_by_one[0]))
        self._pass_plain(row)

    def _pass_plain(self, row: int) -> None:
        state, piece = self._state, self._piece
        if len(self._places) and self._places[0] < row:
            some = self._places[: int(np.searchsorted(self._places, row))]
            state.position[piece.slots[some]] = piece.valve[some]
            self._places = self._places[len(some) :]
        if len(self._away) and self._away[0] < row:
            some = self._away[: int(np.searchsorted(self._away, row))]
            state.heard[piece.slots[some]] = piece.received[some]
            self._away = self._away[len(some) :]

    def _look(self, row: int) -> None:
        """At a valve that is watched, or sleeps; it may not be any more, when something else comes first."""
        state, piece, at = self._state, self._piece, int(self._piece.received[row])
        if at > self._now:
            self._now = at
            fire(state, self._out, at)
        self._places = self._places[1:]
        slot, position = int(piece.slots[row]), ValvePosition(int(piece.valve[row]))
        if state.watched[slot] or state.sleeps[slot]:
            measured, late = int(piece.rows["ts"][row]), bool(piece.late[row])
            interlock.heard(state, self._out, slot, position, at, measured=measured, late=late)
        else:
            state.position[slot] = position
