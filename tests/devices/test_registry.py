"""The registry: its faults are found all at once, its bytes name it, and a fleet keeps every device's slot."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from devices.fleet import Fleet, build_fleet
from devices.models import DeviceModel, load_catalogue
from devices.register_map import Field, RegisterExample, RegisterMap, Serial, Words
from devices.sites import (
    Credential,
    Device,
    Link,
    Registry,
    Site,
    decode_registry,
    encode_registry,
    registry_faults,
    registry_warnings,
    token_sha256,
    without_examples,
)

GOOD = Registry(
    models=load_catalogue(),
    sites=(Site("home"), Site("stage", simulated=True)),
    devices=(
        Device(1, "davysim", "detector", "sim_detector_home", "home", gateway="davysim/gateway"),
        Device(2, "davysim", "valve", "sim_valve_shut_off", "home"),
        Device(3, "davysim", "self", "sim_valve_self_closing", "home"),
        Device(7, "davysim", "gateway", "sim_gateway", "home"),
        Device(9, "davysim", "stage-valve", "sim_valve_shut_off", "stage"),
    ),
    links=(Link("davysim/detector", "davysim/valve"), Link("davysim/detector", "davysim/self")),
    credentials=(Credential("davysim/valve", token_sha256("secret")),),
)


def test_a_good_registry_has_no_faults() -> None:
    assert registry_faults(GOOD) == []


_BUS_MAP = RegisterMap(
    field=(Field(name="gas", at=40001, quantity="combustible_lel", stride=2),),
    channels=8,
    serial=Serial(baud=9600, parity="even"),
    example=(RegisterExample(title="25 %LEL", registers=(Words(at=40001, words=(25,)),)),),
)


def on_bus(key: str, like: str, bus_map: RegisterMap | None = _BUS_MAP) -> DeviceModel:
    """A model of our own, like one of the catalogue, that is read on a bus."""
    return replace(next(model for model in GOOD.models if model.key == like), key=key, modbus=bus_map)


def head(no: int, serial: str, address: str, *, gateway: str = "davysim/bus", **changed: str) -> Device:
    told = {"vendor": "davysim", "model": "panel_head", "site": "home", **changed}
    return Device(device_no=no, serial=serial, gateway=gateway, address=address, **told)


BUS = Registry(
    models=(*GOOD.models, on_bus("panel_head", "sim_detector_home"), on_bus("panel_valve", "sim_valve_shut_off")),
    sites=GOOD.sites,
    devices=(
        Device(1, "davysim", "bus", "sim_gateway", "home", address="modbus+tcp://192.0.2.7:502"),
        Device(2, "davysim", "line", "sim_gateway", "home", address="modbus+rtu:/dev/ttyUSB0?baud=9600&parity=even"),
        Device(3, "davysim", "other", "sim_gateway", "home"),
        head(4, "h1", "7"),
        head(5, "h2", "7/2"),
        head(6, "h3", "7/2?base=200"),
        head(7, "h4", "8/2"),
        head(8, "h5", "7/2", gateway="davysim/line"),
        head(9, "v1", "9", model="panel_valve"),
        Device(10, "davysim", "native", "sim_detector_home", "home", gateway="davysim/other"),
        # On TCP, 0 and 255 are the server itself.
        head(11, "h6", "0"),
        head(12, "h7", "255"),
    ),
    links=(Link("davysim/h1", "davysim/v1"),),
)


def test_a_bus_and_what_stands_on_it_are_a_good_registry() -> None:
    assert registry_faults(BUS) == []
    assert registry_warnings(BUS) == []
    assert registry_warnings(GOOD) == []


@pytest.mark.parametrize(
    ("device", "faults"),
    [
        (
            Device(20, "davysim", "g", "sim_gateway", "home", address="modbus+udp://h:1"),
            ["address: .*the scheme must be"],
        ),
        (Device(20, "davysim", "g", "sim_gateway", "home", address="7/2"), ["address: .*the scheme must be"]),
        (
            Device(20, "davysim", "g", "sim_gateway", "home", address="modbus+rtu+tcp://192.0.2.7:502"),
            ["davysim/bus is the gateway of the same bus"],
        ),
        (
            Device(20, "davysim", "g", "sim_gateway", "home", address="modbus+rtu:/dev/ttyUSB0"),
            ["davysim/line is the gateway of the same bus"],
        ),
        (head(20, "x", ""), ["address: '': must be unit"]),
        (head(20, "x", "7/a"), ["address: '7/a': must be unit"]),
        (head(20, "x", "modbus+tcp://h:1"), ["address: .*must be unit"]),
        (head(20, "x", "7/9"), ["channel 9 is more than the 8 of model 'panel_head'"]),
        (head(20, "x", "7/1"), ["davysim/h1 of the same model stands at '7/1' already"]),
        (head(20, "x", "7/2?base=200"), ["davysim/h3 of the same model stands at"]),
        (head(20, "x", "0", gateway="davysim/line"), ["unit 0 is everybody on a serial line"]),
        (head(20, "x", "7", gateway=""), ["model 'panel_head' is read on a bus"]),
        (head(20, "x", "20", gateway="davysim/other"), ["model 'panel_head' is read on a bus"]),
        (head(20, "x", "20", model="sim_detector_home"), [r"model 'sim_detector_home' has no \[modbus\] part"]),
        (head(20, "x", "", model="sim_detector_home"), [r"model 'sim_detector_home' has no \[modbus\] part"]),
        (head(20, "x", "20", model="sim_detector_home", gateway=""), ["address '20' means nothing: it has no gateway"]),
        (
            head(20, "x", "20", model="sim_detector_home", gateway="davysim/other"),
            ["address '20' means nothing: gateway davysim/other has no bus"],
        ),
        (head(20, "x", "20", site="stage"), ["a simulated bus has simulated devices only"]),
        (
            head(20, "x", "20/9", site="stage"),
            ["channel 9 is more than the 8", "a simulated bus has simulated devices only"],
        ),
        # A gateway whose model nobody knows is one fault, and its devices' addresses are none.
        (head(20, "x", "7/7", gateway="davysim/none"), ["gateway 'davysim/none' is not registered", "read on a bus"]),
    ],
)
def test_what_cannot_be_on_a_bus_is_refused_by_name(device: Device, faults: list[str]) -> None:
    found = registry_faults(replace(BUS, devices=(*BUS.devices, device)))
    assert len(found) == len(faults), found
    for one, fault in zip(found, faults, strict=True):
        assert re.match(f"device {device.identity}: .*{fault}", one), found


def test_a_wrong_bus_is_one_fault_however_many_stand_on_it() -> None:
    wrong = replace(BUS.devices[0], address="modbus+tcp://")
    faults = registry_faults(replace(BUS, devices=(wrong, *BUS.devices[1:])))
    assert faults == ["device davysim/bus: address: 'modbus+tcp://': must be modbus+tcp://host:port"]


@pytest.mark.parametrize(
    ("device", "warning"),
    [
        (head(20, "x", "248", gateway="davysim/line"), "unit 248 is reserved on a serial line"),
        (head(20, "x", "7/1", model="panel_valve"), "as davysim/h1 of model 'panel_head' does"),
        (head(20, "x", "9", gateway="davysim/slow"), "delivered with 9600 baud, parity even, 1 stop bits"),
    ],
)
def test_what_is_probably_wrong_on_a_bus_is_said_and_stops_nothing(device: Device, warning: str) -> None:
    slow = Device(13, "davysim", "slow", "sim_gateway", "home", address="modbus+rtu:/dev/ttyS1?baud=2400&parity=even")
    real = tuple(replace(site, simulated=False) for site in BUS.sites)
    registry = replace(BUS, sites=real, devices=(*BUS.devices, slow, device))
    assert registry_faults(registry) == []
    (said,) = registry_warnings(registry)
    assert registry_warnings(registry, {device.identity}) == [said]
    assert registry_warnings(registry, {"davysim/native"}) == [], "who is not spoken of is not warned of"
    assert said.startswith(f"device {device.identity}: ")
    assert warning in said


def test_a_simulated_line_has_no_settings_that_could_be_wrong() -> None:
    slow = Device(13, "davysim", "slow", "sim_gateway", "home", address="modbus+rtu:/tmp/pty?baud=2400")
    registry = replace(BUS, devices=(*BUS.devices, slow, head(20, "x", "9", gateway="davysim/slow")))
    for simulated, warnings in ((True, 0), (False, 1)):
        sites = tuple(replace(site, simulated=simulated) for site in registry.sites)
        assert len(registry_warnings(replace(registry, sites=sites))) == warnings


def test_the_engines_document_holds_every_model_without_its_examples() -> None:
    lean = replace(BUS, models=tuple(without_examples(model) for model in BUS.models))
    assert decode_registry(encode_registry(lean)) == lean
    for model, whole in zip(lean.models, BUS.models, strict=True):
        assert model.example == ()
        assert model.modbus is None or model.modbus.example == ()
        assert replace(model, example=whole.example, modbus=whole.modbus) == whole
        if model.modbus is not None and whole.modbus is not None:
            assert replace(model.modbus, example=whole.modbus.example) == whole.modbus


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 10), st.integers(0, 70_000)), max_size=12))
def test_a_registry_is_good_exactly_when_every_place_is_possible_and_taken_once(
    places: list[tuple[int, int, int]],
) -> None:
    heads = tuple(head(20 + n, f"x{n}", f"{u}/{c}?base={b}") for n, (u, c, b) in enumerate(places))
    possible = all(u <= 255 and 1 <= c <= 8 and b <= 65_535 for u, c, b in places)
    faults = registry_faults(replace(BUS, devices=(*BUS.devices[:3], *heads), links=()))
    assert (not faults) == (possible and len(set(places)) == len(places))


def with_device(at: int, **changed: object) -> Registry:
    devices = list(GOOD.devices)
    devices[at] = replace(devices[at], **changed)
    return replace(GOOD, devices=tuple(devices), links=(), credentials=())


@pytest.mark.parametrize(
    ("registry", "fault"),
    [
        (replace(GOOD, sites=(*GOOD.sites, Site("home"))), "site 'home' is registered twice"),
        (replace(GOOD, devices=(*GOOD.devices, GOOD.devices[0])), "device_no '1' is registered twice"),
        (replace(GOOD, models=(*GOOD.models, GOOD.models[0])), "is registered twice"),
        (replace(GOOD, credentials=GOOD.credentials * 2), "credential 'davysim/valve' is registered twice"),
        (with_device(1, serial="a/b"), "vendor and serial are 1 to 64"),
        (with_device(1, vendor=""), "vendor and serial are 1 to 64"),
        (with_device(1, device_no=0), "must be 1 or more"),
        (with_device(1, model="nothing"), "model 'nothing' is not in the catalogue"),
        (with_device(1, site="nowhere"), "site 'nowhere' is not registered"),
        (with_device(1, gateway="davysim/none"), "gateway 'davysim/none' is not registered"),
        (with_device(1, gateway="davysim/self"), "is not a gateway"),
        (replace(GOOD, links=(Link("davysim/none", "davysim/valve"),)), "'davysim/none' is not registered"),
        (replace(GOOD, links=(Link("davysim/detector", "davysim/gateway"),)), "not a valve"),
        (replace(GOOD, links=(Link("davysim/detector", "davysim/stage-valve"),)), "simulated"),
        (replace(GOOD, credentials=(Credential("davysim/none", "00"),)), "no such device"),
    ],
)
def test_a_fault_is_found_named_and_keeps_the_registry_from_being_used(registry: Registry, fault: str) -> None:
    faults = registry_faults(registry)
    assert any(fault in one for one in faults), faults
    with pytest.raises(ValueError, match="registry refused"):
        build_fleet(registry)


def test_a_registry_comes_back_from_its_bytes_and_has_only_one_form() -> None:
    body = encode_registry(GOOD)
    assert decode_registry(body) == GOOD
    assert encode_registry(decode_registry(body)) == body


@pytest.mark.parametrize("body", [b"", b"[]", b'{"sites":[{"key":1}]}', b'{"unknown":[]}'])
def test_bytes_that_are_no_registry_are_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode_registry(body)


def test_a_fleet_knows_its_devices_by_number_and_by_name() -> None:
    fleet = build_fleet(GOOD)
    numbers = np.array([7, 1, 9, 0, -1, 8, 10_000], np.int32)
    assert fleet.slots(numbers).tolist() == [3, 0, 4, -1, -1, -1, -1]
    assert fleet.slot_by_identity["davysim/valve"] == 1
    assert fleet.simulated.tolist() == [False, False, False, False, True]
    assert fleet.interval_us.tolist() == [10_000_000, 30_000_000, 60_000_000, 3_600_000_000, 30_000_000]


def test_only_valves_that_take_close_can_be_commanded() -> None:
    fleet = build_fleet(GOOD)
    assert set(fleet.valves) == {1, 4}
    assert [valve.slot for valve in fleet.links[0]] == [1]
    assert fleet.watches == {0: (2,)}


@pytest.mark.parametrize("again", [lambda fleet: (fleet, ()), lambda fleet: (None, fleet.device_no.tolist())])
def test_a_registry_change_moves_nobody(again: Callable[..., tuple[object, tuple[int, ...]]]) -> None:
    fleet = build_fleet(GOOD)
    before, order = again(fleet)
    newcomer = Device(4, "davysim", "late", "sim_detector_home", "home")
    changed = replace(GOOD, devices=(newcomer, *GOOD.devices[1:]), links=())
    after = build_fleet(changed, before, order=order)  # type: ignore[arg-type]
    assert after.device_no.tolist() == [1, 2, 3, 7, 9, 4]
    assert after.present.tolist() == [False, True, True, True, True, True]
    assert after.devices[0] is None


@given(st.lists(st.sets(st.sampled_from(GOOD.devices)), min_size=1, max_size=5))
def test_slots_stay_through_any_sequence_of_changes(registries: list[set[Device]]) -> None:
    fleet: Fleet | None = None
    slots: dict[int, int] = {}
    for devices in registries:
        standing = tuple(device for device in GOOD.devices if device in devices and not device.gateway)
        fleet = build_fleet(Registry(GOOD.models, GOOD.sites, standing), fleet)
        for slot, number in enumerate(fleet.device_no.tolist()):
            assert slots.setdefault(number, slot) == slot
        assert {number for number, here in zip(fleet.device_no.tolist(), fleet.present, strict=True) if here} == {
            device.device_no for device in standing
        }
