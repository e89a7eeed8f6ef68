"""devices/identifiers.py against the samples of the standards, and by its own arithmetic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import identifiers as ids

_USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def test_the_weights_are_those_of_the_standards() -> None:
    assert ids.USCC_WEIGHTS == (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
    assert ids.ID_CARD_WEIGHTS == (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


@pytest.mark.parametrize("code", ["91350200776049653A", "91440101MA5CJQ4N59", "913502000728319549"])
def test_credit_codes_of_real_companies_fit(code: str) -> None:
    assert ids.uscc_oddity(code) == ""


@pytest.mark.parametrize("code", ["91350203M0001FUE2P", "91350100M0001TGQXM", "91350211M0000XUF46"])
def test_codes_of_the_pilots_are_odd_and_the_warning_says_that_they_may_be_legal(code: str) -> None:
    assert "legal" in ids.uscc_oddity(code)


def test_the_standards_own_citizens_number_fits() -> None:
    assert ids.id_card_oddity("11010519491231002X") == ""


@given(st.text(alphabet=_USCC, min_size=17, max_size=17), st.integers(0, 16), st.sampled_from(_USCC))
def test_one_wrong_character_of_a_credit_code_is_seen(first: str, at: int, other: str) -> None:
    right = first + ids.uscc_check(first)
    wrong = right[:at] + other + right[at + 1 :]
    if wrong != right:
        assert wrong[17] != ids.uscc_check(wrong[:17])
        assert ids.uscc_oddity(wrong)


@given(
    st.from_regex(r"[1-9][0-9]{5}(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|1[0-9]|2[0-8])[0-9]{3}", fullmatch=True),
    st.data(),
)
def test_one_wrong_digit_of_a_citizens_number_is_seen(first: str, data: st.DataObject) -> None:
    right = first + ids.id_card_check(first)
    assert ids.id_card_oddity(right) == ""
    at = data.draw(st.integers(0, 16))
    other = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != right[at]]))
    assert ids.id_card_oddity(right[:at] + other + right[at + 1 :])


@given(st.from_regex(r"[0-9]{13}", fullmatch=True), st.integers(0, 12), st.sampled_from("0123456789"))
def test_one_wrong_digit_of_a_gtin_is_seen(first: str, at: int, other: str) -> None:
    right = first + ids.gs1_check(first)
    assert ids.gtin_oddity(right) == ""
    wrong = right[:at] + other + right[at + 1 :]
    assert bool(ids.gtin_oddity(wrong)) == (wrong != right)


@pytest.mark.parametrize(
    "identifier", ["88.111.1/admin", "88.167.14/1", "88.1000.2/mm", "88.300.15907541011/user002", "88.1.a/GT.2026.7"]
)
def test_industrial_internet_identifiers_of_the_sdk_are_not_odd(identifier: str) -> None:
    assert ids.industrial_oddity(identifier) == ""


@pytest.mark.parametrize("identifier", ["", "86.1.1/a", "88.1.1", "88.x.1/a", "88.1.1/", "88.1.1/a "])
def test_what_is_written_otherwise_is_odd(identifier: str) -> None:
    assert ids.industrial_oddity(identifier)


@pytest.mark.parametrize(
    ("scheme", "number", "odd"),
    [
        ("CCC", "2016010901123456", False),
        ("ccc", "2016 01 0901 123456", True),
        ("CCC", "1999010901123456", True),
        ("CPA", "CPA 99-F166", False),
        ("CPA", "2021F101-50", False),
        ("CPA", "CPA 99-F007", True),
        ("CPA", "99/166", True),
        ("Ex", "whatever the body writes", False),
    ],
)
def test_certificates_are_looked_at_by_their_scheme(scheme: str, number: str, odd: bool) -> None:
    assert bool(ids.certificate_oddity(scheme, number)) is odd


def test_a_gs1_digital_link_names_the_article_and_the_one_piece() -> None:
    assert ids.digital_link("https://id.gs1.org/01/09506000134352/21/ABC123") == ("09506000134352", "ABC123")
    assert ids.digital_link("https://id.gs1.org/01/09506000134352") == ("09506000134352", "")
    assert ids.digital_link("https://example.org/01/123") is None


@given(st.text(max_size=40))
def test_nothing_is_ever_refused_or_quoted(text: str) -> None:
    looks = (
        ids.uscc_oddity,
        ids.id_card_oddity,
        ids.industrial_oddity,
        ids.ccc_oddity,
        ids.cpa_oddity,
        ids.gtin_oddity,
    )
    for look in looks:
        said = look(text)
        assert len(text) < 6 or text not in said
    ids.digital_link(text)
