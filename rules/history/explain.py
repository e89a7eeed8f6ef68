"""Why a rule did what it did, recomputed from history by the engine itself: nothing need be written down before.

X1  Nothing is judged anew here: states, timers and alarms are those of `step` over the stored readings, values and what
    predicates say are those of the Evaluation of the device's last live reading.
X2  What is explained is what the engine knew at `at`: readings that were received by then, in their order.
X3  What people saw may be another: shelves, devices out of service, rules that took themselves back and answers of
    valves are not in the readings. So what stood then, as the engine wrote it, is told beside (explain_written).
X4  Before the first reading given nothing is known (backtest B4): history begins early enough that the windows and
    holds are full, and before the oldest alarm that stood (`since`).
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np

from devices.fleet import MICROSECONDS, Fleet
from devices.quantities import QUALITY_BITS, QUANTITY_NAMES, Flag, Quality, ValveCause, ValvePosition, quality_shift
from devices.readings import Rows, blank
from rules.decisions import AlarmChanged, AlarmRaised, Decision
from rules.documents.document import RulePack
from rules.evaluation.evaluation import evaluate
from rules.events import Event
from rules.history.backtest_types import Assumed
from rules.history.backtest_world import World
from rules.history.explain_predicates import Look
from rules.history.explain_rules import RuleReader
from rules.history.explain_types import Explained, Said, Turn, Written
from rules.history.explain_written import beside
from rules.history.replay import Replay
from rules.stepping.snapshot import restore, snapshot
from rules.stepping.state import State

_LATE_OR_STALE = int(Flag.LATE | Flag.STALE)
_NIBBLE = (1 << QUALITY_BITS) - 1


class Question(msgspec.Struct, frozen=True):
    """Why, at this device and time. `fleet`: the device and all that rules look at with it (explain_fleet). `since`:
    when the history that is given begins. `rules`: ids; empty: all that the pack has. `people`: what people are known
    to have done meanwhile. `too_large`: rules that vote in a group of more devices than are looked at.
    `written`: what stood then; None: not known. `heard`: device numbers and when each was last heard before `since`.
    `in_force`: `pack` is what was in force, so that an alarm that stood then is one of these rules."""

    fleet: Fleet
    pack: RulePack
    device_no: int
    at: int
    since: int
    rules: tuple[str, ...] = ()
    people: tuple[Event, ...] = ()
    too_large: frozenset[str] = frozenset()
    written: Written | None = None
    heard: tuple[tuple[int, int], ...] = ()
    in_force: bool = True


#: Readings that wait for the device's next one, at most: some 90 MiB. Source: product choice.
MOST_WAITING = 1_000_000


def explain(question: Question, history: Iterable[Rows], spoken: Callable[[int], str] = str) -> Explained:
    """`history`: stored readings of the question's devices from `since` on, in the order of `received`, in chunks of
    any size. `spoken`: how a time is written in sentences. Raises ValueError for a device or a rule that there is not,
    or history out of order."""
    fleet = question.fleet
    slot = int(fleet.slot_of[question.device_no]) if 0 <= question.device_no < len(fleet.slot_of) else -1
    device, model = (fleet.devices[slot], fleet.model_by_slot[slot]) if slot >= 0 else (None, None)
    if device is None or model is None:
        raise ValueError(f"device {question.device_no} is not registered")
    known = {rule.id for rule in question.pack.rules}
    for rule in question.rules:
        if rule not in known:
            raise ValueError(f"there is no rule {rule!r}; there are {', '.join(sorted(known))}")
    course = _Course(question, slot)
    for chunk in history:
        course.take(chunk)
    course.end()
    look = course.look
    seen_from = (course.first or question.at) if course.goes_back else 0
    reader = RuleReader(course.replay.state, slot, look, question, course.blind, spoken, seen_from)
    wanted = question.rules or tuple(rule.id for rule in question.pack.rules)
    return Explained(
        device_no=question.device_no,
        identity=device.identity,
        model=model.key,
        at=question.at,
        since=question.since,
        readings=course.readings,
        heard=course.heard,
        last=None if look is None else _said(look.row[0]),
        rules=tuple(
            beside(reader.read(course.replay.state.compiled.by_id[rule]), question.written, spoken) for rule in wanted
        ),
        turns=tuple(course.turns),
    )


class _Course:
    """History on its way through the engine. What comes after the device's newest live reading waits, for the engine is
    asked about that one just before it takes it. look: its evaluation of the last. blind: the device's newest reading
    is late or stale. heard: when it was last heard. first: ts of its first live reading. goes_back: it was heard
    before that."""

    def __init__(self, question: Question, slot: int) -> None:
        self._question, self._slot = question, slot
        self._received = -(1 << 62)
        self._waiting: Rows = blank(0)  # begins with a live reading of the device
        self.look: Look | None = None
        self.readings = self.first = 0
        self.blind = False
        self.turns: list[Turn] = []
        world = World(question.fleet, Assumed(acknowledge_after_s=None), question.people)
        slots = question.fleet.slot_of
        before = {int(slots[number]): us for number, us in question.heard if slots[number] >= 0}
        self.heard = before.get(slot, 0)
        self.goes_back = slot in before
        state = State.initial(question.fleet, question.pack, question.since)
        self.replay = Replay(state, world, self._told, before)

    def take(self, chunk: Rows) -> None:
        received = chunk["received"]
        if len(chunk) and (int(received[0]) < self._received or (np.diff(received) < 0).any()):
            raise ValueError("history is not in the order in which it was received")
        rows = _known(chunk, self._question)
        if not len(rows):
            return
        self._received = int(rows["received"][-1])
        mine = rows["device_no"] == self._question.device_no
        self._count(rows[mine])
        live = np.flatnonzero(mine & ((rows["flags"] & _LATE_OR_STALE) == 0))
        if len(live):
            self.first = self.first or int(rows["ts"][live[0]])
            newest = int(live[-1])
            self._pass(self._waiting)
            self._pass(rows[:newest])
            self._waiting = rows[newest:]
        elif len(self._waiting):
            self._waiting = np.concatenate([self._waiting, rows])
        else:
            self._pass(rows)
        if len(self._waiting) > MOST_WAITING:
            self._ask()

    def end(self) -> None:
        if len(self._waiting):
            self._ask()
        self.replay.until(self._question.at)

    def _count(self, mine: Rows) -> None:
        if not len(mine):
            return
        heard = mine["received"][(mine["flags"] & int(Flag.STALE)) == 0]
        self.readings += len(mine)
        self.heard = int(heard[-1]) if len(heard) else self.heard
        self.blind = bool(mine["flags"][-1] & _LATE_OR_STALE)

    def _pass(self, rows: Rows) -> None:
        if len(rows):
            self.replay.advance(rows, self._question.fleet.slots(rows["device_no"]))

    def _ask(self) -> None:
        """By a copy of the state, of the first that waits; then all that waits goes on."""
        row, state = self._waiting[:1], self.replay.state
        self.replay.until(int(row["received"][0]))
        copy = restore(snapshot(state), state.fleet, self._question.pack)
        found = evaluate(copy.compiled, copy.windows, row, np.array([self._slot], np.int32))
        conditions = found.whole(np.zeros(1, np.intp), copy.watched)
        self.look = Look(copy.compiled, found, conditions, row, self._slot, copy.watched)
        self._pass(self._waiting)
        self._waiting = blank(0)

    def _told(self, made: Sequence[Decision]) -> None:
        for one in made:
            if isinstance(one, AlarmRaised | AlarmChanged) and one.device_no == self._question.device_no:
                what = "raised" if isinstance(one, AlarmRaised) else one.change.value
                self.turns.append(Turn(one.at, one.rule, what, one.state))


def _known(chunk: Rows, question: Question) -> Rows:
    kept = (chunk["received"] <= question.at) & (question.fleet.slots(chunk["device_no"]) >= 0)
    return chunk if kept.all() else np.take(chunk, np.flatnonzero(kept))


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
