"""What is wrong with the rules of a document together: one id twice, a kind that must be there, cyclic suppression."""

from collections.abc import Iterator, Sequence

from rules.decisions import Priority
from rules.documents.expressions import about_gas
from rules.documents.faults import Fault
from rules.documents.types import Kind, Rule
from rules.language.tree import Parsed

#: State is laid out [device, rule]: so many rules are some 5 KiB for every device (product choice).
MOST_RULES = 200
#: What a pack that closes valves must hold. One that was in force before a kind was known did not have to: see `kept`.
_OF_A_CLOSING = (Kind.UNCONFIRMED, Kind.NO_VALVE, Kind.REOPENED, Kind.ASLEEP, Kind.HELD, Kind.REVERTED)
_LATER_REQUIRED = (Kind.ASLEEP, Kind.HELD, Kind.REVERTED)
#: Without one of these their event is journaled, and is nobody's alarm.
_OPTIONAL = (Kind.LINK_DOWN, Kind.SESSION_LOST, Kind.MISSING, Kind.FIELD)


def missing_kinds(rules: Sequence[Rule], *, kept: bool) -> Iterator[str]:
    """What a document lacks as a whole."""
    if len(rules) > MOST_RULES:
        yield f"{len(rules)} rules; a pack has at most {MOST_RULES}"
    closing = [rule.id for rule in rules if rule.action.closes]
    for kind in _OF_A_CLOSING:
        needed = closing and not (kept and kind in _LATER_REQUIRED)
        if needed and not any(rule.kind is kind for rule in rules):
            whose = f"a pack that closes valves (rule {closing[0]!r})"
            yield f"no rule of kind {kind}, which {whose} must have; the built-in pack 'valves' holds one"


def together_faults(rules: Sequence[Rule], parsed: Sequence[Parsed]) -> Iterator[tuple[int, int | None, Fault]]:
    """(index of the rule at fault, index of the rule it clashes with or None, the fault)."""
    first: dict[str, int] = {}
    of_kind: dict[Kind, int] = {}
    for at, rule in enumerate(rules):
        there = first.setdefault(rule.id, at)
        if there != at:
            yield at, there, Fault("id", f"{rule.id!r} stands twice; an id is one rule")
        if rule.kind in (*_OF_A_CLOSING, *_OPTIONAL):
            there = of_kind.setdefault(rule.kind, at)
            if there != at:
                other = rules[there].id
                yield at, there, Fault("kind", f"a pack has at most one rule of kind {rule.kind}; {other!r} is one")
    for at, fault in _suppression_faults(rules, parsed):
        yield at, None, fault


def _suppression_faults(rules: Sequence[Rule], parsed: Sequence[Parsed]) -> Iterator[tuple[int, Fault]]:
    by_id = {rule.id: rule for rule in rules}
    for at, rule in enumerate(rules):
        if not rule.suppressed_by:
            continue
        for name in rule.suppressed_by:
            if name not in by_id:
                yield at, Fault("suppressed_by", f"there is no rule {name!r} in the pack")
        worst = min([rule.priority, *(one.priority for one in rule.escalate)])
        if worst is Priority.CRITICAL and about_gas(rule, parsed[at]):
            yield at, Fault("suppressed_by", "a critical gas alarm is never suppressed; take the key away")
        if way := _way_back(rule.id, by_id):
            yield at, Fault("suppressed_by", f"goes in a circle: {' by '.join(way)}; each would hide the other")


def _way_back(start: str, by_id: dict[str, Rule]) -> list[str]:
    """The rules by which `start` is suppressed by itself, beginning and ending with it; empty: it is not."""
    came_from: dict[str, str] = {}
    waiting = [start]
    while waiting:
        here = waiting.pop()
        for name in by_id[here].suppressed_by if here in by_id else ():
            if name == start:
                way = [start, here]
                while way[-1] != start:
                    way.append(came_from[way[-1]])
                return way[::-1]
            if name not in came_from:
                came_from[name] = here
                waiting.append(name)
    return []
