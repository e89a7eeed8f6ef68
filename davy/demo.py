"""`davy up --demo`: simulated homes, a leak, and its story on the terminal; Ctrl-C prints the ledger.

The demo is the product: the same processes, the same door, the same registry import. Only the homes are simulated, and
their credentials are drawn for it and kept in the marked folder, and nowhere else.
"""

import asyncio
import contextlib
import secrets
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
from rich.text import Text

from davy.exits import CannotGoOn, Exit, disk_refused
from davy.output import console, progress, say
from davy.part import Part, PartSpec, davy_command
from davy.settings import Settings, variable
from davy.signals import Hurry
from davy.story import Story
from davy.supervisor import Running, api_address, ask_status, mqtt_address, running
from engine.client import DoorClient, EngineAway
from engine.messages import FeedEvent
from simulators.events import SimEvent
from simulators.registry import SELF_CLOSING_MODEL, SHUT_OFF_MODEL, HomesSource, decode_homes, encode_homes
from simulators.run import scenario_homes
from simulators.scenario import find_scenario

#: The data folder of a demo that names none: beside a real one, never in it.
DEMO_DATA = ".davy-demo"
SCENARIO = "leak-demo"
#: A first start makes a database; a slow disk needs a while for it.
READY_WITHIN_S = 180.0
#: At the end: how long readings under way may take to reach the database, so that the ledger shows none pending.
DRAIN_WITHIN_S = 10.0
#: Beyond any decision of a cycle: the feed is followed from the next cycle on.
MOST_DECISIONS = 1 << 30
#: The storage follower's name at the door.
FOLLOWER = "storage"


async def run_demo(settings: Settings, hurry: Hurry) -> None:
    """Runs until it is cancelled. Raises CannotGoOn, with nothing left running."""
    tell = console().print
    tell("[bold]Davy[/]: a demo with simulated homes. Ctrl-C ends it and prints the ledger.")
    async with running(settings, demo=True, say=say, hurry=hurry) as now:
        homes = _homes(settings)
        await _registered(now, homes)
        await _introduce(now, homes, tell)
        story = Story(time.time_ns() // 1_000, tell, {device.identity: device.site for device in homes.devices})
        async with contextlib.AsyncExitStack() as stack:
            world = _world(now, story)
            stack.push_async_callback(world.stop)
            await world.start()
            try:
                await _follow(settings, story)
            except asyncio.CancelledError:
                tell("\nthe demo ends")
                await world.stop()
                await _ledger(now)
                raise


def _homes_file(settings: Settings) -> Path:
    return settings.data / "demo-homes.json"


def _homes(settings: Settings) -> HomesSource:
    """The demo's homes; drawn once per folder and kept there, so that the demo may be started again."""
    path = _homes_file(settings)
    try:
        if not path.exists():
            fresh = path.with_suffix(".new")
            fresh.write_bytes(encode_homes(scenario_homes(find_scenario(SCENARIO), secrets.randbits(256))))
            fresh.rename(path)
        return decode_homes(path.read_bytes())
    except OSError as error:
        raise disk_refused(path, error) from error
    except ValueError as wrong:
        raise CannotGoOn(Exit.USAGE, f"{path}: {wrong}; delete {settings.data} for a new demo") from wrong


async def _registered(now: Running, homes: HomesSource) -> None:
    """The engine knows the homes. Where it does already (a demo started again), no database is needed."""
    if await _devices(now.settings) >= len(homes.devices):
        return
    with progress("making the database"):
        try:
            await asyncio.wait_for(now.database_ready.wait(), READY_WITHIN_S)
        except TimeoutError:
            raise CannotGoOn(Exit.DATABASE, f"the database was not ready within {READY_WITHIN_S:.0f} s") from None
    with progress("registering the homes"):
        command = davy_command("registry", "import", str(_homes_file(now.settings)), "--yes")
        importing = now.part(PartSpec("registry import", command, now.variables, again=False, output=now.log), say)
        await importing.start()
        try:
            code = await importing.ended()
        finally:
            await importing.stop()
        if code != Exit.OK:
            raise CannotGoOn(
                Exit.FAILED, f"the demo's homes could not be registered; see {now.log.name if now.log else 'above'}"
            )
        deadline = time.monotonic() + READY_WITHIN_S
        while await _devices(now.settings) < len(homes.devices):
            if time.monotonic() > deadline:
                raise CannotGoOn(
                    Exit.FAILED, "the engine has not taken the demo's homes; see the log in the data folder"
                )
            await asyncio.sleep(0.05)


async def _devices(settings: Settings) -> int:
    status = await ask_status(settings)
    return 0 if status is None else status.devices


async def _introduce(now: Running, homes: HomesSource, tell: Callable[[Text], None]) -> None:
    settings = now.settings
    kinds = Counter(device.model for device in homes.devices)
    for line in (
        f"database   {await _database_words(now)}",
        f"API        {api_address(settings)}/v1   administrator's token in {settings.admin_token}",
        f"devices    {mqtt_address(settings)}   log in {settings.logs / 'demo.log'}",
        f"homes      {len(homes.sites)}: {kinds[SHUT_OFF_MODEL]} with a valve that takes CLOSE, "
        f"{kinds[SELF_CLOSING_MODEL]} with one that closes by itself and only reports",
    ):
        tell(Text(f"  {line}"))
    tell(Text("\nSeconds since the leak; lines marked Davy are what Davy decides, the others what really happens.\n"))


async def _database_words(now: Running) -> str:
    from storage.database import DatabaseAway, DatabaseRefused, connect, ready, server_version

    try:
        connection = await connect(now.variables[variable("database_url")], name="demo")
        try:
            return f"{await server_version(connection)}, mode {await ready(connection)}"
        finally:
            await connection.close()
    except (DatabaseAway, DatabaseRefused) as away:
        return f"away ({away}); alarms and valves work without it"


def _world(now: Running, story: Story) -> Part:
    """The simulator, a stranger to the rest: another process that knows the homes' tokens and the MQTT address."""

    def line(text: str) -> None:
        with contextlib.suppress(msgspec.MsgspecError):
            story.world(_sim_event.decode(text))

    homes = str(_homes_file(now.settings))
    command = davy_command("simulate", SCENARIO, "--homes", homes, "--json")
    return now.part(PartSpec("simulator", command, now.variables, output=now.log, lines=line), say)


_sim_event = msgspec.json.Decoder(SimEvent)


async def _follow(settings: Settings, story: Story) -> None:
    """Tell what the engine decides, through its restarts, each decision once."""
    cycle, n = -1, -1
    status = await ask_status(settings)
    if status is not None:
        cycle, n = status.cycle, MOST_DECISIONS
    while True:
        try:
            async with DoorClient(settings.door) as door:
                async for event in door.follow(cycle, n):
                    if not isinstance(event, FeedEvent):
                        cycle, n = -1, -1
                        break
                    cycle, n = event.cycle, event.n
                    story.davy(event)
        except EngineAway:
            await asyncio.sleep(0.2)


async def _ledger(now: Running) -> None:
    """Wait until what was acknowledged has reached the database, then print the account."""
    status = await ask_status(now.settings)
    deadline = time.monotonic() + DRAIN_WITHIN_S
    while status is not None and status.followers.get(FOLLOWER, 0) < status.cycle and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
        status = await ask_status(now.settings)
    printing = now.part(PartSpec("ledger", davy_command("ledger"), now.variables, again=False), say)
    await printing.start()
    try:
        await printing.ended()
    finally:
        await printing.stop()
