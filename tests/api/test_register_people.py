"""People at sites over HTTP: masked, found by number, recorded, and forgotten when that is asked."""

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from storage.sealed import MasterKey
from tests.api.conftest import config_of
from tests.api.door_double import DoorDouble
from tests.api.stand import Stand, serving

NUMBER, ID = "13812345678", "11010519491231002X"


@pytest.fixture
async def stand(engine: DoorDouble, database_url: str) -> AsyncIterator[Stand]:
    config = replace(config_of(engine.path, database_url), master_key=MasterKey(os.urandom(32)))
    async with serving(config) as served:
        await _send(served, "POST", "/v1/sites", {"sites": [{"site": "h1", "enterprise": "gas", "area": "500156"}]})
        yield served


async def _send(stand: Stand, method: str, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
    answer = await stand.http.request(
        method, path, json=body, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    assert answer.status_code == status, answer.text
    assert NUMBER not in answer.text
    assert "张三" not in answer.text
    return answer.json() if answer.content else None


PERSON = {"person": "c1", "name": "张三丰", "telephone": NUMBER, "id_number": ID, "needs": ["deaf", "alone"]}


async def test_a_person_is_masked_in_every_answer_and_sealed_in_every_row(stand: Stand, database_url: str) -> None:
    shown = await _send(stand, "POST", "/v1/people?enterprise=gas", PERSON, 201)
    assert (shown["name"], shown["telephone"], shown["id_number"]) == ("张**", "138****5678", "110***********002X")
    assert shown["needs"] == ["alone", "deaf"]
    contact = {"channel": "sms", "address": NUMBER, "proven": "2026-11-01", "proven_by": "code"}
    (way,) = (await _send(stand, "POST", "/v1/people/c1/contacts?enterprise=gas", contact))["contacts"]
    assert (way["address"], way["proven"]) == ("138****5678", "2026-11-01")
    assert (await _send(stand, "GET", "/v1/people?enterprise=gas"))["people"][0]["name"] == "张**"
    with psycopg.connect(database_url) as connection:
        for table in ("person", "contact", "person_past", "contact_past", "audit_entry", "registry_outbox"):
            said = str(connection.execute(f"SELECT * FROM {table}".encode()).fetchall())
            assert NUMBER not in said
            assert NUMBER.encode().hex() not in said
            assert "张三" not in said
        kinds = connection.execute("SELECT kind FROM audit_entry WHERE tenant = 'gas' ORDER BY n").fetchall()
    assert [kind for (kind,) in kinds][-2:] == ["person", "contact"]


async def test_a_person_is_found_by_number_however_it_is_written_and_by_nobody_elses_company(stand: Stand) -> None:
    await _send(stand, "POST", "/v1/people?enterprise=gas", PERSON, 201)
    found = await _send(stand, "POST", "/v1/people/find?enterprise=gas", {"telephone": "+86 138-1234-5678"})
    assert [one["person"] for one in found["people"]] == ["c1"]
    assert (await _send(stand, "POST", "/v1/people/find?enterprise=gas", {"telephone": "13812345679"}))["people"] == []
    assert (await _send(stand, "POST", "/v1/people/find?enterprise=other", {"telephone": NUMBER}))["people"] == []


async def test_what_was_proven_of_a_contact_is_of_that_address_only(stand: Stand) -> None:
    await _send(stand, "POST", "/v1/people?enterprise=gas", PERSON, 201)
    path = "/v1/people/c1/contacts?enterprise=gas"
    await _send(stand, "POST", path, {"channel": "sms", "address": NUMBER, "proven": "2026-11-01"})
    (same,) = (await _send(stand, "POST", path, {"channel": "sms", "address": "138 1234 5678"}))["contacts"]
    assert same["proven"] == "2026-11-01"
    (other,) = (await _send(stand, "POST", path, {"channel": "sms", "address": "13900000000"}))["contacts"]
    assert (other["address"], other["proven"]) == ("139****0000", None)
    await _send(stand, "DELETE", "/v1/people/c1/contacts?enterprise=gas&channel=sms", None, 204)
    await _send(stand, "DELETE", "/v1/people/c1/contacts?enterprise=gas&channel=sms", None, 404)


async def test_who_was_what_at_a_site_can_be_asked_for_any_day(stand: Stand) -> None:
    await _send(stand, "POST", "/v1/people?enterprise=gas", PERSON, 201)
    role = {"person": "c1", "role": "keyholder", "since": "2024-05-01"}
    await _send(stand, "POST", "/v1/sites/h1/people", role)
    (shown,) = (await _send(stand, "POST", "/v1/sites/h1/people", {**role, "until": "2026-06-01"}))["people"]
    assert (shown["name"], shown["until"], shown["needs"]) == ("张**", "2026-06-01", ["alone", "deaf"])

    async def there(day: str) -> int:
        return len((await _send(stand, "GET", f"/v1/sites/h1/people?day={day}"))["people"])

    assert [await there(day) for day in ("2024-04-30", "2024-05-01", "2026-05-31", "2026-06-01")] == [0, 1, 1, 0]
    await _send(stand, "POST", "/v1/sites/h1/people", {**role, "person": "nobody"}, 409)
    await _send(stand, "POST", "/v1/sites/h1/people", {**role, "until": "2023-01-01"}, 422)
    await _send(stand, "GET", "/v1/sites/nowhere/people", None, 404)


async def test_who_is_forgotten_is_forgotten_in_every_version(stand: Stand, database_url: str) -> None:
    first = await _send(stand, "POST", "/v1/people?enterprise=gas", PERSON, 201)
    etag = f'"{first["version"]}"'
    second = await _send(stand, "PATCH", "/v1/people/c1?enterprise=gas", {"telephone": "13900000000"}, If_Match=etag)
    assert second["telephone"] == "139****0000"
    await _send(stand, "PATCH", "/v1/people/c1?enterprise=gas", {"telephone": NUMBER}, 412, If_Match=etag)
    await _send(stand, "POST", "/v1/people/c1/contacts?enterprise=gas", {"channel": "sms", "address": NUMBER})
    await _send(stand, "DELETE", "/v1/people/c1?enterprise=gas", None, 204, If_Match="*")
    await _send(stand, "GET", "/v1/people/c1?enterprise=gas", None, 404)
    with psycopg.connect(database_url) as connection:
        people = connection.execute("SELECT name, telephone, telephone_index, id_number FROM person_past").fetchall()
        ways = connection.execute("SELECT address, address_index FROM contact_past").fetchall()
    assert len(people) == 2
    assert len(ways) == 1
    assert {value for row in (*people, *ways) for value in row} == {None}
