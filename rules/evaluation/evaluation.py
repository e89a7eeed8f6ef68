"""What every rule says of a batch of readings: first cheaply of all of them, then wholly of those that may matter.

E1  `evaluate` takes the rows of a batch in the order of arrival, once, and advances what expressions remember (windows,
    doses) by the live ones among them. Late and stale rows advance nothing.
E2  `raised` is enough to find the rows that move nothing: where no rule is raised, no alarm or hold of the device
    stands, and the row is not `awake`, judging it in any order gives the same. Of a rule that votes or asks for
    commands `raised` says nothing: a row at which it could be true is awake.
E3  `whole` is asked once for every other row, in their order, for rows received at one time together. It takes in what
    depends on other devices and on commands (votes, commanded_closed) as of then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.readings import Rows
from rules.evaluation.kernels import FALSE, TRUE, UNKNOWN, Compiled, Conditions, conditions_of, raised_by_limits
from rules.evaluation.numbers import Mask, Values, as_codes, opposite
from rules.evaluation.program import Said
from rules.evaluation.view import View
from rules.evaluation.votes import Votes
from rules.evaluation.windows import Windows
from rules.language.tree import Condition, Quantitative

#: Certainty of a number: nobody knows; it is this; it is this or higher.
NOT_KNOWN, EXACT, AT_LEAST = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Evaluation:
    """raised: shape (n, rules), bool: the condition is true. loud: the rows at which some condition is, ascending.
    awake: shape (n,), bool: must go through `whole`; it may grow by Windows.silent. depends: shape (n,), bool: what a
    rule says of the row depends on `watched`."""

    raised: NDArray[np.bool_]
    loud: NDArray[np.intp]
    awake: NDArray[np.bool_]
    depends: NDArray[np.bool_]
    _compiled: Compiled
    _view: View

    def whole(self, at: NDArray[np.intp], watched: NDArray[np.bool_] | None = None) -> Conditions:
        """Of these rows, ascending. watched: shape (slots,), bool: whose closing is wanted, or stands, as of these rows
        (State.watched); where effects of earlier rows of the moment can change it, the moment must be cut before every
        row that `depends`. None: nobody knows."""
        view = self._view.some(at, watched)
        for keeper in self._compiled.program.keepers.values():
            if keeper.said is not None:
                view.get(keeper.fed)
        return _conditions(self._compiled, view, wholly=True)

    def calm(self, at: NDArray[np.intp]) -> Conditions:
        """Of these rows, ascending, what is known of them alone: of a rule that votes or asks for commands, UNKNOWN.
        Remembers nothing; may be asked of any rows at any time."""
        return _conditions(self._compiled, self._view.some(at, None), wholly=False)

    def values(self, rule: int, node: Quantitative) -> tuple[Values, NDArray[np.uint8]]:
        """What a number of this rule's expressions is at every row: shape (n,), f8, in the unit of its dimension (NaN:
        unknown), and its certainty."""
        found = self._view.get(self._compiled.program.compiler.amount(node, rule))
        value = np.broadcast_to(found.value, len(self._view)).astype(np.float64)
        at_least = np.zeros(1, np.bool_) if found.at_least is None else found.at_least
        sure = np.where(at_least, AT_LEAST, EXACT)
        return value, np.where(np.isnan(value), NOT_KNOWN, sure).astype(np.uint8)

    def says(self, rule: int, node: Condition, watched: NDArray[np.bool_] | None = None) -> NDArray[np.int8]:
        """What a condition of this rule's expressions says of every row: shape (n,), 1 true, 0 false, -1 unknown. Votes
        are as they were left: ask for the last row of a batch that was asked wholly."""
        program = self._compiled.program
        view = self._view.some(None, watched)
        for keeper in program.keepers.values():
            if keeper.said is not None:
                memory = self._view.memories[keeper.key]
                assert isinstance(memory, Votes)
                view.put(keeper.fed, memory.stands(view.slots, view.column("live")))
        found = as_codes(view.get(program.compiler.truth(node, rule)))
        return np.broadcast_to(found, len(view)).astype(np.int8)


def _conditions(compiled: Compiled, view: View, *, wholly: bool) -> Conditions:
    classes = view.column("class")
    found = conditions_of(compiled, view, compiled.looks[classes], compiled.by_flags[classes])
    for said in compiled.program.said:
        if wholly or not said.as_of:
            _put(compiled, said, view, found)
        elif said.condition is not None:
            open_ = compiled.judged[classes, said.rule] & ~found.at_once[:, said.rule]
            found.raised[open_, said.rule] = found.cleared[open_, said.rule] = UNKNOWN
    for rule in compiled.schedules:
        outside = compiled.looks[classes, rule] & ~compiled.inside(rule, view.slots, view.column("ts"))
        found.raised[outside, rule], found.cleared[outside, rule], found.at_once[outside, rule] = FALSE, TRUE, False
    return found


def _put(compiled: Compiled, said: Said, view: View, found: Conditions) -> None:
    """What a rule's expressions say, where its flags do not say it."""
    rule, classes = said.rule, view.column("class")
    judged = compiled.judged[classes, rule]
    if said.condition is not None:
        condition = view.get(said.condition)
        clear = opposite(condition) if said.clear is None else view.get(said.clear)
        open_ = judged & ~found.at_once[:, rule]
        found.raised[:, rule] = np.where(open_, as_codes(condition), found.raised[:, rule])
        found.cleared[:, rule] = np.where(open_, as_codes(clear), found.cleared[:, rule])
    for part, priority in said.escalate:
        higher = compiled.looks[classes, rule] & view.get(part).true & (found.priority[:, rule] > priority)
        found.priority[higher, rule] = priority


