"""The text of a rule script as lines with places, and the small notations in it: times, names in a row, options.

A line that begins in the first column is a statement; the lines below it that are indented are its body. `#` begins a
comment, save in the body of `rules`, which is TOML.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

MICROSECONDS = 1_000_000
_UNITS_US = {"us": 1, "ms": 1_000, "s": MICROSECONDS, "m": 60 * MICROSECONDS, "min": 60 * MICROSECONDS}
_UNITS_US |= {"h": 3_600 * MICROSECONDS, "d": 86_400 * MICROSECONDS}
_PART = re.compile(r"(\d+(?:\.\d+)?)(us|ms|min|s|m|h|d)")
_ROW = re.compile(r"(?P<stem>.*?)(?P<first>\d+)\.\.(?P=stem)(?P<last>\d+)\Z")
#: A row of names is written to save typing, not to build a city.
MOST_IN_A_ROW = 1_000


class ScriptFault(ValueError):
    """A script that cannot be read or run; the text begins with `file:line:`. Permanent."""


@dataclass(frozen=True, slots=True)
class Place:
    file: str
    line: int

    def fault(self, reason: str) -> ScriptFault:
        return ScriptFault(f"{self}: {reason}")

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line: where it stands, and its text without indentation."""

    place: Place
    text: str

    def words(self) -> list[str]:
        """Its words, comment taken away, text in quotes kept together. Raises ScriptFault."""
        try:
            return shlex.split(self.text, comments=True)
        except ValueError as wrong:
            raise self.place.fault(f"{wrong}: text that begins with a quotation mark must end with one") from wrong


@dataclass(frozen=True, slots=True)
class Block:
    """A statement and its body. `raw`: the body as written, dedented, for what is not ours to split (TOML)."""

    head: Line
    body: tuple[Line, ...]
    raw: str


def blocks(text: str, name: str) -> Iterator[Block]:
    """The statements of a script. Raises ScriptFault for an indented line that belongs to none."""
    lines = [(number, line.rstrip()) for number, line in enumerate(text.splitlines(), 1)]
    head: tuple[int, str] | None = None
    body: list[tuple[int, str]] = []
    for number, line in lines:
        indented = line[:1] in (" ", "\t")
        if not line or line.startswith("#"):
            body.append((number, ""))
        elif indented and head is None:
            raise Place(name, number).fault("is indented, but no statement stands above it")
        elif indented:
            body.append((number, line))
        else:
            if head is not None:
                yield _block(name, head, body)
            head, body = (number, line), []
    if head is not None:
        yield _block(name, head, body)


def _block(name: str, head: tuple[int, str], body: Sequence[tuple[int, str]]) -> Block:
    written = [line for _, line in body if line.strip()]
    margin = min((len(line) - len(line.lstrip()) for line in written), default=0)
    lines = tuple(
        Line(Place(name, number), line.strip())
        for number, line in body
        if line.strip() and not line.strip().startswith("#")
    )
    raw = "\n".join(line[margin:] for _, line in body)
    return Block(Line(Place(name, head[0]), head[1]), lines, raw)


def duration_us(text: str) -> int:
    """`1h30m`, `90s`, `250ms`, `2d` in microseconds; a minus sign in front is allowed. Raises ValueError."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    found = list(_PART.finditer(rest))
    if not found or "".join(part.group() for part in found) != rest:
        raise ValueError(f"{text!r} is no time; write it as 90s, 5m, 1h30m or 2d")
    return sign * sum(round(float(part[1]) * _UNITS_US[part[2]]) for part in found)


def spoken_us(us: int) -> str:
    """A duration as one would write it in a script; `duration_us` reads it back."""
    sign, rest = ("-", -us) if us < 0 else ("", us)
    parts = []
    for unit, size in (("d", 86_400 * MICROSECONDS), ("h", 3_600 * MICROSECONDS), ("m", 60 * MICROSECONDS)):
        many, rest = divmod(rest, size)
        parts += [f"{many}{unit}"] if many else []
    seconds, left = divmod(rest, MICROSECONDS)
    if left:
        parts.append(f"{seconds + left / MICROSECONDS:.6f}".rstrip("0") + "s")
    elif seconds or not parts:
        parts.append(f"{seconds}s")
    return sign + "".join(parts)


def names(word: str) -> list[str]:
    """`d1` is itself; `d1..d9` is d1, d2, ... d9. Raises ValueError."""
    row = _ROW.match(word)
    if row is None:
        if ".." in word:
            raise ValueError(f"{word!r} is no row of names; write it as d1..d9")
        return [word]
    first, last = int(row["first"]), int(row["last"])
    if not first <= last < first + MOST_IN_A_ROW:
        raise ValueError(f"{word!r}: the second number is the larger, by less than {MOST_IN_A_ROW}")
    width = len(row["first"]) if row["first"].startswith("0") else 0
    return [f"{row['stem']}{number:0{width}d}" for number in range(first, last + 1)]


def split_options(words: Sequence[str], known: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """(the words that are no options, the `key=value` ones). Raises ValueError for a key that is not known or that
    stands twice."""
    plain: list[str] = []
    options: dict[str, str] = {}
    for is_option, some in groupby(words, key=lambda word: re.match(r"[a-z][a-z0-9_]*=", word) is not None):
        for word in some:
            if not is_option:
                plain.append(word)
                continue
            key, _, value = word.partition("=")
            if key not in known:
                raise ValueError(f"{key}= is not known here; known: {', '.join(known) or 'none'}")
            if key in options:
                raise ValueError(f"{key}= stands twice")
            options[key] = value
    return plain, options
