"""A device that nobody has seen costs one file: written by its maker's engineer from the manual, checked, read by hand,
registered, polled, alarmed. No code is touched."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

from devices.models import load_catalogue, load_model
from devices.sites import Device, Registry, Site
from simulators.modbus.line import Line
from simulators.modbus.server import TcpPort
from simulators.modbus.truth import Truth
from simulators.modbus.unit import Point, Unit
from tests.guarantees.engines import engine_inside

#: The CO variety of a transmitter whose facts are public (40003 a float, forced to zero during inhibit; 40006 bits 0
#: A1, 1 A2, 6 fault; 40005 its number), on a line of its maker's with the words exchanged and addresses from 0.
MODEL = """
vendor = "newcomer"
name = "N1, carbon monoxide"
kind = "detector"
tier = "mid"
source = "N1 Modbus guide, revision 3, pages 7 to 9; tried on the device"
measures = ["co_ppm"]
ranges = { co_ppm = [0, 500] }
certificates = ["EN 50291-1"]
report_interval_s = 0.5

[modbus]
notation = "zero_based"
word_order = "little"
serial = { baud = 19200, parity = "even" }
gap_ms = 5
readable = [{ first = 0, last = 15, space = "holding" }]
field = [
    { name = "type_code", at = 0, space = "holding", byte = "high" },
    { name = "gas", at = 2, space = "holding", type = "f32", quantity = "co_ppm" },
    { name = "fault_number", at = 4, space = "holding", extra = true },
    { name = "status", at = 5, space = "holding" },
    { name = "state", at = 6, space = "holding" },
]
flag = [
    { flag = "co_alarm", when = [{ field = "status", bit = 1 }] },
    { flag = "fault", when = [{ field = "status", bit = 6 }] },
    { flag = "inhibit", when = [{ field = "state", one_of = [3] }] },
]
quality = [{ quality = "inhibited", when = [{ field = "state", one_of = [3] }] }]
check = [{ when = [{ field = "type_code", one_of = [0x31] }], reason = "register 0 lacks the type code 0x31" }]

[[modbus.example]]
title = "40.0 ppm: 0x4220 0x0000, low word first"
registers = [{ at = 0, words = [0x3101, 0, 0x0000, 0x4220, 0, 2, 1], space = "holding" }]
expect = { co_ppm = 40.0, co_alarm = true }

[[modbus.example]]
title = "inhibited: a zero that is none"
registers = [{ at = 0, words = [0x3101, 0, 0, 0, 0, 0, 3], space = "holding" }]
expect = { co_ppm = "inhibited", inhibit = true }

[[modbus.example]]
title = "nobody's registers"
registers = [{ at = 0, words = [0, 0, 0, 0, 0, 0, 0], space = "holding" }]
refused = "type code 0x31"
"""


async def davy(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line, beside the simulated device on this loop."""
    command = [sys.executable, "-m", "davy", *arguments]
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)


async def test_a_model_that_nobody_has_seen_is_added_by_one_file(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    file = folder / "newcomer_n1_co.toml"
    file.write_text(MODEL, "utf-8")
    checked = await davy("devices", "check", str(file))
    assert checked.returncode == 0, checked.stdout + checked.stderr

    unit = Unit(9, [Point(load_model(file))], time.monotonic())
    line = Line(time.monotonic)
    line.add(unit)
    port = TcpPort(line)
    await port.open()
    try:
        url = f"modbus+tcp://127.0.0.1:{port.port}"
        unit.tell(Truth(values={"co_ppm": 40.0}))
        shown = await davy("modbus", "read", url, "9", "--model", str(file))
        assert shown.returncode == 0, shown.stderr
        assert "4220" in shown.stdout.lower()
        assert "40" in shown.stdout

        registry = Registry(
            models=load_catalogue(folder),
            sites=(Site("kitchen", simulated=True),),
            devices=(
                Device(1, "newcomer", "bus", "modbus_gateway", "kitchen", address=url),
                Device(2, "newcomer", "n1", "newcomer_n1_co", "kitchen", "newcomer/bus", "9"),
            ),
        )
        async with engine_inside(tmp_path / "data", registry) as (_, door):
            unit.tell(Truth(values={"co_ppm": 180.0}, flags=frozenset({"co_alarm"})))
            async with asyncio.timeout(20):
                while not (alarms := [one for one in (await door.alarms()).alarms if one.rule == "co-alarm"]):
                    await asyncio.sleep(0.05)
            assert alarms[0].identity == "newcomer/n1"
            assert alarms[0].value == 180.0
    finally:
        await port.close()


async def test_a_wrong_file_is_named_with_key_and_reason_and_nothing_is_loaded(tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(MODEL.replace('{ field = "status", bit = 1 }', '{ field = "stauts", bit = 1 }'), "utf-8")
    checked = await davy("devices", "check", str(file))
    assert checked.returncode == 1
    assert "wrong.toml" in checked.stdout
    assert "modbus.flag[0]" in checked.stdout
    assert "stauts" in checked.stdout
