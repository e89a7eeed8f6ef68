"""What belongs together for the people who deal with it: alarms of a site, a riser, an area."""

from rules.alarms import Out
from rules.decisions import Arrived, CloseIncident, Comment, Dispatched, FieldReading, Resolve, StepDone
from rules.state import State


def dispatched(state: State, out: Out, said: Dispatched) -> str:
    """Returns why not, or empty."""
    raise NotImplementedError


def arrived(state: State, out: Out, said: Arrived) -> str:
    """As dispatched."""
    raise NotImplementedError


def field_reading(state: State, out: Out, said: FieldReading) -> str:
    """As dispatched."""
    raise NotImplementedError


def step_done(state: State, out: Out, said: StepDone) -> str:
    """As dispatched."""
    raise NotImplementedError


def close(state: State, out: Out, said: CloseIncident) -> str:
    """As dispatched."""
    raise NotImplementedError


def comment(state: State, out: Out, said: Comment) -> str:
    """On an alarm or an incident."""
    raise NotImplementedError


def resolve(state: State, out: Out, said: Resolve) -> str:
    """What an alarm was."""
    raise NotImplementedError


def reshaped(state: State, out: Out, now: int) -> None:
    """The registry or the rules are others now."""


def remind_all(state: State) -> None:
    """Reminders of everything that is due some time (state A3)."""
