"""Two versions of rules side by side, alarm by alarm, and against what people said of alarms of the past."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from devices.fleet import MICROSECONDS
from rules.history.backtest_types import Alarmed, Differences, Label, Labelled, Moved
from rules.instructions import Resolution

#: An alarm and a label are about the same thing when they lie no further apart than this. Source: product choice.
NEAR_US = 600 * MICROSECONDS
_OPEN_END = 1 << 62

_Place = tuple[str, int]


def differences(old: Sequence[Alarmed], new: Sequence[Alarmed]) -> Differences:
    """Of one rule at one device, two alarms are the same when their onsets are equal. Of the rest, one that overlaps
    one of the other version in time is that one with another onset; each is used once, earliest first."""
    same = 0
    only_new: list[Alarmed] = []
    only_old: list[Alarmed] = []
    moved: list[Moved] = []
    before, after = _by_place(old), _by_place(new)
    for place in sorted(before.keys() | after.keys()):
        were, are = before.get(place, []), after.get(place, [])
        onsets = {alarm.onset for alarm in were} & {alarm.onset for alarm in are}
        same += len(onsets)
        left = [alarm for alarm in were if alarm.onset not in onsets]
        for alarm in are:
            if alarm.onset in onsets:
                continue
            other = next((one for one in left if _overlap(one, alarm.onset, alarm.returned)), None)
            if other is None:
                only_new.append(alarm)
            else:
                left.remove(other)
                moved.append(Moved(other, alarm, (alarm.onset - other.onset) / MICROSECONDS))
        only_old += left
    return Differences(same, _in_time(only_new), _in_time(only_old), tuple(moved))


def labelled(labels: Sequence[Label], new: Sequence[Alarmed], old: Sequence[Alarmed] | None) -> tuple[Labelled, ...]:
    """Of every sort of label: how many of the labelled alarms each version raises. A label is met by an alarm of its
    rule at its device that overlaps it or lies within NEAR_US of it."""
    after, before = _by_place(new), None if old is None else _by_place(old)
    return tuple(
        Labelled(
            resolution,
            len(mine),
            sum(_met(label, after) for label in mine),
            None if before is None else sum(_met(label, before) for label in mine),
        )
        for resolution in Resolution
        if (mine := [label for label in labels if label.resolution is resolution])
    )


def _by_place(alarms: Iterable[Alarmed]) -> dict[_Place, list[Alarmed]]:
    found: dict[_Place, list[Alarmed]] = defaultdict(list)
    for alarm in sorted(alarms, key=lambda one: one.onset):
        found[alarm.rule, alarm.device_no].append(alarm)
    return dict(found)


def _overlap(alarm: Alarmed, begin: int, end: int, slack_us: int = 0) -> bool:
    return alarm.onset <= (end or _OPEN_END) + slack_us and begin <= (alarm.returned or _OPEN_END) + slack_us


def _met(label: Label, alarms: dict[_Place, list[Alarmed]]) -> bool:
    there = alarms.get((label.rule, label.device_no), [])
    return any(_overlap(alarm, label.onset, label.until or label.onset, NEAR_US) for alarm in there)


def _in_time(alarms: list[Alarmed]) -> tuple[Alarmed, ...]:
    return tuple(sorted(alarms, key=lambda one: (one.onset, one.rule, one.device_no)))
