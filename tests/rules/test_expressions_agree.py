"""Every expression says in the arrays what it says of one device and one reading at a time, however readings are cut
into batches, and after it was frozen and thawed."""

import os
import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.quantities import Flag
from devices.readings import Rows
from rules.decisions import Priority
from rules.documents.document import Escalation, Kind, Rule, RulePack, Title
from rules.evaluation.evaluation import evaluate
from rules.evaluation.kernels import Compiled, compile_pack
from rules.evaluation.windows import Windows
from rules.language.expression import parse_condition
from rules.language.tree import Parsed
from rules.language.units import parse_number
from tests.rules.neighbourhood import neighbourhood_fleet
from tests.rules.random_expressions import OWN, condition
from tests.rules.random_rows import random_rows
from tests.rules.reference_expressions import Expressions, read
from tests.rules.reference_terms import FALSE, TRUE, UNKNOWN

#: How many random cases each property is tried on.
EXAMPLES = int(os.environ.get("DAVY_TEST_EXAMPLES", "0"))
FLEET = neighbourhood_fleet()
DIMENSIONS = {name: parse_number(text)[1] for name, text in OWN.items()}
VALUES = {name: parse_number(text)[0] for name, text in OWN.items()}
TITLE = Title("规", "r")


def random_pack(rng: random.Random, many: int) -> RulePack:
    rules, parsed = [], []
    for number in range(many):
        says = condition(rng)
        clear = condition(rng) if rng.random() < 0.3 else ""
        worse = condition(rng) if rng.random() < 0.3 else ""
        rules.append(
            Rule(
                id=f"rule-{number}", title=TITLE, source="product choice", kind=Kind.MEASURED, priority=Priority.MEDIUM,
                condition=says, clear_condition=clear, numbers=OWN,
                flags=("tamper",) if rng.random() < 0.1 else (),
                escalate=(Escalation(worse, Priority.HIGH),) if worse else (),
            )
        )  # fmt: skip
        trees = [parse_condition(text, DIMENSIONS) if text else None for text in (says, clear, worse)]
        parsed.append(Parsed(trees[0], trees[1], (trees[2],) if trees[2] is not None else ()))
    return RulePack("random", "1", tuple(rules), (), tuple(parsed))


def expected(
    model: Expressions, pack: RulePack, rows: Rows, watched: np.ndarray
) -> list[list[tuple[int, int, Priority]]]:
    """raised, cleared and priority of every row and rule."""
    found = []
    for n in range(len(rows)):
        row, slot = rows[n : n + 1], int(FLEET.slots(rows["device_no"][n : n + 1])[0])
        one = read(row)
        if not one.flags & (Flag.LATE | Flag.STALE):
            for number, parsed in enumerate(pack.parsed):
                trees = (parsed.condition, parsed.clear, *parsed.escalate)
                model.hear(number, slot, [tree for tree in trees if tree is not None], one)
        found.append([says(model, pack, number, slot, one, bool(watched[slot])) for number in range(len(pack.rules))])
    return found


def says(
    model: Expressions, pack: RulePack, number: int, slot: int, one: object, commanded: bool
) -> tuple[int, int, Priority]:
    rule, parsed = pack.rules[number], pack.parsed[number]

    def truth(tree: object) -> int:
        return model.truth(number, slot, tree, one, commanded)  # type: ignore[arg-type]

    assert parsed.condition is not None
    raised = truth(parsed.condition)
    opposite = UNKNOWN if raised == UNKNOWN else 1 - raised
    cleared = opposite if parsed.clear is None else truth(parsed.clear)
    if any(one.flags & Flag[name.upper()] for name in rule.flags):  # type: ignore[attr-defined]
        raised, cleared = TRUE, FALSE
    worse = any(truth(tree) == TRUE for tree in parsed.escalate)
    return raised, cleared, rule.escalate[0].priority if worse else rule.priority


