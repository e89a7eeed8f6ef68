"""Serve a boiler room's bus and let it live: what `davy simulate boiler-room` calls."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from simulators.boiler_room import TICK_S, BoilerRoom, Told
from simulators.boiler_room_plan import BoilerRoomPlan
from simulators.events import SimEvent, What
from simulators.modbus.line import Line
from simulators.modbus.server import SerialPort, TcpPort

#: IANA's port for Modbus, 502, needs privileges; this is the one that simulators usually take.
MODBUS_PORT = 5020
#: What a pseudo-terminal is opened with: it has no speed of its own, and Linux refuses parity on it.
SERIAL_SETTINGS = "baud=9600&parity=none"


@dataclass(frozen=True, slots=True)
class OnTcp:
    """Modbus TCP at this address. `port` 0: any that is free."""

    host: str = "127.0.0.1"
    port: int = MODBUS_PORT

    @property
    def url(self) -> str:
        """As the registry writes it (devices/addresses.py)."""
        return f"modbus+tcp://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class OnSerial:
    """Modbus RTU on a pseudo-terminal that this symbolic link leads to."""

    path: Path

    @property
    def url(self) -> str:
        return f"modbus+rtu:{self.path.absolute()}?{SERIAL_SETTINGS}"


Where = OnTcp | OnSerial


@asynccontextmanager
async def served(line: Line, where: Where) -> AsyncIterator[TcpPort | SerialPort]:
    """The line on its port. Raises ValueError with the reason when that cannot be had."""
    port = TcpPort(line, host=where.host, port=where.port) if isinstance(where, OnTcp) else SerialPort(line, where.path)
    try:
        if isinstance(port, TcpPort):
            await port.open()
        else:
            port.plug_in()
    except OSError as refused:
        raise ValueError(f"{where.url} cannot be served: {refused}") from refused
    try:
        yield port
    finally:
        if isinstance(port, TcpPort):
            await port.close()
        else:
            port.pull_out()


async def run(
    plan: BoilerRoomPlan,
    where: Where,
    *,
    clock: Callable[[], int],
    steady: Callable[[], float],
    rng: Random,
    on_event: Callable[[SimEvent], None],
) -> None:
    """Run until the plan ends, or for ever when it has no end: then cancel it, and it tells its end.

    `clock`: microseconds since 1970 UTC. `steady`: seconds, for everything that lasts. Raises ValueError for a plan
    that does not fit the catalogue, and when the port cannot be had.
    """

    def tell(told: Told) -> None:
        on_event(
            SimEvent(
                at=clock(),
                what=told.what,
                site=plan.site.key,
                identity=told.identity,
                text=told.text,
                value=told.value,
                unit=told.unit,
            )
        )

    line = Line(steady)
    room = BoilerRoom(plan, line, rng, steady())
    async with served(line, where):
        devices = len(plan.detector) + len(plan.valve)
        tell(Told(What.RUN_STARTED, "", f"{plan.title}: {devices} devices at {where.url}, gas runs {plan.speed:g}x"))
        try:
            async with asyncio.timeout(plan.duration_s):
                await _live(room, steady, tell)
        except TimeoutError:
            pass
        finally:
            asked = sum(unit.asked for unit in line.units.values())
            tell(Told(What.RUN_ENDED, "", f"{asked} requests answered"))


async def _live(room: BoilerRoom, steady: Callable[[], float], tell: Callable[[Told], None]) -> None:
    while True:
        for told in room.advance(steady()):
            tell(told)
        await asyncio.sleep(TICK_S)
