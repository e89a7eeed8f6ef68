"""The same rules in a plain Python loop, one reading and one rule after the other: what the arrays are compared with.

Honest, and only what the figures need: limits, flags, faults of quantities, expressions over one device's readings,
votes, holds, alarm or not. It keeps the last readings of every window in a deque; it closes no valve and tells nobody.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from devices.fleet import MICROSECONDS, Fleet
from devices.quantities import ALARM_FLAGS, GAS_QUANTITIES, QUALITY_BITS, QUANTITY_NAMES, Flag, Quality, quality_shift
from devices.readings import READING, Rows
from rules.documents.document import Kind, Rule, RulePack
from rules.evaluation.selection import parsed_of
from rules.language import tree
from rules.language.tree import Condition, Connective, Quantitative, Statistic
from rules.language.units import parse_number

_NIBBLE = (1 << QUALITY_BITS) - 1
_SHIFTS = {name: quality_shift(name) for name in QUANTITY_NAMES}
_BROKEN = {Quality.OUT_OF_RANGE, Quality.SENSOR_FAULT, Quality.SENTINEL}
_BLIND = int(Flag.WARM_UP | Flag.INHIBIT | Flag.FAULT)
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": lambda one, other: one >= other,
    ">": lambda one, other: one > other,
    "<=": lambda one, other: one <= other,
    "<": lambda one, other: one < other,
    "==": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
}
#: One reading, as Python values by column.
Reading = dict[str, Any]


class Device:
    """What is remembered of one: windows by node, since when something holds, alarms by rule."""

    __slots__ = ("active", "memory", "since", "slot")

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.active: set[int] = set()
        self.since: dict[int, int] = {}
        self.memory: dict[object, Any] = {}


class PlainRules:
    """`raised`: how many alarms there were."""

    def __init__(self, fleet: Fleet, pack: RulePack) -> None:
        self.fleet, self.raised = fleet, 0
        self.devices = [Device(slot) for slot in range(len(fleet))]
        self.rules = [
            (
                number,
                rule,
                parsed_of(pack, number),
                {name: parse_number(text)[0] for name, text in rule.numbers.items()},
            )
            for number, rule in enumerate(pack.rules)
            if rule.kind in (Kind.MEASURED, Kind.QUALITY)
        ]
        self.masks = [sum(Flag[name.upper()] for name in rule.flags) for rule in pack.rules]
        self.groups = {sort: grouping.of.tolist() for sort, grouping in fleet.groups.items()}
        self.votes: dict[tuple[object, int], dict[int, bool | None]] = {}

    def run(self, rows: Rows, slots: Sequence[int]) -> None:
        """All of them, in order."""
        names = READING.names or ()
        for values, slot in zip(rows.tolist(), slots, strict=True):
            self.one(dict(zip(names, values, strict=True)), self.devices[slot])

    def one(self, reading: Reading, device: Device) -> None:
        flags, ts = reading["flags"], reading["ts"]
        model = self.fleet.model_by_slot[device.slot]
        if model is None or flags & (Flag.LATE | Flag.STALE):
            return
        for number, rule, parsed, numbers in self.rules:
            if rule.applies_to and model.kind not in rule.applies_to:
                continue
            by_flag = bool(flags & self.masks[number])
            if by_flag:
                raised: bool | None = True
                cleared: bool | None = False
            elif parsed.condition is not None:
                ask = Asked(self, reading, device, numbers)
                raised = ask.says(parsed.condition)
                cleared = ask.says(parsed.clear) if parsed.clear is not None else _not(raised)
            else:
                raised, cleared = _shorthand(rule, reading, flags, self.masks[number])
            self._move(device, number, rule, ts, raised, cleared, by_flag)

    def _move(
        self, device: Device, number: int, rule: Rule, ts: int, raised: bool | None, cleared: bool | None, at_once: bool
    ) -> None:
        active = number in device.active
        going, stopped = (cleared, cleared is False) if active else (raised, raised is False)
        if going:
            since = min(device.since.get(number, ts), ts)
            hold_us = (rule.clear_hold_s if active else rule.hold_s) * MICROSECONDS
            if ts - since >= hold_us or (at_once and not active):
                device.since.pop(number, None)
                (device.active.discard if active else device.active.add)(number)
                self.raised += not active
            else:
                device.since[number] = since
        elif stopped:
            device.since.pop(number, None)


def _not(said: bool | None) -> bool | None:
    return None if said is None else not said


def believed(reading: Reading, name: str) -> float | None:
    value: float = reading[name]
    return value if (reading["quality"] >> _SHIFTS[name]) & _NIBBLE == 0 and value == value else None  # NaN is not


def _shorthand(rule: Rule, reading: Reading, flags: int, mask: int) -> tuple[bool | None, bool | None]:
    if rule.kind is Kind.QUALITY:
        broken = any((reading["quality"] >> _SHIFTS[name]) & _NIBBLE in _BROKEN for name in GAS_QUANTITIES)
        return broken, not broken
    if not rule.quantity:
        return False, None if flags & _BLIND and mask & int(ALARM_FLAGS) else True
    value = believed(reading, rule.quantity)
    if value is None:
        return None, None
    if rule.at_or_above is not None and rule.clear_below is not None:
        return value >= rule.at_or_above, value < rule.clear_below
    assert rule.at_or_below is not None
    assert rule.clear_above is not None
    return value <= rule.at_or_below, value > rule.clear_above


class Asked:
    """One reading that expressions are asked about."""

    __slots__ = ("device", "numbers", "reading", "rules")

    def __init__(self, rules: PlainRules, reading: Reading, device: Device, numbers: dict[str, float]) -> None:
        self.rules, self.reading, self.device, self.numbers = rules, reading, device, numbers

    def says(self, node: Condition) -> bool | None:
        match node:
            case tree.Comparison():
                left, right = self.number(node.left), self.number(node.right)
                return None if left is None or right is None else _COMPARE[node.comparator](left, right)
            case tree.FlagTest():
                return bool(self.reading["flags"] & Flag[node.flag.upper()])
            case tree.WordTest():
                value = self.reading[node.word]
                return None if value == 0 else (value == node.value) == node.equal
            case tree.Joined():
                return self._joined(node)
            case tree.Not():
                return _not(self.says(node.part))
            case tree.Stuck():
                return self._stuck(node)
            case tree.Votes():
                return self._votes(node)
            case _:
                return None  # what needs commands, or no reading

    def _joined(self, node: tree.Joined) -> bool | None:
        said = [self.says(part) for part in node.parts]
        decides = node.connective is Connective.OR
        if decides in said:
            return decides
        return None if None in said else not decides

    def number(self, node: Quantitative) -> float | None:
        match node:
            case tree.Number():
                return node.value
            case tree.Named():
                return self.numbers[node.name]
            case tree.Measured():
                return believed(self.reading, node.quantity)
            case tree.OfDevice():
                return self._of_device(node)
            case tree.Windowed():
                return self._windowed(node)
            case tree.Dose():
                return self._dose(node)
            case tree.Arithmetic():
                left, right = self.number(node.left), self.number(node.right)
                return None if left is None or right is None else _calculate(node.operator, left, right)
            case _:
                return None

    def _of_device(self, node: tree.OfDevice) -> float | None:
        fleet, slot = self.rules.fleet, self.device.slot
        if node.property is tree.Property.INTERVAL:
            return int(fleet.interval_us[slot]) / MICROSECONDS
        ends = fleet.life_end_us if node.property is tree.Property.LIFE_LEFT else fleet.calibration_due_us
        return (int(ends[slot]) - int(self.reading["ts"])) / MICROSECONDS if ends[slot] else None

    def _windowed(self, node: tree.Windowed) -> float | None:
        """Over the readings themselves, and so without the buckets of the engine."""
        now, ts = believed(self.reading, node.quantity), int(self.reading["ts"])
        kept: deque[tuple[int, float]] = self.device.memory.setdefault(node, deque())
        if now is not None and (not kept or kept[-1][0] != ts):
            kept.append((ts, now))
        while kept and kept[0][0] <= ts - node.window_us:
            kept.popleft()
        if not kept or now is None:
            return None
        values = [value for _, value in kept]
        match node.statistic:
            case Statistic.MIN:
                return min(values)
            case Statistic.MAX:
                return max(values)
            case Statistic.RATE | Statistic.DELTA:
                passed_us = ts - kept[0][0]
                if passed_us < node.window_us / 2:
                    return None
                rate = (now - kept[0][1]) / passed_us * MICROSECONDS
                return rate if node.statistic is Statistic.RATE else now - kept[0][1]
            case Statistic.MEAN:
                return sum(values) / len(values)
            case _:
                share = min(1.0, (ts - kept[0][0]) / node.window_us)
                return sum(values) / len(values) * share

    def _dose(self, node: tree.Dose) -> float | None:
        """Coburn-Forster-Kane as the engine has it, stepwise."""
        ppm, ts = believed(self.reading, node.quantity), int(self.reading["ts"])
        if ppm is None:
            return None
        percent, last = self.device.memory.get(node, (0.0, ts))
        passed = 2.718281828 ** (-(ts - last) / 60e6 / (2398 * 0.0404))
        percent = percent * passed + 218 * (1 - passed) * (0.0003 + max(ppm, 0.0) / 1316)
        self.device.memory[node] = (percent, ts)
        return float(percent)

    def _stuck(self, node: tree.Stuck) -> bool | None:
        now, ts = believed(self.reading, node.quantity), int(self.reading["ts"])
        if now is None:
            return None
        value, since = self.device.memory.get(node, (None, ts))
        if value != now:
            since = ts
        self.device.memory[node] = (now, since)
        return bool(ts - since >= node.window_us)

    def _votes(self, node: tree.Votes) -> bool | None:
        group = self.rules.groups[node.group][self.device.slot]
        if group < 0:
            return None
        votes = self.rules.votes.setdefault((node, group), {})
        votes[self.device.slot] = self.says(node.condition)
        yes = sum(said is True for said in votes.values())
        return yes >= node.least


def _calculate(operator: tree.Operator, left: float, right: float) -> float | None:
    match operator:
        case tree.Operator.ADD:
            return left + right
        case tree.Operator.SUBTRACT:
            return left - right
        case tree.Operator.MULTIPLY:
            return left * right
        case _:
            return left / right if right else None
