"""How hard the alarm system works its people, in /metrics: what came, whether it is a flood, what stands."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as changed_to

from api.alarm_load import Arrivals, count
from engine import messages as m
from rules.decisions import AlarmChanged, AlarmRaised, AlarmState, Change, Decision, Priority
from rules.health.health import STALE_AFTER_US
from tests.api.conftest import config_of
from tests.api.door_double import START_US, DoorDouble
from tests.api.homes import DETECTOR, ELSEWHERE, OTHERS, REGISTRY
from tests.api.stand import Stand, serving
from tests.api.test_metrics import samples

MINUTE = 60_000_000
T0 = 1_790_000_000_000_000
RAISED = AlarmRaised(
    at=T0,
    alarm="a",
    rule="gas",
    device_no=1,
    site="home-1",
    priority=Priority.HIGH,
    onset=T0,
    state=AlarmState.UNACKNOWLEDGED,
)
CHANGED = AlarmChanged(
    at=T0,
    alarm="a",
    rule="gas",
    device_no=1,
    site="home-1",
    priority=Priority.HIGH,
    onset=T0,
    change=Change.ACKNOWLEDGED,
    state=AlarmState.ACKNOWLEDGED,
)


def _heard(*decisions: Decision, engine: str = "e", first: int = 1) -> Arrivals:
    arrivals = Arrivals()
    for n, decision in enumerate(decisions, first):
        arrivals.hear(m.FeedEvent(request=0, engine=engine, cycle=n, n=0, decision=decision))
    return arrivals


@pytest.mark.parametrize(
    ("decision", "came"),
    [
        (RAISED, 1),
        (changed_to(RAISED, late=True, state=AlarmState.RETURNED_UNACKNOWLEDGED), 1),
        (changed_to(RAISED, trial=True), 0),
        (changed_to(RAISED, state=AlarmState.SHELVED), 0),
        (CHANGED, 0),
        (changed_to(CHANGED, change=Change.REALARMED, state=AlarmState.UNACKNOWLEDGED), 1),
        (changed_to(CHANGED, change=Change.UNSHELVED, state=AlarmState.UNACKNOWLEDGED), 1),
        (changed_to(CHANGED, change=Change.UNSHELVED, state=AlarmState.ACKNOWLEDGED), 0),
        (changed_to(CHANGED, change=Change.NOTED, state=AlarmState.UNACKNOWLEDGED), 0),
        (changed_to(CHANGED, change=Change.TRIED, state=AlarmState.UNACKNOWLEDGED, trial=True), 0),
    ],
)
def test_what_asks_for_a_person_came_and_nothing_else(decision: Decision, came: int) -> None:
    assert _heard(decision).within(T0).total() == came


def test_what_came_is_forgotten_after_ten_minutes() -> None:
    arrivals = _heard(
        *(changed_to(RAISED, at=T0 + n * MINUTE, priority=Priority.LOW if n else Priority.HIGH) for n in range(12))
    )
    assert arrivals.within(T0 + 11 * MINUTE) == Counter({Priority.LOW: 10})
    assert len(arrivals.seconds) == 10
    assert arrivals.within(T0 + 20 * MINUTE) == Counter({Priority.LOW: 1})
    assert arrivals.within(T0 + 60 * MINUTE) == Counter()


def test_an_engine_put_back_from_a_copy_is_counted_anew() -> None:
    arrivals = _heard(RAISED, RAISED, first=5)
    arrivals.hear(m.FeedEvent(request=0, engine="e", cycle=4, n=0, decision=RAISED))
    assert arrivals.within(T0).total() == 1
    arrivals.hear(m.FeedEvent(request=0, engine="another", cycle=5, n=0, decision=RAISED))
    assert arrivals.within(T0).total() == 1


def test_what_is_active_for_more_than_a_day_is_stale_also_while_it_is_hidden() -> None:
    view = m.AlarmView(
        alarm="a",
        rule="gas",
        device_no=1,
        identity=DETECTOR,
        site="home-1",
        priority=Priority.HIGH,
        state=AlarmState.SHELVED,
        onset=T0,
        raised=T0,
        changed=T0,
        quantity="",
        value=None,
        late=False,
        because="",
        acknowledged_by="",
        true_state=AlarmState.ACKNOWLEDGED,
    )
    gone = changed_to(view, state=AlarmState.RETURNED_UNACKNOWLEDGED, true_state=None)
    tried = changed_to(view, trial=True)
    assert count((view, gone, tried), T0 + STALE_AFTER_US).stale == 0
    standing = count((view, gone, tried), T0 + STALE_AFTER_US + 1)
    assert standing.stale == 1
    assert standing.by == Counter({("high", "shelved"): 1, ("high", "returned_unacknowledged"): 1})


async def test_the_load_is_told_and_a_flood_is_called_one(real: Stand) -> None:
    async with real.stream() as events:
        for identity in (DETECTOR, *OTHERS[:2]):
            await real.push(identity, high_alarm=True)
            await events.until("alarm_raised")
    found = samples((await real.http.get("/metrics")).text)
    assert found['davy_alarms_came_10m{priority="critical"}'] >= 3
    assert found["davy_alarm_flood"] == 0
    assert found['davy_alarms_standing{priority="critical",state="unacknowledged"}'] >= 3
    assert found["davy_alarms_stale"] == 0
    async with real.stream() as events:
        for identity in (*OTHERS[2:], ELSEWHERE):
            await real.push(identity, high_alarm=True, low_alarm=True, co_alarm=True, fault=True)
            await events.until("alarm_raised")
        await real.push(DETECTOR, high_alarm=True, co_alarm=True, fault=True)
        await events.until("alarm_raised")
    assert samples((await real.http.get("/metrics")).text)["davy_alarm_flood"] == 1


@pytest.fixture
async def asked(door_path: Path) -> AsyncIterator[tuple[Stand, DoorDouble]]:
    engine = DoorDouble(door_path, REGISTRY)
    await engine.start()
    async with serving(replace(config_of(engine.path), now_us=lambda: START_US)) as stand:
        yield stand, engine
    await engine.stop()


async def test_the_alarm_list_is_asked_for_seldom_and_an_engine_that_is_away_stands_for_nothing(
    asked: tuple[Stand, DoorDouble],
) -> None:
    stand, engine = asked
    for _ in range(3):
        text = (await stand.http.get("/metrics")).text
    assert engine.listed == 1
    assert "davy_alarms_stale 0" in text
    stand.parts.load._ask_after_s = 0.0
    await engine.stop()
    text = (await stand.http.get("/metrics")).text
    assert "davy_alarms_stale" not in text
    assert "davy_alarm_flood 0" in text
    samples(text)
