"""From readings one by one to columns: the only place where telemetry becomes numpy.

C1  A value is NaN exactly when its quality is NOT_MEASURED or OUT_OF_RANGE; every other quality keeps the number as
    evidence, and only GOOD may be believed (G9).
C2  `quotes` counts the quotation marks of the one plain way to say these fields in JSON: two for each key, two for
    each text value. Any payload that decodes to them has at least as many (each key and text value needs its own
    two), and more if it holds a key twice, an unknown key, a nested object, a null or an escaped quotation mark. So a
    payload with exactly as many holds none of those, and the fast reader may be trusted with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import msgspec
import numpy as np
from numpy.typing import NDArray

from devices.codecs.gas_doubt import doubt_gas
from devices.codecs.rfc3339 import microseconds
from devices.codecs.telemetry import (
    ABSENT_FLAG,
    ABSENT_INTEGER,
    ABSENT_NUMBER,
    ABSENT_TIME,
    ABSENT_WORD,
    CAUSE_WORDS,
    FIELDS,
    FLAG_NAMES,
    VALVE_WORDS,
)
from devices.quantities import QUALITY_BITS, QUANTITIES, Quality
from devices.readings import NO_TIME, Rows, blank

_MILLISECOND_US = 1_000


@dataclass(frozen=True, slots=True)
class Columns:
    """n readings. rows: (n,), READING, with device number and our own times still zero; seq is NO_SEQ where none came.
    first: (n,), i8, the oldest number the device says it still holds, -1 where it says none; (0,) when no reading does.
    quotes: (n,), i8, see C2. unclear: (n,), bool: a text that the columns cannot hold (an unknown word, a time that
    is none). beyond: (row, quantity, number) for each OUT_OF_RANGE value, since the column holds NaN."""

    rows: Rows
    first: NDArray[np.int64]
    quotes: NDArray[np.int64]
    unclear: NDArray[np.bool_]
    beyond: tuple[tuple[int, str, float], ...]


def columns(said: Sequence[msgspec.Struct]) -> Columns:
    """Lay readings out. About 0.3 microseconds each; a field that no reading sent costs one pass over pointers."""
    n = len(said)
    flat = list(chain.from_iterable(map(msgspec.structs.astuple, said)))
    sent = {name: flat[at :: len(FIELDS)] for at, name in enumerate(FIELDS)}
    rows = blank(n)
    keys = np.zeros(n, np.int64)
    texts = np.zeros(n, np.int64)
    unclear = np.zeros(n, np.bool_)
    _fill_times(sent["ts"], rows, keys, texts, unclear)
    _fill_identity(sent, rows, keys)
    first = _firsts(sent["first"], keys)
    beyond = _fill_quantities(sent, rows, keys)
    _fill_words(sent["valve"], VALVE_WORDS, rows["valve"], keys, texts, unclear)
    _fill_words(sent["valve_cause"], CAUSE_WORDS, rows["valve_cause"], keys, texts, unclear)
    _fill_flags(sent, rows, keys)
    doubt_gas(rows)
    return Columns(rows, first, 2 * (keys + texts), unclear, beyond)


def _fill_times(
    column: list[int | str],
    rows: Rows,
    keys: NDArray[np.int64],
    texts: NDArray[np.int64],
    unclear: NDArray[np.bool_],
) -> None:
    if column.count(ABSENT_TIME) == len(column):
        return
    if str in set(map(type, column)):
        is_text = np.fromiter((type(ts) is str for ts in column), np.bool_, len(column))
        times = np.fromiter(map(_instant, column), np.int64, len(column))
        texts += is_text
        # Two ways to hold no time: none was sent, or a text was and it is none.
        unclear |= is_text & (times == NO_TIME)
        keys += is_text | (times != NO_TIME)
    else:
        times = np.fromiter(column, np.int64, len(column))
        present = times != ABSENT_TIME
        times = np.where(present, times, 0) * _MILLISECOND_US
        times[~present] = NO_TIME
        keys += present
    rows["device_ts"] = times


def _instant(ts: int | str) -> int:
    if not isinstance(ts, str):
        return NO_TIME if ts == ABSENT_TIME else ts * _MILLISECOND_US
    try:
        instant = microseconds(ts)
    except ValueError:
        return NO_TIME
    return NO_TIME if instant is None else instant


def _fill_identity(sent: dict[str, list[int]], rows: Rows, keys: NDArray[np.int64]) -> None:
    for name in ("boot", "seq"):
        if sent[name].count(ABSENT_INTEGER) != len(rows):
            values = np.fromiter(sent[name], np.int64, len(rows))
            keys += values != ABSENT_INTEGER
            rows[name] = values
    # A boot without a sequence number identifies nothing; rows start with boot 0 and NO_SEQ (-1, as ABSENT_INTEGER).
    rows["boot"][(rows["seq"] < 0) | (rows["boot"] < 0)] = 0


def _firsts(column: list[int], keys: NDArray[np.int64]) -> NDArray[np.int64]:
    if column.count(ABSENT_INTEGER) == len(column):
        return np.zeros(0, np.int64)
    firsts = np.fromiter(column, np.int64, len(column))
    keys += firsts != ABSENT_INTEGER
    return firsts


def _fill_quantities(
    sent: dict[str, list[float]], rows: Rows, keys: NDArray[np.int64]
) -> tuple[tuple[int, str, float], ...]:
    beyond: list[tuple[int, str, float]] = []
    for at, quantity in enumerate(QUANTITIES):
        column = sent[quantity.name]
        # The absent NaN is one object, so this compares pointers; NaN from a sender cannot be among them.
        if column.count(ABSENT_NUMBER) == len(column):
            continue
        values = np.fromiter(column, np.float64, len(column))
        present = ~np.isnan(values)
        inside = (values >= quantity.lowest) & (values <= quantity.highest)
        outside = present & ~inside
        quality = np.where(present, Quality.GOOD, Quality.NOT_MEASURED)
        if outside.any():
            beyond += [(int(row), quantity.name, float(values[row])) for row in np.flatnonzero(outside)]
            quality[outside] = Quality.OUT_OF_RANGE
            values[outside] = np.nan
        rows["quality"] ^= (quality ^ Quality.NOT_MEASURED) << (QUALITY_BITS * at)
        rows[quantity.name] = values
        keys += present
    return tuple(beyond)


def _fill_words(
    column: list[str],
    words: dict[str, int],
    target: NDArray[np.int16],
    keys: NDArray[np.int64],
    texts: NDArray[np.int64],
    unclear: NDArray[np.bool_],
) -> None:
    if column.count(ABSENT_WORD) == len(column):
        return
    meaning = {ABSENT_WORD: -1, **words}
    codes = np.array([meaning.get(word, -2) for word in column], np.int16)
    keys += codes != -1
    texts += codes != -1
    unclear |= codes == -2
    target[:] = np.maximum(codes, 0)


def _fill_flags(sent: dict[str, list[bool]], rows: Rows, keys: NDArray[np.int64]) -> None:
    for bit, name in enumerate(FLAG_NAMES):
        if sent[name].count(ABSENT_FLAG) != len(rows):
            flags = np.frombuffer(bytes(sent[name]), np.uint8)
            keys += flags != ABSENT_FLAG
            rows["flags"] |= (flags == 1).astype(np.int64) << bit
