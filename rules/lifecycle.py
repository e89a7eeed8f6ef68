"""The alarm life cycle of ISA-18.2 / IEC 62682 as one table.

Shelved, suppressed and out of service stand in the table so that later instructions only add rows; the condition of
such an alarm is tracked meanwhile, and on return the alarm shows its true state.
"""

from enum import IntEnum

import numpy as np

from rules.decisions import AlarmState as S


class Happening(IntEnum):
    """What can happen to an alarm. RETURN_LATCHED is the return of a rule that latches."""

    CONDITION = 0
    RETURN = 1
    RETURN_LATCHED = 2
    ACKNOWLEDGE = 3
    RESET = 4


#: (state, happening) -> next state. A pair that is not here changes nothing: the instruction is refused, the reading
#: tells nothing new. Source: ISA-18.2 alarm state diagram; latching and reset as in OPC UA Part 9.
TRANSITIONS: dict[tuple[S, Happening], S] = {
    (S.NORMAL, Happening.CONDITION): S.UNACKNOWLEDGED,
    (S.UNACKNOWLEDGED, Happening.ACKNOWLEDGE): S.ACKNOWLEDGED,
    (S.UNACKNOWLEDGED, Happening.RETURN): S.RETURNED_UNACKNOWLEDGED,
    (S.UNACKNOWLEDGED, Happening.RETURN_LATCHED): S.LATCHED_UNACKNOWLEDGED,
    (S.ACKNOWLEDGED, Happening.RETURN): S.NORMAL,
    (S.ACKNOWLEDGED, Happening.RETURN_LATCHED): S.LATCHED_ACKNOWLEDGED,
    (S.RETURNED_UNACKNOWLEDGED, Happening.ACKNOWLEDGE): S.NORMAL,
    (S.RETURNED_UNACKNOWLEDGED, Happening.CONDITION): S.UNACKNOWLEDGED,
    (S.LATCHED_UNACKNOWLEDGED, Happening.ACKNOWLEDGE): S.LATCHED_ACKNOWLEDGED,
    (S.LATCHED_UNACKNOWLEDGED, Happening.CONDITION): S.UNACKNOWLEDGED,
    (S.LATCHED_ACKNOWLEDGED, Happening.CONDITION): S.UNACKNOWLEDGED,
    (S.LATCHED_ACKNOWLEDGED, Happening.RESET): S.NORMAL,
}

#: The condition is present.
ACTIVE = (S.UNACKNOWLEDGED, S.ACKNOWLEDGED)


def after(state: S, happening: Happening) -> S:
    """The next state; the same one when the table has no such transition."""
    return TRANSITIONS.get((state, happening), state)


def _as_array() -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    table = np.empty((len(S), len(Happening)), np.uint8)
    for state in S:
        for happening in Happening:
            table[state, happening] = after(state, happening)
    return table


#: The same table for arrays: NEXT[states, happening], shape (states, happenings), u1.
NEXT = _as_array()
#: IS_ACTIVE[states], shape (states,), bool.
IS_ACTIVE = np.array([state in ACTIVE for state in S], np.bool_)
