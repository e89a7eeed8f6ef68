"""Devices as they are asked to be."""

from typing import Annotated

from pydantic import Field, StringConstraints

from api.days import DayAsked
from api.register_shapes import laid
from api.shapes import Asked, DeviceId, example
from api.site_shapes import Key, Words
from devices.register import DeviceFacts, IdentifierKind
from storage.devices import RegisteredDevice
from storage.registry_rows import DeviceGiven

#: vendor/serial.
Identity = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]{1,64}/[A-Za-z0-9_-]{1,64}$")]


class DeviceChange(Asked, json_schema_extra=example(mounting="kitchen, 0.3 m below the ceiling", made="2025-11-02")):
    """What is not named stays as it is; null: not known, or none. To move a device, or to put another in its place, say
    that at `/v1/installations`: then the day and the reason are kept too."""

    model: Key | None = None
    site: Key | None = None
    gateway: Identity | None = None
    address: Words | None = None
    tags: list[Words] | None = Field(default=None, max_length=50)
    installed: DayAsked | None = None
    calibration_due: DayAsked | None = None
    installer: Words | None = None
    identifier: Words | None = None
    identifier_kind: IdentifierKind | None = None
    mounting: Words | None = None
    made: DayAsked | None = None
    life_end: DayAsked | None = None


class DeviceGivenToUs(
    DeviceChange, json_schema_extra=example(vendor="acme", serial="d1", model="sim_detector_home", site="w-1001")
):
    vendor: DeviceId
    serial: DeviceId


class DevicesGiven(
    Asked,
    json_schema_extra=example(
        devices=[{"vendor": "acme", "serial": "d1", "model": "sim_detector_home", "site": "w-1001"}]
    ),
):
    devices: list[DeviceGivenToUs] = Field(min_length=1, max_length=1_000)


def device_rows(
    given: DeviceChange, vendor: str, serial: str, before: RegisteredDevice | None
) -> tuple[DeviceGiven, DeviceFacts]:
    """What was, with what is said laid over it. A model and a site cannot be taken away, so null leaves them."""
    said = {name: getattr(given, name) for name in given.model_fields_set - {"vendor", "serial"}}
    for name in ("model", "site"):
        if said.get(name, "") is None:
            del said[name]
    return laid(_as_given(before, vendor, serial), said), laid(
        before.facts if before else DeviceFacts(f"{vendor}/{serial}"), said
    )


def _as_given(before: RegisteredDevice | None, vendor: str, serial: str) -> DeviceGiven:
    if before is None:
        return DeviceGiven(vendor, serial, "", "")
    return DeviceGiven(
        vendor,
        serial,
        before.model,
        before.site,
        before.gateway,
        before.address,
        before.tags,
        before.installed,
        before.calibration_due,
        before.installer,
    )
