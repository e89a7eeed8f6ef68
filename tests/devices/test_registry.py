"""The registry: its faults are found all at once, its bytes name it, and a fleet keeps every device's slot."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from devices.fleet import Fleet, build_fleet
from devices.models import load_catalogue
from devices.sites import (
    Credential,
    Device,
    Link,
    Registry,
    Site,
    decode_registry,
    encode_registry,
    registry_faults,
    token_sha256,
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
