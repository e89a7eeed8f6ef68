"""`davy up`: PostgreSQL, engine, storage follower, API and webhooks as one thing that starts, survives and stops.

U1  What cannot serve is refused before anything runs: settings, folder, ports, the database's version. One line each,
    an exit code of its own, nothing left half started.
U2  The engine is started first and never waits for PostgreSQL (G3): a database that is slow, away or broken costs
    history, and is tried again for ever.
U3  A part that dies is started again (davy/part.py); so is the embedded PostgreSQL.
U4  Everything is stopped in the reverse order of its start, each within a bounded time; a second signal makes it
    immediate, and then nothing is started any more. After `kill -9` of the supervisor its parts die with it, and the
    next `up` finds its own way.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import IO

from davy import embedded, folders, ports
from davy.broker_settings import load_brokers
from davy.coverage_policies import policies
from davy.exits import CannotGoOn, Exit
from davy.log_files import keep_bounded
from davy.part import Part, PartSpec, Say, davy_command
from davy.postgres_home import Home
from davy.settings import Settings, variable
from davy.signals import Hurry
from engine.client import DoorClient, EngineAway
from engine.messages import Status

#: Replay after a crash takes at most 5 s (design); a cold disk and a large registry get room.
ENGINE_READY_WITHIN_S = 120.0
API_READY_WITHIN_S = 60.0
#: Processes of a killed supervisor die with it, but not in the same instant.
PORT_FREE_WITHIN_S = 5.0
#: Pauses between attempts on a database that does not serve. Nothing but history waits for it.
DATABASE_PAUSES_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


@dataclass(slots=True)
class Running:
    """What runs. `variables` are what every part is told; `log` is where they write (None: our standard error).
    `database_ready` is set once the schema is there and the follower has been started."""

    settings: Settings
    variables: dict[str, str]
    log: IO[str] | None
    parts: list[Part] = field(default_factory=list)
    postgres: embedded.EmbeddedPostgres | None = None
    postgres_restarts: int = 0
    database_ready: asyncio.Event = field(default_factory=asyncio.Event)
    database: "asyncio.Task[None] | None" = None
    killed: bool = False

    def part(self, spec: PartSpec, say: Say) -> Part:
        """A part that a second signal kills too. One that is made after it is never started."""
        made = Part(spec, say)
        if self.killed:
            made.kill()
        self.parts.append(made)
        return made

    def kill(self) -> None:
        """For a second signal: nobody is waited for. First what starts others, then what runs."""
        self.killed = True
        if self.database is not None:
            _cancel(self.database)
        for part in self.parts:
            part.kill()
        if self.postgres is not None:
            self.postgres.kill()


@asynccontextmanager
async def running(settings: Settings, demo: bool, say: Say, hurry: Hurry) -> AsyncIterator[Running]:
    """Everything is up inside, and stopped after. Raises CannotGoOn, with nothing left running."""
    async with AsyncExitStack() as stack:
        home = await _preflight(settings, demo, stack)
        url = settings.database_url or (home.url if home else None)
        told = settings.environment() | ({variable("database_url"): url} if url else {})
        now = Running(settings, told, stack.enter_context(_log_file(settings, demo)))
        hurry.append(now.kill)

        engine, storage, api = _part(now, "engine", say), _part(now, "storage", say), _part(now, "api", say)
        migrate, webhooks = _part(now, "migrate", say), _part(now, "webhooks", say)
        if home is not None:
            now.postgres = embedded.EmbeddedPostgres(home)
            stack.push_async_callback(now.postgres.stop)
        stack.push_async_callback(engine.stop)
        await engine.start()
        stack.push_async_callback(storage.stop)
        stack.push_async_callback(webhooks.stop)
        now.database = asyncio.create_task(_keep_database(now, (storage, webhooks), migrate, say), name="database")
        stack.push_async_callback(_cancelled, now.database)
        logs = asyncio.create_task(keep_bounded(settings.logs), name="logs")
        stack.push_async_callback(_cancelled, logs)
        stack.push_async_callback(api.stop)
        await api.start()
        if not await engine.ready(lambda: _engine_answers(settings), ENGINE_READY_WITHIN_S):
            say(f"engine: no answer after {ENGINE_READY_WITHIN_S:.0f} s; still waiting for it in the background")
        if not await api.ready(lambda: _port_answers(settings), API_READY_WITHIN_S):
            say(f"api: no answer after {API_READY_WITHIN_S:.0f} s; still waiting for it in the background")
        yield now


def _part(now: Running, name: str, say: Say) -> Part:
    """One of ours. Only what protects and what people look at can refuse a start; the database's side never does."""
    spec = PartSpec(
        name,
        davy_command(name),
        now.variables,
        again=name != "migrate",
        needed=name in ("engine", "api"),
        output=now.log,
        lines=(lambda line: say(f"database: {line}")) if name == "migrate" and now.log is None else None,
    )
    return now.part(spec, say)


