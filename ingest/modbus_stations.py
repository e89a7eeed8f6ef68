"""What the registry says of buses, laid out for the poller. Pure.

T1  A station is all measuring points of one model that one unit has at one base: read together by the fewest requests.
T2  A device that cannot be polled as it is registered is left out and named; it takes nobody else with it.
T3  Two gateways never share one link: the second of the same address is left out, because requests of two pollers on
    one line would meet.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from devices.addresses import BusAddress, Framing, is_bus_address, parse_bus_address, parse_unit_address
from devices.fleet import Fleet
from devices.models import DeviceKind, DeviceModel
from devices.register_map import RegisterMap
from devices.register_numbers import RawField, RawNumbers, raw_fields
from devices.registers import Plan, Read, plan_reads
from devices.sites import Device
from ingest.modbus_valves import Valve, commanded

#: Bits of a character on a serial line: start, eight, parity or second stop, stop (serial line 1.02, section 2.5.1).
BITS_PER_CHARACTER = 11
#: Silence between frames: 3.5 characters, and above 19,200 baud never less than 1.75 ms (section 2.5.1.1).
_SILENT_CHARACTERS, _LEAST_SILENCE_S = 3.5, 0.00175
#: Units of a serial line (section 2.2): 0 is everyone and never answers, those above 247 are reserved.
_SERIAL_UNITS = range(1, 248)


@dataclass(frozen=True, slots=True)
class Member:
    """A device of a station: its measuring point. place: as its frames say it (devices/codecs/frame.py W1)."""

    device_no: int
    identity: str
    channel: int
    place: int


@dataclass(frozen=True, slots=True)
class StationKey:
    """What a station is asked for by; with the fleet's model bodies it says all about it."""

    unit: int
    base: int
    model: str


@dataclass(frozen=True, slots=True)
class Station:
    """T1. reads, plan: how it is read. reply_within_s includes the time that a serial line takes. heartbeat: the
    field that must keep changing, and for how long it may stand still."""

    key: StationKey
    chart: RegisterMap
    members: tuple[Member, ...]
    plan: Plan = field(compare=False)
    fields: dict[str, RawField] = field(compare=False)
    interval_us: int
    gap_s: float
    reply_within_s: float
    bauds: int

    def frames(self, words: list[NDArray[np.uint16]]) -> list[tuple[Member, bytes]]:
        """The members' frames from the words of all reads."""
        whole = words[0] if len(words) == 1 else np.concatenate(words)
        return [(member, self.plan.frame(whole, member.channel)) for member in self.members]

    def heartbeat(self, frame: bytes) -> bytes:
        """What must change while the device lives; only of a map that declares a heartbeat."""
        assert self.chart.heartbeat is not None
        name = self.chart.heartbeat.field
        numbers = self._numbers(frame)
        if self.fields[name].type == "ascii":
            return numbers.text(name).tobytes()
        return numbers.pattern(name).tobytes()

    def position(self, frame: bytes) -> str:
        """Where the valve stands in a frame: the first entry that holds; empty when none does."""
        numbers = self._numbers(frame)
        return next((entry.position for entry in self.chart.valve if numbers.hold(entry.when)[0]), "")

    def within_s(self, read: Read) -> float:
        """Until when the reply to a read must be there."""
        return self.reply_within_s + self.line_s(8 + 5 + 2 * read.count)

    def line_s(self, characters: int) -> float:
        """How long so many characters take on the line; 0 for TCP."""
        return characters * BITS_PER_CHARACTER / self.bauds if self.bauds else 0.0

    def _numbers(self, frame: bytes) -> RawNumbers:
        return RawNumbers(self.fields, np.frombuffer(frame, ">u2").astype(np.uint16)[:, None])


@dataclass(frozen=True, slots=True)
class BusPlan:
    """One link and all that stands behind it. gap_s: least pause between two requests."""

    gateway_no: int
    gateway: str
    address: BusAddress
    gap_s: float
    stations: dict[StationKey, Station]
    valves: dict[int, Valve]


@dataclass(frozen=True, slots=True)
class Layout:
    """All buses of a fleet, by gateway number, and who could not be used and why (T2)."""

    buses: dict[int, BusPlan]
    unusable: tuple[str, ...]


