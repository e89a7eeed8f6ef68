"""Random typed trees: every sort of node, with the dimensions that it may have."""

import dataclasses

from hypothesis import strategies as st

from devices.classes import Group
from devices.quantities import QUANTITY_NAMES
from rules.language.tree import (
    Arithmetic,
    Commanded,
    Comparator,
    Comparison,
    Condition,
    Connective,
    Count,
    Dimension,
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
    Operator,
    Property,
    Quantitative,
    Since,
    Span,
    Statistic,
    Stuck,
    Votes,
    Windowed,
    Word,
    WordTest,
)
from rules.language.units import DURATION, NUMBER, OF_QUANTITY
from rules.language.vocabulary import FLAGS, WORDS

NOWHERE = Span(0, 0)
#: The rule's own numbers of every test.
OWN = {"limit": Dimension("%LEL"), "co_limit": Dimension("ppm"), "patience": DURATION, "factor": NUMBER}
_VALUES = st.one_of(st.integers(-1000, 1000).map(float), st.floats(-1e6, 1e6, allow_nan=False).map(lambda v: v + 0.0))
_BY_UNIT = {dimension: name for name, dimension in reversed(OF_QUANTITY.items())}
PLAIN = (Dimension("%LEL"), Dimension("ppm"), Dimension("%"), Dimension("kPa"), DURATION, NUMBER)


def bare(node: Node) -> Node:
    """The same tree with no spans."""
    changes: dict[str, object] = {}
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        if isinstance(value, Span):
            changes[field.name] = NOWHERE
        elif isinstance(value, tuple):
            changes[field.name] = tuple(bare(one) for one in value)
        elif dataclasses.is_dataclass(value) and not isinstance(value, Dimension):
            changes[field.name] = bare(value)  # type: ignore[arg-type]
    return dataclasses.replace(node, **changes)  # type: ignore[arg-type]


def window_us(lowest_s: int = 1, highest_s: int = 31 * 86_400) -> st.SearchStrategy[int]:
    whole = st.integers(lowest_s, highest_s).map(lambda s: s * 1_000_000)
    return st.one_of(whole, st.integers(lowest_s * 1_000_000, highest_s * 1_000_000))


@st.composite
def numbers(draw: st.DrawFn, dimension: Dimension, depth: int, *, plain: bool) -> Quantitative:
    """A number of this dimension. plain: of the reading alone, as count(...) and since(...) may hold."""
    if depth > 0 and draw(st.integers(0, 3)) == 0:
        return draw(_arithmetic(dimension, depth, plain=plain))
    choices: list[st.SearchStrategy[Quantitative]] = [st.builds(Number, _VALUES, st.just(dimension), st.just(NOWHERE))]
    choices += [st.just(Named(name, one, NOWHERE)) for name, one in OWN.items() if one == dimension]
    if dimension in _BY_UNIT:
        name = draw(st.sampled_from([one for one, of in OF_QUANTITY.items() if of == dimension]))
        choices.append(st.just(Measured(name, dimension, NOWHERE)))
        if not plain:
            sorts = st.sampled_from([Statistic.DELTA, Statistic.MEAN, Statistic.MIN, Statistic.MAX])
            choices.append(st.builds(Windowed, sorts, st.just(name), window_us(), st.just(dimension), st.just(NOWHERE)))
    if not plain:
        choices += _remembered(dimension, depth)
    return draw(st.one_of(choices))


def _remembered(dimension: Dimension, depth: int) -> list[st.SearchStrategy[Quantitative]]:
    inner = conditions(max(depth - 1, 0), plain=True)
    at = st.just(NOWHERE)
    if dimension == DURATION:
        return [
            st.builds(OfDevice, st.sampled_from(Property), st.just(DURATION), at),
            st.builds(Since, inner, st.just(DURATION), at),
        ]
    if dimension == NUMBER:
        return [st.builds(Count, inner, window_us(), st.just(NUMBER), at)]
    if dimension == Dimension("%"):
        return [st.just(Dose("co_ppm", dimension, NOWHERE))]
    if dimension.seconds == -1 and dimension.unit:
        name = _BY_UNIT[Dimension(dimension.unit)]
        return [st.builds(Windowed, st.just(Statistic.RATE), st.just(name), window_us(), st.just(dimension), at)]
    if dimension.unit in ("ppm", "%LEL"):
        name = _BY_UNIT[dimension]
        sorts = st.sampled_from([Statistic.TWA, Statistic.STEL])
        return [st.builds(Windowed, sorts, st.just(name), window_us(60, 86_400), st.just(dimension), at)]
    return []


@st.composite
def _arithmetic(draw: st.DrawFn, dimension: Dimension, depth: int, *, plain: bool) -> Quantitative:
    operator = draw(st.sampled_from(Operator))
    left, right = dimension, dimension
    if operator is Operator.MULTIPLY:
        left, right = draw(st.permutations([dimension, NUMBER]))
    elif operator is Operator.DIVIDE:
        left, right = (dimension, NUMBER) if dimension != NUMBER else ((one := draw(st.sampled_from(PLAIN))), one)
    one = draw(numbers(left, depth - 1, plain=plain))
    other = draw(numbers(right, depth - 1, plain=plain))
    return Arithmetic(operator, one, other, dimension, NOWHERE)


@st.composite
def conditions(draw: st.DrawFn, depth: int = 3, *, plain: bool = False, voting: bool = False) -> Condition:
    """Any condition but missing(...). voting: as any(...) may hold."""
    sort = draw(st.integers(0, 9))
    if depth > 0 and sort < 2:
        connective = draw(st.sampled_from(Connective))
        part = conditions(depth - 1, plain=plain, voting=voting)
        # One of the same sort within is the same condition, and is written without brackets.
        part = part.filter(lambda one: not (isinstance(one, Joined) and one.connective is connective))
        return Joined(connective, tuple(draw(st.lists(part, min_size=2, max_size=3))), NOWHERE)
    if depth > 0 and sort == 2:
        return Not(draw(conditions(depth - 1, plain=plain, voting=voting)), NOWHERE)
    if sort == 3:
        return FlagTest(draw(st.sampled_from(FLAGS)), NOWHERE)
    if sort == 4:
        word = draw(st.sampled_from(Word))
        return WordTest(word, draw(st.sampled_from(sorted(WORDS[word].values()))), draw(st.booleans()), NOWHERE)
    if not plain and sort == 5:
        return Stuck(draw(st.sampled_from(QUANTITY_NAMES)), draw(window_us()), NOWHERE)
    if not plain and not voting and sort == 6:
        if depth == 0 or draw(st.booleans()):
            return Commanded(NOWHERE)
        inner = draw(conditions(depth - 1, voting=True))
        least, heard = draw(st.sampled_from([1, 2, 3, 10_000])), draw(st.booleans())
        return Votes(least, draw(st.sampled_from(Group)), inner, NOWHERE, heard)
    rates = () if plain else (Dimension("%LEL", -1), Dimension("kPa", -1))
    dimension = draw(st.sampled_from([*PLAIN, *rates]))
    left, right = (draw(numbers(dimension, depth - 1, plain=plain)) for _ in range(2))
    return Comparison(draw(st.sampled_from(Comparator)), left, right, NOWHERE)


missing = st.builds(
    Missing,
    st.one_of(st.integers(1, 1000).map(float), st.floats(1, 1000)),
    st.one_of(st.just(0), window_us()),
    st.just(NOWHERE),
) | st.builds(Missing, st.just(0.0), window_us(), st.just(NOWHERE))
