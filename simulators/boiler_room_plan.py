"""What stands in a boiler room and what befalls it: one TOML file in simulators/scenarios/bus/, and the registry that
tells Davy of it.

Times are seconds since the run began. Detectors, valves and the bus live in real time; only the gas runs `speed` times
faster.
"""

import tomllib
from pathlib import Path
from typing import Annotated

import msgspec

from devices.models import DeviceModel, load_catalogue
from devices.sites import Link, Site
from simulators.detector import DetectorTraits
from simulators.registry import VENDOR
from simulators.scenario import (
    BlockFlue,
    ClearFlue,
    FailSensor,
    Leak,
    Mend,
    NotNegative,
    OpenByHand,
    Positive,
    Ventilate,
)

FOLDER = Path(__file__).parent / "scenarios" / "bus"
#: The alarm of a fixed detector in a plant comes at once at its set-point, and not after the minutes that EN 50291
#: gives a household one: 30 ppm, the first set-point a Polytron 8000 for CO is delivered with.
PLANT_TRAITS = DetectorTraits(co_alarm=((30.0, 2.0), (100.0, 1.0)), warm_up_s=60.0)

UnitNumber = Annotated[int, msgspec.Meta(ge=1, le=247)]
Event = Leak | Mend | BlockFlue | ClearFlue | Ventilate | FailSensor | OpenByHand


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Room(_Part, frozen=True):
    volume_m3: Positive = 60.0
    air_changes_per_hour: NotNegative = 4.0


class OnBus(_Part, frozen=True):
    """A device on the bus, and where it stands there."""

    serial: str
    model: str
    unit: UnitNumber
    channel: Annotated[int, msgspec.Meta(ge=1)] = 1

    @property
    def identity(self) -> str:
        return f"{VENDOR}/{self.serial}"

    @property
    def address(self) -> str:
        return str(self.unit) if self.channel == 1 else f"{self.unit}/{self.channel}"


class DetectorPlan(OnBus, frozen=True):
    """`traits`: what this one has otherwise than PLANT_TRAITS, by the names of DetectorTraits."""

    traits: dict[str, float] = {}

    def all_traits(self) -> DetectorTraits:
        return msgspec.convert(msgspec.to_builtins(PLANT_TRAITS) | self.traits, DetectorTraits)


class ValvePlan(OnBus, frozen=True):
    stroke_s: Positive = 2.0


class Gateway(_Part, frozen=True):
    serial: str
    model: str


class BoilerRoomPlan(_Part, frozen=True):
    """`key` is the file's stem. `duration_s` absent: until stopped."""

    key: str
    title: str
    story: str
    site: Site
    gateway: Gateway
    detector: tuple[DetectorPlan, ...]
    valve: tuple[ValvePlan, ...]
    room: Room = Room()
    speed: Positive = 1.0
    duration_s: Positive | None = None
    event: tuple[Event, ...] = ()


class BusDeviceRow(_Part, frozen=True):
    """A device as `davy registry import` reads it."""

    vendor: str
    serial: str
    model: str
    site: str
    gateway: str = ""
    address: str = ""


class BusSource(_Part, frozen=True):
    """The import file of a site with a bus. Nothing on a bus has a token."""

    sites: tuple[Site, ...]
    devices: tuple[BusDeviceRow, ...]
    links: tuple[Link, ...]


def load_plan(path: Path) -> BoilerRoomPlan:
    """The plan in one TOML file. Raises ValueError naming the file, the key and the reason."""
    try:
        body = tomllib.loads(path.read_text("utf-8"))
        plan = msgspec.convert(body | {"key": path.stem}, BoilerRoomPlan)
        for i, detector in enumerate(plan.detector):
            try:
                detector.all_traits()
            except msgspec.ValidationError as wrong:
                raise ValueError(f"detector[{i}].traits: {wrong}") from wrong
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValueError) as wrong:
        raise ValueError(f"{path.name}: {wrong}") from wrong
    return plan


def plan_names() -> tuple[str, ...]:
    """The plans that come with Davy."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def find_plan(name: str) -> BoilerRoomPlan | None:
    """A plan that comes with Davy, by its name; None for a name that none has."""
    return load_plan(FOLDER / f"{name}.toml") if name in plan_names() else None


def models_of(plan: BoilerRoomPlan) -> dict[str, DeviceModel]:
    """The catalogue's models by key. Raises ValueError for a device whose model is not there, or cannot be on a bus."""
    models = {model.key: model for model in load_catalogue()}
    for device in (*plan.detector, *plan.valve):
        model = models.get(device.model)
        if model is None or model.modbus is None:
            raise ValueError(
                f"{plan.key}: model {device.model!r} of {device.serial} has no register map in the catalogue"
            )
    return models


def bus_source(plan: BoilerRoomPlan, bus_address: str) -> BusSource:
    """What to import so that Davy polls this boiler room at `bus_address` (devices/addresses.py). Every detector closes
    every valve."""
    site = msgspec.structs.replace(plan.site, simulated=True)
    gateway = f"{VENDOR}/{plan.gateway.serial}"
    head = BusDeviceRow(
        vendor=VENDOR, serial=plan.gateway.serial, model=plan.gateway.model, site=site.key, address=bus_address
    )
    rows = [
        BusDeviceRow(
            vendor=VENDOR, serial=one.serial, model=one.model, site=site.key, gateway=gateway, address=one.address
        )
        for one in (*plan.detector, *plan.valve)
    ]
    links = tuple(Link(detector.identity, valve.identity) for detector in plan.detector for valve in plan.valve)
    return BusSource(sites=(site,), devices=(head, *rows), links=links)


def encode_source(source: BusSource) -> bytes:
    """The bytes of the import file."""
    return msgspec.json.format(msgspec.json.encode(source), indent=1)
