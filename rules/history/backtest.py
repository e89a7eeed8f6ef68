"""Rules tried on history: stored readings through the engine's own `step`, and what came of it.

B1  Pure: readings come from an iterator, results go back; nothing here knows a database, a clock or a live state.
B2  The same history gives the same result however it is cut into chunks: answers of valves and people come at their own
    times (backtest_world W1), and `step` does not depend on batches (G5).
B3  Both versions see the same readings in the same order, and each its own valves and people.
B4  What was received at or after the end is not looked at: a reading that came a day later would make everybody else
    silent until then.
B5  A rule that is new, or another than in the version to compare with, comes into force when the period begins, proves
    itself (rules/interlock/trials.py D3), and is taken back when it would be: what a live engine would not do is not
counted. B6  What stood before the first reading is not known: everything is normal, and windows are empty. So history
    is given with a lead (`lead_us`), of which nothing is counted.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from devices.fleet import MICROSECONDS, Fleet
from devices.quantities import GAS_QUANTITIES, QUANTITY_NAMES
from devices.readings import Rows
from rules.documents.document import Kind, Rule, RulePack, RuleState
from rules.history.backtest_compare import differences, labelled
from rules.history.backtest_tally import Tally
from rules.history.backtest_types import Assumed, Found, Label, Progress, Tested
from rules.history.backtest_world import World, commanded, positions
from rules.history.replay import Replay
from rules.interlock.trials import prove
from rules.language.canonical import quantities, walk
from rules.language.tree import Condition, Count, Dose, Node, Parsed, Since, Stuck, Windowed
from rules.stepping.state import State

_HOUR_US = 3_600 * MICROSECONDS
#: Five time constants of the dose of carbon monoxide, after which nothing is left of what was before. Source: 2398 x B
#: = 96.88 min, US 7408473.
DOSE_US = round(5 * 96.88 / 60 * _HOUR_US)
#: How far back is looked for what lasts. Source: product choice.
LASTING_US = 24 * _HOUR_US
#: Windows are 31 days at most.
LONGEST_LEAD_US = 31 * 24 * _HOUR_US


class Request(msgspec.Struct, frozen=True):
    """from_us <= received < to_us is counted. `fleet`: as it is now; readings of devices that are not in it are passed
    over. `old`: the version to compare with, or None. `labels`: what people said of alarms of this time."""

    fleet: Fleet
    new: RulePack
    from_us: int
    to_us: int
    old: RulePack | None = None
    assumed: Assumed = Assumed()
    labels: tuple[Label, ...] = ()


def backtest(
    request: Request, history: Iterable[Rows], progress: Callable[[Progress], None] = lambda _: None
) -> Tested:
    """Run `history` (chunks of rows, dtype READING, in the order of `received`, from lead_us before the period on).
    `progress` is called after every chunk; what it raises ends the run. Raises ValueError for history out of order, and
    for rules that do not fit the fleet."""
    packs = [_taken(pack, request.assumed) for pack in (request.new, request.old) if pack is not None]
    fresh = (_fresh(packs[0], packs[1] if len(packs) > 1 else None), frozenset[str]())
    runs: list[_Run] = []
    readings = unknown = 0
    last = -(1 << 62)
    takes = commanded(request.fleet)
    for chunk in history:
        if not len(chunk):
            continue
        received = np.ascontiguousarray(chunk["received"])
        if int(received[0]) < last or (received[1:] < received[:-1]).any():
            raise ValueError("history is not in the order in which it was received")
        if int(received[-1]) >= request.to_us:
            chunk = chunk[: int(np.searchsorted(received, request.to_us))]
            if not len(chunk):
                break
            received = received[: len(chunk)]
        last = int(received[-1])
        begin = min(request.from_us, int(received[0]))
        runs = runs or [_Run(request, pack, begin, new) for pack, new in zip(packs, fresh, strict=False)]
        slots = request.fleet.slots(chunk["device_no"])
        known = slots >= 0
        unknown += len(chunk) - int(known.sum())
        rows, slots = (chunk, slots) if known.all() else (chunk[known], slots[known])
        valve = positions(takes, rows, slots)
        for run in runs:
            run.advance(rows, slots, valve)
        readings += len(chunk)
        progress(Progress(readings, last))
    runs = runs or [_Run(request, pack, request.from_us, new) for pack, new in zip(packs, fresh, strict=False)]
    for run in runs:
        run.replay.until(request.to_us)
    found = [run.tally.found(request.to_us) for run in runs]
    return _tested(request, found, readings, unknown)


def _tested(request: Request, found: Sequence[Found], readings: int, unknown: int) -> Tested:
    new, old = found[0], found[1] if len(found) > 1 else None
    return Tested(
        from_us=request.from_us,
        to_us=request.to_us,
        readings=readings,
        unknown=unknown,
        devices=int(request.fleet.present.sum()),
        assumed=request.assumed,
        new=new,
        old=old,
        differences=None if old is None else differences(old.alarms, new.alarms),
        labelled=labelled(request.labels, new.alarms, None if old is None else old.alarms),
        assumes=request.assumed.said(),
    )


def lead_us(*packs: RulePack) -> int:
    """How long before a period history must begin, so that what rules remember is as it was when it does: the longest
    window, dose or hold of them, overrides too, and LONGEST_LEAD_US at most. How long something has lasted
    (`since`) may have no such bound: LASTING_US are looked back."""
    return max((rule_lead_us(pack, at) for pack in packs for at in range(len(pack.rules))), default=0)


def rule_lead_us(pack: RulePack, at: int) -> int:
    """lead_us of the rule in this place alone."""
    rule = pack.rules[at]
    longest_s = max(rule.hold_s, rule.clear_hold_s)
    for override in pack.overrides:
        if override.rule == rule.id:
            longest_s = max(longest_s, override.hold_s or 0.0, override.clear_hold_s or 0.0)
    trees = _trees_of(pack.parsed[at]) if at < len(pack.parsed) else ()
    longest = max((_remembers_us(node) for tree in trees for node in walk(tree)), default=0)
    return min(max(longest, round(longest_s * MICROSECONDS)), LONGEST_LEAD_US)


def quantities_of(*packs: RulePack) -> tuple[str, ...]:
    """The quantities that these rules look at, in the canonical order."""
    rules = [rule for pack in packs for rule in pack.rules]
    found = {rule.quantity for rule in rules}
    found |= {name for pack in packs for tree in _trees(pack) for name in quantities(tree)}
    found |= {name for rule in rules if rule.kind is Kind.QUALITY for name in GAS_QUANTITIES}
    return tuple(name for name in QUANTITY_NAMES if name in found)


def _trees(pack: RulePack) -> Iterator[Condition]:
    for parsed in pack.parsed:
        yield from _trees_of(parsed)


def _trees_of(parsed: Parsed) -> Iterator[Condition]:
    yield from (tree for tree in (parsed.condition, parsed.clear, *parsed.escalate) if tree is not None)


def _remembers_us(node: Node) -> int:
    match node:
        case Windowed() | Count() | Stuck():
            return node.window_us
        case Dose():
            return DOSE_US
        case Since():
            return LASTING_US
        case _:
            return 0


def _taken(pack: RulePack, assumed: Assumed) -> RulePack:
    if not assumed.as_active:
        return pack
    rules = tuple(
        rule if rule.state is RuleState.DRAFT else msgspec.structs.replace(rule, state=RuleState.ACTIVE)
        for rule in pack.rules
    )
    return msgspec.structs.replace(pack, rules=rules)


def _fresh(new: RulePack, old: RulePack | None) -> frozenset[str]:
    """Which rules come into force."""
    known = set() if old is None else {_document(old, rule) for rule in old.rules}
    return frozenset(rule.id for rule in new.rules if _document(new, rule) not in known)


def _document(pack: RulePack, rule: Rule) -> bytes:
    return msgspec.msgpack.encode((rule, [one for one in pack.overrides if one.rule == rule.id]))


class _Run:
    """One version on its way through history. `fresh`: rules that come into force when the period begins (B5)."""

    def __init__(self, request: Request, pack: RulePack, begin: int, fresh: frozenset[str]) -> None:
        self._from_us, self._fresh = request.from_us, fresh
        self.tally = Tally(request.fleet, pack, request.from_us)
        world = World(request.fleet, request.assumed)
        self.replay = Replay(State.initial(request.fleet, pack, begin), world, self.tally.count, absences=True)

    def advance(self, rows: Rows, slots: NDArray[np.int32], valve: NDArray[np.int16]) -> None:
        if self._fresh and len(rows) and int(rows["received"][-1]) >= self._from_us:
            at = int(np.searchsorted(rows["received"], self._from_us))
            self.replay.advance(rows[:at], slots[:at], valve[:at])
            rows, slots, valve = rows[at:], slots[at:], valve[at:]
            for rule in sorted(self._fresh):
                prove(self.replay.state, rule, self._from_us)
            self._fresh = frozenset()
        self.replay.advance(rows, slots, valve)
