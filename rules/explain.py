"""Why a rule did what it did, recomputed from history by the engine itself: nothing need be written down before.

X1  Nothing is judged anew here: states, timers and alarms are those of `step` over the stored readings, values and what
    predicates say are those of the Evaluation of the device's last live reading.
X2  What is explained is what the engine knew at `at`: readings that were received by then, in their order.
X3  Before the first reading given nothing is known (backtest B4): history begins early enough that the windows and
    holds are full, and before the oldest alarm that stood (`since`).
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from devices.fleet import MICROSECONDS, Fleet
from devices.quantities import QUALITY_BITS, QUANTITY_NAMES, Flag, Quality, ValveCause, ValvePosition, quality_shift
from devices.readings import Rows, blank
from rules.backtest_types import Assumed
from rules.backtest_world import World
from rules.decisions import AlarmChanged, AlarmRaised, Decision, Event
from rules.document import RulePack
from rules.evaluation import evaluate
from rules.explain_predicates import Look
from rules.explain_rules import RuleReader
from rules.explain_types import Explained, RuleExplained, Said, Turn
from rules.replay import Replay
from rules.snapshot import restore, snapshot
from rules.state import State

_LATE_OR_STALE = int(Flag.LATE | Flag.STALE)
_NIBBLE = (1 << QUALITY_BITS) - 1


class Question(msgspec.Struct, frozen=True):
    """Why, at this device and time. `fleet`: the device and all that rules look at with it (explain_fleet). `since`:
    when the history that is given begins. `rules`: ids; empty: all that the pack has. `people`: what people are known
    to have done meanwhile."""

    fleet: Fleet
    pack: RulePack
    device_no: int
    at: int
    since: int
    rules: tuple[str, ...] = ()
    people: tuple[Event, ...] = ()


def explain(question: Question, history: Iterable[Rows], spoken: Callable[[int], str] = str) -> Explained:
    """`history`: stored readings of the question's fleet with received <= at, in the order of `received`. `spoken`: how
    a time is written in sentences. Raises ValueError for a device or a rule that there is not, or history out of
    order."""
    fleet = question.fleet
    slot = int(fleet.slot_of[question.device_no]) if 0 <= question.device_no < len(fleet.slot_of) else -1
    device, model = (fleet.devices[slot], fleet.model_by_slot[slot]) if slot >= 0 else (None, None)
    if device is None or model is None:
        raise ValueError(f"device {question.device_no} is not registered")
    known = {rule.id for rule in question.pack.rules}
    for rule in question.rules:
        if rule not in known:
            raise ValueError(f"there is no rule {rule!r}; there are {', '.join(sorted(known))}")
    rows = _ordered(history, question)
    slots = fleet.slots(rows["device_no"])
    turns: list[Turn] = []

    def told(made: Sequence[Decision]) -> None:
        turns.extend(_turns(made, question.device_no))

    world = World(fleet, Assumed(acknowledge_after_s=None), question.people)
    replay = Replay(State.initial(fleet, question.pack, question.since), world, told)
    live = np.flatnonzero((slots == slot) & ((rows["flags"] & _LATE_OR_STALE) == 0))
    last = int(live[-1]) if len(live) else len(rows)
    replay.advance(rows[:last], slots[:last])
    look: Look | None = None
    if len(live):
        replay.until(int(rows["received"][last]))
        look = _look(replay.state, rows[last : last + 1], slots[last : last + 1], slot, question.pack)
        replay.advance(rows[last:], slots[last:])
    replay.until(question.at)
    mine = rows[slots == slot]
    heard = mine["received"][(mine["flags"] & int(Flag.STALE)) == 0]
    newest_is_blind = bool(len(mine)) and bool(mine["flags"][-1] & _LATE_OR_STALE)
    reader = RuleReader(replay.state, slot, look, question.at, newest_is_blind, spoken)
    wanted = question.rules or tuple(rule.id for rule in question.pack.rules)
    found: tuple[RuleExplained, ...] = tuple(reader.read(replay.state.compiled.by_id[rule]) for rule in wanted)
    return Explained(
        device_no=question.device_no,
        identity=device.identity,
        model=model.key,
        at=question.at,
        since=question.since,
        readings=len(mine),
        heard=int(heard[-1]) if len(heard) else 0,
        last=_said(rows[last]) if len(live) else None,
        rules=found,
        turns=tuple(turns),
    )


def _ordered(history: Iterable[Rows], question: Question) -> Rows:
    parts = [chunk for chunk in history if len(chunk)]
    rows: Rows = np.concatenate(parts) if parts else blank(0)
    received = rows["received"]
    if (np.diff(received) < 0).any():
        raise ValueError("history is not in the order in which it was received")
    kept = (received <= question.at) & (question.fleet.slots(rows["device_no"]) >= 0)
    return rows[kept]


def _look(state: State, row: Rows, slots: NDArray[np.int32], slot: int, pack: RulePack) -> Look:
    """The engine's evaluation of this row, by a copy of its state: the state itself goes on afterwards."""
    copy = restore(snapshot(state), state.fleet, pack)
    found = evaluate(copy.compiled, copy.windows, row, slots)
    conditions = found.whole(np.zeros(1, np.intp), copy.watched)
    return Look(copy.compiled, found, conditions, row, slot, copy.watched)


def _turns(made: Sequence[Decision], device_no: int) -> list[Turn]:
    return [
        Turn(one.at, one.rule, "raised" if isinstance(one, AlarmRaised) else one.change.value, one.state)
        for one in made
        if isinstance(one, AlarmRaised | AlarmChanged) and one.device_no == device_no
    ]


def _said(row: np.void) -> Said:
    quality = {name: Quality(int(row["quality"]) >> quality_shift(name) & _NIBBLE) for name in QUANTITY_NAMES}
    named = [name for name in QUANTITY_NAMES if quality[name] is not Quality.NOT_MEASURED]
    return Said(
        ts=int(row["ts"]),
        received=int(row["received"]),
        values={name: float(row[name]) if quality[name] is Quality.GOOD else None for name in named},
        qualities={name: quality[name].name.lower() for name in named},
        flags=tuple((flag.name or "").lower() for flag in Flag if int(row["flags"]) & flag),
        valve=ValvePosition(int(row["valve"])).name.lower(),
        valve_cause=ValveCause(int(row["valve_cause"])).name.lower(),
    )


def look_back_us(lead_us: int, at: int, oldest_onset: int, longest_us: int = 31 * 86_400 * MICROSECONDS) -> int:
    """When history must begin: `lead_us` before the time, and before the onset of the oldest alarm that stood then (0:
    none stood); no longer than the longest window that there is."""
    return max(at - longest_us, min(at, oldest_onset or at) - lead_us)
