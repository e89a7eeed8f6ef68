"""What a register map keeps beside the canonical columns: fault numbers, days left, serials. JSON, per frame.

The same words give the same JSON, and most devices say the same for days, so each distinct content is written once.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from devices.codecs.native_fields import encode_extra
from devices.codecs.register_values import Beyond, scaled
from devices.register_map import Field
from devices.register_numbers import RawNumbers


def extras(
    kept: tuple[Field, ...], fields: Mapping[str, Field], raw: RawNumbers, beyond: Beyond
) -> tuple[tuple[int, bytes], ...]:
    """(frame, JSON object bytes) for the frames in which a `kept` field is not 0 or not empty, or that have a number
    `beyond` its quantity's range; in the order of frames. At most MOST_EXTRA_BYTES each."""
    said = _said(kept, fields, raw)
    outside: dict[int, dict[str, object]] = {}
    for at, name, number in beyond:
        outside.setdefault(at, {})[name] = number
    written: dict[int, bytes] = {}
    found: list[tuple[int, bytes]] = []
    for at in sorted(said.keys() | outside.keys()):
        mine = said.get(at, {})
        if at in outside:
            found.append((at, encode_extra({**mine, **outside[at]})))
            continue
        # One dict object stands for all frames with the same words.
        if id(mine) not in written:
            written[id(mine)] = encode_extra(mine)
        found.append((at, written[id(mine)]))
    return tuple(found)


def _said(kept: tuple[Field, ...], fields: Mapping[str, Field], raw: RawNumbers) -> dict[int, dict[str, object]]:
    if not kept or not len(raw):
        return {}
    numbers = {field.name: scaled(field, fields, raw) for field in kept if field.type != "ascii"}
    texts = {field.name: raw.text(field.name) for field in kept if field.type == "ascii"}
    present = np.zeros(len(raw), np.bool_)
    for name in numbers:
        # Not zero, and a number: nan != 0 too, but cannot be said in JSON.
        present |= np.abs(raw.number(name)) > 0
    for characters in texts.values():
        present |= ((characters != 0) & (characters != ord(" "))).any(axis=1)
    rows = np.flatnonzero(present)
    if not len(rows):
        return {}
    columns = [*(numbers[name][rows].view(np.int64)[:, None] for name in numbers), *(t[rows] for t in texts.values())]
    block = np.concatenate([np.ascontiguousarray(column).view(np.uint8) for column in columns], axis=1).tobytes()
    step = len(block) // len(rows)
    known: dict[bytes, dict[str, object]] = {}
    said: dict[int, dict[str, object]] = {}
    for place, at in enumerate(rows.tolist()):
        key = block[place * step : (place + 1) * step]
        mine = known.get(key)
        if mine is None:
            mine = known[key] = _object(kept, raw, numbers, texts, at)
        if mine:
            said[at] = mine
    return said


def _object(
    kept: tuple[Field, ...],
    raw: RawNumbers,
    numbers: Mapping[str, NDArray[np.float64]],
    texts: Mapping[str, NDArray[np.uint8]],
    at: int,
) -> dict[str, object]:
    mine: dict[str, object] = {}
    for field in kept:
        if field.name in texts:
            words = printable(texts[field.name][at].tobytes())
            if words:
                mine[field.name] = words
        elif np.isfinite(numbers[field.name][at]) and raw.number(field.name)[at] != 0:
            mine[field.name] = plain_number(float(numbers[field.name][at]))
    return mine


def printable(characters: bytes) -> str:
    """Text of registers: NULs and blanks around it are padding, and what is not printable ASCII shows as U+FFFD."""
    text = characters.decode("ascii", "replace").strip("\0 ")
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def plain_number(number: float) -> int | float:
    """A whole number without a point; others with as many digits as a 32-bit float has (20.9, not
    20.900000000000002)."""
    return int(number) if number.is_integer() else float(str(np.float32(number)))
