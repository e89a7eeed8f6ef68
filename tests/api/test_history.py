"""The past: devices, readings, alarms, commands and the ledger, read from a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest

from api.times import rfc3339
from tests.api.conftest import config_of, migrated
from tests.api.door_double import DoorDouble
from tests.api.homes import BEHIND, DETECTOR, GATEWAY, VALVE
from tests.api.stand import Stand, serving
from tests.api.stored_past import ALARM, BUS, COMMAND, HEAD, READINGS, REGISTERED, SLEEPER, WANTED, Past, write_past
from tests.postgres import Server
from tests.storage.cycles import DAY, HOUR, MINUTE, SECOND, T0


@pytest.fixture(scope="module")
def past(postgres: Server) -> Iterator[Past]:
    """Written once: these tests only read it."""
    url = postgres.database(migrated(postgres))
    yield asyncio.run(write_past(url))
    postgres.drop(url)


@pytest.fixture
async def stand(engine: DoorDouble, past: Past) -> AsyncIterator[Stand]:
    config = replace(config_of(engine.path, past.url), now_us=lambda: past.now_us)
    async with serving(config) as served:
        yield served


async def _get(stand: Stand, path: str, **params: object) -> dict[str, Any]:
    answer = await stand.http.get(path, params={key: str(value) for key, value in params.items()})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_devices_are_paged_and_filtered(stand: Stand) -> None:
    page = await _get(stand, "/v1/devices", limit=4)
    seen = [device["device"] for device in page["devices"]]
    while page["next"]:
        page = await _get(stand, "/v1/devices", limit=4, cursor=page["next"])
        seen += [device["device"] for device in page["devices"]]
    assert seen == [device.identity for device in REGISTERED.devices]
    valves = await _get(stand, "/v1/devices", kind="shut_off_valve")
    assert [device["device"] for device in valves["devices"]] == [VALVE, SLEEPER]
    assert len((await _get(stand, "/v1/devices", site="home-2"))["devices"]) == 4
    assert (await _get(stand, "/v1/devices", site="nowhere"))["devices"] == []
    assert (await stand.http.get("/v1/devices?kind=kettle")).status_code == 422


async def test_a_device_shows_its_site_its_gateway_and_what_it_closes(stand: Stand) -> None:
    detector = await _get(stand, f"/v1/devices/{DETECTOR}")
    assert (detector["device_no"], detector["kind"], detector["site_name"]) == (1, "detector", "Home 1")
    assert (detector["closes"], detector["gateway"], detector["simulated"]) == ([VALVE], None, True)
    assert (await _get(stand, f"/v1/devices/{BEHIND}"))["gateway"] == GATEWAY


async def test_a_device_on_a_bus_shows_where_it_stands_and_what_its_model_is(stand: Stand) -> None:
    head = await _get(stand, f"/v1/devices/{HEAD}")
    assert (head["gateway"], head["address"], head["unit"], head["channel"]) == (BUS, "7/3?base=200", 7, 3)
    facts = head["model_facts"]
    assert (facts["verified"], facts["tier"], facts["actuator"]) == (False, "mid", None)
    assert facts["ranges"] == {"combustible_lel": {"lowest": 0.0, "highest": 100.0}}
    assert (facts["certificates"], facts["measures"]) == (["GB 15322.1-2019"], list(REGISTERED.models[-2].measures))
    bus = await _get(stand, f"/v1/devices/{BUS}")
    assert (bus["address"], bus["unit"], bus["channel"]) == ("modbus+tcp://192.0.2.7:502", None, None)
    plain = await _get(stand, f"/v1/devices/{DETECTOR}")
    assert (plain["address"], plain["unit"], plain["model_facts"]["verified"]) == (None, None, True)
    listed = (await _get(stand, "/v1/devices", site="boiler-room"))["devices"]
    assert [device["address"] for device in listed] == ["modbus+tcp://192.0.2.7:502", "7/3?base=200", None]


async def test_a_valve_says_whether_it_sleeps_and_for_how_long(stand: Stand) -> None:
    for identity, expected in ((SLEEPER, ("wakes", 3600.0, 90.0)), (VALVE, ("connected", None, 10.0))):
        actuator = (await _get(stand, f"/v1/devices/{identity}"))["model_facts"]["actuator"]
        said = (actuator["reachability"], actuator["wake_interval_s"], actuator["confirm_within_s"])
        assert said == expected
        assert actuator["reports_position"] is True


@pytest.mark.parametrize("path", ["", "/latest", "/readings"])
async def test_an_unknown_device_is_not_found(stand: Stand, path: str) -> None:
    assert (await stand.http.get(f"/v1/devices/acme/nobody{path}")).status_code == 404
    assert (await stand.http.get(f"/v1/devices/acme/no%00body{path}")).status_code == 422


async def test_the_latest_reading_says_what_may_not_be_believed(stand: Stand) -> None:
    latest = (await _get(stand, f"/v1/devices/{DETECTOR}/latest"))["reading"]
    assert latest["ts"] == rfc3339(T0 + (READINGS - 1) * 10 * SECOND)
    assert (latest["combustible_lel"], latest["quality"]) == (None, {"combustible_lel": "sensor_fault"})
    assert latest["flags"] == ["high_alarm", "suspect_clock"]
    assert (latest["device_ts"], latest["valve"], latest["co_ppm"]) == (None, "closed", None)
    assert (await _get(stand, f"/v1/devices/{VALVE}/latest")) == {"device": VALVE, "reading": None}


async def test_a_poll_that_nobody_answered_is_shown_as_that_and_has_no_value(stand: Stand) -> None:
    latest = (await _get(stand, f"/v1/devices/{HEAD}/latest"))["reading"]
    assert (latest["flags"], latest["quality"]) == (["stale"], {"combustible_lel": "stale"})
    assert (latest["combustible_lel"], latest["valve"]) == (None, "unknown")
    asked = {"from": rfc3339(T0), "to": rfc3339(T0 + MINUTE), "resolution": "1m"}
    (minute,) = (await _get(stand, f"/v1/devices/{HEAD}/readings", **asked))["readings"]
    assert (minute["n"], minute["bad"], minute["combustible_lel"]["n"], minute["flags"]) == (1, 1, 0, ["stale"])


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_raw_readings_are_paged_without_gap_or_repetition(stand: Stand, order: str) -> None:
    asked = {"from": rfc3339(T0), "to": rfc3339(T0 + HOUR), "limit": 77, "order": order}
    page = await _get(stand, f"/v1/devices/{DETECTOR}/readings", **asked)
    seen = [reading["seq"] for reading in page["readings"]]
    while page["next"]:
        page = await _get(stand, f"/v1/devices/{DETECTOR}/readings", cursor=page["next"], **asked)
        seen += [reading["seq"] for reading in page["readings"]]
    assert seen == sorted(range(READINGS), reverse=order == "desc")


async def test_a_raw_reading_is_shown_as_it_was_sent(stand: Stand) -> None:
    asked = {"from": rfc3339(T0), "to": rfc3339(T0 + SECOND)}
    (reading,) = (await _get(stand, f"/v1/devices/{DETECTOR}/readings", **asked))["readings"]
    assert (reading["ts"], reading["received"]) == (rfc3339(T0), rfc3339(T0 + 50_000))
    assert (reading["combustible_lel"], reading["quality"]) == (0.5, {"combustible_lel": "good"})
    assert (reading["extra"], reading["flags"]) == ({"firmware": "1.2"}, [])


async def test_minutes_and_hours_are_summed_up_from_good_values(stand: Stand) -> None:
    asked = {"from": rfc3339(T0), "to": rfc3339(T0 + HOUR), "resolution": "1m"}
    minutes = (await _get(stand, f"/v1/devices/{DETECTOR}/readings", **asked))["readings"]
    assert len(minutes) == READINGS * 10 // 60
    assert minutes[0]["combustible_lel"] == {"n": 6, "lowest": 0.5, "highest": 5.5, "mean": 3.0}
    assert (minutes[-1]["n"], minutes[-1]["bad"], minutes[-1]["combustible_lel"]["n"]) == (6, 1, 5)
    assert minutes[-1]["flags"] == ["high_alarm", "suspect_clock"]
    assert minutes[0]["temperature_c_mean"] is None
    hours = await _get(stand, f"/v1/devices/{DETECTOR}/readings", **{**asked, "resolution": "1h"})
    assert (hours["resolution"], [hour["n"] for hour in hours["readings"]]) == ("1h", [READINGS])


async def test_minutes_are_paged(stand: Stand) -> None:
    asked = {"from": rfc3339(T0), "to": rfc3339(T0 + HOUR), "resolution": "1m", "limit": 20}
    page = await _get(stand, f"/v1/devices/{DETECTOR}/readings", **asked)
    seen = [bucket["bucket"] for bucket in page["readings"]]
    while page["next"]:
        page = await _get(stand, f"/v1/devices/{DETECTOR}/readings", cursor=page["next"], **asked)
        seen += [bucket["bucket"] for bucket in page["readings"]]
    assert seen == [rfc3339(T0 + at * MINUTE) for at in range(READINGS // 6)]


async def test_a_range_is_bounded_and_in_order(stand: Stand) -> None:
    url = f"/v1/devices/{DETECTOR}/readings"
    for from_, to, resolution, status in (
        (T0 - 31 * DAY, T0, "raw", 200),
        (T0 - 31 * DAY - 1, T0, "raw", 422),
        (T0 - 31 * DAY - 1, T0, "1m", 422),
        (T0 - 1000 * DAY, T0, "1h", 200),
        (T0 + 1, T0, "raw", 422),
        (T0, T0, "raw", 200),
    ):
        params = {"from": rfc3339(from_), "to": rfc3339(to), "resolution": resolution}
        assert (await stand.http.get(url, params=params)).status_code == status, params
    for query in (
        "limit=0",
        "limit=1001",
        "from=yesterday",
        "resolution=1s",
        "order=up",
        "cursor=zz",
        "from=2026-01-01",
    ):
        assert (await stand.http.get(f"{url}?{query}")).status_code == 422, query


async def test_a_cursor_of_another_path_is_refused_or_harmless(stand: Stand) -> None:
    page = await _get(stand, "/v1/devices", limit=1)
    url = f"/v1/devices/{DETECTOR}/readings"
    assert (await stand.http.get(url, params={"cursor": page["next"]})).status_code == 422


async def test_past_alarms_are_filtered_and_tell_their_steps(stand: Stand) -> None:
    asked = {"from": rfc3339(T0 - DAY), "to": rfc3339(T0 + DAY)}
    (alarm,) = (await _get(stand, "/v1/alarms/history", **asked))["alarms"]
    assert (alarm["alarm"], alarm["state"], alarm["priority"], alarm["value"]) == (ALARM, "normal", "high", 21.5)
    assert (alarm["note"], alarm["expected"]) == ("7 readings from 120 on are missing", rfc3339(T0 + HOUR))
    assert (await _get(stand, "/v1/alarms/history", state="shelved", **asked))["alarms"] == []
    assert (await _get(stand, "/v1/alarms/history", site="home-2", **asked))["alarms"] == []
    assert len((await _get(stand, "/v1/alarms/history", priority="high", **asked))["alarms"]) == 1
    whole = await _get(stand, f"/v1/alarms/{ALARM}")
    assert (whole["source"], whole["alarm"]["device"]) == ("database", DETECTOR)
    assert [step["change"] for step in whole["steps"]] == ["raised", "acknowledged", "returned"]
    assert whole["steps"][1]["by"] == "ann"
    assert (await stand.http.get(f"/v1/alarms/{'f' * 32}")).status_code == 404


async def test_a_range_of_alarms_is_bounded(stand: Stand) -> None:
    params = {"from": rfc3339(T0 - 400 * DAY), "to": rfc3339(T0)}
    assert (await stand.http.get("/v1/alarms/history", params=params)).status_code == 422


async def test_a_command_the_engine_no_longer_keeps_comes_from_the_database(stand: Stand) -> None:
    command = await _get(stand, f"/v1/commands/{WANTED}")
    assert (command["source"], command["outcome"], command["alarm"]) == ("database", "confirmed", ALARM)
    assert command["hears_by"] == rfc3339(T0 + HOUR)
    (attempt,) = command["attempts"]
    assert (attempt["command"], attempt["attempt"]) == (COMMAND, 1)
    steps = [(step["step"], step["at"]) for step in attempt["steps"]]
    assert steps == [("requested", rfc3339(T0)), ("sent", rfc3339(T0 + 1)), ("confirmed", rfc3339(T0 + SECOND))]
    assert (await stand.http.get(f"/v1/commands/{'f' * 32}")).status_code == 404


async def test_the_past_can_be_read_while_the_engine_is_away(stand: Stand, engine: DoorDouble) -> None:
    await engine.stop()
    assert (await _get(stand, f"/v1/alarms/{ALARM}"))["source"] == "database"
    assert (await _get(stand, f"/v1/commands/{WANTED}"))["source"] == "database"
    assert (await stand.http.get(f"/v1/commands/{'f' * 32}")).status_code == 503  # it may be under way
    assert (await stand.http.get(f"/v1/alarms/{'f' * 32}")).status_code == 503


async def test_the_ledger_accounts_for_every_reading(stand: Stand, engine: DoorDouble) -> None:
    await engine.stop()
    ledger = await _get(stand, "/v1/ledger", count_rows=True)
    assert (ledger["balanced"], ledger["faults"]) == (True, [])
    assert ledger["rows_stored"] == ledger["rows_counted"] == READINGS + 1
    lines = ledger["engines"][0]["sources"]
    for line in lines:
        assert line["received"] == line["taken"] + line["duplicate"] + line["quarantined"] + line["pending"]
    told = [(line["source"], line["taken"], line["duplicate"]) for line in lines]
    assert (told, ledger["engines"][0]["alive"]) == ([("modbus", 1, 0), ("mqtt", READINGS, 4)], False)
    assert (await _get(stand, "/v1/ledger"))["rows_counted"] is None


async def test_the_ledger_shows_what_is_still_on_its_way(stand: Stand) -> None:
    await stand.push(DETECTOR)
    ledger = await _get(stand, "/v1/ledger")
    pending = {source["source"]: source["pending"] for source in ledger["engines"][0]["sources"]}
    assert pending["http"] == 1
    assert ledger["engines"][0]["alive"]


async def test_metrics_and_readiness_see_the_database(stand: Stand) -> None:
    assert "davy_database_up 1" in (await stand.http.get("/metrics")).text
    assert (await stand.bare.get("/readyz")).json()["status"] == "ready"
