"""The expressions of all rules as one program: each part once, however many rules say it, and what it must remember.

P1  Two expressions that mean the same are one part, and one memory: they have the same canonical text, with the rule's
    own numbers in it.
P2  A memory's key is that text, so it outlives a change of other rules or of the registry. Where a number is another
    one for some devices, the overrides that say so are part of the key.
P3  Something is remembered of the devices that a rule which asks for it looks at, and of no others; a vote, of the
    members of its groups (rules/evaluation/votes.py G1).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from devices.fleet import Fleet
from rules.documents.document import RulePack, RuleState
from rules.evaluation.may import May, by_itself, compile_may
from rules.evaluation.memories import Asked, Keeping, advance, advance_truth, bytes_of, make, memory_key
from rules.evaluation.numbers import Mask, Truth
from rules.evaluation.parts import Keeper, Parts
from rules.evaluation.selection import Applies, may_vote, parsed_of
from rules.evaluation.view import Part, View
from rules.evaluation.votes import Count as Voted
from rules.evaluation.votes import Votes as VotesOf
from rules.language.canonical import children, walk
from rules.language.tree import (
    Commanded,
    Condition,
    Count,
    Dose,
    Missing,
    Node,
    Since,
    Stuck,
    Votes,
    Windowed,
)


@dataclass(frozen=True, slots=True)
class Said:
    """The expressions of one rule, by its number. clear None: the condition is false. may: where the condition may be
    true whatever votes and commands say. beyond: what says by itself that something may be wrong
    (rules/evaluation/may.py). votes: keys of its votes. commanded: it asks whether a closing is wanted."""

    rule: int
    condition: Part[Truth] | None
    clear: Part[Truth] | None
    escalate: tuple[tuple[Part[Truth], int], ...]
    may: May
    beyond: tuple[Part[Truth], ...]
    votes: tuple[str, ...]
    commanded: bool

    @property
    def as_of(self) -> bool:
        return bool(self.votes) or self.commanded


@dataclass(frozen=True, slots=True)
class Program:
    """said: of every rule that has an expression. keepers: by key, in the order in which they are advanced. compiler:
    to find the part of a node of these expressions."""

    said: tuple[Said, ...]
    keepers: dict[str, Keeper]
    bytes_of_rule: NDArray[np.int64]
    compiler: "Compiler"

    def of_rule(self, rule: int) -> Said | None:
        """The expressions of a rule by its number."""
        return next((one for one in self.said if one.rule == rule), None)

    @property
    def bytes_per_device(self) -> int:
        return sum(keeper.bytes for keeper in self.keepers.values())

    @property
    def votes(self) -> bool:
        return any(keeper.said is not None for keeper in self.keepers.values())


def compile_program(pack: RulePack, fleet: Fleet, applied: Applies) -> Program:
    """All expressions of a pack for one fleet."""
    compiler = Compiler(pack, fleet, applied)
    said = tuple(
        compiler.rule(column)
        for column, rule in enumerate(pack.rules)
        if rule.state is not RuleState.DRAFT and _speaks(pack, column)
    )
    return Program(said, compiler.keepers, compiler.bytes_of_rule, compiler)


def _speaks(pack: RulePack, column: int) -> bool:
    parsed = parsed_of(pack, column)
    return bool(parsed.escalate) or (parsed.condition is not None and not isinstance(parsed.condition, Missing))


class Compiler(Parts):
    """One rule after the other, with what each must remember."""

    def __init__(self, pack: RulePack, fleet: Fleet, applied: Applies) -> None:
        super().__init__(pack, fleet)
        self.applied = applied
        self.bytes_of_rule = np.zeros(len(pack.rules), np.int64)

    def rule(self, column: int) -> Said:
        parsed, rule = parsed_of(self.pack, column), self.pack.rules[column]
        condition = None if isinstance(parsed.condition, Missing) else parsed.condition
        trees = [tree for tree in (condition, parsed.clear, *parsed.escalate) if tree is not None]
        looks = self.applied.looks[:, column]
        judged = looks & ~self.applied.by_flags[:, column]
        keys: dict[str, None] = {}
        for tree in trees:
            self._keep(tree, column, looks if tree in parsed.escalate else judged, keys)
        self.bytes_of_rule[column] = sum(self.keepers[key].bytes for key in keys)
        return Said(
            rule=column,
            condition=None if condition is None else self.truth(condition, column),
            clear=None if parsed.clear is None else self.truth(parsed.clear, column),
            escalate=tuple(
                (self.truth(tree, column), int(one.priority))
                for tree, one in zip(parsed.escalate, rule.escalate, strict=True)
            ),
            may=self._may(condition, column),
            beyond=tuple(self.truth(one, column) for one in (by_itself(condition) if condition else ())),
            votes=tuple(key for key in keys if self.keepers[key].said is not None),
            commanded=any(isinstance(node, Commanded) for tree in trees for node in walk(tree)),
        )

    def _may(self, condition: Condition | None, column: int) -> May:
        if condition is None:
            return lambda view, heard: np.zeros(len(view), np.bool_)
        return compile_may(condition, lambda node: self.truth(node, column), lambda node: self.votes_key(node, column))

    def _keep(self, node: Node, column: int, kept: Mask, keys: dict[str, None]) -> None:
        """Make the memories that a tree needs, or add its devices to theirs."""
        if isinstance(node, Votes):
            kept = self._members(node)
            self._keep(node.condition, column, kept, keys)
            key = self.votes_key(node, column)
            if key not in self.keepers:
                self.keepers[key] = self._votes(node, column, key, kept)
            keys[key] = None
            return
        for child in children(node):
            self._keep(child, column, kept, keys)
        if isinstance(node, Windowed | Dose | Stuck | Since | Count):
            key = memory_key(node, self.text(node, column))
            if key not in self.keepers:
                self.keepers[key] = self._keeper(node, column, key)
            np.logical_or(self.keepers[key].kept, kept, out=self.keepers[key].kept)
            keys[key] = None

    def _keeper(self, node: Keeping, column: int, key: str) -> Keeper:
        kept = np.zeros(len(self.fleet.classes.all), np.bool_)
        fed: Callable[[View], Asked]
        if isinstance(node, Since | Count):
            fed = partial(_fed_truth, key=key, kept=kept, part=self.truth(node.condition, column))
        else:
            fed = partial(_fed_quantity, key=key, kept=kept, quantity=node.quantity)
        part = self.part(f"fed {key}", lambda: Part(-1, fed, remembered=True))
        return Keeper(key, partial(make, node, len(self.fleet)), kept, bytes_of(make(node, 1)), part)

    def _members(self, node: Votes) -> Mask:
        """Classes of devices whose votes count, shape (classes,)."""
        models = [one.model for one in self.fleet.classes.all]
        return np.array([model is not None and may_vote(model, node.condition) for model in models], np.bool_)

    def _votes(self, node: Votes, column: int, key: str, kept: Mask) -> Keeper:
        said = self.truth(node.condition, column)
        grouping, members = self.fleet.groups[node.group], kept[self.fleet.classes.of]

        def ask(view: View) -> Voted:
            memory: VotesOf = view.memories[key]
            return memory.ask(view.slots, view.get(said), view.column("live"))

        part = self.part(f"fed {key}", lambda: Part(-1, ask, as_of=True))
        return Keeper(key, partial(VotesOf, grouping, members, node.heard), kept, 1, part, said)


def _fed_truth(view: View, key: str, kept: Mask, part: Part[Truth]) -> Asked:
    return advance_truth(view, key, kept, view.get(part))


def _fed_quantity(view: View, key: str, kept: Mask, quantity: str) -> Asked:
    return advance(view, key, kept, quantity)
