"""From the text of an expression to an untyped tree: tokens, precedence, and a fault with its place for anything else.

P1  Any text gives a tree or an ExpressionFault. Nothing of it is ever run.
P2  Text, nesting and the depth of the tree are bounded, so whatever walks a tree may recurse.

    or := and ("or" and)* ; and := not ("and" not)* ; not := "not" not | comparison
    comparison := sum ((">=" "<=" ">" "<" "==" "!=") sum)?
    sum := term (("+" "-") term)* ; term := unary (("*" "/") unary)* ; unary := "-" unary | primary
    primary := number unit? | name | name "(" arguments ")" | "(" or ")"
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from rules.language.tree import Span
from rules.language.units import RATES, SECONDS, UNITS

#: Product choices: what a person can read, and what a walk may recurse into.
LONGEST_TEXT = 2_000
DEEPEST = 40

COMPARATORS = (">=", "<=", "==", "!=", ">", "<")
KEYWORDS = ("and", "or", "not")
#: What people write of habit or on another keyboard, and what we say instead.
_MEANT = {
    "=": "==", "≥": ">=", "≤": "<=", "≠": "!=", "<>": "!=", "&&": "and", "||": "or", "&": "and", "|": "or",
    "!": "not", "（": "(", "）": ")", "，": ",", "＞": ">", "＜": "<", "＝": "==", "×": "*", "÷": "/", "％": "%",
    "、": ",", "．": ".", "°": "degC", "℃": "degC",
}  # fmt: skip
_TOKEN = re.compile(
    r"(?P<number>[0-9]+(?:\.[0-9]+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*|%[A-Za-z]*)"
    r"|(?P<sign>>=|<=|==|!=|[-+*/()<>,])|(?P<wrong><>|&&|\|\||.)",
    re.DOTALL,
)
_SPACE = re.compile(r"[ \t\r\n\u3000]*")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, and what to do about it."""

    span: Span
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"column {self.span.start + 1}: {self.reason}" + (f"; {self.remedy}" if self.remedy else "")


