"""Homes to simulate, described in exactly the JSON that `davy registry import` takes.

Tokens are derived from the seed, so that the importer and the simulator need to agree on one number only. Whoever
knows the seed knows every token: where it matters, draw the seed from `secrets.randbits(256)`.
"""

import hashlib
from collections import defaultdict
from typing import Annotated, NamedTuple

import msgspec

from devices.models import DeviceKind, DeviceModel, load_catalogue
from devices.sites import Link, MatrixRow, Site

VENDOR = "davysim"
DETECTOR_MODEL = "sim_detector_home"
SHUT_OFF_MODEL = "sim_valve_shut_off"
SELF_CLOSING_MODEL = "sim_valve_self_closing"
FAN_MODEL = "sim_fan"
GATEWAY_MODEL = "sim_gateway"
ENTERPRISE = "demo-gas"
#: A home's number has 5 digits, so that serials, and with them the load generator's packets, have one length.
MOST_HOMES = 99_999


class DeviceRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    vendor: str
    serial: str
    model: str
    site: str
    gateway: str = ""

    @property
    def identity(self) -> str:
        return f"{self.vendor}/{self.serial}"


class TokenRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`token` in clear: 256 bits in hex."""

    identity: str
    token: str


class HomesSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sites, devices, links, rows of the matrix and tokens; the import file is its JSON."""

    sites: tuple[Site, ...] = ()
    devices: tuple[DeviceRow, ...] = ()
    links: tuple[Link, ...] = ()
    tokens: tuple[TokenRow, ...] = ()
    matrix: tuple[MatrixRow, ...] = ()


