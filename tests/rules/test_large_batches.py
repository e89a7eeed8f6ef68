"""Batches that span minutes: taken at once they decide what they decide reading by reading (G5).

Devices of a street report at their own pace, mostly calm, some too rarely; valves do what they are told. Everything is
lived through one reading at a time, and then again in batches of any size, frozen to bytes and thawed between.
"""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.models import DeviceKind
from devices.quantities import Flag, Quality, ValvePosition, quality_shift
from devices.readings import Batch, Rows, blank
from rules.decisions import AlarmRaised, AttemptRequested, CloseWanted, Decision, permit_id
from rules.events import AttemptSent, Event, Listening, Paused, Replied
from rules.instructions import Acknowledge, ApprovePermit, CloseValve, RequestPermit, TakeOutOfService
from rules.stepping.snapshot import decode_snapshot, encode_snapshot, restore, snapshot
from rules.stepping.state import State
from rules.stepping.step import step
from tests.rules import world
from tests.rules.neighbourhood import neighbourhood_fleet
from tests.rules.world import OF_A_CLOSING, SECOND, T0, pack

GAS = 'applies_to = ["detector"]\nquantity = "combustible_lel"\n'
RULES = pack(
    GAS + 'flags = ["low_alarm"]\nat_or_above = 20\nclear_below = 15\nhold_s = 7\naction = "close"',
    GAS
    + 'flags = ["high_alarm"]\nat_or_above = 50\nclear_below = 45\nlatch = true\nclear_hold_s = 3\naction = "close"',
    'priority = "high"\napplies_to = ["detector"]\nquantity = "co_ppm"\nat_or_above = 100\nclear_below = 50\n'
    'escalate = [{ when = "co_ppm >= 300 ppm", priority = "critical" }]',
    'kind = "quality"\nflags = ["fault"]\nhold_s = 4\nclear_hold_s = 2',
    'kind = "silence"\npriority = "medium"',
    'condition = "missing(2 * interval)"\napplies_to = ["detector"]\npriority = "low"',
    'condition = "missing(70 s)"\npriority = "low"',
    'kind = "outage"\ngroup = "building"\nleast = 2\nshare_pct = 30',
    'kind = "outage"\ngroup = "gateway"\nleast = 3\nshare_pct = 10\npriority = "low"',
    'condition = "at_least(2, building, combustible_lel > 10 %LEL)"\nclear_condition = "combustible_lel < 5 %LEL"',
    'condition = "any(site, co_ppm > 40 ppm) and combustible_lel > 2 %LEL"',
    'condition = "valve == open and commanded_closed"\napplies_to = ["shut_off_valve"]',
    'condition = "mean(combustible_lel, 1 min) > 8 %LEL"\nhold_s = 5',
    GAS + 'at_or_above = 30\nclear_below = 25\nschedule = { from = "12:01", until = "12:03" }\nhold_s = 10',
    'quantity = "battery_pct"\nat_or_below = 10\nclear_above = 15\nlatch = true',
    *OF_A_CLOSING,
)
FLEET = neighbourhood_fleet()
#: One at a time: (from when on, until when, %LEL or ppm) of a detector that is not calm.
LEAKS = (0.0, 12.0, 18.0, 25.0, 60.0, float("nan"))


def reading(rng: random.Random, slot: int, t: int, leak: float, position: int) -> Rows:
    row, model = blank(1), FLEET.model_by_slot[slot]
    assert model is not None
    row["device_no"], row["received"] = FLEET.device_no[slot], t
    row["ts"] = t - rng.choice((0, 0, 0, 200_000, 3 * SECOND))
    flags = Flag(0)
    if model.kind is DeviceKind.SHUT_OFF_VALVE:
        row["valve"] = position if rng.random() < 0.9 else ValvePosition.UNKNOWN
    else:
        for name, value in (("combustible_lel", leak), ("co_ppm", leak * 6), ("battery_pct", rng.choice((50.0, 90.0)))):
            row[name] = value
            quality = Quality.GOOD if rng.random() < 0.97 else rng.choice(list(Quality))
            word = int(row["quality"][0]) & ~(15 << quality_shift(name))
            row["quality"] = word | int(quality) << quality_shift(name)
        if leak > 15 and rng.random() < 0.3:
            flags = rng.choice((Flag.LOW_ALARM, Flag.HIGH_ALARM, Flag.FAULT))
    if rng.random() < 0.03:
        flags |= rng.choice((Flag.LATE, Flag.STALE, Flag.LATE | Flag.LOW_ALARM))
    row["flags"] = int(flags)
    return row


