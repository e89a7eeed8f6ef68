"""Other numbers of a rule for some devices: each override by itself, and what two of them make of the rule together.

The last override that fits a device wins, key by key. So a limit may come from one and its clear limit from another:
every two of a rule that could fit one device are looked at together.

V1  What a document costs to read is bounded: it has so many overrides at most, and each rule that they make is searched
    once, so many of them at most.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from rules.documents.expressions import read_numbers, together_faults, values
from rules.documents.faults import Fault
from rules.documents.keys import LIMITS, LONGEST_HOLD_S, limit_faults, selection_faults
from rules.documents.types import Kind, Override, Rule, Selection
from rules.language.tree import Parsed
from rules.language.units import unit_text

#: Overrides of one document, and the different rules that they may make of its rules (product choices: a city's
#: townships and its classes of sites; some ten milliseconds each at worst).
MOST_OVERRIDES = 500
MOST_MADE = 1_000
_HOLDS = ("hold_s", "clear_hold_s")
#: Keys that one device has several of: two selections by them may both fit it.
_MANIFOLD = ("measures", "tags")


def override_faults(override: Override, rule: Rule | None, parsed: Parsed | None) -> Iterator[Fault]:
    """Of one override. `rule`: the one it names, None: there is none. `parsed`: None when the rule is at fault."""
    if rule is None:
        yield Fault("rule", f"there is no rule {override.rule!r} in the pack")
        return
    if override.only == Selection():
        yield Fault("only", "selects every device; change the rule itself")
    yield from selection_faults(override.only, "only")
    if not override.source.strip():
        yield Fault("source", "is empty; a standard and its clause, or 'product choice'")
    given = [key for key in (*LIMITS, *_HOLDS) if getattr(override, key) is not None]
    if not given and not override.numbers:
        yield Fault("", "changes nothing; give at least one of numbers, " + ", ".join((*LIMITS, *_HOLDS)))
    for key in given:
        yield from _key_faults(key, override, rule)
    yield from _number_faults(override, rule)


def _key_faults(key: str, override: Override, rule: Rule) -> Iterator[Fault]:
    if key in _HOLDS:
        if rule.kind not in (Kind.MEASURED, Kind.QUALITY):
            yield Fault(key, f"a rule of kind {rule.kind} makes no use of it")
        elif not 0 <= getattr(override, key) <= LONGEST_HOLD_S:  # also refuses NaN
            yield Fault(key, f"must be 0 to {LONGEST_HOLD_S:.0f} seconds")
    elif getattr(rule, key) is None:
        yield Fault(key, f"rule {rule.id!r} has none to be another")
    elif rule.kind is Kind.FIELD:
        yield Fault(key, "the limit of a rule of kind field is about people on site, and is one for all")


def _number_faults(override: Override, rule: Rule) -> Iterator[Fault]:
    own, _ = read_numbers(rule.numbers)
    numbers, faults = read_numbers({name: text for name, text in override.numbers.items() if name in rule.numbers})
    yield from faults
    for name in override.numbers:
        if name not in rule.numbers:
            there = ", ".join(rule.numbers) or "none"
            yield Fault(f"numbers.{name}", f"rule {rule.id!r} has no such number; it has {there}")
        elif name in numbers and name in own and numbers[name][1] != own[name][1]:
            here, needed = unit_text(numbers[name][1]) or "no unit", unit_text(own[name][1]) or "no unit"
            yield Fault(f"numbers.{name}", f"has {here}, and the rule's own has {needed}")


@dataclass(slots=True)
class Made:
    """The rules that overrides made so far, of one document: how many more may be searched."""

    left: int = MOST_MADE


def combined_faults(
    overrides: Sequence[Override], rule: Rule, parsed: Parsed, made: Made
) -> Iterator[tuple[int, Fault]]:
    """What a sound rule becomes where one or two of its sound overrides hold: (index of the later one, its fault).
    `overrides`: of this rule only, in document order."""
    search = _Search(rule, parsed, made)
    for at, override in enumerate(overrides):
        alone = search.faults(override)
        yield from ((at, fault) for fault in alone)
        for earlier in overrides[:at] if not alone else ():
            if made.left <= 0:
                reason = f"the overrides of the document meet in more than {MOST_MADE} different ways"
                remedy = "select by areas, enterprises, classes or models, or write rules of their own"
                yield at, Fault("only", f"{reason}; {remedy}", weighed=True)
                return
            if _may_overlap(earlier.only, override.only):
                found = search.faults(earlier, override)
                if found and not search.faults(earlier):
                    reason = f"{found[0].reason} (where an earlier override of {rule.id!r} holds too)"
                    yield at, Fault(found[0].key, reason, weighed=True)
                    break


class _Search:
    """What is wrong with what overrides make of one rule, each rule once."""

    def __init__(self, rule: Rule, parsed: Parsed, made: Made) -> None:
        self.rule, self.parsed, self.made = rule, parsed, made
        self.found: dict[tuple[object, ...], list[Fault]] = {}

    def faults(self, *overrides: Override) -> list[Fault]:
        """Where all of these hold, the last one before the others."""
        limits = {key: value for one in overrides for key in LIMITS if (value := getattr(one, key)) is not None}
        numbers = {name: text for one in overrides for name, text in one.numbers.items()}
        key = (*sorted(limits.items()), *sorted(numbers.items()))
        if key not in self.found:
            self.made.left -= 1
            self.found[key] = list(_faults(self.rule, self.parsed, limits, numbers))
        return self.found[key]


def _faults(rule: Rule, parsed: Parsed, limits: dict[str, float], numbers: dict[str, str]) -> Iterator[Fault]:
    other: Rule = msgspec.structs.replace(rule, **limits)
    if rule.kind is Kind.MEASURED and not rule.condition:
        given = [key for key in LIMITS if getattr(other, key) is not None]
        if given:
            yield from limit_faults(other, given)
    if any(rule.numbers[name] != text for name, text in numbers.items()):
        read, _ = read_numbers(rule.numbers | numbers)
        for fault in together_faults(rule, parsed, values(read)):
            yield Fault("numbers", f"with {', '.join(sorted(numbers))}: {fault.key}: {fault.reason}", weighed=True)


def _may_overlap(one: Selection, other: Selection) -> bool:
    """Whether one device may be selected by both."""
    for key in Selection.__struct_fields__:
        here, there = getattr(one, key), getattr(other, key)
        if not here or not there or key in _MANIFOLD:
            continue
        if key == "areas":
            if not any(a.startswith(b) or b.startswith(a) for a in here for b in there):
                return False
        elif not {*here} & {*there}:
            return False
    return True
