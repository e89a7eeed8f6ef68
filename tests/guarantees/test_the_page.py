"""docs/GUARANTEES.md names real tests."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "GUARANTEES.md").read_text("utf-8")


def test_every_test_the_page_names_is_there() -> None:
    named = re.findall(r"^- (tests/\S+\.py)::(\S+)$", PAGE, re.MULTILINE)
    assert len(named) > 30
    for path, name in named:
        tree = ast.parse((ROOT / path).read_text("utf-8"))
        functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert name in functions, f"{path} has no {name}"


def test_every_guarantee_says_its_state() -> None:
    parts = re.split(r"^## (G\d+):", PAGE, flags=re.MULTILINE)[1:]
    assert list(parts[::2]) == [f"G{n}" for n in range(1, 14)]
    for name, text in zip(parts[::2], parts[1::2], strict=True):
        assert re.search(r"\*\*(Shown|In part|To come)", text), name


def test_every_guarantee_that_is_shown_is_named_by_a_test() -> None:
    parts = re.split(r"^## (G\d+):", PAGE, flags=re.MULTILINE)[1:]
    for name, text in zip(parts[::2], parts[1::2], strict=True):
        if "**To come" not in text:
            assert re.search(rf"::test_{name.lower()}_|::test_g\d+_{name.lower()}_", text)
