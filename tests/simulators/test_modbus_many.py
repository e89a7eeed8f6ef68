"""The bench's server as a process: what it is told and what it tells."""

import asyncio
import json
import struct
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

READ = bytes.fromhex("03 0000 000a")


@asynccontextmanager
async def running(*options: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, Any]]]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators.modbus.many", *options, stdin=pipe, stdout=pipe
    )
    try:
        yield process, await said(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(10):
            assert await process.wait() == 0


async def said(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    async with asyncio.timeout(20):
        return json.loads(await process.stdout.readline())


async def told(process: asyncio.subprocess.Process, **order: object) -> dict[str, Any]:
    assert process.stdin is not None
    process.stdin.write(json.dumps(order).encode() + b"\n")
    return await said(process)


async def asked(port: int, unit: int, pdu: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(struct.pack(">HHHB", 1, 0, len(pdu) + 1, unit) + pdu)
    async with asyncio.timeout(5):
        *_, length, _ = struct.unpack(">HHHB", await reader.readexactly(7))
        reply = await reader.readexactly(length - 1)
    writer.close()
    return reply


async def test_a_detector_goes_over_its_threshold_when_told_and_a_close_is_seen() -> None:
    async with running("--ports", "2", "--units", "3") as (process, first):
        assert (len(first["ports"]), first["detectors"], first["valves"]) == (2, [1, 2], [3])
        port = first["ports"][1]
        clean = struct.unpack(">10H", (await asked(port, 2, READ))[2:])
        assert clean[1] == 0
        before_us = time.monotonic_ns() // 1000
        done = await told(process, do="over", port=port, unit=2)
        assert (done["did"], done["port"], done["unit"]) == ("over", port, 2)
        assert before_us <= done["at_us"] <= time.monotonic_ns() // 1000
        over = struct.unpack(">10H", (await asked(port, 2, READ))[2:])
        assert over[1] & 0b111 == 0b111
        assert over[3] == 600
        close = bytes.fromhex("0f 0000 0002 01 01")
        assert await asked(port, 3, close) == close[:5]
        seen = await said(process)
        assert (seen["saw"], seen["port"], seen["unit"]) == ("close", port, 3)
        assert seen["at_us"] >= done["at_us"]
        stats = await told(process, do="stats")
        assert stats["requests"] == 3
        wrong = await told(process, do="over", port=1, unit=1)
        assert "KeyError" in wrong["error"]
        await told(process, do="fault", port=port, unit=1, faults={"exception": 6})
        assert await asked(port, 1, READ) == b"\x83\x06"


async def test_a_model_that_is_not_there_is_refused_with_those_that_are() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators.modbus.many", "--model", "nobody", stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert b"sim_modbus_detector" in errors


async def test_ports_are_a_number_of_ports_and_the_help_says_so() -> None:
    for options, code, words in ((["--help"], 0, b"how many ports"), (["--ports", "0"], 2, b"how many ports")):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "simulators.modbus.many", *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert (process.returncode, words in said) == (code, True)
