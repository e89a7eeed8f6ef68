"""One supervised process: started, watched, started again when it dies, stopped within a bounded time.

P1  A part that dies is started again, for ever: at once the first time, then with growing pauses; each restart is
    counted and said in one line. A process that the system does not give us (no memory, too many processes) counts as
    one that died at once.
P2  A `needed` part that ends with a permanent refusal (wrong settings, a port in use, a disk or version that does not
    serve, a folder that another holds) ends the whole start, as long as that start waits for it. Later, ready or not,
    the same end is a reason to try again: disks get room, ports get free.
P3  A part never outlives its supervisor (leash), and `stop` returns within STOP_WITHIN_S plus one second. After `stop`
    or `kill` nothing is started again.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import IO

from davy.exits import CannotGoOn, Exit
from davy.leash import leash

#: Pauses before restarts in a row. The first is none, because while the engine is away nobody is protected.
PAUSES_S = (0.0, 0.5, 1.0, 2.0, 5.0)
#: A part that lived this long had started well; its next death begins at the first pause again.
LIVED_WELL_S = 60.0
STOP_WITHIN_S = 10.0

_PERMANENT = {Exit.USAGE, Exit.PORT, Exit.DISK, Exit.VERSION, Exit.BUSY}
#: Stands for the exit status of a process that the system refused to make: sysexits.h, "cannot fork".
_NO_PROCESS = os.EX_OSERR
#: Names of signals; those of real time have none.
_SIGNALS = {one.value: one.name for one in signal.Signals}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class PartSpec:
    """What to run, with these DAVY_* variables and no others. `again`: restart it when it ends. `needed`: P2.
    `output`: where its standard error goes (None: ours). `lines`: called with each line of its standard output."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    again: bool = True
    needed: bool = False
    output: IO[str] | None = None
    lines: Callable[[str], None] | None = None


class Part:
    """A running PartSpec. `restarts` counts; `pid` is that of the present process."""

    def __init__(self, spec: PartSpec, say: Say) -> None:
        self.spec = spec
        self.restarts = 0
        self.pid: int | None = None
        self._say = say
        self._waited_for = True
        self._stopping = False
        self._refused = ""
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[int] | None = None

    async def start(self) -> None:
        """Returns after the first attempt, whatever came of it: one that failed is a death like another (P1)."""
        await self._launch()
        self._watch = asyncio.create_task(self._keep(), name=f"part-{self.spec.name}")

    async def ready(self, probe: Callable[[], Awaitable[bool]], within_s: float) -> bool:
        """Wait until `probe` says so: True; False when `within_s` passed. Raises CannotGoOn on a permanent end (P2),
        which from either answer on is none any more."""
        assert self._watch is not None
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while not self._watch.done():
            answers = await probe()
            if self._watch.done():
                break
            if answers or loop.time() > deadline:
                self._waited_for = False
                return answers
            await asyncio.wait({self._watch}, timeout=0.05)
        code = self._watch.result()
        raise CannotGoOn(_as_exit(code), f"the {self.spec.name} could not start ({self._how(code)})")

    async def ended(self) -> int:
        """The exit status of a part that is not restarted, or that refused for good."""
        assert self._watch is not None
        return await asyncio.shield(self._watch)

    def kill(self) -> None:
        """At once and for good; `stop` then finds it dead."""
        self._stopping = True
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL after STOP_WITHIN_S. A part that was never started is stopped already."""
        self._stopping = True
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(asyncio.shield(process.wait()), STOP_WITHIN_S)
            except TimeoutError:
                self._say(f"{self.spec.name} did not stop within {STOP_WITHIN_S:.0f} s and was killed")
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch

    async def _launch(self) -> None:
        """A new process, or none and the reason for it."""
        spec = self.spec
        self._process, self._refused = None, "it is being stopped"
        if self._stopping:
            return
        try:
            self._process = await asyncio.create_subprocess_exec(
                *spec.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if spec.lines else spec.output,
                stderr=spec.output,
                env=_environment(spec.environment),
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops the parts in their order
                preexec_fn=leash(signal.SIGKILL),
            )
        except OSError as refused:
            self._refused = refused.strerror or str(refused)
            return
        self.pid = self._process.pid
        if self._stopping:  # killed while it was being made
            self.kill()

    async def _keep(self) -> int:
        loop = asyncio.get_running_loop()
        in_a_row = 0
        while True:
            began = loop.time()
            code = _NO_PROCESS if self._process is None else await self._until_end(self._process)
            if self._stopping or not self.spec.again or self._is_final(code):
                return code
            in_a_row = 0 if loop.time() - began > LIVED_WELL_S else in_a_row
            pause_s = PAUSES_S[min(in_a_row, len(PAUSES_S) - 1)]
            in_a_row += 1
            self.restarts += 1
            when = f"in {pause_s:g} s" if pause_s else "at once"
            self._say(f"{self.spec.name} ended ({self._how(code)}); starting it again {when} (restart {self.restarts})")
            await asyncio.sleep(pause_s)
            await self._launch()

    def _is_final(self, code: int) -> bool:
        return self.spec.needed and self._waited_for and code in _PERMANENT

    async def _until_end(self, process: asyncio.subprocess.Process) -> int:
        if process.stdout is not None and self.spec.lines is not None:
            while True:
                try:
                    line = await process.stdout.readline()
                except ValueError:  # longer than the reader's 64 KiB, which it has thrown away
                    continue
                if not line:
                    break
                self.spec.lines(line.decode(errors="replace").rstrip())
        return await process.wait()

    def _how(self, code: int) -> str:
        if self._process is None:
            return f"no process for it: {self._refused}"
        if code < 0:
            return f"signal {_SIGNALS.get(-code, -code)}"
        return f"exit code {code}"


def davy_command(*arguments: str) -> tuple[str, ...]:
    """This very Davy with these arguments. -P: a file of the present folder must not stand in for a module."""
    return (sys.executable, "-P", "-m", "davy", *arguments)


def _environment(told: Mapping[str, str]) -> dict[str, str]:
    """Ours without its settings, which `told` gives whole."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DAVY_")}
    return kept | dict(told)


def _as_exit(code: int) -> Exit:
    return Exit(code) if code in {known.value for known in Exit} and code else Exit.FAILED
