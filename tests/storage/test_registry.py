"""I1 to I3 of storage/registry.py."""

import hashlib
import json
import random
import re
from pathlib import Path

import msgspec
import psycopg
import pytest
from msgspec.structs import replace

from devices.addresses import parse_bus_address
from devices.models import DeviceKind, DeviceModel, Example, Reachability, Tier, load_catalogue
from devices.register_map import Field, RegisterExample, RegisterMap, Serial, Words
from devices.sites import (
    Registry,
    decode_change,
    encode_registry,
    registry_faults,
    token_sha256,
    without_examples,
)
from storage import devices as registered
from storage.database import Connection
from storage.registry import Imported, import_registry
from storage.registry_rows import Fate
from storage.registry_source import parse_source
from storage.registry_whole import whole_registry
from tests.registry.folding import folded
from tests.storage.writing import one

MODELS = load_catalogue()
TOKEN = "t" * 43

CSV = f"""kind,key,name,simulated,vendor,serial,model,site,gateway,detector,valve,identity,token,token_sha256
site,home-1,Lane 5,true,,,,,,,,,,
device,,,,davysim,D1,sim_detector_home,home-1,,,,,,
device,,,,davysim,V1,sim_valve_shut_off,home-1,,,,,,
link,,,,,,,,,davysim/D1,davysim/V1,,,
token,,,,,,,,,,,davysim/D1,{TOKEN},
token,,,,,,,,,,,davysim/V1,,{token_sha256("another " + TOKEN)}
"""
JSON = {
    "sites": [{"key": "home-1", "name": "Lane 5", "simulated": True}],
    "devices": [
        {"vendor": "davysim", "serial": "D1", "model": "sim_detector_home", "site": "home-1"},
        {"vendor": "davysim", "serial": "V1", "model": "sim_valve_shut_off", "site": "home-1"},
    ],
    "links": [{"detector": "davysim/D1", "valve": "davysim/V1"}],
    "tokens": [
        {"identity": "davysim/D1", "token": TOKEN},
        {"identity": "davysim/V1", "token_sha256": token_sha256("another " + TOKEN)},
    ],
}


async def put(database: Connection, source: object, *, dry_run: bool = False, seed: int = 1) -> Imported:
    body = source if isinstance(source, str) else json.dumps(source)
    rows = parse_source(body.encode())
    return await import_registry(database, rows, MODELS, dry_run=dry_run, random_bytes=random.Random(seed).randbytes)


async def newest(database: Connection) -> Registry:
    """What the engine has when it took everything that waits: the changes folded, which is what the tables hold."""
    registry = await whole_registry(database)
    rows = await (await database.execute("SELECT whole, body FROM registry_outbox ORDER BY number")).fetchall()
    assert not any(whole for whole, _ in rows)
    assert folded(decode_change(bytes(body)) for _, body in rows) == registry
    return registry


def test_csv_and_json_say_the_same() -> None:
    from_csv = [row.given for row in parse_source(CSV.encode())]
    assert from_csv == [row.given for row in parse_source(json.dumps(JSON).encode())]
    assert from_csv == [row.given for row in parse_source(b"\xef\xbb\xbf" + CSV.encode())]


async def test_an_import_gives_numbers_and_offers_the_whole_registry(database: Connection) -> None:
    done = await put(database, CSV)
    assert (done.applied, done.number, done.faults) == (True, 1, ())
    assert [fate.fate for fate in done.fates] == [Fate.ADDED] * 8
    # Of the catalogue, the models that a device has.
    assert [(fate.kind, fate.key, fate.reason) for fate in done.fates[6:]] == [
        ("model", "sim_detector_home", "1 device"),
        ("model", "sim_valve_shut_off", "1 device"),
    ]
    registry = await newest(database)
    assert registry_faults(registry) == []
    assert [(device.device_no, device.identity) for device in registry.devices] == [
        (1, "davysim/D1"),
        (2, "davysim/V1"),
    ]
    assert {model.key for model in registry.models} == {model.key for model in MODELS}
    assert registry.sites[0].simulated
    assert {one.identity: one.token_sha256 for one in registry.credentials}["davysim/D1"] == token_sha256(TOKEN)
    body = await one(database, "SELECT body FROM registry_outbox")
    assert await one(database, "SELECT sha256 FROM registry_outbox") == hashlib.sha256(bytes(body)).hexdigest()


