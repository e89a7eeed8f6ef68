"""How one setting's value is read, from text (environment) or from TOML. Each reader raises ValueError saying what is
allowed; the caller adds the key and the value."""

import ipaddress
import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

#: A value as it comes: text from the environment, or a TOML scalar.
Raw = str | int | float | bool

_UNITS = {"": 1, "B": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?i?B)?\Z", re.IGNORECASE)
_YES, _NO = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


def size_bytes(lowest: int) -> Callable[[Raw], int]:
    """Bytes as an integer, or with a binary unit: `4GiB`, `512 MiB`."""

    def read(raw: Raw) -> int:
        match = _SIZE.match(str(raw).strip())
        unit = (match[2] or "").upper() if match else "?"
        size = round(float(match[1]) * _UNITS[unit]) if match and unit in _UNITS else -1
        if isinstance(raw, bool) or size < lowest:
            raise ValueError(f"a size of at least {size_text(lowest)}: bytes, or a number with KiB, MiB, GiB or TiB")
        return size

    return read


def size_text(size: int) -> str:
    """Bytes in the largest unit of which they are at least one: 4294967296 -> `4 GiB`."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size >= _UNITS[unit.upper()]:
            return f"{size / _UNITS[unit.upper()]:.4g} {unit}"
    return f"{size} B"


def whole(lowest: int, highest: int) -> Callable[[Raw], int]:
    def read(raw: Raw) -> int:
        text = str(raw).strip()
        if isinstance(raw, bool) or not re.fullmatch(r"[0-9]{1,12}", text) or not lowest <= int(text) <= highest:
            raise ValueError(f"a whole number from {lowest} to {highest}")
        return int(text)

    return read


def boolean(raw: Raw) -> bool:
    word = str(raw).strip().lower()
    if word not in _YES | _NO:
        raise ValueError("true or false")
    return word in _YES


def one_of(*words: str) -> Callable[[Raw], str]:
    def read(raw: Raw) -> str:
        word = str(raw).strip().lower()
        if word not in words:
            raise ValueError("one of " + ", ".join(words))
        return word

    return read


def host(raw: Raw) -> str:
    """An address or name to listen on."""
    text = str(raw).strip()
    if not isinstance(raw, str) or not re.fullmatch(r"[A-Za-z0-9_.:%-]{1,253}", text):
        raise ValueError("an IP address or host name")
    return text


def is_loopback(text: str) -> bool:
    """Only this machine can reach a listener on this host."""
    try:
        return ipaddress.ip_address(text.split("%")[0]).is_loopback
    except ValueError:
        return text == "localhost"


def database_url(raw: Raw) -> str:
    text = str(raw).strip()
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("a URL that begins with postgresql://")
    return text


def expanded(text: str) -> Path:
    """A path with `~` and `~name` as the home folders that they stand for."""
    try:
        return Path(text).expanduser()
    except RuntimeError as nobody:
        raise ValueError("a path; nobody here has such a home folder") from nobody


def folder(raw: Raw) -> Path:
    """A folder that may not exist yet."""
    if not isinstance(raw, str) or not raw.strip() or "\0" in raw:
        raise ValueError("the path of a folder")
    path = expanded(raw)
    if path.exists() and not path.is_dir():
        raise ValueError("the path of a folder; this is a file")
    return path


def file_to_be(raw: Raw) -> Path:
    """A file that may not exist yet: whoever needs it says when it is not there."""
    if not isinstance(raw, str) or not raw.strip() or "\0" in raw:
        raise ValueError("the path of a file")
    return expanded(raw)


def file(raw: Raw) -> Path:
    """A file that must exist."""
    path = file_to_be(raw)
    if not path.is_file():
        raise ValueError("the path of a file that exists")
    return path


def packs(raw: Raw) -> tuple[str, ...]:
    """Rule packs: names of built-in ones, or files that exist, with commas between; each once."""
    from rules.documents.merged import built_in

    parts = [part.strip() for part in str(raw).split(",")]
    known = built_in()
    wrong = [part for part in parts if not (part in known or (is_pack_file(part) and Path(part).is_file()))]
    if not isinstance(raw, str) or wrong or len(set(parts)) < len(parts):
        why = f"{wrong[0]!r} is neither" if wrong else "each once"
        raise ValueError(f"names of packs or paths of files, with commas between ({why}); packs: {', '.join(known)}")
    return tuple(parts)


def is_pack_file(part: str) -> bool:
    """A part of a list of packs that is a file, not the name of a built-in one."""
    return part.endswith(".toml") or "/" in part


def placed_packs(raw: str, folder: Path) -> str:
    """The list with its files' paths, where they are relative, taken from `folder`."""
    parts = (part.strip() for part in raw.split(","))
    return ",".join(
        os.path.normpath(folder.absolute() / expanded(part)) if is_pack_file(part) else part for part in parts
    )


def issuer(raw: Raw) -> str:
    """The URL of an OpenID Connect provider, as its tokens have it (`iss`)."""
    text = str(raw).strip()
    parts = urlsplit(text)
    safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    if not isinstance(raw, str) or not safe or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("an https:// URL (http:// of this machine only), without query and fragment")
    return text


def word(raw: Raw) -> str:
    """A name without spaces."""
    text = str(raw).strip()
    if not isinstance(raw, str) or not re.fullmatch(r"[!-~]{1,255}", text):
        raise ValueError("1 to 255 visible ASCII characters without spaces")
    return text
