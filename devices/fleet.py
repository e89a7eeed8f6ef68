"""A registry laid out as arrays: what the hot path looks up without a loop.

A slot is a device's row in every per-device array of the engine. Slots are private to one engine's state: they are
given in order of first appearance and kept for ever, so that a registry change moves nobody's timers.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from devices.addresses import is_bus_address, parse_bus_address, parse_unit_address
from devices.classes import HOUSEHOLD, Classes, Group, Grouping, classify, days_us, group
from devices.codecs.frame import NOWHERE, map_digest, place_of
from devices.codecs.registers import FrameDecoder, compile_map
from devices.left import Left, left_since
from devices.models import Actuator, DeviceKind, DeviceModel
from devices.sites import Device, MatrixRow, Registry, Site, registry_faults

MICROSECONDS = 1_000_000
#: How long a device may be used where its model does not say, in days from its installation. Source: CJJ/T 146-2011:
#: detectors 5 years in homes and 3 in commerce and industry, shut-off valves 10. That a self-closing valve is one of
#: them: product choice.
LIFE_DAYS = {
    DeviceKind.DETECTOR: 5 * 365,
    DeviceKind.SHUT_OFF_VALVE: 10 * 365,
    DeviceKind.SELF_CLOSING_VALVE: 10 * 365,
}
LIFE_OF_OTHER_DETECTORS_DAYS = 3 * 365


@dataclass(frozen=True, slots=True)
class ShutOffValve:
    """A valve that takes CLOSE. A command can be built from nothing else, so a device without an actuator cannot be
    commanded by mistake."""

    slot: int
    device: Device
    actuator: Actuator


@dataclass(frozen=True, slots=True)
class Fan:
    """A fan that takes FAN_ON."""

    slot: int
    device: Device
    actuator: Actuator


_Commanded = TypeVar("_Commanded", ShutOffValve, Fan)


@dataclass(frozen=True, slots=True)
class Effects:
    """A row of the matrix, resolved. `slots`: the detectors'. Only actuators that take commands are in it."""

    id: str
    slots: tuple[int, ...]
    votes: int
    rules: tuple[str, ...]
    valves: tuple[ShutOffValve, ...]
    fans: tuple[Fan, ...]

    @property
    def targets(self) -> tuple[int, ...]:
        """Slots of what it acts on."""
        return (*(valve.slot for valve in self.valves), *(fan.slot for fan in self.fans))