def evaluate(
    compiled: Compiled,
    windows: Windows,
    rows: Rows,
    slots: NDArray[np.int32],
    columns: Mapping[str, NDArray[Any]] = MappingProxyType({}),
) -> Evaluation:
    """rows: shape (n,); slots: shape (n,), i4, none negative. columns: what is taken apart already, or stands in the
    place of what the rows say."""
    view = View(compiled.fleet, rows, slots, windows.memories, columns)
    raised, hot = raised_by_limits(compiled, view)
    awake, depends = np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.bool_)
    program = compiled.program
    if program.said:
        heard: dict[str, Mask] = {}
        for keeper in program.keepers.values():
            if keeper.said is None:
                view.get(keeper.fed)
        for keeper in program.keepers.values():
            if keeper.said is not None:
                memory = windows.memories[keeper.key]
                assert isinstance(memory, Votes)
                changes, heard[keeper.key] = memory.moving(slots, view.get(keeper.said), view.column("live"))
                awake |= changes
        for said in program.said:
            if said.as_of:
                _first_of_others(compiled, said, view, awake, depends, heard)
            elif said.condition is not None:
                true = np.flatnonzero(view.get(said.condition).true)
                true = true[compiled.judged[view.column("class")[true], said.rule]]
                raised[true, said.rule] = hot[true] = True
    for rule in compiled.schedules:
        if (true := np.flatnonzero(raised[:, rule])).size:
            raised[true, rule] = compiled.inside(rule, slots[true], view.column("ts")[true])
    loud = np.flatnonzero(hot)
    return Evaluation(raised, loud[raised[loud].any(axis=1)], awake, depends, compiled, view)


def _first_of_others(
    compiled: Compiled, said: Said, view: View, awake: Mask, depends: Mask, heard: dict[str, Mask]
) -> None:
    """Where one rule that votes or asks for commands must be asked wholly. A rule whose condition is a limit or a flag
    may still escalate by a command, wherever it looks."""
    classes = view.column("class")
    if said.condition is not None:
        awake |= compiled.judged[classes, said.rule] & said.may(view, heard)
    if said.commanded:
        looks = compiled.looks[classes, said.rule]
        depends |= looks if said.votes else looks & _differs(said, view)


def _differs(said: Said, view: View) -> Mask:
    """Where a rule says one thing if the closing of the valve is wanted, and another if it is not."""
    everybody = np.ones(len(view.fleet), np.bool_)
    wanted, free = view.some(None, everybody), view.some(None, ~everybody)
    parts = [part for part in (said.condition, said.clear, *(part for part, _ in said.escalate)) if part is not None]
    found = np.zeros(len(view), np.bool_)
    for part in parts:
        one, other = wanted.get(part), free.get(part)
        found |= (one.true != other.true) | (one.false != other.false)
    return found


def beyond(compiled: Compiled, rows: Rows, slots: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which rows say by themselves that something may be wrong, shape (n,): a comparison of a quantity with a limit is
    true in some rule that looks at the device (what is compared over a window counts as if it had been so all along).
    Remembers nothing."""
    view = View(compiled.fleet, rows, slots, {})
    _, says = raised_by_limits(compiled, view)
    for said in compiled.program.said:
        judged = compiled.judged[view.column("class"), said.rule]
        for part in said.beyond:
            np.logical_or(says, judged & view.get(part).true, out=says)
    return says
