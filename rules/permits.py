"""Permits to open a valve on site: two people, no newer CLOSE, finished on site."""

from rules.alarms import Out
from rules.decisions import ApprovePermit, CompletePermit, RequestPermit, WithdrawPermit
from rules.state import State


def request(state: State, out: Out, said: RequestPermit) -> tuple[str, str]:
    """Returns why not (or empty), and the permit."""
    raise NotImplementedError


def approve(state: State, out: Out, said: ApprovePermit) -> str:
    """Returns why not, or empty."""
    raise NotImplementedError


def withdraw(state: State, out: Out, said: WithdrawPermit) -> str:
    """As approve."""
    raise NotImplementedError


def complete(state: State, out: Out, said: CompletePermit) -> str:
    """As approve."""
    raise NotImplementedError


def permit_due(state: State, out: Out, slot: int, due: int, at: int) -> None:
    """Its time is over."""
    raise NotImplementedError


def reshaped(state: State, out: Out, now: int) -> None:
    """The registry or the rules are others now."""


def remind_all(state: State) -> None:
    """Reminders of everything that is due some time (state A3)."""