def actual(
    compiled: Compiled, windows: Windows, rows: Rows, watched: np.ndarray
) -> list[list[tuple[int, int, Priority]]]:
    found = evaluate(compiled, windows, rows, FLEET.slots(rows["device_no"]))
    whole = found.whole(np.arange(len(rows)), watched)
    assert ((whole.raised == TRUE) <= (found.raised | found.awake[:, None])).all()
    columns = (whole.raised, whole.cleared, whole.priority)
    together = np.stack([column.astype(int) for column in columns], axis=2).tolist()
    return [[(raised, cleared, Priority(worse)) for raised, cleared, worse in row] for row in together]


def difference(pack: RulePack, compiled: Compiled, rows: Rows, left: list, right: list) -> str:
    """The first cell that is another, of rules that look at the device and of readings that are judged."""
    slots = FLEET.slots(rows["device_no"])
    looks = compiled.looks_at(slots) & ~compiled.by_flags[compiled.class_of[slots]]
    for n, (one, other) in enumerate(zip(left, right, strict=True)):
        for number, rule in enumerate(pack.rules):
            if looks[n, number] and not rows["flags"][n] & Flag.LATE and one[number] != other[number]:
                return (
                    f"row {n} {rows[n]} of {FLEET.devices[slots[n]]}\n{rule.condition} clear {rule.clear_condition}"
                    f" escalate {rule.escalate} flags {rule.flags}:\n engine {one[number]}, reference {other[number]}"
                )
    return ""


@settings(max_examples=EXAMPLES or 60, deadline=None)
@given(st.integers(0, 2**32))
def test_what_the_arrays_say_is_what_one_reading_at_a_time_says(seed: int) -> None:
    rng = random.Random(seed)
    pack = random_pack(rng, rng.choice((1, 3, 6)))
    compiled = compile_pack(pack, FLEET)
    numbers = {(rule, slot): VALUES for rule in range(len(pack.rules)) for slot in range(len(FLEET))}
    model, windows, t = Expressions(FLEET, numbers), Windows(compiled), 0.0
    for _ in range(rng.choice((3, 10, 25))):
        t += rng.choice((0.001, 0.5, 1, 2, 5, 9, 31, 200, 4000))
        rows = random_rows(rng, rng.choice((1, 2, 8, 30)), t)
        watched = np.array([rng.random() < 0.3 for _ in range(len(FLEET))])
        if rng.random() < 0.2:
            windows = Windows.thawed(compiled, {name: array.copy() for name, array in windows.arrays().items()})
        if rng.random() < 0.2:
            gone = np.array(sorted(rng.sample(range(len(FLEET)), 5)), np.int32)
            windows.silent(gone)
            for slot in gone.tolist():
                model.silent(slot)
        found = actual(compiled, windows, rows, watched)
        assert not (wrong := difference(pack, compiled, rows, found, expected(model, pack, rows, watched))), wrong


@settings(max_examples=EXAMPLES or 30, deadline=None)
@given(st.integers(0, 2**32))
def test_any_cut_into_batches_says_and_remembers_the_same(seed: int) -> None:
    rng = random.Random(seed)
    pack = random_pack(rng, 4)
    compiled = compile_pack(pack, FLEET)
    parts = [random_rows(rng, 12, 7.0 * n * n) for n in range(8)]
    rows, watched = np.concatenate(parts), np.zeros(len(FLEET), np.bool_)
    whole, cut = Windows(compiled), Windows(compiled)
    at_once = actual(compiled, whole, rows, watched)
    edges = sorted(rng.sample(range(len(rows) + 1), 6))
    pieces = [rows[a:b] for a, b in zip([0, *edges], [*edges, len(rows)], strict=True)]
    in_pieces = [row for piece in pieces for row in actual(compiled, cut, piece, watched)]
    assert in_pieces == at_once
    for name, array in whole.arrays().items():
        assert array.tobytes() == cut.arrays()[name].tobytes(), name
