"""What a refused payload still shows of its numbers, and what it must not be thought to show."""

import itertools
import json

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.native import CBOR, decode
from devices.codecs.shown_numbers import Shown, shown_numbers


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        (b'{"boot":3,"seq":17,"co_ppm":"1"}', [Shown(3, 17, -1)]),
        (b'{"boot":3,"seq":17,"first":4,"co_ppm":1e999}', [Shown(3, 17, 4)]),
        (b'{ "seq" :\n17 , "boot" : null , "fault": 1}', [Shown(0, 17, -1)]),
        (b'{"seq":17,"note":"\xff"}', [Shown(0, 17, -1)]),
        (b'{"seq":17,"x":"{\\"seq\\":18,","ts":"now"}', [Shown(0, 17, -1)]),
        (
            b'[{"seq":1,"x":[]},{"seq":2,"co_ppm":true},{"boot":1,"seq":3}]',
            [Shown(0, 1, -1), Shown(0, 2, -1), Shown(1, 3, -1)],
        ),
        (b'{"boot":3,"seq":17,"co_p', [Shown(3, 17, -1)]),
        (b'[{"boot":3,"seq":17,"first":"x"},{"boot":3,"seq":18,', [Shown(3, 17, -1), Shown(3, 18, -1)]),
        (b'{"seq":17,"co_ppm":NaN}', [Shown(0, 17, -1)]),
    ],
)
def test_a_refused_payload_shows_the_numbers_of_its_readings(payload: bytes, shown: list[Shown]) -> None:
    assert decode([payload], {}).refused
    assert list(shown_numbers(payload, "")) == shown


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"17",
        b'"seq":17',
        b'{"co_ppm":1}',
        b'{"seq":17,"seq":18}',
        b'{"seq":"17"}',
        b'{"seq":17.0}',
        b'{"seq":-17}',
        b'{"seq":9223372036854775808}',
        b'{"boot":"3","seq":17}',
        b'{"boot":2147483648,"seq":17}',
        b'{"boot":3,"boot":3,"seq":17}',
        b'{"x":{"seq":17}}',
        b'{"x":[{"seq":17}]}',
        b'[[{"seq":17}]]',
        b'{"seq":17',  # of 170, perhaps
        b'{"seq":17,',  # a boot might have followed
        b'{"boot":3,"seq":1',
        b'{"x":"\\"seq\\":17,"}',
    ],
)
def test_what_is_not_certain_is_not_shown(payload: bytes) -> None:
    assert shown_numbers(payload, "") == ()


def test_cbor_shows_them_behind_what_only_it_can_say_wrong() -> None:
    for wrong in (float("nan"), b"bytes", cbor2.CBORTag(1, 5), {1: 2}, [[], {"seq": 9}]):
        said = {"boot": 3, "x": wrong, "seq": 17, "first": 4}
        assert shown_numbers(cbor2.dumps(said), CBOR) == (Shown(3, 17, 4),)
        assert shown_numbers(cbor2.dumps([said, {"seq": 2}]), "Application/CBOR; x=y") == (
            Shown(3, 17, 4),
            Shown(0, 2, -1),
        )
    endless = b"\xbf" + cbor2.dumps("seq") + b"\x11" + cbor2.dumps("x") + b"\x9f\x01\xff" + b"\xff"
    assert shown_numbers(endless, CBOR) == (Shown(0, 17, -1),)
    assert shown_numbers(b"\x9f" + endless + endless + b"\xff", CBOR) == (Shown(0, 17, -1),) * 2


def test_cbor_that_is_cut_off_shows_what_was_whole() -> None:
    whole = cbor2.dumps([{"boot": 3, "seq": 17, "co_ppm": 1.5}, {"seq": 18, "boot": 3}])
    shown = [shown_numbers(whole[:end], CBOR) for end in range(len(whole) + 1)]
    assert shown[0] == ()
    assert shown[-1] == (Shown(3, 17, -1), Shown(3, 18, -1))
    assert all(len(one) <= len(other) for one, other in itertools.pairwise(shown))


def test_another_content_type_shows_nothing() -> None:
    assert shown_numbers(b'{"seq":1}', "text/plain") == ()


@given(st.binary(max_size=200), st.sampled_from(["", CBOR]))
def test_it_never_raises(payload: bytes, mime: str) -> None:
    shown_numbers(payload, mime)


numbers = st.fixed_dictionaries(
    {"seq": st.integers(0, 1 << 62)},
    optional={
        "boot": st.integers(0, 1 << 30),
        "first": st.integers(0, 1 << 62),
        "note": st.text('seq:{}[]",\\', max_size=9),
    },
)


@given(st.lists(numbers, min_size=1, max_size=4), st.sampled_from(["", CBOR]))
def test_of_what_is_not_refused_it_shows_what_the_codec_reads(said: list[dict[str, object]], mime: str) -> None:
    payload = cbor2.dumps(said) if mime else json.dumps(said).encode()
    decoded = decode([payload], {0: mime} if mime else {})
    read = zip(decoded.rows["boot"].tolist(), decoded.rows["seq"].tolist(), decoded.firsts().tolist(), strict=True)
    assert [tuple(one) for one in shown_numbers(payload, mime)] == list(read)
