"""`davy bench broker`: what the engine takes from a Mosquitto, beside what Mosquitto's own reader takes from it.

Both read a backlog of the same kind, QoS 1, one reading each, from the same broker. Both are treated alike: connected,
stopped (SIGSTOP) while their backlog is made, let go, and timed from there to their last message, so that nobody's
start is in it. mosquitto_sub (C, libmosquitto) reads and acknowledges; it ends with its last message. The engine
decodes, judges, commits to disk and acknowledges after that; its last is the last acknowledgement. Which of them comes
first changes from run to run.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from davy.bench.figure import Figure, Run
from davy.bench.mosquitto import Mosquitto, environment, program
from davy.bench.rig import Rig, engine, homes, usage
from simulators.load.prepared import Lines, clean_air
from simulators.load.wire import PUBACK_BYTES, Gone, Target, log_in
from simulators.registry import HomesSource

DEVICES = 1_000
BACKLOG = 200_000
#: Messages the filler has unacknowledged; packet identifiers must not come round.
_WINDOW = 20_000
_WITHIN_S = 120.0
PROMISED = 80.0
#: Sessions at the broker.
_C_READER, _ENGINE = "c-reader", "davy-bench"
#: So many QoS 1 messages may be under way to either reader.
_RECEIVE_MAXIMUM = 16_384

_BROKERS = """
[brokers.bench]
host = "127.0.0.1"
port = {port}
gateway = "{gateway}"
receive_maximum = {receive_maximum}

