"""From the nodes of trees to parts: closures over numpy, each made once for all rules that say the same."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from devices.fleet import Fleet
from devices.quantities import Flag
from rules.documents.document import RulePack
from rules.evaluation import leaves
from rules.evaluation.memories import Keeping, Memory, Told, amount_of, memory_key, stuck_for
from rules.evaluation.numbers import Amount, Mask, Truth, arithmetic, both, compare, either, opposite
from rules.evaluation.selection import named_numbers
from rules.evaluation.view import Later, Part, View
from rules.language.canonical import canonical, walk
from rules.language.tree import (
    Arithmetic,
    Commanded,
    Comparison,
    Condition,
    Connective,
    Count,
    Dose,
    FlagTest,
    Joined,
    Measured,
    Missing,
    Named,
    Node,
    Not,
    Number,
    OfDevice,
    Quantitative,
    Since,
    Stuck,
    Votes,
    Windowed,
    WordTest,
)
from rules.language.units import kept, parse_number

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Keeper:
    """A memory that some rule needs. kept: shape (classes,), bool: of whom. said: of votes, the condition."""

    key: str
    make: Callable[[], Memory]
    kept: Mask
    bytes: int
    fed: Part[Any]
    said: Part[Truth] | None = None


class Parts:
    """The parts of all rules so far. Numbers, canonical texts and keys are those of one rule at a time (`column`)."""

    def __init__(self, pack: RulePack, fleet: Fleet) -> None:
        self.pack, self.fleet = pack, fleet
        self.keepers: dict[str, Keeper] = {}
        self._parts: dict[str, Part[Any]] = {}
        self._numbers: dict[int, dict[str, NDArray[np.float64]]] = {}

    # ---- texts and numbers ------------------------------------------------------------------------------------------

    def text(self, node: Node, column: int) -> str:
        """P1, P2."""
        rule = self.pack.rules[column]
        own = {name: parse_number(text)[0] for name, text in rule.numbers.items()}
        text = canonical(node, own)
        used = {one.name for one in walk(node) if isinstance(one, Named)}
        others = [one for one in self.pack.overrides if one.rule == rule.id and used & one.numbers.keys()]
        if not others:
            return text
        digest = hashlib.blake2b(msgspec.json.encode([(one.only, one.numbers) for one in others]), digest_size=8)
        return f"{text} but {rule.id} {digest.hexdigest()}"

    def votes_key(self, node: Votes, column: int) -> str:
        return f"votes{'_heard' if node.heard else ''}({node.group}, {self.text(node.condition, column)})"

    def _named(self, column: int, name: str) -> NDArray[np.float64]:
        if column not in self._numbers:
            self._numbers[column] = named_numbers(self.pack, self.fleet.classes.all, column)
        return self._numbers[column][name]

    # ---- parts ------------------------------------------------------------------------------------------------------

    def part(self, key: str, made: Callable[[], Part[T]]) -> Part[T]:
        """The part of this key; made at most once."""
        if key not in self._parts:
            part = made()
            self._parts[key] = Part(len(self._parts), part.run, part.as_of, part.remembered)
        return cast(Part[T], self._parts[key])

    def truth(self, node: Condition, column: int) -> Part[Truth]:
        """A condition of this rule."""
        return self.part(f"? {self.text(node, column)}", lambda: self._truth(node, column))

    def amount(self, node: Quantitative, column: int) -> Part[Amount]:
        """A number of this rule."""
        return self.part(f"= {self.text(node, column)}", lambda: self._amount(node, column))

    def _truth(self, node: Condition, column: int) -> Part[Truth]:
        match node:
            case Comparison():
                left, right = self.amount(node.left, column), self.amount(node.right, column)
                sign = node.comparator
                return _joined(lambda view: _wide(view, compare(sign, view.get(left), view.get(right))), left, right)
            case Joined():
                parts = [self.truth(part, column) for part in node.parts]
                if node.connective is Connective.OR:
                    return _joined(lambda view: either([view.get(part) for part in parts]), *parts)
                dear = [_is_dear(one) and not part.as_of for one, part in zip(node.parts, parts, strict=True)]
                if all(dear) or not any(dear):
                    return _joined(lambda view: both([view.get(part) for part in parts]), *parts)
                first = [part for part, is_dear in zip(parts, dear, strict=True) if not is_dear]
                then = [part for part, is_dear in zip(parts, dear, strict=True) if is_dear]
                return _joined(lambda view: _both(view, first, then), *parts)
            case Not():
                part = self.truth(node.part, column)
                return _joined(lambda view: opposite(view.get(part)), part)
            case Votes():
                key, least = self.votes_key(node, column), node.least
                return Part(-1, lambda view: view.get(self.keepers[key].fed).at_least(least), as_of=True)
            case Stuck():
                told = self._told(node, column)
                return Part(-1, lambda view: stuck_for(view.told(told), node.window_us))
            case FlagTest():
                return Part(-1, partial(leaves.flag, bit=Flag[node.flag.upper()]))
            case WordTest():
                return Part(-1, partial(leaves.word, column=node.word, value=node.value, equal=node.equal))
            case Commanded():
                return Part(-1, leaves.commanded, as_of=True)
            case Missing():
                raise ValueError("missing(...) stands alone as a condition: it needs no reading")

    def _amount(self, node: Quantitative, column: int) -> Part[Amount]:
        match node:
            case Number():
                return _constant(kept(node.value, node.dimension))
            case Named():
                return _of_class(self._named(column, node.name))
            case Measured():
                return Part(-1, partial(leaves.measured, quantity=node.quantity))
            case OfDevice():
                return Part(-1, partial(leaves.of_device, of=node.property))
            case Arithmetic():
                left, right = self.amount(node.left, column), self.amount(node.right, column)
                return _joined(lambda view: arithmetic(node.operator, view.get(left), view.get(right)), left, right)
            case _:
                told, read = self._told(node, column), amount_of(node)
                return Part(-1, lambda view: read(view.told(told)))

    def _told(self, node: Keeping, column: int) -> Part[Later[Told]]:
        return self.keepers[memory_key(node, self.text(node, column))].fed


def _is_dear(node: Condition) -> bool:
    """Whether a memory has to be asked."""
    return any(isinstance(one, Windowed | Dose | Stuck | Since | Count) for one in walk(node))


def _both(view: View, first: list[Part[Truth]], then: list[Part[Truth]]) -> Truth:
    """`and`: what is dear only of rows of which the rest does not say already that it is false."""
    found = both([view.get(part) for part in first])
    rows = np.flatnonzero(~found.false)
    if 2 * len(rows) > len(view):
        return both([found, *(view.get(part) for part in then)])
    true, false = np.zeros(len(view), np.bool_), found.false.copy()
    if len(rows):
        some = view.some(rows, view.watched)
        rest = both([Truth(found.true[rows], found.false[rows]), *(some.get(part) for part in then)])
        true[rows], false[rows] = rest
    return Truth(true, false)


def _joined(run: Callable[[View], T], *parts: Part[Any]) -> Part[T]:
    return Part(-1, run, as_of=any(part.as_of for part in parts))


def _wide(view: View, truth: Truth) -> Truth:
    """Two numbers of the rule itself compare the same at every row."""
    if np.ndim(truth.true):
        return truth
    return Truth(np.full(len(view), truth.true), np.full(len(view), truth.false))


def _constant(value: float) -> Part[Amount]:
    found = Amount(np.array(value, np.float64))
    return Part(-1, lambda view: found)


def _of_class(values: NDArray[np.float64]) -> Part[Amount]:
    if len(values) and (values == values[0]).all():
        return _constant(float(values[0]))
    return Part(-1, lambda view: Amount(values[view.column("class")]))
