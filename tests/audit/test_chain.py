"""The bytes that are hashed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from access.audit_chain import FIRST_PREV, Entry, canonical_json

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(text, plain, max_size=5))
def test_canonical_json_is_the_standard_librarys_with_its_keys_sorted(value: dict[str, object]) -> None:
    usual = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert canonical_json(value) == usual  # type: ignore[arg-type]
    assert json.loads(canonical_json(value)) == value  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [0.1, 1.0, float("nan"), float("inf")])
def test_no_float_is_written_because_it_could_be_printed_in_two_ways(number: float) -> None:
    with pytest.raises(ValueError, match="integers or text"):
        canonical_json({"a": [{"b": number}]})  # type: ignore[dict-item,list-item]


def test_every_field_of_an_entry_is_hashed() -> None:
    one = Entry("gas-1", 1, 5, "login", "person/1", "{}", FIRST_PREV)
    others = (
        Entry("gas-2", 1, 5, "login", "person/1", "{}", FIRST_PREV),
        Entry("gas-1", 2, 5, "login", "person/1", "{}", FIRST_PREV),
        Entry("gas-1", 1, 6, "login", "person/1", "{}", FIRST_PREV),
        Entry("gas-1", 1, 5, "logout", "person/1", "{}", FIRST_PREV),
        Entry("gas-1", 1, 5, "login", "person/2", "{}", FIRST_PREV),
        Entry("gas-1", 1, 5, "login", "person/1", '{"a":1}', FIRST_PREV),
        Entry("gas-1", 1, 5, "login", "person/1", "{}", "1" * 64),
    )
    assert len({one.sha256, *(other.sha256 for other in others)}) == 1 + len(others)
