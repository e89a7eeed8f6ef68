"""The register over HTTP: what is read, changed, and kept of what was."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from api.times import parse_rfc3339
from devices.models import load_catalogue
from storage.database import connect
from storage.registry import import_registry
from tests.api.conftest import config_of
from tests.api.door_double import DoorDouble
from tests.api.stand import Stand, serving


@pytest.fixture
async def stand(engine: DoorDouble, database_url: str) -> AsyncIterator[Stand]:
    connection = await connect(database_url, name="test")
    await import_registry(connection, (), load_catalogue(), dry_run=False, random_bytes=os.urandom)
    await connection.close()
    async with serving(config_of(engine.path, database_url)) as served:
        yield served


async def _get(stand: Stand, path: str, status: int = 200, **params: object) -> Any:
    answer = await stand.http.get(path, params={key: str(value) for key, value in params.items()})
    assert answer.status_code == status, answer.text
    return answer.json()


async def _send(stand: Stand, method: str, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
    answer = await stand.http.request(
        method, path, json=body, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


async def _sites(stand: Stand, *sites: dict[str, Any]) -> Any:
    return await _send(stand, "POST", "/v1/sites", {"sites": list(sites)})


async def test_a_site_is_added_read_changed_and_removed_and_its_past_stays(stand: Stand) -> None:
    done = await _sites(
        stand, {"site": "w-1", "name": "Home", "area": "500156", "neighbourhood": "old", "tags": ["b", "a"]}
    )
    assert done["applied"] is True
    assert {row["fate"] for row in done["rows"]} <= {"added"}
    site = await _get(stand, "/v1/sites/w-1")
    assert (site["name"], site["area"], site["neighbourhood"], site["tags"]) == ("Home", "500156", "old", ["a", "b"])
    assert (site["recorded_by"], site["hardship"]) == ("administrator", None)
    etag = f'"{site["version"]}"'
    changed = await _send(stand, "PATCH", "/v1/sites/w-1", {"name": None, "gas_on": "2019-05-01"}, If_Match=etag)
    assert (changed["name"], changed["gas_on"], changed["area"]) == (None, "2019-05-01", "500156")
    assert changed["version"] > site["version"]
    problem = await _send(stand, "PATCH", "/v1/sites/w-1", {"name": "x"}, 412, If_Match=etag)
    assert problem["type"] == "urn:davy:problem:changed-meanwhile"
    assert (await _send(stand, "PATCH", "/v1/sites/w-1", {"name": "x"}, 428))["status"] == 428
    await _send(stand, "DELETE", "/v1/sites/w-1", None, 204, If_Match="*")
    await _get(stand, "/v1/sites/w-1", 404)
    assert (await _get(stand, "/v1/sites"))["sites"] == []


async def test_a_list_shows_the_fields_that_are_asked_and_pages_without_gaps(stand: Stand) -> None:
    await _sites(stand, *({"site": f"w-{n}", "area": "500156", "site_class": "school"} for n in range(5)))
    page = await _get(stand, "/v1/sites", limit=2, fields="area")
    seen = page["sites"]
    while page["next"]:
        page = await _get(stand, "/v1/sites", limit=2, fields="area", cursor=page["next"])
        seen += page["sites"]
    assert seen == [{"site": f"w-{n}", "area": "500156"} for n in range(5)]
    assert len((await _get(stand, "/v1/sites", area="500000", site_class="school"))["sites"]) == 5
    assert (await _get(stand, "/v1/sites", area="510000"))["sites"] == []
    assert "there is no 'telephone'" in (await _get(stand, "/v1/sites", 422, fields="telephone"))["detail"]


async def _street(stand: Stand) -> None:
    """Two homes, a valve and a detector in the first, a spare detector in the second."""
    await _sites(stand, {"site": "h1", "area": "500156"}, {"site": "h2", "area": "500156"})
    rows = [
        {"vendor": "acme", "serial": "d1", "model": "sim_detector_home", "site": "h1"},
        {"vendor": "acme", "serial": "d2", "model": "sim_detector_home", "site": "h2"},
        {"vendor": "acme", "serial": "v1", "model": "sim_valve_shut_off", "site": "h1"},
    ]
    done = await _send(stand, "POST", "/v1/devices", {"devices": rows})
    assert done["applied"] is True, done
    await _send(stand, "POST", "/v1/devices/acme/d1/links", {"valve": "acme/v1", "since": "2024-05-01"})


async def test_a_device_is_put_in_anothers_place_and_who_had_what_can_be_asked(stand: Stand) -> None:
    await _street(stand)
    first = {"installation": "w1", "device": "acme/d1", "site": "h1", "since": "2024-05-01", "mounting": "kitchen"}
    await _send(stand, "POST", "/v1/installations", first, 201)
    one = await _get(stand, "/v1/devices/acme/d1")
    assert (one["installed"], one["mounting"], one["closes"]) == ("2024-05-01", "kitchen", ["acme/v1"])
    second = {"installation": "w2", "device": "acme/d2", "site": "h1", "since": "2026-11-20", "replaces": "acme/d1"}
    early = await _send(stand, "POST", "/v1/installations", {**second, "since": "2024-04-30"}, 409)
    assert "began on 2024-05-01" in early["detail"]
    await _send(stand, "POST", "/v1/installations", {**second, "reason": "end of life"}, 201)
    await _send(stand, "POST", "/v1/installations", second, 409)

    new = await _get(stand, "/v1/devices/acme/d2")
    assert (new["site"], new["closes"], new["installed"]) == ("h1", ["acme/v1"], "2026-11-20")
    await _get(stand, "/v1/devices/acme/d1", 404)

    async def had(day: str) -> list[str]:
        page = await _get(stand, "/v1/installations", site="h1", day=day)
        return [one["device"] for one in page["installations"]]

    assert [await had(day) for day in ("2024-04-30", "2025-01-01", "2026-11-20")] == [[], ["acme/d1"], ["acme/d2"]]
    (taken,) = (await _get(stand, "/v1/installations", replaces="acme/d1"))["installations"]
    assert (taken["device"], taken["reason"]) == ("acme/d2", "end of life")
    old = await _get(stand, "/v1/installations/w1")
    assert (old["until"], old["ended_because"]) == ("2026-11-20", "end of life")

    etag = f'"{taken["version"]}"'
    changed = await _send(stand, "PATCH", "/v1/installations/w2", {"inspected": "2026-11-21"}, If_Match=etag)
    assert (changed["inspected"], changed["since"]) == ("2026-11-21", "2026-11-20")
    end = {"until": "2026-12-01", "reason": "given up"}
    ended = await _send(stand, "POST", "/v1/installations/w2/end", end, If_Match="*")
    assert (ended["until"], ended["ended_because"]) == ("2026-12-01", "given up")
    await _get(stand, "/v1/devices/acme/d2", 404)
    assert (await _send(stand, "POST", "/v1/installations/w2/end", end, 409, If_Match="*"))["status"] == 409


async def test_a_device_is_changed_by_version_and_comes_back_under_its_own_number(stand: Stand) -> None:
    await _street(stand)
    before = await _get(stand, "/v1/devices/acme/d2")
    etag = f'"{before["version"]}"'
    change = {"identifier": "88.111.1/a", "identifier_kind": "passive", "tags": ["x"], "made": "2023-01-02"}
    after = await _send(stand, "PATCH", "/v1/devices/acme/d2", change, If_Match=etag)
    assert (after["tags"], after["site"]) == (["x"], "h2")
    whole = await _get(stand, "/v1/devices/acme/d2")
    assert (whole["identifier"], whole["identifier_kind"], whole["made"]) == ("88.111.1/a", "passive", "2023-01-02")
    assert whole["oddities"] == []
    await _send(stand, "PATCH", "/v1/devices/acme/d2", {"tags": []}, 412, If_Match=etag)
    odd = await _send(stand, "PATCH", "/v1/devices/acme/d2", {"identifier": "99/x"}, If_Match="*")
    assert "identifier" in (await _get(stand, "/v1/devices/acme/d2"))["oddities"][0]
    await _send(stand, "PATCH", "/v1/devices/acme/d2", {"made": "2023-02-30"}, 422, If_Match="*")
    await _send(stand, "PATCH", "/v1/devices/acme/d2", {"site": "nowhere"}, 409, If_Match="*")
    await _send(stand, "DELETE", "/v1/devices/acme/d2", None, 204, If_Match=f'"{odd["version"]}"')
    await _get(stand, "/v1/devices/acme/d2", 404)
    history = await _get(stand, "/v1/devices/acme/d2/history")
    assert history["versions"][0]["gone"] is True
    assert history["versions"][-1]["device"]["version"] == 1
    again = {"vendor": "acme", "serial": "d2", "model": "sim_detector_home", "site": "h1"}
    await _send(stand, "POST", "/v1/devices", {"devices": [again]})
    back = await _get(stand, "/v1/devices/acme/d2")
    assert (back["device_no"], back["site"]) == (before["device_no"], "h1")


async def test_certificates_and_links_are_added_and_taken_away(stand: Stand) -> None:
    await _street(stand)
    given = {"scheme": "CCC", "number": "123", "expires": "2028-01-31"}
    (shown,) = (await _send(stand, "POST", "/v1/devices/acme/d1/certificates", given))["certificates"]
    assert (shown["device"], shown["expires"]) == ("acme/d1", "2028-01-31")
    assert "16 digits" in shown["oddity"]
    await _send(stand, "DELETE", "/v1/devices/acme/d1/certificates?scheme=CCC&number=123", None, 204)
    assert (await _get(stand, "/v1/devices/acme/d1/certificates"))["certificates"] == []
    await _send(stand, "DELETE", "/v1/devices/acme/d1/certificates?scheme=CCC&number=123", None, 404)
    (link,) = (await _get(stand, "/v1/devices/acme/v1/links"))["links"]
    assert (link["detector"], link["valve"], link["since"]) == ("acme/d1", "acme/v1", "2024-05-01")
    await _send(stand, "DELETE", "/v1/devices/acme/d1/links?valve=acme/v1", None, 204)
    assert (await _get(stand, "/v1/devices/acme/v1/links"))["links"] == []
    assert (await _send(stand, "POST", "/v1/devices/acme/d1/links", {"valve": "acme/no"}, 404))["status"] == 404


async def test_a_refused_row_refuses_all_and_a_dry_run_does_nothing(stand: Stand) -> None:
    rows = [{"vendor": "acme", "serial": f"d{n}", "model": "sim_detector_home", "site": "h1"} for n in range(2)]
    done = await _send(stand, "POST", "/v1/devices", {"devices": rows})
    assert (done["applied"], [row["fate"] for row in done["rows"] if row["kind"] == "device"]) == (
        False,
        ["refused"] * 2,
    )
    await _send(stand, "POST", "/v1/sites?dry_run=true", {"sites": [{"site": "h1"}]})
    assert (await _get(stand, "/v1/sites"))["sites"] == []


async def test_enterprises_are_added_changed_and_removed_and_odd_numbers_are_said(stand: Stand) -> None:
    given = {"enterprise": "gas", "kind": "gas_company", "name": "燃气", "uscc": "91350200776049653A"}
    done = await _send(stand, "POST", "/v1/enterprises", {"enterprises": [given]})
    assert done["applied"] is True
    one = await _get(stand, "/v1/enterprises/gas")
    assert (one["name"], one["oddities"], one["version"]) == ("燃气", [], 1)
    change = {"uscc": "91350203M0001FUE2P", "name_en": "Gas"}
    two = await _send(stand, "PATCH", "/v1/enterprises/gas", change, If_Match='"1"')
    assert (two["name_en"], two["version"]) == ("Gas", 2)
    assert "legal" in two["oddities"][0]
    vendor = {"enterprise": "acme", "kind": "vendor", "vendor": "acme"}
    await _send(stand, "POST", "/v1/enterprises", {"enterprises": [vendor]})
    listed = await _get(stand, "/v1/enterprises", kind="vendor", fields="vendor")
    assert listed["enterprises"] == [{"enterprise": "acme", "vendor": "acme"}]
    history = await _get(stand, "/v1/enterprises/gas/history")
    assert [one["enterprise"]["version"] for one in history["versions"]] == [2, 1]
    await _send(stand, "DELETE", "/v1/enterprises/gas", None, 204, If_Match='"2"')
    await _get(stand, "/v1/enterprises/gas", 404)


async def test_areas_are_a_tree_on_every_day_and_rings_are_refused_by_row(stand: Stand) -> None:
    tree = [
        {"code": "500000", "name": "重庆市"},
        {"code": "500232", "name": "武隆县", "parent": "500000", "until": "2016-11-24"},
        {"code": "500156", "name": "武隆区", "parent": "500000", "since": "2016-11-24"},
        {"code": "500156100", "name": "镇", "parent": "500156", "since": "2017-01-01"},
    ]
    assert (await _send(stand, "POST", "/v1/areas", {"areas": tree}))["applied"] is True
    assert [one["code"] for one in (await _get(stand, "/v1/areas", day="2016-01-01"))["areas"]] == ["500000", "500232"]
    assert [one["code"] for one in (await _get(stand, "/v1/areas", within="500156"))["areas"]] == [
        "500156",
        "500156100",
    ]
    page = await _get(stand, "/v1/areas", limit=3)
    rest = await _get(stand, "/v1/areas", limit=3, cursor=page["next"])
    assert [one["code"] for one in page["areas"] + rest["areas"]] == ["500000", "500156", "500156100", "500232"]
    town = await _get(stand, "/v1/areas/500156100")
    assert [one["name"] for one in town["within"]] == ["武隆区", "重庆市"]
    ring = [{"code": "110000", "parent": "120000"}, {"code": "120000", "parent": "110000"}, {"code": "130000"}]
    done = await _send(stand, "POST", "/v1/areas", {"areas": ring})
    fates = {row["key"]: (row["fate"], row["reason"]) for row in done["rows"]}
    assert done["applied"] is False
    assert [key for key, (fate, _) in fates.items() if fate == "refused"] == ["110000", "120000"]
    assert "part of itself" in fates["110000"][1]
    await _get(stand, "/v1/areas/110000", 404)
    gone = {"code": "500156100", "since": "2017-01-01", "remove": True}
    assert (await _send(stand, "POST", "/v1/areas", {"areas": [gone]}))["applied"] is True
    await _get(stand, "/v1/areas/500156100", 404)


async def test_any_day_of_the_past_can_be_asked(engine: DoorDouble, database_url: str) -> None:
    connection = await connect(database_url, name="test")
    await import_registry(connection, (), load_catalogue(), dry_run=False, random_bytes=os.urandom)
    await connection.close()
    now = [parse_rfc3339("2026-01-10T12:00:00Z")]
    config = replace(config_of(engine.path, database_url), now_us=lambda: now[0])
    async with serving(config) as stand:
        await _sites(stand, {"site": "h1", "name": "first"})
        device = {"vendor": "acme", "serial": "d1", "model": "sim_detector_home", "site": "h1"}
        await _send(stand, "POST", "/v1/devices", {"devices": [device]})
        now[0] = parse_rfc3339("2026-02-10T12:00:00Z")
        await _sites(stand, {"site": "h1", "name": "second"}, {"site": "h2"})
        await _send(stand, "PATCH", "/v1/devices/acme/d1", {"site": "h2"}, If_Match="*")

        async def names(as_of: str) -> list[Any]:
            return [one["name"] for one in (await _get(stand, "/v1/sites", as_of=as_of, fields="name"))["sites"]]

        assert await names("2026-01-09") == []
        assert await names("2026-01-10") == await names("2026-02-10T11:59:59Z") == ["first"]
        assert await names("2026-02-10") == ["second", None]
        assert (await _get(stand, "/v1/devices/acme/d1", as_of="2026-01-31"))["site"] == "h1"
        assert (await _get(stand, "/v1/devices/acme/d1", as_of="2026-02-28"))["site"] == "h2"
        assert len((await _get(stand, "/v1/devices", as_of="2026-01-31", site="h1"))["devices"]) == 1
        assert (await _get(stand, "/v1/devices", as_of="2026-02-28", site="h1"))["devices"] == []
        await _get(stand, "/v1/devices/acme/d1", 404, as_of="2025-12-31")
        await _get(stand, "/v1/sites", 422, as_of="2026-02-30")
        await _get(stand, "/v1/sites", 422, as_of="yesterday")
        history = (await _get(stand, "/v1/sites/h1/history"))["versions"]
        assert [(one["site"]["name"], one["superseded"] is None) for one in history] == [
            ("second", True),
            ("first", False),
        ]


HOSTILE = ("\x00", "\ud800", "'; DROP TABLE site; --", "x" * 400, "𠀀\u202e", "%s%n", "../..")


@pytest.mark.parametrize("word", HOSTILE, ids=range(len(HOSTILE)))
async def test_hostile_words_are_taken_as_words_or_refused_and_never_a_failure(stand: Stand, word: str) -> None:
    answers = [
        await stand.http.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})
        for path, body in (
            ("/v1/sites", {"sites": [{"site": word, "name": word, "tags": [word]}]}),
            ("/v1/devices", {"devices": [{"vendor": "a", "serial": "b", "model": word, "site": word}]}),
            ("/v1/enterprises", {"enterprises": [{"enterprise": word, "kind": "vendor", "contact": word}]}),
            ("/v1/areas", {"areas": [{"code": "500000", "name": word}]}),
            ("/v1/installations", {"installation": word, "device": "a/b", "site": word, "since": "2026-01-01"}),
        )
    ]
    word = word.replace("\ud800", "?")
    for path in ("/v1/sites", "/v1/devices", "/v1/installations", "/v1/enterprises"):
        asked = {"cursor": word, "fields": word, "area": word, "as_of": word, "site": word}
        answers += [await stand.http.get(path, params={name: said}) for name, said in asked.items()]
    answers += [await stand.http.get(f"/v1/{of}/{quote(word, safe='')}") for of in ("sites", "enterprises", "areas")]
    assert max(answer.status_code for answer in answers) < 500
    shown = (await stand.http.get("/v1/sites")).json()["sites"]
    assert [one["name"] for one in shown] in ([], [word])


async def test_of_two_who_change_the_same_version_at_once_one_hears_of_it(stand: Stand) -> None:
    await _sites(stand, {"site": "h1"})
    headers = {"If-Match": '"1"'}
    asked = [stand.http.patch("/v1/sites/h1", json={"building": str(n)}, headers=headers) for n in range(4)]
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
    (done,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert (await _get(stand, "/v1/sites/h1"))["building"] == done["building"]
