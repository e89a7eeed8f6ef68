"""The life of alarms over random histories of readings, people and restarts.

Hiding never changes a true state; decisions alone add up to what the engine shows; lookups are what a walk over the
state gives; and neither a restart nor the way of cutting a history into steps is seen in what is decided.
"""

import random
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.fleet import build_fleet
from devices.quantities import Flag
from devices.readings import Batch, Rows, blank
from rules.decisions import AlarmChanged, AlarmState, Change, Decision, IncidentChange, IncidentChanged, IncidentScope
from rules.events import Event, LinkDown, LinkUp
from rules.incidents import life as incident_life
from rules.instructions import (
    Acknowledge,
    Arrived,
    CloseIncident,
    Comment,
    Dispatched,
    FieldReading,
    FieldStep,
    Reset,
    Resolution,
    Resolve,
    ReturnToService,
    Shelve,
    StepDone,
    TakeOutOfService,
    Unshelve,
)
from rules.life.lifecycle import IS_ACTIVE
from rules.life.lookups import Gathered
from rules.stepping.snapshot import decode_snapshot, encode_snapshot, restore, snapshot
from rules.stepping.state import State
from rules.stepping.step import step
from tests.rules.block import FLATS, HOUSES, NUMBER, block
from tests.rules.replay import replayed, shown
from tests.rules.world import SECOND, T0, at, pack, reading

RULES = pack(
    'id = "gas"\nflags = ["low_alarm"]\nquantity = "combustible_lel"\nat_or_above = 20\nclear_below = 15',
    'id = "high"\npriority = "critical"\nlatch = true\nquantity = "combustible_lel"\nat_or_above = 50\nclear_below = 9',
    'id = "mains"\npriority = "low"\nflags = ["mains_loss"]',
    'id = "fault"\npriority = "medium"\nflags = ["fault"]\nclear_hold_s = 3\nsuppressed_by = ["mains", "link"]',
    'id = "silent"\npriority = "medium"\nkind = "silence"\nsuppressed_by = ["link"]',
    'id = "tried"\nstate = "dry_run"\nquantity = "combustible_lel"\nat_or_above = 10\nclear_below = 5',
    'id = "link"\nkind = "link_down"',
    'id = "field"\nkind = "field"\npriority = "critical"\nquantity = "combustible_lel"\nat_or_above = 20',
)
FLEET = build_fleet(block())
NAMES = (*FLATS, *HOUSES, "far", "a1x")
FLAGS = (Flag(0), Flag(0), Flag.FAULT, Flag.MAINS_LOSS, Flag.LOW_ALARM, Flag.LOW_ALARM | Flag.LATE)
LATCHED = AlarmState.LATCHED_ACKNOWLEDGED
Moment = tuple[int, tuple[Event, ...], Rows]


def a_reading(rng: random.Random, t: float) -> Rows:
    flags = rng.choice(FLAGS)
    lel = rng.choice((0.0, 0.0, 4.0, 12.0, 19.0, 25.0, 60.0))
    row = reading("d1", t, ts_s=t - 90 if flags & Flag.LATE else t, flags=flags, combustible_lel=lel)
    row["device_no"] = NUMBER[rng.choice(NAMES)]
    return row


def a_word(rng: random.Random, now: int, state: State) -> Event:
    alarm = rng.choice([*(one.alarm for one in state.alarms()), "nothing"])
    incident = rng.choice([*state.incidents, "nothing"])
    latched = [one.alarm for one in state.alarms() if state.phase[state.by_alarm[one.alarm]] == LATCHED] or [alarm]
    asked = [one.incident for one in state.incidents.values() if one.steps] or [incident]
    said: dict[str, Any] = {"at": now, "id": f"{now}", "by": rng.choice(("li", "wang"))}
    words: tuple[Event, ...] = (
        *(Acknowledge(**said, alarm=alarm) for _ in range(3)),
        Reset(**said, alarm=rng.choice(latched)),
        Resolve(**said, alarm=alarm, resolution=rng.choice(list(Resolution))),
        Comment(**said, subject=rng.choice((alarm, incident)), text="so"),
        Dispatched(**said, incident=incident, crew="crew"),
        Arrived(**said, incident=incident),
        FieldReading(
            **said, incident=incident, quantity="combustible_lel", value=rng.choice((0.0, 25.0)), place="hall"
        ),
        StepDone(**said, incident=rng.choice(asked), step=rng.choice(list(FieldStep))),
        *(CloseIncident(**said, incident=incident, resolution=Resolution.REAL) for _ in range(3)),
        LinkDown(at=now, device_no=NUMBER["gate"], reason="gone"),
        LinkUp(at=now, device_no=NUMBER["gate"]),
    )
    return rng.choice(words)


def a_hiding(rng: random.Random, now: int, state: State) -> Event:
    alarm = rng.choice([*(one.alarm for one in state.alarms()), "nothing"])
    said: dict[str, Any] = {"at": now, "id": f"{now}", "by": "li"}
    device_no = NUMBER[rng.choice((*NAMES[:4], "h1"))]
    until = now + rng.choice((1, 20, 200)) * SECOND
    words: tuple[Event, ...] = (
        *(
            Shelve(**said, alarm=alarm, until=until, reason="so", role=rng.choice(("resident", "desk")))
            for _ in range(3)
        ),
        Unshelve(**said, alarm=alarm),
        TakeOutOfService(**said, device_no=device_no, until=rng.choice((0, until)), reason="so"),
        ReturnToService(**said, device_no=device_no),
    )
    return rng.choice(words)


