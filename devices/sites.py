"""The registry as the engine needs it: sites, devices, links of detector and valve, credentials. Frozen, no I/O.

One `Registry` is one document: journaled by hash, kept whole in the engine store, so that the engine starts and
protects without PostgreSQL (G3).
"""

import hashlib
import re
import zlib
from collections.abc import Collection, Iterable

import msgspec

from devices.addresses import BusAddress, Framing, UnitAddress, parse_bus_address, parse_unit_address, unit_address
from devices.matrix_check import row_faults
from devices.models import DeviceKind, DeviceModel
from devices.topics import ID_PATTERN

#: Modbus over serial line 1.02, section 2.2: 1 to 247 are for devices, 248 to 255 reserved.
HIGHEST_SERIAL_UNIT = 247
#: Documents that are larger are packed. Source: product choice.
PACKED_FROM_BYTES = 1024 * 1024
_ZLIB = b"\x78"
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


class Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A place where gas is used. `simulated` sites address only simulated valves (G10)."""

    key: str
    name: str = ""
    address: str = ""
    enterprise: str = ""
    timezone: str = "UTC"
    simulated: bool = False
    #: Administrative division, a code of GB/T 2260 or the like; a longer code lies within its prefixes.
    area: str = ""
    building: str = ""
    #: The riser (vertical pipe) it hangs on, as named within its building.
    riser: str = ""
    #: household, catering, school, ... (free words; rules may name them). Empty: household.
    site_class: str = ""
    tags: tuple[str, ...] = ()
    #: Key of the property manager, who sees alarms and valves of its own buildings; empty: nobody.
    manager: str = ""


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A measuring point, a valve or a gateway. `device_no` is given once and never reused."""

    device_no: int
    vendor: str
    serial: str
    model: str
    site: str
    #: Identity of the gateway that publishes for this device; empty: it speaks for itself.
    gateway: str = ""
    #: Where it stands on a bus (devices/addresses.py): a gateway's URL, or the unit and channel behind it. Empty: it
    #: connects to us.
    address: str = ""
    tags: tuple[str, ...] = ()
    #: Days as YYYY-MM-DD, or empty: not known. The day it was put to use, from which its life counts.
    installed: str = ""
    calibration_due: str = ""
    #: Key of the enterprise that installed it, which sees it; empty: nobody.
    installer: str = ""

    @property
    def identity(self) -> str:
        """`vendor/serial`: the MQTT user name and the middle of its topics."""
        return f"{self.vendor}/{self.serial}"


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An alarm at `detector` closes `valve`; both are identities. A detector may have several valves, and a valve
    several detectors."""

    detector: str
    valve: str


class MatrixRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the cause-and-effect matrix: when at least `votes` of these detectors have an active alarm of a rule
    that acts (of `rules`, if any is named), these valves are closed and these fans run. Names are identities. A Link is
    a row of one detector and one valve."""

    id: str
    detectors: tuple[str, ...]
    votes: int = 1
    #: Ids of rules; empty: every rule with the action.
    rules: tuple[str, ...] = ()
    valves: tuple[str, ...] = ()
    fans: tuple[str, ...] = ()


