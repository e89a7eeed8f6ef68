"""What of personal data is shown where it need not be known: enough to tell two people apart over the telephone, never
enough to call one or to find one's home. Pure.

M1  A mask never shows a character that the plain text does not have there, and never more of them than stands here;
    what is too short to be masked as its kind is hidden whole.
M2  The number of asterisks says nothing but the kind: a name of two characters and one of four look alike where only
    the first is shown.
M3  What is shown of a number is shown of digits and letters only: white space and hyphens are gone first, so that they
    shift nothing into view.
"""

import re
import unicodedata
from collections.abc import Callable

HIDDEN = "***"

_FILLING = re.compile(r"[\s().\-/]+")
_TELEPHONE = re.compile(r"\+?[0-9]{7,15}\Z")
_ID_NUMBER = re.compile(r"[0-9]{17}[0-9X]\Z|[0-9]{15}\Z")


def masked_telephone(text: str) -> str:
    """`138****5678`: of a mobile number three and four digits; of a shorter one (7 to 10 digits) the last two. A prefix
    of the country is not shown. ITU-T E.164 has 15 digits at most; GB/T 35273-2020 asks for masking, the form is usual
    in China."""
    plain = _plain(text)
    if not _TELEPHONE.match(plain):
        return HIDDEN if plain else ""
    digits = plain.removeprefix("+")
    digits = digits.removeprefix("86") if len(digits) == 13 else digits
    return f"{digits[:3]}****{digits[-4:]}" if len(digits) >= 11 else f"****{digits[-2:]}"


def masked_id_number(text: str) -> str:
    """`110***********1234` of 公民身份号码 (GB 11643): the province and county's beginning, and the last four; neither
    the day of birth nor the whole county. One of 15 digits keeps three and three."""
    plain = _plain(text).upper()
    if not _ID_NUMBER.match(plain):
        return HIDDEN if plain else ""
    last = 4 if len(plain) == 18 else 3
    return f"{plain[:3]}{'*' * (len(plain) - 3 - last)}{plain[-last:]}"


def masked_name(text: str) -> str:
    """`张**`, `A**`: the first character, however long the name; of a name of one character nothing."""
    plain = _plain(text)
    if not plain:
        return ""
    return f"{plain[0]}**" if len(plain) > 1 and plain[0].isalpha() else HIDDEN


def masked_address(text: str) -> str:
    """Of an address at a channel (e-mail, an id): `a***@example.org`, else nothing but that there is one. A domain of a
    single person's would show whose it is, so only that of three labels or fewer is shown, and it is not looked up."""
    plain = "".join(unicodedata.normalize("NFKC", text).split())
    local, at, domain = plain.rpartition("@")
    if not plain:
        return ""
    if at and len(local) > 1 and local[0].isalnum() and 0 < domain.count(".") < 3:
        return f"{local[0]}{HIDDEN}@{domain}"
    return HIDDEN


_KINDS: dict[str, Callable[[str], str]] = {
    "name": masked_name,
    "telephone": masked_telephone,
    "sms": masked_telephone,
    "id_number": masked_id_number,
}


def masked(kind: str, text: str) -> str:
    """By the kind of field or channel; what is no kind of ours is masked as an address."""
    return _KINDS.get(kind, masked_address)(text)


#: In running text: mobile numbers of China with or without what people write between, other international numbers with
#: their plus, and identity numbers; not within a longer run of letters and digits, such as a hash or a device's serial.
_MOBILE = r"(?:(?:\+|00)86[ -]?)?1[3-9][0-9](?:[ -]?[0-9]{4}){2}"
_ABROAD = r"\+[1-9][0-9]{6,14}"
_IDENTITY = r"[1-9][0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01])[0-9]{3}[0-9Xx]"
_PERSONAL = re.compile(rf"(?<![0-9A-Za-z_.])(?:(?P<id>{_IDENTITY})|(?P<tel>{_MOBILE}|{_ABROAD}))(?![0-9A-Za-z_])")


#: Full-width digits, which Chinese input methods write.
_DIGITS = str.maketrans("０１２３４５６７８９", "0123456789")


def without_numbers(text: str) -> str:
    """`text` with every telephone and identity number in it masked: the last fence of a log line."""
    return _PERSONAL.sub(_cover, text if text.isascii() else text.translate(_DIGITS))


def _cover(found: re.Match[str]) -> str:
    return masked_id_number(found[0]) if found["id"] else masked_telephone(found[0])


def _plain(text: str) -> str:
    return _FILLING.sub("", unicodedata.normalize("NFKC", text)).strip()
