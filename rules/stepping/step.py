"""One step of the rule engine: events, readings and timers in the order of their times; decisions out.

Pure save for the state it advances: no clock, no randomness, no I/O. Any split of the same inputs into steps, with or
without empty steps between, gives the same decisions: inputs are taken in the order of their times, and every timer
that is due by then fires first, at its own deadline (G5).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from devices.quantities import ValvePosition
from devices.readings import Batch, Rows
from rules.decisions import Decision
from rules.events import (
    AttemptAcknowledged,
    AttemptFailed,
    AttemptSent,
    Connected,
    Event,
    LinkDown,
    LinkUp,
    Listening,
    Paused,
    ReadingsComplete,
    ReadingsMissing,
    RegistryChanged,
    Replied,
    Restored,
    Resumed,
    RulesChanged,
    SessionLost,
)
from rules.interlock import attempts, budget, interlock, sleeping, wanting
from rules.life import silence, way_in
from rules.life.alarms import Out
from rules.stepping import instructed
from rules.stepping.firing import fire
from rules.stepping.notable import look
from rules.stepping.state import NEVER, State
from rules.stepping.todo import Todo

#: What bears on everybody: readings before and after are not taken together.
_OF_EVERYBODY = (Resumed, Paused, Listening, Restored)


class _Said(NamedTuple):
    """Readings, and of each its slot, when it was received and, unless it is None, what it says of a valve."""

    rows: Rows
    slots: NDArray[np.int32]
    received: NDArray[np.int64]
    valve: NDArray[np.int16] | None

    def some(self, at: slice | NDArray[np.intp]) -> "_Said":
        valve = None if self.valve is None else self.valve[at]
        return _Said(self.rows[at], self.slots[at], self.received[at], valve)


def step(
    state: State, batch: Batch, events: Sequence[Event], now: int, valve: NDArray[np.int16] | None = None
) -> list[Decision]:
    """Advance `state` by one batch (rows in order of arrival) and these events; `now` is not before any of them.
    RegistryChanged and RulesChanged were applied by `reshape` before; they are passed over. valve: shape (n,): what the
    rows are taken to say of positions, where that is not what they say."""
    out: Out = []
    said = _Said(batch.rows, batch.slots, np.ascontiguousarray(batch.rows["received"]), valve)
    received = said.received
    if len(received) and (received[1:] < received[:-1]).any():
        said = said.some(np.argsort(received, kind="stable"))
    told: dict[int, list[Event]] = {}
    for event in sorted(events, key=lambda one: one.at):
        told.setdefault(event.at, []).append(event)
    begin = 0
    for at in [at for at, heard in told.items() if any(isinstance(event, _OF_EVERYBODY) for event in heard)]:
        end = int(np.searchsorted(said.received, at))
        _advance(state, out, said.some(slice(begin, end)), {t: told.pop(t) for t in list(told) if t < at})
        _away(state, out, told[at], at)
        begin = end
    _advance(state, out, said.some(slice(begin, None)), told)
    fire(state, out, now)
    silence.look_ahead(state, now)
    state.now = now
    return out


def _advance(state: State, out: Out, said: _Said, told: dict[int, list[Event]]) -> None:
    """Readings in the order in which they were received, and events by their time, none of everybody's but first."""
    times = list(told)
    received = said.received
    begins = int(received[0]) if len(received) else NEVER
    while times and times[0] <= begins:
        _events(state, out, told, times.pop(0))
    if not len(received):
        return
    fire(state, out, begins)
    todo = Todo(state, look(state, said.rows, said.slots, received, said.valve), received)
    last = max(int(received[-1]), times[-1] if times else 0)
    while True:
        event_at = times[0] if times else NEVER
        row_at, due = todo.next_at, state.next_due
        if min(due, event_at, row_at) > last:
            return
        if due <= min(event_at, row_at):
            before = len(out)
            fire(state, out, due)
            todo.follow(due, len(out) > before)
        elif event_at <= row_at:
            _events(state, out, told, times[0])
            todo.follow(times.pop(0), True)
        else:
            todo.take(out, min(due, event_at))


def _away(state: State, out: Out, told: Sequence[Event], at: int) -> None:
    """What was due before the engine went away is fired. Then everybody's silence starts later by its absence, before
    any silence of that time can be found; and what else came due meanwhile happens now, once, not as it might have
    happened: a day's absence must not send a day's attempts. After a restore from a copy nothing happens before what is
    only remembered has been put aside."""
    back = [event.least_epoch for event in told if isinstance(event, Restored)]
    if back:
        budget.restored(state, out, at, max(back))
    away_us = sum(event.down_us for event in told if isinstance(event, Resumed))
    deaf_us = away_us
    if away_us:
        fire(state, out, at - away_us)
    if state.paused_since and any(isinstance(event, Listening | Resumed) for event in told):
        deaf_us, state.paused_since = at - state.paused_since, 0
        silence.remind_all(state)
    if deaf_us:
        state.deaf_until = at
        state.heard = np.minimum(state.heard + deaf_us, at)  # nobody is heard in the future
        silence.remind_all(state)
        wanting.remind_unseen(state)
    if away_us:
        fire(state, out, at, back=at)


def _events(state: State, out: Out, told: dict[int, list[Event]], at: int) -> None:
    fire(state, out, at)
    for event in told[at]:
        _event(state, out, event)


def _event(state: State, out: Out, event: Event) -> None:
    match event:
        case Connected():
            interlock.reachable(state, out, event.device_no, event.at)
        case AttemptSent():
            attempts.sent(state, out, event.command, event.at)
        case AttemptFailed():
            attempts.failed(state, out, event.command, event.reason, event.at)
        case AttemptAcknowledged():
            interlock.acknowledged(state, out, event.command, event.at)
        case Replied():
            position = ValvePosition(event.valve)
            interlock.replied(state, out, event.command, event.device_no, position, event.at)
        case Paused():
            state.paused_since = state.paused_since or event.at
        case Resumed():
            sleeping.follow_all(state, out, event.at)
            attempts.resumed(state, out, event.at)
        case Listening():
            sleeping.follow_all(state, out, event.at)
        case LinkDown() | LinkUp() | SessionLost() | ReadingsMissing() | ReadingsComplete():
            way_in.told(state, out, event)
        case Restored() | RegistryChanged() | RulesChanged():
            pass
        case _:
            instructed.instruct(state, out, event)
