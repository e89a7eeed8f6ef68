"""The alarm life cycle of ISA-18.2 / IEC 62682 as one table.

L1  An alarm is two things: its true state, which follows the condition and what people say of it, and what hides it
    from their list. Neither changes the other: a hidden alarm goes through the same true states as one that is not.
L2  What is shown is the true state, or, while the alarm is not NORMAL and something hides it, the first of out of
    service, shelved, suppressed that does. One that is NORMAL has nothing to hide.
L3  Everything that can happen to a true state is either a row of TRANSITIONS or refused by a sentence of its own, and
    so is everything that can happen to what hides: a row of HIDING, or a sentence. The tests count them.
"""

from enum import IntEnum, IntFlag

import numpy as np

from rules.decisions import AlarmState as S


class Happening(IntEnum):
    """What can happen to an alarm. RETURN_LATCHED is the return of a rule that latches."""

    CONDITION = 0
    RETURN = 1
    RETURN_LATCHED = 2
    ACKNOWLEDGE = 3
    RESET = 4
    SHELVE = 5
    UNSHELVE = 6
    SUPPRESS = 7
    UNSUPPRESS = 8
    TAKE_OUT_OF_SERVICE = 9
    RETURN_TO_SERVICE = 10


class Hiding(IntFlag):
    """What hides an alarm. They do not exclude each other: each ends for its own reason."""

    NOTHING = 0
    SHELVED = 1
    SUPPRESSED = 2
    OUT_OF_SERVICE = 4


_H = Happening

#: What an alarm truly is; the other states only hide one of these.
TRUE_STATES = (
    S.NORMAL,
    S.UNACKNOWLEDGED,
    S.ACKNOWLEDGED,
    S.RETURNED_UNACKNOWLEDGED,
    S.LATCHED_UNACKNOWLEDGED,
    S.LATCHED_ACKNOWLEDGED,
)
#: What the condition and people's words about it do; the rest is hiding.
OF_THE_TRUE_STATE = (_H.CONDITION, _H.RETURN, _H.RETURN_LATCHED, _H.ACKNOWLEDGE, _H.RESET)

#: (true state, happening) -> next true state. Source: ISA-18.2 alarm state diagram; latching and reset as in OPC UA
#: Part 9. A returned alarm whose rule latches since an edit stays returned.
TRANSITIONS: dict[tuple[S, Happening], S] = {
    (S.NORMAL, _H.CONDITION): S.UNACKNOWLEDGED,
    (S.UNACKNOWLEDGED, _H.ACKNOWLEDGE): S.ACKNOWLEDGED,
    (S.UNACKNOWLEDGED, _H.RETURN): S.RETURNED_UNACKNOWLEDGED,
    (S.UNACKNOWLEDGED, _H.RETURN_LATCHED): S.LATCHED_UNACKNOWLEDGED,
    (S.ACKNOWLEDGED, _H.RETURN): S.NORMAL,
    (S.ACKNOWLEDGED, _H.RETURN_LATCHED): S.LATCHED_ACKNOWLEDGED,
    (S.RETURNED_UNACKNOWLEDGED, _H.ACKNOWLEDGE): S.NORMAL,
    (S.RETURNED_UNACKNOWLEDGED, _H.CONDITION): S.UNACKNOWLEDGED,
    (S.LATCHED_UNACKNOWLEDGED, _H.ACKNOWLEDGE): S.LATCHED_ACKNOWLEDGED,
    (S.LATCHED_UNACKNOWLEDGED, _H.CONDITION): S.UNACKNOWLEDGED,
    (S.LATCHED_ACKNOWLEDGED, _H.CONDITION): S.UNACKNOWLEDGED,
    (S.LATCHED_ACKNOWLEDGED, _H.RESET): S.NORMAL,
}

#: (what hides already, of the one that it is about; happening) -> what hides then, of that one. Source: ISA-18.2,
#: shelving, suppression by design and removal from service; OPC UA Part 9: such an alarm keeps functioning.
HIDING: dict[tuple[Hiding, Happening], Hiding] = {
    (Hiding.NOTHING, _H.SHELVE): Hiding.SHELVED,
    (Hiding.SHELVED, _H.UNSHELVE): Hiding.NOTHING,
    (Hiding.NOTHING, _H.SUPPRESS): Hiding.SUPPRESSED,
    (Hiding.SUPPRESSED, _H.UNSUPPRESS): Hiding.NOTHING,
    (Hiding.NOTHING, _H.TAKE_OUT_OF_SERVICE): Hiding.OUT_OF_SERVICE,
    (Hiding.OUT_OF_SERVICE, _H.RETURN_TO_SERVICE): Hiding.NOTHING,
}
#: Which of them each happening is about.
ABOUT: dict[Happening, Hiding] = {happening: before | after for (before, happening), after in HIDING.items()}

#: What hides first, when several do, and how that is shown (L2).
PRECEDENCE = (
    (Hiding.OUT_OF_SERVICE, S.OUT_OF_SERVICE),
    (Hiding.SHELVED, S.SHELVED),
    (Hiding.SUPPRESSED, S.SUPPRESSED),
)

