"""Which rules are in force: those of the settings, by file or by pack; and what looking at them says."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from davy.exits import Exit
from davy.rule_packs import asked_for
from davy.settings import Settings
from davy.wiring import run_engine
from engine.store import Store
from rules.documents.document import default_pack, load_pack
from rules.documents.merged import built_in
from tests.platform.davy_process import davy
from tests.platform.test_command_line import SettingsFor, result

OWN = """version = "7"
[[rule]]
id = "hot"
title = { zh = "热", en = "Hot" }
priority = "low"
source = "product choice"
numbers = { limit = "60 degC" }
condition = "mean(temperature_c, 5 min) >= limit"
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(OWN, "utf-8")
    return path


@pytest.fixture
def offline(tmp_path: Path, settings_for: SettingsFor) -> Settings:
    return settings_for(tmp_path / "data")


def test_packs_of_the_settings_make_one_document(tmp_path: Path, own: Path, settings_for: SettingsFor) -> None:
    asked = asked_for(settings_for(tmp_path, DAVY_RULE_PACKS=f"life,{own}"))
    pack = load_pack(asked.body, asked.name)
    assert [rule.id for rule in pack.rules] == ["life-soon", "life-end", "calibration-due", "hot"]
    assert pack.version == "life 1, own 7"
    assert asked.named
    assert asked_for(settings_for(tmp_path)) == (default_pack(), "built-in rules", False)


async def test_an_engine_takes_its_packs_journals_them_as_one_and_follows_the_settings(
    tmp_path: Path, own: Path, settings_for: SettingsFor
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for packs, last in ((f"life,{own}", "hot"), ("life,field", "field-20lel"), ("", "field-20lel")):
        settings = settings_for(data, **({"DAVY_RULE_PACKS": packs} if packs else {}))
        await _run_until_it_protects(settings)
        store = Store(settings.engine_store, cap_bytes=settings.store_cap_bytes)
        current = store.current("rules")
        assert current is not None
        body = store.body(current.sha256)
        store.close()
        assert load_pack(body, "in force").rules[-1].id == last


async def _run_until_it_protects(settings: Settings) -> None:
    stop = asyncio.Event()
    engine = asyncio.create_task(run_engine(settings, stop))
    async with asyncio.timeout(30):
        while not engine.done() and not settings.door.exists():
            await asyncio.sleep(0.01)
        stop.set()
        await engine


def test_the_packs_are_listed_with_what_they_need(offline: Settings) -> None:
    packs = {one["name"]: one for one in result(offline, "rules", "packs", "--json")}
    assert tuple(sorted(packs)) == built_in()
    assert packs["methane"]["needs"] == ["valves"]
    assert packs["methane"]["rules"] == ["ch4-low", "ch4-high", "ch4-pre", "ch4-rise"]
    assert packs["pressure"]["overrides"] == 4
    assert (packs["methane"]["default"], packs["exposure_osha"]["default"]) == (True, False)
    assert "exposure_osha" in davy(offline, "rules", "packs").stdout


def test_a_built_in_pack_is_printed_by_its_name(offline: Settings) -> None:
    assert "co-ul-400" in davy(offline, "rules", "default", "co_ul2034").stdout
    unknown = davy(offline, "rules", "default", "co_ul")
    assert unknown.returncode == Exit.USAGE
    assert "there is no pack 'co_ul'; `davy rules packs` lists those there are" in unknown.stderr


def test_several_packs_are_checked_together(offline: Settings, own: Path) -> None:
    assert result(offline, "rules", "check", "methane", "valves", str(own), "--json")["rules"][-1] == "hot"
    alone = result(offline, "rules", "check", "methane", "--json", code=Exit.FAILED)
    assert "the built-in pack 'valves' holds one" in alone["faults"][0]
    twice = result(offline, "rules", "check", str(own), "life", str(own), "--json", code=Exit.FAILED)
    assert "rule 'hot': id: 'hot' stands twice" in twice["faults"][0]


def test_a_fault_of_an_expression_is_pointed_at(offline: Settings, own: Path) -> None:
    own.write_text(OWN.replace("mean(temperature_c", "mean(temprature_c"), "utf-8")
    looked = davy(offline, "rules", "check", str(own))
    assert looked.returncode == Exit.FAILED
    fault, line, caret = looked.stdout.splitlines()
    assert fault.startswith("own.toml:8: rule 'hot': condition: column 6: 'temprature_c' is not a quantity")
    assert line[caret.index("^") : caret.rindex("^") + 1] == "temprature_c"
    told = result(offline, "rules", "check", str(own), "--json", code=Exit.FAILED)
    assert told["pointed"] == [f"{line}\n{caret}"]


def test_a_silence_that_is_shorter_than_a_known_device_is_silent_is_warned_of(offline: Settings, own: Path) -> None:
    own.write_text(re.sub("condition = .*", 'condition = "missing(2 min)"', OWN).replace("numbers", "#"), "utf-8")
    said = davy(offline, "rules", "check", str(own)).stdout
    assert "own.toml: rule 'hot': missing(2 min) is true between any two readings of sim_gateway (1 h)" in said


def test_a_rule_that_is_only_tried_is_warned_of(offline: Settings, own: Path) -> None:
    own.write_text(OWN + 'state = "dry_run"\n', "utf-8")
    assert (
        "rule 'hot' is a dry run: it tells nobody and moves nothing" in davy(offline, "rules", "check", str(own)).stdout
    )
    assert json.loads(davy(offline, "rules", "check", str(own), "--json").stdout)["ok"]


def test_a_pack_that_would_remember_too_much_is_refused_before_it_is_used(
    offline: Settings, own: Path, settings_for: SettingsFor, tmp_path: Path
) -> None:
    rule = OWN.split('version = "7"')[1]
    many = 'version = "7"' + "".join(
        rule.replace('"hot"', f'"hot-{n}"')
        .replace("mean(temperature_c, 5 min)", f"twa(co_ppm, {60 + n} min)")
        .replace("60 degC", "60 ppm")
        for n in range(20)
    )
    own.write_text(many, "utf-8")
    told = result(offline, "rules", "check", str(own), "--json", code=Exit.FAILED)
    assert "these rules would remember" in told["faults"][0]
    own.write_text(OWN, "utf-8")
    assert result(offline, "rules", "check", str(own), "--json")["bytes_per_device"] > 0


def test_the_schema_is_printed(offline: Settings) -> None:
    assert result(offline, "rules", "schema")["title"] == "Davy: a rule pack (TOML)"
