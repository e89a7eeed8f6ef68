"""Personal data in clear over HTTP: for whom, with a purpose, recorded, so many a time, kept by nobody on the way."""

import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import httpx
import psycopg
import pytest

from access.principals import Membership
from access.roles import Role
from api.unmask import UNMASKINGS_AT_ONCE
from storage.database import connect
from storage.sealed import MasterKey
from tests.api.conftest import config_of
from tests.api.door_double import DoorDouble
from tests.api.people import People, add_enterprise
from tests.api.stand import Stand, serving

NUMBER = "13812345678"
PURPOSE = {"purpose": "alarm 5f2c: nobody opens, calling", "fields": ["name", "telephone"]}


@dataclass(slots=True)
class Desk:
    stand: Stand
    people: People

    async def unmask(self, name: str, person: str = "c1", enterprise: str = "", **asked: object) -> httpx.Response:
        query = f"?enterprise={enterprise}" if enterprise else ""
        return await self.stand.bare.post(
            f"/v1/people/{person}/unmask{query}", json=PURPOSE | asked, headers=self.people.headers(name)
        )


@pytest.fixture
async def desk(engine: DoorDouble, database_url: str) -> AsyncIterator[Desk]:
    connection = await connect(database_url, name="test")
    config = replace(config_of(engine.path, database_url), master_key=MasterKey(os.urandom(32)))
    people = People(config.now_us())
    for key, kind in (
        ("gas-a", "gas_company"),
        ("gas-b", "gas_company"),
        ("reg", "regulator"),
        ("pm", "property_manager"),
    ):
        await add_enterprise(connection, key, kind, area="500100" if kind == "regulator" else "")
    roles = {
        "ann": Membership(Role.OPERATOR, "gas-a"),
        "bob": Membership(Role.OPERATOR, "gas-b"),
        "crew": Membership(Role.FIELD_CREW, "gas-a"),
        "reg": Membership(Role.REGULATOR, "reg"),
        "pm": Membership(Role.PROPERTY_MANAGER, "pm"),
    }
    for name, of in roles.items():
        await people.person(connection, name, of)
    await connection.close()
    async with serving(config) as served:
        for enterprise in ("gas-a", "gas-b"):
            body = {"person": "c1", "name": "张三丰", "telephone": NUMBER}
            answer = await served.http.post(f"/v1/people?enterprise={enterprise}", json=body)
            assert answer.status_code == 201, answer.text
        yield Desk(served, people)


async def test_an_operator_sees_what_it_asks_for_and_the_record_says_so(desk: Desk, database_url: str) -> None:
    answer = await desk.unmask("ann")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    shown = answer.json()
    assert (shown["name"], shown["telephone"], shown["id_number"], shown["contacts"]) == ("张三丰", NUMBER, None, None)
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT tenant, by, body FROM audit_entry WHERE kind = 'unmasking'").fetchall()
    assert [(tenant, by) for tenant, by, _ in rows] == [("gas-a", f"person/{desk.people.accounts['ann']}")]
    assert json.loads(rows[0][2]) == {"person": "c1", "purpose": PURPOSE["purpose"], "fields": ["name", "telephone"]}
    assert NUMBER not in rows[0][2]


async def test_nobody_else_sees_it_nor_learns_that_it_is_there(desk: Desk) -> None:
    assert [(await desk.unmask(name)).status_code for name in ("crew", "reg", "pm")] == [403, 403, 403]
    there = await desk.unmask("bob", enterprise="gas-a")
    nowhere = await desk.unmask("bob", enterprise="gas-none")
    assert there.status_code == nowhere.status_code == 404
    assert (await desk.unmask("ann", person="nobody")).status_code == 404
    bare = await desk.stand.bare.post("/v1/people/c1/unmask", json=PURPOSE)
    assert bare.status_code == 401


@pytest.mark.parametrize(
    "asked",
    [{"purpose": ""}, {"purpose": "    x   "}, {"purpose": "x" * 501}, {"fields": []}, {"fields": ["everything"]}],
)
async def test_without_a_purpose_and_a_field_there_is_nothing(desk: Desk, asked: dict[str, object]) -> None:
    answer = await desk.unmask("ann", **asked)
    assert answer.status_code == 422
    assert NUMBER not in answer.text


async def test_a_list_of_customers_is_not_read_out_one_by_one(desk: Desk) -> None:
    answers = [(await desk.unmask("ann")).status_code for _ in range(UNMASKINGS_AT_ONCE + 1)]
    assert answers == [200] * UNMASKINGS_AT_ONCE + [429]
    assert (await desk.unmask("bob")).status_code == 200  # each has its own
