"""What the parties make of it together: two people for a permit, each party's own stream, fields that are not for a
role, bounds that never hold up a CLOSE."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from access.fields import ALLOWED, Resource
from access.principals import Membership
from access.roles import Role
from api.account_shapes import AccountShown
from api.alarm_shapes import Alarm, AlarmStep
from api.command_shapes import Command
from api.config import Limits
from api.device_shapes import Device, DeviceInFull
from api.event_shapes import (
    EVENTS,
    IncidentChangedEvent,
    PermitChangedEvent,
    ResetEvent,
    RuleNotedEvent,
    ShutOffHeldEvent,
)
from api.incident_shapes import Incident, IncidentStep
from api.seen import masked
from api.shapes import Shape
from storage.database import connect
from tests.api.conftest import config_of
from tests.api.parties import DETECTORS, TOKENS, VALVES, Parties, parties
from tests.api.stand import Events, Stand, serving

#: Events that only staff hear of.
_STAFFS = (PermitChangedEvent, ShutOffHeldEvent, RuleNotedEvent, ResetEvent)
_SHAPES: dict[Resource, tuple[type[Shape], ...]] = {
    Resource.ALARM: (Alarm,),
    Resource.ALARM_STEP: (AlarmStep,),
    Resource.COMMAND: (Command,),
    Resource.DEVICE: (Device, DeviceInFull),
    Resource.INCIDENT: (Incident,),
    Resource.INCIDENT_STEP: (IncidentStep,),
    Resource.EVENT: tuple(one for one in EVENTS if one not in _STAFFS),
}


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[Parties]:
    async with parties(database_url, tmp_path, time.time_ns() // 1_000) as found:
        connection = await connect(database_url, name="test")
        await found.people.person(connection, "second", Membership(Role.OPERATOR, "gas-a"))
        await connection.close()
        yield found


async def test_two_people_of_a_company_let_a_valve_be_opened_on_site_and_one_alone_cannot(world: Parties) -> None:
    async with serving(config_of(world.engine.path, world.url)) as stand:
        first, second = world.people.headers("operator"), world.people.headers("second")
        valve = VALVES["own"]
        asked = await stand.bare.post(f"/v1/devices/{valve}/permit", headers=first, json={"reason": "a new hose"})
        assert asked.status_code == 202, asked.text
        permit = asked.json()["subject"]
        alone = await stand.bare.post(f"/v1/permits/{permit}/approve", headers=first)
        assert (alone.status_code, alone.json()["type"]) == (409, "urn:davy:problem:refused")
        granted = await stand.bare.post(f"/v1/permits/{permit}/approve", headers=second)
        assert granted.status_code == 200, granted.text
        (shown,) = (await stand.bare.get("/v1/permits", headers=first)).json()["permits"]
        assert (shown["state"], shown["requested_by"], shown["approved_by"]) == (
            "granted",
            f"person/{world.people.accounts['operator']}",
            f"person/{world.people.accounts['second']}",
        )
        done = await stand.bare.post(
            f"/v1/permits/{permit}/complete", headers=world.people.headers("field-crew"), json={"combustible_lel": 0.5}
        )
        assert done.status_code == 200, done.text


async def _gas_at(stand: Stand, relation: str) -> None:
    identity = DETECTORS[relation]
    headers = {"Authorization": f"Bearer {TOKENS[identity]}"}
    reading = {"boot": 1, "seq": 1, "high_alarm": True}
    assert (await stand.bare.post(f"/v1/telemetry/{identity}", headers=headers, json=reading)).status_code == 200


async def test_each_party_hears_its_own_stream_and_a_vendor_not_where_it_is(world: Parties) -> None:
    async with serving(config_of(world.engine.path, world.url)) as stand:
        for who, heard, site in (("operator", "acme/a1d", "site-a1"), ("vendor", "acme/a1d", None)):
            url, headers = "/v1/alarms/stream", world.people.headers(who)
            as_of = (await stand.bare.get("/v1/alarms", headers=headers)).json()["as_of"]
            if who == "operator":  # the vendor hears of the same, from the beginning
                await _gas_at(stand, "foreign")
                await _gas_at(stand, "own")
            after = as_of if who == "operator" else f"{as_of.split(':')[0]}:0"
            async with stand.bare.stream("GET", f"{url}?after={after}", headers=headers, timeout=20) as answer:
                event = await Events(answer.aiter_lines()).until("alarm_raised")
            assert (event["device"], event["site"]) == (heard, site)


async def test_a_stream_ends_when_its_session_does(world: Parties) -> None:
    limits = replace(Limits(), heartbeat_s=0.1)
    async with serving(config_of(world.engine.path, world.url, limits)) as stand:
        headers = world.people.headers("operator")
        async with asyncio.timeout(20):
            async with stand.bare.stream("GET", "/v1/alarms/stream", headers=headers, timeout=20) as answer:
                assert answer.status_code == 200
                assert (await stand.bare.delete("/v1/session", headers=headers)).status_code == 204
                async for _ in answer.aiter_lines():
                    pass


async def test_who_asks_too_much_waits_but_closes_valves_and_acknowledges(world: Parties) -> None:
    limits = replace(Limits(), people_per_s=0.001, people_at_once=3)
    async with serving(config_of(world.engine.path, world.url, limits)) as stand:
        headers = world.people.headers("operator")
        said = [(await stand.bare.get("/v1/me", headers=headers)).status_code for _ in range(5)]
        assert said == [200, 200, 200, 429, 429]
        assert (await stand.bare.get("/v1/me", headers=world.people.headers("second"))).status_code == 200
        url = f"/v1/devices/{VALVES['own']}/close"
        assert (await stand.bare.post(url, headers=headers, json={"reason": "a smell"})).status_code == 202


async def test_strangers_wait_by_network_and_health_is_always_answered(world: Parties) -> None:
    limits = replace(Limits(), strangers_per_s=0.001, strangers_at_once=2)
    async with serving(config_of(world.engine.path, world.url, limits)) as stand:
        url = "/v1/session/provider/challenge"
        assert [(await stand.bare.post(url)).status_code for _ in range(4)] == [404, 404, 429, 429]
        assert (await stand.bare.get("/healthz")).status_code == 200
        assert (await stand.http.get("/v1/alarms")).status_code == 200


@pytest.mark.parametrize("resource", _SHAPES)
def test_what_is_not_shown_may_be_null(resource: Resource) -> None:
    for role in ALLOWED[resource]:
        for shape in _SHAPES[resource]:
            if shape is IncidentChangedEvent and role not in ALLOWED[Resource.INCIDENT]:
                continue  # nobody shows it to them at all
            for name in masked_names(role, resource, shape):
                kinds = get_args(shape.model_fields[name].annotation)
                assert type(None) in kinds, f"{shape.__name__}.{name} for a {role}"


def masked_names(role: Role, resource: Resource, shape: type[Shape]) -> set[str]:
    """Those that become null."""
    return set(shape.model_fields) - ALLOWED[resource][role]


def test_a_field_that_is_new_is_shown_to_nobody_but_staff() -> None:
    class Later(AccountShown):
        telephone: str | None = None

    shown = Later(account="a", login="l", disabled=False, external=False, memberships=[], telephone="138")
    assert masked(Role.OPERATOR, Resource.ALARM, shown).telephone == "138"
    for role in ALLOWED[Resource.ALARM]:
        assert masked(role, Resource.ALARM, shown).telephone is None
