"""Figures of the bus: 1,000 simulated units behind 20 gateways, ten registers each, asked every second by an engine on
one core, with the simulators on the other."""

import asyncio
import contextlib
import json
import os
import random
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from davy.bench.figure import Figure, Run
from davy.bench.modbus_decode import decode_figure
from davy.bench.rig import Rig, engine, usage
from devices.models import load_catalogue
from devices.sites import Device, Link, Registry, Site

PORTS, UNITS = 20, 50
WARM_UP_S, WATCHED_S = 5.0, 30.0
#: Of polls begun within a tenth of the interval of their time (ingest/modbus_schedule.py).
LEAST_ON_SCHEDULE_PCT = 95.0
#: A detector is read within one interval of its change; the rest is the cycle and the bus.
INTERVAL_S = 1.0
MOST_CLOSE_MS = INTERVAL_S * 1e3 + 50.0
#: Alarms at each gateway, one after the other, each of another detector.
ROUNDS = 20
#: From one alarm at a gateway to the next: the valve has closed (0.5 s) and was seen closed.
PAUSE_S = 2.5
CLOSE_WITHIN_S = 20.0


class Buses:
    """The simulated units, a process of their own (simulators/modbus/many.py says what is said to it)."""

    def __init__(self, process: Process, said: dict[str, Any]) -> None:
        self.process = process
        self.ports: list[int] = said["ports"]
        self.detectors: list[int] = said["detectors"]
        self.valves: list[int] = said["valves"]
        self.model: str = said["model"]
        self.valve_model: str = said["valve_model"]
        self._awaited: dict[tuple[str, int, int], asyncio.Future[int]] = {}
        self._reader = asyncio.create_task(self._read())

    async def over(self, port: int, unit: int) -> int:
        """Put a detector over its threshold; when, in microseconds of the monotonic clock."""
        return await self._ask("over", port, unit)

    def close_at(self, port: int) -> "asyncio.Future[int]":
        """When the next CLOSE is written to the gateway's valve."""
        return self._await("close", port, self.valves[0])

    async def stop(self) -> None:
        self._reader.cancel()
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.process.wait()

    def _await(self, what: str, port: int, unit: int) -> "asyncio.Future[int]":
        self._awaited[what, port, unit] = future = asyncio.get_running_loop().create_future()
        return future

    async def _ask(self, what: str, port: int, unit: int) -> int:
        done = self._await(what, port, unit)
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": what, "port": port, "unit": unit}).encode() + b"\n")
        return await asyncio.wait_for(done, CLOSE_WITHIN_S)

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            said = json.loads(line)
            if "error" in said:
                raise RuntimeError(f"the simulated units say: {said['error']}")
            key = (said.get("did") or said.get("saw"), said.get("port", 0), said.get("unit", 0))
            future = self._awaited.pop(key, None)
            if future is not None and not future.done():
                future.set_result(said["at_us"])


async def bus_figures(runs: int, where: Path | None) -> list[Figure]:
    """Polls on schedule, alarm to CLOSE, decoding. The two processes are held to one core each where there are two."""
    schedule: list[Run] = []
    closes: list[Run] = []
    for run in range(runs):
        async with _buses() as buses, engine(_registry(buses), where) as rig:
            _each_its_core(rig.pid, buses.process.pid)
            schedule.append(await _on_schedule(rig, buses))
            closes.append(await _closes(buses, random.Random(run)))  # noqa: S311  when alarms begin
    return [
        Figure(
            f"polls on schedule, {PORTS * UNITS:,} units each second",
            "%",
            tuple(schedule),
            at_least=LEAST_ON_SCHEDULE_PCT,
            ceiling_of="all of them",
        ),
        Figure(
            "detector over threshold to CLOSE on the bus",
            "ms p99",
            tuple(closes),
            at_most=MOST_CLOSE_MS,
            ceiling_of="one poll interval + 50 ms (at most 1)",
        ),
        decode_figure(runs),
    ]


