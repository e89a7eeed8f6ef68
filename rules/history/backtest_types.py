"""What a backtest is asked and what it finds. Frozen, so that a command, a file and an API say the same.

Times are microseconds since 1970 UTC unless a name says otherwise.
"""

import msgspec

from rules.decisions import Priority
from rules.health.health import Health
from rules.instructions import Resolution


class Assumed(msgspec.Struct, frozen=True):
    """What is assumed of valves and people, whose part in history followed other commands.

    valves_answer: a valve that is told to close is seen closed after half of its model's confirm_within_s (one that
    sleeps: after it wakes), a fan runs at once. False: none ever answers, and CLOSE is attempted to the end.
    acknowledge_after_s: a person acknowledges an alarm so long after it was raised, and resets one that latched so long
    after that is possible; None: nobody ever does, so that an alarm that comes again is no new one. At least 1 s.
    as_active: every rule of both versions that is no draft is taken as active."""

    valves_answer: bool = True
    acknowledge_after_s: float | None = 60.0
    as_active: bool = True

    def said(self) -> str:
        """All that a result rests on and history does not say, in one line."""
        valves = "valves close within half of their time to confirm" if self.valves_answer else "no valve ever answers"
        after_s = self.acknowledge_after_s
        people = "nobody acknowledges" if after_s is None else f"people acknowledge after {after_s:g} s"
        rules = "dry runs and canaries count as active" if self.as_active else "rules are as written"
        return (
            f"{valves}; {people}, and shelve nothing; {rules}; devices, sites and links are those of today; who was not"
            " heard yet is not silent; when nobody was heard, Davy was away"
        )


class Label(msgspec.Struct, frozen=True):
    """An alarm of the past of which a person said what it was. `until`: when it had returned; 0: not known."""

    alarm: str
    rule: str
    device_no: int
    onset: int
    until: int
    resolution: Resolution


class Alarmed(msgspec.Struct, frozen=True):
    """One alarm of a run. `returned`: when its condition was last gone; 0: it stands at the end. `again`: how often it
    came again before it was over."""

    alarm: str
    rule: str
    device_no: int
    identity: str
    site: str
    priority: Priority
    onset: int
    raised: int
    returned: int
    again: int
    quantity: str
    value: float | None
    late: bool
    trial: bool


class RuleCount(msgspec.Struct, frozen=True):
    """What one rule did. `alarms`: raised in the period, re-alarms apart; of these `late` by late bits only and
    `trials`. `shut_offs`: closings it asked for, of `valves` valves. `held`: shut-offs its budget held back, of which
    `released` later and `longest_wait_s` for the one that waited longest."""

    rule: str
    priority: Priority
    alarms: int
    again: int
    late: int
    trials: int
    devices: int
    standing: int
    shut_offs: int
    valves: int
    held: int
    released: int
    longest_wait_s: float


class Load(msgspec.Struct, frozen=True):
    """What operators would have had to look at. `annunciated`: alarms and re-alarms that people are told of.
    `priority_pct`: their share by priority. `health`: rates, floods, chattering, stale alarms and bad actors; a queue
    is the desk of an enterprise. `whole`: all events are in it; else the first MOST_EVENTS."""

    annunciated: int
    priority_pct: dict[str, float]
    health: Health
    whole: bool


class Found(msgspec.Struct, frozen=True):
    """What one version did. `alarms`: the first MOST_LISTED of them, by time raised; `listed` says whether all are."""

    name: str
    version: str
    raised: int
    shut_offs: int
    held: int
    reverted: tuple[str, ...]
    by_rule: tuple[RuleCount, ...]
    load: Load
    alarms: tuple[Alarmed, ...]
    listed: bool


class Moved(msgspec.Struct, frozen=True):
    """The same alarm in both, with another onset; `by_s` is how much later it is in the new version."""

    old: Alarmed
    new: Alarmed
    by_s: float


class Differences(msgspec.Struct, frozen=True):
    """Alarm by alarm, of those that are listed on both sides. `same`: equal in rule, device and onset."""

    same: int
    only_new: tuple[Alarmed, ...]
    only_old: tuple[Alarmed, ...]
    moved: tuple[Moved, ...]


class Labelled(msgspec.Struct, frozen=True):
    """Of alarms that people said were of one sort: how many there are, and how many of them a version raises."""

    resolution: Resolution
    labels: int
    new: int
    old: int | None


class Tested(msgspec.Struct, frozen=True):
    """The result of a backtest. `readings`: of the period and its lead; `unknown`: of devices that are not registered
    (any more), passed over. `old` and `differences` are None without a version to compare with."""

    from_us: int
    to_us: int
    readings: int
    unknown: int
    devices: int
    assumed: Assumed
    new: Found
    old: Found | None
    differences: Differences | None
    labelled: tuple[Labelled, ...]
    assumes: str


class Progress(msgspec.Struct, frozen=True):
    """How far a backtest is: readings so far, and up to which time."""

    readings: int
    at: int