def lived(state: State, moments: list[Moment], cut: random.Random | None = None) -> list[Decision]:
    """All decisions of a history; with `cut`, some moments in one step, some in several, with ticks between."""
    decided: list[Decision] = []
    for now, events, rows in moments:
        if cut is not None and cut.random() < 0.3:
            decided += step(state, Batch(blank(0), np.zeros(0, np.int32)), (), now - cut.choice((0, 1, 1_000)))
        decided += step(state, Batch(rows, FLEET.slots(rows["device_no"])), events, now)
    return decided


def a_history(seed: int, *, hiding: bool = True, most: int = 60) -> tuple[State, list[Moment], list[Decision]]:
    """A random history, and the state and decisions at its end. Without `hiding` the same one less what hides."""
    rng, state, t = random.Random(seed), State.initial(FLEET, RULES, T0), 0.0
    moments: list[Moment] = []
    decided: list[Decision] = []
    for _ in range(rng.randrange(10, most)):
        t += rng.choice((0.1, 1, 1, 2, 7, 25, 130))
        rows = np.concatenate([blank(0), *(a_reading(rng, t) for _ in range(rng.choice((0, 1, 1, 3, 12))))])
        hides, speaks = a_hiding(rng, at(t), state), a_word(rng, at(t), state)
        events = [hides] if hiding and rng.random() < 0.4 else []
        events += [speaks] if rng.random() < 0.5 else []
        moments.append((at(t), tuple(events), rows))
        decided += lived(state, moments[-1:])
    return state, moments, decided


def test_the_histories_reach_everything_that_can_become_of_an_incident_and_nearly_all_of_an_alarm() -> None:
    decided = [one for seed in range(40) for one in a_history(seed)[2]]
    incidents = {one.change for one in decided if isinstance(one, IncidentChanged)}
    assert incidents == set(IncidentChange)
    assert {one.scope for one in decided if isinstance(one, IncidentChanged)} == set(IncidentScope)
    alarms = {one.change for one in decided if isinstance(one, AlarmChanged)}
    of_edits = {Change.REMOVED, Change.ESCALATED, Change.TRIED}
    assert alarms >= set(Change) - of_edits - {Change.NOTED}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 32))
def test_the_decisions_alone_add_up_to_what_is_shown(seed: int) -> None:
    state, _, decided = a_history(seed)
    assert replayed(decided) == shown(state)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 32))
def test_hiding_never_changes_a_true_state(seed: int) -> None:
    state, moments, _ = a_history(seed)
    bare = State.initial(FLEET, RULES, T0)
    hides = (Shelve, Unshelve, TakeOutOfService, ReturnToService)
    for now, events, rows in moments:
        lived(bare, [(now, tuple(one for one in events if not isinstance(one, hides)), rows)])
    field = RULES.rules[-1].id
    column = state.compiled.by_id[field]
    others = [at for at in range(len(RULES.rules)) if at != column]
    np.testing.assert_array_equal(state.phase[:, others], bare.phase[:, others])
    assert {one.alarm for one in state.alarms() if one.rule != field} == {
        one.alarm for one in bare.alarms() if one.rule != field
    }


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 32))
def test_a_restart_anywhere_and_any_cut_is_not_seen(seed: int) -> None:
    end, moments, decided = a_history(seed)
    rng = random.Random(seed + 1)
    state = State.initial(FLEET, RULES, T0)
    again: list[Decision] = []
    for moment in moments:
        if rng.random() < 0.2:
            state = restore(decode_snapshot(encode_snapshot(snapshot(state))), FLEET, RULES)
        again += lived(state, [moment], cut=rng)
    assert again == decided
    assert encode_snapshot(snapshot(state)) == encode_snapshot(snapshot(end))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 32))
def test_what_is_looked_up_is_what_a_walk_over_the_state_gives(seed: int) -> None:
    state, _, _ = a_history(seed)
    kept = incident_life.gathered(state)
    state.gathered = None
    made = incident_life.gathered(state)
    assert _without_empty(kept) == _without_empty(made)
    for one in state.incidents.values():
        parts = [part for part in state.incidents.values() if part.into == one.incident]
        assert {part.incident for part in parts} == {*one.parts}
        active = [alarm for alarm in state.alarms() if alarm.incident == one.incident and _active(state, alarm.alarm)]
        assert bool(one.over) == (not active and all(part.over for part in parts))
        assert all(one.priority <= part.priority for part in parts)


def _active(state: State, alarm: str) -> bool:
    place = state.by_alarm[alarm]
    return bool(IS_ACTIVE[state.phase[place]]) and not state.open[place].trial


def _without_empty(found: Gathered) -> tuple[object, ...]:
    """Compared with its order where that is told."""
    return (
        found.of,
        {place: list(sites.items()) for place, sites in found.sites_in.items() if sites},
        {name: alarms for name, alarms in found.active.items() if alarms},
        {name: parts for name, parts in found.parts.items() if parts},
        {name: parts for name, parts in found.live.items() if parts},
    )
