"""A valve's answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.reply import ValveReply, decode_reply
from devices.quantities import ValvePosition


@pytest.mark.parametrize("position", ValvePosition)
def test_every_position_has_its_word(position: ValvePosition) -> None:
    assert decode_reply(f'{{"id":"c1","valve":"{position.name.lower()}"}}'.encode()) == ValveReply("c1", position)


@pytest.mark.parametrize("payload", [b'{"id":"c1"}', b'{"id":"c1","valve":null}', b'{"id":"c1","valve":"shut"}'])
def test_a_reply_without_a_known_position_confirms_nothing(payload: bytes) -> None:
    assert decode_reply(payload) == ValveReply("c1", ValvePosition.UNKNOWN)


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b'{"valve":"closed"}', "id"),
        (b'{"id":5,"valve":"closed"}', "id"),
        (b'{"id":"","valve":"closed"}', "id"),
        (b'{"id":"a b"}', "id"),
        (b'{"id":"c1","valve":3}', "valve"),
        (b'{"id":"c1","valve":"open","valve":"closed"}', "twice"),
        (b'["c1"]', "object"),
        (b'{"id":"c1"', "truncated"),
        (b"\xff", "UTF-8"),
        (b"", "truncated"),
    ],
)
def test_what_is_no_reply_is_refused_with_the_reason(payload: bytes, why: str) -> None:
    refused = decode_reply(payload)
    assert isinstance(refused, str)
    assert why in refused


@given(st.binary(max_size=80))
def test_no_bytes_make_it_raise(payload: bytes) -> None:
    assert isinstance(decode_reply(payload), ValveReply | str)
