"""docs/API.md says what the code does: its routes, its problems and its bounds are compared with it."""

import re
from pathlib import Path

import pytest

from api import problems
from api.app import create_app
from api.config import Limits
from api.rule_checks import checked
from api.rule_shapes import RuleDocument, RulesGiven
from api.shapes import Asked
from api.tokens import FAILURES_AT_ONCE, FAILURES_PER_S
from tests.api.conftest import config_of

_TEXT = (Path(__file__).parents[2] / "docs" / "API.md").read_text("utf-8")


def test_every_route_is_in_the_document() -> None:
    document = create_app(config_of(Path("/nowhere"))).openapi()
    missing = [path for path in document["paths"] if f"{path}`" not in _TEXT]
    assert missing == []


def test_every_problem_is_in_the_document_with_its_status() -> None:
    kinds = [kind for kind in vars(problems).values() if isinstance(kind, problems.Kind)]
    lines = [line for line in _TEXT.splitlines() if line.startswith("| `")]
    for kind in kinds:
        assert any(f"`{kind.slug}`" in line and f"| {kind.status} |" in line for line in lines), kind


@pytest.mark.parametrize("body", Asked.__subclasses__(), ids=lambda body: body.__name__)
def test_every_body_has_an_example_that_is_taken(body: type[Asked]) -> None:
    if body is RuleDocument:
        return  # it is never a body, and the example of RulesGiven holds one
    (example,) = body.model_json_schema()["examples"]
    said = body.model_validate(example)
    if isinstance(said, RulesGiven):
        assert checked(said).ok


def test_the_bounds_in_the_document_are_those_of_the_code() -> None:
    limits, bounds = Limits(), re.sub(r"\s+", " ", _TEXT.split("## Bounds")[1])
    assert f"{limits.pushes} pushes" in bounds
    assert f"{limits.body_bytes // 2**20} MiB" in bounds
    assert f"{limits.pushes_of_one} pushes of one sender" in bounds
    assert f"{limits.requests_per_s:g} requests a second of it, {limits.requests_at_once} at once" in bounds
    assert f"{FAILURES_AT_ONCE} wrong device tokens of one network address, then {FAILURES_PER_S:g} a second" in bounds
    assert f"{limits.people_per_s:g} requests a second of one person or key, {limits.people_at_once} at once" in bounds
    strangers = f"{limits.strangers_per_s:g} requests a second of one network without an account"
    assert f"{strangers}, {limits.strangers_at_once} at once" in bounds
    assert f"{limits.streams} alarm streams" in bounds
    assert f"{limits.explanations} explanations and 1 backtest" in bounds
    assert f"The last {limits.backtests_kept} are kept" in _TEXT
    assert (limits.backtest_within_s, limits.backtest_bytes) == (3_600.0, 4 * 2**30)
    assert "with an hour and 4 GiB at most" in _TEXT
    assert (limits.explain_within_s, limits.explain_bytes) == (60.0, 2 * 2**30)
    assert "two at a time, a minute and 2 GiB each at most" in _TEXT
    assert f"{limits.connections:,} connections" in bounds
    assert f"{limits.head_within_s:g} s for a request's head and {limits.body_within_s:g} s for its body" in bounds
    assert f"{limits.answer_within_s:g} s for the engine's answer" in bounds
    assert f"ends within {limits.token_lives_s:g} s" in bounds
