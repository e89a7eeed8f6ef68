"""`first`: the oldest number a device still holds, beside `seq`, in every encoding and through every merge."""

import json

import cbor2
import numpy as np

from devices.codecs.decoded import Decoded, merged
from devices.codecs.native import CBOR, decode
from devices.codecs.telemetry import MOST_SEQ


def as_json(**said: object) -> bytes:
    return json.dumps(said).encode()


def test_a_batch_in_which_nobody_says_it_pays_nothing() -> None:
    decoded = decode([as_json(seq=1, co_ppm=1)], {})
    assert len(decoded.first) == 0
    assert decoded.firsts().tolist() == [-1]


def test_it_is_read_beside_the_number_and_leaves_no_extra() -> None:
    decoded = decode([as_json(boot=3, seq=17, first=4, co_ppm=1), as_json(seq=18, co_ppm=1)], {})
    assert decoded.first.tolist() == [4, -1]
    assert decoded.extra == ()


def test_json_and_cbor_side_by_side_keep_their_order() -> None:
    said = {"seq": 5, "first": 2, "co_ppm": 1}
    decoded = decode([as_json(seq=1), cbor2.dumps(said), as_json(seq=9, first=9)], {1: CBOR})
    assert decoded.rows["seq"].tolist() == [1, 5, 9]
    assert decoded.firsts().tolist() == [-1, 2, 9]


def test_an_array_says_it_by_reading() -> None:
    decoded = decode([b'[{"seq":5,"first":3},{"seq":6},{"seq":7,"first":4}]'], {})
    assert decoded.first.tolist() == [3, -1, 4]


def test_what_is_no_number_of_a_reading_is_refused_by_name() -> None:
    for wrong in (-1, MOST_SEQ + 1, 1.5, True, "4"):
        (refused,) = decode([as_json(seq=1, first=wrong)], {}).refused
        assert refused.reason.startswith("first: ")


def test_taking_payloads_out_keeps_the_others_numbers() -> None:
    decoded = decode([as_json(seq=1, first=1), b"no", as_json(seq=3, first=2)], {})
    left = decoded.without(np.array([True, False, False]))
    assert (left.rows["seq"].tolist(), left.first.tolist()) == ([3], [2])
    assert [one.message for one in left.refused] == [1]


def test_parts_are_merged_in_the_order_of_the_whole() -> None:
    one = decode([as_json(seq=1, note="x"), as_json(seq=4)], {}).numbered([0, 3])
    other = decode([as_json(seq=2, first=2, note="y"), b"no"], {}).numbered([1, 2])
    whole: Decoded = merged([one, other])
    assert whole.rows["seq"].tolist() == [1, 2, 4]
    assert whole.message.tolist() == [0, 1, 3]
    assert whole.first.tolist() == [-1, 2, -1]
    assert whole.extra == ((0, b'{"note":"x"}'), (1, b'{"note":"y"}'))
    assert [refused.message for refused in whole.refused] == [2]
