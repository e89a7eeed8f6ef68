"""For how long a device may be used: as its model says, else as the standard says of such a device at such a site."""

from datetime import UTC, datetime

import pytest

from devices.fleet import build_fleet, life_days
from devices.models import Actuator, DeviceKind, DeviceModel, load_catalogue
from devices.sites import Device, Registry, Site

INSTALLED = datetime(2024, 1, 31, tzinfo=UTC)


def days(kind: DeviceKind, site_class: str, life_days: int | None = None, installed: str = "2024-01-31") -> int:
    actuator = Actuator() if kind is DeviceKind.SHUT_OFF_VALVE else None
    model = DeviceModel("m", "v", "m", kind, "s", 60.0, life_days=life_days, actuator=actuator)
    device = Device(1, "v", "a", "m", "s1", installed=installed)
    fleet = build_fleet(Registry(models=(model,), sites=(Site("s1", site_class=site_class),), devices=(device,)))
    end_us = int(fleet.life_end_us[0])
    return (end_us // 1_000_000 - round(INSTALLED.timestamp())) // 86_400 if end_us else 0


@pytest.mark.parametrize(
    ("kind", "site_class", "years"),
    [
        (DeviceKind.DETECTOR, "household", 5),
        (DeviceKind.DETECTOR, "", 5),
        (DeviceKind.DETECTOR, "catering", 3),
        (DeviceKind.DETECTOR, "industrial", 3),
        (DeviceKind.SHUT_OFF_VALVE, "household", 10),
        (DeviceKind.SHUT_OFF_VALVE, "catering", 10),
        (DeviceKind.SELF_CLOSING_VALVE, "", 10),
        (DeviceKind.GATEWAY, "", 0),
        (DeviceKind.FAN, "industrial", 0),
    ],
)
def test_a_model_that_does_not_say_lives_as_long_as_the_standard_says(
    kind: DeviceKind, site_class: str, years: int
) -> None:
    assert days(kind, site_class) == 365 * years


def test_what_the_model_says_goes_before_the_standard() -> None:
    assert days(DeviceKind.DETECTOR, "catering", life_days=700) == 700


def test_without_a_day_of_installation_no_life_is_known() -> None:
    assert days(DeviceKind.DETECTOR, "household", installed="") == 0


def test_the_life_of_every_detector_and_valve_of_the_catalogue_is_known() -> None:
    for model in load_catalogue():
        if model.kind not in (DeviceKind.GATEWAY, DeviceKind.FAN):
            assert life_days(model, "household") >= 365, model.key
