"""What an expression says of one reading, as the semantics read: one device and one reading at a time, plain lists.

Nothing is shared between rules, nothing is summed before it is asked for, and every window is found again from the
readings it holds. Three-valued truth: 1 true, 0 false, -1 unknown. A number is (value, certainty).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from devices.fleet import Fleet
from devices.models import DeviceModel
from devices.quantities import ALARM_FLAGS, QUANTITY_NAMES, Flag, Quality, quality_shift
from devices.readings import Rows
from rules.language.canonical import canonical, quantities, walk
from rules.language.tree import (
    Arithmetic,
    Commanded,
    Comparison,
    Condition,
    Connective,
    Count,
    Dose,
    FlagTest,
    Joined,
    Measured,
    Named,
    Node,
    Not,
    Number,
    OfDevice,
    Property,
    Quantitative,
    Since,
    Statistic,
    Stuck,
    Votes,
    Windowed,
    WordTest,
)
from tests.rules.reference_terms import FALSE, SECOND, TRUE, UNKNOWN

NOTHING, EXACT, AT_LEAST = "unknown", "exact", "at least"
Value = tuple[float, str]
NOBODY_KNOWS: Value = (math.nan, NOTHING)
BLIND = Flag.WARM_UP | Flag.INHIBIT | Flag.FAULT
BUCKETS = {Statistic.STEL: 15, Statistic.TWA: 96}
DAY_S = 86_400


def rounded(value: float, unit: str) -> float:
    return float(np.float32(value)) if unit else value


def known(value: float, certainty: str = EXACT) -> Value:
    return (value, certainty) if math.isfinite(value) else NOBODY_KNOWS


@dataclass
class Reading:
    """One live reading of one device. good: the believable quantities."""

    ts: int
    flags: int
    valve: int
    valve_cause: int
    good: dict[str, float]
    stale: bool


def read(row: Rows) -> Reading:
    quality, good = int(row["quality"][0]), {}
    for name in QUANTITY_NAMES:
        value = float(row[name][0])
        if (quality >> quality_shift(name)) & 15 == Quality.GOOD and math.isfinite(value):
            good[name] = value
    flags = int(row["flags"][0])
    words = int(row["valve"][0]), int(row["valve_cause"][0])
    return Reading(int(row["ts"][0]), flags, *words, good, bool(flags & Flag.STALE))


@dataclass
class Memory:
    """What one node of one rule remembers of one device. entries: (bucket, time, value or None if it was not good) of
    every live reading; of counts the value is how the condition stood."""

    entries: list[tuple[int, int, float | None]] = field(default_factory=list)
    head: int | None = None
    #: Bucket and time of the last good reading.
    good: tuple[int, int] | None = None
    start: int | None = None
    value: float | None = None
    last: int = 0
    many: int = 0
    ppm: float = 0.0
    #: What it says as of the last live reading.
    said: Value = NOBODY_KNOWS
    truth: int = UNKNOWN


class Expressions:
    """numbers: of each (rule, slot) the rule's own numbers there."""

    def __init__(self, fleet: Fleet, numbers: dict[tuple[int, int], dict[str, float]]) -> None:
        self.fleet, self.numbers = fleet, numbers
        self.memories: dict[tuple[int, int, str], Memory] = {}
        self.votes: dict[tuple[int, int, str], int] = {}
        #: Who has fallen silent, and was not heard live since.
        self.quiet: set[int] = set()

    def memory(self, rule: int, slot: int, node: Node) -> Memory:
        return self.memories.setdefault((rule, slot, canonical(node)), Memory())

    # ---- time passes ------------------------------------------------------------------------------------------------

    def hear(self, rule: int, slot: int, trees: Sequence[Condition], one: Reading) -> None:
        """A live reading: what the trees of a rule remember of this device moves on, once, then its votes."""
        self.quiet.discard(slot)
        seen: set[str] = set()
        for node in (node for tree in trees for node in reversed(list(walk(tree)))):
            if not isinstance(node, Windowed | Dose | Since | Stuck | Count | Votes):
                continue
            text = canonical(node)
            if text in seen:
                continue
            seen.add(text)
            if isinstance(node, Windowed):
                self.window(rule, slot, node, one)
            elif isinstance(node, Dose):
                self.dose(self.memory(rule, slot, node), slot, one)
            elif isinstance(node, Since):
                self.since(rule, slot, node, one)
            elif isinstance(node, Stuck):
                self.stuck(self.memory(rule, slot, node), node, one)
            elif isinstance(node, Count):
                self.count(rule, slot, node, one)
            elif isinstance(node, Votes):
                # Walked from behind, so what it holds has moved on already.
                self.votes[rule, slot, canonical(node.condition)] = self.truth(rule, slot, node.condition, one, False)

    def silent(self, slot: int) -> None:
        self.quiet.add(slot)
        for key, vote in self.votes.items():
            if key[1] == slot and vote == FALSE:
                self.votes[key] = UNKNOWN

    def put(self, memory: Memory, width: int, many: int, ts: int, value: float | None) -> int:
        """Into its bucket, which is never one before the newest, save of a clock that was set back by more than the
        window: nothing is known of before then."""
        bucket = ts // width
        if memory.head is not None and bucket < memory.head - many:
            memory.entries, memory.good = [], None
        elif memory.head is not None:
            bucket = max(bucket, memory.head)
        memory.head = bucket
        memory.entries.append((bucket, ts, value))
        return bucket

    def window(self, rule: int, slot: int, node: Windowed, one: Reading) -> None:
        memory, many = self.memory(rule, slot, node), BUCKETS.get(node.statistic, 12)
        width, now = node.window_us // many, one.good.get(node.quantity)
        head = self.put(memory, width, many, one.ts, now)
        if now is not None:
            if node.statistic in BUCKETS and memory.good is not None:
                last_bucket, last_ts = memory.good
                if one.ts - last_ts <= 3 * int(self.fleet.interval_us[slot]):
                    # What lies between counts as this reading.
                    between = range(max(last_bucket + 1, head - many), head)
                    memory.entries[-1:-1] = [(bucket, one.ts, now) for bucket in between]
            memory.good = (head, one.ts)
        held = memory.entries = [entry for entry in memory.entries if entry[0] > head - many]
        memory.said = self.statistic(node, held, many, one.ts, now)

    def statistic(
        self, node: Windowed, held: list[tuple[int, int, float | None]], many: int, ts: int, now: float | None
    ) -> Value:
        good = [(bucket, at, value) for bucket, at, value in held if value is not None]
        missed = len(held) - len(good)
        if node.statistic in BUCKETS:
            means = []
            for bucket in {bucket for bucket, _, _ in good}:
                values = [milli(value) for one, _, value in good if one == bucket]
                means.append(sum(values) // len(values))
            if not means:
                return NOBODY_KNOWS
            return known(as_read(sum(means) / (1000 * many)), EXACT if 4 * len(means) >= 3 * many else AT_LEAST)
        if not good:
            return NOBODY_KNOWS
        match node.statistic:
            case Statistic.MEAN:
                total = sum(milli(value) for _, _, value in good)
                return NOBODY_KNOWS if missed > len(good) else known(as_read(total / 1000 / len(good)))
            case Statistic.MIN:
                return NOBODY_KNOWS if missed else known(min(value for _, _, value in good))
            case Statistic.MAX:
                return known(max(value for _, _, value in good), AT_LEAST if missed else EXACT)
        _, first_at, first = good[0]
        if now is None or 2 * (ts - first_at) < node.window_us:
            return NOBODY_KNOWS
        delta = now - first
        return known(delta if node.statistic is Statistic.DELTA else delta / ((ts - first_at) / SECOND))

    def count(self, rule: int, slot: int, node: Count, one: Reading) -> None:
        memory, width = self.memory(rule, slot, node), node.window_us // 12
        head = self.put(memory, width, 12, one.ts, self.truth(rule, slot, node.condition, one, False))
        memory.entries = [entry for entry in memory.entries if entry[0] > head - 12]
        held = [value for _, _, value in memory.entries]
        memory.said = known(held.count(TRUE), AT_LEAST if UNKNOWN in held else EXACT)

    def since(self, rule: int, slot: int, node: Since, one: Reading) -> None:
        memory, truth = self.memory(rule, slot, node), self.truth(rule, slot, node.condition, one, False)
        if truth == TRUE:
            memory.start = one.ts if memory.start is None else min(memory.start, one.ts)
            memory.said = known((one.ts - memory.start) / SECOND)
        elif truth == FALSE:
            memory.start, memory.said = None, known(0.0)
        else:
            memory.said = NOBODY_KNOWS

    def stuck(self, memory: Memory, node: Stuck, one: Reading) -> None:
        now = one.good.get(node.quantity)
        if now is None:
            memory.truth = UNKNOWN
        elif memory.value is None or now != memory.value:
            memory.value, memory.last, memory.many, memory.truth = now, one.ts, 1, FALSE
        else:
            memory.last, memory.many = min(memory.last, one.ts), memory.many + 1
            memory.truth = int(memory.many >= 12 and one.ts - memory.last >= node.window_us)

    def dose(self, memory: Memory, slot: int, one: Reading) -> None:
        now = one.good.get("co_ppm")
        if now is None:
            memory.said = NOBODY_KNOWS
            return
        if memory.value is None:
            memory.value, memory.last, memory.ppm = 0.0, one.ts, max(0.0, now)
        else:
            memory.last = min(memory.last, one.ts)
            elapsed_s = (one.ts - memory.last) // SECOND
            if elapsed_s == 0:
                memory.ppm = max(memory.ppm, now)
            else:
                near = one.ts - memory.last <= max(3 * int(self.fleet.interval_us[slot]), 60 * SECOND)
                used = max(memory.ppm, now, 0.0) if near else 0.0
                decay = math.exp(-(min(elapsed_s, DAY_S) / 60) / (2398 * 0.0404))
                found = memory.value * decay + 218 * (1 - decay) * (0.0003 + used / 1316)
                memory.value = min(max(found, 0.0), 100.0)
                memory.last += elapsed_s * SECOND
                memory.ppm = max(0.0, now)
        memory.said = known(memory.value)

    # ---- truth ------------------------------------------------------------------------------------------------------

    def truth(self, rule: int, slot: int, node: Condition, one: Reading, commanded: bool) -> int:
        match node:
            case Joined():
                parts = [self.truth(rule, slot, part, one, commanded) for part in node.parts]
                ends = FALSE if node.connective is Connective.AND else TRUE
                return ends if ends in parts else UNKNOWN if UNKNOWN in parts else 1 - ends
            case Not():
                part = self.truth(rule, slot, node.part, one, commanded)
                return UNKNOWN if part == UNKNOWN else 1 - part
            case FlagTest():
                return self.flag(Flag[node.flag.upper()], one)
        if one.stale:
            return UNKNOWN
        match node:
            case WordTest():
                says = one.valve if node.word == "valve" else one.valve_cause
                return UNKNOWN if says == 0 else int((says == node.value) == node.equal)
            case Commanded():
                return int(commanded)
            case Stuck():
                return self.memory(rule, slot, node).truth
            case Votes():
                return self.vote(rule, slot, node)
            case Comparison():
                left, right = (self.number(rule, slot, part, one) for part in (node.left, node.right))
                return compare(str(node.comparator), left, right)
        raise AssertionError(f"{node} is not about a reading")

    def flag(self, flag: Flag, one: Reading) -> int:
        if one.flags & flag:
            return TRUE
        if one.stale or (flag & ALARM_FLAGS and one.flags & BLIND):
            return UNKNOWN
        return FALSE

    def vote(self, rule: int, slot: int, node: Votes) -> int:
        grouping = self.fleet.groups[node.group]
        mine = int(grouping.of[slot])
        if mine < 0:
            return UNKNOWN
        says = []
        for other, model in enumerate(self.fleet.model_by_slot):
            if model is None or int(grouping.of[other]) != mine or not has_a_vote(model, node.condition):
                continue
            if node.heard and other in self.quiet:
                says.append(FALSE)
            else:
                says.append(self.votes.get((rule, other, canonical(node.condition)), UNKNOWN))
        if says.count(TRUE) >= node.least:
            return TRUE
        return FALSE if says.count(TRUE) + says.count(UNKNOWN) < node.least else UNKNOWN

    # ---- numbers ----------------------------------------------------------------------------------------------------

    def number(self, rule: int, slot: int, node: Quantitative, one: Reading) -> Value:
        match node:
            case Number():
                return known(rounded(node.value, node.dimension.unit))
            case Named():
                return known(rounded(self.numbers[rule, slot][node.name], node.dimension.unit))
            case Measured():
                return known(one.good[node.quantity]) if node.quantity in one.good else NOBODY_KNOWS
            case OfDevice():
                return self.of_device(slot, node.property, one.ts)
            case Arithmetic():
                parts = (self.number(rule, slot, part, one) for part in (node.left, node.right))
                return calculate(str(node.operator), *parts)
            case _:
                return self.memory(rule, slot, node).said

    def of_device(self, slot: int, which: Property, ts: int) -> Value:
        if which is Property.INTERVAL:
            interval_us = int(self.fleet.interval_us[slot])
            return known(interval_us / SECOND) if interval_us else NOBODY_KNOWS
        ends = self.fleet.life_end_us if which is Property.LIFE_LEFT else self.fleet.calibration_due_us
        return known((int(ends[slot]) - ts) / SECOND) if int(ends[slot]) else NOBODY_KNOWS


def has_a_vote(model: DeviceModel, condition: Condition) -> bool:
    named, kind = set(quantities(condition)), str(model.kind)
    if kind == "gateway" and model.report_interval_s == 0:  # it never says anything
        return False
    if named:
        gas = {"combustible_lel", "co_ppm"} if kind == "detector" else set()
        return bool(named & (set(model.measures) or gas))
    valve = any(isinstance(node, WordTest) for node in walk(condition))
    alarm = any(isinstance(node, FlagTest) and node.flag.endswith("_alarm") for node in walk(condition))
    if valve or alarm:
        return (valve and "valve" in kind) or (alarm and kind == "detector")
    return True


def as_read(value: float) -> float:
    return float(np.float32(value))


def milli(value: float) -> int:
    return int(np.rint(value * 1000))


def calculate(operator: str, left: Value, right: Value) -> Value:
    (one, sure), (other, other_sure) = left, right
    if NOTHING in (sure, other_sure) or (operator == "/" and other == 0):
        return NOBODY_KNOWS
    found = {"+": one + other, "-": one - other, "*": one * other, "/": one / other if other else math.nan}[operator]
    if sure == other_sure == EXACT:
        return known(found)
    if operator == "+":
        return known(found, AT_LEAST)
    if operator == "-":
        return known(found, AT_LEAST) if other_sure == EXACT else NOBODY_KNOWS
    if operator == "*" and sure != other_sure:
        at_least, factor = (one, other) if sure == AT_LEAST else (other, one)
        return known(found, AT_LEAST) if factor >= 0 and at_least >= 0 else NOBODY_KNOWS
    if operator == "/" and other_sure == EXACT:
        return known(found, AT_LEAST) if other > 0 and one >= 0 else NOBODY_KNOWS
    return NOBODY_KNOWS


def compare(sign: str, left: Value, right: Value) -> int:
    (one, sure), (other, other_sure) = left, right
    if NOTHING in (sure, other_sure) or sure == other_sure == AT_LEAST:
        return UNKNOWN
    if other_sure == AT_LEAST:
        turned = {">=": "<=", "<=": ">=", ">": "<", "<": ">"}.get(sign, sign)
        return compare(turned, right, left)
    holds = {
        ">=": one >= other,
        ">": one > other,
        "<=": one <= other,
        "<": one < other,
        "==": one == other,
        "!=": one != other,
    }[sign]
    if sure == EXACT:
        return int(holds)
    # It may be more than `one`.
    if sign in (">=", ">"):
        return TRUE if holds else UNKNOWN
    if sign in ("<=", "<"):
        return UNKNOWN if holds else FALSE
    return UNKNOWN if one <= other else int(sign == "!=")
