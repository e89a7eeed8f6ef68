"""Claims, tokens, models and files of the register over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from devices.models import BUILT_IN, load_catalogue
from devices.sites import token_sha256
from storage.database import connect
from storage.registry import bring_models
from storage.registry_source import parse_source
from storage.sealed import MasterKey
from tests.api.conftest import config_of
from tests.api.door_double import DoorDouble
from tests.api.stand import Stand, serving

DETECTOR = "sim_detector_home"
PARTIES = b"kind,key,party,enterprise\nenterprise,gas,gas_company,\nsite,home-1,,gas\nsite,home-2,,gas\n"


@pytest.fixture
async def stand(engine: DoorDouble, database_url: str) -> AsyncIterator[Stand]:
    connection = await connect(database_url, name="test")
    assert await bring_models(connection, load_catalogue())
    assert await bring_models(connection, load_catalogue()) == 0
    await connection.close()
    config = replace(config_of(engine.path, database_url), master_key=MasterKey(bytes(range(32))))
    async with serving(config) as served:
        yield served


async def ask(stand: Stand, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    answer = await stand.http.request(method, path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


async def imported(stand: Stand, body: bytes, query: str = "", state: str = "done") -> Any:
    begun = await stand.http.post(f"/v1/imports{query}", content=body)
    assert begun.status_code == 202, begun.text
    return await ended(stand, f"/v1/imports/{begun.json()['job']}", state)


async def ended(stand: Stand, path: str, state: str = "done") -> Any:
    async with asyncio.timeout(60):
        while (job := await ask(stand, "GET", path))["state"] == "running":
            await asyncio.sleep(0.05)
    assert job["state"] == state, job
    return job


async def test_a_file_is_tried_imported_and_exported_and_comes_back_as_unchanged(stand: Stand) -> None:
    tried = await imported(stand, PARTIES, "?dry_run=true&name=parties.csv")
    assert (tried["result"]["applied"], tried["result"]["counts"]) == (False, {"enterprise added": 1, "site added": 2})
    assert (await ask(stand, "GET", "/v1/sites"))["sites"] == []
    done = await imported(stand, PARTIES)
    assert done["result"]["applied"] is True
    device = f"kind,vendor,serial,model,site,identity\ndevice,davysim,D1,{DETECTOR},home-1,\ntoken,,,,,davysim/D1\n"
    begun = (await stand.http.post("/v1/imports", content=device.encode())).json()
    await ended(stand, f"/v1/imports/{begun['job']}")
    again = await ask(stand, "GET", f"/v1/imports/{begun['job']}")
    assert again["tokens"] == []
    for form in ("csv", "json", "xlsx"):
        job = await ask(stand, "POST", "/v1/exports", {"format": form, "lang": "zh"}, 202)
        written = await ended(stand, f"/v1/exports/{job['job']}")
        file = await stand.http.get(f"/v1/exports/{job['job']}/file")
        assert (file.status_code, len(file.content)) == (200, written["bytes"])
        assert {row.kind for row in parse_source(file.content)} == {"enterprise", "site", "device"}
        back = await imported(stand, file.content)
        assert set(back["result"]["counts"]) == {"enterprise unchanged", "site unchanged", "device unchanged"}


async def test_a_file_that_is_wrong_changes_nothing_and_says_where(stand: Stand) -> None:
    bad = await imported(stand, PARTIES + b"site,home-3,,gas\nsite,,,gas\n")
    assert bad["result"]["applied"] is False
    assert [(row["place"], row["fate"]) for row in bad["result"]["rows"]] == [("line 6", "refused")]
    none = await imported(stand, b"\xff\xfe nothing", state="failed")
    assert "UTF-16" in none["failure"]
    assert (await ask(stand, "GET", "/v1/sites"))["sites"] == []
    await ask(stand, "POST", "/v1/exports", {"kinds": ["nothing"]}, 422)
    assert (await stand.http.post("/v1/imports", content=b"")).status_code == 422


async def test_tokens_made_by_an_import_are_told_once(stand: Stand) -> None:
    await imported(stand, PARTIES)
    device = f"kind,vendor,serial,model,site,identity\ndevice,davysim,D1,{DETECTOR},home-1,\ntoken,,,,,davysim/D1\n"
    done = await imported(stand, device.encode())
    assert [one["device"] for one in done["tokens"]] == ["davysim/D1"]


async def test_a_device_is_offered_claimed_approved_and_has_its_token(stand: Stand) -> None:
    await imported(stand, PARTIES)
    token = "t" * 43
    label = await ask(
        stand,
        *("POST", "/v1/claims/offers"),
        {"vendor": "davysim", "serial": "D7", "model": DETECTOR, "token": token},
        201,
    )
    assert label["svg"].startswith("<?xml")
    assert label["code"] in label["text"]
    waiting = await ask(stand, "POST", "/v1/claims", {"code": label["code"], "site": "home-1"}, 201)
    assert (waiting["claim"]["state"], waiting["token"]) == ("claimed", None)
    await ask(stand, "POST", "/v1/claims", {"code": label["code"], "site": "home-2"}, 409)
    await ask(stand, "POST", "/v1/claims", {"code": label["code"], "site": "nowhere"}, 404)
    listed = await ask(stand, "GET", "/v1/claims?state=claimed")
    assert [claim["device"] for claim in listed["claims"]] == ["davysim/D7"]
    done = await ask(stand, "POST", f"/v1/claims/{label['claim']['claim']}/approve")
    assert (done["claim"]["state"], done["token"]) == ("approved", None)
    assert (await ask(stand, "GET", "/v1/devices/davysim/D7"))["site"] == "home-1"
    assert token_sha256(token) not in json.dumps(done)


async def test_a_token_is_changed_and_taken_away(stand: Stand) -> None:
    await imported(stand, PARTIES)
    device = f"kind,vendor,serial,model,site\ndevice,davysim,D1,{DETECTOR},home-1\n"
    await imported(stand, device.encode())
    path = "/v1/devices/davysim/D1/token"
    first = await ask(stand, "POST", path, {}, 201)
    second = await ask(stand, "POST", path, {"overlap_s": 3600}, 201)
    assert first["token"] != second["token"]
    assert second["former_until"]
    await ask(stand, "DELETE", path, None, 204)
    await ask(stand, "POST", "/v1/devices/davysim/D2/token", {}, 404)


async def test_a_model_is_handed_in_and_admitted(stand: Stand) -> None:
    toml = (BUILT_IN / f"{DETECTOR}.toml").read_text("utf-8")
    made = await ask(stand, "PUT", "/v1/device-models/mine", {"toml": toml}, 201)
    assert (made["version"], made["state"]) == (1, "draft")
    wrong = await ask(stand, "PUT", "/v1/device-models/mine", {"toml": toml.replace("kind", "kinds", 1)}, 409)
    assert "mine: " in wrong["detail"]
    for state in ("tried", "admitted"):
        decided = await ask(stand, "POST", "/v1/device-models/mine/1/state", {"state": state})
    assert decided["state"] == "admitted"
    assert (await ask(stand, "GET", "/v1/device-models/mine/1"))["toml"] == toml
    assert [one["model"] for one in (await ask(stand, "GET", "/v1/device-models"))["versions"]] == ["mine"]
    await ask(stand, "POST", "/v1/device-models/mine/1/state", {"state": "withdrawn"}, 409)


async def test_people_come_in_and_go_out_masked_and_in_clear_only_for_a_purpose_that_is_recorded(stand: Stand) -> None:
    await imported(stand, PARTIES)
    person = b"kind,tenant,key,name,telephone\nperson,gas,p1,Ann Other,13812345678\n"
    assert (await imported(stand, person))["result"]["counts"] == {"person added": 1}

    async def exported(**more: str) -> str:
        job = await ask(stand, "POST", "/v1/exports", {"kinds": ["person"], **more}, 202)
        await ended(stand, f"/v1/exports/{job['job']}")
        return (await stand.http.get(f"/v1/exports/{job['job']}/file")).text

    masked = await exported()
    assert ("138****5678" in masked, "13812345678" in masked) == (True, False)
    assert (await imported(stand, masked.encode()))["result"]["counts"] == {"person unchanged": 1}
    assert "13812345678" in await exported(purpose="calling everybody about 13800000000")
    said = (await ask(stand, "GET", "/v1/enterprises/gas/audit"))["entries"]
    (entry,) = [one for one in said if one["kind"] == "unmasking"]
    assert "13800000000" not in json.dumps(entry)


async def test_a_claim_that_nobody_has_to_approve_and_that_cannot_be_registered_is_refused_with_the_reason(
    stand: Stand,
) -> None:
    await imported(stand, PARTIES)
    await ask(stand, "PUT", "/v1/claims/policies/gas", {"approval": False})
    offer = {"vendor": "davysim", "serial": "D8", "model": DETECTOR}
    label = await ask(stand, "POST", "/v1/claims/offers", offer, 201)
    device = f"kind,vendor,serial,model,site\ndevice,davysim,D8,{DETECTOR},home-2\n"
    await imported(stand, device.encode())
    await ask(stand, "PATCH", "/v1/devices/davysim/D8", {"site": "home-2"}, 428)
    at_once = await ask(stand, "POST", "/v1/claims", {"code": label["code"], "site": "home-1"}, 409)
    assert "registered already" in at_once["detail"]
    assert (await ask(stand, "GET", "/v1/devices/davysim/D8"))["site"] == "home-2"
