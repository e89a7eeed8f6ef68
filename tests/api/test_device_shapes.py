"""What the database holds of a device is shown, whatever stands in it."""

import pytest

from api.device_shapes import show_in_full
from devices.models import DeviceKind
from storage.devices import ModelFacts, RegisteredDevice

FACTS = ModelFacts(name="n", vendor="v", source="s", report_interval_s=10.0)


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("7/3?base=200", (7, 3)),
        ("7", (7, 1)),
        ("modbus+tcp://192.0.2.7:502", (None, None)),
        ("MODBUS+TCP://192.0.2.7:502", (None, None)),
        ("modbus+tcp://192.0.2.7:0#1", (None, None)),
        ("300", (None, None)),
        ("somewhere", (None, None)),
    ],
)
def test_an_address_that_no_import_takes_any_more_is_shown_as_it_stands(
    address: str, place: tuple[int | None, int | None]
) -> None:
    device = RegisteredDevice(1, "acme", "d1", "m", DeviceKind.GATEWAY, "home", "Home", False, "", address)
    shown = show_in_full(device, FACTS, [])
    assert (shown.address, shown.unit, shown.channel) == (address, *place)
