"""The raw numbers of a register map's fields, cut out of the words of frames, and the conditions on them. Pure.

N1  `byte_order` little swaps the two bytes of every word of a field, text too. `word_order` little reverses the two
    words of u32, s32 and f32; other types have one word, or (text) the order of their addresses.
N2  After that `byte` takes a half of the word and `bits` a part of what is left. The sign of s16 and s32 is the highest
    bit of what is left then: s16 with `byte = "low"` is -128 to 127. The digits of bcd16 are its nibbles.
N3  Raw numbers are exact: every type fits a 64-bit float. An f32 that is NaN, and a bcd16 with a digit above 9, have no
    number: NaN, which of all conditions satisfies only `none_of`, and `one_of` that lists nan.
N4  `bit` looks at the pattern that N2 leaves, not at the number: bit 15 of an s16 is its sign.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.register_map import Field, RegisterMap, Term, Type
from devices.registers import Layout, layout, width

#: Words of n frames, one row per word: shape (layout.words, n), u2 in native order. Contiguous rows are quickest.
FrameWords = NDArray[np.uint16]

_SIGNED = ("s16", "s32")
_WORD_BITS = 16


@dataclass(frozen=True, slots=True)
class RawField:
    """Where a field's words stand in the frame (`place`, highest word first) and how its bits are cut out of them.
    `size`: bits of the pattern; the lowest of them is bit `shift` of the words."""

    name: str
    type: Type
    place: tuple[int, ...]
    swap: bool
    shift: int
    size: int

    def pattern(self, words: FrameWords) -> NDArray[np.int64]:
        """The bits as an unsigned number, (n,). Not of text."""
        pattern: NDArray[np.int64] = self._word(words, self.place[0]).astype(np.int64)
        for place in self.place[1:]:
            pattern = (pattern << _WORD_BITS) | self._word(words, place)
        if self.shift:
            pattern >>= self.shift
        if self.shift + self.size < _WORD_BITS * len(self.place):
            pattern &= (1 << self.size) - 1
        return pattern

    def number(self, pattern: NDArray[np.int64]) -> NDArray[np.float64]:
        """The number that a pattern stands for, (n,) -> (n,)."""
        if self.type == "f32":
            return pattern.astype(np.uint32).view(np.float32).astype(np.float64)
        if self.type == "bcd16":
            return _digits(pattern, self.size)
        if self.type in _SIGNED:
            return (pattern - ((pattern >> (self.size - 1)) << self.size)).astype(np.float64)
        return pattern.astype(np.float64)

    def text(self, words: FrameWords) -> NDArray[np.uint8]:
        """The characters of text, shape (n, 2 x registers)."""
        block = np.ascontiguousarray(np.stack([self._word(words, place) for place in self.place], axis=1), ">u2")
        return block.view(np.uint8)

    def _word(self, words: FrameWords, place: int) -> NDArray[np.uint16]:
        word: NDArray[np.uint16] = words[place].byteswap() if self.swap else words[place]
        return word


def _digits(pattern: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    number = np.zeros(len(pattern))
    wrong = np.zeros(len(pattern), np.bool_)
    for shift in range(size - 4, -1, -4):
        digit = (pattern >> shift) & 0xF
        wrong |= digit > 9
        number = number * 10 + digit
    number[wrong] = np.nan
    return number


def raw_fields(chart: RegisterMap, frame: Layout | None = None) -> dict[str, RawField]:
    """By name, every field of a map. `frame`: its layout, where that is known already. Raises ValueError."""
    place = (frame or layout(chart)).place
    return {field.name: _raw_field(chart, field, place[field.name]) for field in chart.field}


def _raw_field(chart: RegisterMap, field: Field, place: tuple[int, ...]) -> RawField:
    shift, size = 0, pattern_bits(field)
    if field.byte == "high":
        shift = 8
    if field.bits is not None:
        shift += field.bits[0]
    if field.type in ("u32", "s32", "f32") and (field.word_order or chart.word_order) == "little":
        place = place[::-1]
    swap = field.type != "bit" and (field.byte_order or chart.byte_order) == "little"
    return RawField(field.name, field.type, place, swap, shift, size)


def whole_bits(field: Field) -> int:
    """Bits of the word, the two words, or the half of a word that a field is cut from. A coil is one bit."""
    if field.type == "bit":
        return 1
    return 8 if field.byte is not None else _WORD_BITS * width(field)


def pattern_bits(field: Field) -> int:
    """Bits of a field's pattern (N2)."""
    return whole_bits(field) if field.bits is None else field.bits[1] - field.bits[0] + 1


class RawNumbers:
    """The fields of n frames of one map, each cut out once, when it is first asked for."""

    def __init__(self, fields: Mapping[str, RawField], words: FrameWords) -> None:
        self.fields = fields
        self.words = words
        self._patterns: dict[str, NDArray[np.int64]] = {}
        self._numbers: dict[str, NDArray[np.float64]] = {}

    def __len__(self) -> int:
        return int(self.words.shape[1])

    def pattern(self, name: str) -> NDArray[np.int64]:
        """(n,): the bits of a field. Not to be changed."""
        found = self._patterns.get(name)
        if found is None:
            found = self._patterns[name] = self.fields[name].pattern(self.words)
        return found

    def number(self, name: str) -> NDArray[np.float64]:
        """(n,): the raw number of a field, NaN where it has none (N3). Not to be changed."""
        found = self._numbers.get(name)
        if found is None:
            found = self._numbers[name] = self.fields[name].number(self.pattern(name))
        return found

    def text(self, name: str) -> NDArray[np.uint8]:
        """(n, characters): the bytes of a text."""
        return self.fields[name].text(self.words)

    def hold(self, terms: Sequence[Term]) -> NDArray[np.bool_]:
        """(n,): where all of these conditions hold."""
        held = np.ones(len(self), np.bool_)
        for term in terms:
            held &= self._holds(term)
        return held

    def _holds(self, term: Term) -> NDArray[np.bool_]:
        if term.bit is not None:
            return np.asarray(((self.pattern(term.field) >> term.bit) & 1) == int(term.set))
        number = self.number(term.field)
        if term.one_of:
            return is_one_of(number, term.one_of)
        if term.none_of:
            return ~is_one_of(number, term.none_of)
        if term.above is not None:
            return number > term.above
        return number < (math.nan if term.below is None else term.below)


def is_one_of(number: NDArray[np.float64], these: Sequence[float]) -> NDArray[np.bool_]:
    """(n,) -> (n,). nan among `these` means a number that is none."""
    found = np.zeros(len(number), np.bool_)
    for this in these:
        found |= np.isnan(number) if math.isnan(this) else number == this
    return found
