"""The register over HTTP: what is read, changed, and kept of what was."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.api.conftest import config_of
from tests.api.door_double import DoorDouble
from tests.api.stand import Stand, serving


@pytest.fixture
async def stand(engine: DoorDouble, database_url: str) -> AsyncIterator[Stand]:
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
