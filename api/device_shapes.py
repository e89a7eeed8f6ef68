"""Devices as they are shown."""

from pydantic import Field

from api.shapes import Page, Shape
from devices.models import DeviceKind
from storage.devices import RegisteredDevice


class Device(Shape):
    device: str = Field(description="vendor/serial")
    device_no: int = Field(description="Given once, never to another device")
    vendor: str
    serial: str
    model: str
    kind: DeviceKind
    site: str
    site_name: str
    simulated: bool
    gateway: str | None = Field(description="vendor/serial of the gateway that publishes for it")


class DeviceInFull(Device):
    closes: list[str] = Field(description="The valves that an alarm at this device closes or watches")


class Devices(Page):
    devices: list[Device]


def show_device(device: RegisteredDevice) -> Device:
    return Device(
        device=device.identity,
        device_no=device.device_no,
        vendor=device.vendor,
        serial=device.serial,
        model=device.model,
        kind=device.kind,
        site=device.site,
        site_name=device.site_name,
        simulated=device.simulated,
        gateway=device.gateway or None,
    )
