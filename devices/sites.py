"""The registry as the engine needs it: sites, devices, links of detector and valve, credentials. Frozen, no I/O.

One `Registry` is one document: journaled by hash, kept whole in the engine store, so that the engine starts and
protects without PostgreSQL (G3).
"""

import hashlib
import re
from collections.abc import Iterable

import msgspec

from devices.models import DeviceKind, DeviceModel
from devices.topics import ID_PATTERN

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


class Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A place where gas is used. `simulated` sites address only simulated valves (G10)."""

    key: str
    name: str = ""
    address: str = ""
    enterprise: str = ""
    timezone: str = "UTC"
    simulated: bool = False


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

    @property
    def identity(self) -> str:
        """`vendor/serial`: the MQTT user name and the middle of its topics."""
        return f"{self.vendor}/{self.serial}"


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An alarm at `detector` closes `valve`; both are identities. A detector may have several valves, and a valve
    several detectors."""

    detector: str
    valve: str


class Credential(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device's token, as the SHA-256 (hex) of its 256 random bits."""

    identity: str
    token_sha256: str


class Registry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything the engine knows of the outside world."""

    models: tuple[DeviceModel, ...] = ()
    sites: tuple[Site, ...] = ()
    devices: tuple[Device, ...] = ()
    links: tuple[Link, ...] = ()
    credentials: tuple[Credential, ...] = ()


def token_sha256(token: str) -> str:
    """What is kept of a token: its SHA-256 in hex. The token is 256 random bits, so no salt is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def encode_registry(registry: Registry) -> bytes:
    """The document's bytes; the same registry gives the same bytes, so the hash names it."""
    return msgspec.json.encode(registry)


def decode_registry(body: bytes) -> Registry:
    """The inverse. Raises ValueError (msgspec.ValidationError is one) naming the path that is wrong."""
    return msgspec.json.decode(body, type=Registry)


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
    for link in registry.links:
        faults += _link_faults(link, devices, models, sites)
    for credential in registry.credentials:
        if credential.identity not in devices:
            faults.append(f"credential {credential.identity!r}: no such device")
        if not _SHA256.match(credential.token_sha256):
            faults.append(f"credential {credential.identity!r}: token_sha256 must be 64 lower-case hex digits")
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
