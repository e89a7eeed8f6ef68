"""History through the engine's own `step`, with what valves and people do in it, exactly in the order of times.

P0  A device that was not heard yet is not silent: its silence counts from its first reading on, or from when it is
    known to have been heard before (`heard`).
    With `absences`, a time in which nobody at all was heard, of LEAST_HEARD devices or more and longer than the silence
    of most of them, is Davy's own absence and nobody's silence, as it is when an engine comes back (Resumed).
P1  Nothing is stepped at once that could decide something that is answered within it (backtest_world W1). So what is
    found does not depend on how history is cut.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from devices.readings import Batch, Rows, blank
from rules.decisions import Decision
from rules.evaluation.selection import SILENT_INTERVALS
from rules.history.backtest_world import World
from rules.life import silence
from rules.stepping.state import State
from rules.stepping.step import step

#: "Not heard yet", later than any history and far from the end of 64 bits.
FAR = 1 << 61
#: Of fewer devices it is not known who was away: one home may lose its power. Source: product choice.
LEAST_HEARD = 5
#: Readings of one step, at most: more would only need more memory.
MOST_ROWS = 65_536


class Replay:
    """One state on its way through history. `told` hears every decision. `heard`: by slot, when it was last heard
    before history begins."""

    def __init__(
        self,
        state: State,
        world: World,
        told: Callable[[Sequence[Decision]], None],
        heard: Mapping[int, int] | None = None,
        *,
        absences: bool = False,
    ) -> None:
        self.state, self._world, self._told = state, world, told
        self._unheard = np.ones(len(state.heard), np.bool_)
        state.heard[:] = FAR
        for slot, us in (heard or {}).items():
            state.heard[slot], self._unheard[slot] = us, False
        silence.remind_all(state)
        state.valves_speak = False
        self._absences, self._newest = absences, FAR
        interval_us = state.fleet.interval_us
        self._least_us = SILENT_INTERVALS * int(interval_us.min(initial=FAR, where=state.fleet.present))

    def advance(self, rows: Rows, slots: NDArray[np.int32], valve: NDArray[np.int16] | None = None) -> None:
        """Readings in the order of `received`, shape (n,), of registered devices; none before what came already. valve:
        see step."""
        received = np.ascontiguousarray(rows["received"])
        self._first_heard(slots, received)
        at = 0
        later = np.flatnonzero(np.diff(received) > self._least_us) + 1 if self._absences else np.zeros(0, np.intp)
        ends = [*later.tolist(), len(rows)]
        while at < len(rows):
            self._absence(int(received[at]))
            if at == ends[0]:
                ends.pop(0)
            end = self._safe_end(int(received[at]))
            upto = min(int(np.searchsorted(received, end, "left")), at + MOST_ROWS, ends[0])
            if upto == at:
                self._step(blank(0), np.zeros(0, np.int32), end - 1)
                continue
            said = None if valve is None else valve[at:upto]
            self._newest = int(received[upto - 1])
            self._step(rows[at:upto], slots[at:upto], self._newest, said)
            at = upto

    def _absence(self, until: int) -> None:
        """P0: nobody was heard from the newest reading on until now."""
        away_us, state = until - self._newest, self.state
        if not self._absences or away_us <= self._least_us:
            return
        heard = state.fleet.present & (state.heard <= self._newest)
        interval_us = state.fleet.interval_us[heard]
        if len(interval_us) < LEAST_HEARD or away_us <= SILENT_INTERVALS * np.median(interval_us):
            return
        state.heard = np.where(heard, np.minimum(state.heard + away_us, until), state.heard)
        state.deaf_until = self._newest = until
        silence.remind_all(state)

    def _first_heard(self, slots: NDArray[np.int32], received: NDArray[np.int64]) -> None:
        """P0, for the devices of these rows."""
        new = np.flatnonzero(self._unheard[slots])
        if len(new):
            devices, first = np.unique(slots[new], return_index=True)
            self._unheard[devices] = False
            self.state.heard[devices] = received[new[first]]
            silence.remind_all(self.state)

    def until(self, now: int) -> None:
        """To this time, without readings."""
        self._absence(now)
        while self.state.now < now or self._world.next_at <= now:
            self._step(blank(0), np.zeros(0, np.int32), min(now, self._safe_end(now) - 1))

    def _safe_end(self, to: int) -> int:
        """Up to here (exclusive) nothing that is decided from now on can be answered."""
        begins = max(self.state.now, min(to, self._world.next_at, self.state.next_deadline))
        return begins + self._world.soonest_us

    def _step(self, rows: Rows, slots: NDArray[np.int32], now: int, valve: NDArray[np.int16] | None = None) -> None:
        made = step(self.state, Batch(rows, slots), self._world.due(now), now, valve)
        self._world.follow(made)
        self._told(made)
