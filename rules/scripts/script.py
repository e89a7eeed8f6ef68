"""Rule scripts: what rules shall do, as text that a gas engineer writes and Davy checks (docs/rule-scripts.md).

    device d1 detector
    device v1 valve
    link d1 -> v1
    rules default

    load every 10s
        d1: combustible_lel 0x3 25x4

    at 50s
        expect nothing
    at 60s
        expect alarm d1 ch4-low high onset=30s
        expect close v1 for=d1/ch4-low

S1  Parsing is pure: text in, frozen statements out; every fault names file and line.
S2  A script fails on what is missing and on what was not expected: whatever happens between two expectations must be
    said by the second, and what happens after the last must not happen.
S3  Scripts run on `step`, the engine's own, in the order of times: readings and timers of a moment come before what the
    script says at that moment.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from rules.scripts.happened import ALSO, Expected, expected
from rules.scripts.inputs import VERBS
from rules.scripts.series import COLUMNS, Tick, series
from rules.scripts.text import Block, Line, Place, ScriptFault, blocks, duration_us, names, split_options

__all__ = ["Script", "ScriptFault", "Statement", "parse_script"]

#: Where a script's times count from when it does not say: a Monday noon, UTC.
START_US = 1_780_315_200_000_000
_INSTALLATION = ("site", "model", "device", "remove", "link", "unlink", "matrix")
_STATES = (
    *("normal", "unacknowledged", "acknowledged", "returned_unacknowledged", "latched_unacknowledged"),
    *("latched_acknowledged", "shelved", "suppressed", "out_of_service"),
)


@dataclass(frozen=True, slots=True)
class Say:
    """A line about the installation; before the first time it makes it, after that it changes it."""

    line: Line
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules from now on: `file` (empty: inline; "default" or the name of a pack that Davy brings; else a file), or
    `text`, TOML, one line of it for each line of the script from `head` + 1."""

    head: Line
    file: str
    text: str


@dataclass(frozen=True, slots=True)
class Load:
    """Readings of devices, one tick every `every_us`; the first at `from_us` (-1: now)."""

    head: Line
    every_us: int
    from_us: int
    columns: tuple[tuple[Line, str, str, tuple[Tick, ...]], ...]  # (where, device, column, ticks)


@dataclass(frozen=True, slots=True)
class At:
    """It is this time now (`relative`: so much later). `away_us`: for so long before it the engine was not running."""

    line: Line
    us: int
    relative: bool
    away_us: int = 0


@dataclass(frozen=True, slots=True)
class Read:
    """One reading, now."""

    line: Line
    devices: tuple[str, ...]
    said: tuple[tuple[str, Tick], ...]


@dataclass(frozen=True, slots=True)
class Tell:
    """An instruction or an event, now."""

    line: Line
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expect:
    """What happened since the last of these; empty: nothing."""

    line: Line
    expectations: tuple[Expected, ...]


@dataclass(frozen=True, slots=True)
class See:
    """What stands now: `alarms`, `state`, `hold` or `valve`, and the words after it."""

    line: Line
    what: str
    words: tuple[str, ...]
    options: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Restart:
    """The state is frozen, written as bytes, read and thawed."""

    line: Line


Statement = Say | Rules | Load | At | Read | Tell | Expect | See | Restart


@dataclass(frozen=True, slots=True)
class Script:
    """`also`: what is compared besides alarms and closings (script_happened.ALSO). `start_us`: microseconds UTC."""

    name: str
    title: str
    start_us: int
    also: frozenset[str]
    statements: tuple[Statement, ...]


def parse_script(text: str, name: str) -> Script:
    """Raises ScriptFault, which names file and line."""
    title, start_us = "", START_US
    also: set[str] = set()
    statements: list[Statement] = []
    for block in blocks(text, name):
        if block.head.text.split()[0] == "title":
            title = block.head.text.removeprefix("title").strip()
            continue
        words = block.head.words()
        with _Faults(block.head.place):
            match words[0]:
                case "start":
                    start_us = _instant(words[1])
                case "also":
                    also |= _also(words[1:])
                case "rules":
                    statements.append(_rules(block, words))
                case "load":
                    statements.append(_load(block, words))
                case "at":
                    statements += _at(block, words)
                case "restart":
                    statements.append(Restart(block.head))
                case verb if verb in _INSTALLATION:
                    statements.append(Say(block.head, tuple(words)))
                case verb:
                    known = ("title", "start", "also", "rules", "load", "at", "restart", *_INSTALLATION)
                    raise ValueError(f"{verb!r} begins no statement; one begins with {', '.join(known)}")
        if block.body and words[0] not in ("rules", "load", "at"):
            raise block.body[0].place.fault(f"is indented below `{words[0]}`, which has no body")
    return Script(name, title, start_us, frozenset(also), tuple(statements))