async def test_the_examples_of_the_documentation_are_imported_as_written(database: Connection) -> None:
    text = (Path(__file__).parents[2] / "docs" / "STORAGE.md").read_text("utf-8")
    (from_json,) = re.findall(r"^```json\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    from_csv, matrix, bus = re.findall(r"^```csv\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    done = await put(database, from_json)
    assert (done.applied, done.count(Fate.ADDED), len(done.tokens)) == (True, 8, 2)
    again = await put(database, from_csv)
    assert again.applied
    # The CSV is about the same home, less what its columns leave out.
    assert [fate.reason for fate in again.fates if fate.fate is not Fate.UNCHANGED] == [
        "timezone: 'Asia/Shanghai' -> 'UTC'"
    ]
    voted = await put(database, matrix)
    assert (voted.applied, voted.count(Fate.ADDED)) == (True, 5)
    beside = await put(database, bus)
    assert (beside.applied, beside.count(Fate.ADDED), beside.warnings) == (True, 4, ())
    for address in re.findall(r"^\| `(modbus[^`]+)`", text, re.MULTILINE):
        assert parse_bus_address(address.replace("HOST:PORT", "h:1")).framing.value == address.split(":")[0]


async def test_the_same_file_again_changes_nothing(database: Connection) -> None:
    await put(database, CSV)
    again = await put(database, JSON)
    assert {fate.fate for fate in again.fates} == {Fate.UNCHANGED}
    assert (again.applied, again.number) == (True, 0)
    assert await one(database, "SELECT count(*) FROM registry_outbox") == 1


async def test_an_edited_model_is_shown_before_it_comes_into_force_whatever_is_imported(database: Connection) -> None:
    await put_bus(database, BUS)
    *others, head = bus_models()
    assert head.modbus is not None
    edited = replace(head, report_interval_s=1.0, modbus=replace(head.modbus, gap_ms=50.0))
    elsewhere = parse_source(b"kind,key\nsite,home-9\n")

    async def imported(*, dry_run: bool) -> Imported:
        return await import_registry(database, elsewhere, (*others, edited), dry_run=dry_run, random_bytes=bytes)

    tried = await imported(dry_run=True)
    done = await imported(dry_run=False)
    for plan in (tried, done):
        site, model = plan.fates
        assert (site.kind, site.fate) == ("site", Fate.ADDED)
        assert (model.place, model.kind, model.key, model.fate) == ("catalogue", "model", "panel_head", Fate.CHANGED)
        assert model.reason == "modbus.gap_ms, report_interval_s (2 devices)"
        assert (plan.applied, plan.number) == ((True, 2) if plan is done else (False, 0))
    assert without_examples(edited) in (await newest(database)).models
    assert [fate.fate for fate in (await imported(dry_run=True)).fates] == [Fate.UNCHANGED]


async def test_a_dry_run_shows_every_fate_and_does_nothing(database: Connection) -> None:
    tried = await put(database, CSV, dry_run=True)
    done = await put(database, CSV)
    assert not tried.applied
    assert tried.fates == done.fates
    assert done.number == 1
    # Numbers are not used up by trying.
    assert await one(database, "SELECT max(device_no) FROM device") == 2


async def test_one_refused_row_refuses_the_import_and_says_why(database: Connection) -> None:
    wrong = {
        **JSON,
        "devices": [
            *JSON["devices"],
            {"vendor": "davysim", "serial": "D2", "model": "no_such_model", "site": "home-1"},
            {"vendor": "davysim", "serial": "D3", "model": "sim_detector_home", "site": "nowhere"},
            {"vendor": "davysim", "serial": "D4", "model": "sim_detector_home", "site": "home-1", "gateway": "a/b"},
            {"vendor": "dävy", "serial": "D5", "model": "sim_detector_home", "site": "home-1"},
            {"vendor": "davysim", "serial": "D1", "model": "sim_gateway", "site": "home-1"},
        ],
        "links": [{"detector": "davysim/D1", "valve": "davysim/D1"}],
        "tokens": [
            {"identity": "davysim/none", "token": TOKEN},
            {"identity": "davysim/D1", "token": "short"},
            {"identity": "davysim/V1", "token_sha256": "00"},
        ],
    }
    done = await put(database, wrong)
    assert not done.applied
    assert await one(database, "SELECT count(*) FROM device") == 0
    refused = {fate.place: fate.reason for fate in done.fates if fate.fate is Fate.REFUSED}
    assert {place: reason.split(";")[0][:30] for place, reason in refused.items()} == {
        "devices[2]": "model 'no_such_model' is not i",
        "devices[3]": "site 'nowhere' is not register",
        "devices[4]": "gateway 'a/b' is not registere",
        "devices[5]": "vendor and serial are 1 to 64 ",
        "devices[6]": "devices[0] says otherwise",
        "links[0]": "'davysim/D1' is a detector, no",
        "tokens[0]": "no such device",
        "tokens[1]": "a token has at least 32 charac",
        "tokens[2]": "token_sha256 is 64 lower-case ",
    }


async def test_a_change_says_what_it_changes(database: Connection) -> None:
    await put(database, JSON)
    moved = {
        "sites": [{"key": "home-2", "simulated": True}],
        "devices": [{**JSON["devices"][0], "site": "home-2"}],
    }
    done = await put(database, moved)
    assert [(fate.fate, fate.reason) for fate in done.fates] == [
        (Fate.ADDED, ""),
        (Fate.CHANGED, "site: 'home-1' -> 'home-2'"),
    ]
    device = await registered.device(database, "davysim/D1")
    assert device is not None
    assert (device.device_no, device.site, device.kind) == (1, "home-2", DeviceKind.DETECTOR)
    # What the file does not name stays.
    assert len((await newest(database)).links) == 1


async def test_a_change_that_breaks_what_the_file_does_not_name_is_refused(database: Connection) -> None:
    await put(database, JSON)
    done = await put(database, {"devices": [{**JSON["devices"][1], "model": "sim_detector_home"}]})
    assert not done.applied
    assert done.faults == ("link davysim/D1 -> davysim/V1: 'davysim/V1' is a detector, not a valve",)


async def test_a_token_left_out_is_made_shown_once_and_kept_as_its_hash(database: Connection) -> None:
    source = {**JSON, "tokens": [{"identity": "davysim/D1"}, {"identity": "davysim/V1"}]}
    first = await put(database, source)
    again = await put(database, source, seed=2)
    assert [identity for identity, _ in first.tokens] == ["davysim/D1", "davysim/V1"]
    assert all(len(token) == 43 for _, token in first.tokens)
    assert again.tokens == ()
    kept = await (await database.execute("SELECT identity, token_sha256 FROM credential ORDER BY 1")).fetchall()
    assert kept == [(identity, token_sha256(token)) for identity, token in first.tokens]


async def test_a_device_number_is_never_given_twice_and_never_changed(database: Connection) -> None:
    await put(database, JSON)
    await database.execute("DELETE FROM link; DELETE FROM credential; DELETE FROM device")
    await put(database, JSON)
    assert [device.device_no for device in await registered.devices(database, limit=9)] == [3, 4]
    with pytest.raises(psycopg.errors.CheckViolation, match="for ever"):
        await database.execute("UPDATE device SET device_no = 1 WHERE device_no = 3")


async def test_documents_are_numbered_above_what_any_engine_knows(database: Connection) -> None:
    await database.execute(
        "INSERT INTO follower_cursor (engine, follower, cycle, registry_number) VALUES ('e', 'storage', 0, 41)"
    )
    assert (await put(database, JSON)).number == 42


async def test_devices_are_listed_by_site_and_kind_and_paged(database: Connection) -> None:
    await put(database, JSON)
    assert [d.identity for d in await registered.devices(database, limit=1)] == ["davysim/D1"]
    assert [d.identity for d in await registered.devices(database, limit=9, after=1)] == ["davysim/V1"]
    valves = await registered.devices(
        database, limit=9, asked=registered.DevicesAsked(site="home-1", kind=DeviceKind.SHUT_OFF_VALVE)
    )
    assert [d.identity for d in valves] == ["davysim/V1"]
    assert await registered.valves_of(database, "davysim/D1") == ["davysim/V1"]
    assert await registered.device(database, "davysim/none") is None
    site = await registered.site(database, "home-1")
    assert site is not None
    assert site.name == "Lane 5"


BUS = """kind,key,simulated,vendor,serial,model,site,gateway,address
site,cellar,false,,,,,,"Lane 5, cellar"
device,,,davysim,bus,sim_gateway,cellar,,modbus+rtu:/dev/ttyUSB0?baud=2400
device,,,davysim,h1,panel_head,cellar,davysim/bus,7
device,,,davysim,h2,panel_head,cellar,davysim/bus,7/2?base=200
"""


def bus_models() -> tuple[DeviceModel, ...]:
    """The catalogue and a model of our own that is read on a bus."""
    like = next(model for model in MODELS if model.key == "sim_detector_home")
    bus_map = RegisterMap(
        field=(Field(name="gas", at=40001, quantity="combustible_lel"),),
        channels=2,
        serial=Serial(baud=9600),
        example=(RegisterExample(title="25 %LEL", registers=(Words(at=40001, words=(25,)),), refused="because"),),
    )
    return (
        *MODELS,
        replace(like, key="panel_head", modbus=bus_map, tier=Tier.MID, ranges={"combustible_lel": (0.0, 100.0)}),
    )


async def put_bus(database: Connection, source: str) -> Imported:
    return await import_registry(
        database, parse_source(source.encode()), bus_models(), dry_run=False, random_bytes=bytes
    )


async def test_where_a_device_stands_on_a_bus_goes_to_the_table_and_to_the_engine(database: Connection) -> None:
    done = await put_bus(database, BUS)
    assert (done.applied, done.faults) == (True, ())
    addresses = ["modbus+rtu:/dev/ttyUSB0?baud=2400", "7", "7/2?base=200"]
    assert [device.address for device in await registered.devices(database, limit=9)] == addresses
    registry = await newest(database)
    assert [device.address for device in registry.devices] == addresses
    assert registry.sites[0].address == "Lane 5, cellar"
    assert registry_faults(registry) == []


async def test_a_device_that_moves_on_its_bus_is_offered_to_the_engine_anew(database: Connection) -> None:
    await put_bus(database, BUS)
    again = await put_bus(database, BUS)
    assert ({fate.fate for fate in again.fates}, again.number) == ({Fate.UNCHANGED}, 0)
    moved = await put_bus(database, BUS.replace("bus,7\n", "bus,8\n"))
    assert [fate.reason for fate in moved.fates if fate.fate is Fate.CHANGED] == ["address: '7' -> '8'"]
    assert moved.number == 2
    assert [device.address for device in (await newest(database)).devices][1:] == ["8", "7/2?base=200"]


async def test_a_place_that_is_taken_is_refused_at_the_row_that_wants_it(database: Connection) -> None:
    await put_bus(database, BUS)
    more = "kind,vendor,serial,model,site,gateway,address\ndevice,davysim,h3,panel_head,cellar,davysim/bus,7/1\n"
    refused = await put_bus(database, more)
    (fate,) = refused.fates
    assert (refused.applied, fate.place, fate.fate) == (False, "line 2", Fate.REFUSED)
    assert fate.reason == "davysim/h1 of the same model stands at '7/1' already; give each its own"


async def test_what_is_probably_wrong_is_said_and_stops_nothing(database: Connection) -> None:
    done = await put_bus(database, BUS)
    assert done.applied
    assert [warning.split(":")[0] for warning in done.warnings] == ["device davysim/h1", "device davysim/h2"]
    assert (await put_bus(database, CSV)).warnings == (), "an import of another home is not about this bus"
    gateway = BUS.splitlines()[0] + "\n" + BUS.splitlines()[2]
    assert len((await put_bus(database, gateway.replace("2400", "1200"))).warnings) == 2, (
        "its bus is what they stand on"
    )
    assert (await put_bus(database, BUS.replace("2400", "9600"))).warnings == ()


async def test_the_table_keeps_a_whole_model_and_the_engines_document_none_of_its_examples(
    database: Connection,
) -> None:
    await put_bus(database, BUS)
    model = bus_models()[-1]
    body = await one(database, "SELECT document::text FROM device_model WHERE key = 'panel_head'")
    assert msgspec.json.decode(body, type=DeviceModel) == model
    document = await one(database, "SELECT body FROM registry_outbox")
    assert b'"example":[]' in bytes(document)
    assert b"25 %LEL" not in bytes(document)
    assert next(one for one in (await newest(database)).models if one.key == "panel_head") == without_examples(model)


async def test_a_model_with_a_character_that_the_database_does_not_hold_is_imported(database: Connection) -> None:
    odd = replace(
        bus_models()[-1], name="\x00", source=r"a \u0000 b", example=(Example(payload="\\\x00", refused="x"),)
    )
    done = await import_registry(
        database, parse_source(BUS.encode()), (*MODELS, odd), dry_run=False, random_bytes=bytes
    )
    assert done.applied
    body = await one(database, "SELECT document::text FROM device_model WHERE key = 'panel_head'")
    kept = msgspec.json.decode(body, type=DeviceModel)
    assert (kept.name, kept.source, kept.example[0].payload) == ("\ufffd", r"a \u0000 b", "\\\ufffd")
    assert next(one for one in (await newest(database)).models if one.key == "panel_head").name == "\ufffd"


async def test_the_same_registry_is_the_same_document_whatever_the_order_it_came_in(database: Connection) -> None:
    await put_bus(database, BUS)
    first = await newest(database)
    await import_registry(database, parse_source(BUS.encode()), bus_models()[::-1], dry_run=False, random_bytes=bytes)
    assert await one(database, "SELECT count(*) FROM registry_outbox") == 1
    assert encode_registry(await newest(database)) == encode_registry(first)


async def test_the_facts_of_a_model_are_found_by_its_key_also_as_an_older_davy_wrote_them(database: Connection) -> None:
    await put_bus(database, BUS)
    facts = await registered.model_facts(database, "panel_head")
    assert (facts.tier, facts.verified, facts.ranges) == (Tier.MID, True, {"combustible_lel": (0, 100)})
    assert facts.actuator is None
    await database.execute(
        "UPDATE device_model SET document = document - 'tier' - 'ranges' - 'verified' || '{\"later\": 1}'"
        " WHERE key = 'panel_head'"
    )
    facts = await registered.model_facts(database, "panel_head")
    assert (facts.tier, facts.verified, facts.ranges) == (None, True, {})
    valve = (await registered.model_facts(database, "sim_valve_shut_off")).actuator
    assert valve is not None
    assert (valve.confirm_within_s, valve.reachability, valve.wake_interval_s) == (10, Reachability.CONNECTED, 0)
