"""What hides an alarm from the list without ending it: shelved by a person, suppressed by design, out of service.

The condition is tracked meanwhile (state.phase), and on return the alarm shows its true state.
"""

from rules.alarms import Out
from rules.decisions import ReturnToService, Shelve, TakeOutOfService, Unshelve
from rules.state import State


def shelve(state: State, out: Out, said: Shelve) -> str:
    """Returns why not, or empty."""
    raise NotImplementedError


def unshelve(state: State, out: Out, said: Unshelve) -> str:
    raise NotImplementedError


def take_out_of_service(state: State, out: Out, said: TakeOutOfService) -> str:
    raise NotImplementedError


def return_to_service(state: State, out: Out, said: ReturnToService) -> str:
    raise NotImplementedError


def shelf_due(state: State, out: Out, slot: int, rule: int, due: int, at: int) -> None:
    """The time of a shelf is over."""
    raise NotImplementedError


def service_due(state: State, out: Out, slot: int, due: int, at: int) -> None:
    """The time of an out-of-service is over."""
    raise NotImplementedError


def reshaped(state: State, out: Out, now: int) -> None:
    """The registry or the rules are others now."""


def remind_all(state: State) -> None:
    """Reminders of everything that is due some time (state A3)."""
