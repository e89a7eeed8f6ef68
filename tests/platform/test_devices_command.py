"""`davy devices`: the catalogue on the terminal, and a model file before it is used."""

import json
from pathlib import Path
from typing import Any

import pytest

from davy.exits import Exit
from davy.settings import Settings
from devices.model_schema import model_schema
from devices.models import BUILT_IN, load_catalogue
from tests.platform.davy_process import davy
from tests.platform.test_command_line import SettingsFor, result

CATALOGUE = load_catalogue()
ON_A_BUS = next(model for model in CATALOGUE if model.modbus is not None)


@pytest.fixture
def settings(tmp_path: Path, settings_for: SettingsFor) -> Settings:
    return settings_for(tmp_path / "data")


def test_the_list_has_every_model_with_its_whole_key(settings: Settings) -> None:
    listed = result(settings, "devices", "list", "--json")
    assert [model["key"] for model in listed] == [model.key for model in CATALOGUE]
    lines = davy(settings, "devices", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["key", *(model.key for model in CATALOGUE)]


def test_a_model_is_shown_with_its_registers_by_key_or_by_file(settings: Settings) -> None:
    assert ON_A_BUS.modbus is not None
    by_key = davy(settings, "devices", "show", ON_A_BUS.key)
    assert by_key.returncode == Exit.OK, by_key.stderr
    assert ON_A_BUS.modbus.field[0].name in by_key.stdout
    assert davy(settings, "devices", "show", str(BUILT_IN / f"{ON_A_BUS.key}.toml")).stdout == by_key.stdout
    told = result(settings, "devices", "show", ON_A_BUS.key, "--json")
    assert told["key"] == ON_A_BUS.key


def test_what_is_written_to_a_valve_is_shown(settings: Settings) -> None:
    valve = next(model for model in CATALOGUE if model.modbus is not None and model.modbus.command)
    assert "FC" in davy(settings, "devices", "show", valve.key).stdout


def test_a_model_that_nobody_has_is_code_2(settings: Settings) -> None:
    for key in ("nobody_none", "/nowhere/at_all.toml"):
        asked = davy(settings, "devices", "show", key)
        assert asked.returncode == Exit.USAGE
        assert len(asked.stderr.splitlines()) == 1


def test_the_catalogue_is_sound_and_its_examples_are_run(settings: Settings) -> None:
    looked = result(settings, "devices", "check", "--json")
    assert all(one["ok"] for one in looked)
    assert len(looked) == len(CATALOGUE)
    assert sum(one["examples"] for one in looked) >= 2 * len(CATALOGUE) - 2


def test_a_wrong_file_is_code_1_with_file_key_and_reason(settings: Settings, tmp_path: Path) -> None:
    sound = BUILT_IN / f"{ON_A_BUS.key}.toml"
    wrong = tmp_path / "acme_wrong.toml"
    wrong.write_text(sound.read_text("utf-8").replace("report_interval_s = ", "report_interval_s = -", 1), "utf-8")
    asked = davy(settings, "devices", "check", str(sound), str(wrong))
    assert asked.returncode == Exit.FAILED
    assert asked.stdout.splitlines()[1].startswith(f"{wrong}: report_interval_s: must be positive")
    looked: Any = json.loads(davy(settings, "devices", "check", "--json", str(tmp_path)).stdout)
    assert [one["ok"] for one in looked] == [False]


def test_an_example_that_does_not_mean_what_it_says_is_a_fault_and_is_never_imported(
    settings: Settings, settings_for: SettingsFor, tmp_path: Path
) -> None:
    assert ON_A_BUS.modbus is not None
    text = (BUILT_IN / f"{ON_A_BUS.key}.toml").read_text("utf-8")
    good = next(at for at, one in enumerate(ON_A_BUS.modbus.example) if not one.refused)
    first, *rest = text.split("[[modbus.example]]")
    rest[good] = rest[good].replace("expect = {", "expect = { tamper = true,")
    (tmp_path / "acme_odd.toml").write_text("[[modbus.example]]".join([first, *rest]), "utf-8")
    asked = davy(settings, "devices", "check", str(tmp_path / "acme_odd.toml"))
    assert asked.returncode == Exit.FAILED
    fault = f"{tmp_path / 'acme_odd.toml'}: modbus.example[{good}]: "
    assert asked.stdout.startswith(fault)
    assert asked.stdout.rstrip().endswith("flag tamper is not set")
    # Nor does it come into force by way of the folder of one's own models, whatever is imported.
    rows = tmp_path / "rows.csv"
    rows.write_text("kind,key\nsite,home-1\n", "utf-8")
    own = settings_for(tmp_path / "own", DAVY_MODELS=str(tmp_path))
    for command in (("devices", "list"), ("registry", "import", str(rows), "--yes")):
        refused = davy(own, *command)
        assert refused.returncode == Exit.USAGE
        assert refused.stderr.startswith(f"davy: {fault}")


def test_a_folder_without_models_and_a_file_that_is_not_there_are_code_2(settings: Settings, tmp_path: Path) -> None:
    assert davy(settings, "devices", "check", str(tmp_path)).returncode == Exit.USAGE
    assert davy(settings, "devices", "check", str(tmp_path / "none.toml")).returncode == Exit.USAGE


def test_models_of_one_s_own_folder_are_listed_shown_and_checked(settings_for: SettingsFor, tmp_path: Path) -> None:
    own = tmp_path / "models"
    own.mkdir()
    text = (BUILT_IN / f"{ON_A_BUS.key}.toml").read_text("utf-8")
    (own / "acme_new.toml").write_text(text, "utf-8")
    settings = settings_for(tmp_path / "data", DAVY_MODELS=str(own))
    assert [m["key"] for m in result(settings, "devices", "list", "--json")] == [
        *(m.key for m in CATALOGUE),
        "acme_new",
    ]
    assert result(settings, "devices", "show", "acme_new", "--json")["name"] == ON_A_BUS.name
    assert len(result(settings, "devices", "check", "--json")) == len(CATALOGUE) + 1
    (own / f"{ON_A_BUS.key}.toml").write_text(text, "utf-8")
    asked = davy(settings, "devices", "check")
    assert asked.returncode == Exit.USAGE
    assert f"{ON_A_BUS.key} is the model of" in asked.stderr


def test_what_is_no_file_in_the_folder_of_models_is_one_line(settings_for: SettingsFor, tmp_path: Path) -> None:
    own = tmp_path / "models"
    (own / "a_folder.toml").mkdir(parents=True)
    asked = davy(settings_for(tmp_path / "data", DAVY_MODELS=str(own)), "devices", "list")
    assert asked.returncode == Exit.USAGE
    assert asked.stderr.startswith(f"davy: {own / 'a_folder.toml'}: is no file that can be read")
    assert len(asked.stderr.splitlines()) == 1


def test_the_schema_is_printed_as_it_is_published(settings: Settings) -> None:
    assert davy(settings, "devices", "schema").stdout.encode() == model_schema()
