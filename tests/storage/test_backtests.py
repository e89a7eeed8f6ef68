"""A backtest of what a live engine stored raises exactly the alarms that the engine raised; why, from the database."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import numpy as np
import psycopg
import pytest

from davy.exits import Exit
from devices.quantities import Flag, ValvePosition
from devices.readings import Rows
from engine.records import CycleRecord
from rules.decisions import AlarmRaised, AlarmState, Decision
from rules.documents.document import load_pack
from rules.history.backtest import backtest
from rules.history.backtest_types import Assumed
from rules.history.explain import explain
from rules.history.explain_types import Reason
from rules.instructions import Resolution
from storage.alarm_history import written
from storage.backtests import Order, ask, prepare, registry_now, rules_in_force
from storage.database import Connection, DatabaseRefused
from storage.explained import explained
from storage.history import stored_readings
from storage.rule_packs import found_in_force
from storage.times import as_datetime
from tests.rules.world import NUMBERS, SECOND, T0, World, at, reading, registry
from tests.storage.cycles import cycle
from tests.storage.registered import registered
from tests.storage.writing import one, write

NOBODY = Assumed(valves_answer=False, acknowledge_after_s=None, as_active=False)
RULES = b"""
version = "live"
[[rule]]
id = "ch4-low"
title = { zh = "x", en = "x" }
priority = "high"
source = "product choice"
applies_to = ["detector"]
flags = ["low_alarm"]
quantity = "combustible_lel"
at_or_above = 20
clear_below = 15
hold_s = 30
[[rule]]
id = "co-mean"
title = { zh = "x", en = "x" }
priority = "medium"
source = "product choice"
applies_to = ["detector"]
condition = "mean(co_ppm, 2m) >= 30 ppm"
clear_condition = "mean(co_ppm, 2m) < 20 ppm"
[[rule]]
id = "silence"
title = { zh = "x", en = "x" }
priority = "medium"
source = "product choice"
kind = "silence"
"""


def _cycles(seed: int) -> tuple[list[CycleRecord], list[Decision]]:
    """What an engine would have committed: cycles of some readings each, with what the rules decided."""
    random = np.random.default_rng(seed)
    world = World(load_pack(RULES, "live.toml"))
    records: list[CycleRecord] = []
    level = {"d1": 5.0, "d2": 5.0, "d3": 5.0}
    t = 0.0
    for number in range(1, 200):
        t += float(random.integers(1, 20))
        rows = [_reading(random, name, t, level) for name in level if random.random() < 0.7]
        rows += [reading("v1", t, valve=ValvePosition.OPEN)] if number % 3 == 0 else []
        if not rows:
            continue
        together = np.concatenate(rows)
        together["seq"] = number
        records.append(cycle(len(records) + 1, together, now=at(t), decisions=world.step(rows, (), t)))
    return records, world.decided


def _reading(random: np.random.Generator, name: str, t: float, level: dict[str, float]) -> Rows:
    level[name] = float(np.clip(level[name] + random.normal(0, 8), 0, 60))
    late = random.random() < 0.05
    flags = Flag.LATE if late else Flag.LOW_ALARM if random.random() < 0.02 else Flag(0)
    ts_s = t - 40 if late else t - random.random()
    return reading(name, t, ts_s=ts_s, combustible_lel=level[name], co_ppm=level[name], flags=flags)


async def _stored(connection: Connection, url: str, seed: int = 3) -> list[Decision]:
    await registered(connection, registry())
    await found_in_force(connection, "engine-1", 0, None, hashlib.sha256(RULES).hexdigest(), RULES)
    records, decided = _cycles(seed)
    await write(url, records)
    return decided


def _end(decided: list[Decision]) -> int:
    return max(one.at for one in decided) + 3_600 * SECOND


async def test_the_alarms_of_the_live_engine_come_out_of_its_history(database: Connection, url: str) -> None:
    decided = await _stored(database, url)
    raised = [one for one in decided if isinstance(one, AlarmRaised)]
    assert {one.rule for one in raised} == {"ch4-low", "co-mean", "silence"}
    order = Order(load_pack(RULES, "live.toml"), T0, at(200 * 20), assumed=NOBODY)
    prepared = await prepare(database, order)
    found = backtest(prepared.request, stored_readings(url, prepared.asked, first_window_us=60 * SECOND)).new
    last = int(await one(database, "SELECT davy_us(max(received)) FROM reading"))
    cursor = await database.execute("SELECT device_no, davy_us(min(received)) FROM reading GROUP BY device_no")
    first = {int(device_no): int(us) for device_no, us in await cursor.fetchall()}
    mine = {(one.alarm, one.raised, one.value) for one in found.alarms if one.raised <= last}
    # Of a device that was never heard a backtest does not know since when it should have been.
    assert mine == {(one.alarm, one.at, one.value) for one in raised if one.at >= first.get(one.device_no, last + 1)}


async def test_what_people_called_false_is_counted_against_the_rules_in_force(database: Connection, url: str) -> None:
    decided = await _stored(database, url)
    first = next(one for one in decided if isinstance(one, AlarmRaised) and one.rule == "ch4-low")
    await database.execute("UPDATE alarm SET resolution = 'false' WHERE alarm = %s", (first.alarm,))
    stricter = load_pack(RULES.replace(b"at_or_above = 20", b"at_or_above = 59"), "stricter.toml")
    order = Order(stricter, T0, _end(decided), old=await rules_in_force(database, at(10)))
    prepared = await prepare(database, order)
    tested = backtest(prepared.request, stored_readings(url, prepared.asked))
    (label,) = tested.labelled
    assert (label.resolution, label.labels, label.old) == (Resolution.FALSE, 1, 1)
    assert tested.old is not None
    assert tested.old.raised > tested.new.raised
    assert tested.differences is not None
    assert "ch4-low" in {alarm.rule for alarm in tested.differences.only_old}


async def test_a_backtest_of_some_sites_sees_their_devices_alone(database: Connection, url: str) -> None:
    decided = await _stored(database, url)
    order = Order(load_pack(RULES, "live.toml"), T0, _end(decided), sites=("lab",))
    prepared = await prepare(database, order)
    assert prepared.asked.device_nos == (NUMBERS["sd"], NUMBERS["sv"])
    assert backtest(prepared.request, stored_readings(url, prepared.asked)).readings == 0
    with pytest.raises(ValueError, match="'nowhere' is not registered"):
        await prepare(database, Order(load_pack(RULES, "live.toml"), T0, _end(decided), sites=("nowhere",)))


async def test_why_an_alarm_was_raised_is_found_in_the_database(database: Connection, url: str) -> None:
    decided = await _stored(database, url)
    alarm = next(one for one in decided if isinstance(one, AlarmRaised) and one.rule == "co-mean")
    pack = await rules_in_force(database, alarm.at)
    assert pack is not None
    identity = f"davysim/{next(name for name, no in NUMBERS.items() if no == alarm.device_no)}"
    question, asked = await ask(database, identity, alarm.at, pack, ("co-mean",))
    (found,) = explain(question, stored_readings(url, asked)).rules
    assert (found.reason, found.alarm) == (Reason.STANDS, alarm.alarm)
    assert found.predicates[0].value is not None
    assert found.predicates[0].value >= 30.0


async def test_an_alarm_that_was_shelved_then_is_explained_as_it_was_shown(database: Connection, url: str) -> None:
    decided = await _stored(database, url)
    alarm = next(one for one in decided if isinstance(one, AlarmRaised) and one.rule == "co-mean")
    step = "INSERT INTO alarm_event (engine, cycle, n, alarm, at, change, state, by, comment, priority)"
    values = f" VALUES ('engine-1', 9000, 0, %s, %s, 'shelved', {AlarmState.SHELVED:d}, 'anna', 'works', 2)"
    await database.execute(step + values, (alarm.alarm, as_datetime(alarm.at)))
    note = (
        "INSERT INTO rule_note (engine, cycle, n, at, rule, what, reverted) VALUES ('engine-1', %s, 0, %s, %s, %s, %s)"
    )
    await database.execute(note, (1, as_datetime(at(0)), "co-mean", "reverted: too many", True))
    await database.execute(note, (2, as_datetime(at(1)), "ch4-low", "reverted: too many", True))
    await database.execute(note, (3, as_datetime(at(2)), "ch4-low", "edited", False))
    found = await written(database, alarm.device_no, alarm.at)
    assert [one.rule for one in found.reverted] == ["co-mean"]
    (stood,) = (one for one in found.stood if one.rule == "co-mean")
    assert (stood.alarm, stood.state, stood.by, stood.comment) == (alarm.alarm, AlarmState.SHELVED, "anna", "works")
    identity = f"davysim/{next(name for name, no in NUMBERS.items() if no == alarm.device_no)}"
    pack = await rules_in_force(database, alarm.at)
    assert pack is not None
    question, asked = await ask(database, identity, alarm.at, pack, ("co-mean",))
    (rule,) = explain(question, stored_readings(url, asked)).rules
    assert "shown as shelved" in rule.differs_en
    assert "taken itself back" in rule.differs_en


async def test_a_device_that_was_last_heard_long_before_is_explained_by_its_last_reading(
    database: Connection, url: str
) -> None:
    decided = await _stored(database, url)
    later = max(one.at for one in decided) + 5 * 86_400 * SECOND
    pack = load_pack(RULES, "live.toml")
    await database.execute("DELETE FROM alarm")
    question, asked = await ask(database, "davysim/d1", later, pack, ("silence",))
    newest = int(await one(database, f"SELECT davy_us(max(received)) FROM reading WHERE device_no = {NUMBERS['d1']}"))
    told = explain(question, stored_readings(url, asked))
    assert (told.last is None, told.heard) == (False, newest)
    assert told.rules[0].reason is Reason.SILENT


async def test_a_backtest_from_long_ago_begins_where_readings_do(database: Connection, url: str) -> None:
    decided = await _stored(database, url)
    prepared = await prepare(database, Order(load_pack(RULES, "live.toml"), -62_135_596_800_000_000, _end(decided)))
    assert prepared.asked.from_us == T0 // (86_400 * SECOND) * 86_400 * SECOND


async def test_by_other_rules_it_is_looked_back_until_the_condition_was_last_clear(
    database: Connection, url: str
) -> None:
    await _stored(database, url)
    world = World(load_pack(RULES, "live.toml"))
    rows = [reading("d4", 20_000 + 60 * n, combustible_lel=1.0 if n < 5 else 9.0) for n in range(300)]
    records = []
    for n, row in enumerate(rows):
        row["seq"] = 1_000 + n
        t = 20_000 + 60 * n
        records.append(cycle(1_000 + n, row, now=at(t), decisions=world.step([row], (), t)))
    await write(url, records)
    await database.execute("DELETE FROM alarm")
    lower = RULES.replace(b"at_or_above = 20", b"at_or_above = 8").replace(b"clear_below = 15", b"clear_below = 7")
    other = load_pack(lower, "other.toml")
    when = at(20_000 + 60 * 299)
    found = await explained(database, url, "davysim/d4", when, other, ("ch4-low",), in_force=False)
    assert (found.rules[0].onset, found.rules[0].older) == (at(20_000 + 60 * 5), False)
    short = await ask(database, "davysim/d4", when, other, ("ch4-low",), in_force=False)
    told = explain(short.question, short.history(url)).rules[0]
    assert told.older
    assert "may have begun earlier" in told.sentence_en


async def test_without_a_registry_it_is_said_what_to_do(database: Connection) -> None:
    with pytest.raises(DatabaseRefused, match="registry import"):
        await registry_now(database)


async def test_the_commands_say_what_was_found(plain_url: str, tmp_path: Path) -> None:
    async with await psycopg.AsyncConnection.connect(plain_url, autocommit=True) as connection:
        decided = await _stored(connection, plain_url)
    alarm = next(one for one in decided if isinstance(one, AlarmRaised) and one.rule == "ch4-low")
    parts = psycopg.conninfo.conninfo_to_dict(plain_url)
    url = f"postgresql://{parts['user']}@/{parts['dbname']}?host={quote(str(parts['host']), safe='')}"
    (tmp_path / "new.toml").write_bytes(RULES.replace(b"at_or_above = 20", b"at_or_above = 18"))

    environ = {"PATH": "/usr/bin:/bin", "DAVY_DATABASE_URL": url, "DAVY_DATA": str(tmp_path / "data")}

    def davy(*words: str) -> str:
        command = [sys.executable, "-m", "davy", "rules", *words]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(when: str) -> str:
        asked = ["explain", "davysim/d1", "--at", when, "--rules", str(tmp_path / "new.toml")]
        command = [sys.executable, "-m", "davy", "rules", *asked]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == Exit.USAGE, done.stdout
        return " ".join(done.stderr.split())

    def not_run(*words: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "davy", "rules", "backtest", "--rules", str(tmp_path / "new.toml"), *period]
        done = subprocess.run([*command, *words], env=environ, capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, " ".join(done.stderr.split())

    period = ("--from", "2026-06-01T12:00+00:00", "--to", "2026-06-02")
    code, said = not_run("--json-file", str(tmp_path / "nowhere" / "all.json"))
    assert (code, "cannot write" in said) == (Exit.DISK, True), said
    for seconds in ("0.5", "nan", "-3", "1e9"):
        code, said = not_run("--acknowledge-after", seconds)
        assert (code, "--acknowledge-after" in said) == (Exit.USAGE, True), said
    assert "not that late yet" in refused("2999-01-01")
    assert "before its oldest stored reading, which is of 2026-06-01" in refused("2026-05-31")
    table = davy("backtest", "--rules", str(tmp_path / "new.toml"), *period, "--json-file", str(tmp_path / "all.json"))
    assert "alarm by alarm:" in table
    assert "ch4-low" in table
    whole = json.loads((tmp_path / "all.json").read_bytes())
    assert whole["new"]["raised"] >= len([one for one in decided if isinstance(one, AlarmRaised)])
    when = f"2026-06-01T12:{(alarm.at - T0) // SECOND // 60:02d}:{(alarm.at - T0) // SECOND % 60:02d}Z"
    name = next(name for name, no in NUMBERS.items() if no == alarm.device_no)
    why = davy("explain", f"davysim/{name}", "--at", when, "--rule", "ch4-low")
    assert "combustible_lel >= 20" in why
    assert "条件" in davy("explain", f"davysim/{name}", "--at", when, "--lang", "zh")
