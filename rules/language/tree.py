"""The expression of a rule as a tree: what the parser makes, the checker types, the evaluator compiles and people read.

Every node knows its text span, so that a fault names its column and an explanation its words. Two nodes that mean the
same have the same `canonical` text, and are computed once for all rules.
"""

from dataclasses import dataclass
from enum import StrEnum

from devices.classes import Group


@dataclass(frozen=True, slots=True)
class Dimension:
    """What a number measures: a unit of the quantities ("%LEL", "ppm", "kPa", "m3/h", "degC", "%", "dBm"; "" for a mere
    number), times seconds to the power of `seconds`. A duration is ("", 1), a rate of gas ("%LEL", -1)."""

    unit: str = ""
    seconds: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """Columns [start, end) of the expression's text, from 0."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Number:
    """A literal in the unit of its dimension (durations in seconds)."""

    value: float
    dimension: Dimension
    span: Span


@dataclass(frozen=True, slots=True)
class Named:
    """One of the rule's own numbers, which may be another for another class of devices."""

    name: str
    dimension: Dimension
    span: Span


@dataclass(frozen=True, slots=True)
class Measured:
    """A quantity of the reading, by its canonical name."""

    quantity: str
    dimension: Dimension
    span: Span


class Property(StrEnum):
    """Durations that follow from the registry: the model's report interval, the time left of the device's life and
    until its calibration is due (negative: over; unknown: not registered)."""

    INTERVAL = "interval"
    LIFE_LEFT = "life_left"
    CALIBRATION_LEFT = "calibration_left"


@dataclass(frozen=True, slots=True)
class OfDevice:
    property: Property
    dimension: Dimension
    span: Span


class Statistic(StrEnum):
    """A function of a quantity over a window that ends at the reading. RATE is per second."""

    RATE = "rate"
    DELTA = "delta"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    TWA = "twa"
    STEL = "stel"


@dataclass(frozen=True, slots=True)
class Windowed:
    statistic: Statistic
    quantity: str
    window_us: int
    dimension: Dimension
    span: Span


@dataclass(frozen=True, slots=True)
class Dose:
    """`cohb(co_ppm)`: percent COHb by Coburn-Forster-Kane."""

    quantity: str
    dimension: Dimension
    span: Span


@dataclass(frozen=True, slots=True)
class Since:
    """How long `condition` has been true without a break, in seconds; 0 while it is false."""

    condition: "Condition"
    dimension: Dimension
    span: Span


@dataclass(frozen=True, slots=True)
class Count:
    """How many readings of the window `condition` was true in."""

    condition: "Condition"
    window_us: int
    dimension: Dimension
    span: Span


class Operator(StrEnum):
    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"


@dataclass(frozen=True, slots=True)
class Arithmetic:
    operator: Operator
    left: "Quantitative"
    right: "Quantitative"
    dimension: Dimension
    span: Span


Quantitative = Number | Named | Measured | OfDevice | Windowed | Dose | Since | Count | Arithmetic


class Comparator(StrEnum):
    AT_LEAST = ">="
    ABOVE = ">"
    AT_MOST = "<="
    BELOW = "<"
    EQUAL = "=="
    UNEQUAL = "!="


@dataclass(frozen=True, slots=True)
class Comparison:
    comparator: Comparator
    left: Quantitative
    right: Quantitative
    span: Span


@dataclass(frozen=True, slots=True)
class FlagTest:
    """A flag of the device, by its lower-case name. Not unknown: a reading says it or does not (stale readings say only
    what is set)."""

    flag: str
    span: Span


class Word(StrEnum):
    VALVE = "valve"
    VALVE_CAUSE = "valve_cause"


@dataclass(frozen=True, slots=True)
class WordTest:
    """`valve == closed`, `valve_cause != manual`. Unknown when the reading does not say."""

    word: Word
    value: int
    equal: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Commanded:
    """`commanded_closed`: the closing of this valve is wanted now, or was wanted last and seen."""

    span: Span


@dataclass(frozen=True, slots=True)
class Stuck:
    """`stuck(q, 24h)`: every good reading for so long had exactly this value."""

    quantity: str
    window_us: int
    span: Span


@dataclass(frozen=True, slots=True)
class Missing:
    """`missing(3 * interval)`: nothing heard for so long: `intervals` report intervals and `fixed_us`. Stands alone as
    a condition, for it needs no reading."""

    intervals: float
    fixed_us: int
    span: Span


@dataclass(frozen=True, slots=True)
class Votes:
    """At least `least` devices of the reading's `group` say `condition`, itself included. `any` is one. heard: who has
    fallen silent says no; else it keeps its yes."""

    least: int
    group: Group
    condition: "Condition"
    span: Span
    heard: bool = False


class Connective(StrEnum):
    AND = "and"
    OR = "or"


@dataclass(frozen=True, slots=True)
class Joined:
    connective: Connective
    parts: "tuple[Condition, ...]"
    span: Span


@dataclass(frozen=True, slots=True)
class Not:
    part: "Condition"
    span: Span


Condition = Comparison | FlagTest | WordTest | Commanded | Stuck | Missing | Votes | Joined | Not
Node = Condition | Quantitative


@dataclass(frozen=True, slots=True)
class Parsed:
    """The expressions of one rule. None: it has a limit or flags instead (`condition`), or its clear condition is that
    the condition is false (`clear`). `escalate`: in the order of the rule's own."""

    condition: Condition | None = None
    clear: Condition | None = None
    escalate: tuple[Condition, ...] = ()
