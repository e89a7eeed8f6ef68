"""A valve on a bus: it moves when the model's own procedure is written to it, in order and whole, and never otherwise.

B1  A write of a value that the model's commands do not list is refused (exception 3); nothing opens it but a hand.
B2  A command counts when its writes came in their order. One that skips the unlock is answered like any other, and
    nothing happens: only the position tells.
B3  A one-shot command is a pulse: it must be released before the next one counts, and one released before half of its
    time (product choice: a relay and a drive need some) moves nothing.
B4  An unlock is forgotten after RELOCKS_AFTER_S.
B5  A latched command goes on until the valve is closed.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from devices.models import DeviceModel
from devices.register_map import CommandProcedure, Space, Term, Write
from simulators.modbus.choosing import Demand, all_hold, any_fails
from simulators.modbus.words import on_the_wire

#: A drive of a motorised ball valve takes a few seconds (product choice: short, so that a demonstration shows it).
STROKE_S = 2.0
#: Ten seconds: the time after which field devices that ask for a password usually want it again (product choice).
RELOCKS_AFTER_S = 10.0
#: The share of a pulse that moves the valve.
_ENOUGH_OF_A_PULSE = 0.5


@dataclass(frozen=True, slots=True)
class Step:
    """One write of a procedure as the device sees it: which function carried it does not matter."""

    space: Space
    at: int
    values: tuple[int, ...]
    then: tuple[Term, ...]


@dataclass(slots=True)
class Pulse:
    """One one-shot command: when it was given, and when released; None while it is held."""

    began_s: float
    ended_s: float | None = None


@dataclass(slots=True)
class _Progress:
    """How far a procedure has come: `reached` steps of it were written in their order; `answered`: those whose result
    can be read."""

    verb: str
    style: str
    write: tuple[Step, ...]
    release: tuple[Step, ...]
    pulse_s: float
    reached: int = 0
    reached_s: float = 0.0
    answered: set[int] = field(default_factory=set)
    pulses: list[Pulse] = field(default_factory=list)

    @property
    def pulsing(self) -> bool:
        return bool(self.pulses) and self.pulses[-1].ended_s is None


class BusValve:
    """`now_s` is any clock of seconds that never steps back."""

    def __init__(self, model: DeviceModel, channel: int = 1, base: int = 0, stroke_s: float = STROKE_S) -> None:
        chart = model.modbus
        if chart is None or not chart.command:
            raise ValueError(f"model {model.key} declares no command")

        def step(write: Write) -> Step:
            space = Space.COIL if write.function in (5, 15) else Space.HOLDING
            # A modicon address says its table itself; the other notations need the function to say it.
            space, at = on_the_wire(chart, write.at, space, base + write.stride * (channel - 1))
            return Step(space, at, write.values, write.then)

        def progress(command: CommandProcedure) -> _Progress:
            write, release = (tuple(map(step, writes)) for writes in (command.write, command.release))
            return _Progress(command.verb, command.style, write, release, command.pulse_ms / 1000)

        self._commands = [progress(command) for command in chart.command]
        self.position = "open"
        #: Told to close, it does nothing.
        self.jammed = False
        #: (when, verb) of every command that counted.
        self.obeyed: list[tuple[float, str]] = []
        self.fan = False
        #: Called with the verb of every command that counts, as it does.
        self.on_command: Callable[[str], None] | None = None
        self._stroke_s = stroke_s
        self._closed_at_s = 0.0

    @property
    def writable(self) -> set[tuple[Space, int]]:
        """Every address that a command writes."""
        return {
            (step.space, step.at + offset)
            for command in self._commands
            for step in (*command.write, *command.release)
            for offset in range(len(step.values))
        }

    @property
    def pulses(self) -> list[Pulse]:
        """The one-shot commands it was given, oldest first."""
        return [pulse for command in self._commands for pulse in command.pulses]

    @property
    def passes_gas(self) -> bool:
        return self.position != "closed"

    def take(self, space: Space, at: int, values: tuple[int, ...], now_s: float) -> bool:
        """A write arrives; whether its value means anything to this valve."""
        known = False
        for command in self._commands:
            if now_s - command.reached_s > RELOCKS_AFTER_S:
                command.reached = 0
            known |= self._follow(command, (space, at, values), now_s)
        return known

    def advance(self, now_s: float) -> None:
        if self.position == "closing" and now_s >= self._closed_at_s:
            self.position = "closed"

    def open_by_hand(self) -> None:
        self.position = "open"

    def demands(self) -> tuple[list[Demand], list[Demand]]:
        """What the results of its commands must read: those that were given, and those that were not."""
        hold: list[Demand] = []
        fail: list[Demand] = []
        for command in self._commands:
            for at, step in enumerate(command.write):
                if step.then:
                    (hold if at in command.answered else fail).append(
                        all_hold(step.then) if at in command.answered else any_fails(step.then)
                    )
        return hold, fail

    def _follow(self, command: _Progress, written: tuple[Space, int, tuple[int, ...]], now_s: float) -> bool:
        matching = [at for at, step in enumerate(command.write) if (step.space, step.at, step.values) == written]
        known = bool(matching)
        if command.reached in matching:
            self._go_on(command, command.reached, now_s)
        elif 0 in matching:
            self._go_on(command, 0, now_s)
        elif any(step.at == written[1] and step.space is written[0] for step in command.write[:1]):
            # Something else at the first step's address: a wrong key locks again.
            command.reached, command.answered = 0, set()
        if command.release and (last := command.release[-1]) and (last.space, last.at, last.values) == written:
            self._release(command, now_s)
        return known or any((step.space, step.at, step.values) == written for step in command.release)

    def _go_on(self, command: _Progress, at: int, now_s: float) -> None:
        if at == 0:
            command.answered = set()
        command.answered.add(at)
        command.reached, command.reached_s = at + 1, now_s
        if command.reached == len(command.write):
            command.reached = 0
            self._run(command, now_s)

    def _run(self, command: _Progress, now_s: float) -> None:
        if command.style == "one_shot":
            if command.pulsing:
                return
            command.pulses.append(Pulse(now_s))
        self.obeyed.append((now_s, command.verb))
        if self.on_command is not None:
            self.on_command(command.verb)
        if command.verb == "fan_on":
            self.fan = True
        elif self.position == "open" and not self.jammed:
            self.position, self._closed_at_s = "closing", now_s + self._stroke_s

    def _release(self, command: _Progress, now_s: float) -> None:
        if not command.pulsing:
            return
        pulse = command.pulses[-1]
        pulse.ended_s = now_s
        if now_s - pulse.began_s < _ENOUGH_OF_A_PULSE * command.pulse_s and self.position == "closing":
            self.position = "open"
