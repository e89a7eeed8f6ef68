"""Past incidents, permits, held shut-offs and the alarm system's health, from a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as changed_to

from api.times import rfc3339
from rules.decisions import Decision, IncidentChanged, PermitChanged, incident_id, permit_id
from tests.api.conftest import config_of, migrated
from tests.api.door_double import DoorDouble
from tests.api.stand import Stand, serving
from tests.postgres import Server
from tests.storage.cycles import HOUR, MINUTE, SECOND, T0, cycle
from tests.storage.test_decided import ALARM, raised
from tests.storage.test_decided_life import HELD, INCIDENT, PERMIT
from tests.storage.writing import write

INCIDENT_ID, PERMIT_ID = incident_id(INCIDENT[1].scope, "home-1", T0), permit_id(2, T0)  # type: ignore[union-attr]


TRIED = changed_to(raised("tried", at=T0 + SECOND), trial=True)


def _named(decision: Decision) -> Decision:
    """Under ids as an engine gives them: a path takes no others."""
    if isinstance(decision, IncidentChanged):
        return changed_to(decision, incident=INCIDENT_ID)
    return changed_to(decision, permit=PERMIT_ID) if isinstance(decision, PermitChanged) else decision


@pytest.fixture(scope="module")
def url(postgres: Server) -> Iterator[str]:
    """Written once: these tests only read it."""
    found = postgres.database(migrated(postgres))
    asyncio.run(write(found, [cycle(1, decisions=tuple(map(_named, (*INCIDENT, *PERMIT, *HELD, *ALARM[1:], TRIED))))]))
    yield found
    postgres.drop(found)


@pytest.fixture
async def stand(engine: DoorDouble, url: str) -> AsyncIterator[Stand]:
    async with serving(replace(config_of(engine.path, url), now_us=lambda: T0 + HOUR)) as served:
        yield served


async def _get(stand: Stand, path: str, **params: object) -> dict[str, Any]:
    answer = await stand.http.get(path, params={key: str(value) for key, value in params.items()})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_past_incident_shows_its_history(stand: Stand) -> None:
    (listed,) = (await _get(stand, "/v1/incidents/history"))["incidents"]
    one = await _get(stand, f"/v1/incidents/{INCIDENT_ID}")
    assert (listed["incident"], listed["marks"]) == (INCIDENT_ID, [])
    assert one["source"] == "database"
    assert one["incident"]["alarms"] == ["a1", "a2"]
    assert one["incident"]["steps"] == ["cordon", "close_upstream", "vent"]
    assert [mark["what"] for mark in one["incident"]["marks"]] == ["dispatched", "field reading", "step done"]
    assert [step["change"] for step in one["history"]] == [
        "opened",
        "joined",
        "dispatched",
        "field reading",
        "steps opened",
        "step done",
    ]
    assert (await _get(stand, "/v1/incidents/history", scope="area"))["incidents"] == []
    assert (await _get(stand, "/v1/incidents/history", to=rfc3339(T0)))["incidents"] == []
    assert (await stand.http.get(f"/v1/incidents/{'1' * 32}")).status_code == 404


async def test_a_past_permit_shows_both_people_and_its_steps(stand: Stand) -> None:
    (listed,) = (await _get(stand, "/v1/permits/history"))["permits"]
    one = await _get(stand, f"/v1/permits/{PERMIT_ID}")
    assert (one["permit"], one["source"]) == (listed, "database")
    assert (listed["requested_by"], listed["approved_by"], listed["combustible_lel"]) == ("li", "wang", 0.5)
    assert [step["state"] for step in one["steps"]] == ["requested", "granted", "completed"]
    assert (await stand.http.get(f"/v1/permits/{'1' * 32}")).status_code == 404


async def test_what_was_held_is_paged_newest_first(stand: Stand) -> None:
    page = await _get(stand, "/v1/held/history", limit=2)
    seen = [(one["change"], one["device_no"]) for one in page["held"]]
    page = await _get(stand, "/v1/held/history", limit=2, cursor=page["next"])
    assert page["next"] is None
    assert seen + [(one["change"], one["device_no"]) for one in page["held"]] == [
        ("released", 2),
        ("held", 3),
        ("held", 2),
    ]
    assert (await _get(stand, "/v1/held/history", rule="another"))["held"] == []


async def test_the_health_of_the_alarm_system_is_told_of_the_time_asked_for(stand: Stand) -> None:
    told = await _get(stand, "/v1/alarms/health", **{"from": rfc3339(T0), "to": rfc3339(T0 + HOUR), "desks": "area"})
    assert (told["alarms"], told["begin"], told["end"]) == (2, rfc3339(T0), rfc3339(T0 + HOUR))
    (desk,) = told["desks"]
    assert (desk["alarms"], desk["peak"], desk["peak_at"], desk["floods"]) == (2, 2, rfc3339(T0), [])
    assert [actor["alarms"] for actor in told["bad_actors"]] == [2]
    assert [share["alarms"] for share in told["priorities"]] == [2, 0, 0]
    for query in (f"from={rfc3339(T0)}&to={rfc3339(T0)}", "desks=galaxy"):
        assert (await stand.http.get(f"/v1/alarms/health?{query}")).status_code == 422


async def test_an_alarm_shows_its_incident_and_what_its_steps_said(stand: Stand) -> None:
    (first, second) = sorted(
        (await _get(stand, "/v1/alarms/history", incident=INCIDENT_ID))["alarms"], key=lambda one: str(one["alarm"])
    )
    assert (first["incident"], first["true_state"], first["device_says"]) == (INCIDENT_ID, first["state"], None)
    assert second["raised"] == rfc3339(T0 + SECOND)
    assert (await _get(stand, "/v1/alarms/history", **{"from": rfc3339(T0 + MINUTE)}))["alarms"] == []


async def test_what_was_only_tried_is_in_a_list_of_its_own(stand: Stand) -> None:
    (tried,) = (await _get(stand, "/v1/alarms/history", trial="true"))["alarms"]
    assert (tried["alarm"], tried["trial"]) == ("tried", True)
    others = (await _get(stand, "/v1/alarms/history"))["alarms"]
    assert "tried" not in {one["alarm"] for one in others}
    assert others
