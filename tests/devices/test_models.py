"""The catalogue: every model file loads, and every example in it means what it says."""

from pathlib import Path

import numpy as np
import pytest

from devices.codecs.native import decode
from devices.fleet import build_fleet
from devices.models import DeviceKind, DeviceModel, Example, load_catalogue, load_model
from devices.sites import Device, Registry, Site

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


#: Less than a poll takes, less than a microsecond, and more than microseconds can count.
UNUSABLE_INTERVALS = ("0.049", "1e-7", "31622401", "1e18", "inf", "nan")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (VALID + "[actuator]\n", "a shut_off_valve takes CLOSE, a fan FAN_ON"),
        (VALID.replace('"detector"', '"shut_off_valve"'), r"must declare its \[actuator\]"),
        (VALID.replace("= 10", "= 0"), "must be positive"),
        (VALID.replace("detector", "gateway").replace("= 10", "= -1"), "must be positive, or 0"),
        (VALID + "max_age_s = -1\n", "must be positive"),
        (VALID + "max_age_s = 1e18\n", "to 366 days"),
        *((VALID.replace("= 10", f"= {wrong}"), "from 0.05 s to 366 days") for wrong in UNUSABLE_INTERVALS),
        (VALID + 'colour = "red"\n', "colour"),
        (
            VALID.replace('"detector"', '"toaster"'),
            "kind: 'toaster' is not one of detector, shut_off_valve, self_closing",
        ),
        (VALID.replace('"v"', '"Acme Ltd"'), "vendor: 'Acme Ltd' must be 1 to 64 of a-z 0-9 _ -"),
        (VALID.replace('"v"', '"ACME"'), "vendor: 'ACME' must be 1 to 64 of a-z 0-9 _ -"),
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


@pytest.mark.parametrize("interval", ["0.05", "31622400"])
def test_the_shortest_and_the_longest_interval_can_be_laid_out_in_microseconds(tmp_path: Path, interval: str) -> None:
    path = tmp_path / "sound.toml"
    path.write_text(VALID.replace("= 10", f"= {interval}"), "utf-8")
    model = load_model(path)
    fleet = build_fleet(
        Registry(models=(model,), sites=(Site("plant"),), devices=(Device(1, "v", "d", "sound", "plant"),))
    )
    assert fleet.interval_us.tolist() == [round(float(interval) * 1_000_000)]
