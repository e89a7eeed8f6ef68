"""Personal data at rest (storage/sealed.py): what opens, and what does not."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.sealed import (
    KEY_BYTES,
    Keyring,
    MasterKey,
    Place,
    TenantKey,
    Unreadable,
    new_key,
    normal,
    version_of,
)

KEY = new_key("gas-a", 3, os.urandom)
MASTER = MasterKey(os.urandom(KEY_BYTES))
PLACE = Place("gas-a", "p1", "telephone")


@given(st.text(max_size=300), st.text(max_size=20), st.text(max_size=20))
def test_what_is_sealed_opens_at_its_place_and_nowhere_else(text: str, person: str, field: str) -> None:
    place = Place("gas-a", person, field)
    sealed = KEY.seal(place, text, os.urandom)
    assert KEY.open(place, sealed) == text
    assert version_of(sealed) == 3
    for elsewhere in (Place("gas-a", person + "x", field), Place("gas-a", person, field + "x")):
        with pytest.raises(Unreadable):
            KEY.open(elsewhere, sealed)


@given(st.text(), st.text(), st.text(), st.text())
def test_no_two_places_are_written_alike(a: str, b: str, c: str, d: str) -> None:
    one, other = Place("t", a, b), Place("t", c, d)
    assert (one.bytes() == other.bytes()) == ((a, b) == (c, d))


@given(st.integers(0, 200), st.integers(1, 255))
def test_any_changed_byte_is_noticed(at: int, flip: int) -> None:
    sealed = bytearray(KEY.seal(PLACE, "13812345678", os.urandom))
    sealed[at % len(sealed)] ^= flip
    with pytest.raises(Unreadable):
        KEY.open(PLACE, bytes(sealed))


@given(st.binary(max_size=100))
def test_what_was_never_sealed_is_refused(rubbish: bytes) -> None:
    with pytest.raises(Unreadable):
        Keyring("gas-a", {3: KEY}).open(PLACE, rubbish)


def test_the_same_text_is_never_sealed_alike_and_tells_nothing_of_itself() -> None:
    sealed = {KEY.seal(PLACE, "13812345678", os.urandom) for _ in range(50)}
    assert len(sealed) == 50
    assert not [one for one in sealed if b"138" in one and b"5678" in one]


def test_another_tenants_key_neither_seals_nor_opens() -> None:
    other = TenantKey("gas-b", 3, KEY.plain)  # the very same bytes
    with pytest.raises(ValueError, match="gas-a"):
        other.seal(PLACE, "x", os.urandom)
    moved = Place("gas-b", "p1", "telephone")
    with pytest.raises(Unreadable):
        other.open(moved, KEY.seal(PLACE, "13812345678", os.urandom))


def test_a_ring_opens_by_the_version_that_it_was_sealed_under() -> None:
    newer = new_key("gas-a", 7, os.urandom)
    ring = Keyring("gas-a", {3: KEY, 7: newer})
    assert ring.current is newer
    assert [ring.open(PLACE, key.seal(PLACE, "x", os.urandom)) for key in (KEY, newer)] == ["x", "x"]
    with pytest.raises(Unreadable, match="gone"):
        Keyring("gas-a", {7: newer}).open(PLACE, KEY.seal(PLACE, "x", os.urandom))


def test_a_wrapped_key_is_of_its_master_tenant_and_version() -> None:
    wrapped = MASTER.wrap(KEY, os.urandom)
    assert KEY.plain not in wrapped
    assert MASTER.unwrap("gas-a", 3, wrapped) == KEY
    for other, tenant, version in (
        (MasterKey(os.urandom(KEY_BYTES)), "gas-a", 3),
        (MASTER, "gas-b", 3),
        (MASTER, "gas-a", 4),
    ):
        with pytest.raises(Unreadable, match="master key"):
            other.unwrap(tenant, version, wrapped)


def test_keys_are_never_printed() -> None:
    assert KEY.plain.hex() not in repr(KEY) + repr(Keyring("gas-a", {3: KEY}))
    assert repr(KEY.plain) not in repr(KEY)
    assert repr(MASTER.plain) not in repr(MASTER)


@pytest.mark.parametrize(
    "written",
    [
        "13812345678",
        "138 1234 5678",
        "+86 138-1234-5678",
        "0086 13812345678",
        "１３８１２３４５６７８",
        " 138.1234.5678 ",
    ],
)
def test_a_number_is_found_however_it_is_written(written: str) -> None:
    assert normal(written) == "13812345678"
    assert KEY.index("telephone", written) == KEY.index("telephone", "13812345678")


def test_an_index_is_of_one_tenants_key_and_of_one_kind() -> None:
    number = "110101199003071234"
    found = {
        KEY.index("telephone", number),
        KEY.index("id_number", number),
        new_key("gas-a", 3, os.urandom).index("id_number", number),
    }
    assert len(found) == 3
    assert KEY.index("id_number", "11010119900307123x") == KEY.index("id_number", "11010119900307123X")
