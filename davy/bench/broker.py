"""`davy bench broker`: what the engine takes from a Mosquitto, beside what Mosquitto's own reader takes from it.

Both read a backlog of the same kind, QoS 1, one reading each, in turns and from the same broker. mosquitto_sub (C,
libmosquitto) reads and acknowledges; it is timed from its start to its end. The engine decodes, judges, commits to disk
and acknowledges after that; it is connected, stopped (SIGSTOP) while its backlog is made, let go, and timed until the
last reading is stored.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
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
            ceiling = await _mosquitto_sub(mosquitto, backlog, boot)
            made.append(await _davy(mosquitto, source, file, where, backlog, boot + 1, ceiling))
    finally:
        mosquitto.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return Figure("behind a broker", "% of mosquitto_sub", tuple(made), at_least=PROMISED)


async def _mosquitto_sub(mosquitto: Mosquitto, backlog: int, boot: int) -> float:
    """Messages a second."""
    await asyncio.to_thread(_session, mosquitto, _C_READER, keep=True)
    await asyncio.to_thread(_fill, mosquitto.port, backlog, boot)
    began = time.perf_counter()
    reader = _sub(mosquitto, _C_READER, "-c", "-x", "3600", "-C", str(backlog))
    code = await asyncio.to_thread(reader.wait, _WITHIN_S)
    took = time.perf_counter() - began
    if code:
        raise RuntimeError(f"mosquitto_sub ended with {code}")
    await asyncio.to_thread(_session, mosquitto, _C_READER, keep=False)
    return backlog / took


async def _davy(
    mosquitto: Mosquitto, source: HomesSource, file: Path, where: Path | None, backlog: int, boot: int, ceiling: float
) -> Run:
    async with engine(source, where, (("DAVY_BROKERS", str(file)),)) as rig:
        await _until(rig, "broker_bench_partitions_up", 1)
        before = usage(rig.pid)
        os.kill(rig.pid, signal.SIGSTOP)
        try:
            await asyncio.to_thread(_fill, mosquitto.port, backlog, boot)
        finally:
            began = time.perf_counter()
            os.kill(rig.pid, signal.SIGCONT)
        await _until(rig, "broker_bench_acknowledged_total", backlog)
        took = time.perf_counter() - began
        after = usage(rig.pid)
        status = await rig.door.status()
        (count,) = status.counts
        if count.stored != backlog or count.received != backlog:
            raise RuntimeError(f"{backlog} were sent, but the store counts {count}")
    await asyncio.to_thread(_session, mosquitto, _ENGINE, keep=False)
    return Run(
        value=backlog / took / ceiling * 100,
        cpu_us={"engine": (after.cpu_s - before.cpu_s) / backlog * 1e6},
        notes={
            "readings/s": backlog / took,
            "mosquitto_sub, messages/s": ceiling,
            "readings per cycle": backlog / max(status.gauges["cycles_total"], 1),
            "longest cycle ms": status.gauges["longest_cycle_seconds"] * 1e3,
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