@dataclass(frozen=True, slots=True)
class Fleet:
    """Per-device columns, each of shape (slots,), and the look-ups between names, numbers and slots.

    slot_of: shape (highest device_no + 1,), i4; -1 where there is no such device, or no longer.
    present: bool; False for a device that has left the registry but keeps its slot.
    interval_us, max_age_us: i8.
    simulated: bool.
    links: detector slot -> the valves it closes (shut-off valves only).
    watches: detector slot -> linked valves that only report (self-closing).
    gateways: identities that devices name as their gateway.
    decoders: of the models that have a register map, by key. decoder_by_slot: i4, the index in them; -1: no map.
    place_by_slot: u8, where and by what map a device on a bus is read (codecs/frame.py W1); NOWHERE for any other.
    classes, groups: devices/classes.py.
    life_end_us, calibration_due_us: i8, microseconds UTC; 0: not known.
    fans: slot -> the fan there. matrix: the rows of the registry's matrix (links are not in it). rows_of: detector
    slot -> the rows it stands in.
    closed_by: slot of a shut-off valve -> detectors linked to it, ascending. rows_to: slot of a valve or fan -> the
    rows that act on it.
    left: what has left the registry and keeps its slot or its owner.
    whole: makes the document that it was laid out from; once a newer fleet has followed, it may be the newer one's.
    touched: shape (n,), the slots, ascending, of which something is otherwise than in the fleet that this one `follows`
    (its `mark`): what stands there, or what it is linked with or stands in a row with; None: nobody knows.
    """

    models: tuple[DeviceModel, ...]
    devices: tuple[Device | None, ...]
    device_no: NDArray[np.int32]
    slot_of: NDArray[np.int32]
    present: NDArray[np.bool_]
    interval_us: NDArray[np.int64]
    max_age_us: NDArray[np.int64]
    simulated: NDArray[np.bool_]
    links: dict[int, tuple[ShutOffValve, ...]]
    watches: dict[int, tuple[int, ...]]
    valves: dict[int, ShutOffValve]
    slot_by_identity: dict[str, int]
    model_by_slot: tuple[DeviceModel | None, ...]
    site_by_slot: tuple[Site | None, ...]
    decoders: tuple[FrameDecoder, ...]
    decoder_by_slot: NDArray[np.int32]
    place_by_slot: NDArray[np.uint64]
    gateways: frozenset[str]
    classes: Classes
    groups: dict[Group, Grouping]
    life_end_us: NDArray[np.int64]
    calibration_due_us: NDArray[np.int64]
    fans: dict[int, Fan]
    matrix: tuple[Effects, ...]
    rows_of: dict[int, tuple[Effects, ...]]
    closed_by: dict[int, tuple[int, ...]]
    rows_to: dict[int, tuple[Effects, ...]]
    site_by_key: dict[str, Site]
    left: Left
    whole: Callable[[], Registry]
    touched: NDArray[np.intp] | None = None
    mark: object = field(default_factory=object)
    follows: object = None

    @property
    def registry(self) -> Registry:
        """The document. Of a large fleet that takes a while."""
        return self.whole()

    @property
    def numbered(self) -> NDArray[np.bool_]:
        """Who may number its readings itself, (slots,), bool. What is polled is numbered by us, by time: nothing of it
        can be missing."""
        return self.present & (self.decoder_by_slot < 0)

    def __len__(self) -> int:
        return len(self.device_no)

    def touched_since(self, before: "Fleet") -> NDArray[np.intp] | None:
        """`touched`, if this is the fleet that came right after that one."""
        return self.touched if self.follows is before.mark else None

    def slots_where(self, wanted: Callable[[DeviceModel], bool]) -> list[int]:
        """The slots of devices of such a model, ascending; asked of each class, not of each device."""
        numbers = [number for number, one in enumerate(self.classes.all) if one.model and wanted(one.model)]
        found: list[int] = np.flatnonzero(np.isin(self.classes.of, numbers)).tolist()
        return found

    def identity(self, device_no: int) -> str:
        """`vendor/serial`, or empty for a number that is not, or no longer, in the registry."""
        slot = int(self.slot_of[device_no]) if 0 <= device_no < len(self.slot_of) else -1
        device = self.devices[slot] if slot >= 0 else None
        return device.identity if device else ""

    def actuator(self, slot: int) -> Actuator | None:
        """Of a valve or fan that takes commands."""
        one = self.valves.get(slot) or self.fans.get(slot)
        return one.actuator if one is not None else None

    def slots(self, device_no: NDArray[np.int32]) -> NDArray[np.int32]:
        """Slots of device numbers, shape (n,) -> (n,) i4; -1 for a number nobody has."""
        if len(device_no) and device_no.min() >= 0 and device_no.max() < len(self.slot_of):
            return self.slot_of[device_no]
        known = (device_no >= 0) & (device_no < len(self.slot_of))
        return np.where(known, self.slot_of[np.where(known, device_no, 0)], np.int32(-1)).astype(np.int32)