class ExpressionFault(ValueError):
    """An expression that is none. `faults`: all that could be known, in the order of the text; never empty. As text,
    one line for each."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Literal:
    """`unit` as written: "", "%LEL", "%LEL/min"."""

    value: float
    unit: str
    span: Span
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Name:
    text: str
    span: Span
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    named: Span
    arguments: "tuple[Untyped, ...]"
    span: Span
    depth: int


@dataclass(frozen=True, slots=True)
class Prefix:
    """`sign`: "-" or "not"."""

    sign: str
    operand: "Untyped"
    span: Span
    depth: int


@dataclass(frozen=True, slots=True)
class Infix:
    """`sign`: one of + - * / or a comparator."""

    sign: str
    left: "Untyped"
    right: "Untyped"
    at: Span
    span: Span
    depth: int


@dataclass(frozen=True, slots=True)
class Joint:
    """Two or more parts joined by one "and" or "or"; none of them is of the same sort."""

    sign: str
    parts: "tuple[Untyped, ...]"
    span: Span
    depth: int


Untyped = Literal | Name | Call | Prefix | Infix | Joint


@dataclass(frozen=True, slots=True)
class _Token:
    sort: str
    text: str
    span: Span


def parse(text: str) -> Untyped:
    """Raises ExpressionFault."""
    if len(text) > LONGEST_TEXT:
        _refuse(
            Span(LONGEST_TEXT, len(text)),
            f"the expression has {len(text)} characters; {LONGEST_TEXT} are the most",
            "make two rules of it",
        )
    tokens = _tokens(text)
    if tokens[0].sort == "end":
        _refuse(tokens[0].span, "the expression is empty", "write a condition, such as combustible_lel >= 20 %LEL")
    return _Parser(tokens).whole()


def _refuse(span: Span, reason: str, remedy: str = "") -> NoReturn:
    raise ExpressionFault((Fault(span, reason, remedy),))


def _tokens(text: str) -> list[_Token]:
    """Ends with one token of sort "end"."""
    found: list[_Token] = []
    at = _skip(text, 0)
    while at < len(text):
        match = _TOKEN.match(text, at)
        assert match is not None, "any character is a token, if a wrong one"
        sort, span = match.lastgroup or "", Span(at, match.end())
        if sort == "wrong":
            meant = _MEANT.get(match.group(), "")
            _refuse(span, f"{match.group()!r} is not a sign of the language", f"write {meant}" if meant else "")
        found.append(_Token(sort, match.group(), span))
        at = _skip(text, match.end())
    return [*found, _Token("end", "", Span(len(text), len(text)))]


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


class _Parser:
    """One left-to-right pass; `nesting` counts what makes the pass itself recurse."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.nesting = 0

    @property
    def next(self) -> _Token:
        return self.tokens[self.at]

    def whole(self) -> Untyped:
        found = self.either()
        if self.next.sort != "end":
            self.unexpected(self.next)
        return found

    def take(self, *texts: str) -> _Token | None:
        token = self.next
        if token.sort == "end" or token.text not in texts:
            return None
        self.at += 1
        return token

    def unexpected(self, token: _Token) -> NoReturn:
        before = self.tokens[self.at - 1] if self.at else None
        if token.sort == "end":
            _refuse(token.span, "the expression ends too early", "write what is missing")
        if token.text in COMPARATORS:
            _refuse(token.span, f"{token.text!r}: comparisons do not chain", "write a < b and b < c")
        if before is not None and before.text == "%" and token.sort == "name":
            _refuse(Span(before.span.start, token.span.end), "a unit is one word", f"write %{token.text}")
        if before is not None and before.sort == "number" and token.sort == "name":
            _refuse(token.span, f"{token.text!r} is not a unit", f"the units are {', '.join(UNITS)}")
        if token.text == ")":
            _refuse(token.span, "')' has no '(' before it, or nothing stands in between", "take it away")
        _refuse(token.span, f"{token.text!r} is not expected here", "write and, or, or a comparison in between")

    def either(self) -> Untyped:
        return self.joint("or", lambda: self.joint("and", self.negation))

    def joint(self, sign: str, part: Callable[[], "Untyped"]) -> Untyped:
        parts = [part()]
        while self.take(sign):
            parts.append(part())
        if len(parts) == 1:
            return parts[0]
        span = Span(parts[0].span.start, parts[-1].span.end)
        flat = [
            one for each in parts for one in (each.parts if isinstance(each, Joint) and each.sign == sign else (each,))
        ]
        return self.made(Joint(sign, tuple(flat), span, 1 + max(one.depth for one in flat)))

    def negation(self) -> Untyped:
        word = self.take("not")
        return self.prefix(word, self.negation) if word else self.comparison()

    def prefix(self, sign: _Token, operand: Callable[[], "Untyped"]) -> Untyped:
        inner = self.nested(sign, operand)
        return self.made(Prefix(sign.text, inner, Span(sign.span.start, inner.span.end), inner.depth + 1))

    def comparison(self) -> Untyped:
        left = self.sum()
        sign = self.take(*COMPARATORS)
        return self.infix(sign, left, self.sum()) if sign else left

    def sum(self) -> Untyped:
        return self.chain(self.term, "+", "-")

    def term(self) -> Untyped:
        return self.chain(self.unary, "*", "/")

    def chain(self, operand: Callable[[], "Untyped"], *signs: str) -> Untyped:
        left = operand()
        while sign := self.take(*signs):
            left = self.infix(sign, left, operand())
        return left

    def infix(self, sign: _Token, left: Untyped, right: Untyped) -> Untyped:
        depth = 1 + max(left.depth, right.depth)
        return self.made(Infix(sign.text, left, right, sign.span, Span(left.span.start, right.span.end), depth))

    def unary(self) -> Untyped:
        sign = self.take("-")
        return self.prefix(sign, self.unary) if sign else self.primary()

    def primary(self) -> Untyped:
        token = self.next
        if token.sort == "number":
            return self.literal()
        if token.sort == "name" and token.text not in KEYWORDS and not token.text.startswith("%"):
            self.at += 1
            opening = self.take("(")
            return self.call(token, opening) if opening else Name(token.text, token.span)
        opening = self.take("(")
        if opening is None:
            self.unexpected(token)
        inner = self.nested(opening, self.either)
        self.closing(opening)
        return inner

    def call(self, name: _Token, opening: _Token) -> Untyped:
        arguments: list[Untyped] = []
        if self.next.text != ")":
            arguments.append(self.nested(opening, self.either))
            while self.take(","):
                arguments.append(self.nested(opening, self.either))
        end = self.closing(opening)
        depth = 1 + max((one.depth for one in arguments), default=0)
        return self.made(Call(name.text, name.span, tuple(arguments), Span(name.span.start, end.span.end), depth))

    def closing(self, opening: _Token) -> _Token:
        end = self.take(")")
        if end is None:
            if self.next.sort == "end":
                _refuse(opening.span, "'(' is never closed", "write ) where it ends")
            self.unexpected(self.next)
        return end

    def literal(self) -> Untyped:
        token = self.next
        self.at += 1
        unit, end = self.unit()
        return Literal(float(token.text), unit, Span(token.span.start, end or token.span.end))

    def unit(self) -> tuple[str, int]:
        """What stands after a number, as one word, and where it ends. Only words that can be a unit are taken."""
        word = self.next
        if word.sort != "name" or word.text in KEYWORDS or self.tokens[self.at + 1].text == "(":
            return "", 0
        self.at += 1
        text, end = word.text, word.span.end
        if text in ("m3", "mg", "ug", "g") and self.per("h", "m3"):
            text, end = f"{text}/{self.tokens[self.at - 1].text}", self.tokens[self.at - 1].span.end
        if text not in SECONDS and self.per(*RATES, "m", "sec", "hour", "day"):
            text, end = f"{text}/{self.tokens[self.at - 1].text}", self.tokens[self.at - 1].span.end
        return text, end

    def per(self, *words: str) -> bool:
        """Takes "/" and one of the words, unless that is a function's name (min)."""
        slash, word, after = (self.tokens[min(self.at + i, len(self.tokens) - 1)] for i in range(3))
        if slash.text != "/" or word.text not in words or after.text == "(":
            return False
        self.at += 2
        return True

    def nested(self, at: _Token, inner: Callable[[], "Untyped"]) -> Untyped:
        self.nesting += 1
        if self.nesting > DEEPEST:
            _too_deep(at.span)
        found = inner()
        self.nesting -= 1
        return found

    def made(self, node: Untyped) -> Untyped:
        if node.depth > DEEPEST:
            _too_deep(node.span)
        return node


def _too_deep(span: Span) -> NoReturn:
    _refuse(span, f"the expression is nested deeper than {DEEPEST}", "make two rules of it, or use fewer brackets")
