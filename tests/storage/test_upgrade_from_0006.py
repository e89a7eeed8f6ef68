"""A database with data as the last version left it, brought to this one: what was there is there, means the same, and
what is new begins beside it."""

import pytest
from msgspec.structs import replace

from devices.commands import Verb
from devices.models import load_catalogue
from devices.sites import registry_faults
from rules.decisions import AlarmState, Outcome, Priority
from storage import alarms, commands, incidents
from storage import devices as registered
from storage.database import Connection, connect
from storage.migrate import migrate, migrations
from storage.registry import import_registry
from storage.registry_models import model_document
from storage.registry_rows import Fate
from storage.registry_source import parse_source
from storage.registry_whole import whole_registry
from storage.rule_packs import rules_at
from tests.storage.cycles import HOUR, SECOND, T0, cycle, readings
from tests.storage.ledgers import balanced
from tests.storage.test_decided import ALARM, CLOSE
from tests.storage.test_decided_life import HELD, INCIDENT, PERMIT
from tests.storage.writing import one, write

#: A home with a bus, an alarm that says something, a closing of a valve that sleeps.
_WRITTEN_AT_0006 = f"""
INSERT INTO site (key, name, simulated) VALUES ('home-1', 'Lane 5', true);
INSERT INTO device (vendor, serial, model, site, gateway, address) VALUES
    ('davysim', 'D1', 'sim_detector_home', 'home-1', '', ''),
    ('davysim', 'V1', 'sim_valve_shut_off', 'home-1', '', ''),
    ('davysim', 'bus', 'sim_gateway', 'home-1', '', 'modbus+tcp://192.0.2.7');
INSERT INTO link (detector, valve) VALUES ('davysim/D1', 'davysim/V1');
INSERT INTO credential (identity, token_sha256) VALUES ('davysim/D1', repeat('a', 64));
INSERT INTO alarm (alarm, rule, device_no, site, priority, state, onset, raised, changed, quantity, value,
                   acknowledged_by, note, expected) VALUES
    ('a0', 'gas-high', 1, 'home-1', 1, 2, to_timestamp({T0 // SECOND - 1}), to_timestamp({T0 // SECOND}),
     to_timestamp({T0 // SECOND + 5}), 'combustible_lel', 25.5, 'wang', 'hears at six',
     to_timestamp({T0 // SECOND + 9}));
INSERT INTO alarm_event (engine, cycle, n, alarm, at, change, state, by, comment) VALUES
    ('engine-1', 1, 0, 'a0', to_timestamp({T0 // SECOND}), 'raised', 1, '', ''),
    ('engine-1', 1, 1, 'a0', to_timestamp({T0 // SECOND + 5}), 'acknowledged', 2, 'wang', 'on my way');
INSERT INTO wanted (wanted, device_no, epoch, reason, alarm, since, confirm_by, hears_by, outcome, ended) VALUES
    ('w0', 2, 7, 'gas-high', 'a0', to_timestamp({T0 // SECOND}), to_timestamp({T0 // SECOND + 10}),
     to_timestamp({T0 // SECOND + 9}), 'confirmed', to_timestamp({T0 // SECOND + 3}));
INSERT INTO command (command, wanted, device_no, epoch, attempt, requested, expires, reason) VALUES
    ('c0', 'w0', 2, 7, 1, to_timestamp({T0 // SECOND}), to_timestamp({T0 // SECOND + 30}), 'gas-high');
INSERT INTO follower_cursor (engine, follower, cycle, cycle_now, registry_number)
    VALUES ('engine-1', 'storage', 1, {T0}, 3);
"""
_MODEL = "INSERT INTO device_model (key, kind, vendor, name, document) VALUES (%s, %s, %s, %s, %s::jsonb)"
_HOME = "kind,key,name,simulated,vendor,serial,model,site,address{columns}\nsite,home-1,Lane 5,true,,,,,{site}\n"


