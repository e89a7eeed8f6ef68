"""What a run of one version decided, counted: alarms as records, shut-offs, what the budget held, operators' load."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from devices.fleet import MICROSECONDS, Fleet
from rules.decisions import (
    AlarmChanged,
    AlarmRaised,
    AlarmState,
    Change,
    CloseWanted,
    Decision,
    HeldChange,
    RuleNoted,
    ShutOffHeld,
)
from rules.documents.document import RulePack
from rules.health.events import RAISED, events_of
from rules.health.health import health
from rules.history.backtest_steps import Steps
from rules.history.backtest_types import Alarmed, Found, Load, RuleCount
from rules.life.lifecycle import IS_ACTIVE

#: Alarms that are listed one by one; all are counted. Source: product choice (some 40 MiB as JSON).
MOST_LISTED = 100_000


_HIDDEN = (AlarmState.SHELVED, AlarmState.SUPPRESSED, AlarmState.OUT_OF_SERVICE)


@dataclass(slots=True)
class _Open:
    """An alarm while it is followed. `number`: its place in the list; -1: it is counted and not listed."""

    raised: AlarmRaised
    number: int
    again: int = 0
    returned: int = 0


@dataclass
class Tally:
    """Of alarms raised at or after `from_us`; what was raised before, in the lead, is followed and not counted."""

    fleet: Fleet
    pack: RulePack
    from_us: int
    open: dict[str, _Open] = field(default_factory=dict)
    alarms: list[Alarmed] = field(default_factory=list)
    raised: Counter[str] = field(default_factory=Counter)
    again: Counter[str] = field(default_factory=Counter)
    late: Counter[str] = field(default_factory=Counter)
    trials: Counter[str] = field(default_factory=Counter)
    devices: dict[str, set[int]] = field(default_factory=dict)
    shut_offs: Counter[str] = field(default_factory=Counter)
    valves: dict[str, set[int]] = field(default_factory=dict)
    held: dict[tuple[str, int], int] = field(default_factory=dict)
    held_count: Counter[str] = field(default_factory=Counter)
    released: Counter[str] = field(default_factory=Counter)
    longest_us: dict[str, int] = field(default_factory=dict)
    reverted: list[str] = field(default_factory=list)
    priorities: Counter[str] = field(default_factory=Counter)
    steps: Steps = field(init=False)

    def __post_init__(self) -> None:
        self.steps = Steps(self.fleet)

    def count(self, decisions: Iterable[Decision]) -> None:
        for one in decisions:
            match one:
                case AlarmRaised():
                    self.steps.add(one, RAISED)
                    self._raised(one)
                case AlarmChanged():
                    self.steps.add(one, one.change)
                    self._changed(one)
                case CloseWanted() if one.alarm and one.at >= self.from_us:
                    self.shut_offs[one.reason] += 1
                    self.valves.setdefault(one.reason, set()).add(one.device_no)
                case ShutOffHeld() if one.at >= self.from_us:
                    self._held(one)
                case RuleNoted(reverted=True):
                    self.reverted.append(f"{one.rule}: {one.what}")
                case _:
                    pass

    def _raised(self, one: AlarmRaised) -> None:
        number = -1
        if one.at >= self.from_us:
            self.raised[one.rule] += 1
            self.late[one.rule] += one.late
            self.trials[one.rule] += one.trial
            self.devices.setdefault(one.rule, set()).add(one.device_no)
            self._tell(one, one.priority.name.lower())
            if len(self.alarms) < MOST_LISTED:
                number = len(self.alarms)
                self.alarms.append(self._record(_Open(one, number)))
        returned = one.at if one.state is AlarmState.RETURNED_UNACKNOWLEDGED else 0
        self.open[one.alarm] = _Open(one, number, returned=returned)

    def _changed(self, one: AlarmChanged) -> None:
        known = self.open.get(one.alarm)
        if known is None:
            return
        if one.change is Change.REALARMED:
            known.again += 1
            known.returned = 0
            if one.at >= self.from_us:
                self.again[one.rule] += 1
                self._tell(one, one.priority.name.lower())
        elif not known.returned and not IS_ACTIVE[one.state] and one.change in (Change.RETURNED, Change.REMOVED):
            known.returned = one.at
        if one.state is AlarmState.NORMAL:
            known.returned = known.returned or one.at
            del self.open[one.alarm]
        if known.number >= 0:
            self.alarms[known.number] = self._record(known)

    def _tell(self, one: AlarmRaised | AlarmChanged, priority: str) -> None:
        if not one.trial and one.state not in _HIDDEN:
            self.priorities[priority] += 1

    def _held(self, one: ShutOffHeld) -> None:
        place = one.rule, one.device_no
        if one.change is HeldChange.HELD:
            self.held[place] = one.at
            self.held_count[one.rule] += 1
            return
        since = self.held.pop(place, one.at)
        self.longest_us[one.rule] = max(self.longest_us.get(one.rule, 0), one.at - since)
        self.released[one.rule] += one.change is HeldChange.RELEASED

    def _record(self, known: _Open) -> Alarmed:
        one = known.raised
        return Alarmed(
            alarm=one.alarm,
            rule=one.rule,
            device_no=one.device_no,
            identity=self.fleet.identity(one.device_no),
            site=one.site,
            priority=one.priority,
            onset=one.onset,
            raised=one.at,
            returned=known.returned,
            again=known.again,
            quantity=one.quantity,
            value=one.value,
            late=one.late,
            trial=one.trial,
        )

    def found(self, to_us: int) -> Found:
        for (rule, _), since in self.held.items():
            self.longest_us[rule] = max(self.longest_us.get(rule, 0), to_us - since)
        standing = Counter(known.raised.rule for known in self.open.values() if not known.returned)
        total = sum(self.raised.values())
        return Found(
            name=self.pack.name,
            version=self.pack.version,
            raised=total,
            shut_offs=sum(self.shut_offs.values()),
            held=sum(self.held_count.values()),
            reverted=tuple(self.reverted),
            by_rule=tuple(
                RuleCount(
                    rule=rule.id,
                    priority=rule.priority,
                    alarms=self.raised[rule.id],
                    again=self.again[rule.id],
                    late=self.late[rule.id],
                    trials=self.trials[rule.id],
                    devices=len(self.devices.get(rule.id, ())),
                    standing=standing[rule.id],
                    shut_offs=self.shut_offs[rule.id],
                    valves=len(self.valves.get(rule.id, ())),
                    held=self.held_count[rule.id],
                    released=self.released[rule.id],
                    longest_wait_s=self.longest_us.get(rule.id, 0) / MICROSECONDS,
                )
                for rule in self.pack.rules
            ),
            load=self._load(to_us),
            alarms=tuple(self.alarms),
            listed=total == len(self.alarms),
        )

    def _load(self, to_us: int) -> Load:
        told = sum(self.priorities.values())
        return Load(
            annunciated=told,
            priority_pct={word: 100.0 * many / told for word, many in sorted(self.priorities.items())},
            health=health(events_of(self.steps.words()), self.from_us, max(to_us, self.from_us + 1)),
            whole=self.steps.whole,
        )