async def up(settings: Settings, say: Say, hurry: Hurry) -> None:
    """`davy up`: runs until it is cancelled."""
    async with running(settings, demo=False, say=say, hurry=hurry):
        say(f"devices: {mqtt_address(settings)}")
        say(f"API: {api_address(settings)}/v1, described at /openapi.json")
        say(f"administrator's token: {settings.admin_token}")
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            say("stopping")


def mqtt_address(settings: Settings) -> str:
    return f"mqtt{'s' if settings.mqtt_tls_cert else ''}://{settings.mqtt_host}:{settings.mqtt_port}"


def api_address(settings: Settings) -> str:
    return f"http{'s' if settings.http_tls_cert else ''}://{settings.http_host}:{settings.http_port}"


async def ask_status(settings: Settings) -> Status | None:
    """The engine's figures, or None while it cannot be reached."""
    try:
        async with asyncio.timeout(2.0), DoorClient(settings.door) as door:
            return await door.status()
    except (EngineAway, TimeoutError):
        return None


async def _preflight(settings: Settings, demo: bool, stack: AsyncExitStack) -> Home | None:
    folders.prepare_data_folder(settings, demo)
    last_was_killed = stack.enter_context(folders.held(settings))
    folders.prepare_door(settings)
    folders.administrator_token(settings)
    if settings.brokers is not None:  # the engine itself goes on without a broker whose settings are wrong
        load_brokers(settings.brokers)
    policies(settings)  # nor do storage and the API stop for a faulty policy
    for host, port, side in (
        (settings.mqtt_host, settings.mqtt_port, "mqtt"),
        (settings.http_host, settings.http_port, "http"),
    ):
        await _port_free(host, port, side, PORT_FREE_WITHIN_S if last_was_killed else 0.0)
    return None if settings.database_url else embedded.prepare(settings)


async def _port_free(host: str, port: int, side: str, within_s: float) -> None:
    deadline = asyncio.get_running_loop().time() + within_s
    while True:
        try:
            ports.check_free(host, port, side)
            return
        except CannotGoOn:
            if asyncio.get_running_loop().time() >= deadline:
                raise
        await asyncio.sleep(0.05)


async def _keep_database(now: Running, behind: tuple[Part, ...], migrate: Part, say: Say) -> None:
    """PostgreSQL up, its schema in place, what works on it running; an embedded server that ends is started again."""
    postgres = now.postgres
    if postgres is not None:
        await _start_postgres(postgres, say)
    try:
        await _migrated(migrate, say)
    finally:
        await migrate.stop()
    for part in behind:
        await part.start()
    now.database_ready.set()
    while postgres is not None:
        status = await postgres.wait()
        now.postgres_restarts += 1
        say(f"PostgreSQL ended (status {status}); starting it again (restart {now.postgres_restarts})")
        await _start_postgres(postgres, say)


async def _start_postgres(postgres: embedded.EmbeddedPostgres, say: Say) -> None:
    for pause_s in _pauses():
        try:
            await postgres.start()
            return
        except CannotGoOn as refused:
            say(f"{refused}; alarms and valves work without it; trying again in {pause_s:g} s")
        await asyncio.sleep(pause_s)


async def _migrated(migrate: Part, say: Say) -> None:
    for pause_s in _pauses():
        await migrate.start()
        code = await migrate.ended()
        if code == Exit.OK:
            return
        say(f"the database is not ready; alarms and valves work without it; trying again in {pause_s:g} s")
        await asyncio.sleep(pause_s)


def _pauses() -> Iterator[float]:
    """DATABASE_PAUSES_S, the last one for ever."""
    return itertools.chain(DATABASE_PAUSES_S, itertools.repeat(DATABASE_PAUSES_S[-1]))


async def _engine_answers(settings: Settings) -> bool:
    return await ask_status(settings) is not None


async def _port_answers(settings: Settings) -> bool:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.http_host, settings.http_host)  # noqa: S104
    try:
        async with asyncio.timeout(2.0):
            _, writer = await asyncio.open_connection(host, settings.http_port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _cancel(task: "asyncio.Task[None]") -> None:
    """Once: a second cancellation would break off the teardown that the first one began."""
    if not task.cancelling():
        task.cancel()


async def _cancelled(task: "asyncio.Task[None]") -> None:
    _cancel(task)
    with contextlib.suppress(asyncio.CancelledError):
        await task


@contextlib.contextmanager
def _log_file(settings: Settings, demo: bool) -> Iterator[IO[str] | None]:
    """Where the parts log: our own standard error; beside a demo's story, a file of this run."""
    if not demo:
        yield None
        return
    with (settings.logs / "demo.log").open("a", encoding="utf-8") as file:  # appending: see davy/log_files.py
        file.truncate(0)
        yield file