@pytest.fixture
async def upgraded(empty_url: str) -> str:
    await migrate(empty_url, files=migrations()[:6])
    connection = await connect(empty_url, name="test")
    for model in load_catalogue():
        row = (model.key, model.kind.value, model.vendor, model.name, model_document(model))
        await connection.execute(_MODEL, row)
    await connection.execute(_WRITTEN_AT_0006.encode())
    await connection.close()
    assert (await migrate(empty_url)).applied == tuple(range(7, len(migrations()) + 1))
    assert (await migrate(empty_url)).applied == ()
    return empty_url


async def test_what_was_stored_is_shown_and_what_nobody_knew_then_is_absent(upgraded: str) -> None:
    connection = await connect(upgraded, name="test")
    site = await registered.site(connection, "home-1")
    assert site is not None
    assert (site.name, site.area, site.riser, site.tags) == ("Lane 5", "", "", ())
    alarm = await alarms.alarm(connection, "a0")
    assert alarm is not None
    assert (alarm.state, alarm.value, alarm.note) == (AlarmState.ACKNOWLEDGED, 25.5, "hears at six")
    assert (alarm.trial, alarm.incident, alarm.resolution, alarm.until) == (False, "", "", 0)
    steps = await alarms.events(connection, "a0")
    assert [(step.change, step.by, step.priority, step.trial) for step in steps] == [
        ("raised", "", None, False),
        ("acknowledged", "wang", None, False),
    ]
    wanted = await commands.wanted(connection, "w0")
    assert wanted is not None
    assert (wanted.outcome, wanted.verb, wanted.hears_by) == (Outcome.CONFIRMED, Verb.CLOSE, T0 + 9 * SECOND)
    assert await one(connection, "SELECT verb FROM command") == "close"
    assert await rules_at(connection, T0) is None
    await connection.close()


async def test_the_follower_goes_on_where_it_was_with_all_that_may_be_decided_now(upgraded: str) -> None:
    again = replace(ALARM[1], alarm="a0", by="li", comment="also seen")
    decided = (again, *INCIDENT, *CLOSE, *PERMIT, *HELD)
    written = await write(upgraded, [cycle(2, readings(100), decisions=decided, source="modbus")])
    assert (written.stored, written.quarantined) == (100, 0)
    connection = await connect(upgraded, name="test")
    alarm = await alarms.alarm(connection, "a0")
    assert alarm is not None
    assert (alarm.acknowledged_by, alarm.note, alarm.expected) == ("li", "hears at six", T0 + 9 * SECOND)
    assert [step.priority for step in await alarms.events(connection, "a0")] == [None, Priority.CRITICAL, None]
    found = await incidents.incidents(connection, limit=9, from_us=T0, to_us=T0 + HOUR)
    assert [(one.incident, one.alarms) for one in found] == [("i1", ("a1", "a2"))]
    assert [line.source for line in (await balanced(connection)).engines[0].sources] == ["modbus"]
    assert await one(connection, "SELECT count(*) FROM quarantine") == 0
    await connection.close()


async def _imported(connection: Connection, columns: str, site: str) -> list[tuple[str, Fate, str]]:
    rows = parse_source(_HOME.format(columns=columns, site=site).encode())
    done = await import_registry(connection, rows, load_catalogue(), dry_run=False, random_bytes=bytes)
    return [(fate.kind, fate.fate, fate.reason) for fate in done.fates if fate.kind != "model"]


async def test_the_file_of_last_year_changes_nothing_and_that_of_today_says_where_the_site_stands(
    upgraded: str,
) -> None:
    connection = await connect(upgraded, name="test")
    assert await _imported(connection, "", "") == [("site", Fate.UNCHANGED, "")]
    assert await _imported(connection, ",area,riser", ",310115,R2") == [
        ("site", Fate.CHANGED, "area: '' -> '310115', riser: '' -> 'R2'")
    ]
    registry = await whole_registry(connection)
    assert registry_faults(registry) == []
    assert [(d.device_no, d.identity, d.installed) for d in registry.devices] == [
        (1, "davysim/D1", ""),
        (2, "davysim/V1", ""),
        (3, "davysim/bus", ""),
    ]
    assert (registry.sites[0].area, registry.sites[0].riser) == ("310115", "R2")
    await connection.close()