def build_fleet(
    registry: Registry, before: Fleet | None = None, *, order: Sequence[int] = (), left: Left | None = None
) -> Fleet:
    """Lay a registry out; devices that `before` knew keep their slots, new ones follow in registry order.
    `order`, `left`: of an earlier process's fleet (device numbers by slot), instead of `before`.
    Raises ValueError with every fault when the registry may not be used."""
    _require_faultless(registry)
    order, devices = _slots(registry, list(order) if before is None else [int(no) for no in before.device_no])
    models = {model.key: model for model in registry.models}
    sites = {site.key: site for site in registry.sites}
    model_by_slot = tuple(models[d.model] if d else None for d in devices)
    site_by_slot = tuple(sites[d.site] if d else None for d in devices)
    slot_by_identity = {device.identity: slot for slot, device in enumerate(devices) if device}
    decoders = tuple(compile_map(model) for _, model in sorted(models.items()) if model.modbus is not None)
    valves = {one.slot: one for one in commanded(ShutOffValve, DeviceKind.SHUT_OFF_VALVE, devices, model_by_slot)}
    fans = {one.slot: one for one in commanded(Fan, DeviceKind.FAN, devices, model_by_slot)}
    links, watches = _linked(registry, slot_by_identity, valves)
    matrix = effects_of(registry.matrix, slot_by_identity, valves, fans)
    return Fleet(
        models=registry.models,
        devices=devices,
        device_no=np.array(order, np.int32),
        slot_of=_slot_of(order, devices),
        present=np.array([device is not None for device in devices], np.bool_),
        interval_us=microseconds([model.report_interval_s if model else 0.0 for model in model_by_slot]),
        max_age_us=microseconds([model.max_age_s if model else 0.0 for model in model_by_slot]),
        simulated=np.array([bool(site and site.simulated) for site in site_by_slot], np.bool_),
        links=links,
        watches=watches,
        valves=valves,
        slot_by_identity=slot_by_identity,
        model_by_slot=model_by_slot,
        site_by_slot=site_by_slot,
        decoders=decoders,
        decoder_by_slot=decoders_of(decoders, model_by_slot),
        place_by_slot=places_of(devices, model_by_slot),
        gateways=frozenset(device.gateway for device in registry.devices if device.gateway),
        classes=classify(devices, model_by_slot, site_by_slot),
        groups=group(devices, site_by_slot),
        life_end_us=life_end_us(devices, model_by_slot, site_by_slot),
        calibration_due_us=days_us([d.calibration_due if d else "" for d in devices], [0] * len(devices)),
        fans=fans,
        matrix=matrix,
        rows_of=rows_by(matrix, lambda row: row.slots),
        closed_by=_closed_by(links),
        rows_to=rows_by(matrix, lambda row: row.targets),
        site_by_key=sites,
        left=_left(before, sites, devices) if before is not None else left or Left(),
        whole=lambda: registry,
    )


def decoders_of(decoders: Sequence[FrameDecoder], models: Sequence[DeviceModel | None]) -> NDArray[np.int32]:
    """`decoder_by_slot` of a Fleet, or of some slots of it."""
    numbers = {decoder.model: at for at, decoder in enumerate(decoders)}
    return np.array([numbers.get(model.key, -1) if model else -1 for model in models], np.int32)


def _require_faultless(registry: Registry) -> None:
    faults = registry_faults(registry)
    if faults:
        raise ValueError("registry refused: " + "; ".join(faults))


def _left(before: Fleet, sites: dict[str, Site], devices: tuple[Device | None, ...]) -> Left:
    return left_since(before.left, before.devices, before.site_by_key, sites, devices)


def _slots(registry: Registry, old: list[int]) -> tuple[list[int], tuple[Device | None, ...]]:
    """Device numbers by slot, and the devices that are there now: those of `old`, then new ones in registry order."""
    now, known = {device.device_no: device for device in registry.devices}, set(old)
    order = old + [device.device_no for device in registry.devices if device.device_no not in known]
    return order, tuple(now.get(no) for no in order)


def _slot_of(order: list[int], devices: tuple[Device | None, ...]) -> NDArray[np.int32]:
    """`slot_of` of a Fleet."""
    found = np.full(max(order, default=0) + 1, -1, np.int32)
    for slot, device in enumerate(devices):
        if device is not None:
            found[device.device_no] = slot
    return found


def commanded(
    make: Callable[[int, Device, Actuator], _Commanded],
    kind: DeviceKind,
    devices: tuple[Device | None, ...],
    models: tuple[DeviceModel | None, ...],
) -> Iterator[_Commanded]:
    """What takes commands of a kind."""
    for slot, (device, model) in enumerate(zip(devices, models, strict=True)):
        if device and model and model.kind is kind and model.actuator:
            yield make(slot, device, model.actuator)


