"""CBOR says the same as JSON, and what only CBOR can say is refused."""

import itertools
import json
import random

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.codecs.cbor_items import split
from devices.codecs.native import CBOR, decode
from devices.codecs.native_cbor import decode_cbor
from devices.codecs.native_json import decode_json
from devices.codecs.telemetry import FIELDS, FLAG_NAMES, MOST_READINGS, PayloadRefused
from devices.readings import READING
from simulators.fuzz import cbor_payloads, reading


def reason(payload: bytes) -> str:
    decoded = decode_cbor([payload])
    assert len(decoded.rows) == 0
    assert [one.message for one in decoded.refused] == [0]
    return decoded.refused[0].reason


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 2**32))
def test_a_reading_means_the_same_in_cbor_and_in_json(seed: int) -> None:
    said = [reading(random.Random(seed + at)) for at in range(3)]
    by_json = decode_json([json.dumps(one).encode() for one in said])
    by_cbor = decode_cbor([cbor2.dumps(one) for one in said])
    for name in READING.names or ():
        if name == "seq":  # a hash is of the bytes, and those differ
            numbered = ~by_json.hashed
            assert by_json.rows[name][numbered].tolist() == by_cbor.rows[name][numbered].tolist()
        else:
            np.testing.assert_array_equal(by_json.rows[name], by_cbor.rows[name])
    assert by_json.extra == by_cbor.extra


@settings(max_examples=1_000, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_make_the_reader_raise(payload: bytes) -> None:
    decoded = decode_cbor([payload])
    assert {*decoded.message.tolist()} ^ {one.message for one in decoded.refused} == {0}


@pytest.mark.parametrize("seed", range(2))
def test_four_thousand_generated_and_damaged_payloads_are_read_or_refused(seed: int) -> None:
    batch = list(itertools.islice(cbor_payloads(seed), 2_000))
    decoded = decode_cbor(batch)
    assert {*decoded.message.tolist()} ^ {one.message for one in decoded.refused} == set(range(len(batch)))
    assert all(one.reason.isascii() and len(one.reason) < 300 for one in decoded.refused)


plain = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(), st.text(max_size=4), st.binary(max_size=4)
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=1_000, deadline=None)
@given(st.lists(plain, min_size=1, max_size=4))
def test_the_elements_found_from_heads_are_those_that_were_encoded(items: list[object]) -> None:
    assert split(cbor2.dumps(items)) == [cbor2.dumps(item) for item in items]
    endless = b"\x9f" + b"".join(cbor2.dumps(item) for item in items) + b"\xff"
    assert split(endless) == [cbor2.dumps(item) for item in items]


