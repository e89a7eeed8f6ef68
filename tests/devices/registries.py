"""Random registries and random changes of them, for what must hold of every one."""

import random

import msgspec

from devices.models import DeviceModel, load_catalogue
from devices.registry_book import RegistryBook
from devices.sites import Credential, Device, Gone, Link, MatrixRow, Registry, RegistryChange, Site

_PLAIN = ("detector", "shut_off_valve", "gateway", "fan")
_CATALOGUE = {model.key: model for model in load_catalogue()}

_SIMPLE = tuple(model for model in _CATALOGUE.values() if model.modbus is None and model.kind in _PLAIN)


def models() -> tuple[DeviceModel, ...]:
    return tuple(_CATALOGUE.values())


_BUS = ("modbus+tcp://10.0.0.1:502", "modbus+tcp://10.0.0.2:502", "")
_UNITS = ("1", "2", "3", "")


class Making:
    """Draws what a registry is made of from few names, so that they meet; most of it fits, some does not."""

    def __init__(self, seed: int, *, renumbers: bool = True) -> None:
        """`renumbers`: now and then a device has another number."""
        self.rng = random.Random(seed)
        self.renumbers = renumbers
        self.numbers = 0

    def site(self) -> Site:
        pick = self.rng.choice
        return Site(
            key=f"s{self.rng.randrange(4)}",
            enterprise=pick(("", "a", "b")),
            area=pick(("", "5001", "500156")),
            building=pick(("", "b1")),
            riser=pick(("", "r1")),
            site_class=pick(("", "school")),
            tags=pick(((), ("x",))),
            simulated=self.rng.random() < 0.9,
            timezone=pick(("UTC", "Asia/Shanghai")),
        )

    def device(self, known: dict[str, Device]) -> Device:
        pick, serial = self.rng.choice, f"d{self.rng.randrange(12)}"
        model = pick(tuple(_CATALOGUE.values()) if self.rng.random() < 0.3 else _SIMPLE)
        before = known.get(f"v/{serial}")
        self.numbers += before is None
        on_bus = model.modbus is not None
        gateways = [one.identity for one in known.values() if _CATALOGUE[one.model].kind == "gateway"]
        address = pick(_UNITS) if on_bus else pick(_BUS) if model.kind == "gateway" else ""
        gateway = pick(gateways) if gateways and (on_bus or self.rng.random() < 0.2) else ""
        number = before.device_no if before and (self.rng.random() < 0.9 or not self.renumbers) else self.numbers + 50
        self.numbers = max(self.numbers, number - 50)
        return Device(
            number,
            "v",
            serial,
            model.key,
            f"s{self.rng.randrange(4)}",
            gateway=gateway if gateway != f"v/{serial}" else "",
            address=address,
            tags=pick(((), ("y",))),
            installed=pick(("", "2024-02-29")),
            calibration_due=pick(("", "2027-01-01")),
        )

    def identity(self, known: dict[str, Device]) -> str:
        return self.rng.choice([*known, "v/d0"])

    def change(self, known: Registry) -> RegistryChange:
        """Mostly one that may be taken."""
        book, tries = RegistryBook.of(known), 12 if self.rng.random() < 0.8 else 1
        for _ in range(tries):
            change = self._any(known)
            if not book.faults(change):
                break
        return change

    def _any(self, known: Registry) -> RegistryChange:
        rng, devices = self.rng, {device.identity: device for device in known.devices}
        put_devices = [self.device(devices) for _ in range(rng.choice((0, 1, 1, 3)))]
        after = devices | {device.identity: device for device in put_devices}
        detectors = [name for name, one in after.items() if _CATALOGUE[one.model].kind == "detector"] or ["v/d0"]
        valves = [name for name, one in after.items() if _CATALOGUE[one.model].kind == "shut_off_valve"] or ["v/d1"]
        gone = tuple({self.identity(devices) for _ in range(rng.choice((0, 0, 0, 1)))})
        tidy = rng.random() < 0.8
        return RegistryChange(
            put=Registry(
                models=tuple(self._model() for _ in range(rng.choice((0, 0, 0, 0, 1)))),
                sites=tuple({one.key: one for one in (self.site() for _ in range(rng.choice((0, 0, 1))))}.values()),
                devices=tuple({device.identity: device for device in put_devices}.values()),
                links=tuple(Link(rng.choice(detectors), rng.choice(valves)) for _ in range(rng.choice((0, 0, 1)))),
                credentials=tuple(Credential(self.identity(after), "ab" * 32) for _ in range(rng.choice((0, 0, 1)))),
                matrix=tuple(self._row(detectors, valves) for _ in range(rng.choice((0, 0, 1)))),
            ),
            gone=Gone(
                sites=tuple(f"s{rng.randrange(4)}" for _ in range(rng.choice((0, 0, 0, 0, 1)))),
                devices=gone,
                links=tuple(
                    one for one in known.links if (tidy and {one.detector, one.valve} & set(gone)) or rng.random() < 0.1
                ),
                credentials=tuple(one.identity for one in known.credentials if tidy and one.identity in gone),
                matrix=tuple(
                    one.id
                    for one in known.matrix
                    if (tidy and {*one.detectors, *one.valves} & set(gone)) or rng.random() < 0.1
                ),
            ),
        )

    def _model(self) -> DeviceModel:
        model = self.rng.choice(tuple(_CATALOGUE.values()))
        return msgspec.structs.replace(model, report_interval_s=self.rng.choice((30.0, 600.0)), max_age_s=900.0)

    def _row(self, detectors: list[str], valves: list[str]) -> MatrixRow:
        some = tuple(sorted({self.rng.choice(detectors) for _ in range(2)}))
        return MatrixRow(f"m{self.rng.randrange(3)}", some, 1, (), (self.rng.choice(valves),))


def first() -> Registry:
    """Four sites and every model: what random changes begin with."""
    return Registry(models=models(), sites=tuple(Site(f"s{n}", simulated=True) for n in range(4)))
