"""The whole way over real wires: the poller reads the simulated boiler room, its detectors raise alarms, CLOSE is
written on the bus, and both valves are read to stand closed."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import msgspec
import numpy as np
import pytest
import uvloop

from devices.codecs.registers import decode_frames
from devices.commands import Command, Verb
from devices.fleet import build_fleet
from devices.models import load_catalogue
from devices.quantities import Flag, ValvePosition
from devices.sites import Device, Registry
from ingest.links import Sending, Settled
from ingest.modbus import ModbusLink
from simulators.boiler_room import BoilerRoom
from simulators.boiler_room_plan import BoilerRoomPlan, bus_source, find_plan
from simulators.boiler_room_run import OnSerial, OnTcp, Where, served
from simulators.modbus.line import Line
from simulators.modbus.server import TcpPort
from simulators.scenario import BlockFlue

#: Everything on site goes by this many times faster: gas, sensors, strokes, hearts. The bus is as fast as it is.
FASTER = 10.0
WITHIN_S = 20.0


def site_clock() -> float:
    return time.monotonic() * FASTER


class DavySide:
    """A cycle's stand: takes what the link brings, decodes it, and closes every valve at the first CO alarm."""

    def __init__(self, plan: BoilerRoomPlan, url: str) -> None:
        source = bus_source(plan, url)
        devices = tuple(
            Device(number, row.vendor, row.serial, row.model, row.site, row.gateway, row.address)
            for number, row in enumerate(source.devices, 1)
        )
        self.fleet = build_fleet(Registry(load_catalogue(), source.sites, devices, source.links))
        self.number = {device.identity: device.device_no for device in devices}
        self.arrived = asyncio.Event()
        self.alarmed: set[int] = set()
        self.heard: set[int] = set()
        self.refused: list[str] = []
        self.position: dict[int, ValvePosition] = {}
        self.seen: dict[int, list[ValvePosition]] = {}
        self.sent: list[str] = []
        self.closing = False
        self.link = ModbusLink(
            self.arrived.set,
            lambda: time.time_ns() // 1000,
            lambda: time.time_ns() // 1000,
            lambda: time.monotonic_ns() // 1000,
            Random(1),
        )
        self.link.replace(self.fleet)

    async def until_closed(self) -> None:
        async with asyncio.timeout(WITHIN_S):
            while len(self.position) < 2 or set(self.position.values()) != {ValvePosition.CLOSED}:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.arrived.wait(), 0.1)
                self.arrived.clear()
                self._take()

    def _take(self) -> None:
        while (arrivals := self.link.take(8192)) is not None:
            slots = self.fleet.slots(np.array(arrivals.device_no, np.int32))
            fleet = self.fleet
            decoded = decode_frames(
                arrivals.payload, fleet.decoder_by_slot[slots], fleet.decoders, fleet.place_by_slot[slots]
            )
            self.refused += [refused.reason for refused in decoded.refused]
            self.sent += arrivals.sent
            for row, message in zip(decoded.rows, decoded.message.tolist(), strict=True):
                self._note(arrivals.device_no[message], int(row["flags"]), ValvePosition(int(row["valve"])))
            count = len(arrivals.payload)
            none = np.zeros(count, np.int64)
            self.link.settle(arrivals, Settled(frozenset(), np.ones(count, np.int64), none, none))

    def _note(self, device_no: int, flags: int, position: ValvePosition) -> None:
        self.heard.add(device_no)
        slot = int(self.fleet.slot_of[device_no])
        if slot in self.fleet.valves:
            self.position[device_no] = position
            self.seen.setdefault(device_no, []).append(position)
        elif flags & Flag.CO_ALARM:
            self.alarmed.add(device_no)
            if not self.closing:
                self.closing = True
                self._close()

    def _close(self) -> None:
        expires_us = time.time_ns() // 1000 + 30_000_000
        for slot, valve in self.fleet.valves.items():
            command = Command(f"close-{slot}", Verb.CLOSE, 1, "", "", "CO")
            assert self.link.send(valve.device.device_no, command, expires_us) is Sending.QUEUED


@asynccontextmanager
async def living(room: BoilerRoom) -> AsyncIterator[None]:
    async def live() -> None:
        while True:
            room.advance(site_clock())
            await asyncio.sleep(0.02)

    task = asyncio.create_task(live())
    try:
        yield
    finally:
        task.cancel()


@pytest.mark.parametrize("by", ["tcp", "serial"])
def test_co_of_a_blocked_flue_closes_both_valves_over_the_bus(tmp_path: Path, by: str) -> None:
    """On the engine's own event loop: its transports are not those of asyncio."""
    uvloop.run(closes_both_valves(tmp_path, by))


async def closes_both_valves(tmp_path: Path, by: str) -> None:
    plan = find_plan("boiler-room")
    assert plan is not None
    plan = msgspec.structs.replace(plan, speed=40.0, event=(BlockFlue(at_s=0.0),))
    line = Line(site_clock)
    room = BoilerRoom(plan, line, Random(1), site_clock())
    where: Where = OnTcp(port=0) if by == "tcp" else OnSerial(tmp_path / "bus")
    async with served(line, where) as port, living(room):
        side = DavySide(plan, OnTcp(port=port.port).url if isinstance(port, TcpPort) else where.url)
        await side.link.start()
        try:
            await side.until_closed()
        finally:
            await side.link.close()
    assert side.refused == []
    assert side.alarmed
    assert side.heard >= {side.number[one.identity] for one in (*plan.detector, *plan.valve)}
    assert sorted(side.sent) == sorted(f"close-{slot}" for slot in side.fleet.valves)
    assert {one.valve.position for one in room.valves} == {"closed"}
    assert all(pulse.ended_s is not None for one in room.valves for pulse in one.valve.pulses)
    assert not room.burning
    for positions in side.seen.values():
        # The first reply is not believed: its heartbeat was not seen to move yet.
        assert positions[0] is ValvePosition.UNKNOWN
        assert next(one for one in positions if one is not ValvePosition.UNKNOWN) is ValvePosition.OPEN
