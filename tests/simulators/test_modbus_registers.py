"""The simulated units answer as the standard says, byte for byte."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from devices.register_map import Space
from simulators.modbus.registers import Registers
from simulators.modbus.wire import NotModbus, check_sum, mbap_frame, rtu_frame, take_mbap, take_rtu
from simulators.modbus.words import Place


def unit() -> Registers:
    registers = Registers()
    registers.define(Space.HOLDING, range(10))
    registers.define(Space.INPUT, range(100, 104))
    registers.define(Space.COIL, range(20))
    registers.writable[Space.HOLDING] |= {4, 5}
    registers.writable[Space.COIL] |= {2, 3}
    registers.tables[Space.HOLDING].update({0: 0x1234, 1: 0xFFFF})
    registers.tables[Space.COIL].update({0: 1, 9: 1})
    return registers


def asked(request: str, takes: bool = True) -> str:
    taken: list[tuple[int, ...]] = []

    def take(_function: int, _at: int, values: tuple[int, ...]) -> bool:
        taken.append(values)
        return takes

    return unit().answer(bytes.fromhex(request), take).hex(" ")


@pytest.mark.parametrize(
    ("request_hex", "reply"),
    [
        ("03 0000 0002", "03 04 12 34 ff ff"),
        ("04 0064 0001", "04 02 00 00"),
        ("01 0000 000a", "01 02 01 02"),
        ("05 0002 ff00", "05 00 02 ff 00"),
        ("06 0004 0007", "06 00 04 00 07"),
        ("0f 0002 0002 01 03", "0f 00 02 00 02"),
        ("10 0004 0002 04 0001 0002", "10 00 04 00 02"),
        # Exceptions: 1 for the function, 3 for a quantity or a value, 2 for an address.
        ("2b 0e 01 00", "ab 01"),
        ("03 0000 0000", "83 03"),
        ("03 0000 007e", "83 03"),
        ("03 0009 0002", "83 02"),
        ("02 0000 0001", "82 02"),
        ("03 00", "83 03"),
        ("05 0002 0001", "85 03"),
        ("06 0000 0001", "86 02"),
        ("0f 0002 0002 02 0300", "8f 03"),
        ("10 0004 0002 03 000100", "90 03"),
        ("10 0004 0002 02 0001", "90 03"),
        ("10 0005 0002 04 0001 0002", "90 02"),
    ],
)
def test_a_request_is_answered_as_the_standard_says(request_hex: str, reply: str) -> None:
    assert asked(request_hex) == reply


def test_a_value_the_device_does_not_know_is_refused_and_not_kept() -> None:
    assert asked("06 0004 0007", takes=False) == "86 03"


def test_what_is_written_is_read_back() -> None:
    registers = unit()
    registers.answer(bytes.fromhex("10 0004 0002 04 abcd 0002"), lambda *_: True)
    assert registers.answer(bytes.fromhex("03 0004 0002"), lambda *_: True).hex() == "0304abcd0002"


def test_some_gateways_read_zero_where_nobody_has_a_register() -> None:
    registers = unit()
    registers.zero_for_undefined = True
    assert registers.answer(bytes.fromhex("03 0009 0002"), lambda *_: True).hex() == "030400000000"


def test_a_bit_changes_nothing_else_in_its_word() -> None:
    registers = unit()
    registers.put({Place(Space.HOLDING, 0, 0): 1, Place(Space.HOLDING, 0, 2): 0})
    assert registers.tables[Space.HOLDING][0] == 0x1231


def test_the_check_sum_is_that_of_a_frame_in_the_field() -> None:
    # The reading request of a Winsen-type gas module as its data sheets print it: 01 03 00 00 00 01 84 0A.
    assert check_sum(bytes.fromhex("01 03 00 00 00 01")) == bytes.fromhex("84 0a")


PDUS = st.one_of(
    st.builds(
        lambda f, a, b: bytes((f,)) + a.to_bytes(2) + b.to_bytes(2),
        st.sampled_from([1, 2, 3, 4, 5, 6]),
        st.integers(0, 0xFFFF),
        st.integers(0, 0xFFFF),
    ),
    st.builds(
        lambda a, words: b"\x10" + a.to_bytes(2) + len(words).to_bytes(2) + bytes((2 * len(words),)) + b"".join(words),
        st.integers(0, 0xFFFF),
        st.lists(st.binary(min_size=2, max_size=2), min_size=1, max_size=10),
    ),
)


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 255), PDUS), max_size=5), st.data())
def test_requests_on_tcp_come_out_whole_however_the_bytes_are_cut(
    requests: list[tuple[int, int, bytes]], data: st.DataObject
) -> None:
    stream = b"".join(mbap_frame(*request) for request in requests)
    buffer, out = bytearray(), []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        buffer += stream[:cut]
        stream = stream[cut:]
        while (request := take_mbap(buffer)) is not None:
            out.append(tuple(request))
    assert out == requests
    assert not buffer


@given(st.integers(1, 247), PDUS, st.binary(max_size=7), st.data())
def test_a_request_on_a_serial_line_is_heard_through_noise_before_it(
    unit: int, pdu: bytes, noise: bytes, data: st.DataObject
) -> None:
    # Noise that announces a long write, by itself or with the unit behind it, may swallow what follows until the next
    # pause.
    noise = bytes(0xFF if byte in (15, 16) else byte for byte in noise)
    assume(not noise or unit not in (15, 16))
    stream = noise + rtu_frame(unit, pdu)
    cut = data.draw(st.integers(0, len(stream)))
    buffer = bytearray(stream[:cut])
    first = take_rtu(buffer)
    buffer += stream[cut:]
    heard = first or take_rtu(buffer)
    assert heard is not None
    assert (heard.unit, heard.pdu) == (unit, pdu)


@given(st.binary(max_size=300))
def test_no_bytes_make_a_server_stumble(data: bytes) -> None:
    buffer = bytearray(data)
    try:
        while take_mbap(buffer) is not None:
            pass
    except NotModbus:
        pass
    assert len(buffer) <= len(data)
    serial = bytearray(data)
    while take_rtu(serial) is not None:
        pass
    assert len(serial) <= len(data)


@given(st.binary(min_size=1, max_size=300))
def test_no_request_makes_a_unit_stumble(pdu: bytes) -> None:
    reply = unit().answer(pdu, lambda *_: True)
    assert reply[0] & 0x7F == pdu[0] & 0x7F
    assert len(reply) <= 253
