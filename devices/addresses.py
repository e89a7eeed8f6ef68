"""Where a device on a bus is reached, as the registry writes it.

A gateway (or the serial port itself) has a URL:
    modbus+tcp://192.0.2.7:502            Modbus TCP; 502 is IANA's mbap
    modbus+rtu+tcp://192.0.2.7:4001       RTU frames over TCP, as serial servers pass them on
    modbus+rtu:/dev/ttyUSB0?baud=9600&parity=even&stop_bits=1
    any of them with ?gap_ms=20           least pause between two requests on this link
A device behind it has `unit[/channel][?base=N]`: "7", "7/3", "7?base=200". `base` is added to the map's own.

A1  Every part of an address that is accepted is used as it is written; what would be dropped, rounded or guessed is
    refused. (A URL parser would take `host:0` for no port, drop a fragment, and let the last of two keys win.)
"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum

#: Unit addresses of Modbus over serial line (1.02, section 2.2); 0 is broadcast and never answered. On TCP 0 and 255
#: mean the server itself, so they are allowed there.
LOWEST_UNIT, HIGHEST_UNIT = 0, 255
HIGHEST_BASE = 65_535
#: IANA's port for mbap, Modbus TCP.
DEFAULT_PORT = 502
_UNIT = re.compile(r"([0-9]{1,3})(?:/([0-9]{1,4}))?(?:\?base=([0-9]{1,5}))?\Z")
_HOST_PORT = re.compile(r"//(?:\[([0-9A-Fa-f:.]+(?:%\w+)?)\]|([^\s\[\]:@/%\\]+))(?::([0-9]{1,5}))?/?\Z")
_DEVICE = re.compile(r"/(?!/)[^?]*\Z")
_WHOLE, _DECIMAL = re.compile(r"[0-9]+\Z"), re.compile(r"[0-9]+(?:\.[0-9]+)?\Z")


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

    @property
    def link(self) -> "BusAddress":
        """The link alone, however fast it is asked: what two pollers must never share."""
        return replace(self, gap_ms=0.0)


@dataclass(frozen=True, slots=True)
class UnitAddress:
    """A measuring point on a bus. `channel` counts from 1."""

    unit: int
    channel: int = 1
    base: int = 0


def is_bus_address(text: str) -> bool:
    """Whether an address is meant as a bus: everything is but a unit, which begins with a digit. So a bus that is
    written wrong is refused by `parse_bus_address`, and never overlooked."""
    return bool(text) and text[0] not in "0123456789"


def parse_bus_address(text: str) -> BusAddress:
    """Raises ValueError with the reason and what is expected."""
    if not text.isprintable() or text != text.strip():
        raise ValueError(f"{text!r}: holds blanks at its ends, or characters that cannot be seen; take them away")
    if "#" in text:
        raise ValueError(f"{text!r}: '#' and what follows mean nothing here; take them away")
    scheme, _, rest = text.partition(":")
    try:
        framing = Framing(scheme)
    except ValueError:
        raise ValueError(f"{text!r}: the scheme must be one of {', '.join(Framing)}, in lower case") from None
    place, asks, query = rest.partition("?")
    asked = _asked(text, framing, query) if asks else {}
    gap_ms = _number(text, "gap_ms", asked.get("gap_ms", "0"), 0, 60_000, _DECIMAL)
    if framing is Framing.RTU:
        if not _DEVICE.match(place):
            raise ValueError(f"{text!r}: a serial port is written modbus+rtu:/dev/ttyUSB0")
        parity = asked.get("parity", "none")
        if parity not in ("none", "even", "odd"):
            raise ValueError(f"{text!r}: parity {parity!r} must be none, even or odd")
        return BusAddress(
            framing,
            device=place,
            baud=int(_number(text, "baud", asked.get("baud", "9600"), 300, 4_000_000)),
            parity=parity,
            stop_bits=int(_number(text, "stop_bits", asked.get("stop_bits", "1"), 1, 2)),
            gap_ms=gap_ms,
        )
    found = _HOST_PORT.match(place)
    if found is None:
        hint = "; an IPv6 host stands in [ ]" if "[" in place or place.count(":") > 1 else ""
        raise ValueError(f"{text!r}: must be {framing}://host:port{hint}")
    port = int(_number(text, "port", found[3] or str(DEFAULT_PORT), 1, 65_535))
    return BusAddress(framing, host=(found[1] or found[2]).lower(), port=port, gap_ms=gap_ms)


def unit_address(text: str) -> UnitAddress | None:
    """The same as `parse_unit_address`; None for what is no unit."""
    try:
        return parse_unit_address(text)
    except ValueError:
        return None


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


def _asked(text: str, framing: Framing, query: str) -> dict[str, str]:
    """What stands behind the question mark, every key once."""
    allowed = {"gap_ms"} | ({"baud", "parity", "stop_bits"} if framing is Framing.RTU else set())
    asked: dict[str, str] = {}
    for part in query.split("&"):
        name, _, said = part.partition("=")
        if name not in allowed:
            raise ValueError(f"{text!r}: {name!r} is not one of {', '.join(sorted(allowed))}")
        if not said:
            raise ValueError(f"{text!r}: {name} has no value; write {name}=... or leave it away")
        if name in asked:
            raise ValueError(f"{text!r}: {name} is given twice; keep one")
        asked[name] = said
    return asked


def _number(text: str, name: str, said: str, lowest: float, highest: float, written: re.Pattern[str] = _WHOLE) -> float:
    if not written.match(said) or not lowest <= float(said) <= highest:
        kind = "a whole number, " if written is _WHOLE else ""
        raise ValueError(f"{text!r}: {name} = {said} must be {kind}{lowest:.10g} to {highest:.10g}")
    return float(said)
