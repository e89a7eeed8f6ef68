"""How well an alarm system serves the people at its desks: the figures of EEMUA 191 and ISA-18.2, over alarm events.

Q1  Pure and exact: the figures are a function of the events, in any order, and of the period. Nothing is sampled.
Q2  What people were shown counts: what came into their list and asks for a person. What is hidden counts when it comes
    out; a trial is shown to nobody and counts nowhere (health_events).
Q3  A queue is one desk's list: a city's alarms are one desk's only if one desk has them all. Each queue is judged by
    itself, never their sum (EEMUA 191 speaks of one operator).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rules.decisions import Priority
from rules.health.events import AlarmEvents

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US

#: The interval that rates are told in. Source: EEMUA 191 and ISA-18.2, alarms per 10 minutes.
INTERVAL_US = 10 * MINUTE_US
#: On average so many in an interval are manageable. Source: EEMUA 191 and ISA-18.2.
MANAGEABLE_RATE = 1.0
#: More than this in one interval is a flood. Source: EEMUA 191 and ISA-18.2.
FLOOD_ABOVE = 10
#: A flood is over in the first interval with fewer than this. Source: product choice, so that one that rises and falls
#: about its limit is one flood.
FLOOD_ENDS_BELOW = 5
#: So many changes of one alarm (raised, returned, raised again) within a minute: it chatters. Source: EEMUA 191 and
#: ISA-18.2.
CHATTER_TRANSITIONS, CHATTER_WITHIN_US = 3, MINUTE_US
#: Active for longer than this: it is stale. Source: EEMUA 191 and ISA-18.2.
STALE_AFTER_US = 24 * HOUR_US
#: How many of the most frequent are listed, the bad actors. Source: EEMUA 191 and ISA-18.2.
MOST_FREQUENT = 10
#: What share of the alarms should have each priority, in percent. Source: EEMUA 191 and ISA-18.2, 5 / 15 / 80 for high,
#: medium, low; that critical counts with high, for Davy has four, is a product choice.
TARGET_PCT = {"critical and high": 5.0, "medium": 15.0, "low": 80.0}


@dataclass(frozen=True, slots=True)
class Flood:
    """From the start of its first interval to the end of its last; `alarms` in all, `peak` in its worst interval."""

    begin: int
    end: int
    alarms: int
    peak: int


@dataclass(frozen=True, slots=True)
class Queue:
    """What one desk had. average: alarms per INTERVAL_US over the period; peak: the most in one interval, which began
    at `peak_at`; busy_pct: the share of intervals with more than MANAGEABLE_RATE, flood_pct: of those within floods."""

    name: str
    alarms: int
    average: float
    peak: int
    peak_at: int
    busy_pct: float
    flood_pct: float
    floods: tuple[Flood, ...]


@dataclass(frozen=True, slots=True)
class Chatter:
    """`times`: how many stretches of chattering; `worst`: the most transitions within CHATTER_WITHIN_US."""

    source: str
    times: int
    worst: int


@dataclass(frozen=True, slots=True)
class Stale:
    """Active without a break since `since`; at the end of the period for more than STALE_AFTER_US."""

    source: str
    since: int


@dataclass(frozen=True, slots=True)
class BadActor:
    source: str
    alarms: int
    share_pct: float


@dataclass(frozen=True, slots=True)
class Share:
    """One class of priorities: how much of all that was shown it is, and should be."""

    name: str
    alarms: int
    share_pct: float
    target_pct: float


@dataclass(frozen=True, slots=True)
class Health:
    """begin, end: the period, microseconds UTC. queues: by name. chattering, bad_actors: worst first; stale: oldest
    first. bad_actors_pct: what share of all alarms the MOST_FREQUENT have together."""

    begin: int
    end: int
    alarms: int
    queues: tuple[Queue, ...]
    chattering: tuple[Chatter, ...]
    stale: tuple[Stale, ...]
    bad_actors: tuple[BadActor, ...]
    bad_actors_pct: float
    priorities: tuple[Share, ...]


def health(events: AlarmEvents, begin: int, end: int) -> Health:
    """The figures of [begin, end). Events before `begin` say what was active at its start; those from `end` on are not
    looked at. Raises ValueError when the period is empty or the columns are not of one length."""
    if end <= begin:
        raise ValueError("the period is empty: its end must be after its beginning")
    columns = (events.at, events.queue, events.source, events.priority, events.active, events.shown)
    if len({len(column) for column in columns}) != 1:
        raise ValueError(f"columns of different lengths: {[len(column) for column in columns]}")
    order = np.argsort(events.at, kind="stable")
    order = order[events.at[order] < end]
    inside = order[events.at[order] >= begin]
    news = inside[events.shown[inside]]
    actors = _bad_actors(events, news)
    return Health(
        begin=begin,
        end=end,
        alarms=len(news),
        queues=tuple(
            _queue(name, events.at[news[events.queue[news] == number]], begin, end)
            for number, name in sorted(enumerate(events.queues), key=lambda one: one[1])
        ),
        chattering=_chattering(events, inside),
        stale=_stale(events, order, end),
        bad_actors=actors,
        bad_actors_pct=round(sum(one.alarms for one in actors) * 100 / len(news), 6) if len(news) else 0.0,
        priorities=_mix(events.priority[news]),
    )


def _queue(name: str, at: NDArray[np.int64], begin: int, end: int) -> Queue:
    """at: of its alarms, ascending. Intervals are counted from `begin`; the last may be shorter."""
    intervals = -(-(end - begin) // INTERVAL_US)
    number = (at - begin) // INTERVAL_US
    which, many = np.unique(number, return_counts=True)
    floods = _floods(which.tolist(), many.tolist(), begin, end)
    worst = int(np.argmax(many)) if len(many) else 0
    flooded = sum(-(-(flood.end - flood.begin) // INTERVAL_US) for flood in floods)
    return Queue(
        name=name,
        alarms=len(at),
        average=len(at) * INTERVAL_US / (end - begin),
        peak=int(many[worst]) if len(many) else 0,
        peak_at=begin + int(which[worst]) * INTERVAL_US if len(many) else 0,
        busy_pct=int((many > MANAGEABLE_RATE).sum()) * 100 / intervals,
        flood_pct=flooded * 100 / intervals,
        floods=floods,
    )


def _floods(which: list[int], many: list[int], begin: int, end: int) -> tuple[Flood, ...]:
    """which: the intervals in which anything came, ascending; many: how much. A flood ends before the first interval
    with fewer than FLOOD_ENDS_BELOW, such as one without any."""
    found: list[list[int]] = []  # first interval, last interval, alarms, peak
    flooding = False
    before = -2
    for number, count in zip(which, many, strict=True):
        if flooding and number == before + 1 and count >= FLOOD_ENDS_BELOW:
            found[-1] = [found[-1][0], number, found[-1][2] + count, max(found[-1][3], count)]
        else:
            flooding = count > FLOOD_ABOVE
            if flooding:
                found.append([number, number, count, count])
        before = number
    return tuple(
        Flood(begin + first * INTERVAL_US, min(begin + (last + 1) * INTERVAL_US, end), alarms, peak)
        for first, last, alarms, peak in found
    )


def _chattering(events: AlarmEvents, inside: NDArray[np.intp]) -> tuple[Chatter, ...]:
    """A transition is an event after which the condition is present when it was not, or the other way round; what was
    before the first one of the period does not matter: it is one."""
    at, source, _ = _transitions(events, inside)
    # How many of the same source in the minute that ends here: sources stand more than a minute apart in one order.
    apart = (int(at.max() - at.min()) if len(at) else 0) + CHATTER_WITHIN_US + 1
    key = source.astype(np.int64) * apart + (at - at.min() if len(at) else at)
    within = np.arange(len(at)) - np.searchsorted(key, key - CHATTER_WITHIN_US, "left") + 1
    chatters = within >= CHATTER_TRANSITIONS
    follows = np.zeros(len(at), np.bool_)
    follows[1:] = chatters[:-1] & (source[1:] == source[:-1])
    starts = chatters & ~follows
    found = [
        Chatter(events.sources[one], int(starts[source == one].sum()), int(within[source == one].max()))
        for one in np.unique(source[chatters]).tolist()
    ]
    return tuple(sorted(found, key=lambda one: (-one.times, -one.worst, one.source)))


def _stale(events: AlarmEvents, order: NDArray[np.intp], end: int) -> tuple[Stale, ...]:
    """order: all events before `end`, by time."""
    at, source, active = _transitions(events, order)
    last = np.ones(len(at), np.bool_)
    last[:-1] = source[1:] != source[:-1]
    old = last & active & (end - at > STALE_AFTER_US)
    found = [Stale(events.sources[one], int(since)) for one, since in zip(source[old], at[old], strict=True)]
    return tuple(sorted(found, key=lambda one: (one.since, one.source)))


def _transitions(
    events: AlarmEvents, order: NDArray[np.intp]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.bool_]]:
    """When the condition of which source came (True) or went: by source, and by time within it."""
    by_source = order[np.argsort(events.source[order], kind="stable")]
    source, active = events.source[by_source], events.active[by_source]
    fresh = np.ones(len(by_source), np.bool_)
    fresh[1:] = (source[1:] != source[:-1]) | (active[1:] != active[:-1])
    return events.at[by_source][fresh], source[fresh], active[fresh]


def _bad_actors(events: AlarmEvents, news: NDArray[np.intp]) -> tuple[BadActor, ...]:
    source, many = np.unique(events.source[news], return_counts=True)
    counted = sorted(
        zip(many.tolist(), source.tolist(), strict=True), key=lambda one: (-one[0], events.sources[one[1]])
    )
    return tuple(
        BadActor(events.sources[one], count, count * 100 / len(news)) for count, one in counted[:MOST_FREQUENT]
    )


def _mix(priority: NDArray[np.uint8]) -> tuple[Share, ...]:
    counts = {
        "critical and high": int((priority <= Priority.HIGH).sum()),
        "medium": int((priority == Priority.MEDIUM).sum()),
        "low": int((priority == Priority.LOW).sum()),
    }
    every = max(len(priority), 1)
    return tuple(Share(name, many, many * 100 / every, TARGET_PCT[name]) for name, many in counts.items())
