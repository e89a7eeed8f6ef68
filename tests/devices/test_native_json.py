"""The two readers of JSON give the same answers, and the answers are those of the protocol."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.codecs.assembly import Pile, assemble
from devices.codecs.decoded import Decoded
from devices.codecs.native_json import decode_json, read_strictly, split_array
from devices.codecs.telemetry import FIELDS, FLAG_NAMES, MOST_READINGS, PayloadRefused
from devices.quantities import DEVICE_FLAGS, QUANTITIES, QUANTITY_NAMES, Flag, Quality, quality_shift
from devices.readings import NO_SEQ, NO_TIME
from simulators.fuzz import payloads

SECOND_US = 1_000_000
TS_MS = 1_764_633_600_000


def one(**said: object) -> Decoded:
    return decode_json([json.dumps(said).encode()])


def reason(payload: bytes) -> str:
    decoded = decode_json([payload])
    assert len(decoded.rows) == 0
    assert len(decoded.refused) == 1
    return decoded.refused[0].reason


def quality(decoded: Decoded, name: str, row: int = 0) -> Quality:
    return Quality(int(decoded.rows["quality"][row]) >> quality_shift(name) & 0xF)


def strictly(batch: list[bytes]) -> Decoded:
    """What the strict reader alone makes of a batch."""
    pile = Pile()
    for number, payload in enumerate(batch):
        try:
            elements = split_array(payload)
        except PayloadRefused as refused:
            pile.refused[number] = str(refused)
            continue
        parts = [payload] if elements is None else elements
        for at, element in enumerate(parts):
            try:
                pile.add(read_strictly(element), element, number)
            except PayloadRefused as refused:
                pile.refused[number] = str(refused) if len(parts) == 1 else f"element {at}: {refused}"
                break
    return assemble(pile)


def assert_same(one: Decoded, other: Decoded) -> None:
    assert one.refused == other.refused
    assert one.rows.tobytes() == other.rows.tobytes()
    assert one.message.tolist() == other.message.tolist()
    assert one.hashed.tolist() == other.hashed.tolist()
    assert one.extra == other.extra


# ---- the fast reader against the strict one ------------------------------------------------------------------------

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["open", "closed", "remote", "2025-12-02T00:00:00Z", "0000-00-00T00:00:00Z"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
objects = st.lists(st.tuples(st.one_of(st.sampled_from(FIELDS), st.text(max_size=4)), values), max_size=8)


def as_json(pairs: list[tuple[str, object]]) -> bytes:
    """Pairs as an object, duplicate keys and all; a float that JSON cannot say becomes NaN or Infinity."""
    return ("{" + ",".join(f"{json.dumps(key)}:{json.dumps(value)}" for key, value in pairs) + "}").encode()


@settings(max_examples=2_000, deadline=None)
@given(st.lists(objects, min_size=1, max_size=4))
def test_the_fast_reader_and_the_strict_reader_give_the_same_answers(batch: list[list[tuple[str, object]]]) -> None:
    bodies = [as_json(pairs) for pairs in batch]
    bodies.append(b"[" + b",".join(bodies) + b"]")
    assert_same(decode_json(bodies), strictly(bodies))


@settings(max_examples=2_000, deadline=None)
@given(objects, st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=2)), max_size=3))
def test_the_readers_agree_on_damaged_payloads(
    pairs: list[tuple[str, object]], damage: list[tuple[int, bytes]]
) -> None:
    body = bytearray(as_json(pairs))
    for at, piece in damage:
        at %= len(body) + 1
        body[at : at + len(piece)] = piece
    assert_same(decode_json([bytes(body)]), strictly([bytes(body)]))


@pytest.mark.parametrize("seed", range(4))
def test_ten_thousand_generated_and_hostile_payloads_neither_raise_nor_divide_the_readers(seed: int) -> None:
    batch = list(itertools.islice(payloads(seed), 2_500))
    decoded = decode_json(batch)
    assert_same(decoded, strictly(batch))
    # Each payload is readings or refused, never both, never neither.
    assert {*decoded.message.tolist()} | {one.message for one in decoded.refused} == set(range(len(batch)))
    assert not {*decoded.message.tolist()} & {one.message for one in decoded.refused}
    assert all(one.reason.isascii() and len(one.reason) < 300 for one in decoded.refused)


@settings(max_examples=1_000, deadline=None)
@given(st.integers(0, 2**32))
def test_a_value_is_absent_exactly_when_its_quality_says_so(seed: int) -> None:
    decoded = decode_json(list(itertools.islice(payloads(seed), 10)))
    for quantity in QUANTITIES:
        values = decoded.rows[quantity.name]
        codes = decoded.rows["quality"] >> quality_shift(quantity.name) & 0xF
        absent = np.isin(codes, (Quality.NOT_MEASURED, Quality.OUT_OF_RANGE))
        assert (np.isnan(values) == absent).all()
        inside = values[~absent]
        assert ((inside >= np.float32(quantity.lowest)) & (inside <= np.float32(quantity.highest))).all()


# ---- what the protocol says ----------------------------------------------------------------------------------------


def test_every_field_reaches_its_column() -> None:
    said: dict[str, object] = {"ts": TS_MS, "boot": 3, "seq": 17, "valve": "closing", "valve_cause": "over_flow"}
    said |= {name: 1.5 + at for at, name in enumerate(QUANTITY_NAMES)} | dict.fromkeys(FLAG_NAMES, True)
    row = one(**said).rows[0]
    assert (row["device_ts"], row["boot"], row["seq"]) == (TS_MS * 1000, 3, 17)
    assert (row["valve"], row["valve_cause"]) == (4, 4)
    assert [row[name] for name in QUANTITY_NAMES] == [1.5 + at for at in range(len(QUANTITY_NAMES))]
    assert row["flags"] == sum(DEVICE_FLAGS)


def test_rows_keep_the_order_of_payloads_and_of_array_elements() -> None:
    decoded = decode_json([b'{"seq":1}', b'[{"seq":2},{"seq":3}]', b"x", b'{"seq":4,"unknown":1}', b'[{"seq":5}]'])
    assert decoded.rows["seq"].tolist() == [1, 2, 3, 4, 5]
    assert decoded.message.tolist() == [0, 1, 1, 3, 4]
    assert [one.message for one in decoded.refused] == [2]
    assert decoded.extra == ((3, b'{"unknown":1}'),)


def test_null_is_the_same_as_not_sent() -> None:
    nulls = decode_json([as_json([("tamper", True), *((key, None) for key in FIELDS if key != "tamper")])])
    assert quality(nulls, "co_ppm") is Quality.NOT_MEASURED
    assert nulls.rows["seq"][0] == NO_SEQ
    assert nulls.rows["device_ts"][0] == NO_TIME


def test_a_time_may_be_text_with_any_offset() -> None:
    texts = ["2025-12-02T00:00:00Z", "2025-12-02T08:00:00+08:00", "2025-12-01t19:30:00.000-04:30"]
    for text in texts:
        assert one(ts=text, seq=1).rows["device_ts"][0] == TS_MS * 1000
    assert one(ts="2025-12-02T00:00:00.1234567Z", seq=1).rows["device_ts"][0] == TS_MS * 1000 + 123_456


def test_a_clock_that_cannot_be_is_suspect_and_never_a_reason_to_refuse() -> None:
    for ts in (10**17, -(10**17), 10**30, "0000-00-00T00:00:00Z", "2025-02-31T00:00:00Z"):
        decoded = one(ts=ts, seq=1)
        assert decoded.rows["device_ts"][0] == NO_TIME
        assert decoded.rows["flags"][0] == Flag.SUSPECT_CLOCK


def test_seconds_1970_and_2106_are_taken_as_the_milliseconds_the_protocol_says() -> None:
    for ts in (1_764_633_600, 0, 4_294_967_296_000, -1):
        assert one(ts=ts, seq=1).rows["device_ts"][0] == ts * 1000


def test_a_reading_with_a_time_but_no_number_is_known_by_its_hash() -> None:
    first, again, other = (one(ts=ts, co_ppm=1) for ts in (TS_MS, TS_MS, TS_MS + 1))
    assert first.hashed.tolist() == [True]
    assert first.rows["seq"][0] == again.rows["seq"][0] != other.rows["seq"][0]
    assert first.rows["seq"][0] >= 0
    assert first.rows["flags"][0] == Flag.HASHED
    inside = decode_json([b"[" + json.dumps({"ts": TS_MS, "co_ppm": 1}).encode() + b',{"seq":1}]'])
    assert inside.rows["seq"][0] == first.rows["seq"][0]


def test_a_reading_with_neither_number_nor_time_has_no_identity() -> None:
    decoded = one(co_ppm=1, boot=4)
    assert decoded.rows["seq"][0] == NO_SEQ
    assert decoded.rows["boot"][0] == 0
    assert decoded.rows["flags"][0] == Flag.NO_IDENTITY
    assert not decoded.hashed[0]


def test_a_number_outside_what_is_possible_is_kept_as_said_and_measures_nothing() -> None:
    decoded = one(seq=1, combustible_lel=-40, co_ppm=1e12, humidity_pct=50)
    assert quality(decoded, "combustible_lel") is Quality.OUT_OF_RANGE
    assert quality(decoded, "co_ppm") is Quality.OUT_OF_RANGE
    assert quality(decoded, "humidity_pct") is Quality.GOOD
    assert np.isnan(decoded.rows["co_ppm"][0])
    assert json.loads(decoded.extra[0][1]) == {"combustible_lel": -40.0, "co_ppm": 1e12}


@pytest.mark.parametrize(
    ("flag", "expected"),
    [("warm_up", Quality.WARM_UP), ("inhibit", Quality.INHIBITED), ("fault", Quality.SENSOR_FAULT)],
)
def test_gas_measured_by_a_device_that_doubts_itself_is_not_good(flag: str, expected: Quality) -> None:
    decoded = one(seq=1, combustible_lel=0, temperature_c=20, high_alarm=True, **{flag: True})
    assert quality(decoded, "combustible_lel") is expected
    assert decoded.rows["combustible_lel"][0] == 0
    assert quality(decoded, "co_ppm") is Quality.NOT_MEASURED
    assert quality(decoded, "temperature_c") is Quality.GOOD
    assert decoded.rows["flags"][0] & Flag.HIGH_ALARM


def test_a_fault_outweighs_warm_up_and_inhibit() -> None:
    decoded = one(seq=1, co_ppm=0, warm_up=True, inhibit=True, fault=True)
    assert quality(decoded, "co_ppm") is Quality.SENSOR_FAULT


def test_an_unknown_valve_word_is_unknown_and_kept() -> None:
    decoded = one(seq=1, valve="half", valve_cause="gremlins")
    assert (decoded.rows["valve"][0], decoded.rows["valve_cause"][0]) == (0, 0)
    assert json.loads(decoded.extra[0][1]) == {"valve": "half", "valve_cause": "gremlins"}


def test_unknown_keys_are_kept_and_too_many_give_way_to_the_reading() -> None:
    kept = one(seq=1, fw="1.2", cells=[1, {"v": 2.5}])
    assert json.loads(kept.extra[0][1]) == {"fw": "1.2", "cells": [1, {"v": 2.5}]}
    long = one(seq=1, co_ppm=9e9, text="x" * 5_000)
    extra = json.loads(long.extra[0][1])
    assert extra["not_stored"]["keys"] == 1
    assert extra["co_ppm"] == 9e9
    assert long.rows["seq"][0] == 1


def test_an_array_with_one_bad_element_is_refused_whole_and_names_the_element() -> None:
    assert reason(b'[{"seq":1},{"seq":2},{"co_ppm":"much"}]') == "element 2: co_ppm: expected a number, got a text"


def test_a_thousand_readings_are_taken_and_one_more_refused() -> None:
    thousand = decode_json([b"[" + b",".join(b'{"seq":%d}' % at for at in range(MOST_READINGS)) + b"]"])
    assert len(thousand.rows) == MOST_READINGS
    assert "1001 readings" in reason(b"[" + b'{"seq":1},' * MOST_READINGS + b'{"seq":2}]')


@pytest.mark.parametrize("batch", [[], [b"x"], [b"[]", b"y"]])
def test_a_batch_without_a_single_reading_is_empty_columns(batch: list[bytes]) -> None:
    decoded = decode_json(batch)
    assert (len(decoded.rows), len(decoded.message), len(decoded.hashed)) == (0, 0, 0)
    assert [one.message for one in decoded.refused] == list(range(len(batch)))
