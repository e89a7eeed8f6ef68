"""Files that say what cannot be: every row's fault, nothing half-imported. And files that say all there is."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from storage.database import Connection, connect
from storage.people import opened
from storage.registry import Imported, import_registry
from storage.registry_export import PeopleOut, kinds_of
from storage.registry_file import write_file
from storage.registry_own import own_rows
from storage.registry_record import By
from storage.registry_rows import Fate
from storage.registry_source import parse_source
from storage.sealed import MasterKey
from tests.storage.test_registry import MODELS
from tests.storage.writing import one

BY = By("person/p1", 1_780_000_000_000_000, "file.json")
TOWN = {
    "enterprises": [
        {"key": "gas", "party": "gas_company", "name": "=Gas & Co"},
        {"key": "acme-co", "party": "vendor", "vendor": "acme"},
    ],
    "areas": [{"code": "500000", "name": "重庆"}, {"code": "500156", "name": "武隆", "parent": "500000"}],
    "sites": [
        {"key": "s1", "name": '@home, "quoted";\nline 2', "enterprise": "gas", "area": "500156", "tags": ["a;b", "c"]},
        {"key": "s2", "enterprise": "gas", "timezone": "Asia/Shanghai", "manager": "-pm"},
    ],
    "site_facts": [
        {"site": "s1", "neighbourhood": "old", "hardship": "低保", "building_height_m": 99.9, "gas_on": "2019-05-01"}
    ],
    "devices": [
        {"vendor": "davysim", "serial": "D1", "model": "sim_detector_home", "site": "s1", "installed": "2026-01-02"},
        {"vendor": "davysim", "serial": "V1", "model": "sim_valve_shut_off", "site": "s1", "installer": "fix"},
    ],
    "device_facts": [{"identity": "davysim/D1", "identifier": "88.1.2/x", "identifier_kind": "passive"}],
    "certificates": [
        {"scheme": "CCC", "number": "1", "identity": "davysim/D1", "expires": "2030-01-01"},
        {"scheme": "CCC", "number": "2", "model": "sim_detector_home"},
    ],
    "installations": [
        {"key": "w1", "identity": "davysim/D1", "site": "s1", "since": "2026-01-02", "evidence": ["photo 1", "b;c"]}
    ],
    "links": [{"detector": "davysim/D1", "valve": "davysim/V1"}],
    "link_facts": [{"detector": "davysim/D1", "valve": "davysim/V1", "since": "2026-01-03"}],
    "matrix": [{"id": "m", "detectors": ["davysim/D1"], "votes": 1, "valves": ["davysim/V1"]}],
    "tokens": [{"identity": "davysim/D1", "token_sha256": "1" * 64}],
}


@pytest.fixture
async def plain(plain_url: str) -> AsyncIterator[Connection]:
    connection = await connect(plain_url, name="test")
    yield connection
    await connection.close()


async def put(connection: Connection, body: object, *, dry_run: bool = False) -> Imported:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await import_registry(connection, parse_source(raw), MODELS, dry_run=dry_run, random_bytes=os.urandom, by=BY)


async def refused(connection: Connection, body: object) -> dict[str, str]:
    """The reasons by place, once it is seen that nothing was done."""
    tables = ("enterprise", "area", "site", "device", "link", "certificate", "installation", "registry_outbox")
    counts = "SELECT " + " || ' ' || ".join(f"(SELECT count(*) FROM {table})" for table in tables)
    before = await one(connection, counts)
    done = await put(connection, body)
    assert not done.applied
    assert await one(connection, counts) == before
    return {fate.place: fate.reason for fate in done.fates if fate.fate is Fate.REFUSED}


@pytest.mark.parametrize("form", ["csv", "json", "xlsx"])
@pytest.mark.parametrize("lang", ["en", "zh"])
async def test_everything_there_is_goes_out_and_comes_back_as_unchanged(
    plain: Connection, tmp_path: Path, form: str, lang: str
) -> None:
    done = await put(plain, TOWN)
    assert (done.faults, [fate for fate in done.fates if fate.fate is Fate.REFUSED]) == ((), [])
    assert done.applied
    path = tmp_path / f"all.{form}"
    await write_file(plain, kinds_of(None, tokens=True), path, lang)
    again = await put(plain, path.read_bytes())
    assert {(fate.kind, fate.fate) for fate in again.fates} == {
        (kind, Fate.UNCHANGED)
        for kind in (
            *("enterprise", "area", "site", "site_facts", "device", "device_facts", "certificate", "installation"),
            *("link", "link_facts", "matrix", "token"),
        )
    }
    assert (again.applied, again.number) == (True, 0)
    assert list(tmp_path.iterdir()) == [path]


async def test_impossible_dates_are_refused(plain: Connection) -> None:
    devices = [
        {"vendor": "a", "serial": f"d{n}", "model": "sim_detector_home", "site": "s", "installed": day}
        for n, day in enumerate(["2026-02-30", "0000-01-01", "2026-1-1", "tomorrow"])
    ]
    found = await refused(plain, {"sites": [{"key": "s"}], "devices": devices})
    assert list(found) == [f"devices[{n}]" for n in range(4)]
    assert all("is no day; write it as YYYY-MM-DD" in reason for reason in found.values())
    backwards = {"areas": [{"code": "500000", "since": "2020-01-01", "until": "2019-01-01"}]}
    assert "is not after since" in (await refused(plain, backwards))["areas[0]"]


async def test_duplicate_keys_that_say_different_things_are_refused(plain: Connection) -> None:
    found = await refused(plain, {"sites": [{"key": "s", "name": "a"}, {"key": "s", "name": "b"}]})
    assert found == {"sites[1]": "sites[0] says otherwise; keep one of the two"}
    twice = {"enterprises": [{"key": k, "party": "vendor", "vendor": "acme"} for k in ("one", "two")]}
    assert "is the word of one already" in (await refused(plain, twice))["enterprises[1]"]


async def test_cyclic_areas_are_refused_also_where_the_ring_closes_through_what_is_registered(
    plain: Connection,
) -> None:
    ring = [{"code": "500100", "parent": "500156"}, {"code": "500156", "parent": "500100"}]
    assert all("it is part of itself" in reason for reason in (await refused(plain, {"areas": ring})).values())
    assert (await put(plain, {"areas": [{"code": "500100"}, ring[1]]})).applied
    assert "it is part of itself" in (await refused(plain, {"areas": ring[:1]}))["areas[0]"]


async def test_a_device_on_two_sites_is_refused(plain: Connection) -> None:
    assert (await put(plain, TOWN)).applied
    device = {"vendor": "davysim", "serial": "D9", "model": "sim_detector_home"}
    both = {"devices": [{**device, "site": "s1"}, {**device, "site": "s2"}]}
    assert (await refused(plain, both))["devices[1]"] == "devices[0] says otherwise; keep one of the two"
    second = {"installations": [{"key": "w2", "identity": "davysim/D1", "site": "s2", "since": "2026-02-01"}]}
    assert "is installed at 's1' already (w1)" in (await refused(plain, second))["installations[0]"]
    moved = await put(plain, {"devices": [{**TOWN["devices"][0], "site": "s2"}]})
    assert not moved.applied
    assert "end the installation, or move the device" in moved.faults[0]


async def test_unknown_models_sites_and_devices_are_refused(plain: Connection) -> None:
    found = await refused(
        plain,
        {
            "sites": [{"key": "s"}],
            "devices": [
                {"vendor": "a", "serial": "d", "model": "none", "site": "s"},
                {"vendor": "a", "serial": "e", "model": "sim_detector_home", "site": "nowhere"},
            ],
            "certificates": [{"scheme": "CCC", "number": "1", "identity": "a/none"}],
            "installations": [{"key": "w", "identity": "a/none", "site": "s", "since": "2026-01-01"}],
            "site_facts": [{"site": "nowhere", "hardship": "x"}],
            "link_facts": [{"detector": "a/d", "valve": "a/e", "since": "2026-01-01"}],
        },
    )
    assert {place: reason.split(";")[0] for place, reason in found.items()} == {
        "devices[0]": "model 'none' is not in the catalogue",
        "devices[1]": "site 'nowhere' is not registered",
        "certificates[0]": "identity 'a/none' is not registered",
        "installations[0]": "identity 'a/none' is not registered",
        "site_facts[0]": "site 'nowhere' is not registered",
        "link_facts[0]": "there is no such link",
    }


def test_a_party_says_only_its_own_things() -> None:
    rows = own_rows(parse_source(json.dumps(TOWN).encode()), "other")
    said = {row.place: row.fault for row in rows if row.fault}
    assert set(said) == {
        *("enterprises[0]", "enterprises[1]", "areas[0]", "areas[1]", "sites[0]", "sites[1]"),
        "certificates[1]",
    }
    assert said["sites[0]"] == "enterprise 'gas' is not your own; write 'other'"


MASTER = MasterKey(bytes(range(32)))
PEOPLE = {
    **TOWN,
    "people": [
        {"tenant": "gas", "key": "p1", "name": "张三", "telephone": "13812345678", "needs": ["deaf", "alone"]},
        {"tenant": "gas", "key": "p2", "language": "en"},
    ],
    "contacts": [{"tenant": "gas", "person": "p1", "channel": "sms", "address": "13812345678", "proven": "2026-01-01"}],
    "site_roles": [{"tenant": "gas", "person": "p1", "site": "s1", "role": "owner", "since": "2020-01-01"}],
}


async def put_people(connection: Connection, body: object) -> Imported:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await import_registry(
        *(connection, parse_source(raw), MODELS), dry_run=False, random_bytes=os.urandom, by=BY, master=MASTER
    )


async def test_people_are_sealed_on_their_way_in_and_masked_on_their_way_out(plain: Connection, tmp_path: Path) -> None:
    done = await put_people(plain, PEOPLE)
    assert (done.applied, done.faults) == (True, ()), done
    assert "13812345678" not in str(await one(plain, "SELECT string_agg(p::text, '') FROM person p"))
    assert "13812345678" not in str(await one(plain, "SELECT string_agg(body, '') FROM audit_entry"))
    people = ("person", "contact", "site_role")
    for form in ("csv", "json", "xlsx"):
        for out in (PeopleOut(MASTER), PeopleOut(MASTER, plain=True)):
            path = tmp_path / f"people.{form}"
            await write_file(plain, kinds_of(people, tokens=False, people=True), path, people=out)
            shown = str(parse_source(path.read_bytes()))
            assert ("13812345678" in shown, "138****5678" in shown) == (out.plain, not out.plain)
            again = await put_people(plain, path.read_bytes())
            assert [fate.fate for fate in again.fates] == [Fate.UNCHANGED] * 4
    assert kinds_of(None, tokens=True)[0].name not in people


async def test_a_change_of_a_person_is_told_by_the_names_of_its_fields_alone(plain: Connection) -> None:
    await put_people(plain, PEOPLE)
    person = {**PEOPLE["people"][0], "name": "张**", "telephone": "13900000000"}
    changed = await put_people(plain, {"people": [person]})
    assert [(fate.fate, fate.reason) for fate in changed.fates] == [(Fate.CHANGED, "telephone")]
    kept = await opened(plain, MASTER, "gas", "p1")
    assert kept is not None
    assert (kept.name, kept.telephone) == ("张三", "13900000000")


async def test_people_of_nobody_and_at_anothers_site_are_refused(plain: Connection) -> None:
    bad = {
        "people": [{"tenant": "nobody", "key": "p1"}],
        "contacts": [{"tenant": "gas", "person": "p9", "channel": "sms", "address": "1"}],
        "site_roles": [{"tenant": "acme-co", "person": "p1", "site": "s1", "role": "owner"}],
    }
    await put_people(plain, TOWN)
    done = await put_people(plain, bad)
    reasons = {fate.place: fate.reason for fate in done.fates if fate.fate is Fate.REFUSED}
    assert "tenant 'nobody' is not registered" in reasons["people[0]"]
    assert "person 'p9' of 'gas' is not registered" in reasons["contacts[0]"]
    assert "site 's1' is not one of 'acme-co'" in reasons["site_roles[0]"]
    without = await put(plain, {"people": PEOPLE["people"]})
    assert "there is no key for personal data here" in without.fates[0].reason
