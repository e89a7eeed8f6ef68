"""Ceilings: what this machine does at this moment without Davy. These machines are shared and noisy, so every figure is
taken beside its ceiling, in the same run."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from davy.bench.rig import Load


def fsync_us(where: Path | None, writes: int = 400) -> tuple[float, float]:
    """(p50, p99) of appending 4 KiB and fdatasync, in microseconds, on the disk that holds `where`."""
    took: list[float] = []
    with tempfile.NamedTemporaryFile(dir=where) as file:
        for _ in range(writes):
            began = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - began) * 1e6)
    took.sort()
    return took[len(took) // 2], took[int(len(took) * 0.99)]


async def sink_rate(*options: str) -> float:
    """Messages per second that the load generator brings to an endpoint which only acknowledges."""
    sink = subprocess.Popen(  # noqa: ASYNC220 - a child that prints its port and serves
        [sys.executable, "-m", "davy.bench.sink"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert sink.stdout is not None
    try:
        port = sink.stdout.readline().strip()
        found = await Load("pipeline", "--port", port, *options).result()
    finally:
        sink.communicate()
    return float(str(found["acked_per_s"]))
