"""What a condition could be at best while something of it is not known yet: which rows must be looked at wholly, and
which say by themselves that something may be wrong."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from rules.evaluation.numbers import Mask, Truth
from rules.evaluation.view import Part, View
from rules.language.canonical import walk
from rules.language.tree import (
    Arithmetic,
    Commanded,
    Comparison,
    Condition,
    Connective,
    Joined,
    Measured,
    Named,
    Node,
    Not,
    Number,
    Quantitative,
    Statistic,
    Votes,
    Windowed,
)

#: Where a condition may be as wanted, shape (n,), of rows and of what is heard: by key of the votes, shape (n,), bool,
#: whether somebody of the row's group says yes.
May = Callable[[View, Mapping[str, Mask]], Mask]


def compile_may(
    node: Condition, part_of: Callable[[Condition], Part[Truth]], key_of: Callable[[Votes], str], *, wanted: bool = True
) -> May:
    """Where the condition may be true (`wanted`), or may be false, whatever votes and commands say."""
    match node:
        case Joined():
            parts = [compile_may(part, part_of, key_of, wanted=wanted) for part in node.parts]
            join = np.logical_and if (node.connective is Connective.AND) == wanted else np.logical_or
            return lambda view, heard: join.reduce([part(view, heard) for part in parts])
        case Not():
            return compile_may(node.part, part_of, key_of, wanted=not wanted)
        case Votes() if wanted:
            key = key_of(node)
            return lambda view, heard: heard[key]
        case Votes() | Commanded():
            return lambda view, heard: ~view.column("stale")
        case _:
            part = part_of(node)
            if wanted:
                return lambda view, heard: np.broadcast_to(view.get(part).true, len(view))
            return lambda view, heard: np.broadcast_to(view.get(part).false, len(view))


#: Of these a reading says itself what they would be if it had been so all along.
_LEVELS = (Statistic.MEAN, Statistic.MIN, Statistic.MAX, Statistic.TWA, Statistic.STEL)


def by_itself(node: Condition, *, wanted: bool = True) -> Iterator[Condition]:
    """The comparisons of a quantity with a number in a condition, each as the condition needs it, with the quantity
    itself in place of its mean, extreme or average over a window."""
    match node:
        case Joined():
            for part in node.parts:
                yield from by_itself(part, wanted=wanted)
        case Not():
            yield from by_itself(node.part, wanted=not wanted)
        case Votes():
            yield from by_itself(node.condition, wanted=wanted)
        case Comparison():
            parts = [part for side in (node.left, node.right) for part in walk(side)]
            if all(_is_level(part) for part in parts) and any(isinstance(part, Measured | Windowed) for part in parts):
                plain = Comparison(node.comparator, _at_once(node.left), _at_once(node.right), node.span)
                yield plain if wanted else Not(plain, node.span)
        case _:
            return


def _is_level(node: Node) -> bool:
    if isinstance(node, Windowed):
        return node.statistic in _LEVELS
    return isinstance(node, Measured | Number | Named | Arithmetic)


def _at_once(node: Quantitative) -> Quantitative:
    match node:
        case Windowed():
            return Measured(node.quantity, node.dimension, node.span)
        case Arithmetic():
            return Arithmetic(node.operator, _at_once(node.left), _at_once(node.right), node.dimension, node.span)
        case _:
            return node
