"""What the door tells of incidents, permits and held shut-offs, and every kind of decision in the feed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from access.ownership import Owner
from devices.commands import Verb
from devices.fleet import build_fleet
from devices.models import load_catalogue
from devices.readings import blank
from devices.sites import Device, Registry, Site
from engine.client import DoorClient
from engine.memory import Memory
from engine.messages import FeedEvent, HeldView, IncidentView, MarkView, PermitView
from engine.views import wanted_views
from rules.decisions import AlarmState, Answered, Decision, FanWanted, IncidentScope, PermitState, Priority, RuleNoted
from rules.instructions import FieldStep
from rules.stepping.standing import FieldMark, Held, Incident, Permit
from rules.stepping.state import OpenAlarm, State, Wanted
from tests.storage.cycles import SECOND, T0
from tests.storage.engine import Engine, engine
from tests.storage.test_decided import ALARM, CLOSE
from tests.storage.test_decided_life import HELD, INCIDENT, PERMIT

_REGISTRY = Registry(
    models=tuple(load_catalogue()),
    sites=(Site("home-1", simulated=True),),
    devices=(
        Device(1, "davysim", "D1", "sim_detector_home", "home-1"),
        Device(2, "davysim", "V1", "sim_valve_shut_off", "home-1"),
    ),
)


@pytest.fixture
async def an_engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with engine(tmp_path) as found:
        memory = found.cycle.memory
        pack = memory.state.compiled.pack
        memory.fleet = build_fleet(_REGISTRY)
        memory.state = State.initial(memory.fleet, pack, T0)
        yield found


async def test_incidents_are_told_worst_first_or_one_by_its_id(an_engine: Engine) -> None:
    mild = Incident("i1", IncidentScope.SITE, "home-1", T0, Priority.HIGH, ("a1",), slot=0)
    grave = Incident(
        "i2",
        IncidentScope.RISER,
        "12/R2",
        T0 + 1,
        Priority.CRITICAL,
        ("a1", "a2"),
        slot=0,
        steps=(FieldStep.VENT,),
        opened_steps=T0 + 2,
        parts=("i1",),
        marks=(
            FieldMark(T0 + 3, "field reading", "li", "kitchen", "combustible_lel", 22.0),
            FieldMark(T0 + 4, "step done: evacuate", "li"),
        ),
    )
    an_engine.cycle.memory.state.incidents = {one.incident: one for one in (mild, grave)}
    async with DoorClient(an_engine.door) as door:
        both = await door.incidents()
        assert [one.incident for one in both.incidents] == ["i2", "i1"]
        assert both.incidents[0] == IncidentView(
            "i2",
            IncidentScope.RISER,
            "12/R2",
            T0 + 1,
            Priority.CRITICAL,
            ("a1", "a2"),
            device_no=1,
            identity="davysim/D1",
            steps=(FieldStep.VENT,),
            opened_steps=T0 + 2,
            parts=("i1",),
            marks=(
                MarkView(T0 + 3, "field reading", "li", "kitchen", "combustible_lel", 22.0),
                MarkView(T0 + 4, "step done", "li", step="evacuate"),
            ),
            owners=(Owner("home-1"),),
        )
        assert both.as_of == an_engine.store.last_cycle
        assert [one.incident for one in (await door.incidents("i1")).incidents] == ["i1"]
        assert (await door.incidents("nobody")).incidents == ()


async def test_permits_and_what_is_held_name_their_valves(an_engine: Engine) -> None:
    permit = Permit("p1", 1, 2, PermitState.GRANTED, T0, "li", "tight", 7, T0 + SECOND, "wang", T0 + 1)
    state = an_engine.cycle.memory.state
    state.permits = {1: permit}
    state.held = {("gas", 1): Held("gas", 1, 0, "a1", T0, float("nan"), unheard=True, verb=Verb.CLOSE)}
    async with DoorClient(an_engine.door) as door:
        mine = Owner("home-1", vendor="davysim")
        shown = PermitView(
            "p1",
            2,
            "davysim/V1",
            "home-1",
            PermitState.GRANTED,
            T0,
            "li",
            "tight",
            7,
            T0 + SECOND,
            "wang",
            T0 + 1,
            owner=mine,
        )
        assert (await door.permits()).permits == (shown,) == (await door.permits("p1")).permits
        assert (await door.permits("p2")).permits == ()
        held = HeldView("gas", 2, "davysim/V1", "home-1", "davysim/D1", "a1", T0, None, unheard=True, owner=mine)
        assert (await door.held()).held == (held,) == (await door.held("gas")).held
        assert (await door.held("co")).held == ()


async def test_an_alarm_says_what_it_shows_and_what_it_truly_is(an_engine: Engine) -> None:
    alarm = OpenAlarm(
        alarm="a1",
        rule="gas",
        slot=0,
        device_no=1,
        identity="davysim/D1",
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
        trial=True,
        incident="i1",
        device_says=True,
        resolution="false",
        until=T0 + SECOND,
    )
    state = an_engine.cycle.memory.state
    state.open[0, 0], state.by_alarm["a1"] = alarm, (0, 0)
    state.phase[0, 0] = AlarmState.ACKNOWLEDGED
    async with DoorClient(an_engine.door) as door:
        (view,) = (await door.alarms()).alarms
        assert (view,) == (await door.alarms("a1")).alarms
    assert (view.state, view.true_state, view.until) == (AlarmState.SHELVED, AlarmState.ACKNOWLEDGED, T0 + SECOND)
    assert (view.trial, view.incident, view.device_says, view.resolution) == (True, "i1", True, "false")


async def test_every_kind_of_decision_comes_by_the_feed_with_the_device_it_is_about(an_engine: Engine) -> None:
    noted = RuleNoted(at=T0, rule="gas", what="hold_s: 10 -> 20")
    fan = FanWanted(at=T0, wanted="w9", device_no=2, epoch=1, reason="gas")
    answered = Answered(at=T0, id="x", accepted=True)
    decided: tuple[Decision, ...] = (*ALARM, *CLOSE, *INCIDENT, *PERMIT, *HELD, noted, fan, answered)
    cycle = an_engine.commit(blank(0), decided)
    seen: list[FeedEvent] = []
    async with DoorClient(an_engine.door) as door:
        async for event in door.follow(cycle, -1):
            assert isinstance(event, FeedEvent)
            seen.append(event)
            if len(seen) == len(decided):
                break
    assert tuple(event.decision for event in seen) == decided
    identities = {1: "davysim/D1", 2: "davysim/V1", 3: ""}
    assert [event.identity for event in seen] == [identities.get(getattr(one, "device_no", 0), "") for one in decided]


async def test_the_rules_in_force_are_told_with_what_became_of_them(an_engine: Engine) -> None:
    an_engine.cycle.memory.state.reverted["co-high"] = "raised at 21 devices"
    async with DoorClient(an_engine.door) as door:
        told = await door.rules()
    assert {rule.id for rule in told.rules} == {rule.id for rule in an_engine.cycle.memory.pack.rules}
    assert told.overrides == an_engine.cycle.memory.pack.overrides
    assert (told.version, told.sha256) == (
        an_engine.cycle.memory.pack.version,
        an_engine.cycle.memory.rules_sha256,
    )
    assert (told.reverted, told.alarms) == ({"co-high": "raised at 21 devices"}, {})


def test_what_is_wanted_of_a_fan_is_shown_as_that() -> None:
    memory = Memory.empty()
    wanted = Wanted(
        wanted="w",
        slot=0,
        device_no=7,
        identity="acme/fan",
        site="home",
        epoch=1,
        reason="gas",
        alarm="a",
        by="",
        since=T0,
        confirm_by=0,
        next_attempt=T0,
        verb=Verb.FAN_ON,
    )
    memory.state.wanted_by_slot[0] = wanted
    memory.state.by_wanted["w"] = 0
    assert [one.verb for one in wanted_views(memory, "w")] == [Verb.FAN_ON]
