"""A database with data, brought from an older migration to this one: what was there is there, and means the same."""

import msgspec
import pytest

from devices.models import load_catalogue
from devices.sites import registry_faults
from rules.decisions import AlarmState, Outcome
from storage import alarms, commands
from storage import devices as registered
from storage.database import connect
from storage.migrate import migrate, migrations
from storage.registry import import_registry
from storage.registry_rows import Fate
from storage.registry_source import parse_source
from storage.registry_whole import whole_registry
from tests.storage.cycles import HOUR, SECOND, T0, cycle, readings
from tests.storage.ledgers import balanced
from tests.storage.test_decided import ALARM, CLOSE
from tests.storage.writing import write

#: A home as it was imported then, an alarm and a closing as they were followed.
_WRITTEN_AT_0005 = f"""
INSERT INTO site (key, name, simulated) VALUES ('home-1', 'Lane 5', true);
INSERT INTO device (vendor, serial, model, site, gateway) VALUES
    ('davysim', 'D1', 'sim_detector_home', 'home-1', ''), ('davysim', 'V1', 'sim_valve_shut_off', 'home-1', '');
INSERT INTO link (detector, valve) VALUES ('davysim/D1', 'davysim/V1');
INSERT INTO credential (identity, token_sha256) VALUES ('davysim/D1', repeat('a', 64));
INSERT INTO alarm (alarm, rule, device_no, site, priority, state, onset, raised, changed, quantity, value) VALUES
    ('a0', 'gas-high', 1, 'home-1', 1, 2, to_timestamp({T0 // SECOND - 1}), to_timestamp({T0 // SECOND}),
     to_timestamp({T0 // SECOND + 5}), 'combustible_lel', 25.5);
INSERT INTO alarm_event (engine, cycle, n, alarm, at, change, state) VALUES
    ('engine-1', 1, 0, 'a0', to_timestamp({T0 // SECOND}), 'raised', 1);
INSERT INTO wanted (wanted, device_no, epoch, reason, alarm, since, confirm_by, outcome, ended) VALUES
    ('w0', 2, 7, 'gas-high', 'a0', to_timestamp({T0 // SECOND}), to_timestamp({T0 // SECOND + 10}), 'confirmed',
     to_timestamp({T0 // SECOND + 3}));
INSERT INTO command (command, wanted, device_no, epoch, attempt, requested, expires, reason) VALUES
    ('c0', 'w0', 2, 7, 1, to_timestamp({T0 // SECOND}), to_timestamp({T0 // SECOND + 30}), 'gas-high');
INSERT INTO follower_cursor (engine, follower, cycle, cycle_now, registry_number)
    VALUES ('engine-1', 'storage', 1, {T0}, 3);
"""
_MODEL = "INSERT INTO device_model (key, kind, vendor, name, document) VALUES (%s, %s, %s, %s, %s::jsonb)"
#: Fields of a model that came later than migration 0005.
_LATER = ("ranges", "verified", "tier", "life_days", "certificates", "valve", "modbus")


async def _at_0005(url: str) -> None:
    """A database as migration 0005 left it, with what was written then."""
    await migrate(url, files=migrations()[:5])
    connection = await connect(url, name="test")
    for model in load_catalogue():
        document = {name: part for name, part in msgspec.to_builtins(model).items() if name not in _LATER}
        if document["actuator"]:
            del document["actuator"]["reachability"], document["actuator"]["wake_interval_s"]
        body = msgspec.json.encode(document).decode()
        await connection.execute(_MODEL, (model.key, model.kind.value, model.vendor, model.name, body))
    await connection.execute(_WRITTEN_AT_0005.encode())
    await connection.close()


@pytest.fixture
async def upgraded(empty_url: str) -> str:
    await _at_0005(empty_url)
    assert (await migrate(empty_url)).applied == tuple(range(6, len(migrations()) + 1))
    return empty_url


async def test_what_was_stored_is_shown_and_what_nobody_knew_then_is_absent(upgraded: str) -> None:
    connection = await connect(upgraded, name="test")
    assert [(d.identity, d.address) for d in await registered.devices(connection, limit=9)] == [
        ("davysim/D1", ""),
        ("davysim/V1", ""),
    ]
    alarm = await alarms.alarm(connection, "a0")
    assert alarm is not None
    assert (alarm.state, alarm.value, alarm.note, alarm.expected) == (AlarmState.ACKNOWLEDGED, 25.5, "", 0)
    wanted = await commands.wanted(connection, "w0")
    assert wanted is not None
    assert (wanted.outcome, wanted.confirm_by, wanted.hears_by) == (Outcome.CONFIRMED, T0 + 10 * SECOND, 0)
    facts = await registered.model_facts(connection, "sim_valve_shut_off")
    assert facts.actuator is not None
    assert (facts.tier, facts.actuator.wake_interval_s) == (None, 0)
    await connection.close()


async def test_the_follower_goes_on_where_it_was(upgraded: str) -> None:
    told = msgspec.structs.replace(ALARM[0], note="connection refused", expected=T0 + HOUR)
    written = await write(upgraded, [cycle(2, readings(100), decisions=(told, *CLOSE), source="modbus")])
    assert (written.stored, written.duplicate) == (100, 0)
    connection = await connect(upgraded, name="test")
    after = await alarms.alarm(connection, "a1")
    assert after is not None
    assert (after.note, after.expected) == ("connection refused", T0 + HOUR)
    assert [line.source for line in (await balanced(connection)).engines[0].sources] == ["modbus"]
    await connection.close()


async def test_an_import_keeps_every_number_and_puts_the_home_on_a_bus_beside(upgraded: str) -> None:
    connection = await connect(upgraded, name="test")
    rows = parse_source(
        b"kind,key,simulated,vendor,serial,model,site,address\n"
        b"site,home-1,true,,,,,\n"
        b"device,,,davysim,D1,sim_detector_home,home-1,\n"
        b"device,,,davysim,bus,sim_gateway,home-1,modbus+tcp://192.0.2.7\n"
    )
    done = await import_registry(connection, rows, load_catalogue(), dry_run=False, random_bytes=bytes)
    assert [fate.fate for fate in done.fates if fate.kind != "model"] == [Fate.CHANGED, Fate.UNCHANGED, Fate.ADDED]
    # Above what the engine had before.
    assert done.number == 4
    registry = await whole_registry(connection)
    assert registry_faults(registry) == []
    assert [(d.device_no, d.serial, d.address) for d in registry.devices] == [
        (1, "D1", ""),
        (2, "V1", ""),
        (3, "bus", "modbus+tcp://192.0.2.7"),
    ]
    await connection.close()