def life_days(model: DeviceModel, site_class: str) -> int:
    """For how many days from its installation a device may be used at a site of this class; 0: not known."""
    if model.life_days is not None:
        return model.life_days
    if model.kind is DeviceKind.DETECTOR and (site_class or HOUSEHOLD) != HOUSEHOLD:
        return LIFE_OF_OTHER_DETECTORS_DAYS
    return LIFE_DAYS.get(model.kind, 0)


def life_end_us(
    devices: tuple[Device | None, ...], models: tuple[DeviceModel | None, ...], sites: tuple[Site | None, ...]
) -> NDArray[np.int64]:
    life = [
        life_days(model, site.site_class) if model and site else 0 for model, site in zip(models, sites, strict=True)
    ]
    known = [d.installed if d and days else "" for d, days in zip(devices, life, strict=True)]
    return days_us(known, life)


def effects_of(
    rows: Iterable[MatrixRow], slot_by_identity: dict[str, int], valves: dict[int, ShutOffValve], fans: dict[int, Fan]
) -> tuple[Effects, ...]:
    def slots(names: tuple[str, ...]) -> list[int]:
        return [slot_by_identity[name] for name in names]

    return tuple(
        Effects(
            id=row.id,
            slots=tuple(slots(row.detectors)),
            votes=row.votes,
            rules=row.rules,
            valves=tuple(valves[slot] for slot in slots(row.valves) if slot in valves),
            fans=tuple(fans[slot] for slot in slots(row.fans) if slot in fans),
        )
        for row in rows
    )


def rows_by(matrix: tuple[Effects, ...], whose: Callable[[Effects], Iterable[int]]) -> dict[int, tuple[Effects, ...]]:
    found: dict[int, tuple[Effects, ...]] = {}
    for row in matrix:
        for slot in whose(row):
            found[slot] = (*found.get(slot, ()), row)
    return found


def _closed_by(links: dict[int, tuple[ShutOffValve, ...]]) -> dict[int, tuple[int, ...]]:
    found: dict[int, tuple[int, ...]] = {}
    for detector, valves in links.items():
        for valve in valves:
            found[valve.slot] = (*found.get(valve.slot, ()), detector)
    return {valve: tuple(sorted(detectors)) for valve, detectors in found.items()}


def places_of(devices: tuple[Device | None, ...], model_by_slot: tuple[DeviceModel | None, ...]) -> NDArray[np.uint64]:
    """`place_by_slot` of a Fleet, of a registry without faults."""
    places = np.full(len(devices), NOWHERE, np.uint64)
    buses = {
        device.identity: parse_bus_address(device.address)
        for device in devices
        if device is not None and is_bus_address(device.address)
    }
    read_by: dict[str, bytes] = {}
    for slot, (device, model) in enumerate(zip(devices, model_by_slot, strict=True)):
        if device is None or model is None or model.modbus is None or device.gateway not in buses:
            continue
        if model.key not in read_by:
            read_by[model.key] = map_digest(model.key, model.modbus)
        places[slot] = place_of(buses[device.gateway], parse_unit_address(device.address), read_by[model.key])
    return places


def _linked(
    registry: Registry, slot_by_identity: dict[str, int], valves: dict[int, ShutOffValve]
) -> tuple[dict[int, tuple[ShutOffValve, ...]], dict[int, tuple[int, ...]]]:
    """`links` and `watches` of a Fleet."""
    links: dict[int, tuple[ShutOffValve, ...]] = {}
    watches: dict[int, tuple[int, ...]] = {}
    for link in registry.links:
        detector, valve = slot_by_identity[link.detector], slot_by_identity[link.valve]
        if valve in valves:
            links[detector] = (*links.get(detector, ()), valves[valve])
        else:
            watches[detector] = (*watches.get(detector, ()), valve)
    return links, watches


def microseconds(seconds: list[float]) -> NDArray[np.int64]:
    return np.array([round(s * MICROSECONDS) for s in seconds], np.int64)
