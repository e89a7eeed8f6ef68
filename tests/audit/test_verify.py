"""What a stranger finds out about an export of the record, with nothing but the file, the heads and the public key."""

import dataclasses
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from access.audit_chain import Entry, canonical_json
from access.audit_heads import heads_faults, next_document
from access.audit_verify import Verified, verify_export
from tests.audit.chains import KEY, OTHER_KEY, chain, export, heads

TENANT = "gas-1"


def verified(lines: list[bytes], ends: list[Entry], *, part: bool = False) -> Verified:
    return verify_export(lines, heads(ends), part=part)


def test_an_untouched_export_is_sound_and_says_what_was_looked_at() -> None:
    entries = chain(TENANT, 50)
    found = verified(export(entries), [entries[9], entries[49]])
    assert found.sound, found.faults
    assert (found.tenant, found.from_n, found.to_n, found.heads, found.covered_to) == (TENANT, 1, 50, 2, 50)


def test_what_no_head_covers_yet_is_told_and_is_no_fault() -> None:
    entries = chain(TENANT, 50)
    found = verified(export(entries), [entries[9]])
    assert found.sound
    assert (found.to_n, found.covered_to) == (50, 10)


def test_an_empty_chain_is_sound() -> None:
    assert verified(export([]), []).sound


def test_a_part_from_the_middle_is_anchored_by_the_heads_in_it() -> None:
    entries = chain(TENANT, 50)
    found = verified(export(entries[20:30]), [entries[24], entries[49]], part=True)
    assert found.sound, found.faults
    assert found.covered_to == 25


def test_a_part_that_was_not_asked_for_is_a_cut() -> None:
    entries = chain(TENANT, 50)
    found = verified(export(entries[:30]), [entries[49]])
    assert [fault.reason for fault in found.faults] == [
        "ends with entry 30, and a signed head speaks of entry 50: cut off"
    ]


def test_a_torn_file_is_known_by_its_first_line() -> None:
    entries = chain(TENANT, 50)
    found = verified(export(entries)[:-5], [])
    assert "made with entries up to 50: cut off" in found.faults[0].reason


@pytest.mark.parametrize(
    "first", [b"", b"{}", b"\xff", b'{"davy_audit":2,"from_n":1,"tenant":"a","to_n":0}', b"[" * 9999]
)
def test_a_file_that_is_no_export_is_said_to_be_none(first: bytes) -> None:
    found = verify_export([first], [])
    assert not found.sound
    assert found.faults[0].line == 1


def rewritten(entries: list[Entry], at: int) -> list[Entry]:
    """From `at` on hashed anew, as somebody would who may write the whole database."""
    done = entries[:at]
    for entry in entries[at:]:
        prev = done[-1].sha256 if done else "0" * 64
        done.append(dataclasses.replace(entry, n=len(done) + 1, prev=prev))
    return done


def edit(entries: list[Entry], rng: random.Random) -> list[Entry]:
    at = rng.randrange(len(entries))
    entry = entries[at]
    field = rng.choice(("at", "kind", "by", "body", "prev", "n", "tenant"))
    value = {
        "at": entry.at + rng.choice((-1, 1, 10**6)),
        "kind": entry.kind + "x",
        "by": "person/8",
        "body": canonical_json({"note": f"{rng.getrandbits(40)}"}),
        "prev": f"{rng.getrandbits(256):064x}",
        "n": entry.n + rng.choice((-1, 1)),
        "tenant": "gas-2",
    }[field]
    return [*entries[:at], dataclasses.replace(entry, **{field: value}), *entries[at + 1 :]]


def edit_and_hash_anew(entries: list[Entry], rng: random.Random) -> list[Entry]:
    at = rng.randrange(len(entries))
    changed = dataclasses.replace(entries[at], body=canonical_json({"note": f"{rng.getrandbits(40)}"}))
    return rewritten([*entries[:at], changed, *entries[at + 1 :]], at)


def delete(entries: list[Entry], rng: random.Random) -> list[Entry]:
    at = rng.randrange(len(entries))
    return entries[:at] + entries[at + 1 :]


def delete_and_hash_anew(entries: list[Entry], rng: random.Random) -> list[Entry]:
    at = rng.randrange(len(entries))
    return rewritten(entries[:at] + entries[at + 1 :], at)


def insert_and_hash_anew(entries: list[Entry], rng: random.Random) -> list[Entry]:
    at = rng.randrange(len(entries))
    new = dataclasses.replace(entries[at], kind="login", by="person/9")
    return rewritten([*entries[:at], new, *entries[at:]], at)


