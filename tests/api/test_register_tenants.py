"""The register as each party has it: its own, and nothing of anybody else's, also where it is written."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from storage.database import connect
from storage.sealed import MasterKey
from tests.api.conftest import config_of
from tests.api.parties import REGISTRY, ROLES, write_register
from tests.api.people import People
from tests.api.real_engine import RealEngine
from tests.api.stand import Stand, serving

NOW_US = 1_795_000_000_000_000


@dataclass(slots=True)
class Town:
    stand: Stand
    people: People

    async def ask(self, who: str, method: str, path: str, body: Any = None, status: int = 200, **more: str) -> Any:
        headers = self.people.headers(who) | {key.replace("_", "-"): value for key, value in more.items()}
        answer = await self.stand.bare.request(method, path, json=body, headers=headers)
        assert answer.status_code == status, f"{who}: {answer.text}"
        return answer.json() if answer.content else None


@pytest.fixture
async def town(tmp_path: Path, database_url: str) -> AsyncIterator[Town]:
    engine = RealEngine(tmp_path, REGISTRY)
    await engine.start()
    people = People(NOW_US)
    connection = await connect(database_url, name="test")
    await write_register(connection)
    for name, membership in ROLES.items():
        await people.person(connection, name, membership)
    await connection.close()
    config = replace(
        config_of(engine.path, database_url), master_key=MasterKey(os.urandom(32)), now_us=lambda: NOW_US + 1
    )
    try:
        async with serving(config) as stand:
            await stand.parts.known.look()
            yield Town(stand, people)
    finally:
        await engine.stop()


async def test_a_company_changes_its_own_sites_and_devices_and_nobody_elses(town: Town) -> None:
    who = "company_administrator"
    site = await town.ask(who, "GET", "/v1/sites/site-a1")
    etag = f'"{site["version"]}"'
    changed = await town.ask(who, "PATCH", "/v1/sites/site-a1", {"building": "7"}, If_Match=etag)
    assert (changed["building"], changed["recorded_by"]) == ("7", f"person/{town.people.accounts[who]}")
    device = await town.ask(who, "PATCH", "/v1/devices/acme/a1d", {"mounting": "kitchen"}, If_Match="*")
    assert device["site"] == "site-a1"
    new = {"vendor": "acme", "serial": "new", "model": "sim_detector_home", "site": "site-a2"}
    assert (await town.ask(who, "POST", "/v1/devices", {"devices": [new]}))["applied"] is True
    await town.ask(who, "DELETE", "/v1/devices/acme/new", None, 204, If_Match="*")

    put_up = {"installation": "x", "since": "2026-01-01"}
    for method, path, body in (
        ("GET", "/v1/sites/site-b1", None),
        ("GET", "/v1/sites/site-b1/history", None),
        ("GET", "/v1/sites/site-b1/people", None),
        ("PATCH", "/v1/sites/site-b1", {"building": "7"}),
        ("DELETE", "/v1/sites/site-b1", None),
        ("PATCH", "/v1/devices/zeta/b1d", {"mounting": "x"}),
        ("DELETE", "/v1/devices/zeta/b1d", None),
        ("GET", "/v1/devices/zeta/b1d/history", None),
        ("POST", "/v1/devices/acme/a1d/links", {"valve": "zeta/b1v"}),
        ("POST", "/v1/installations", {**put_up, "device": "zeta/b1d", "site": "site-a1"}),
        ("POST", "/v1/installations", {**put_up, "device": "acme/a1d", "site": "site-b1"}),
    ):
        await town.ask(who, method, path, body, 404, If_Match="*")


async def test_nobody_gives_a_site_away_or_takes_one_by_its_key(town: Town) -> None:
    who = "company_administrator"
    await town.ask(who, "PATCH", "/v1/sites/site-a1", {"enterprise": "gas-b"}, 403, If_Match="*")
    await town.ask(who, "POST", "/v1/sites", {"sites": [{"site": "new"}]}, 403)
    taken = await town.ask(who, "POST", "/v1/sites", {"sites": [{"site": "site-b1", "enterprise": "gas-a"}]}, 409)
    assert "gas-b" not in str(taken)
    moved = {"vendor": "zeta", "serial": "b1d", "model": "sim_detector_home", "site": "site-a1"}
    await town.ask(who, "POST", "/v1/devices", {"devices": [moved]}, 409)
    there = await town.ask("platform_administrator", "GET", "/v1/devices/zeta/b1d")
    assert (there["site"], there["version"]) == ("site-b1", 1)


async def test_each_party_sees_its_own_sites_and_what_of_them_is_for_it(town: Town) -> None:
    async def keys(who: str) -> list[str]:
        return [one["site"] for one in (await town.ask(who, "GET", "/v1/sites"))["sites"]]

    assert await keys("operator") == ["site-a1", "site-a2"]
    assert await keys("resident") == await keys("property_manager") == ["site-a1"]
    assert await keys("regulator") == ["site-a1", "site-a2"]
    assert await keys("platform_administrator") == ["site-a1", "site-a2", "site-b1"]
    await town.ask("vendor", "GET", "/v1/sites", None, 403)
    assert (await town.ask("regulator", "GET", "/v1/sites/site-a1"))["name"] is None
    assert (await town.ask("operator", "GET", "/v1/sites/site-a1"))["name"] == "name of site-a1"
    shown = await town.ask("vendor", "GET", "/v1/devices/acme/a1d")
    assert (shown["site"], shown["area"], shown["model"]) == (None, None, "sim_detector_home")
    assert (await town.ask("vendor", "GET", "/v1/devices/acme/a1d/links"))["links"] == []
    history = await town.ask("vendor", "GET", "/v1/devices/acme/a1d/history")
    assert history["versions"][0]["device"]["site"] is None


async def test_an_installer_adds_to_its_own_installations_and_to_no_others(town: Town) -> None:
    company = "company_administrator"
    one = {"installation": "w1", "device": "acme/a1d", "site": "site-a1", "since": "2026-01-01", "installer": "fit-a"}
    other = {"installation": "w2", "device": "acme/a2d", "site": "site-a2", "since": "2026-01-01"}
    for body in (one, other):
        await town.ask(company, "POST", "/v1/installations", body, 201)
    again = await town.ask(company, "POST", "/v1/installations", one, 201)
    assert again["version"] == 1
    listed = (await town.ask("installer", "GET", "/v1/installations"))["installations"]
    assert [found["installation"] for found in listed] == ["w1"]
    added = await town.ask("installer", "PATCH", "/v1/installations/w1", {"evidence": ["p/1.jpg"]}, If_Match="*")
    assert added["evidence"] == ["p/1.jpg"]
    await town.ask("installer", "PATCH", "/v1/installations/w2", {"evidence": []}, 404, If_Match="*")
    await town.ask("vendor", "GET", "/v1/installations", None, 403)
    await town.ask("regulator", "PATCH", "/v1/installations/w1", {"evidence": []}, 403, If_Match="*")


async def test_people_are_their_companys_and_nobody_elses(town: Town) -> None:
    shown = await town.ask("operator", "POST", "/v1/people", {"person": "c1", "name": "李四"}, 201)
    assert (shown["enterprise"], shown["name"]) == ("gas-a", "李**")
    role = {"person": "c1", "role": "resident"}
    await town.ask("operator", "POST", "/v1/sites/site-a1/people", role)
    await town.ask("operator", "POST", "/v1/sites/site-b1/people", role, 404)
    await town.ask("operator", "GET", "/v1/people?enterprise=gas-b", None, 404)
    await town.ask("platform_administrator", "GET", "/v1/people", None, 422)
    for who in ("vendor", "regulator", "property_manager", "installer", "resident"):
        await town.ask(who, "GET", "/v1/people", None, 403)
    assert len((await town.ask("field_crew", "GET", "/v1/sites/site-a1/people"))["people"]) == 1
    await town.ask("field_crew", "PATCH", "/v1/people/c1", {"name": "x"}, 403, If_Match="*")


async def test_a_party_sees_itself_among_enterprises_and_everybody_sees_areas(town: Town) -> None:
    listed = (await town.ask("vendor", "GET", "/v1/enterprises"))["enterprises"]
    assert [one["enterprise"] for one in listed] == ["acme-co"]
    await town.ask("vendor", "GET", "/v1/enterprises/gas-a", None, 404)
    await town.ask("company_administrator", "PATCH", "/v1/enterprises/gas-a", {"name": "x"}, 403, If_Match="*")
    await town.ask("resident", "GET", "/v1/areas")
    await town.ask("resident", "GET", "/v1/enterprises", None, 403)
