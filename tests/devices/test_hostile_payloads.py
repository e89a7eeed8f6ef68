"""The hostile payload catalogue: each is refused with a reason, or stored with a quality nobody takes for normal."""

import gzip
import json

import pytest

from devices.codecs.native import decode
from devices.codecs.telemetry import MOST_DEPTH
from devices.quantities import Quality, quality_shift


def reason(payload: bytes, content_type: str = "application/json") -> str:
    decoded = decode([payload], {0: content_type})
    assert len(decoded.rows) == 0
    assert [one.message for one in decoded.refused] == [0]
    text = decoded.refused[0].reason
    assert text.isascii()
    assert len(text) < 300
    return text


def stored(payload: bytes) -> dict[str, object]:
    """The extra fields of the one reading that was stored."""
    decoded = decode([payload], {})
    assert decoded.refused == ()
    assert len(decoded.rows) == 1
    extra: dict[str, object] = json.loads(decoded.extra[0][1]) if decoded.extra else {}
    return extra


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_a_number_that_never_compares_is_refused(literal: str) -> None:
    reason(f'{{"seq":1,"combustible_lel":{literal}}}'.encode())
    reason(f'{{"seq":1,"vendor":{{"x":[{literal}]}}}}'.encode())


@pytest.mark.parametrize(
    "number", ["1" * 250 + "e99", "1" + "0" * 308 + ".0e1", "1e0000309", "9" * 309, "-" + "9" * 309 + ".5"]
)
def test_a_number_beyond_a_float_is_found_however_it_is_written(number: str) -> None:
    assert "64-bit float" in reason(f'{{"seq":1,"vendor":{number}}}'.encode())
    assert "64-bit float" in reason(f'{{"seq":1,"co_ppm":{number}}}'.encode())


@pytest.mark.parametrize("number", ["1" * 199, "1e99", "1" * 198 + "e99", "1e-400", "1e0000308", "0.00000e99999"])
def test_a_large_number_that_is_one_is_kept(number: str) -> None:
    assert stored(f'{{"seq":1,"vendor":{number}}}'.encode()) == {"vendor": pytest.approx(float(number))}


@pytest.mark.parametrize("digits", [310, 5_000, 15_000])
def test_an_integer_of_thousands_of_digits_is_refused(digits: int) -> None:
    for key in ("seq", "ts", "co_ppm", "vendor"):
        assert "64-bit float" in reason(f'{{"{key}":{"9" * digits},"boot":1}}'.encode())


@pytest.mark.parametrize(("key", "value"), [("seq", -1), ("seq", 2**63), ("boot", -1), ("boot", 2**31)])
def test_a_number_that_does_not_fit_its_column_is_refused(key: str, value: int) -> None:
    assert reason(json.dumps({"seq": 1, key: value}).encode()).startswith(f"{key}: must be 0 to ")


@pytest.mark.parametrize("key", ["seq", "co_ppm", "valve", "high_alarm", "unknown"])
def test_a_key_sent_twice_is_refused(key: str) -> None:
    assert "sent twice" in reason(f'{{"boot":1,"{key}":1,"{key}":1}}'.encode())


def test_a_key_sent_twice_inside_an_unknown_one_is_refused() -> None:
    assert "'y'" in reason(b'{"seq":1,"x":{"y":1,"y":2}}')


def test_a_key_sent_twice_by_way_of_an_escape_is_refused() -> None:
    assert "sent twice" in reason(b'{"seq":1,"\\u0073eq":2}')


@pytest.mark.parametrize("payload", [b"[" * 100_000, b'{"a":' * 20_000, b'{"seq":1,"x":' + b"[" * 10_000, b"[[" * 50])
def test_nesting_without_end_is_refused(payload: bytes) -> None:
    reason(payload)


def test_nesting_up_to_the_bound_is_taken_and_brackets_in_texts_do_not_count() -> None:
    inner = MOST_DEPTH - 1
    assert stored(b'{"seq":1,"x":' + b"[" * inner + b"]" * inner + b"}")
    assert stored(b'{"seq":1,"x":"' + b"[" * 100 + b'\\"["}')
    assert "nested more than" in reason(b'{"seq":1,"x":' + b"[" * MOST_DEPTH + b"]" * MOST_DEPTH + b"}")


@pytest.mark.parametrize("text", ["\\ud800", "\\udc00x", "\\u0000"])
def test_text_that_no_database_can_hold_is_refused(text: str) -> None:
    for payload in ('{"seq":1,"x":"%s"}', '{"seq":1,"%s":1}', '{"seq":1,"valve":"%s"}', '{"seq":1,"x":[{"y":"%s"}]}'):
        reason((payload % text).encode())


def test_invalid_utf_8_is_refused() -> None:
    assert "UTF-8" in reason(b'{"seq":1,"x":"\xff"}')
    reason(b'{"seq":1,"x":"\xed\xa0\x80"}')
    reason('{"seq":1}'.encode("utf-16"))


@pytest.mark.parametrize("value", ["true", '"1"', "[1]", "{}", '"\u0661\u0662"', '"1_0"'])
def test_what_is_not_a_number_is_refused_where_one_is_expected(value: str) -> None:
    for key in ("seq", "boot", "co_ppm"):
        assert reason(f'{{"{key}":{value},"ts":1}}'.encode()).startswith(f"{key}: expected")


