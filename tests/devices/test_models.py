"""The catalogue: every model file loads, and every example in it means what it says."""

from pathlib import Path

import numpy as np
import pytest

from devices.codecs.native import decode
from devices.models import DeviceKind, DeviceModel, Example, load_catalogue, load_model

CATALOGUE = load_catalogue()
EXAMPLES = [
    pytest.param(model, example, id=f"{model.key}-{at}")
    for model in CATALOGUE
    for at, example in enumerate(model.example)
]
VALID = 'vendor = "v"\nname = "n"\nkind = "detector"\nsource = "s"\nreport_interval_s = 10\n'


@pytest.mark.parametrize(("model", "example"), EXAMPLES)
def test_a_golden_example_means_what_its_file_says(model: DeviceModel, example: Example) -> None:
    decoded = decode([example.payload.encode()], {})
    if example.refused:
        assert len(decoded.rows) == 0
        assert example.refused in decoded.refused[0].reason
        return
    assert decoded.refused == ()
    (row,) = decoded.rows
    for name, expected in example.expect.items():
        assert row[name] == (np.float32(expected) if isinstance(expected, float) else expected), name


@pytest.mark.parametrize("model", CATALOGUE, ids=lambda model: model.key)
def test_every_model_that_speaks_has_a_golden_and_a_bad_example(model: DeviceModel) -> None:
    if model.kind is not DeviceKind.GATEWAY and model.modbus is None:
        assert any(example.refused for example in model.example)
        assert any(example.expect for example in model.example)


def test_the_catalogue_has_both_kinds_of_valve() -> None:
    assert {DeviceKind.SHUT_OFF_VALVE, DeviceKind.SELF_CLOSING_VALVE} <= {model.kind for model in CATALOGUE}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (VALID + "[actuator]\n", "only a shut_off_valve takes CLOSE"),
        (VALID.replace('"detector"', '"shut_off_valve"'), r"must declare its \[actuator\]"),
        (VALID.replace("= 10", "= 0"), "must be positive"),
        (VALID.replace("detector", "gateway").replace("= 10", "= -1"), "must be positive, or 0"),
        (VALID + "max_age_s = -1\n", "must be positive"),
        (VALID + 'colour = "red"\n', "colour"),
        (VALID.replace('"detector"', '"toaster"'), "toaster"),
        (VALID.replace('"v"', "v"), "wrong.toml"),
        ("", "vendor"),
    ],
)
def test_a_wrong_model_file_is_named_with_the_reason(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=why) as wrong:
        load_model(path)
    assert "wrong.toml" in str(wrong.value)
