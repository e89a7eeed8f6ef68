"""Alarm events in columns, as the figures of an alarm system's health need them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rules.decisions import AlarmChanged, AlarmRaised, AlarmState, Change

#: The word of an alarm's first step; the others are those of Change.
RAISED = "raised"
#: What is known of the condition after such a step. A late alarm is raised as one that has returned already.
_COMES = (RAISED, Change.REALARMED)
_GOES = (Change.RETURNED, Change.REMOVED)
#: After these an alarm may stand in people's list that did not stand there before.
_NEW = (RAISED, Change.REALARMED, Change.UNSHELVED, Change.UNSUPPRESSED, Change.IN_SERVICE, Change.TRIED)
_ASKS = (AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED_UNACKNOWLEDGED, AlarmState.LATCHED_UNACKNOWLEDGED)


@dataclass(frozen=True, slots=True)
class AlarmEvents:
    """Alarm events in columns, each of shape (n,), in any order; those of one time in the order they were decided.

    at: i8, microseconds UTC, when it was decided. queue, source: i4, the desk it belongs to and what it came from (one
    rule at one device), as indices in `queues` and `sources`. priority: u1, Priority. active: bool, the condition is
    present after it. shown: bool, with it something that asks for a person came into the list."""

    at: NDArray[np.int64]
    queue: NDArray[np.int32]
    source: NDArray[np.int32]
    priority: NDArray[np.uint8]
    active: NDArray[np.bool_]
    shown: NDArray[np.bool_]
    queues: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AlarmWords:
    """Every step of alarms as it was told, in columns of shape (n,): change: i4, index in `changes` (RAISED, or a word
    of Change); state: u1, the AlarmState that is shown after it; trial: bool. The rest as in AlarmEvents."""

    at: NDArray[np.int64]
    queue: NDArray[np.int32]
    source: NDArray[np.int32]
    priority: NDArray[np.uint8]
    change: NDArray[np.int32]
    state: NDArray[np.uint8]
    trial: NDArray[np.bool_]
    queues: tuple[str, ...]
    sources: tuple[str, ...]
    changes: tuple[str, ...]


def asks_for_a_person(one: AlarmRaised | AlarmChanged) -> bool:
    """With this decision something that asks for a person came into people's list; as `shown` of AlarmEvents."""
    word = RAISED if isinstance(one, AlarmRaised) else one.change
    return word in _NEW and one.state in _ASKS and not one.trial


def events_of(told: AlarmWords) -> AlarmEvents:
    """The steps that say whether a condition is present, or bring something into people's list; acknowledgements and
    the like do neither. What is tried stands in nobody's list and is left out."""
    comes, goes, new = (_among(told, words) for words in (_COMES, _GOES, _NEW))
    late = comes & (told.state == AlarmState.RETURNED_UNACKNOWLEDGED)
    shown = new & np.isin(told.state, [int(state) for state in _ASKS])
    known = (comes | goes | shown) & ~told.trial
    active = comes & ~late
    unhidden = shown & ~comes
    active |= unhidden & (told.state == AlarmState.UNACKNOWLEDGED)
    return AlarmEvents(
        at=told.at[known],
        queue=told.queue[known],
        source=told.source[known],
        priority=told.priority[known],
        active=active[known],
        shown=shown[known],
        queues=told.queues,
        sources=told.sources,
    )


def _among(told: AlarmWords, words: tuple[str, ...]) -> NDArray[np.bool_]:
    """Which steps are one of these."""
    says = np.array([word in words for word in told.changes], np.bool_)
    found: NDArray[np.bool_] = says[told.change] if len(told.changes) else np.zeros(len(told.at), np.bool_)
    return found
