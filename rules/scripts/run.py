"""A rule script run on the engine, and what did not go as it says (script S2, S3)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from devices.fleet import build_fleet
from devices.readings import Batch, Rows, blank
from rules import decisions as d
from rules.documents.document import RulePack
from rules.evaluation.kernels import compile_pack
from rules.events import Event, Resumed
from rules.life.lifecycle import Happening, after
from rules.scripts.devices import Installation
from rules.scripts.happened import Happened, Teller, unmet
from rules.scripts.inline_rules import pack_of
from rules.scripts.inputs import event
from rules.scripts.memory import Remembered
from rules.scripts.script import At, Expect, Load, Read, Restart, Rules, Say, Script, See, Statement, Tell
from rules.scripts.series import Tick, row
from rules.scripts.text import Line, Place, duration_us, spoken_us
from rules.stepping.reshape import reshape
from rules.stepping.snapshot import decode_snapshot, encode_snapshot, restore, snapshot
from rules.stepping.state import State
from rules.stepping.step import step


@dataclass(frozen=True, slots=True)
class Failure:
    place: Place
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a script. `reached`: the transitions of the alarm table that it went through, as (state before,
    what happened)."""

    name: str
    title: str
    failures: tuple[Failure, ...]
    readings: int
    expectations: int
    reached: frozenset[tuple[d.AlarmState, str]]

    @property
    def ok(self) -> bool:
        return not self.failures


def run_script(
    script: Script, read: Callable[[str], bytes], *, one_by_one: bool = False, restarts: bool = False
) -> Ran:
    """Run it. `read` gives the bytes of a file of rules that the script names. `one_by_one`: every reading is a step of
    its own; `restarts`: the engine is restarted before every `at`. Neither may change what happens (G5).
    Raises ScriptFault for what cannot be run; what `read` raises."""
    run = _Run(script, read, one_by_one=one_by_one, restarts=restarts)
    for statement in script.statements:
        run.do(statement)
    return run.over()


