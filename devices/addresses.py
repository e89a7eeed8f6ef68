"""Where a device on a bus is reached, as the registry writes it.

A gateway (or the serial port itself) has a URL:
    modbus+tcp://192.0.2.7:502            Modbus TCP; 502 is IANA's mbap
    modbus+rtu+tcp://192.0.2.7:4001       RTU frames over TCP, as serial servers pass them on
    modbus+rtu:/dev/ttyUSB0?baud=9600&parity=even&stop_bits=1
    any of them with ?gap_ms=20           least pause between two requests on this link
A device behind it has `unit[/channel][?base=N]`: "7", "7/3", "7?base=200". `base` is added to the map's own.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qsl, urlsplit

#: Unit addresses of Modbus over serial line (1.02, section 2.2); 0 is broadcast and never answered. On TCP 0 and 255
#: mean the server itself, so they are allowed there.
LOWEST_UNIT, HIGHEST_UNIT = 0, 255
HIGHEST_BASE = 65_535
_UNIT = re.compile(r"(\d{1,3})(?:/(\d{1,4}))?(?:\?base=(\d{1,5}))?\Z")


class Framing(StrEnum):
    TCP = "modbus+tcp"
    RTU_OVER_TCP = "modbus+rtu+tcp"
    RTU = "modbus+rtu"


@dataclass(frozen=True, slots=True)
class BusAddress:
    """A link to a bus. `host`, `port`: for the two over TCP. `device`, `baud`, `parity`, `stop_bits`: for RTU."""

    framing: Framing
    host: str = ""
    port: int = 0
    device: str = ""
    baud: int = 9600
    parity: str = "none"
    stop_bits: int = 1
    gap_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class UnitAddress:
    """A measuring point on a bus. `channel` counts from 1."""

    unit: int
    channel: int = 1
    base: int = 0


def is_bus_address(text: str) -> bool:
    """Whether a gateway's address means a bus that we poll."""
    return text.startswith("modbus+")


def parse_bus_address(text: str) -> BusAddress:
    """Raises ValueError with the reason and what is expected."""
    parts = urlsplit(text)
    try:
        framing = Framing(parts.scheme)
    except ValueError:
        raise ValueError(f"{text!r}: the scheme must be one of {', '.join(Framing)}") from None
    asked = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    allowed = {"gap_ms"} | ({"baud", "parity", "stop_bits"} if framing is Framing.RTU else set())
    strange = sorted(asked.keys() - allowed)
    if strange:
        raise ValueError(f"{text!r}: {strange[0]!r} is not one of {', '.join(sorted(allowed))}")
    gap_ms = _number(text, "gap_ms", asked.get("gap_ms", "0"), 0, 60_000)
    if framing is Framing.RTU:
        if parts.netloc or not parts.path.startswith("/"):
            raise ValueError(f"{text!r}: a serial port is written modbus+rtu:/dev/ttyUSB0")
        parity = asked.get("parity", "none")
        if parity not in ("none", "even", "odd"):
            raise ValueError(f"{text!r}: parity {parity!r} must be none, even or odd")
        return BusAddress(
            framing,
            device=parts.path,
            baud=int(_number(text, "baud", asked.get("baud", "9600"), 300, 4_000_000)),
            parity=parity,
            stop_bits=int(_number(text, "stop_bits", asked.get("stop_bits", "1"), 1, 2)),
            gap_ms=gap_ms,
        )
    try:
        host, port = parts.hostname, parts.port or 502
    except ValueError as wrong:
        raise ValueError(f"{text!r}: {wrong}") from None
    if not host or parts.path not in ("", "/") or parts.username is not None:
        raise ValueError(f"{text!r}: must be {framing}://host:port")
    return BusAddress(framing, host=host, port=port, gap_ms=gap_ms)


def parse_unit_address(text: str) -> UnitAddress:
    """Raises ValueError with the reason and what is expected."""
    match = _UNIT.match(text)
    if match is None:
        raise ValueError(f"{text!r}: must be unit, unit/channel or unit/channel?base=N, such as 7 or 7/3")
    unit, channel, base = int(match[1]), int(match[2] or 1), int(match[3] or 0)
    if not LOWEST_UNIT <= unit <= HIGHEST_UNIT:
        raise ValueError(f"{text!r}: unit {unit} must be {LOWEST_UNIT} to {HIGHEST_UNIT}")
    if channel < 1:
        raise ValueError(f"{text!r}: channels count from 1")
    if base > HIGHEST_BASE:
        raise ValueError(f"{text!r}: base {base} must be at most {HIGHEST_BASE}")
    return UnitAddress(unit, channel, base)


def _number(text: str, name: str, said: str, lowest: float, highest: float) -> float:
    try:
        number = float(said)
    except ValueError:
        number = float("nan")
    if not lowest <= number <= highest:
        raise ValueError(f"{text!r}: {name} = {said} must be {lowest:g} to {highest:g}")
    return number