[[brokers.bench.partitions]]
client_id = "{client_id}"
devices = ["+/+"]
"""


async def broker(runs: int, where: Path | None, backlog: int = BACKLOG) -> Figure:
    """Raises RuntimeError where there is no Mosquitto, or when a reading is missing."""
    folder = Path(tempfile.mkdtemp(prefix="davy-bench-", dir=where))
    source = homes("--connections", "1", "--devices", str(DEVICES))
    mosquitto = Mosquitto(folder / "mosquitto")
    mosquitto.start()
    try:
        file = folder / "brokers.toml"
        gateway = next(row.gateway for row in source.devices if row.gateway)
        file.write_text(
            _BROKERS.format(port=mosquitto.port, gateway=gateway, receive_maximum=_RECEIVE_MAXIMUM, client_id=_ENGINE)
        )
        made: list[Run] = []
        for number in range(runs):
            boot = 1_000_000_000 + 2 * number
            first = number % 2 == 0
            ceiling = await _mosquitto_sub(mosquitto, backlog, boot) if first else 0.0
            taken = await _davy(mosquitto, source, file, where, backlog, boot + 1)
            ceiling = ceiling or await _mosquitto_sub(mosquitto, backlog, boot)
            made.append(_run(taken, ceiling, first))
    finally:
        mosquitto.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return Figure("behind a broker", "% of mosquitto_sub", tuple(made), at_least=PROMISED)


async def _mosquitto_sub(mosquitto: Mosquitto, backlog: int, boot: int) -> float:
    """Messages a second."""
    await asyncio.to_thread(_session, mosquitto, _C_READER, keep=True)
    before = _connected(mosquitto)
    reader = _sub(mosquitto, _C_READER, "-c", "-x", "3600", "-C", str(backlog))
    try:
        await asyncio.to_thread(_let_in, mosquitto, before)
        began = await _backlog(mosquitto, reader.pid, backlog, boot)
        async with asyncio.timeout(_WITHIN_S):
            code = await asyncio.to_thread(reader.wait)  # without a limit of its own, with which it looks but rarely
        took = time.perf_counter() - began
    finally:
        reader.kill()
    if code:
        raise RuntimeError(f"mosquitto_sub ended with {code}")
    await asyncio.to_thread(_session, mosquitto, _C_READER, keep=False)
    return backlog / took


def _connected(mosquitto: Mosquitto) -> int:
    """How often the broker has let the C reader in."""
    return mosquitto.log().count(f" as {_C_READER} (")


def _let_in(mosquitto: Mosquitto, before: int) -> None:
    """Wait until the broker has let it in once more. Raises RuntimeError."""
    give_up = time.monotonic() + _WITHIN_S
    while _connected(mosquitto) == before:
        if time.monotonic() > give_up:
            raise RuntimeError("mosquitto_sub did not connect")
        time.sleep(0.01)


async def _backlog(mosquitto: Mosquitto, pid: int, backlog: int, boot: int) -> float:
    """Make it while a reader stands still. Returns when that was let go, on the clock of `perf_counter`."""
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.to_thread(_fill, mosquitto.port, backlog, boot)
    finally:
        began = time.perf_counter()
        os.kill(pid, signal.SIGCONT)
    return began


@dataclass(frozen=True, slots=True)
class _Taken:
    """What the engine took."""

    per_s: float
    cpu_us: float
    per_cycle: float
    longest_cycle_ms: float


async def _davy(
    mosquitto: Mosquitto, source: HomesSource, file: Path, where: Path | None, backlog: int, boot: int
) -> _Taken:
    async with engine(source, where, (("DAVY_BROKERS", str(file)),)) as rig:
        await _until(rig, "broker_bench_partitions_up", 1)
        before = usage(rig.pid)
        began = await _backlog(mosquitto, rig.pid, backlog, boot)
        await _until(rig, "broker_bench_acknowledged_total", backlog)
        took = time.perf_counter() - began
        after = usage(rig.pid)
        status = await rig.door.status()
        (count,) = status.counts
        if count.stored != backlog or count.received != backlog:
            raise RuntimeError(f"{backlog} were sent, but the store counts {count}")
    await asyncio.to_thread(_session, mosquitto, _ENGINE, keep=False)
    return _Taken(
        per_s=backlog / took,
        cpu_us=(after.cpu_s - before.cpu_s) / backlog * 1e6,
        per_cycle=backlog / max(status.gauges["cycles_total"], 1),
        longest_cycle_ms=status.gauges["longest_cycle_seconds"] * 1e3,
    )


def _run(taken: _Taken, ceiling: float, sub_first: bool) -> Run:
    return Run(
        value=taken.per_s / ceiling * 100,
        cpu_us={"engine": taken.cpu_us},
        notes={
            "readings/s": taken.per_s,
            "mosquitto_sub, messages/s": ceiling,
            "mosquitto_sub was first": float(sub_first),
            "readings per cycle": taken.per_cycle,
            "longest cycle ms": taken.longest_cycle_ms,
        },
    )


async def _until(rig: Rig, gauge: str, value: float) -> None:
    async with asyncio.timeout(_WITHIN_S):
        while True:
            if (await rig.door.status()).gauges[gauge] >= value:
                return
            await asyncio.sleep(0.01)


def _session(mosquitto: Mosquitto, client_id: str, keep: bool) -> None:
    """Leave a subscribed session at the broker, or none."""
    options = ("-c", "-x", "3600") if keep else ()
    _sub(mosquitto, client_id, *options, "-E").wait(_WITHIN_S)


def _sub(mosquitto: Mosquitto, client_id: str, *options: str) -> "subprocess.Popen[bytes]":
    found = program("mosquitto_sub")
    if found is None:
        raise RuntimeError("there is no mosquitto_sub here; install Debian's mosquitto-clients")
    where = ("-h", "127.0.0.1", "-p", str(mosquitto.port), "-V", "mqttv5", "-i", client_id)
    most = ("-D", "connect", "receive-maximum", str(_RECEIVE_MAXIMUM))
    return subprocess.Popen(
        [found, *where, *most, "-q", "1", "-t", "davy/v1/#", *options],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _fill(port: int, backlog: int, boot: int) -> None:
    """Publish so many readings at QoS 1, and wait until the broker has them all."""
    lines = Lines(range(DEVICES), 10, boot, clean_air(1))
    sock = log_in(Target("127.0.0.1", port), 0, "filler", "")
    sent = acked_bytes = 0
    with sock:
        while acked_bytes < backlog * PUBACK_BYTES:
            if sent < backlog and sent - acked_bytes // PUBACK_BYTES < _WINDOW:
                block, base = lines.ready(sent, time.time_ns() // 1_000_000)
                upto = min(backlog, base + lines.rows)
                sock.sendall(block[(sent - base) * lines.length : (upto - base) * lines.length])
                sent = upto
                continue
            got = len(sock.recv(1 << 20))
            if not got:
                raise Gone("the broker closed the connection")
            acked_bytes += got
