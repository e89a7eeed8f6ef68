"""Figures under load: how many readings a second are on disk and acknowledged, and what a quiet connection costs."""

import asyncio
import contextlib
from pathlib import Path

from davy.bench.ceilings import sink_rate
from davy.bench.figure import Figure, Run
from davy.bench.rig import Load, Rig, engine, homes, usage
from davy.bench.rule_figures import PROMISED

DEVICES = 10_000
MOST_IDLE_MIB = 600.0


async def pipelining(runs: int, where: Path | None, seconds: float = 10.0) -> Figure:
    """64 connections, 200 messages in flight each, bursts of 10 s. Floor 200,000/s."""
    made = [await _pipeline(where, 64, 200, seconds) for _ in range(runs)]
    return Figure(
        "pipelining, 64 connections", "readings/s", tuple(made), at_least=200_000, ceiling_of="a sink that only acks"
    )


async def one_in_flight(runs: int, where: Path | None, seconds: float = 10.0) -> Figure:
    """2,000 connections, one message in flight each. Floor 60,000/s."""
    made = [await _pipeline(where, 2_000, 1, seconds) for _ in range(runs)]
    return Figure(
        "one in flight, 2,000 connections",
        "readings/s",
        tuple(made),
        at_least=60_000,
        ceiling_of="a sink that only acks",
    )


async def _pipeline(where: Path | None, connections: int, in_flight: int, seconds: float) -> Run:
    shape = ("--connections", str(connections), "--devices", str(DEVICES))
    load = (*shape, "--in-flight", str(in_flight), "--seconds", str(seconds))
    ceiling = await sink_rate(*load)
    async with engine(homes(*shape), where) as rig:
        before = usage(rig.pid)
        found = await rig.load("pipeline", *load).result()
        after = usage(rig.pid)
        acked = float(str(found["acked"]))
        await _all_stored(rig, int(acked))
        status = await rig.door.status()
    return Run(
        value=float(str(found["acked_per_s"])),
        ceiling=ceiling,
        cpu_us={
            "engine": (after.cpu_s - before.cpu_s) / acked * 1e6,
            "load": float(str(found["cpu_us_per_message"])),
        },
        notes={
            "readings per cycle": acked / max(status.gauges["cycles_total"], 1),
            "longest cycle ms": status.gauges["longest_cycle_seconds"] * 1e3,
        },
    )


async def _all_stored(rig: Rig, acked: int) -> None:
    """A rate of what was not stored would be worth nothing."""
    (count,) = (await rig.door.status()).counts
    if count.stored != acked or count.received != acked:
        raise RuntimeError(f"{acked} acknowledged, but the store counts {count}")


async def idle_connections(
    runs: int, where: Path | None, connections: int = 10_000, tls: tuple[Path, Path] | None = None
) -> Figure:
    """10,000 connections that say nothing. In plain text at most 600 MiB resident; over TLS (`tls`: certificate and
    key) the figure is stated, not promised."""
    made: list[Run] = []
    shape = ("--connections", str(connections), "--devices", str(connections))
    source = homes(*shape)
    extra = (("DAVY_MQTT_TLS_CERT", str(tls[0])), ("DAVY_MQTT_TLS_KEY", str(tls[1]))) if tls else ()
    for _ in range(runs):
        async with engine(source, where, extra) as rig:
            before = usage(rig.pid)
            # Held long enough to be looked at: the slowest client of a TLS run needs its handshake first.
            options = ("--connections", str(connections), "--seconds", "3", *(("--tls",) if tls else ()))
            load = rig.load("idle", *options)
            await _connected(load, rig, connections)
            held = usage(rig.pid)
            found = await load.result()
        each = (held.resident_bytes - before.resident_bytes) / connections / 1024
        notes = {"KiB per connection": each, "still open": float(str(found["still_open"]))}
        made.append(Run(held.resident_bytes / 2**20, ceiling=None if tls else MOST_IDLE_MIB, notes=notes))
    name = f"{connections:,} idle connections{' over TLS' if tls else ''}"
    most = None if tls else MOST_IDLE_MIB
    return Figure(name, "MiB resident", tuple(made), at_most=most, ceiling_of="" if tls else PROMISED)


async def _connected(load: Load, rig: Rig, connections: int) -> None:
    async with asyncio.timeout(120):
        while load.process.poll() is None:
            if (await rig.door.status()).gauges["mqtt_clients"] >= connections:
                return
            await asyncio.sleep(0.2)


async def close_latency(runs: int, where: Path | None, rate: int = 0) -> Figure:
    """From a detector's alarm leaving to the CLOSE arriving at its valve, p99 as seen from outside. Promise: fsync p99
    + 4 ms idle, 20 ms beside `rate` readings a second."""
    from davy.bench.ceilings import fsync_us

    made: list[Run] = []
    pairs = 200
    shape = ("--connections", "64", "--devices", str(DEVICES))
    source = homes(*shape, "--pairs", str(pairs))
    for _ in range(runs):
        async with engine(source, where) as rig, contextlib.AsyncExitStack() as stack:
            p50_us, p99_us = fsync_us(rig.settings.data)
            if rate:
                load = rig.load("pipeline", *shape, "--rate", str(rate), "--seconds", "14")
                stack.push_async_callback(load.result)
                await asyncio.sleep(2)
            found = await rig.load("probe", "--pairs", str(pairs)).result()
        close = found["close_us"]
        assert isinstance(close, dict)
        if found["missing"]:
            raise RuntimeError(f"{found['missing']} valves never got their CLOSE")
        promise_ms = 20.0 if rate else p99_us / 1e3 + 4.0
        notes = {"p50 ms": close["p50"] / 1e3, "fsync p50 ms": p50_us / 1e3, "fsync p99 ms": p99_us / 1e3}
        made.append(Run(close["p99"] / 1e3, ceiling=promise_ms, notes=notes))
    name = f"alarm to CLOSE, beside {rate:,} readings/s" if rate else "alarm to CLOSE, idle"
    promises = sorted(run.ceiling or 0.0 for run in made)
    return Figure(name, "ms p99", tuple(made), at_most=promises[len(promises) // 2], ceiling_of=PROMISED)