@contextlib.asynccontextmanager
async def _buses() -> AsyncIterator[Buses]:
    arguments = ["-m", "simulators.modbus.many", "--ports", str(PORTS), "--units", str(UNITS)]
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdin=PIPE, stdout=PIPE)
    assert process.stdout is not None
    first = await asyncio.wait_for(process.stdout.readline(), 30)
    if not first:
        raise RuntimeError("the simulated units did not start")
    buses = Buses(process, json.loads(first))
    try:
        yield buses
    finally:
        await buses.stop()


def _registry(buses: Buses) -> Registry:
    """Every detector of a gateway closes the gateway's valve."""
    site = "bench"
    devices: list[Device] = []
    links: list[Link] = []

    def add(vendor: str, serial: str, model: str, gateway: str, address: str) -> str:
        devices.append(Device(len(devices) + 1, vendor, serial, model, site, gateway, address))
        return devices[-1].identity

    for port in buses.ports:
        gateway = add("bench", f"g{port}", "modbus_gateway", "", f"modbus+tcp://127.0.0.1:{port}")
        valve = add("bench", f"v{port}", buses.valve_model, gateway, str(buses.valves[0]))
        for unit in buses.detectors:
            detector = add("bench", f"d{port}-{unit}", buses.model, gateway, str(unit))
            links.append(Link(detector, valve))
    return Registry(
        models=load_catalogue(), sites=(Site(site, simulated=True),), devices=tuple(devices), links=tuple(links)
    )


def _each_its_core(engine_pid: int, buses_pid: int) -> None:
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) > 1:
        os.sched_setaffinity(engine_pid, {cores[0]})
        os.sched_setaffinity(buses_pid, {cores[1]})


async def _on_schedule(rig: Rig, buses: Buses) -> Run:
    await _until(rig, lambda gauges: gauges["modbus_units"] - gauges["modbus_units_silent"] == PORTS * UNITS)
    await asyncio.sleep(WARM_UP_S)
    before, used, simulated = (await rig.door.status()).gauges, usage(rig.pid), usage(buses.process.pid)
    began = time.monotonic()
    await asyncio.sleep(WATCHED_S)
    after, used_after, simulated_after = (await rig.door.status()).gauges, usage(rig.pid), usage(buses.process.pid)
    seconds = time.monotonic() - began

    def grown(name: str) -> float:
        return after[name] - before[name]

    due, answered = grown("modbus_polls_due_total"), grown("modbus_polls_answered_total")
    if answered < 0.9 * PORTS * UNITS * seconds:
        raise RuntimeError(
            f"{answered:.0f} polls were answered in {seconds:.0f} s; the units should answer each second"
        )
    cpu_s = used_after.cpu_s - used.cpu_s
    return Run(
        100.0 * grown("modbus_polls_on_schedule_total") / due,
        ceiling=100.0,
        cpu_us={
            "engine": cpu_s / answered * 1e6,
            "simulators": (simulated_after.cpu_s - simulated.cpu_s) / answered * 1e6,
        },
        notes={"polls/s": answered / seconds, "engine's share of its core %": 100 * cpu_s / seconds},
    )


async def _until(rig: Rig, holds: Callable[[dict[str, float]], bool]) -> None:
    async with asyncio.timeout(60):
        while True:
            if holds((await rig.door.status()).gauges):
                return
            await asyncio.sleep(0.1)


async def _closes(buses: Buses, rng: random.Random) -> Run:
    """Each gateway has its alarms at times of its own."""
    took = sorted(
        ms
        for one in await asyncio.gather(*(_closes_at(buses, port, rng.uniform(0, INTERVAL_S)) for port in buses.ports))
        for ms in one
    )
    return Run(
        took[int(len(took) * 0.99)],
        ceiling=MOST_CLOSE_MS,
        notes={"p50 ms": took[len(took) // 2], "alarms": float(len(took))},
    )


async def _closes_at(buses: Buses, port: int, first_s: float) -> list[float]:
    await asyncio.sleep(first_s)
    took: list[float] = []
    for unit in buses.detectors[:ROUNDS]:
        closed = buses.close_at(port)
        over_us = await buses.over(port, unit)
        took.append((await asyncio.wait_for(closed, CLOSE_WITHIN_S) - over_us) / 1e3)
        await asyncio.sleep(PAUSE_S + first_s / 7)  # another phase of the poll interval each time
    return took