class ValveMix(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many homes, relative to each other, have which valves. Default: of ten homes five have a shut-off valve,
    three a self-closing one and two have both."""

    shut_off: Annotated[int, msgspec.Meta(ge=0)] = 5
    self_closing: Annotated[int, msgspec.Meta(ge=0)] = 3
    both: Annotated[int, msgspec.Meta(ge=0)] = 2
    none: Annotated[int, msgspec.Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        if self.shut_off + self.self_closing + self.both + self.none == 0:
            raise ValueError("a mix of valves needs at least one share above 0")


class Plan(NamedTuple):
    """One device of a home: its row, its model and its token."""

    device: DeviceRow
    model: DeviceModel
    token: str


class HomePlan(NamedTuple):
    """One home of a `HomesSource`; a device it does not have is None."""

    site: Site
    detector: Plan
    shut_off: Plan | None
    self_closing: Plan | None
    fan: Plan | None = None


_DEFAULT_MIX = ValveMix()


def demo_homes(n: int, seed: int, mix: ValveMix = _DEFAULT_MIX, *, fans: bool = False) -> HomesSource:
    """`n` simulated homes; the same arguments give the same homes and tokens. `fans`: each has one, which a row of the
    matrix runs for its detector. Raises ValueError beyond 1..99,999."""
    if not 1 <= n <= MOST_HOMES:
        raise ValueError(f"{n} homes: 1 to {MOST_HOMES} can be simulated")
    sites: list[Site] = []
    devices: list[DeviceRow] = []
    links: list[Link] = []
    matrix: list[MatrixRow] = []
    for number in range(1, n + 1):
        site = _site(number)
        sites.append(site)
        detector = DeviceRow(VENDOR, f"det-{number:05}", DETECTOR_MODEL, site.key)
        shut_off, self_closing = _valves_of(number - 1, mix)
        valves = [DeviceRow(VENDOR, f"sov-{number:05}", SHUT_OFF_MODEL, site.key)] if shut_off else []
        valves += [DeviceRow(VENDOR, f"scv-{number:05}", SELF_CLOSING_MODEL, site.key)] if self_closing else []
        devices += [detector, *valves]
        links += [Link(detector.identity, valve.identity) for valve in valves]
        if fans:
            fan = DeviceRow(VENDOR, f"fan-{number:05}", FAN_MODEL, site.key)
            devices.append(fan)
            matrix.append(MatrixRow(f"fan-{number:05}", (detector.identity,), fans=(fan.identity,)))
    tokens = tuple(TokenRow(device.identity, token_of(device.identity, seed)) for device in devices)
    return HomesSource(tuple(sites), tuple(devices), tuple(links), tokens, tuple(matrix))


def load_homes(devices: int, gateways: int, seed: int) -> HomesSource:
    """What the load generator speaks for: `devices` detectors behind `gateways` gateways (device i behind gateway
    i mod gateways), or, with 0 gateways, each by itself."""
    site = Site("load", "Load", "", "load", "UTC", simulated=True)
    fronts = [DeviceRow(VENDOR, f"lgw-{i:05}", GATEWAY_MODEL, site.key) for i in range(gateways)]
    heads = [
        DeviceRow(VENDOR, f"lod-{i:06}", DETECTOR_MODEL, site.key, fronts[i % gateways].identity if fronts else "")
        for i in range(devices)
    ]
    tokens = tuple(TokenRow(device.identity, token_of(device.identity, seed)) for device in fronts or heads)
    return HomesSource((site,), (*fronts, *heads), (), tokens)


def probe_homes(pairs: int, seed: int) -> HomesSource:
    """What the latency probe speaks for: `pairs` detectors, each linked to one shut-off valve; all with tokens."""
    site = Site("probe", "Probe", "", "load", "UTC", simulated=True)
    detectors = [DeviceRow(VENDOR, f"prd-{i:05}", DETECTOR_MODEL, site.key) for i in range(pairs)]
    valves = [DeviceRow(VENDOR, f"prv-{i:05}", SHUT_OFF_MODEL, site.key) for i in range(pairs)]
    devices = (*detectors, *valves)
    links = tuple(Link(d.identity, v.identity) for d, v in zip(detectors, valves, strict=True))
    tokens = tuple(TokenRow(device.identity, token_of(device.identity, seed)) for device in devices)
    return HomesSource((site,), devices, links, tokens)


def together(*sources: HomesSource) -> HomesSource:
    """Several sources as one import."""
    return HomesSource(
        sites=tuple(site for source in sources for site in source.sites),
        devices=tuple(device for source in sources for device in source.devices),
        links=tuple(link for source in sources for link in source.links),
        tokens=tuple(token for source in sources for token in source.tokens),
        matrix=tuple(row for source in sources for row in source.matrix),
    )


def encode_homes(source: HomesSource) -> bytes:
    return msgspec.json.format(msgspec.json.encode(source), indent=1)


def decode_homes(body: bytes) -> HomesSource:
    """The inverse. Raises ValueError naming the path that is wrong."""
    return msgspec.json.decode(body, type=HomesSource)


def home_plans(source: HomesSource) -> tuple[HomePlan, ...]:
    """The homes of a source, in the order of its sites. A site without a detector of its own is no home.
    Raises ValueError for a device whose model or token is missing."""
    models = {model.key: model for model in load_catalogue()}
    tokens = {row.identity: row.token for row in source.tokens}
    by_site: dict[str, dict[DeviceKind, Plan]] = defaultdict(dict)
    for device in source.devices:
        model, token = models.get(device.model), tokens.get(device.identity)
        if model is None:
            raise ValueError(f"device {device.identity}: model {device.model!r} is not in the catalogue")
        if token is None:
            raise ValueError(f"device {device.identity}: no token")
        by_site[device.site][model.kind] = Plan(device, model, token)
    return tuple(
        HomePlan(
            site,
            plans[DeviceKind.DETECTOR],
            plans.get(DeviceKind.SHUT_OFF_VALVE),
            plans.get(DeviceKind.SELF_CLOSING_VALVE),
            plans.get(DeviceKind.FAN),
        )
        for site in source.sites
        if DeviceKind.DETECTOR in (plans := by_site[site.key])
    )


def token_of(identity: str, seed: int) -> str:
    """256 bits in hex, from the identity and the seed."""
    return hashlib.blake2b(f"token|{seed}|{identity}".encode(), digest_size=32).hexdigest()


def _site(number: int) -> Site:
    floor, door = divmod(number - 1, 4)
    building, floor = divmod(floor, 18)
    address = f"Safety Lamp Lane {building + 1}, {floor + 1}-{door + 1}"
    return Site(f"home-{number:05}", f"Home {number}", address, ENTERPRISE, "Asia/Shanghai", simulated=True)


def _valves_of(index: int, mix: ValveMix) -> tuple[bool, bool]:
    """(shut-off, self-closing) of home `index`: the shares, in order, over and over."""
    kinds = ((mix.shut_off, (True, False)), (mix.self_closing, (False, True)), (mix.both, (True, True)))
    shares = [*kinds, (mix.none, (False, False))]
    place = index % sum(share for share, _ in shares)
    for share, valves in shares:
        if place < share:
            return valves
        place -= share
    raise AssertionError("place lies below the sum of all shares")