def lay_out(fleet: Fleet) -> Layout:
    """The buses of a fleet."""
    behind = _behind(fleet)
    buses: dict[int, BusPlan] = {}
    links: dict[BusAddress, str] = {}
    unusable: list[str] = []
    pieces = _Pieces()
    for slot in fleet.slots_where(lambda model: model.kind is DeviceKind.GATEWAY):
        device = fleet.devices[slot]
        if device is None or not is_bus_address(device.address):
            continue
        try:
            address = parse_bus_address(device.address)
        except ValueError as wrong:
            unusable.append(f"{device.identity}: {wrong}")
            continue
        link = address.link
        if link in links:
            unusable.append(f"{device.identity}: {device.address} is the link of {links[link]} already")
            continue
        links[link] = device.identity
        buses[device.device_no] = _bus(device, address, behind.get(device.identity, []), pieces, unusable)
    return Layout(buses, tuple(unusable))


_Found = tuple[Device, DeviceModel, RegisterMap, int]


def _behind(fleet: Fleet) -> dict[str, list[_Found]]:
    """Gateway identity -> devices with a register map and an address behind it, and the place of their frames."""
    behind: dict[str, list[_Found]] = {}
    for slot in fleet.slots_where(lambda model: model.modbus is not None):
        device, model, place = fleet.devices[slot], fleet.model_by_slot[slot], int(fleet.place_by_slot[slot])
        if device is not None and model is not None and model.modbus is not None and device.gateway and device.address:
            behind.setdefault(device.gateway, []).append((device, model, model.modbus, place))
    return behind


class _Pieces:
    """What devices of one model share, made once."""

    def __init__(self) -> None:
        self._plans: dict[tuple[str, tuple[int, ...], int], Plan] = {}
        self._fields: dict[str, dict[str, RawField]] = {}

    def plan(self, model: str, chart: RegisterMap, channels: tuple[int, ...], base: int) -> Plan:
        key = (model, channels, base)
        if key not in self._plans:
            self._plans[key] = plan_reads(chart, channels, base)
        return self._plans[key]

    def fields(self, model: str, chart: RegisterMap) -> dict[str, RawField]:
        if model not in self._fields:
            self._fields[model] = raw_fields(chart)
        return self._fields[model]


def _bus(device: Device, address: BusAddress, behind: list[_Found], pieces: _Pieces, unusable: list[str]) -> BusPlan:
    found: dict[StationKey, tuple[DeviceModel, RegisterMap, list[Member]]] = {}
    valves: dict[int, Valve] = {}
    for one, model, chart, frame_place in behind:
        try:
            place = parse_unit_address(one.address)
            if address.framing is not Framing.TCP and place.unit not in _SERIAL_UNITS:
                raise ValueError(f"unit {place.unit} must be 1 to 247 on a serial line")
            pieces.plan(model.key, chart, (place.channel,), place.base)
            valve = commanded(one, model, chart, place)
        except ValueError as wrong:
            unusable.append(f"{one.identity}: {wrong}")
            continue
        key = StationKey(place.unit, place.base, model.key)
        member = Member(one.device_no, one.identity, place.channel, frame_place)
        found.setdefault(key, (model, chart, []))[2].append(member)
        if valve is not None:
            valves[one.device_no] = valve
    stations = {key: _station(key, address, pieces, *rest) for key, rest in found.items()}
    slowest = min((station.bauds for station in stations.values() if station.bauds), default=0)
    return BusPlan(
        gateway_no=device.device_no,
        gateway=device.identity,
        address=address,
        gap_s=max(address.gap_ms / 1000, frame_silence_s(slowest)),
        stations=stations,
        valves=valves,
    )


def frame_silence_s(bauds: int) -> float:
    """The least silence between two frames of a serial line; 0 for TCP."""
    return max(_SILENT_CHARACTERS * BITS_PER_CHARACTER / bauds, _LEAST_SILENCE_S) if bauds else 0.0


def _station(
    key: StationKey,
    address: BusAddress,
    pieces: _Pieces,
    model: DeviceModel,
    chart: RegisterMap,
    members: list[Member],
) -> Station:
    channels = tuple(sorted({member.channel for member in members}))
    return Station(
        key=key,
        chart=chart,
        members=tuple(members),
        plan=pieces.plan(key.model, chart, channels, key.base),
        fields=pieces.fields(key.model, chart),
        interval_us=round(model.report_interval_s * 1_000_000),
        gap_s=chart.gap_ms / 1000,
        reply_within_s=chart.reply_within_ms / 1000,
        bauds=_bauds(address, chart),
    )


def _bauds(address: BusAddress, chart: RegisterMap) -> int:
    """The speed of the line; behind a serial server we know only what the model is delivered with."""
    if address.framing is Framing.TCP:
        return 0
    if address.framing is Framing.RTU:
        return address.baud
    return chart.serial.baud if chart.serial else 9600
