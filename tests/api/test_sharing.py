"""Grants between parties, and what the receiver reads by them: the fields, the area and the time that they name, and
nothing else."""

from dataclasses import replace
from typing import Any

import pytest

from api.shared import read_place, write_place
from api.times import rfc3339
from storage.batch import assemble
from storage.database import connect, ready
from storage.writer import Writer
from tests.api.lending import ALARMS, HOUR_US, Town, town
from tests.api.parties import DETECTORS, ENGINE, PAST, ROLES, T0
from tests.storage.cycles import MINUTE, cycle, readings

__all__ = ["town"]


async def _changes(town: Town, who: str, grant: str, limit: int = 100) -> list[dict[str, Any]]:
    """The whole feed, page by page."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = await town.ask(who, "GET", f"/v1/shared/{grant}/changes?limit={limit}" + cursor)
        found += page["changes"]
        cursor = f"&cursor={page['next']}"
        if not page["more"]:
            again = await town.ask(who, "GET", f"/v1/shared/{grant}/changes?limit={limit}" + cursor)
            assert again["changes"] == [], "what was read comes again"
            return found


async def test_the_receiver_sees_the_fields_that_are_named_and_nothing_else(town: Town) -> None:
    grant = await town.granted("acme-co", as_="vendor", fields={"alarms": ["alarm", "area"], "devices": ["device"]})
    alarms = (
        await town.ask("vendor", "GET", f"/v1/shared/{grant}/alarms?from=2026-01-01T00:00:00Z&to=2026-12-31T00:00:00Z")
    )["alarms"]
    assert {one["alarm"] for one in alarms} == {PAST[name]["alarm"] for name in ("own", "other", "moved", "deleted")}
    assert all(set(one) == {"alarm", "area"} for one in alarms)
    devices = (await town.ask("vendor", "GET", f"/v1/shared/{grant}/devices"))["devices"]
    assert {one["device"] for one in devices} == {"acme/a1d", "acme/a1v", "acme/a2d", "acme/a2v"}
    changes = await _changes(town, "vendor", grant, limit=2)
    assert [set(one["data"]) for one in changes] == [{"alarm", "area"}] * 4
    await town.ask("vendor", "GET", f"/v1/shared/{grant}/readings?device=acme/a1d", status=404)


async def test_a_grant_of_an_area_shares_what_lies_in_it(town: Town) -> None:
    grant = await town.granted(area="500101", fields={"alarms": ALARMS, "devices": ["device", "area"]})
    assert {one["data"]["area"] for one in await _changes(town, "regulator", grant)} == {"500101"}
    alarms = (await town.ask("regulator", "GET", f"/v1/shared/{grant}/alarms"))["alarms"]
    assert {one["site"] for one in alarms} == {"site-a1"}
    devices = (await town.ask("regulator", "GET", f"/v1/shared/{grant}/devices"))["devices"]
    assert {one["area"] for one in devices} == {"500101"}
    assert (await town.ask("regulator", "GET", f"/v1/enterprises/bureau/grants/{grant}"))["area"] == "500101"


async def test_a_grant_shares_what_happened_in_its_time(town: Town) -> None:
    late = await town.granted(begins="2026-12-01T00:00:00Z")
    await town.ask("regulator", "GET", f"/v1/shared/{late}/changes", status=404)
    after = await town.granted(begins=None)
    assert await _changes(town, "regulator", after) == []
    assert (await town.ask("regulator", "GET", f"/v1/shared/{after}/alarms"))["alarms"] == []
    short = await town.granted(ends="2026-09-22T02:00:00Z")
    before = len(await _changes(town, "regulator", short))
    town.clock[0] += 30 * 24 * HOUR_US
    await town.ask("regulator", "GET", f"/v1/shared/{short}/changes", status=404)
    assert before == 4


@pytest.mark.parametrize("who", ["company_administrator", "regulator"])
async def test_either_party_ends_it_and_nothing_more_is_seen(town: Town, who: str) -> None:
    grant = await town.granted()
    assert len(await _changes(town, "regulator", grant)) == 4
    enterprise = ROLES[who].enterprise
    ended = await town.ask(who, "POST", f"/v1/enterprises/{enterprise}/grants/{grant}/end")
    assert (ended["counts"], bool(ended["ended"])) == (False, True)
    for what in ("changes", "alarms", "devices"):
        await town.ask("regulator", "GET", f"/v1/shared/{grant}/{what}", status=404)
    await town.ask("regulator", "POST", f"/v1/enterprises/bureau/grants/{grant}/accept", status=404)
    for party, reader in (("gas-a", "company_administrator"), ("bureau", "regulator")):
        entries = (await town.ask(reader, "GET", f"/v1/enterprises/{party}/audit"))["entries"]
        assert [one["kind"] for one in entries if one["kind"].startswith("grant_")] == [
            "grant_made", "grant_accepted", "grant_ended",
        ]  # fmt: skip


async def test_before_it_is_accepted_and_by_others_nothing_is_seen(town: Town) -> None:
    body = {"receiver": "bureau", "fields": {"alarms": ALARMS}, "purpose": "for a test"}
    made = await town.ask("company_administrator", "POST", "/v1/enterprises/gas-a/grants", body, 201)
    grant = made["grant"]
    await town.ask("regulator", "GET", f"/v1/shared/{grant}/changes", status=404)
    await town.ask("vendor", "GET", f"/v1/enterprises/acme-co/grants/{grant}", status=404)
    await town.ask("vendor", "POST", f"/v1/enterprises/acme-co/grants/{grant}/accept", status=404)
    await town.ask("vendor", "POST", f"/v1/enterprises/acme-co/grants/{grant}/end", status=404)
    await town.ask("company_administrator", "POST", f"/v1/enterprises/gas-a/grants/{grant}/accept", status=404)
    await town.ask("regulator", "POST", f"/v1/enterprises/bureau/grants/{grant}/accept")
    await town.ask("vendor", "GET", f"/v1/shared/{grant}/changes", status=404)
    await town.ask("company_administrator", "GET", f"/v1/shared/{grant}/changes", status=404)
    await town.ask("operator", "GET", f"/v1/shared/{grant}/changes", status=403)
    listed = (await town.ask("regulator", "GET", "/v1/enterprises/bureau/grants"))["grants"]
    assert [one["grant"] for one in listed] == [grant]


async def test_a_program_reads_with_a_key_that_is_for_it_and_who_acts_for_several_as_each(town: Town) -> None:
    grant = await town.granted("acme-co", as_="vendor")
    vendor, company = ROLES["vendor"], ROLES["company_administrator"]
    connection = await connect(town.url, name="test")
    try:
        await town.people.key(connection, "reader", vendor, "read_shared")
        await town.people.key(connection, "other", vendor, "read_alarms")
        await town.people.person(connection, "both", company, vendor)
        await town.people.person(connection, "bound", replace(company, sites=frozenset({"site-a1"})))
    finally:
        await connection.close()
    await town.stand.parts.known.look()
    assert len(await _changes(town, "reader", grant)) == 4
    await town.ask("other", "GET", f"/v1/shared/{grant}/changes", status=403)
    assert len(await _changes(town, "both", grant)) == 4
    await town.ask("both", "POST", f"/v1/enterprises/gas-a/grants/{grant}/end")
    body = {"receiver": "bureau", "fields": {"alarms": ["alarm"]}, "purpose": "for a test"}
    await town.ask("bound", "POST", "/v1/enterprises/gas-a/grants", body, 403)
    made = await town.ask("platform_administrator", "POST", "/v1/enterprises/gas-a/grants", body, 201)
    assert (made["grantor"], made["counts"]) == ("gas-a", False)


@pytest.mark.parametrize(
    ("who", "fields", "reason"),
    [
        ("company_administrator", {"people": ["name"]}, "no 'people' to share"),
        ("company_administrator", {"alarms": ["telephone"]}, "no field 'telephone'"),
        ("company_administrator", {"alarms": []}, "at least one field"),
        ("vendor", {"alarms": ["site"]}, "not a vendor's to share"),
        ("vendor", {"alarms": ["by"]}, "not a vendor's to share"),
        ("property_manager", {"readings": ["ch4_lel"]}, "readings"),
    ],
)
async def test_what_is_not_there_to_share_is_refused(town: Town, who: str, fields: Any, reason: str) -> None:
    path = f"/v1/enterprises/{ROLES[who].enterprise}/grants"
    body = {"receiver": "bureau", "fields": fields, "purpose": "for a test"}
    assert reason in (await town.ask(who, "POST", path, body, 422))["detail"]


async def test_what_makes_no_sense_is_refused(town: Town) -> None:
    path = "/v1/enterprises/gas-a/grants"
    body = {"receiver": "bureau", "fields": {"alarms": ["alarm"]}, "purpose": "for a test"}
    who = "company_administrator"
    await town.ask(who, "POST", path, body | {"receiver": "gas-a"}, 422)
    await town.ask(who, "POST", path, body | {"receiver": "nobody"}, 404)
    await town.ask(who, "POST", path, body | {"ends": "2026-01-01T00:00:00Z"}, 422)
    await town.ask(who, "POST", "/v1/enterprises/gas-b/grants", body, 404)
    grant = await town.granted()
    for cursor in ("x", "gA", write_place({"a" * 3_000: (1, 1)})[:4_000]):
        await town.ask("regulator", "GET", f"/v1/shared/{grant}/changes?cursor={cursor}", status=422)
    strange = write_place({"engine-a": (2**63, -(2**62)), "no\0": (-1, 2**40)})
    assert (await town.ask("regulator", "GET", f"/v1/shared/{grant}/changes?cursor={strange}"))["changes"] == []


async def test_readings_are_shared_without_what_was_not_named(town: Town) -> None:
    await _measured(town.url)
    grant = await town.granted(area="500101", begins=rfc3339(T0 + 5 * MINUTE), fields={"readings": ["ts", "quality"]})
    page = f"/v1/shared/{grant}/readings?device={DETECTORS['own']}"
    first = await town.ask("regulator", "GET", page + "&limit=3")
    rest = await town.ask("regulator", "GET", page + f"&cursor={first['next']}")
    assert [one["ts"] for one in first["readings"] + rest["readings"]] == [
        rfc3339(T0 + minute * MINUTE) for minute in range(5, 10)
    ]
    assert all(one["quality"] == {} for one in first["readings"])
    for device in (DETECTORS["other"], DETECTORS["foreign"], "nope/none"):
        await town.ask("regulator", "GET", f"/v1/shared/{grant}/readings?device={device}", status=404)
    gas = await town.granted(fields={"readings": ["combustible_lel", "quality"]})
    page = f"/v1/shared/{gas}/readings?device={DETECTORS['own']}&limit=1"
    (one,) = (await town.ask("regulator", "GET", page))["readings"]
    assert one == {"combustible_lel": 0.0, "quality": {"combustible_lel": "good"}}


async def _measured(url: str) -> None:
    """Ten readings of the first detector, one a minute from T0."""
    connection = await connect(url, name="test")
    try:
        writer = Writer(connection, ENGINE, await ready(connection))
        await writer.open()
        rows = readings(10, at=T0, step=MINUTE, devices=1)
        await writer.write(assemble([cycle(2, rows, now=T0 + HOUR_US)]), T0 + HOUR_US)
    finally:
        await connection.close()


def test_a_place_is_read_as_it_was_written() -> None:
    place = {"engine-a": (17, 2**31 - 1), "引擎": (0, 3)}
    assert read_place(write_place(place)) == place
    assert read_place(None) == {}