class Life:
    """A history that the engine lives through reading by reading: what came, and what it decided."""

    def __init__(self, seed: int, seconds: int) -> None:
        self.rng = random.Random(seed)
        self.state = State.initial(FLEET, RULES, T0)
        self.rows: list[Rows] = []
        self.events: list[Event] = []
        self.decided: list[Decision] = []
        self.position = dict.fromkeys(FLEET.valves, int(ValvePosition.OPEN))
        self.end = T0 + seconds * SECOND
        self.leaks = {slot: self.leak(seconds) for slot in range(len(FLEET)) if self.rng.random() < 0.3}
        for t, slot in sorted(self.schedule(seconds)):
            self.live(t, slot)
        self.decided += step(self.state, Batch(blank(0), np.empty(0, np.int32)), (), self.end)

    def leak(self, seconds: int) -> tuple[int, int, float]:
        begin = self.rng.randrange(seconds)
        return T0 + begin * SECOND, T0 + (begin + self.rng.randrange(60)) * SECOND, self.rng.choice(LEAKS)

    def schedule(self, seconds: int) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for slot in range(len(FLEET)):
            every, t = int(FLEET.interval_us[slot]) or 60 * SECOND, T0 + self.rng.randrange(5_000) * 1_000
            while t < self.end:
                found.append((t, slot))
                gap = 1.0 if self.rng.random() < 0.96 else self.rng.choice((2.0, 2.5, 3.0, 3.2, 8.0))
                t += round(every * gap / 1_000) * 1_000
        return found

    def live(self, t: int, slot: int) -> None:
        t = max(t, self.state.now)
        begin, until, value = self.leaks.get(slot, (0, 0, 0.0))
        row = reading(self.rng, slot, t, value if begin <= t < until else 0.5, self.position.get(slot, 0))
        self.take([row], (), t)
        chance = self.rng.random()
        if chance < 0.004:
            after = max(t, self.state.now) + 1
            self.take([], self.told(after), after)

    def told(self, t: int) -> Sequence[Event]:
        rng, n = self.rng, len(self.events)
        alarms = [alarm.alarm for alarm in self.state.alarms()] or ["none"]
        number = int(FLEET.device_no[rng.choice(list(FLEET.valves))])
        return (
            rng.choice(
                (
                    Acknowledge(at=t, id=f"a{n}", by="li", alarm=rng.choice(alarms)),
                    CloseValve(at=t, id=f"c{n}", by="li", device_no=number, reason="by hand"),
                    TakeOutOfService(
                        at=t, id=f"o{n}", by="li", device_no=rng.randrange(1, 20), until=t + 30 * SECOND, reason="work"
                    ),
                    Paused(at=t),
                    Listening(at=t),
                )
            ),
        )

    def take(self, rows: Sequence[Rows], events: Sequence[Event], t: int) -> None:
        self.rows += rows
        self.events += events
        together = np.concatenate(rows) if rows else blank(0)
        decided = step(self.state, Batch(together, FLEET.slots(together["device_no"])), events, t)
        self.decided += decided
        sent = [AttemptSent(at=t + 1_000, command=one.command) for one in decided if isinstance(one, AttemptRequested)]
        for one in decided:
            slot = int(FLEET.slot_of[one.device_no]) if isinstance(one, CloseWanted) else -1
            if slot in self.position and self.rng.random() < 0.8:
                self.position[slot] = int(ValvePosition.CLOSED)
        if sent and self.rng.random() < 0.9:
            self.take([], sent, t + 1_000)


def again(life: Life, cuts: random.Random, state: State) -> tuple[list[Decision], State]:
    """The same in batches of random sizes, cut between times."""
    rows = np.concatenate(life.rows)
    events, decided, begin = list(life.events), [], 0
    while begin < len(rows) or events:
        end = min(len(rows), begin + cuts.choice((1, 40, 400, 4_000)))
        now = int(rows["received"][end - 1]) if end < len(rows) else life.end
        end = int(np.searchsorted(rows["received"], now, "right"))
        told = [event for event in events if event.at <= now]
        events = events[len(told) :]
        part = rows[begin:end]
        decided += step(state, Batch(part, FLEET.slots(part["device_no"])), told, now)
        begin = end
        if cuts.random() < 0.3:
            state = restore(decode_snapshot(encode_snapshot(snapshot(state))), FLEET, RULES)
    return decided, state


