"""A1 of devices/addresses.py: an address means what is written, or is refused with the reason."""

import re
from string import printable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.addresses import (
    BusAddress,
    Framing,
    UnitAddress,
    is_bus_address,
    parse_bus_address,
    parse_unit_address,
    unit_address,
)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("MODBUS+TCP://h:1", "the scheme must be one of modbus+tcp, modbus+rtu+tcp, modbus+rtu, in lower case"),
        ("modbus+tcp://h:0", "port = 0 must be a whole number, 1 to 65535"),
        ("modbus+tcp://h:65536", "port = 65536 must be a whole number, 1 to 65535"),
        ("modbus+tcp://h:\u0665", "must be modbus+tcp://host:port"),
        ("modbus+tcp://[::1", "an IPv6 host stands in [ ]"),
        ("modbus+tcp://::1:502", "an IPv6 host stands in [ ]"),
        ("modbus+tcp://[::1]x:502", "must be modbus+tcp://host:port"),
        ("modbus+tcp://me@h:1", "must be modbus+tcp://host:port"),
        ("modbus+tcp://h:1/2", "must be modbus+tcp://host:port"),
        ("modbus+tcp://h\n:1", "cannot be seen"),
        (" modbus+tcp://h:1", "blanks at its ends"),
        ("modbus+tcp:h", "must be modbus+tcp://host:port"),
        ("modbus+tcp://h:1#2", "'#' and what follows mean nothing here"),
        ("modbus+rtu:/dev/ttyS1#2", "'#' and what follows mean nothing here"),
        ("modbus+rtu:/dev/ttyS1?stop_bits=1.5", "stop_bits = 1.5 must be a whole number, 1 to 2"),
        ("modbus+rtu:/dev/ttyS1?baud=9_600", "baud = 9_600 must be a whole number, 300 to 4000000"),
        ("modbus+rtu:/dev/ttyS1?baud=9600&baud=19200", "baud is given twice; keep one"),
        ("modbus+rtu:/dev/ttyS1?parity=E", "parity 'E' must be none, even or odd"),
        ("modbus+rtu://dev/ttyS1", "a serial port is written modbus+rtu:/dev/ttyUSB0"),
        ("modbus+tcp://h:1?gap_ms", "gap_ms has no value"),
        ("modbus+tcp://h:1?gap_ms=inf", "gap_ms = inf must be 0 to 60000"),
        ("modbus+tcp://h:1?baud=9600", "'baud' is not one of gap_ms"),
        ("modbus+tcp://h:1?", "'' is not one of gap_ms"),
    ],
)
def test_a_bus_that_would_be_taken_for_another_is_refused_with_its_text_and_the_remedy(text: str, why: str) -> None:
    assert is_bus_address(text)
    with pytest.raises(ValueError, match=re.escape(f"{text!r}: ") + ".*" + re.escape(why)):
        parse_bus_address(text)


@pytest.mark.parametrize("text", ["", "x", "\u0667", "7/\u0663", "7?base=\u0661", "256", "7/0", "7?base=65536", "7#1"])
def test_a_unit_that_is_none_is_refused_with_its_text(text: str) -> None:
    assert unit_address(text) is None
    with pytest.raises(ValueError, match=re.escape(f"{text!r}: ")):
        parse_unit_address(text)


def written(address: BusAddress) -> str:
    """The address in full."""
    if address.framing is Framing.RTU:
        line = f"baud={address.baud}&parity={address.parity}&stop_bits={address.stop_bits}"
        return f"{address.framing}:{address.device}?{line}&gap_ms={address.gap_ms:f}"
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{address.framing}://{host}:{address.port}?gap_ms={address.gap_ms:f}"


TYPED = (*Framing, *":/?#&=@%[]. \t", "//", "://", "h", "::1", ":502", "0", "/dev/ttyS1", "1.5", "2", "\u0662")
KEYS = ("none", "gap_ms", "baud", "parity", "stop_bits", "?gap_ms=", "&baud=9600", "?stop_bits=")
PIECES = st.sampled_from((*TYPED, *KEYS))


@given(st.one_of(st.lists(PIECES, max_size=9).map("".join), st.text(printable, max_size=12)), st.sampled_from(Framing))
def test_whatever_bus_is_accepted_comes_back_from_its_parts_and_no_part_is_lost(rest: str, framing: Framing) -> None:
    text = f"{framing}{rest}"
    try:
        address = parse_bus_address(text)
    except ValueError:
        return
    assert parse_bus_address(written(address)) == address
    place, _, query = text.partition("?")
    assert "#" not in text
    assert place.startswith(f"{address.framing}:")
    assert (address.host or address.device) in place.lower() + place
    said = [pair.split("=") for pair in query.split("&") if query]
    assert len({name for name, _ in said}) == len(said)
    for name, value in said:
        assert getattr(address, name) == (value if name == "parity" else float(value))
    digits = place.removesuffix("/").rpartition(":")[2]
    if address.framing is not Framing.RTU and digits.isdigit():
        assert address.port == int(digits) > 0


@given(
    st.builds(
        BusAddress,
        st.sampled_from([Framing.TCP, Framing.RTU_OVER_TCP]),
        host=st.sampled_from(["h", "192.0.2.7", "fe80::1%eth0", "::1", "gateway-1.example"]),
        port=st.integers(1, 65_535),
        gap_ms=st.integers(0, 60_000).map(float),
    )
    | st.builds(
        BusAddress,
        st.just(Framing.RTU),
        device=st.sampled_from(["/dev/ttyUSB0", "/dev/serial/by-id/usb-1:2-if00", "/tmp/a line"]),
        baud=st.integers(300, 4_000_000),
        parity=st.sampled_from(["none", "even", "odd"]),
        stop_bits=st.integers(1, 2),
        gap_ms=st.integers(0, 60_000).map(float),
    )
)
def test_every_bus_can_be_written(address: BusAddress) -> None:
    text = written(address)
    assert is_bus_address(text)
    assert parse_bus_address(text) == address


@given(st.integers(0, 255), st.integers(1, 9999), st.integers(0, 65_535))
def test_every_unit_can_be_written(unit: int, channel: int, base: int) -> None:
    text = f"{unit}/{channel}?base={base}"
    assert not is_bus_address(text)
    assert parse_unit_address(text) == UnitAddress(unit, channel, base)
    assert parse_unit_address(f"{unit}") == UnitAddress(unit)


@given(st.text("0123456789/?base=\u0661\u0967 ", max_size=10))
def test_whatever_unit_is_accepted_holds_no_digit_of_another_script(text: str) -> None:
    found = unit_address(text)
    if found is not None:
        assert text.isascii()
        assert f"{found.unit}" == text.partition("?")[0].partition("/")[0].lstrip("0") or found.unit == 0
