"""A mask shows enough to tell two people apart, and never more (access/masks.py)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from access.masks import (
    HIDDEN,
    masked,
    masked_address,
    masked_id_number,
    masked_name,
    masked_telephone,
    without_numbers,
)

KINDS = ("name", "telephone", "sms", "id_number", "email", "wechat", "whatever")


@pytest.mark.parametrize(
    ("kind", "plain", "shown"),
    [
        ("telephone", "13812345678", "138****5678"),
        ("telephone", "+86 138-1234-5678", "138****5678"),
        ("telephone", "１３８１２３４５６７８", "138****5678"),
        ("telephone", "023-4567890", "****90"),
        ("telephone", "call me", HIDDEN),
        ("telephone", "", ""),
        ("sms", "13812345678", "138****5678"),
        ("id_number", "110101199003071234", "110***********1234"),
        ("id_number", "11010119900307123x", "110***********123X"),
        ("id_number", "110101900307123", "110*********123"),
        ("id_number", "1101", HIDDEN),
        ("name", "张三", "张**"),
        ("name", "欧阳娜娜", "欧**"),
        ("name", "Ann Lee", "A**"),
        ("name", "张", HIDDEN),
        ("email", "ann@example.org", "a***@example.org"),
        ("email", "a@example.org", HIDDEN),
        ("email", "ann@ann.lee.family.example.org", HIDDEN),
        ("wechat", "wx_8812", HIDDEN),
    ],
)
def test_what_is_shown_of_each_kind(kind: str, plain: str, shown: str) -> None:
    assert masked(kind, plain) == shown


@given(st.sampled_from(KINDS), st.text(max_size=40))
def test_a_mask_never_shows_most_of_anything(kind: str, text: str) -> None:
    shown = masked(kind, text)
    if re.sub(r"[\s().\-/]", "", text):  # that there is something is not hidden
        assert shown
    if shown and kind != "email" and "@" not in shown:
        assert len(shown.replace("*", "")) <= 7


@given(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True), st.sampled_from(["", " ", "-", "  "]))
def test_of_a_mobile_number_four_digits_are_never_shown(number: str, between: str) -> None:
    shown = masked_telephone(f"{number[:3]}{between}{number[3:7]}{between}{number[7:]}")
    assert shown == f"{number[:3]}****{number[-4:]}"


@given(st.from_regex(r"\+?[0-9]{7,15}", fullmatch=True))
def test_of_any_number_at_least_half_and_never_less_than_four_are_hidden(number: str) -> None:
    digits = number.removeprefix("+")
    shown = masked_telephone(number).replace("*", "")
    assert len(digits) - len(shown) >= 4
    assert shown == "" or digits.endswith(shown[-2:])


@given(st.from_regex(r"[0-9]{17}[0-9Xx]", fullmatch=True))
def test_of_an_identity_number_the_day_of_birth_is_never_shown(number: str) -> None:
    shown = masked_id_number(number)
    assert len(shown) == 18
    assert set(shown[3:14]) == {"*"}


@given(st.text(min_size=2, max_size=30))
def test_of_a_name_one_character_is_shown_and_not_its_length(name: str) -> None:
    assert masked_name(name) in ("", HIDDEN) or re.fullmatch(r".\*\*", masked_name(name), re.DOTALL)


@given(st.text(max_size=60))
def test_an_address_shows_its_first_character_and_its_domain_at_most(text: str) -> None:
    shown = masked_address(text)
    assert shown in ("", HIDDEN) or shown[1:4] == HIDDEN


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("calling 13812345678 now", "calling 138****5678 now"),
        ("tel:+86-138-1234-5678.", "tel:138****5678."),
        ("电话13812345678不通", "电话138****5678不通"),
        ("+447911123456 called", "447****3456 called"),
        ("id 110101199003071234!", "id 110***********1234!"),
        ("device acme/13812345678x", "device acme/13812345678x"),
        ("sha256 a13812345678b", "sha256 a13812345678b"),
        ("cycle 1767225600000000", "cycle 1767225600000000"),
        ("at 2026-11-20T17:28:47.123456Z", "at 2026-11-20T17:28:47.123456Z"),
        ("10.0.0.13812345678", "10.0.0.13812345678"),
    ],
)
def test_numbers_in_running_text(line: str, shown: str) -> None:
    assert without_numbers(line) == shown


@given(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True), st.text(alphabet="abc 张，:=\"'(", max_size=10))
def test_no_mobile_number_stays_in_a_line(number: str, around: str) -> None:
    line = f"{around} {number} {around}".replace(number, number)
    assert number not in without_numbers(line)


@given(st.text(max_size=200))
def test_text_without_numbers_is_left_as_it_is(text: str) -> None:
    if not re.search(r"\d", text):
        assert without_numbers(text) == text