class _Run:
    def __init__(self, script: Script, read: Callable[[str], bytes], *, one_by_one: bool, restarts: bool) -> None:
        self.script, self.read = script, read
        self.one_by_one, self.restarts = one_by_one, restarts
        self.installation = Installation()
        self.memory = Remembered(self.installation)
        self.pack: RulePack | None = None
        self.state: State | None = None
        self.now = script.start_us
        self.changed = False
        self.waiting: list[tuple[int, int, Rows]] = []  # (received, order, row)
        self.readings = self.expectations = 0
        self.happened: list[Happened] = []
        self.failures: list[Failure] = []
        self.phases: dict[str, d.AlarmState] = {}
        self.reached: set[tuple[d.AlarmState, str]] = set()
        self.latching: dict[str, bool] = {}
        self.teller = Teller(script.start_us, {})

    def do(self, statement: Statement) -> None:
        line = statement.head if isinstance(statement, Rules | Load) else statement.line
        try:
            self._do(statement)
        except ValueError as wrong:
            raise line.place.fault(str(wrong)) if not str(wrong).startswith(line.place.file) else wrong from wrong

    def _do(self, statement: Statement) -> None:
        match statement:
            case Say():
                self.installation.say(statement.words)
                self.changed = True
            case Rules():
                self.pack = pack_of(statement, self.read)
                self.latching |= {rule.id: rule.latch for rule in self.pack.rules}
                self.changed = True
            case Load():
                self._load(statement)
            case At():
                self._at(statement)
            case Read():
                for device in statement.devices:
                    self._queue(self.now, row(self.installation.number(device), self.now, dict(statement.said)))
                self._advance(self.now)
            case Tell():
                made = event(statement.words, self.memory, self.now, self.script.start_us, statement.line.place.line)
                self._step(blank(0), (made,), self.now)
            case Expect():
                self._expect(statement)
            case See():
                self.expectations += 1
                self._see(statement, self._ready())
            case Restart():
                self._restart()

    def over(self) -> Ran:
        if self.waiting:
            last = max(self.waiting)[0]
            self._fail(
                self.script.statements[-1], f"readings up to {self._spoken(last)} are left: no `at` comes so late"
            )
        for one in filter(self._counts, self.happened):
            self._fail(self.script.statements[-1], f"happened after the last expectation: {one}")
        if not self.expectations:
            self._fail(None, "it expects nothing: without `expect` a script says nothing")
        return Ran(
            self.script.name,
            self.script.title,
            tuple(self.failures),
            self.readings,
            self.expectations,
            frozenset(self.reached),
        )

    def _spoken(self, at: int) -> str:
        return spoken_us(at - self.script.start_us)

    def _fail(self, where: Statement | Line | None, text: str) -> None:
        if where is None:
            place = Place(self.script.name, 1)
        elif isinstance(where, Line):
            place = where.place
        else:
            place = (where.head if isinstance(where, Rules | Load) else where.line).place
        self.failures.append(Failure(place, text))

    def _ready(self) -> State:
        """The state, made at first, laid out anew when the script changed the installation or the rules."""
        if self.pack is None:
            raise ValueError("no `rules` stand above it")
        self.teller.names = {number: name for name, number in self.installation.numbers.items()}
        if self.state is None:
            self.state = State.initial(build_fleet(self.installation.registry()), self.pack, self.now)
        elif self.changed:
            fleet = build_fleet(self.installation.registry(), self.state.fleet)
            self._note(reshape(self.state, fleet, compile_pack(self.pack, fleet), self.now))
        self.changed = False
        return self.state

    def _load(self, load: Load) -> None:
        begins = self.now if load.from_us < 0 else self.script.start_us + load.from_us
        if begins < self.now:
            raise ValueError(f"its first reading is before {self._spoken(self.now)}, which is now")
        by_device: dict[str, dict[str, tuple[Tick, ...]]] = {}
        for line, device, column, ticks in load.columns:
            self.installation.number(device)
            if column in by_device.setdefault(device, {}):
                raise line.place.fault(f"{device} has {column} twice")
            by_device[device][column] = ticks
        longest = max(len(ticks) for _, _, _, ticks in load.columns)
        for tick in range(longest):
            for device, columns in by_device.items():
                said = {column: ticks[tick] for column, ticks in columns.items() if tick < len(ticks)}
                if said and not all(one.gap for one in said.values()):
                    received = begins + tick * load.every_us
                    self._queue(received, row(self.installation.number(device), received, said))

    def _queue(self, received: int, reading: Rows) -> None:
        self.waiting.append((received, self.readings + len(self.waiting), reading))

    def _at(self, at: At) -> None:
        to = (self.now if at.relative else self.script.start_us) + at.us
        if to < self.now:
            raise ValueError(f"it is {self._spoken(self.now)} already; times do not go back")
        if self.restarts and self.state is not None:
            self._restart()
        if not at.away_us:
            self._advance(to)
            return
        self._advance(to - at.away_us)
        if any(received <= to for received, _, _ in self.waiting):
            raise ValueError("readings come while the engine is away: let them come at its return, or before")
        self._step(blank(0), (Resumed(at=to, down_us=at.away_us),), to)

    def _advance(self, to: int) -> None:
        self._ready()
        due = sorted(((at, order, one) for at, order, one in self.waiting if at <= to), key=lambda each: each[:2])
        self.waiting = [each for each in self.waiting if each[0] > to]
        self.readings += len(due)
        if self.one_by_one:
            for at, _, one in due:
                self._step(one, (), at)
        elif due:
            self._step(np.concatenate([one for _, _, one in due]), (), to)
        self._step(blank(0), (), to)

    def _step(self, rows: Rows, events: Sequence[Event], now: int) -> None:
        state = self._ready()
        slots = state.fleet.slots(rows["device_no"])
        if (slots < 0).any():
            gone = self.teller.name(int(rows["device_no"][slots < 0][0]))
            raise ValueError(f"{gone} is not registered (any more), and sends readings")
        self._note(step(state, Batch(rows, slots), events, now))
        self.now = now

    def _restart(self) -> None:
        state = self._ready()
        assert self.pack is not None
        frozen = encode_snapshot(snapshot(state))
        fleet = build_fleet(self.installation.registry(), order=[int(no) for no in state.fleet.device_no])
        self.state = restore(decode_snapshot(frozen), fleet, self.pack)

    def _note(self, made: Iterable[d.Decision]) -> None:
        for one in made:
            self.memory.learn(one)
            self._follow(one)
            self.happened += self.teller.tell((one,))

    def _follow(self, one: d.Decision) -> None:
        """Keep the true state of every alarm, and which transitions were gone through."""
        if isinstance(one, d.AlarmRaised):
            late = one.state is d.AlarmState.RETURNED_UNACKNOWLEDGED
            self.phases[one.alarm] = one.state if late else d.AlarmState.UNACKNOWLEDGED
            self.reached.add((d.AlarmState.NORMAL, "late" if late else Happening.CONDITION.name.lower()))
            return
        if not isinstance(one, d.AlarmChanged):
            return
        before = self.phases.get(one.alarm, d.AlarmState.NORMAL)
        happening = {
            d.Change.ACKNOWLEDGED: Happening.ACKNOWLEDGE,
            d.Change.RETURNED: Happening.RETURN_LATCHED if self.latching.get(one.rule) else Happening.RETURN,
            d.Change.REALARMED: Happening.CONDITION,
            d.Change.RESET: Happening.RESET,
        }.get(one.change)
        self.reached.add((before, one.change.value if happening is None else happening.name.lower()))
        if happening is not None:
            self.phases[one.alarm] = after(before, happening)

    def _counts(self, one: Happened) -> bool:
        return not one.sort or one.sort in self.script.also

    def _expect(self, statement: Expect) -> None:
        self.expectations += max(1, len(statement.expectations))
        asked = {one.words[0] for one in statement.expectations}
        # A line that names what is not compared otherwise is looked for all the same.
        found = [one for one in self.happened if self._counts(one) or one.words[0] in asked]
        missing, unexpected = unmet(statement.expectations, found)
        for lacking in missing:
            self._fail(lacking.line, f"did not happen by {self._spoken(self.now)}: {lacking.line.text}")
        for one in unexpected:
            if self._counts(one):
                self._fail(statement.line, f"was not expected: {one}")
        self.happened.clear()

    def _see(self, see: See, state: State) -> None:
        found = {(self.teller.name(alarm.device_no), alarm.rule): alarm for alarm in state.alarms()}
        if see.what == "alarms":
            said = set() if see.words == ("none",) else {tuple(word.split("/", 1)) for word in see.words}
            for device, rule in sorted(said - found.keys()):
                self._fail(see.line, f"there is no alarm {device}/{rule}")
            for device, rule in sorted(found.keys() - said):
                self._fail(see.line, f"there is an alarm {device}/{rule} too")
        elif see.what == "state":
            alarm = found.get((see.words[0], see.words[1]))
            self.installation.number(see.words[0])
            is_in = alarm.state.name.lower() if alarm else "normal"
            if is_in != see.words[2]:
                self._fail(see.line, f"{see.words[0]} {see.words[1]} is {is_in}, not {see.words[2]}")
        elif see.what == "valve":
            slot = int(state.fleet.slot_of[self.installation.number(see.words[0])])
            is_so = "wanted" if slot in state.wanted_by_slot else "free"
            if is_so != see.words[1]:
                self._fail(see.line, f"the closing of {see.words[0]} is {is_so}, not {see.words[1]}")
        else:
            self._see_hold(see, state)

    def _see_hold(self, see: See, state: State) -> None:
        slot = int(state.fleet.slot_of[self.installation.number(see.words[0])])
        rule = state.compiled.by_id.get(see.words[1], -1)
        if rule < 0:
            raise ValueError(f"there is no rule {see.words[1]!r}")
        since, due = int(state.since[slot, rule]), int(state.due[slot, rule])
        is_so = {"since": since - self.script.start_us, "due": due - self.script.start_us} if since else {}
        said = {key: duration_us(value) for key, value in see.options}
        if bool(said) != bool(is_so) or said.items() - is_so.items():
            spoken = " ".join(f"{key}={spoken_us(us)}" for key, us in is_so.items()) or "none"
            self._fail(see.line, f"the hold is {spoken}")
