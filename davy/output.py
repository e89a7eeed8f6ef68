"""What commands print: tables for people, one JSON document for programs. Lines about the work go to standard error, so
that standard output is the result and nothing else."""

import contextlib
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

#: What would move the cursor, colour the screen or turn the direction of writing, in text that is not ours.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class _Screen(Console):
    """A reader that goes away (`davy up --demo | head`) ends the command as a signal would, teardown included."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.kill(os.getpid(), signal.SIGTERM)


def shown(text: str) -> str:
    """Text that is not ours (a reason, a name, an error) on one line and without power over the terminal. It is not
    safe as markup: print it as rich.text.Text."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def console() -> Console:
    """For results and the demo's story."""
    return _Screen(highlight=False, soft_wrap=True)


def write_json(result: object) -> None:
    """One document, indented on a terminal."""
    body = msgspec.json.encode(result)
    if sys.stdout.isatty():
        body = msgspec.json.format(body, indent=2)
    sys.stdout.write(body.decode() + "\n")


def write_table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> None:
    table = Table(*columns, title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(Text(shown(cell)) for cell in row))
    console().print(table)


def say(line: str) -> None:
    """One line about the work, which goes on where the line cannot be written (to a file on a full disk)."""
    with contextlib.suppress(OSError):
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"davy: {line}", markup=False)


@contextmanager
def progress(what: str) -> Iterator[None]:
    """A spinner while something takes its time; on a terminal only."""
    screen = Console(stderr=True)
    if not screen.is_terminal:
        yield
        return
    with screen.status(what):
        yield


@contextmanager
def steps(what: str) -> Iterator[Callable[[str], None]]:
    """A spinner that says which step of the work it is at, and for how long; on a terminal only."""
    screen = Console(stderr=True)
    if not screen.is_terminal:
        yield lambda _: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True) as shown_there:
        task = shown_there.add_task(what)
        yield lambda step: shown_there.update(task, description=f"{what}: {step}")
