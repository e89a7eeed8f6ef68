"""The notation of readings in a rule script, and the rows it stands for.

    combustible_lel 0x5 10 20+5x3 _ sensor_fault

is one column of a device, one word per tick: 0 five times, 10, then 20 25 30, then no reading at all, then a reading
whose value cannot be believed. (`x3` is three readings, not three more: a gas engineer counts readings.)
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devices.quantities import QUANTITY_NAMES, Flag, Quality, ValveCause, ValvePosition, quality_shift
from devices.readings import Rows, blank
from rules.scripts.text import duration_us

#: Columns besides the quantities. `ts` is how much earlier than received the reading was measured, as in -60s.
FLAGS, VALVE, CAUSE, TS = "flags", "valve", "valve_cause", "ts"
COLUMNS: tuple[str, ...] = (*QUANTITY_NAMES, FLAGS, VALVE, CAUSE, TS)
#: Of one series; a script is read by people.
MOST_TICKS = 100_000

_FLAG_WORDS = {(flag.name or "").lower(): flag for flag in Flag} | {"suspect": Flag.SUSPECT_CLOCK}
_QUALITY_WORDS = {quality.name.lower(): quality for quality in Quality if quality is not Quality.GOOD}
_POSITION_WORDS = {position.name.lower(): position for position in ValvePosition}
_CAUSE_WORDS = {cause.name.lower(): cause for cause in ValveCause}
_NUMBER = re.compile(r"(?P<first>-?\d+(?:\.\d+)?)(?:(?P<each>[+-]\d+(?:\.\d+)?)(?=x))?(?:x(?P<many>\d+))?\Z")
_WORD = re.compile(r"(?P<word>[a-z_|]+|\.|-?(?:[\d.]+(?:us|ms|min|s|m|h|d))+)(?:x(?P<many>\d+))?\Z")


@dataclass(frozen=True, slots=True)
class Tick:
    """What one column says of one reading. `absent`: it says nothing; a reading in which every column is absent is
    still a reading (a sign of life) unless `gap`: there is none."""

    value: float = 0.0
    quality: Quality = Quality.GOOD
    number: int = 0
    absent: bool = False
    gap: bool = False


_GAP, _ABSENT = Tick(absent=True, gap=True), Tick(absent=True)


def series(column: str, words: Sequence[str]) -> tuple[Tick, ...]:
    """The ticks of one column. Raises ValueError saying which word is wrong and what it may be."""
    if column not in COLUMNS:
        raise ValueError(f"{column!r} is no column; it is one of {', '.join(COLUMNS)}")
    found: list[Tick] = []
    for word in words:
        found += _ticks(column, word)
        if len(found) > MOST_TICKS:
            raise ValueError(f"a series has at most {MOST_TICKS} readings")
    return tuple(found)


def _ticks(column: str, word: str) -> list[Tick]:
    number = _NUMBER.match(word)
    if number is not None and column in QUANTITY_NAMES:
        many, each = _many(number["many"]), float(number["each"] or 0)
        return [Tick(value=float(number["first"]) + each * n) for n in range(many)]
    plain = _WORD.match(word)
    if plain is None:
        raise ValueError(f"{word!r} is no value of {column}: {_may_be(column)}")
    return [_word(column, plain["word"])] * _many(plain["many"])


def _many(text: str | None) -> int:
    many = int(text) if text else 1
    if not 1 <= many <= MOST_TICKS:
        raise ValueError(f"x{many}: repeats are 1 to {MOST_TICKS}")
    return many


def _word(column: str, word: str) -> Tick:
    if word == "_":
        return _GAP
    if word == ".":
        return _ABSENT
    if column in QUANTITY_NAMES and word in _QUALITY_WORDS:
        return Tick(quality=_QUALITY_WORDS[word])
    if column == FLAGS and all(one in _FLAG_WORDS for one in word.split("|")):
        bits = Flag(0)
        for one in word.split("|"):
            bits |= _FLAG_WORDS[one]
        return Tick(number=int(bits))
    if column == VALVE and word in _POSITION_WORDS:
        return Tick(number=_POSITION_WORDS[word])
    if column == CAUSE and word in _CAUSE_WORDS:
        return Tick(number=_CAUSE_WORDS[word])
    if column == TS:
        return Tick(number=duration_us(word))
    raise ValueError(f"{word!r} is no value of {column}: {_may_be(column)}")


def _may_be(column: str) -> str:
    words = {
        FLAGS: " ".join(_FLAG_WORDS) + " (several: low_alarm|fault)",
        VALVE: " ".join(_POSITION_WORDS),
        CAUSE: " ".join(_CAUSE_WORDS),
        TS: "a time, as in -60s",
    }
    usual = "a number, as in 20, 20x3, 20+5x3, or " + " ".join(_QUALITY_WORDS)
    return words.get(column, usual) + "; `.` says nothing, `_` is no reading"


def row(device_no: int, received: int, said: Mapping[str, Tick]) -> Rows:
    """One reading, shape (1,). A quantity that is not named was not measured."""
    made = blank(1)
    made["device_no"], made["received"] = device_no, received
    shift = said[TS].number if TS in said else 0
    made["ts"] = made["device_ts"] = received + shift
    made["seq"] = received
    quality = int(made["quality"][0])
    for column, tick in said.items():
        if tick.absent:
            continue
        if column in QUANTITY_NAMES:
            if tick.quality is Quality.GOOD:
                made[column] = tick.value
            quality = quality & ~(15 << quality_shift(column)) | int(tick.quality) << quality_shift(column)
        elif column != TS:
            made[column] = tick.number
    made["quality"] = quality
    return made
