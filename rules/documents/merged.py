"""Several packs as one document, and the packs that Davy brings.

One document is journaled and in force. It is the packs' texts one after another, comments and all, each behind a line
that says whose it is; so a fault in it is named by the pack and the line it stands at.
"""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

from rules.documents.faults import PART, Fault, PackRefused, PlacedFault
from rules.documents.toml import read_toml

BUILT_IN = Path(__file__).parent.parent / "packs"
#: What a new installation starts with: what holds anywhere, and the practice of China.
DEFAULT_PACKS: tuple[str, ...] = (
    *("methane", "co_en50291", "co_dose", "exposure_cn", "faults", "life", "offline", "valves", "valve_causes"),
    *("pressure", "field"),
)

_VERSION = re.compile(r"^[ \t]*version[ \t]*=.*$", re.MULTILINE)
_FIRST_TABLE = re.compile(r"^[ \t]*\[", re.MULTILINE)


def default_pack() -> bytes:
    """The rules a new installation starts with, as the document they are."""
    return built_in_packs(DEFAULT_PACKS)


def built_in() -> tuple[str, ...]:
    """The names of the packs that Davy brings."""
    return tuple(sorted(path.stem for path in BUILT_IN.glob("*.toml")))


def built_in_pack(name: str) -> bytes:
    """One of them, as it is. Raises KeyError for a name that is none."""
    if name not in built_in():
        raise KeyError(name)
    return (BUILT_IN / f"{name}.toml").read_bytes()


def built_in_packs(names: Sequence[str]) -> bytes:
    """Some of them as one document. Raises KeyError for a name that is none."""
    return merge([(f"{name}.toml", built_in_pack(name)) for name in names])


def about(name: str) -> str:
    """The first sentence of a built-in pack's own comment."""
    lines = built_in_pack(name).decode().splitlines()
    text = " ".join(line.lstrip("# ") for line in lines[: lines.index("")])
    return text.split(". ")[0].rstrip(".")


def needs(name: str) -> tuple[str, ...]:
    """The built-in packs that one needs beside it: rules that close valves need those that say how a closing goes."""
    closes = any(str(rule.get("action", "")).startswith("close") for rule in _tables(name))
    return ("valves",) if closes else ()


def _tables(name: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = tomllib.loads(built_in_pack(name).decode())["rule"]
    return found


def as_file(body: bytes) -> bytes:
    """A document to write into one file: whose a part was is a plain comment there, and lines count from the top."""
    return body.replace(f"\n{PART}".encode(), b"\n\n# ---- pack ")


def merge(packs: Sequence[tuple[str, bytes]]) -> bytes:
    """(name, TOML) of each as one TOML document; one alone stays as it is. The version of the whole names those of the
    parts. Raises PackRefused for a part that is no pack, or is not written as `[[rule]]` and `[[override]]` tables."""
    if len(packs) == 1:
        return packs[0][1]
    parts: list[str] = []
    versions: list[str] = []
    for name, body in packs:
        text, version = _part(name, body)
        versions.append(f"{name.removesuffix('.toml')} {version}")
        parts.append(f"{PART}{name}\n{text}")
    said = ", ".join(versions).replace("\\", "\\\\").replace('"', '\\"')
    return "\n".join([f'version = "{said}"', *parts]).encode()


def _part(name: str, body: bytes) -> tuple[str, str]:
    """The text less its version, line for line, and the version."""
    text, said = read_toml(body, name)
    first = _FIRST_TABLE.search(text)
    head, rest = (text[: first.start()], text[first.start() :]) if first else (text, "")
    bare = _VERSION.sub("", head)
    if any(line.strip() and not line.lstrip().startswith("#") for line in bare.splitlines()):
        raise _refused(name, "beside others a pack has a version on one line and then [[rule]] and [[override]] tables")
    if others := sorted({*said} - {"version", "rule", "override"}):
        raise _refused(name, f"there is no such key: {others[0]}")
    return bare + rest, str(said["version"])


def _refused(name: str, reason: str) -> PackRefused:
    return PackRefused([PlacedFault(name, "", Fault("", reason))])