class _Faults:
    """Gives a ValueError within the place of its line."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, wrong: BaseException | None, trace: object) -> None:
        if isinstance(wrong, ScriptFault):
            return
        if isinstance(wrong, IndexError):
            raise self.place.fault("a word is missing") from wrong
        if isinstance(wrong, ValueError):
            raise self.place.fault(str(wrong)) from wrong


def _instant(text: str) -> int:
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError(f"{text}: say the zone too, as in 2026-06-01T12:00:00+08:00")
    return round(when.timestamp()) * 1_000_000


def _also(words: list[str]) -> set[str]:
    for word in words:
        if word not in ALSO:
            raise ValueError(f"also {word}: it is one of {', '.join(ALSO)}")
    return set(words)


def _rules(block: Block, words: list[str]) -> Rules:
    if len(words) == 1:
        if not block.raw.strip():
            raise ValueError("write `rules default`, `rules FILE`, or the rules below, indented")
        return Rules(block.head, "", block.raw)
    if block.body:
        raise ValueError("write `rules default`, `rules FILE`, or only `rules` and the rules below, indented")
    return Rules(block.head, " ".join(words[1:]), "")


def _load(block: Block, words: list[str]) -> Load:
    if len(words) not in (3, 5) or words[1] != "every" or (len(words) == 5 and words[3] != "from"):
        raise ValueError("write: load every 10s [from 60s]")
    every_us = duration_us(words[2])
    if every_us <= 0:
        raise ValueError("readings come every so often: a time above 0")
    columns: list[tuple[Line, str, str, tuple[Tick, ...]]] = []
    for line in block.body:
        with _Faults(line.place):
            devices, rest = _devices(line)
            if len(rest) < 2:
                raise ValueError("write: DEVICE: COLUMN VALUES")
            ticks = series(rest[0], rest[1:])
            columns += [(line, device, rest[0], ticks) for device in devices]
    if not columns:
        raise ValueError("no readings stand below it, indented")
    return Load(block.head, every_us, duration_us(words[4]) if len(words) == 5 else -1, tuple(columns))


def _devices(line: Line) -> tuple[list[str], list[str]]:
    """(devices before the colon, words after it)"""
    words = line.words()
    at = next((at for at, word in enumerate(words) if word.endswith(":")), -1)
    if at < 0:
        raise ValueError("a reading begins with its device and a colon, as in `d1: combustible_lel 20x3`")
    said = [*words[:at], words[at][:-1]]
    return [name for word in said for name in names(word)], words[at + 1 :]


def _at(block: Block, words: list[str]) -> list[Statement]:
    if len(words) not in (2, 4) or (len(words) == 4 and words[2] != "away"):
        raise ValueError("write: at 60s, or at 60s away 30s (the engine was not running for so long before)")
    away_us = duration_us(words[3]) if len(words) == 4 else 0
    found: list[Statement] = [At(block.head, duration_us(words[1]), words[1].startswith("+"), away_us)]
    group: list[Expected] = []
    first: Line | None = None
    for line in block.body:
        with _Faults(line.place):
            said = line.words()
            if said[0] == "expect":
                first = first or line
                group += [] if said[1:] == ["nothing"] else _expected(line, said[1:])
                continue
            if first is not None:
                found.append(Expect(first, tuple(group)))
                group, first = [], None
            found.append(_action(line, said))
    if first is not None:
        found.append(Expect(first, tuple(group)))
    return found


def _expected(line: Line, said: list[str]) -> list[Expected]:
    """One for each device of a row of names, as in `expect alarm d1..d3 gas`."""
    if len(said) < 2 or "=" in said[1]:
        return [expected(line, said)]
    return [expected(line, [said[0], name, *said[2:]]) for name in names(said[1])]


def _action(line: Line, said: list[str]) -> Statement:
    if any(word.endswith(":") for word in said[:1]) or (":" in line.text and said[0] not in _ACTIONS | VERBS.keys()):
        devices, rest = _devices(line)
        return Read(line, tuple(devices), _said(rest))
    if said[0] == "restart":
        return Restart(line)
    if said[0] in _SEES:
        plain, options = split_options(said[1:], ("since", "due"))
        _SEES[said[0]](plain)
        return See(line, said[0], tuple(plain), tuple(options.items()))
    if said[0] not in VERBS:
        known = ("expect", *_SEES, "restart", *VERBS)
        raise ValueError(
            f"{said[0]!r} is nothing to do or to see; that begins with a device and a colon (a reading), "
            f"or is one of {', '.join(known)}"
        )
    return Tell(line, tuple(said))


def _said(words: list[str]) -> tuple[tuple[str, Tick], ...]:
    plain, options = split_options(words, COLUMNS)
    if plain:
        raise ValueError(f"{plain[0]!r}: a reading is written as in `d1: combustible_lel=20 flags=low_alarm`")
    found = []
    for column, word in options.items():
        ticks = series(column, [word])
        if len(ticks) != 1 or ticks[0].gap:
            raise ValueError(f"{column}={word}: here stands one reading; several stand in a `load`")
        found.append((column, ticks[0]))
    return tuple(found)


def _sees_alarms(words: list[str]) -> None:
    for word in words if words != ["none"] else []:
        if not re.fullmatch(r"[^=/]+/[^=/]+", word):
            raise ValueError(f"{word!r}: write alarms none, or alarms d1/ch4-low d2/co-alarm")


def _sees_state(words: list[str]) -> None:
    if len(words) != 3 or words[2] not in _STATES:
        raise ValueError(f"write: state DEVICE RULE STATE; STATE is one of {', '.join(_STATES)}")


def _sees_hold(words: list[str]) -> None:
    if len(words) not in (2, 3) or words[2:] not in ([], ["none"]):
        raise ValueError("write: hold DEVICE RULE none, or hold DEVICE RULE since=30s due=60s")


def _sees_valve(words: list[str]) -> None:
    if len(words) != 2 or words[1] not in ("wanted", "free"):
        raise ValueError("write: valve VALVE wanted, or valve VALVE free")


_SEES: dict[str, Callable[[list[str]], None]] = {
    "alarms": _sees_alarms,
    "state": _sees_state,
    "hold": _sees_hold,
    "valve": _sees_valve,
}
_ACTIONS = _SEES.keys() | {"restart"}
