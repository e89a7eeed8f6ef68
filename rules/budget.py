"""Shut-offs that software judged, released at a budgeted rate (G13)."""

from rules.alarms import Out
from rules.decisions import ReleaseHeld, VetoHeld
from rules.state import State


def release(state: State, out: Out, said: ReleaseHeld) -> str:
    """Returns why not, or empty."""
    raise NotImplementedError


def veto(state: State, out: Out, said: VetoHeld) -> str:
    """As release."""
    raise NotImplementedError


def release_due(state: State, out: Out, rule: int, due: int, at: int) -> None:
    """The budget of a rule has room again."""
    raise NotImplementedError


def restored(state: State, out: Out, at: int) -> None:
    """The store was brought back from a copy."""
    raise NotImplementedError


def reshaped(state: State, out: Out, now: int) -> None:
    """The registry or the rules are others now."""


def remind_all(state: State) -> None:
    """Reminders of everything that is due some time (state A3)."""
