"""Secrets that Davy makes: 256 random bits, with a word before them that says what they are.

The word lets a scanner of source code find one that was put there, and tells them apart without a look-up. What is kept
of each is its SHA-256 (devices.sites.token_sha256); there are too many to guess, so no salt is needed.
"""

import re
import secrets
from enum import StrEnum

#: Of the part after the word: 32 bytes as base64url.
_RANDOM = r"[A-Za-z0-9_-]{43}"
#: What a login is: a name of the account and not of the person, so neither an address nor a number.
LOGIN_PATTERN = r"^[a-z][a-z0-9._-]{1,63}$"
#: Shortest and longest password. NIST SP 800-63B-4, 3.1.1.2: 15 where it is the only factor, 8 beside another; at least
#: 64 are taken. Ours is the only factor.
SHORTEST_PASSWORD, LONGEST_PASSWORD = 15, 256
_LOGIN = re.compile(LOGIN_PATTERN)


class Secret(StrEnum):
    SESSION = "dvs"
    KEY = "dvk"
    PASSWORD_LINK = "dvp"  # noqa: S105  the word before one


_FORMS = {kind: re.compile(rf"{kind.value}_(?:([a-z0-9]{{12}})_)?{_RANDOM}\Z") for kind in Secret}


def new_secret(kind: Secret, name: str = "") -> str:
    """A new one; `name`: what it is shown as, between the word and the secret."""
    return "_".join(part for part in (kind.value, name, secrets.token_urlsafe(32)) if part)


def kind_of(token: str) -> Secret | None:
    """What a token says that it is."""
    return next((kind for kind, form in _FORMS.items() if form.match(token)), None)


def new_id(characters: int = 12) -> str:
    """A name that nobody guesses and that says nothing: of accounts, sessions, keys."""
    alphabet = "0123456789abcdefghijkmnopqrstuvwxyz"
    return "".join(secrets.choice(alphabet) for _ in range(characters))


def is_login(login: str) -> bool:
    return _LOGIN.match(login) is not None


def password_fault(password: str, login: str) -> str:
    """Why this may not be a password, with what to do; empty: it may. No rules about kinds of characters, and none
    expire (NIST SP 800-63B-4, 3.1.1.2)."""
    if len(password) < SHORTEST_PASSWORD:
        return f"a password has {SHORTEST_PASSWORD} characters at least; four words with spaces do well"
    if len(password) > LONGEST_PASSWORD:
        return f"a password has {LONGEST_PASSWORD} characters at most"
    if len(set(password)) < 5 or login.lower() in password.lower():
        return "that is guessed at once: neither your login nor one thing over and over"
    return ""