def swap(entries: list[Entry], rng: random.Random) -> list[Entry]:
    one, two = sorted(rng.sample(range(len(entries)), 2))
    changed = list(entries)
    changed[one], changed[two] = changed[two], changed[one]
    return changed


def swap_and_hash_anew(entries: list[Entry], rng: random.Random) -> list[Entry]:
    changed = swap(entries, rng)
    return rewritten(changed, 0) if changed != entries else edit_and_hash_anew(entries, rng)


def truncate(entries: list[Entry], rng: random.Random) -> list[Entry]:
    return entries[: rng.randrange(len(entries))]


def cut_the_beginning(entries: list[Entry], rng: random.Random) -> list[Entry]:
    return rewritten(entries[rng.randrange(1, len(entries)) :], 0)


def repeat(entries: list[Entry], rng: random.Random) -> list[Entry]:
    at = rng.randrange(len(entries))
    return [*entries[: at + 1], entries[at], *entries[at + 1 :]]


def splice(entries: list[Entry], rng: random.Random) -> list[Entry]:
    """The rest is another tenant's."""
    at = rng.randrange(len(entries))
    return entries[:at] + chain("gas-2", len(entries), rng=rng)[at:]


def another_history(entries: list[Entry], rng: random.Random) -> list[Entry]:
    return chain(TENANT, len(entries), rng=random.Random(rng.getrandbits(64)))


TAMPERINGS: tuple[Callable[[list[Entry], random.Random], list[Entry]], ...] = (
    edit,
    edit_and_hash_anew,
    delete,
    delete_and_hash_anew,
    insert_and_hash_anew,
    swap,
    swap_and_hash_anew,
    truncate,
    cut_the_beginning,
    repeat,
    splice,
    another_history,
)


def test_a_thousand_random_tamperings_are_all_found() -> None:
    rng = random.Random(15)
    missed = []
    for turn in range(1_200):
        entries = chain(TENANT, rng.randrange(2, 40), rng=rng)
        ends = [entry for entry in entries[:-1] if rng.random() < 0.2] + [entries[-1]]
        tamper = TAMPERINGS[turn % len(TAMPERINGS)]
        changed = tamper(entries, rng)
        assert changed != entries
        if verified(export(changed), ends).sound:
            missed.append((turn, tamper.__name__))
    assert missed == []


@given(st.data())
def test_no_byte_of_an_export_can_be_changed_unseen(data: st.DataObject) -> None:
    entries = chain(TENANT, 6)
    whole = b"".join(export(entries))
    at = data.draw(st.integers(len(export(entries)[0]), len(whole) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[at]))
    changed = whole[:at] + bytes([other]) + whole[at + 1 :]
    lines = changed.splitlines(keepends=True)
    if changed.rstrip(b"\n") == whole.rstrip(b"\n"):
        return
    assert not verified(lines, [entries[-1]]).sound


def test_the_line_of_the_first_break_is_named() -> None:
    entries = chain(TENANT, 20)
    changed = [*entries[:7], dataclasses.replace(entries[7], by="person/8"), *entries[8:]]
    found = verified(export(changed), [entries[-1]])
    assert [(fault.line, fault.reason) for fault in found.faults] == [
        (10, "entry 9 does not follow entry 8 as it stands here: one of the two was altered")
    ]


def test_heads_in_a_series_by_the_right_key_are_sound() -> None:
    entries = chain(TENANT, 20)
    series = heads([entries[3], entries[9], entries[19]])
    assert heads_faults(series, [OTHER_KEY.private.public_key(), KEY.private.public_key()]) == []


def test_heads_by_another_key_or_altered_are_refused() -> None:
    entries = chain(TENANT, 20)
    by_another = heads([entries[3]], OTHER_KEY)
    assert "not one of those given" in heads_faults(by_another, [KEY.private.public_key()])[0]
    signed = heads([entries[3]])[0]
    altered = type(signed)(signed.document.replace('"n":4', '"n":5'), signed.key, signed.signature)
    assert heads_faults([altered], [KEY.private.public_key()]) == ["heads 1: the signature does not fit the document"]


def test_heads_that_are_missing_or_stand_in_anothers_place_show() -> None:
    entries = chain(TENANT, 20)
    series = heads([entries[3], entries[9], entries[19]])
    keys = [KEY.private.public_key()]
    assert heads_faults([series[0], series[2]], keys) == ["heads 3: follows heads 1; what is between them is missing"]
    other = KEY.sign(next_document(heads([entries[4]])[0], entries[9].at, series[1].parsed().heads))
    assert heads_faults([series[0], other, series[2]], keys) == [
        "heads 2: does not follow the heads 1 that are here",
        "heads 3: does not follow the heads 2 that are here",
    ]
