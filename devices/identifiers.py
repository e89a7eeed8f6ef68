"""Numbers that others give: their form and check digits. Pure.

E1  Nothing here refuses: every function answers with what is odd about a text, or with an empty one. Real registers
    hold legal numbers that fail (the first unified credit codes were given out before their check digit was), so what
    is odd is a warning beside a row, and the row stays.
E2  What a warning quotes of a person's number is its form, never its digits.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date

#: GB 32100-2015, 4.4: the characters of a unified social credit code (no I O S V Z), and their values.
_USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_VALUE = {character: value for value, character in enumerate(_USCC)}
#: GB 32100-2015, table 4: 3^i mod 31.
USCC_WEIGHTS = tuple(pow(3, at, 31) for at in range(17))
#: GB 11714-1997, 4.3: of the organisation's part, characters 9 to 16; its check character is the 17th.
ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_ORGANISATION = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#: GB 11643-1999, 4.2 (ISO 7064, MOD 11-2).
ID_CARD_WEIGHTS = tuple(pow(2, 17 - at, 11) for at in range(17))
_ID_CARD_CHECK = "10X98765432"
_ID_CARD = re.compile(r"[1-9][0-9]{16}[0-9X]\Z")
#: As TeleInfo's ID-SDK has it: 88 is the agency (VAA, ISO/IEC 15459), then the industry or second-level node, the
#: enterprise, and a free suffix.
_INDUSTRIAL = re.compile(r"88\.[0-9]+\.[0-9A-Za-z]+/.+\Z", re.DOTALL)
#: Certificates of CNCA's catalogue: year, body (2), class (4), serial (6).
_CCC = re.compile(r"((?:19|20)[0-9]{2})[0-9]{12}\Z")
#: Type approval of a measuring instrument (JJF 1246): CPA yy-Xnnn (serials from 101), or yyyyXnnn-pp with the province.
_CPA_OLD = re.compile(r"CPA ?[0-9]{2}-[A-Z]([0-9]{3,})\Z")
_CPA_NEW = re.compile(r"(?:CPA ?)?(?:19|20)[0-9]{2}[A-Z]([0-9]{3,})-[0-9]{2}\Z")
_GTIN = re.compile(r"(?:[0-9]{8}|[0-9]{12,14})\Z")
_DIGITAL_LINK = re.compile(r"https?://[^/]+/01/([0-9]{14})(?:/21/([^/?#]+))?(?:[/?#].*)?\Z")


def uscc_oddity(code: str) -> str:
    """Of a unified social credit code (统一社会信用代码)."""
    if len(code) != 18 or any(character not in _USCC_VALUE for character in code):
        return "a unified social credit code has 18 of 0-9 and A-Z without I O S V Z"
    if code[17] != uscc_check(code[:17]):
        return (
            "its last character does not fit the others; look at it again (codes of the first pilots do not fit, and"
            " are legal)"
        )
    if code[16] != organisation_check(code[8:16]):
        return "the organisation's part (characters 9 to 17) does not fit its own check character; look at it again"
    return ""


def uscc_check(first: str) -> str:
    """The 18th character, of the first 17. Raises ValueError where they are none."""
    if len(first) != 17 or any(character not in _USCC_VALUE for character in first):
        raise ValueError("17 characters of a unified social credit code are needed")
    total = sum(_USCC_VALUE[character] * weight for character, weight in zip(first, USCC_WEIGHTS, strict=True))
    return _USCC[-total % 31]


def organisation_check(first: str) -> str:
    """The check character of an organisation code's eight (GB 11714): 10 is X, 11 is 0. Raises ValueError."""
    if len(first) != 8 or any(character not in _ORGANISATION for character in first):
        raise ValueError("8 characters of an organisation code are needed")
    pairs = zip(first, ORGANISATION_WEIGHTS, strict=True)
    check = 11 - sum(_ORGANISATION.index(character) * weight for character, weight in pairs) % 11
    return {10: "X", 11: "0"}.get(check, str(check))


def id_card_oddity(number: str) -> str:
    """Of a citizen's number (公民身份号码)."""
    if not _ID_CARD.match(number):
        return "a citizen's number has 17 digits and a digit or X"
    if not _is_day(number[6:14]):
        return "its middle is no day of birth"
    return "" if number[17] == id_card_check(number[:17]) else "its last character does not fit the others"


def id_card_check(first: str) -> str:
    """The 18th character, of the first 17 digits. Raises ValueError where they are none."""
    if len(first) != 17 or not (first.isascii() and first.isdigit()):
        raise ValueError("17 digits are needed")
    return _ID_CARD_CHECK[sum(int(digit) * weight for digit, weight in zip(first, ID_CARD_WEIGHTS, strict=True)) % 11]


def industrial_oddity(identifier: str) -> str:
    """Of an industrial-internet identifier (工业互联网标识)."""
    if not _INDUSTRIAL.match(identifier):
        return "is not written as 88.node.enterprise/suffix; see whether it is resolved"
    return "" if identifier == identifier.strip() else "has blanks around it"


def ccc_oddity(number: str) -> str:
    """Of a CCC certificate's number."""
    found = _CCC.match(number)
    if found is None:
        return "a CCC number has 16 digits: year, body (2), class (4), serial (6)"
    # GB CCC began on 2002-05-01 (CNCA announcement 33/2001).
    return "" if int(found[1]) >= 2002 else "there were no CCC certificates in its year"


def cpa_oddity(number: str) -> str:
    """Of a measuring instrument's type approval (计量器具型式批准)."""
    found = _CPA_OLD.match(number) or _CPA_NEW.match(number)
    if found is None:
        return "a type approval is written as CPA yy-Xnnn or yyyyXnnn-pp"
    return "" if int(found[1]) >= 101 else "its serial is below 101, the first that is given"


def gtin_oddity(code: str) -> str:
    """Of a GTIN (8, 12, 13 or 14 digits; GS1 General Specifications, 7.9)."""
    if not _GTIN.match(code):
        return "a GTIN has 8, 12, 13 or 14 digits"
    return "" if code[-1] == gs1_check(code[:-1]) else "its last digit does not fit the others"


def gs1_check(first: str) -> str:
    """The mod-10 digit after these: weights 3, 1, 3 ... from the right. Raises ValueError for anything but digits."""
    if not (first.isascii() and first.isdigit()):
        raise ValueError("digits are needed")
    return str(-sum(int(digit) * (3 if at % 2 == 0 else 1) for at, digit in enumerate(reversed(first))) % 10)


def digital_link(url: str) -> tuple[str, str] | None:
    """(GTIN-14, serial) of a GS1 Digital Link (`.../01/{gtin}/21/{serial}`), the serial empty where it has none; None:
    it is no such link."""
    found = _DIGITAL_LINK.match(url)
    return None if found is None else (found[1], found[2] or "")


def certificate_oddity(scheme: str, number: str) -> str:
    """Of a certificate's number, by its scheme; empty for a scheme whose numbers have no form that is known."""
    look = _BY_SCHEME.get(scheme.strip().upper())
    return look(number) if look is not None else ""


_BY_SCHEME: Mapping[str, Callable[[str], str]] = {"CCC": ccc_oddity, "CPA": cpa_oddity}


def _is_day(digits: str) -> bool:
    try:
        date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return False
    return True
