"""Rows of the cause-and-effect matrix: what may be in a registry, what is refused and why, and what a fleet makes of
them."""

import pytest
from msgspec.structs import replace

from devices.fleet import build_fleet
from devices.model_check import model_faults
from devices.models import Actuator, DeviceModel, Reachability, load_catalogue
from devices.sites import Device, Link, MatrixRow, Registry, Site, decode_registry, encode_registry, registry_faults

SILENT_FAN = replace(
    next(model for model in load_catalogue() if model.key == "sim_fan"), key="silent_fan", actuator=None
)
REGISTRY = Registry(
    models=(*load_catalogue(), SILENT_FAN),
    sites=(Site("boiler"), Site("stage", simulated=True)),
    devices=(
        Device(1, "x", "d1", "sim_detector_home", "boiler"),
        Device(2, "x", "d2", "sim_detector_home", "boiler"),
        Device(3, "x", "v1", "sim_valve_shut_off", "boiler"),
        Device(4, "x", "s1", "sim_valve_self_closing", "boiler"),
        Device(5, "x", "f1", "sim_fan", "boiler"),
        Device(6, "x", "f2", "silent_fan", "boiler"),
        Device(7, "x", "sv", "sim_valve_shut_off", "stage"),
        Device(8, "x", "sd", "sim_detector_home", "stage"),
    ),
    links=(Link("x/d1", "x/v1"),),
)
ROW = MatrixRow("gas", ("x/d1", "x/d2"), 2, (), ("x/v1",), ("x/f1",))


def faults(row: MatrixRow) -> list[str]:
    return registry_faults(replace(REGISTRY, matrix=(row,)))


def test_a_row_of_detectors_valves_and_fans_has_no_faults() -> None:
    assert faults(ROW) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"detectors": ("x/d1", "x/nobody")}, "detectors: 'x/nobody' is not registered; register it first"),
        ({"valves": ("x/nothing",)}, "valves: 'x/nothing' is not registered"),
        (
            {"detectors": ("x/d1", "x/v1")},
            "'x/v1' is a shut off valve, and takes no part as detectors",
        ),
        ({"valves": ("x/s1",)}, "'x/s1' is a self closing valve, and takes no part as valves; name a shut off valve"),
        ({"fans": ("x/d1",)}, "'x/d1' is a detector, and takes no part as fans; name a fan"),
        ({"fans": ("x/f2",)}, "'x/f2' takes no commands: model 'silent_fan' declares no [actuator]"),
        ({"votes": 3}, "3 votes of 2 detectors can never be; from 1 to as many as it has"),
        ({"votes": 0}, "0 votes of 2 detectors can never be"),
        ({"detectors": ()}, "names no detector, so nothing would ever cause it"),
        ({"valves": (), "fans": ()}, "names neither a valve nor a fan, so it would do nothing"),
        ({"detectors": ("x/d1", "x/d1")}, "detectors: 'x/d1' is there twice; keep one"),
        ({"valves": ("x/sv",)}, "mixes simulated and real devices"),
        ({"detectors": ("x/d1", "x/sd")}, "mixes simulated and real devices"),
    ],
)
def test_a_row_that_cannot_act_as_it_is_written_is_refused_with_place_reason_and_remedy(
    change: dict[str, object], reason: str
) -> None:
    found = faults(replace(ROW, **change))
    assert any(fault.startswith("matrix row 'gas': ") and reason in fault for fault in found), found


def test_two_rows_of_one_id_and_a_row_without_one_are_refused() -> None:
    assert "matrix row 'gas' is registered twice; keep one" in registry_faults(replace(REGISTRY, matrix=(ROW, ROW)))
    assert "matrix: a row has no id; give each its own" in faults(replace(ROW, id=" "))


def test_a_fleet_knows_the_rows_of_every_detector_and_of_everything_they_act_on() -> None:
    fleet = build_fleet(decode_registry(encode_registry(replace(REGISTRY, matrix=(ROW,)))))
    slot = fleet.slot_by_identity
    (row,) = fleet.matrix
    assert row.slots == (slot["x/d1"], slot["x/d2"])
    assert [valve.device.serial for valve in row.valves] == ["v1"]
    assert [fan.device.serial for fan in row.fans] == ["f1"]
    assert fleet.rows_of == {slot["x/d1"]: (row,), slot["x/d2"]: (row,)}
    assert fleet.rows_to == {slot["x/v1"]: (row,), slot["x/f1"]: (row,)}
    assert fleet.closed_by == {slot["x/v1"]: (slot["x/d1"],)}
    assert fleet.actuator(slot["x/f1"]) == fleet.fans[slot["x/f1"]].actuator
    assert fleet.actuator(slot["x/d1"]) is None


def _model(**change: object) -> DeviceModel:
    return replace(next(model for model in load_catalogue() if model.key == "sim_fan"), **change)


def test_a_fan_may_declare_that_it_takes_commands_and_never_sleeps() -> None:
    assert model_faults(_model()) == []
    assert model_faults(SILENT_FAN) == []
    sleeping = Actuator(confirm_within_s=100.0, reachability=Reachability.WAKES, wake_interval_s=60.0)
    assert [key for key, _ in model_faults(_model(actuator=sleeping))] == ["actuator.reachability"]
