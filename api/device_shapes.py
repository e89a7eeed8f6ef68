"""Devices as they are shown."""

from pydantic import Field

from access.ownership import Owner
from api.days import Day
from api.register_shapes import Past
from api.shapes import Asked, Page, Reason, Shape, example
from api.times import Utc, UtcParameter
from devices.addresses import unit_address
from devices.identifiers import industrial_oddity
from devices.models import DeviceKind, Reachability, Tier
from devices.register import IdentifierKind
from storage.devices import ModelFacts, RegisteredDevice


class Device(Shape):
    device: str = Field(description="vendor/serial")
    device_no: int = Field(description="Given once, never to another device")
    vendor: str
    serial: str
    model: str
    kind: DeviceKind
    site: str | None = Field(description="What the asker may not see is null, here and below")
    site_name: str | None
    simulated: bool
    gateway: str | None = Field(description="vendor/serial of the gateway that publishes for it, or has its bus")
    address: str | None = Field(
        description="Of a gateway, the URL of its bus; of a device behind one, `unit[/channel][?base=N]`",
        examples=["modbus+tcp://192.0.2.7:502", "7/3"],
    )
    tags: list[str] | None
    installed: Day | None = Field(description="The day it was put to use, from which its life counts")
    calibration_due: Day | None
    area: str | None = Field(description="Of its site, a code of GB/T 2260")
    building: str | None
    riser: str | None = Field(description="The vertical pipe it hangs on, as named within its building")
    enterprise: str | None = Field(description="Key of the gas company whose site it is at")
    manager: str | None = Field(description="Key of the property manager")
    installer: str | None = Field(description="Key of who installed it")
    version: int = Field(description="One more with every change of what is registered of it; the ETag")
    recorded: Utc = Field(description="Since when all this stands so")
    recorded_by: str | None


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
    identifier: str | None = Field(description="Industrial-internet identifier, `88.x.y/suffix`")
    identifier_kind: IdentifierKind | None = Field(description="Printed (passive), or in a chip with keys (active)")
    mounting: str | None = Field(description="Where and how it is mounted, in words")
    made: Day | None
    life_end: Day | None = Field(description="As printed on it; null: what follows from its installation and model")
    oddities: list[str] | None = Field(description="What is probably wrong with its numbers; nothing is refused for it")
    unit: int | None = Field(description="Its unit address on the bus")
    channel: int | None = Field(description="Its measuring point of that unit, from 1")
    model_facts: Model
    closes: list[str] | None = Field(description="The valves that an alarm at this device closes or watches")


class Devices(Page):
    devices: list[Device]


class PastDevice(Past):
    device: Device


class DeviceHistory(Page):
    versions: list[PastDevice]


def owner_of_device(device: RegisteredDevice) -> Owner:
    return Owner(device.site, device.enterprise, device.manager, device.area, device.vendor, device.installer)


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
        tags=list(device.tags),
        installed=device.installed or None,
        calibration_due=device.calibration_due or None,
        area=device.area or None,
        building=device.building or None,
        riser=device.riser or None,
        enterprise=device.enterprise or None,
        manager=device.manager or None,
        installer=device.installer or None,
        version=device.recorded.version,
        recorded=device.recorded.recorded,
        recorded_by=device.recorded.recorded_by or None,
    )


def show_in_full(device: RegisteredDevice, facts: ModelFacts, closes: list[str]) -> DeviceInFull:
    place, said = unit_address(device.address), device.facts
    oddity = industrial_oddity(said.identifier) if said.identifier else ""
    return DeviceInFull(
        **dict(show_device(device)),
        identifier=said.identifier or None,
        identifier_kind=said.identifier_kind or None,
        mounting=said.mounting or None,
        made=said.made or None,
        life_end=said.life_end or None,
        oddities=[f"identifier: {oddity}"] if oddity else [],
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