@settings(max_examples=500, deadline=None)
@given(plain.filter(lambda value: not isinstance(value, list)), st.data())
def test_a_cut_payload_is_refused_before_anything_is_built(item: object, data: st.DataObject) -> None:
    body = cbor2.dumps(item)
    with pytest.raises(PayloadRefused, match="truncated"):
        split(body[: data.draw(st.integers(0, len(body) - 1))])


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"\xa1\x66co_ppm\xf9\x7e\x00", "nan"),
        (b"\xa1\x66co_ppm\xf9\x7c\x00", "inf"),
        (b"\xa2\x63seq\x01\x63seq\x02", "uplicate"),
        (b"\xc1\x1a\x00\x00\x00\x00", "tag 1"),
        (b"\xa1\x63seq\xc2\x41\x01", "tag 2"),
        (b"\xd8\x1c\xa1\x61a\xd8\x1d\x00", "tag 28"),
        (b"\xa1\x63seq\xd9\xd9\xf7\x01", "tag 55799"),
        (b"\xa2\x63seq\x01\x61x\x41\x00", "bytes"),
        (b"\xa2\x63seq\x01\x61x\xe0", "CBORSimpleValue"),
        (b"\xa2\x63seq\x01\x41x\x01", "key"),
        (b"\xa2\x63seq\x01\x05\x01", "key"),
        (b"\xa1\x63seq\x01\x00", "1 bytes after"),
        (b"\x80", "no readings"),
        (b"\x9f\xff", "no readings"),
        (b"", "truncated"),
        (b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615 readings; at most 1000"),
        (b"\x99\x03\xe9" + b"\xff" * 9, "1001 readings; at most 1000"),  # before anything of it is looked at
        (b"\x9f" + b"\xa1\x63seq\x01" * 1_001 + b"\xff", "more than 1000 readings"),
        (cbor2.dumps([{"seq": 1, "x": [1] * 96}] * 501), "more than 50000 items in one payload"),
        (b"\xa1\x62ts\xf6", "nothing but null"),
        (b"\xa1\x62ts\xf7", "nothing but null"),
        (b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff", "truncated"),
        (b"\xa1\x63seq" + b"\x81" * 40 + b"\x01", "nested"),
        (b"\x81" * 40 + b"\x01", "nested"),
        (b"\xa2\x63seq\x01\x61x\x61\xff", "not CBOR"),
        (b"\xa2\x63seq\x01\x61x\x61\x00", "NUL"),
        (b"\xff", "not CBOR"),
        (b"\x1c", "not CBOR"),
        (b"\xa1\x63seq\xf5", "seq: expected an integer, got true or false"),
        (b"\xa1\x63seq\x20", "seq: must be 0 to"),
        (b"\x01", "a reading is an object"),
        (cbor2.dumps({"seq": 1, "x": "a" * 20_000}), "at most 16384"),
        (bytes(300_000), "at most 262144"),
        (cbor2.dumps({"seq": 1, "x": [1] * 996}), "more than 1000 items"),
        (cbor2.dumps([{"seq": 1}] * (MOST_READINGS + 1)), "1001 readings; at most 1000"),
    ],
)
def test_what_only_cbor_can_say_and_what_is_wrong_is_refused(payload: bytes, why: str) -> None:
    assert why in reason(payload)


def test_maps_without_a_length_are_taken() -> None:
    decoded = decode_cbor([b"\xbf\x63seq\x05\x66co_ppm\xf9\x3c\x00\xff", b"\xa2\x63seq\x06\x66co_ppm\xf7"])
    assert decoded.refused == ()
    assert decoded.rows["seq"].tolist() == [5, 6]
    assert decoded.rows["co_ppm"][0] == 1.0
    assert np.isnan(decoded.rows["co_ppm"][1])


def test_a_reading_of_a_thousand_items_is_taken() -> None:
    # The map, two keys, a number, the array and what is in it.
    assert len(decode_cbor([cbor2.dumps({"seq": 1, "x": [1] * 995})]).rows) == 1


def test_a_thousand_readings_of_every_field_are_taken() -> None:
    # `first` need not be said a thousand times, and so often it would not fit the payload's bytes.
    said = [key for key in FIELDS if key != "first"]
    whole = {key: "open" if key.startswith("valve") else key in FLAG_NAMES or 1 for key in said}
    decoded = decode_cbor([cbor2.dumps([whole] * MOST_READINGS)])
    assert (len(decoded.rows), decoded.refused) == (MOST_READINGS, ())


def test_json_and_cbor_in_one_batch_keep_their_order() -> None:
    batch = [
        b'{"seq":1}', cbor2.dumps({"seq": 2, "x": 1}), b"x", cbor2.dumps([{"seq": 3}, {"seq": 4}]), b"\xff", b"y",
        b'{"seq":5,"z":1}',
    ]  # fmt: skip
    decoded = decode(batch, {1: CBOR, 3: CBOR, 4: CBOR, 5: "text/plain"})
    assert decoded.rows["seq"].tolist() == [1, 2, 3, 4, 5]
    assert decoded.message.tolist() == [0, 1, 3, 3, 6]
    assert [one.message for one in decoded.refused] == [2, 4, 5]
    assert decoded.extra == ((1, b'{"x":1}'), (4, b'{"z":1}'))