def assert_same(mine: Sequence[Decision], other: Sequence[Decision]) -> None:
    for n, (left, right) in enumerate(zip([*mine, None], [*other, None], strict=False)):
        assert left == right, f"decision {n}"


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32))
def test_a_batch_of_minutes_decides_what_its_readings_decide_one_by_one(seed: int) -> None:
    life = Life(seed, 150)
    decided, state = again(life, random.Random(seed + 1), State.initial(FLEET, RULES, T0))
    assert_same(decided, life.decided)
    assert encode_snapshot(snapshot(state)) == encode_snapshot(snapshot(life.state))


def test_a_valve_seen_in_the_batch_in_which_a_vote_closes_it_is_one_whose_closing_is_wanted() -> None:
    """A rule that votes is raised only when it is asked wholly, so its effects are looked for wherever it may be."""
    voted = 'condition = "any(site, combustible_lel >= 10 %LEL)"\naction = "close"\napplies_to = ["detector"]'
    flows = 'condition = "flow_m3h > 1 m3/h and commanded_closed"\npriority = "critical"'
    rows = [world.reading("d1", 5, combustible_lel=30.0), world.reading("v1", 5, flow_m3h=3.0)]
    together, apart = (world.World(pack(voted, flows, *OF_A_CLOSING)) for _ in range(2))
    together.step(rows, (), 5)
    for row in rows:
        apart.step([row], (), 5)
    assert world.raised(together.decided) == [("d1", "rule-0"), ("v1", "rule-1")]
    assert_same(together.decided, apart.decided)
    assert encode_snapshot(snapshot(together.state)) == encode_snapshot(snapshot(apart.state))


def _of_a_permit(valve: int) -> tuple[Event, ...]:
    permit = permit_id(valve, world.at(2.5))
    return (
        RequestPermit(at=world.at(2.5), id="1", by="li", device_no=valve, reason="a new hose"),
        ApprovePermit(at=world.at(3), id="2", by="wang", permit=permit),
    )


def _of_a_reply(valve: int) -> tuple[Event, ...]:
    return (Replied(at=world.at(3), command="of long ago", device_no=valve, valve=ValvePosition.OPEN),)


@pytest.mark.parametrize("told", [_of_a_permit, _of_a_reply])
def test_where_a_valve_stands_is_heard_again_in_the_batch_in_which_an_event_says_otherwise(told: Any) -> None:
    """A permit that is granted forgets that its valve was seen closed; a reply says that it is open."""
    closing = pack(GAS + 'action = "close"\nat_or_above = 20\nclear_below = 15', *OF_A_CLOSING)
    together, apart = (world.World(closing) for _ in range(2))
    valve, events = world.NUMBERS["v1"], told(world.NUMBERS["v1"])
    rows = [world.reading("v1", t, valve=ValvePosition.CLOSED) for t in (1, 2, 4, 5)]
    for one in (together, apart):
        one.step(rows[:1], (), 1)
    together.step(rows[1:], events, 6)
    apart.step(rows[1:2], (), 2.2)
    apart.step([], events, 3)
    for n in (2, 3):
        apart.step([rows[n]], (), 2 + n)
    apart.tick(6)
    assert together.state.position[together.fleet.slot_of[valve]] == ValvePosition.CLOSED
    assert encode_snapshot(snapshot(together.state)) == encode_snapshot(snapshot(apart.state))


@pytest.mark.parametrize("seed", range(3))
def test_all_at_once_is_the_same(seed: int) -> None:
    life = Life(seed, 600)
    rows = np.concatenate(life.rows)
    state = State.initial(FLEET, RULES, T0)
    assert_same(step(state, Batch(rows, FLEET.slots(rows["device_no"])), life.events, life.end), life.decided)
    assert encode_snapshot(snapshot(state)) == encode_snapshot(snapshot(life.state))
    raised = {one.rule for one in life.decided if isinstance(one, AlarmRaised)}
    assert len(raised) > 9, "the history says little"
