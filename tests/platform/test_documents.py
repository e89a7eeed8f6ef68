"""What the documents say of the tree is so."""

import importlib
import re
from pathlib import Path

import pytest
import typer.core
import typer.main

ROOT = Path(__file__).parents[2]
ARCHITECTURE = (ROOT / "docs/ARCHITECTURE.md").read_text("utf-8")


def test_the_table_of_davy_lists_every_file_of_it_and_no_other() -> None:
    table = ARCHITECTURE.split("### What is in davy/")[1].split("## ")[0]
    names = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    told = {name for cell in names for name in re.findall(r"`(\w+\.py|bench/)`", cell)}
    there = {path.name for path in (ROOT / "davy").glob("*.py")} - {"__init__.py"}
    assert told == there | {"bench/"}


def paragraphs() -> list[tuple[str, str]]:
    """(folder, what is said of it), for each folder that has a paragraph."""
    text = ARCHITECTURE.split("### What is where")[1].split("### ")[0]
    return [(match[1], block) for block in text.split("\n\n") if (match := re.match(r"\*\*(\w+)/\*\*", block))]


@pytest.mark.parametrize(("folder", "said"), paragraphs(), ids=[folder for folder, _ in paragraphs()])
def test_what_is_said_to_be_in_a_folder_is_there(folder: str, said: str) -> None:
    named = re.findall(r"`(\w+(?:\.py|/))`", said)
    assert named
    assert [name for name in named if not (ROOT / folder / name).exists()] == []


@pytest.mark.parametrize("document", ["README.md", "CHANGELOG.md", *(f"docs/{p.name}" for p in ROOT.glob("docs/*.md"))])
def test_links_between_documents_lead_somewhere(document: str) -> None:
    path = ROOT / document
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text("utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_every_command_is_in_the_changelog() -> None:
    app = typer.Typer()
    for path in (ROOT / "davy").glob("commands_*.py"):
        importlib.import_module(f"davy.{path.stem}").register(app)
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert [name for name in group.commands if not re.search(rf"`(davy )?{name}\b", changes)] == []
