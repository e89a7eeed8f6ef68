"""Readings against rules, as many at once as nothing else comes between.

R1  Every device's readings are judged in their order (rounds.py); devices see each other only through effects and
    votes, which are taken in the order of the readings (R3). So it does not matter how readings are batched (G5).
R2  Only readings that may move something get here (notable.py).
R3  What moves is collected and applied in the order of the readings, because there effects meet: two detectors, one
    valve; a valve that is seen to move, and a rule that asks whether its closing is wanted.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from devices.quantities import ALARM_FLAGS
from rules.decisions import Priority
from rules.evaluation.kernels import Conditions
from rules.interlock import budget, interlock, matrix
from rules.interlock.worst import good
from rules.life import alarms, silence
from rules.life.alarms import Out
from rules.life.lifecycle import IS_ACTIVE
from rules.stepping.notable import Piece, may_wait
from rules.stepping.passing import Passing
from rules.stepping.rounds import Rounds
from rules.stepping.state import State

#: In an item, instead of a rule: before, or after all rules of the row.
_BEFORE, _AFTER = -1, 1 << 30


class _What(IntEnum):
    """What an item is; of one row and rule in this order."""

    WAITED = 0
    HEARD_AGAIN = 1
    LATE = 2
    RAISE = 3
    RETURN = 4
    ESCALATE = 5
    BIT = 6


class _Item(NamedTuple):
    """Something to apply. onset: of RAISE and LATE; of WAITED the place of the row among those judged with it.
    priority: of RAISE and ESCALATE. worst: of RAISE, see Moved."""

    row: int
    rule: int
    what: _What
    onset: int = 0
    priority: int = 0
    worst: float | None = None


def asks_of_others(state: State, piece: Piece, mine: NDArray[np.intp], span: tuple[int, int]) -> bool:
    """Whether some of these rows says what may depend on what earlier ones of them bring about."""
    judged = mine[piece.judged[mine]]
    if not piece.found.depends[judged].any():
        return False
    places = Passing(state, [], piece, span)
    return bool(_cuts(state, piece, judged, mine[~piece.judged[mine]], places))


def judge(state: State, out: Out, piece: Piece, mine: NDArray[np.intp], span: tuple[int, int]) -> None:
    """mine: rows of the piece to be taken now, ascending: all of those in span [from, to). They were received at one
    time; or nothing else is due and no hold can end while they are, and none `asks_of_others`."""
    items = _heard_again(state, piece, mine) + _late_alarms(state, piece, mine)
    passing = Passing(state, out, piece, span)
    judged = mine[piece.judged[mine]]
    cuts = _cuts(state, piece, judged, np.array([item.row for item in items], np.intp), passing)
    for part, stop in zip(np.split(judged, np.searchsorted(judged, cuts)), [*cuts, span[1]], strict=True):
        now = [item for item in items if item.row < stop]
        items = [item for item in items if item.row >= stop]
        found = piece.found.whole(part, state.watched) if len(part) else None
        if found is not None:
            said = state.worst.said(piece.rows, part, piece.stale)
            rounds = Rounds(state, piece.slots[part], piece.rows["ts"][part], piece.received[part], found, said)
            now += _moved(rounds, part) + _said_more(state, piece, part, found)
        _apply(state, out, piece, sorted(now), found, passing)
        passing.finish(stop)
        if found is not None:
            rounds.write_back()


def _cuts(
    state: State, piece: Piece, judged: NDArray[np.intp], others: NDArray[np.intp], passing: Passing
) -> list[int]:
    """Rows before which everything earlier must have had its effect: what they say may depend on it. Where nothing
    earlier can have one, there is none. `others`: rows that are not judged and may have one."""
    asks = judged[piece.found.depends[judged]]
    if not len(asks):
        return []
    may_raise = piece.found.raised[judged].any(axis=1) | piece.found.awake[judged]
    moving = judged[may_raise | state.busy[piece.slots[judged]]]
    effects = np.sort(np.concatenate([moving, passing.moving(), others]))
    before = np.searchsorted(effects, asks)
    cut: list[int] = asks[np.diff(before, prepend=0) > 0].tolist()
    return cut


def _heard_again(state: State, piece: Piece, mine: NDArray[np.intp]) -> list[_Item]:
    """Any reading ends a silence, a late one too: the device is there. So this is no matter of conditions."""
    again = mine[state.silent[piece.slots[mine]] & ~piece.stale[mine]]
    if not len(again):
        return []
    slots, first = np.unique(piece.slots[again], return_index=True)
    items = [
        _Item(row, rule, _What.HEARD_AGAIN)
        for slot, row in zip(slots.tolist(), again[first].tolist(), strict=True)
        for rule in silence.to_end(state, slot)
    ]
    silence.heard_again(state, slots, piece.received[again[first]])
    return items


def _late_alarms(state: State, piece: Piece, mine: NDArray[np.intp]) -> list[_Item]:
    """A late alarm bit still reaches people, by the rules that listen to that bit (G10); what else a late reading says
    (tamper, fault, a value) is history."""
    rows = mine[piece.late[mine]]
    if not len(rows):
        return []
    bits = piece.flags[rows, None] & (state.compiled.flags & int(ALARM_FLAGS))
    where, rule = np.nonzero((bits != 0) & state.compiled.looks_at(piece.slots[rows]))
    return [
        _Item(int(rows[w]), int(r), _What.LATE, int(piece.rows["ts"][rows[w]]))
        for w, r in zip(where, rule, strict=True)
    ]


def _moved(rounds: Rounds, part: NDArray[np.intp]) -> list[_Item]:
    return [
        _Item(
            int(part[one.place]),
            one.rule,
            _What.RAISE if one.onset else _What.RETURN,
            one.onset,
            int(rounds.found.priority[one.place, one.rule]),
            one.worst,
        )
        for one in rounds.run()
    ]


def _said_more(state: State, piece: Piece, part: NDArray[np.intp], found: Conditions) -> list[_Item]:
    """Of alarms that stand: that it is worse now, and that the device itself says so."""
    rising = state.traits.escalates
    worse = found.priority[:, rising] < state.compiled.priority[rising]
    items = [
        _Item(int(part[row]), int(rising[which]), _What.ESCALATE, 0, int(found.priority[row, rising[which]]))
        for row, which in zip(*np.nonzero(worse), strict=True)
    ]
    acting = np.flatnonzero((found.raised[:, state.traits.acts] == 1).any(axis=1))
    waits = ~(piece.late | piece.stale)[part] & may_wait(state, piece.slots[part], acting)
    items += [_Item(int(part[place]), _BEFORE, _What.WAITED, place) for place in np.flatnonzero(waits).tolist()]
    bits = part[(piece.flags[part] & int(ALARM_FLAGS)) != 0]
    return items + [_Item(row, _AFTER, _What.BIT) for row in bits.tolist()]


def _apply(
    state: State, out: Out, piece: Piece, items: list[_Item], found: Conditions | None, passing: Passing
) -> None:
    for item in items:
        at = passing.reach(item.row)
        slot, rule = int(piece.slots[item.row]), item.rule
        match item.what:
            case _What.WAITED:
                if found is not None and state.waits[slot]:
                    row = piece.rows[item.row : item.row + 1]
                    budget.heard(state, out, slot, row, found.raised[item.onset], at)
            case _What.HEARD_AGAIN:
                silence.end(state, out, slot, rule, at)
            case _What.LATE:
                value = _value(state, piece, item)
                bits = int(piece.flags[item.row]) & int(ALARM_FLAGS)
                alarms.raise_late(state, out, slot, rule, onset=item.onset, at=at, value=value, device_bits=bits)
            case _What.RAISE:
                _raise(state, out, piece, item, at)
            case _What.RETURN:
                if alarms.return_alarm(state, out, slot, rule, at=at) is not None:
                    interlock.alarm_settled(state, out, slot, rule, at)
            case _What.ESCALATE:
                alarms.escalate(state, out, slot, rule, Priority(item.priority), at)
            case _What.BIT:
                _bit(state, out, slot, int(piece.flags[item.row]) & int(ALARM_FLAGS), at)


def _value(state: State, piece: Piece, item: _Item) -> float | None:
    """What an alarm says: the worst since its hold began, if that is kept; else the value of its rule's limit, whatever
    is known of it, or the good one by which its shut-offs are compared."""
    if item.worst is not None:
        return item.worst
    quantity = state.compiled.rules[item.rule].quantity
    if quantity or item.what is not _What.RAISE or item.rule not in state.traits.by:
        return float(piece.rows[quantity][item.row]) if quantity else None
    return good(piece.rows[item.row : item.row + 1], state.traits.by[item.rule].quantity)


def _raise(state: State, out: Out, piece: Piece, item: _Item, at: int) -> None:
    alarm = alarms.raise_alarm(
        state,
        out,
        int(piece.slots[item.row]),
        item.rule,
        onset=item.onset,
        at=at,
        value=_value(state, piece, item),
        priority=Priority(item.priority),
        device_bits=int(piece.flags[item.row]) & int(ALARM_FLAGS),
    )
    if alarm is not None:
        interlock.alarm_raised(state, out, alarm, item.rule, at)


def _bit(state: State, out: Out, slot: int, bits: int, at: int) -> None:
    """Alarm bits of the device: what stands there for its rules, the device itself says now. With the first of them,
    and with one by which it acts although it did not before, what it asks for is asked for again."""
    for rule in np.flatnonzero(IS_ACTIVE[state.phase[slot]] & state.traits.judged).tolist():
        known = state.open[slot, rule].device_says and matrix.acts(state, slot, rule)
        if alarms.device_said(state, out, slot, rule, bits, at) and not known:
            interlock.device_said(state, out, state.open[slot, rule], rule, at)
