"""Whose the things are that the engine tells of, also when they have left the registry."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from access.ownership import Owner
from devices.fleet import Fleet, build_fleet
from devices.models import load_catalogue
from devices.sites import Device, Registry, Site
from engine.client import DoorClient
from engine.memory import Memory
from engine.owners import Owners, of_decision, of_device, of_site
from rules.decisions import (
    AlarmChanged,
    AlarmState,
    Answered,
    Change,
    CloseWanted,
    IncidentChange,
    IncidentChanged,
    IncidentScope,
    PermitState,
    Priority,
)
from rules.stepping.standing import Held, Incident, Permit
from rules.stepping.state import OpenAlarm, State, Wanted
from tests.storage.cycles import SECOND, T0
from tests.storage.engine import Engine, engine

_SITES = (
    Site("home-1", enterprise="gas-a", manager="towers", area="500156", simulated=True),
    Site("home-2", enterprise="gas-b", area="500155", simulated=True),
)
_D1 = Device(1, "davysim", "D1", "sim_detector_home", "home-1")
_V1 = Device(2, "davysim", "V1", "sim_valve_shut_off", "home-1")
_REGISTRY = Registry(models=tuple(load_catalogue()), sites=_SITES, devices=(_D1, _V1))
_A = Owner("home-1", "gas-a", "towers", "500156", "davysim")
_B = Owner("home-2", "gas-b", "", "500155", "davysim")
_ALARM = AlarmChanged(
    at=T0,
    alarm="a1",
    rule="gas",
    device_no=1,
    site="home-1",
    priority=Priority.HIGH,
    onset=T0,
    change=Change.RETURNED,
    state=AlarmState.NORMAL,
)
_CLOSE = CloseWanted(at=T0, wanted="w1", device_no=2, epoch=1, reason="gas")


def _state(fleet: Fleet) -> State:
    return State.initial(fleet, Memory.empty().pack, T0)


def _open(slot: int, device: Device) -> OpenAlarm:
    return OpenAlarm(
        alarm=f"a{slot}",
        rule="gas",
        slot=slot,
        device_no=device.device_no,
        identity=device.identity,
        site=device.site,
        priority=Priority.HIGH,
        state=AlarmState.UNACKNOWLEDGED,
        onset=T0,
        raised=T0,
        changed=T0,
        quantity="",
        value=None,
        late=False,
        because="",
        acknowledged_by="",
    )


@pytest.fixture
async def an_engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with engine(tmp_path) as found:
        memory = found.cycle.memory
        memory.fleet = build_fleet(_REGISTRY)
        memory.state = _state(memory.fleet)
        yield found


async def test_everything_the_door_lists_says_whose_it_is(an_engine: Engine) -> None:
    state = an_engine.cycle.memory.state
    state.open = {(0, 0): _open(0, _D1)}
    wanted = Wanted("w1", 1, 2, "davysim/V1", "home-1", 1, "gas", "a0", "", T0, T0 + SECOND, T0 + SECOND)
    state.wanted_by_slot = {1: wanted}
    state.permits = {1: Permit("p1", 1, 2, PermitState.REQUESTED, T0, "li", "tight", 7, T0 + SECOND)}
    state.held = {("gas", 1): Held("gas", 1, 0, "a0", T0, 1.0)}
    state.incidents = {"i1": Incident("i1", IncidentScope.SITE, "home-1", T0, Priority.HIGH, ("a0",), slot=0)}
    async with DoorClient(an_engine.door) as door:
        assert [one.owner for one in (await door.alarms()).alarms] == [_A]
        assert [one.owner for one in (await door.wanted()).wanted] == [_A]
        assert [one.owner for one in (await door.permits()).permits] == [_A]
        assert [one.owner for one in (await door.held()).held] == [_A]
        assert [one.owners for one in (await door.incidents()).incidents] == [
            (Owner("home-1", "gas-a", "towers", "500156"),)
        ]
        assert (await door.find_device("davysim/V1")).owner == _A
        assert (await door.find_device("davysim/V9")).owner == Owner()


def test_an_incident_of_a_riser_is_of_everybody_whose_site_it_has_taken_in() -> None:
    state = _state(build_fleet(_REGISTRY))
    part = Incident("i1", IncidentScope.SITE, "home-1", T0, Priority.HIGH, ("a1",), slot=0, into="r1")
    state.incidents = {
        "r1": Incident("r1", IncidentScope.RISER, "12/R2", T0 + 9, Priority.HIGH, ("a1",), slot=0, parts=("i1", "i2")),
        "i1": part,
        "i2": msgspec.structs.replace(part, incident="i2", key="home-2", opened=T0 + 1),
    }
    said = IncidentChanged(
        at=T0,
        incident="r1",
        scope=IncidentScope.RISER,
        key="12/R2",
        change=IncidentChange.OPENED,
        priority=Priority.HIGH,
    )
    assert [one.site for one in of_decision(state, said)] == ["home-1", "home-2"]
    assert [one.enterprise for one in of_decision(state, said)] == ["gas-a", "gas-b"]


def test_what_a_device_did_that_has_left_is_of_those_whose_it_was() -> None:
    before = build_fleet(_REGISTRY)
    gone = build_fleet(Registry(models=_REGISTRY.models, sites=_SITES[1:]), before)
    state = _state(gone)
    assert of_decision(state, _ALARM) == of_decision(state, _CLOSE) == (_A,)
    assert of_site(gone, "home-1") == Owner("home-1", "gas-a", "towers", "500156")
    again = build_fleet(_REGISTRY, gone)
    assert again.left == before.left
    assert of_device(again, 1) == _A
    assert of_device(again, 77) == Owner()


def test_an_alarm_stays_with_the_site_where_it_was_raised_when_its_device_moves() -> None:
    moved = Registry(_REGISTRY.models, _SITES, (msgspec.structs.replace(_D1, site="home-2"), _V1))
    state = _state(build_fleet(moved, build_fleet(_REGISTRY)))
    assert of_decision(state, _ALARM) == (_A,)
    assert of_device(state.fleet, 1) == _B


def test_what_is_about_no_device_is_nobodys() -> None:
    assert of_decision(_state(build_fleet(_REGISTRY)), Answered(at=T0, id="x", accepted=True)) == ()


def test_the_last_word_of_a_larger_incident_is_for_those_who_heard_the_others() -> None:
    state = _state(build_fleet(_REGISTRY))
    part = Incident("i1", IncidentScope.SITE, "home-2", T0, Priority.HIGH, ("a1",), slot=0, into="r1")
    riser = Incident("r1", IncidentScope.RISER, "12/R2", T0 + 9, Priority.HIGH, ("a1",), slot=0, parts=("i1",))
    state.incidents = {"r1": riser, "i1": part}
    owners = Owners(lambda: state)
    opened = IncidentChanged(
        at=T0,
        incident="r1",
        scope=IncidentScope.RISER,
        key="12/R2",
        change=IncidentChange.OPENED,
        priority=Priority.HIGH,
    )
    heard = owners.of(opened)
    state.incidents = {}
    assert owners.of(msgspec.structs.replace(opened, change=IncidentChange.CLOSED)) == heard
    assert [one.enterprise for one in heard] == ["gas-b"]


def test_what_becomes_of_a_closing_is_said_where_it_was_wanted_when_the_valve_has_moved() -> None:
    moved = Registry(_REGISTRY.models, _SITES, (_D1, msgspec.structs.replace(_V1, site="home-2")))
    state = _state(build_fleet(moved, build_fleet(_REGISTRY)))
    wanted = Wanted("w1", 1, 2, "davysim/V1", "home-1", 1, "gas", "a0", "", T0, T0 + SECOND, T0 + SECOND)
    state.wanted_by_slot, state.by_wanted = {1: wanted}, {"w1": 1}
    assert of_decision(state, _CLOSE) == (_A,)
    state.wanted_by_slot, state.by_wanted = {}, {}
    assert of_decision(state, _CLOSE) == (_B,)
