"""Devices as they are shown."""

from pydantic import Field

from api.shapes import Asked, Page, Reason, Shape, example
from api.times import UtcParameter
from devices.addresses import unit_address
from devices.models import DeviceKind, Reachability, Tier
from storage.devices import ModelFacts, RegisteredDevice


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
    gateway: str | None = Field(description="vendor/serial of the gateway that publishes for it, or has its bus")
    address: str | None = Field(
        description="Of a gateway, the URL of its bus; of a device behind one, `unit[/channel][?base=N]`",
        examples=["modbus+tcp://192.0.2.7:502", "7/3"],
    )


class OutOfServiceRequest(Asked, json_schema_extra=example(until="2026-11-20T18:00:00Z", reason="a new sensor")):
    until: UtcParameter | None = Field(default=None, description="Null: until a person says that the work is done")
    reason: Reason = Field(description="Why; it is kept with the alarms")


class Range(Shape):
    """What the device can show, in the quantity's own unit."""

    lowest: float
    highest: float


class Actuator(Shape):
    """How a valve of this model takes a CLOSE."""

    confirm_within_s: float = Field(description="Not seen closed by then is an alarm of its own; attempts go on")
    reports_position: bool = Field(description="False: a CLOSE ends `unverifiable`, never `confirmed`")
    reachability: Reachability = Field(description="`wakes`: it sleeps, and hears only when it next reports")
    wake_interval_s: float | None = Field(description="It wakes at least this often; null: it is always there")


class Model(Shape):
    """What all devices of the model have in common, as of the last import."""

    name: str
    vendor: str
    source: str = Field(description="Where these facts are from")
    verified: bool = Field(description="False: the facts are second-hand, and were not tried on the device")
    tier: Tier | None
    report_interval_s: float
    gas: str | None
    lel_percent_vol: float | None = Field(description="%vol of the gas that is 100 %LEL on the device's scale")
    measures: list[str] = Field(description="Quantities it reports; empty: not known")
    ranges: dict[str, Range] = Field(description="Quantity -> what it can show")
    life_days: int | None = Field(description="The sensing element's life; null: not known")
    certificates: list[str] = Field(description="Standards it must hold a certificate of")
    actuator: Actuator | None


class DeviceInFull(Device):
    unit: int | None = Field(description="Its unit address on the bus")
    channel: int | None = Field(description="Its measuring point of that unit, from 1")
    model_facts: Model
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
        address=device.address or None,
    )


def show_in_full(device: RegisteredDevice, facts: ModelFacts, closes: list[str]) -> DeviceInFull:
    place = unit_address(device.address)
    return DeviceInFull(
        **dict(show_device(device)),
        unit=place.unit if place else None,
        channel=place.channel if place else None,
        model_facts=_show_model(facts),
        closes=closes,
    )


def _show_model(facts: ModelFacts) -> Model:
    actuator = facts.actuator
    return Model(
        name=facts.name,
        vendor=facts.vendor,
        source=facts.source,
        verified=facts.verified,
        tier=facts.tier,
        report_interval_s=facts.report_interval_s,
        gas=facts.gas or None,
        lel_percent_vol=facts.lel_percent_vol,
        measures=list(facts.measures),
        ranges={name: Range(lowest=lowest, highest=highest) for name, (lowest, highest) in facts.ranges.items()},
        life_days=facts.life_days,
        certificates=list(facts.certificates),
        actuator=None
        if actuator is None
        else Actuator(
            confirm_within_s=actuator.confirm_within_s,
            reports_position=actuator.reports_position,
            reachability=actuator.reachability,
            wake_interval_s=actuator.wake_interval_s or None,
        ),
    )
