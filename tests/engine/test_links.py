"""How much one take may give (L3)."""

from ingest.links import MOST_BYTES, fitting


def test_ordinary_messages_are_bounded_by_their_number() -> None:
    assert fitting([b"x" * 150] * 10_000, 8_192) == 8_192
    assert fitting([b"x" * 150] * 100, 8_192) == 100
    assert fitting([], 8_192) == 0


def test_bulky_messages_are_bounded_by_their_bytes_but_one_always_fits() -> None:
    assert fitting([b"x" * 65_536] * 100, 8_192) == MOST_BYTES // 65_536
    assert fitting([b"x" * (MOST_BYTES + 1), b"y"], 8_192) == 1
