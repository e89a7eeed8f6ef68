"""Which registry changes make a waiting frame one of another device, and which do not."""

import struct
from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from devices.codecs.frame import NOWHERE, FrameState, encode_frame
from devices.codecs.registers import decode_frames
from devices.fleet import Fleet, build_fleet
from devices.models import DeviceKind, DeviceModel
from devices.register_map import Field, Notation, RegisterMap, Space
from devices.sites import Device, Registry, Site

PLACE = 10


def model(key: str, *fields: Field) -> DeviceModel:
    chart = RegisterMap(field=fields, notation=Notation.ZERO_BASED, channels=4)
    return DeviceModel(
        key=key, vendor="v", name="n", kind=DeviceKind.DETECTOR, source="s", report_interval_s=1, modbus=chart
    )


def holding(name: str, at: int, **more: object) -> Field:
    return msgspec.structs.replace(Field(name=name, at=at, space=Space.HOLDING, stride=10), **more)


GATEWAY = DeviceModel(key="g", vendor="v", name="n", kind=DeviceKind.GATEWAY, source="s", report_interval_s=0)
HEAD = model("head", holding("gas", 1, quantity="combustible_lel"))
TOWN = Registry(
    models=(GATEWAY, HEAD, msgspec.structs.replace(HEAD, key="twin")),
    sites=(Site("plant"), Site("other")),
    devices=(
        Device(1, "v", "bus", "g", "plant", address="modbus+tcp://127.0.0.1:502"),
        Device(2, "v", "bus-2", "g", "plant", address="modbus+tcp://127.0.0.2:502"),
        Device(PLACE, "v", "d", "head", "plant", "v/bus", "7/2?base=100"),
        Device(11, "v", "e", "head", "plant", "v/bus", "7/3?base=100"),
    ),
)


def with_device(number: int, **more: object) -> Registry:
    changed = (msgspec.structs.replace(one, **more) if one.device_no == number else one for one in TOWN.devices)
    return msgspec.structs.replace(TOWN, devices=tuple(changed))


def with_head(change: Callable[[RegisterMap], RegisterMap], **more: object) -> Registry:
    assert HEAD.modbus is not None
    head = msgspec.structs.replace(HEAD, modbus=change(HEAD.modbus), **more)
    return msgspec.structs.replace(TOWN, models=(*(one for one in TOWN.models if one.key != "head"), head))


def reason(fleet: Fleet, payload: bytes) -> str:
    """Why the frame is no reading of the device; empty when it is one."""
    slot = fleet.slots(np.array([PLACE], np.int32))
    decoded = decode_frames([payload], fleet.decoder_by_slot[slot], fleet.decoders, fleet.place_by_slot[slot])
    assert len(decoded.rows) + len(decoded.refused) == 1
    return decoded.refused[0].reason if decoded.refused else ""


def payloads() -> list[bytes]:
    before = build_fleet(TOWN)
    place = int(before.place_by_slot[before.slot_by_identity["v/d"]])
    assert place != NOWHERE
    words = struct.pack(">H", 3)
    return [
        encode_frame(FrameState.FRESH, 7, words, place),
        encode_frame(FrameState.STALE, 7, words, place),
        encode_frame(FrameState.NO_REPLY, 7, b"", place),
    ]


@pytest.mark.parametrize(
    "after",
    [
        with_device(1, address="modbus+tcp://127.0.0.1:503"),
        with_device(1, address="modbus+rtu+tcp://127.0.0.1:502"),
        with_device(PLACE, gateway="v/bus-2"),
        with_device(PLACE, address="8/2?base=100"),
        with_device(PLACE, address="7/1?base=100"),
        with_device(PLACE, address="7/2"),
        with_device(PLACE, model="twin"),
        with_head(lambda chart: msgspec.structs.replace(chart, field=(holding("gas", 2, quantity="combustible_lel"),))),
        with_head(lambda chart: msgspec.structs.replace(chart, field=(*chart.field, holding("status", 2)))),
        with_head(lambda chart: msgspec.structs.replace(chart, base=1)),
    ],
)
def test_a_frame_from_before_its_device_moved_is_refused(after: Registry) -> None:
    assert [reason(build_fleet(after), one).split(":")[0] for one in payloads()] == [
        "read before the registry changed"
    ] * 3


@pytest.mark.parametrize(
    "after",
    [
        TOWN,
        with_device(1, address="modbus+tcp://127.0.0.1:502?gap_ms=20"),
        with_device(1, serial="line", address="modbus+tcp://127.0.0.1"),
        with_device(11, address="9"),
        with_device(PLACE, serial="renamed"),
        with_head(lambda chart: chart, report_interval_s=2.0, source="another"),
    ],
)
def test_a_change_that_moves_no_device_costs_no_reading(after: Registry) -> None:
    if after.devices[0].serial == "line":
        behind = (msgspec.structs.replace(one, gateway="v/line") for one in after.devices[2:])
        after = msgspec.structs.replace(after, devices=(*after.devices[:2], *behind))
    assert [reason(build_fleet(after), one) for one in payloads()] == [""] * 3


def test_a_frame_of_nowhere_is_no_reading_of_a_device_and_one_of_a_device_not_of_nowhere() -> None:
    fleet = build_fleet(TOWN)
    assert reason(fleet, encode_frame(FrameState.FRESH, 7, struct.pack(">H", 3)))
    (device,) = (one for one in fleet.decoders if one.model == "head")
    assert decode_frames(payloads(), np.zeros(3, np.int32), [device]).rows.size == 0


def test_two_channels_of_one_unit_stand_at_two_places() -> None:
    fleet = build_fleet(TOWN)
    places = fleet.place_by_slot.tolist()
    assert places[:2] == [NOWHERE, NOWHERE]
    assert len(set(places[2:])) == 2
