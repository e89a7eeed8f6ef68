"""What docs/MODELS.md shows can be used as it stands."""

import re
from pathlib import Path

import pytest

from devices.models import DeviceModel, load_model
from devices.register_examples import run_examples

DOCUMENT = (Path(__file__).parents[2] / "docs/MODELS.md").read_text("utf-8")
WHOLE, VALVE = re.findall(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)


def load(folder: Path, text: str) -> DeviceModel:
    path = folder / "acme_pg4.toml"
    path.write_text(text, "utf-8")
    return load_model(path)


def test_the_whole_example_loads_and_its_examples_mean_what_they_say(tmp_path: Path) -> None:
    model = load(tmp_path, WHOLE)
    assert run_examples(model) == []
    assert model.modbus is not None
    assert len(model.modbus.example) == 4


def test_the_part_about_a_valve_is_part_of_a_file_that_loads(tmp_path: Path) -> None:
    head = 'vendor = "acme"\nname = "v"\nkind = "shut_off_valve"\nsource = "s"\nreport_interval_s = 2\n'
    examples = """
    [[modbus.example]]
    title = "closed"
    registers = [{ at = 10001, words = [1] }]
    expect = { valve = "closed" }
    [[modbus.example]]
    title = "somewhere"
    registers = []
    expect = { valve = "unknown" }
    """
    assert run_examples(load(tmp_path, head + VALVE + examples)) == []


def test_all_fourteen_quirks_are_spoken_of() -> None:
    assert re.findall(r"^\| (\d+) \|", DOCUMENT, re.MULTILINE) == [str(number) for number in range(1, 15)]


@pytest.mark.parametrize("key", ["vendor", "name", "kind", "source", "report_interval_s"])
def test_a_line_left_out_is_named(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match=rf"acme_pg4\.toml: {key}: is missing"):
        load(tmp_path, re.sub(rf"^{key} = .*\n", "", WHOLE, count=1, flags=re.MULTILINE))
