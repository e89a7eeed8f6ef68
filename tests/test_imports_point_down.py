"""The walls of the house, as tests: who may import whom, what things are called, how large they grow."""

import ast
import importlib.util
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGES: list[str] = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
#: Words that say nothing about a thing.
NO_NAMES = {"manager", "helper", "helpers", "util", "utils", "handler", "processor", "common", "base", "misc"}
MOST_LINES_OF_A_FILE = 400
#: 40 is the aim; a dispatch table or a hot loop may need a few more.
MOST_LINES_OF_A_FUNCTION = 50
#: Loops over every byte that comes in, where a call per packet would cost more than the packet.
HOT_LOOPS = {"read_publishes": 60}


def _sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def _tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def test_imports_point_down_the_floors(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlinter.cli import lint_imports

    monkeypatch.chdir(ROOT)
    assert lint_imports(config_filename="pyproject.toml", no_cache=True, no_logo=True) == 0


def test_lint_types_and_wheel_speak_of_the_same_packages() -> None:
    assert PROJECT["tool"]["mypy"]["packages"] == PACKAGES
    assert PROJECT["tool"]["importlinter"]["root_packages"] == PACKAGES
    here = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert here == {*PACKAGES, "tests"}


@pytest.mark.parametrize("name", PACKAGES)
def test_each_top_level_name_resolves_inside_this_project(name: str) -> None:
    found = importlib.util.find_spec(name)
    assert found is not None
    assert found.origin is not None
    assert Path(found.origin).is_relative_to(ROOT), f"{name} is somebody else's: install Davy in its own environment"


def test_no_file_class_or_function_has_a_name_that_says_nothing() -> None:
    wrong = []
    for path in _sources():
        names = [(path.stem, 1)]
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                names.append((node.name, node.lineno))
        for name, line in names:
            words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}
            if words & NO_NAMES:
                wrong.append(f"{path.relative_to(ROOT)}:{line}: {name}")
    assert not wrong, "name these for what they are:\n" + "\n".join(wrong)


def test_files_and_functions_stay_small_enough_to_read() -> None:
    wrong = []
    for path in _sources():
        text = path.read_text("utf-8")
        if (lines := text.count("\n")) > MOST_LINES_OF_A_FILE:
            wrong.append(f"{path.relative_to(ROOT)}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > HOT_LOOPS.get(node.name, MOST_LINES_OF_A_FUNCTION):
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {length} lines")
    assert not wrong, "split these:\n" + "\n".join(wrong)


def test_no_registry_host_and_no_index_is_named_anywhere() -> None:
    """Where packages come from is the business of the machine that installs them."""
    hosts = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"))]
    hosts += [".".join(parts) for parts in (("npmjs", "com"), ("golang", "org"), ("debian", "org"), ("docker", "io"))]
    options = ["--" + option for option in ("index-url", "extra-index-url", "find-links", "trusted-host")]
    wrong = []
    for path in _tracked():
        text = path.read_text("utf-8", errors="replace")
        wrong += [f"{path.relative_to(ROOT)}: {word}" for word in (*hosts, *options) if word in text]
    assert not wrong, wrong


def test_every_locked_package_carries_hashes() -> None:
    for lock in ("requirements-run.txt", "requirements-test.txt"):
        text = (ROOT / lock).read_text("utf-8")
        entries = re.findall(r"^[a-z0-9][^\n]*\\\n(?:    --hash=sha256:[0-9a-f]{64}[^\n]*\n?)+", text, re.MULTILINE)
        names = re.findall(r"^[a-z0-9]", text, re.MULTILINE)
        assert len(entries) == len(names) > 20