class Credential(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A device's token, as the SHA-256 (hex) of its 256 random bits. While it is changed for another, the former one
    is good too, before `former_until_us` (microseconds UTC)."""

    identity: str
    token_sha256: str
    former_sha256: str = ""
    former_until_us: int = 0


class Registry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything the engine knows of the outside world."""

    models: tuple[DeviceModel, ...] = ()
    sites: tuple[Site, ...] = ()
    devices: tuple[Device, ...] = ()
    links: tuple[Link, ...] = ()
    credentials: tuple[Credential, ...] = ()
    matrix: tuple[MatrixRow, ...] = ()


class Gone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What leaves the registry, by key: sites by theirs, devices and credentials by identity, matrix rows by id."""

    sites: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    credentials: tuple[str, ...] = ()
    matrix: tuple[str, ...] = ()


class RegistryChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What makes one registry of another: everything in `put` is added or takes the place of what has its key, and what
    is in `gone` leaves. The order of many changes is that of their numbers in the outbox."""

    put: Registry = Registry()
    gone: Gone = Gone()


def token_sha256(token: str) -> str:
    """What is kept of a token: its SHA-256 in hex. The token is 256 random bits, so no salt is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def encode_registry(registry: Registry) -> bytes:
    """The document's bytes; the same registry gives the same bytes, so the hash names it."""
    return msgspec.json.encode(registry)


def decode_registry(body: bytes) -> Registry:
    """The inverse, also of what `packed` made. Raises ValueError (msgspec.ValidationError is one) naming the path that
    is wrong."""
    return msgspec.json.decode(unpacked(body), type=Registry)


def encode_change(change: RegistryChange) -> bytes:
    """A change's bytes; the same change gives the same bytes."""
    return msgspec.json.encode(change)


def decode_change(body: bytes) -> RegistryChange:
    """The inverse; raises as decode_registry."""
    return msgspec.json.decode(unpacked(body), type=RegistryChange)


def packed(body: bytes) -> bytes:
    """A document in less room: a large registry is ten times smaller so. A small one stays legible."""
    return zlib.compress(body, 1) if len(body) > PACKED_FROM_BYTES else body


def unpacked(body: bytes) -> bytes:
    """The inverse (JSON begins with a brace, what zlib made does not). Raises ValueError."""
    if body[:1] != _ZLIB:
        return body
    try:
        return zlib.decompress(body)
    except zlib.error as broken:
        raise ValueError(f"a packed document is broken: {broken}") from broken


def without_examples(model: DeviceModel) -> DeviceModel:
    """The model less its golden examples, which prove its file and mean nothing to an engine. The registry document is
    journaled whole at every change, and they are most of a model."""
    bus = msgspec.structs.replace(model.modbus, example=()) if model.modbus else None
    return msgspec.structs.replace(model, example=(), modbus=bus)


def registry_faults(registry: Registry) -> list[str]:
    """What is wrong with a registry, each with place, reason and remedy; empty when it may be used."""
    models = {model.key: model for model in registry.models}
    sites = {site.key: site for site in registry.sites}
    devices = {device.identity: device for device in registry.devices}
    faults: list[str] = []
    faults += _repeated("model", (model.key for model in registry.models))
    faults += _repeated("site", (site.key for site in registry.sites))
    faults += _repeated("device", (device.identity for device in registry.devices))
    faults += _repeated("device_no", (str(device.device_no) for device in registry.devices))
    faults += _repeated("credential", (credential.identity for credential in registry.credentials))
    for device in registry.devices:
        at = f"device {device.identity}"
        if not (ID_PATTERN.match(device.vendor) and ID_PATTERN.match(device.serial)):
            faults.append(f"{at}: vendor and serial are 1 to 64 of A-Z a-z 0-9 _ -")
        if device.device_no < 1:
            faults.append(f"{at}: device_no {device.device_no} must be 1 or more")
        if device.model not in models:
            faults.append(f"{at}: model {device.model!r} is not in the catalogue")
        if device.site not in sites:
            faults.append(f"{at}: site {device.site!r} is not registered; import the site first")
        if device.gateway:
            gateway = devices.get(device.gateway)
            if gateway is None or models.get(gateway.model) is None:
                faults.append(f"{at}: gateway {device.gateway!r} is not registered")
            elif models[gateway.model].kind is not DeviceKind.GATEWAY:
                faults.append(f"{at}: {device.gateway!r} is not a gateway")
    faults += _bus_faults(registry.devices, models, sites)
    for link in registry.links:
        faults += _link_faults(link, devices, models, sites)
    faults += _repeated("matrix row", (row.id for row in registry.matrix))
    for row in registry.matrix:
        faults += row_faults(row, devices, models, sites)
    for credential in registry.credentials:
        if credential.identity not in devices:
            faults.append(f"credential {credential.identity!r}: no such device")
        if not _SHA256.match(credential.token_sha256):
            faults.append(f"credential {credential.identity!r}: token_sha256 must be 64 lower-case hex digits")
        if credential.former_sha256 and not _SHA256.match(credential.former_sha256):
            faults.append(f"credential {credential.identity!r}: former_sha256 must be 64 lower-case hex digits")
    return faults


def registry_warnings(registry: Registry, about: Collection[str] | None = None) -> list[str]:
    """What is probably wrong with a registry without faults, each with place, reason and remedy: it may be used.
    `about`: only what has to do with these identities."""
    models = {model.key: model for model in registry.models}
    buses = _buses(registry.devices, models)[0]
    # A simulated line, such as a pseudo-terminal, has neither speed nor parity.
    simulated = {site.key for site in registry.sites if site.simulated}
    warnings: list[str] = []
    places: dict[tuple[str, UnitAddress], Device] = {}
    for device in registry.devices:
        bus, unit = buses.get(device.gateway), unit_address(device.address)
        bus_map = models[device.model].modbus if device.model in models else None
        if bus is None or unit is None or bus_map is None:
            continue
        at, there = f"device {device.identity}", places.setdefault((device.gateway, unit), device)
        if about is not None and not {device.identity, device.gateway, there.identity}.intersection(about):
            continue
        if there.model != device.model:
            warnings.append(
                f"{at}: stands at {device.address!r} of {device.gateway}, as {there.identity} of model"
                f" {there.model!r} does; if one has replaced the other, take the old one's address away"
            )
        if bus.framing is not Framing.TCP and unit.unit > HIGHEST_SERIAL_UNIT:
            warnings.append(
                f"{at}: unit {unit.unit} is reserved on a serial line (1 to {HIGHEST_SERIAL_UNIT} are for devices);"
                " see whether the device really answers to it"
            )
        said = (bus.baud, bus.parity, bus.stop_bits)
        line = bus_map.serial if device.site not in simulated else None
        if bus.framing is Framing.RTU and line and said != (line.baud, line.parity, line.stop_bits):
            warnings.append(
                f"{at}: is delivered with {line.baud} baud, parity {line.parity}, {line.stop_bits} stop bits, and the"
                f" line of {device.gateway} is set to {bus.baud}, {bus.parity}, {bus.stop_bits}; set one like the other"
            )
    return warnings


def _buses(
    devices: tuple[Device, ...], models: dict[str, DeviceModel]
) -> tuple[dict[str, BusAddress | None], list[str]]:
    """The bus (None: its address is wrong) by the identity of its gateway, and what is wrong with their addresses."""
    buses: dict[str, BusAddress | None] = {}
    lines: dict[tuple[str, int], str] = {}
    faults: list[str] = []
    for gateway in devices:
        model = models.get(gateway.model)
        if model is None or not _speaks_for_others(model) or not gateway.address:
            continue
        try:
            bus = buses[gateway.identity] = parse_bus_address(gateway.address)
        except ValueError as wrong:
            buses[gateway.identity] = None
            faults.append(f"device {gateway.identity}: address: {wrong}")
            continue
        # Whatever framing and settings it is given, it is one line, and one request at a time may be on it.
        first = lines.setdefault((bus.host.lower() or bus.device, bus.port), gateway.identity)
        if first != gateway.identity:
            faults.append(
                f"device {gateway.identity}: {first} is the gateway of the same bus ({gateway.address}); register its"
                " devices behind one of the two"
            )
    return buses, faults


def _speaks_for_others(model: DeviceModel) -> bool:
    """A gateway's address is a bus; that of a panel with a register map of its own is where it stands on one."""
    return model.kind is DeviceKind.GATEWAY and model.modbus is None


def _bus_faults(devices: tuple[Device, ...], models: dict[str, DeviceModel], sites: dict[str, Site]) -> list[str]:
    buses, faults = _buses(devices, models)
    simulated = {device.identity: sites[device.site].simulated for device in devices if device.site in sites}
    places: dict[tuple[str, str, UnitAddress], str] = {}
    for device in devices:
        model = models.get(device.model)
        if model is None or _speaks_for_others(model):
            continue
        at = f"device {device.identity}"
        if device.gateway not in buses:
            faults += [f"{at}: {reason}" for reason in _off_bus_faults(device, model)]
            continue
        faults += [f"{at}: {reason}" for reason in _unit_faults(device, model, buses[device.gateway])]
        if simulated.get(device.identity) is not simulated.get(device.gateway):
            faults.append(f"{at}: a simulated bus has simulated devices only, and a real one real devices")
        unit = unit_address(device.address)
        first = places.setdefault((device.gateway, device.model, unit), device.identity) if unit else device.identity
        if first != device.identity:
            faults.append(f"{at}: {first} of the same model stands at {device.address!r} already; give each its own")
    return faults


def _off_bus_faults(device: Device, model: DeviceModel) -> list[str]:
    if model.modbus is not None:
        return [
            f"model {model.key!r} is read on a bus: name as its gateway the one whose address is the bus"
            " (modbus+tcp://host:port), and as its address its unit there"
        ]
    if device.address:
        there = f"gateway {device.gateway} has no bus" if device.gateway else "it has no gateway"
        return [f"address {device.address!r} means nothing: {there}; leave it empty, or name a gateway with a bus"]
    return []


def _unit_faults(device: Device, model: DeviceModel, bus: BusAddress | None) -> list[str]:
    if model.modbus is None:
        return [
            f"model {model.key!r} has no [modbus] part, so it cannot be read on the bus of {device.gateway}; name the"
            " gateway that publishes for it, or a model with a register map"
        ]
    try:
        unit = parse_unit_address(device.address)
    except ValueError as wrong:
        return [f"address: {wrong}"]
    faults: list[str] = []
    if unit.channel > model.modbus.channels:
        faults.append(
            f"address: channel {unit.channel} is more than the {model.modbus.channels} of model {model.key!r}"
        )
    if bus is not None and bus.framing is not Framing.TCP and unit.unit == 0:
        faults.append(
            f"address: unit 0 is everybody on a serial line, and is never answered; 1 to {HIGHEST_SERIAL_UNIT}"
        )
    return faults


def _repeated(what: str, names: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    again: set[str] = set()
    for name in names:
        (again if name in seen else seen).add(name)
    return [f"{what} {name!r} is registered twice; keep one" for name in sorted(again)]


def _link_faults(
    link: Link, devices: dict[str, Device], models: dict[str, DeviceModel], sites: dict[str, Site]
) -> list[str]:
    at = f"link {link.detector} -> {link.valve}"
    missing = [end for end in (link.detector, link.valve) if end not in devices]
    if missing:
        return [f"{at}: {end!r} is not registered" for end in missing]
    detector, valve = devices[link.detector], devices[link.valve]
    kind = models[valve.model].kind if valve.model in models else None
    faults: list[str] = []
    if kind not in (DeviceKind.SHUT_OFF_VALVE, DeviceKind.SELF_CLOSING_VALVE, None):
        faults.append(f"{at}: {link.valve!r} is a {kind}, not a valve")
    here, there = sites.get(detector.site), sites.get(valve.site)
    if here is not None and there is not None and here.simulated != there.simulated:
        faults.append(f"{at}: a simulated site may only address simulated valves, and a real one real valves")
    return faults
