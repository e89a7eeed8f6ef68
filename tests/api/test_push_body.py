"""The pure half of HTTP push: bounds and refusals, whatever the bytes."""

import contextlib
import json

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.push import MOST_READINGS, ContentType, PushRefused, check_key, read_content_type, split_body

READING = st.fixed_dictionaries({"seq": st.integers(0, 2**63 - 1)})


@given(st.binary(max_size=2_000), st.sampled_from(ContentType))
def test_any_bytes_are_handed_on_or_refused_and_nothing_else(body: bytes, kind: ContentType) -> None:
    with contextlib.suppress(PushRefused):
        split = split_body(body, kind)
        assert split.payloads
        assert all(split.payloads)
        assert sum(map(len, split.payloads)) <= len(body)


@given(st.lists(READING, max_size=20))
def test_json_is_one_payload_byte_for_byte(readings: list[dict[str, int]]) -> None:
    body = json.dumps(readings).encode()
    assert split_body(body, ContentType.JSON).payloads == (body,)


@given(st.lists(READING, min_size=1, max_size=20), st.sampled_from(["\n", "\r\n", "\n\n", "\n \n"]))
def test_ndjson_is_a_payload_per_line(readings: list[dict[str, int]], between: str) -> None:
    lines = [json.dumps(reading) for reading in readings]
    split = split_body(between.join(lines).encode(), ContentType.NDJSON)
    assert [json.loads(payload) for payload in split.payloads] == readings
    assert split.content_type is ContentType.JSON


@pytest.mark.parametrize("many", [MOST_READINGS, MOST_READINGS + 1])
def test_the_bound_on_readings_is_the_same_in_every_encoding(many: int) -> None:
    half = many // 2
    bodies = {
        ContentType.JSON: b"[" + b",".join([b"{}"] * many) + b"]",
        ContentType.NDJSON: json.dumps([{}] * half).encode() + b"\n" + json.dumps([{}] * (many - half)).encode(),
        ContentType.CBOR: cbor2.dumps([{}] * many),
    }
    for kind, body in bodies.items():
        if many > MOST_READINGS:
            with pytest.raises(PushRefused, match="1001"):
                split_body(body, kind)
        else:
            assert split_body(body, kind).payloads


@given(st.text(max_size=60), st.text(max_size=20))
def test_a_content_type_is_one_of_ours_or_refused(content_type: str, encoding: str) -> None:
    with contextlib.suppress(PushRefused):
        assert read_content_type(content_type, encoding) in ContentType


def test_a_key_is_bounded_and_printable() -> None:
    assert check_key("0b9c-Z~") == "0b9c-Z~"
    for key in ("", "a b", "x" * 129, "a\n", "é", "\x00"):
        with pytest.raises(PushRefused):
            check_key(key)


def test_a_cbor_head_that_lies_about_its_length_is_bounded() -> None:
    with pytest.raises(PushRefused):
        split_body(b"\x9b" + b"\xff" * 8, ContentType.CBOR)
    assert split_body(b"\x9f\xff", ContentType.CBOR).payloads == (b"\x9f\xff",)
    assert split_body(b"\x9c", ContentType.CBOR).payloads == (b"\x9c",)