@pytest.mark.parametrize("value", ["1", "0", '"true"', "[]"])
def test_what_is_not_true_or_false_is_refused_as_a_flag(value: str) -> None:
    assert reason(f'{{"seq":1,"high_alarm":{value}}}'.encode()).startswith("high_alarm: expected true or false")


@pytest.mark.parametrize("value", ["3", "true", "[]", "1.5"])
def test_a_valve_that_is_no_word_is_refused(value: str) -> None:
    assert reason(f'{{"seq":1,"valve":{value}}}'.encode()).startswith("valve: expected a word")


@pytest.mark.parametrize("value", ["1.5", "1e3", "true", '"yesterday"', '"2025-12-02"', '"2025-12-02T00:00:00"', "[]"])
def test_a_time_that_is_none_is_refused(value: str) -> None:
    assert reason(f'{{"seq":1,"ts":{value}}}'.encode()).startswith("ts: ")


@pytest.mark.parametrize("payload", [b"", b" ", b"null", b"1", b'"text"', b"[1]", b"[[{}]]", b"[null]", b"{}", b"[{}]"])
def test_what_is_no_reading_is_refused(payload: bytes) -> None:
    reason(payload)


def test_an_empty_array_is_refused() -> None:
    assert reason(b"[]") == "no readings"
    assert reason(b" [ ] ") == "no readings"


def test_a_reading_whose_every_key_is_misspelt_is_refused() -> None:
    assert reason(b'{"lel":80,"co":12}') == "no known key"


@pytest.mark.parametrize("payload", [b'{"ts":null}', b'{"seq":null,"co_ppm":null}', b'{"ts":null,"fw":"1"}'])
def test_a_reading_that_says_nothing_is_refused_and_so_ends_no_silence(payload: bytes) -> None:
    assert reason(payload) == "nothing but null"
    assert reason(b'[{"seq":1},' + payload + b"]") == "element 1: nothing but null"


def test_a_time_that_no_clock_can_mean_is_something_said() -> None:
    assert stored(b'{"ts":' + b"9" * 30 + b"}") == {}


def test_a_payload_of_a_mebibyte_is_refused() -> None:
    assert "at most" in reason(b'{"seq":1,"x":"' + b"a" * 2**20 + b'"}')
    assert "at most" in reason(b"[" + b'{"seq":1},' * 100_000 + b'{"seq":1}]')
    assert "at most" in reason(b'{"seq":1}' + b" " * 2**20)


def test_ten_thousand_keys_are_refused() -> None:
    assert "at most" in reason(b"{" + b",".join(b'"key_%d":1' % at for at in range(10_000)) + b"}")


def test_a_compressed_payload_is_refused() -> None:
    reason(gzip.compress(b'{"seq":1}'))


@pytest.mark.parametrize("payload", [b'{"seq":1', b'{"seq":1,"valve":"clo', b'{"seq":', b'{"seq":1,"x":"\\'])
def test_a_truncated_payload_is_refused_as_such(payload: bytes) -> None:
    assert "truncated" in reason(payload)


@pytest.mark.parametrize(
    "payload", [b'{"seq":1}x', b'{"seq":1}{"seq":2}', b"[{}]]", b'{"seq":1,}', b"{'seq':1}", b'{"seq":01}']
)
def test_what_is_almost_json_is_refused(payload: bytes) -> None:
    reason(payload)


def test_a_string_of_backslashes_costs_no_more_than_its_length() -> None:
    # Quadratic in a naive scanner: 16,000 escaped quotation marks that never end.
    reason(b'{"seq":1,"x":"' + b'\\"' * 7_000)


@pytest.mark.parametrize(("value", "key"), [(-40, "combustible_lel"), (99_999, "combustible_lel"), (-300, "co_ppm")])
def test_an_impossible_concentration_is_stored_and_never_reads_as_normal(value: float, key: str) -> None:
    decoded = decode([json.dumps({"seq": 1, key: value}).encode()], {})
    assert int(decoded.rows["quality"][0]) >> quality_shift(key) & 0xF == Quality.OUT_OF_RANGE
    assert json.loads(decoded.extra[0][1]) == {key: value}


@pytest.mark.parametrize("text", ["=cmd|'/c calc'!A1", "\u202egnp.exe", "p\u0430ypal"])
def test_text_made_to_mislead_people_is_stored_as_it_is_and_evaluated_by_nobody(text: str) -> None:
    assert stored(json.dumps({"seq": 1, "name": text}).encode()) == {"name": text}


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/json+gzip", "a" * 500, "\u202e", "application/x-protobuf"]
)
def test_an_unknown_content_type_is_refused(content_type: str) -> None:
    assert "content type" in reason(b'{"seq":1}', content_type)


def test_parameters_of_a_content_type_do_not_matter() -> None:
    decoded = decode([b'{"seq":1}', b"\xa1cseq\x02"], {0: "Application/JSON; charset=utf-8", 1: " application/cbor "})
    assert decoded.rows["seq"].tolist() == [1, 2]