_PRESENT = "its condition is present already"
_GONE = "its condition is gone already"
#: Why what is no row of TRANSITIONS changes nothing.
REFUSED: dict[tuple[S, Happening], str] = {
    (S.NORMAL, _H.RETURN): "there is no alarm: its condition was not present",
    (S.NORMAL, _H.RETURN_LATCHED): "there is no alarm to latch: its condition was not present",
    (S.NORMAL, _H.ACKNOWLEDGE): "there is no alarm to acknowledge",
    (S.NORMAL, _H.RESET): "there is no alarm to reset",
    (S.UNACKNOWLEDGED, _H.CONDITION): f"{_PRESENT}, and nobody has acknowledged it",
    (S.UNACKNOWLEDGED, _H.RESET): "its condition is still present, and nobody has acknowledged it",
    (S.ACKNOWLEDGED, _H.CONDITION): f"{_PRESENT}, and it is acknowledged",
    (S.ACKNOWLEDGED, _H.ACKNOWLEDGE): "it is acknowledged already",
    (S.ACKNOWLEDGED, _H.RESET): "its condition is still present",
    (S.RETURNED_UNACKNOWLEDGED, _H.RETURN): f"{_GONE}; it waits to be acknowledged",
    (
        S.RETURNED_UNACKNOWLEDGED,
        _H.RETURN_LATCHED,
    ): f"{_GONE}, from before its rule latched; it waits to be acknowledged",
    (S.RETURNED_UNACKNOWLEDGED, _H.RESET): "it does not latch; acknowledging ends it",
    (S.LATCHED_UNACKNOWLEDGED, _H.RETURN): f"{_GONE}; it latched, and waits to be acknowledged and reset",
    (S.LATCHED_UNACKNOWLEDGED, _H.RETURN_LATCHED): f"{_GONE}; it is latched, and waits to be acknowledged and reset",
    (S.LATCHED_UNACKNOWLEDGED, _H.RESET): "acknowledge it first",
    (S.LATCHED_ACKNOWLEDGED, _H.RETURN): f"{_GONE}; it latched, and waits to be reset",
    (S.LATCHED_ACKNOWLEDGED, _H.RETURN_LATCHED): f"{_GONE}; it is latched, and waits to be reset",
    (S.LATCHED_ACKNOWLEDGED, _H.ACKNOWLEDGE): "it is acknowledged already; reset it when it is safe",
}
#: Why what is no row of HIDING changes nothing.
NOT_HIDING: dict[tuple[Hiding, Happening], str] = {
    (Hiding.SHELVED, _H.SHELVE): "it is shelved already",
    (Hiding.NOTHING, _H.UNSHELVE): "it is not shelved",
    (Hiding.SUPPRESSED, _H.SUPPRESS): "it is suppressed already",
    (Hiding.NOTHING, _H.UNSUPPRESS): "it is not suppressed",
    (Hiding.OUT_OF_SERVICE, _H.TAKE_OUT_OF_SERVICE): "it is out of service already",
    (Hiding.NOTHING, _H.RETURN_TO_SERVICE): "it is in service",
}

#: The condition is present.
ACTIVE = (S.UNACKNOWLEDGED, S.ACKNOWLEDGED)


def after(state: S, happening: Happening) -> S:
    """The next true state; the same one when the table has no such transition (REFUSED says why)."""
    return TRANSITIONS.get((state, happening), state)


def hidden_after(hiding: Hiding, happening: Happening) -> Hiding:
    """What hides then; the same when the table has no such transition (NOT_HIDING says why)."""
    about = ABOUT[happening]
    return hiding & ~about | HIDING.get((hiding & about, happening), hiding & about)


def shown(state: S, hiding: Hiding) -> S:
    """What people see of an alarm that is truly in `state` (L2)."""
    if state is S.NORMAL:
        return state
    return next((instead for one, instead in PRECEDENCE if one in hiding), state)


def _as_array() -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    table = np.empty((len(S), len(OF_THE_TRUE_STATE)), np.uint8)
    for state in S:
        for happening in OF_THE_TRUE_STATE:
            table[state, happening] = after(state, happening)
    return table


#: TRANSITIONS for arrays: NEXT[true states, happenings], shape (states, 5), u1.
NEXT = _as_array()
#: IS_ACTIVE[true states], shape (states,), bool.
IS_ACTIVE = np.array([state in ACTIVE for state in S], np.bool_)
#: The condition is gone and a person has not reset it, shape (states,), bool.
IS_LATCHED = np.array([state in (S.LATCHED_UNACKNOWLEDGED, S.LATCHED_ACKNOWLEDGED) for state in S], np.bool_)
#: Of a true state: the condition is there, or nobody has acknowledged or reset it yet; its valves must not be open.
#: Source: reopening is manual, after the cause is gone (GB 50028-2006 (2020) 10.8.4); that somebody must have seen the
#: alarm: product choice.
FORBIDS_OPEN = np.array([state in TRUE_STATES and state is not S.NORMAL for state in S], np.bool_)
