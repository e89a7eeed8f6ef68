"""A district with everything that rules can tell apart: groups of every sort, models that measure this and that, homes
whose devices have a registered life and others. Three risers in two buildings, of more than two homes each."""

import random

import msgspec

from devices.fleet import Fleet, build_fleet
from devices.models import Actuator, DeviceKind, DeviceModel, Tier
from devices.sites import Device, Link, MatrixRow, Registry, Site

WHY = "product choice"
MODELS = (
    DeviceModel(
        "methane",
        "davysim",
        "m",
        DeviceKind.DETECTOR,
        WHY,
        10.0,
        measures=("combustible_lel", "battery_pct"),
        life_days=1,
    ),
    DeviceModel(
        "carbon", "davysim", "c", DeviceKind.DETECTOR, WHY, 5.0, measures=("co_ppm", "humidity_pct"), tier=Tier.LOW
    ),
    DeviceModel("both", "davysim", "b", DeviceKind.DETECTOR, WHY, 2.0, tier=Tier.HIGH, life_days=30),
    DeviceModel("valve", "davysim", "v", DeviceKind.SHUT_OFF_VALVE, WHY, 30.0, actuator=Actuator()),
    DeviceModel("fan", "davysim", "f", DeviceKind.FAN, WHY, 30.0, actuator=Actuator(reports_position=False)),
    DeviceModel("gateway", "davysim", "g", DeviceKind.GATEWAY, WHY, 0.0),
)
#: Building and riser of each home; the last two are in another area.
PLACES = (
    *(("b0", "r0"),) * 4, *(("b0", "r1"),) * 3, *(("b1", "r0"),) * 3, ("b1", ""), ("", ""), ("", ""),
)  # fmt: skip
GATEWAY = Device(1, "davysim", "gateway", "gateway", "home-0")
#: What stands in each home: every one has a methane detector.
MORE = (("both", "valve"), ("carbon", "valve"), ("valve",), ("both",))


def _site(number: int, place: tuple[str, str]) -> Site:
    return Site(
        f"home-{number}",
        enterprise="gas-a" if number % 2 else "gas-b",
        timezone="Asia/Shanghai" if number % 3 else "UTC",
        area="110101" if number < 11 else "110102",
        building=place[0],
        riser=place[1],
        site_class="catering" if number % 4 == 0 else "household",
        tags=("old",) if number == 3 else (),
    )


def _devices() -> list[Device]:
    found = [GATEWAY]
    for number in range(len(PLACES)):
        for model in ("methane", *MORE[number % len(MORE)]):
            found.append(
                Device(
                    len(found) + 1,
                    "davysim",
                    f"{model}-{number}",
                    model,
                    f"home-{number}",
                    gateway=GATEWAY.identity if number % 3 == 0 else "",
                    installed="2026-05-31" if number % 2 == 0 else "",
                    calibration_due="2026-06-01" if number % 3 == 1 else "",
                    tags=("new",) if number == 5 else (),
                )
            )
    return [*found, *(Device(len(found) + 1 + at, "davysim", f"fan-{at}", "fan", f"home-{at}") for at in range(2))]


def district(rng: random.Random | None = None) -> Registry:
    """The district; with `rng` one like it: homes elsewhere, devices behind another gateway or gone."""
    places, devices = list(PLACES), _devices()
    if rng is not None:
        places = [rng.choice(PLACES) if rng.random() < 0.3 else place for place in places]
        devices = [one for one in devices if rng.random() < 0.9 or one.serial == "gateway"]
        devices = [_moved(rng, one) if one.serial != "gateway" else one for one in devices]
    here = {device.identity for device in devices}
    links = [
        Link(f"davysim/{model}-{number}", f"davysim/valve-{number}")
        for number in range(len(PLACES) - 3)
        for model in ("methane", "both")
        if {f"davysim/{model}-{number}", f"davysim/valve-{number}"} <= here
    ]
    sites = tuple(_site(number, place) for number, place in enumerate(places))
    return Registry(models=MODELS, sites=sites, devices=tuple(devices), links=tuple(links), matrix=_matrix(here))


def _moved(rng: random.Random, device: Device) -> Device:
    behind = rng.choice(("", GATEWAY.identity)) if rng.random() < 0.2 else device.gateway
    site = f"home-{rng.randrange(len(PLACES))}" if rng.random() < 0.1 else device.site
    return msgspec.structs.replace(device, gateway=behind, site=site)


def _matrix(here: set[str]) -> tuple[MatrixRow, ...]:
    def some(*names: str) -> tuple[str, ...]:
        return tuple(f"davysim/{name}" for name in names if f"davysim/{name}" in here)

    riser = some("methane-0", "methane-3", "both-0", "both-3")
    rows = (
        MatrixRow("riser", riser, min(2, len(riser)), (), some("valve-12"), some("fan-0")),
        MatrixRow("kitchen", some("carbon-1", "both-4"), 1, ("rule-1",), some("valve-1", "valve-9"), some("fan-1")),
    )
    return tuple(row for row in rows if row.detectors and (row.valves or row.fans))


def district_fleet(rng: random.Random | None = None) -> Fleet:
    return build_fleet(district(rng))
