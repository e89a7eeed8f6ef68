"""What counts as the reply to a request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.register_map import Space
from devices.registers import Read, WireWrite
from ingest.modbus_errors import BusError, NoReply, Refused, TargetSilent, Unable, WrongReply, refusal
from ingest.modbus_replies import READ_FUNCTION, check_echo, words_of
from tests.modbus.outstation import Outstation

reads = st.builds(Read, st.sampled_from(list(Space)), st.integers(0, 1_000), st.integers(1, 125))
writes = st.one_of(
    st.builds(WireWrite, st.just(5), st.integers(0, 65_535), st.tuples(st.integers(0, 1)), st.just(0.0), st.just(())),
    st.builds(
        WireWrite, st.just(6), st.integers(0, 65_535), st.tuples(st.integers(0, 65_535)), st.just(0.0), st.just(())
    ),
    st.builds(
        WireWrite,
        st.just(16),
        st.integers(0, 60_000),
        st.lists(st.integers(0, 65_535), min_size=1, max_size=20).map(tuple),
        st.just(0.0),
        st.just(()),
    ),
)


@given(reads, st.data())
def test_the_words_of_a_true_reply_are_those_the_device_holds(read, data):
    bits = read.space in (Space.COIL, Space.DISCRETE)
    values = data.draw(
        st.lists(st.integers(0, 1 if bits else 65_535), min_size=read.count, max_size=read.count), label="values"
    )
    outstation = Outstation()
    bank = outstation.banks[1]
    held = {Space.COIL: bank.coils, Space.DISCRETE: bank.discrete, Space.INPUT: bank.inputs}.get(
        read.space, bank.holding
    )
    held |= {read.first + at: value for at, value in enumerate(values)}
    request = bytes((READ_FUNCTION[read.space],)) + read.first.to_bytes(2, "big") + read.count.to_bytes(2, "big")
    assert words_of(outstation.answer(1, request), read).tolist() == values


@given(reads, st.binary(max_size=260))
def test_no_bytes_make_it_fail_otherwise_than_by_its_own_errors(read, pdu):
    try:
        words = words_of(pdu, read)
    except BusError:
        return
    assert len(words) == read.count


@given(writes, st.data())
def test_an_echo_is_right_only_byte_for_byte(write, data):
    outstation = Outstation()
    values = b"".join(value.to_bytes(2, "big") for value in write.values)
    many = b"" if write.function < 15 else len(write.values).to_bytes(2, "big") + bytes((len(values),))
    if write.function == 5:
        values = b"\xff\x00" if write.values[0] else b"\x00\x00"
    request = bytes((write.function,)) + write.at.to_bytes(2, "big") + many + values
    answer = outstation.answer(1, request)
    check_echo(answer, write)
    at = data.draw(st.integers(0, len(answer) - 1))
    bent = bytearray(answer)
    bent[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(BusError):
        check_echo(bytes(bent), write)
    with pytest.raises(WrongReply):
        check_echo(answer[:-1], write)


def test_exceptions_tell_whether_to_ask_again():
    assert all(type(refusal(code)) is Refused for code in (1, 2, 3))
    assert all(type(refusal(code)) is Unable for code in (4, 5, 6, 7, 8, 99))
    assert all(type(refusal(code)) is TargetSilent and isinstance(refusal(code), NoReply) for code in (10, 11))
    assert "illegal data address" in str(refusal(2))
