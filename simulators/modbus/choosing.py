"""Choosing bits so that conditions hold, or do not: how a device's state gets into its status words.

A demand lists several ways to meet it, each a set of terms that must hold or fail. The ways are tried in order, and a
later demand that cannot be met makes an earlier one choose again. Bits nobody asks for stay 0.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from devices.register_map import Field, Term
from simulators.modbus.words import Place, limits_of, number_of, pattern_of


class Cell(NamedTuple):
    """A field of one measuring point and where its bits lie."""

    field: Field
    places: tuple[Place, ...]


class Wanted(NamedTuple):
    """A term, and whether it is to hold."""

    term: Term
    holds: bool


Way = tuple[Wanted, ...]
Demand = Sequence[Way]
#: Chosen bits: place -> 0 or 1. Other bits are free.
Bits = dict[Place, int]


class CannotSay(ValueError):
    """The model's registers have no way to say this."""


def holds(term: Term, number: float, pattern: int) -> bool:
    """Whether a raw number satisfies a term; `pattern` is its bits."""
    if term.bit is not None:
        return bool(pattern >> term.bit & 1) is term.set
    if term.one_of:
        return number in term.one_of or (math.isnan(number) and any(map(math.isnan, term.one_of)))
    if term.none_of:
        return number not in term.none_of
    if term.above is not None:
        return number > term.above
    assert term.below is not None, "a term has exactly one test"
    return number < term.below


def all_hold(terms: Sequence[Term]) -> Demand:
    return [tuple(Wanted(term, True) for term in terms)]


def any_fails(terms: Sequence[Term]) -> Demand:
    return [(Wanted(term, False),) for term in terms]


def choose(cells: Mapping[str, Cell], demands: Sequence[Demand], chosen: Bits) -> Bits:
    """`chosen` and the bits that meet all demands. Raises CannotSay."""
    found = _meet(cells, demands, 0, chosen)
    if found is None:
        raise CannotSay("no registers say this")
    return found


def _meet(cells: Mapping[str, Cell], demands: Sequence[Demand], at: int, chosen: Bits) -> Bits | None:
    if at == len(demands):
        return chosen
    for way in demands[at]:
        for bits in _walk(cells, way, 0, chosen):
            found = _meet(cells, demands, at + 1, bits)
            if found is not None:
                return found
    return None


def _walk(cells: Mapping[str, Cell], way: Way, at: int, chosen: Bits) -> Iterator[Bits]:
    """Every choice that makes the terms of one way come true."""
    if at == len(way):
        yield chosen
        return
    for bits in _choices(cells[way[at].term.field], way[at], chosen):
        yield from _walk(cells, way, at + 1, bits)


def _choices(cell: Cell, wanted: Wanted, chosen: Bits) -> Iterator[Bits]:
    """Ways to set the free bits of a field, the fewest first."""
    term = wanted.term
    if term.bit is not None:
        place, value = cell.places[term.bit], int(term.set is wanted.holds)
        if chosen.get(place, value) == value:
            yield chosen | {place: value}
        return
    seen: set[int] = set()
    for pattern in _patterns(cell, term, chosen):
        if pattern in seen:
            continue
        seen.add(pattern)
        number = number_of(cell.field, pattern, len(cell.places))
        if holds(term, number, pattern) is wanted.holds:
            yield chosen | {place: pattern >> bit & 1 for bit, place in enumerate(cell.places)}


def _patterns(cell: Cell, term: Term, chosen: Bits) -> Iterator[int]:
    """Patterns that leave the chosen bits alone: all others 0, then those the term names and their neighbours, then
    one bit after the other."""
    fixed = sum(chosen[place] << bit for bit, place in enumerate(cell.places) if place in chosen)
    mask = sum(1 << bit for bit, place in enumerate(cell.places) if place in chosen)
    width = len(cell.places)
    yield fixed
    if mask == (1 << width) - 1:
        return
    named = [*term.one_of, *term.none_of, *(limit for limit in (term.above, term.below) if limit is not None)]
    lowest, highest = limits_of(cell.field, width)
    for number in (near for name in named for near in (name, name + 1, name - 1)):
        if lowest <= number <= highest or (math.isnan(number) and cell.field.type == "f32"):
            pattern = pattern_of(cell.field, number, width)
            if pattern & mask == fixed:
                yield pattern
    for bit in range(width):
        yield fixed | 1 << bit
