"""The demo's story on the terminal: what happens in the simulated world, and what Davy makes of it, as both happen.

Two sources meet here: the simulator's events (the truth) and the feed of the engine's decisions (the same one that
operators see). Times are seconds since the leak began; before it, since the story began.

Names, reasons and notes are other people's words: they are styled as text, never read as markup.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from rich.text import Text

from davy.output import shown
from devices.commands import Verb
from engine.messages import FeedEvent
from rules.decisions import (
    AlarmChanged,
    AlarmRaised,
    Answered,
    AttemptRequested,
    Change,
    CloseWanted,
    CommandStepped,
    FanWanted,
    HeldChange,
    IncidentChange,
    IncidentChanged,
    Outcome,
    PermitChanged,
    Priority,
    RuleNoted,
    ShutOffHeld,
    Step,
    WantedEnded,
)
from simulators.events import SimEvent, What

_MICROSECONDS = 1_000_000
#: %LEL and ppm at which a rise or fall is told; a line per second would bury the story.
_LEVELS = (1.0, 3.0, 5.0, 10.0, 20.0, 30.0, 50.0, 75.0, 100.0, 150.0, 300.0, 600.0, 1200.0)

_OVER = Text.assemble(
    ("\nThe danger is over.", "bold"),
    " The alarms stay until a person acknowledges and resets them; only a person on\nsite opens the valve again. The "
    "homes go on reporting. Ctrl-C ends the demo and prints the ledger.\n",
)

#: Words, or words with a style of rich.
Said = str | tuple[str, str]

_COLOURS = {Priority.CRITICAL: "bold red", Priority.HIGH: "red", Priority.MEDIUM: "yellow", Priority.LOW: "cyan"}


@dataclass(slots=True)
class Story:
    """Turns events into lines, given to `tell`. `began`: when the story began, microseconds UTC.
    `site_of`: identity of a device -> key of its site."""

    began: int
    tell: Callable[[Text], None]
    site_of: Mapping[str, str]
    alarms: int = 0
    confirmed: int = 0
    over: bool = False
    _leak: int | None = None
    _level: dict[str, int] = field(default_factory=dict)
    _close_at: dict[str, int] = field(default_factory=dict)
    #: Of wanted positions and of commands, what they are; absent: CLOSE.
    _verbs: dict[str, Verb] = field(default_factory=dict)

    def world(self, event: SimEvent) -> None:
        """Something really happened in the simulated homes."""
        match event.what:
            case What.RUN_STARTED | What.RUN_ENDED | What.BEFELL:
                self._line(event.at, "", (event.text, "dim"))
            case What.LEAK_STARTED:
                self._leak = self._leak or event.at
                self._line(event.at, event.site, (event.text, "bold"))
            case What.LEAK_STOPPED:
                self._line(event.at, event.site, (event.text, "green"))
            case What.GAS_AT_DETECTOR:
                self._gas(event)
            case What.DEVICE_ALARM | What.DEVICE_CLEAR:
                self._line(event.at, event.site, f"the detector itself says: {event.text}")
                if event.what is What.DEVICE_CLEAR and self.confirmed and not self.over:
                    self.over = True
                    self.tell(_OVER)
            case What.COMMAND_TAKEN:
                self._line(event.at, event.site, f"the valve takes the command ({event.text})")
            case What.VALVE_MOVED:
                self._line(event.at, event.site, f"the valve is {event.text}")
            case _:
                assert_never(event.what)

    def davy(self, event: FeedEvent) -> None:
        """The engine decided something."""
        decision, who = event.decision, event.identity
        match decision:
            case AlarmRaised() | AlarmChanged():
                self._alarm(decision, event)
            case CloseWanted():
                self._close_at[decision.wanted] = decision.at
                self._davy(event, (f"{who} must close", "bold"), f": {decision.reason}")
            case FanWanted():
                self._close_at[decision.wanted], self._verbs[decision.wanted] = decision.at, Verb.FAN_ON
                self._davy(event, (f"{who} must run", "bold"), f": {decision.reason}")
            case CommandStepped():
                self._step(decision, event)
            case WantedEnded():
                self._ended(decision, event)
            case IncidentChanged():
                self._incident(decision, event)
            case PermitChanged() | ShutOffHeld() | RuleNoted() | Answered():
                self._davy(event, *_said(decision, who))
            case AttemptRequested():  # the step `sent` tells it, once the bytes have left
                if decision.verb is not Verb.CLOSE:
                    self._verbs[decision.command] = decision.verb
            case _:
                assert_never(decision)

    def _ended(self, decision: WantedEnded, event: FeedEvent) -> None:
        took = (decision.at - self._close_at.pop(decision.wanted, decision.at)) / _MICROSECONDS
        runs = self._verbs.pop(decision.wanted, Verb.CLOSE) is Verb.FAN_ON
        words: Said = f"{event.identity}: no more attempts"
        if decision.outcome is Outcome.CONFIRMED:
            self.confirmed += not runs
            words = (f"{event.identity} {'runs' if runs else 'is seen closed'}", "bold green")
        self._davy(event, words, f", {decision.outcome} {took:.2f} s after it was wanted")

    def _alarm(self, decision: AlarmRaised | AlarmChanged, event: FeedEvent) -> None:
        tried = ", on trial: nobody is told and nothing moves" if decision.trial else ""
        if isinstance(decision, AlarmRaised):
            self.alarms += not decision.trial
            value = "" if decision.value is None else f", {decision.quantity} {decision.value:.1f}"
            late = ", late" if decision.late else ""
            words = (f"ALARM {decision.rule}", "dim" if decision.trial else _COLOURS[decision.priority])
            self._davy(event, words, f" at {event.identity}{value}{late}{tried}")
            return
        match decision.change:
            case Change.NOTED | Change.COMMENTED:
                now = decision.comment
            case Change.RESOLVED:
                now = f"{decision.by} says it was {decision.resolution}"
            case Change.ESCALATED:
                now = f"priority {decision.priority.name.lower()}"
            case _:
                now = decision.state.name.lower().replace("_", " ")
        self._davy(event, f"alarm {decision.rule} {decision.change}: now {now}{tried}")

    def _incident(self, decision: IncidentChanged, event: FeedEvent) -> None:
        about = f"incident of {decision.scope} {decision.key}"
        by = f" by {decision.by}" if decision.by else ""
        more = ", ".join(
            part
            for part in (
                decision.step.replace("_", " "),
                "" if decision.value is None else f"{decision.quantity} {decision.value:.1f}",
                decision.resolution,
                decision.comment,
            )
            if part
        )
        said = f"{about} {decision.change}{by}{f': {more}' if more else ''}"
        grave = decision.change in (IncidentChange.OPENED, IncidentChange.STEPS_OPENED)
        self._davy(event, (said, _COLOURS[decision.priority]) if grave else said)

    def _step(self, decision: CommandStepped, event: FeedEvent) -> None:
        note = f" ({decision.note})" if decision.note else ""
        if decision.step is Step.SENT:
            verb = self._verbs.get(decision.command, Verb.CLOSE)
            self._davy(event, (f"{verb.name} sent", "bold"), f" to {event.identity}{note}")
        elif decision.step not in (Step.REQUESTED, Step.CONFIRMED):  # the end of the wanting tells the latter
            self._davy(event, f"command to {event.identity}: {decision.step}{note}")

    def _gas(self, event: SimEvent) -> None:
        value = event.value or 0.0
        level = sum(value >= threshold for threshold in _LEVELS)
        before = self._level.get(event.site, 0)
        if level == before:
            return
        self._level[event.site] = level
        rises = level > before
        colour = "red" if rises else "green"
        word = "rises to" if rises else "falls to"
        self._line(event.at, event.site, (f"{event.text} {word} {value:.1f} {event.unit}", colour))

    def _davy(self, event: FeedEvent, *said: Said) -> None:
        self._line(event.decision.at, self.site_of.get(event.identity, ""), *said, who="Davy")

    def _line(self, at: int, site: str, *said: Said, who: str = "") -> None:
        since = (at - (self._leak or self.began)) / _MICROSECONDS
        mark = "+" if self._leak else " "
        line = Text(f"{mark}{since:6.2f} s  ").append(f"{shown(site):<12} ", "cyan").append(f"{who:<4} ", "magenta")
        for words in said:
            text, style = (words, None) if isinstance(words, str) else words
            line.append(shown(text), style)
        self.tell(line)


def _said(decision: PermitChanged | ShutOffHeld | RuleNoted | Answered, who: str) -> tuple[Said, ...]:
    match decision:
        case PermitChanged():
            by = f" by {decision.by}" if decision.by else ""
            why = f": {decision.comment}" if decision.comment else ""
            return (f"permit to open {who} on site is {decision.state}{by}{why}",)
        case ShutOffHeld():
            by = f" by {decision.by}" if decision.by else ""
            why = f": {decision.reason}" if decision.reason else ""
            style = "yellow" if decision.change is HeldChange.HELD else ""
            return ((f"shut-off of {who} for {decision.rule} is {decision.change}{by}{why}", style),)
        case RuleNoted():
            return (f"rule {decision.rule}: {decision.what}",)
        case Answered():
            return (f"instruction {'accepted' if decision.accepted else f'refused: {decision.reason}'}",)
