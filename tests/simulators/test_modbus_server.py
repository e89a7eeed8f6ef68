"""The simulated ports over real sockets and a real pseudo-terminal, read by a client that is not ours; and each fault,
byte for byte."""

import asyncio
import os
import struct
import time
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

from devices.models import load_catalogue
from simulators.modbus.choosing import CannotSay
from simulators.modbus.line import Framing, Line
from simulators.modbus.server import SerialPort, TcpPort
from simulators.modbus.truth import Truth
from simulators.modbus.unit import Point, Unit
from simulators.modbus.wire import rtu_frame

MODELS = {model.key: model for model in load_catalogue()}
DETECTOR, PANEL = MODELS["sim_modbus_detector"], MODELS["sim_modbus_panel"]
TRUTH = Truth(values={"combustible_lel": 12.5, "co_ppm": 3.0})
#: The first five registers of the detector with that truth: type code, status, state 1, 12.5 in tenths, 3 ppm.
WORDS = [0xDA01, 0, 1, 125, 3]
READ = bytes.fromhex("03 0000 0005")


def line() -> Line:
    line = Line(time.monotonic)
    for number in (1, 2):
        line.add(Unit(number, [Point(DETECTOR, truth=TRUTH)], time.monotonic()))
    return line


@asynccontextmanager
async def served(framing: Framing = Framing.MBAP) -> AsyncIterator[TcpPort]:
    port = TcpPort(line(), framing)
    await port.open()
    try:
        yield port
    finally:
        await port.close()


class Client:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def ask(self, transaction: int = 7, unit: int = 1, pdu: bytes = READ) -> None:
        self.writer.write(struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu)

    async def answer(self) -> tuple[int, int, bytes]:
        """(transaction, unit, reply)."""
        async with asyncio.timeout(5):
            transaction, _, length, unit = struct.unpack(">HHHB", await self.reader.readexactly(7))
            return transaction, unit, await self.reader.readexactly(length - 1)

    async def asked(self, pdu: bytes = READ) -> tuple[int, int, bytes]:
        self.ask(pdu=pdu)
        return await self.answer()


@asynccontextmanager
async def connected(port: TcpPort) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


async def until(true: object) -> None:
    assert callable(true)
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("framing", list(Framing))
async def test_a_library_that_is_not_ours_reads_it_over_tcp(framing: Framing) -> None:
    async with served(framing) as port:
        framer = FramerType.SOCKET if framing is Framing.MBAP else FramerType.RTU
        client = AsyncModbusTcpClient("127.0.0.1", port=port.port, framer=framer, timeout=5)
        assert await client.connect()
        for unit in (1, 2):
            reply = await client.read_holding_registers(0, count=5, device_id=unit)
            assert reply.registers == WORDS
        refused = await client.read_holding_registers(50, count=2, device_id=1)
        assert refused.exception_code == 2
        client.close()


async def test_a_library_that_is_not_ours_reads_it_over_a_pseudo_terminal(tmp_path: Path) -> None:
    cable = SerialPort(line(), tmp_path / "bus")
    cable.plug_in()
    client = AsyncModbusSerialClient(str(tmp_path / "bus"), framer=FramerType.RTU, baudrate=9600, timeout=5)
    assert await client.connect()
    reply = await client.read_holding_registers(0, count=5, device_id=2)
    assert reply.registers == WORDS
    client.close()
    cable.pull_out()
    assert not (tmp_path / "bus").is_symlink()


async def test_a_cable_that_is_pulled_out_hangs_up_and_works_again_when_it_is_back(tmp_path: Path) -> None:
    cable = SerialPort(line(), tmp_path / "bus")
    for _ in range(2):
        cable.plug_in()
        theirs = os.open(tmp_path / "bus", os.O_RDWR | os.O_NOCTTY)
        tty.setraw(theirs)
        os.set_blocking(theirs, False)
        os.write(theirs, rtu_frame(1, READ))
        heard = bytearray()
        await until(lambda: heard.extend(_read(theirs)) or len(heard) == 15)  # noqa: B023 - used in this round only
        assert bytes(heard) == rtu_frame(1, b"\x03\x0a" + struct.pack(">5H", *WORDS))
        cable.pull_out()
        with pytest.raises(OSError, match="Input/output"):
            os.write(theirs, b"\x00")
        os.close(theirs)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 100)
    except BlockingIOError:
        return b""


async def test_a_file_that_is_no_link_is_not_taken_away(tmp_path: Path) -> None:
    (tmp_path / "bus").write_text("precious")
    with pytest.raises(FileExistsError):
        SerialPort(line(), tmp_path / "bus").plug_in()
    assert (tmp_path / "bus").read_text() == "precious"


async def test_requests_in_a_row_are_answered_in_their_order() -> None:
    async with served() as port, connected(port) as client:
        for transaction in range(20):
            client.ask(transaction, unit=1 + transaction % 2)
        assert [(await client.answer())[:2] for _ in range(20)] == [(n, 1 + n % 2) for n in range(20)]


async def test_a_unit_that_nobody_is_gets_the_gateways_exception_or_silence() -> None:
    async with served() as port, connected(port) as client:
        client.ask(1, unit=9)
        assert await client.answer() == (1, 9, b"\x83\x0b")
        port.line.absent_exception = 0
        client.ask(2, unit=9)
        client.ask(3)
        assert (await client.answer())[0] == 3


async def test_what_is_no_modbus_is_hung_up_on() -> None:
    async with served() as port, connected(port) as client:
        client.writer.write(b"GET / HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(5):
            assert await client.reader.read() == b""


async def test_an_exception_lasts_as_many_replies_as_it_was_given() -> None:
    async with served() as port, connected(port) as client:
        port.line.units[1].faults.exception, port.line.units[1].faults.replies_left = 6, 2
        assert [(await client.asked())[2][:2] for _ in range(3)] == [b"\x83\x06", b"\x83\x06", b"\x03\x0a"]


async def test_a_slow_unit_holds_its_line_up_and_a_late_reply_does_not() -> None:
    async with served() as port, connected(port) as client:
        slow = port.line.units[1].faults
        slow.delay_s = 0.05
        client.ask(1, unit=1)
        client.ask(2, unit=2)
        assert [(await client.answer())[0] for _ in range(2)] == [1, 2]
        slow.delay_s, slow.late_s = 0.0, 0.05
        client.ask(3, unit=1)
        client.ask(4, unit=2)
        assert [(await client.answer())[0] for _ in range(2)] == [4, 3]


async def test_replies_can_be_in_anothers_name() -> None:
    async with served() as port, connected(port) as client:
        faults = port.line.units[1].faults
        faults.wrong_unit = True
        assert (await client.asked())[:2] == (7, 0)
        faults.clear()
        faults.wrong_transaction = True
        assert (await client.asked())[:2] == (6, 1)
        faults.clear()
        faults.wrong_function = True
        assert (await client.asked())[2][0] == 2


async def test_a_reply_can_end_in_the_middle_with_the_connection() -> None:
    async with served() as port, connected(port) as client:
        faults = port.line.units[1].faults
        faults.truncated, faults.hang_up = 10, True
        client.ask()
        async with asyncio.timeout(5):
            assert len(await client.reader.read()) == 10


async def test_a_unit_can_be_silent_and_yet_do_what_is_written_or_be_dead() -> None:
    async with served() as port, connected(port) as client:
        unit = port.line.units[1]
        unit.faults.no_reply = True
        client.ask(1)
        client.ask(2, unit=2)
        assert (await client.answer())[0] == 2
        assert unit.asked == 1
        unit.faults.clear()
        unit.faults.dead = True
        client.ask(3)
        client.ask(4, unit=2)
        assert (await client.answer())[0] == 4
        assert unit.asked == 1


async def test_a_gateway_that_hangs_takes_connections_and_says_nothing() -> None:
    async with served() as port, connected(port) as client:
        port.line.deaf = True
        client.ask(1)
        await until(lambda: port.line.ignored == 1)
        port.line.deaf = False
        client.ask(2)
        assert (await client.answer())[0] == 2


async def test_noise_goes_before_a_reply_and_a_check_sum_can_be_wrong() -> None:
    async with served(Framing.RTU) as port, connected(port) as client:
        faults = port.line.units[1].faults
        whole = rtu_frame(1, b"\x03\x0a" + struct.pack(">5H", *WORDS))
        faults.noise = b"\xde\xad"
        client.writer.write(rtu_frame(1, READ))
        assert await client.reader.readexactly(17) == b"\xde\xad" + whole
        faults.clear()
        faults.bad_check_sum = True
        client.writer.write(rtu_frame(1, READ))
        spoilt = await client.reader.readexactly(15)
        assert spoilt[:14] == whole[:14]
        assert spoilt[14] != whole[14]


async def test_a_request_with_a_wrong_check_sum_is_not_heard() -> None:
    async with served(Framing.RTU) as port, connected(port) as client:
        client.writer.write(rtu_frame(1, READ)[:-1] + b"\x00" + rtu_frame(2, READ))
        assert (await client.reader.readexactly(15))[0] == 2
        assert port.line.units[1].asked == 0


async def test_a_flood_comes_unasked_until_it_is_stopped() -> None:
    async with served() as port, connected(port) as client:
        await until(lambda: port.connections == 1)
        port.flood(b"\x55" * 100, per_s=1000)
        async with asyncio.timeout(5):
            assert await client.reader.readexactly(1000) == b"\x55" * 1000
        port.flood(b"")


async def test_a_port_can_go_away_and_come_back_as_the_same() -> None:
    async with served() as port:
        async with connected(port) as client:
            await client.asked()
            number = port.port
            await port.close()
            async with asyncio.timeout(5):
                assert await client.reader.read() == b""
        with pytest.raises(OSError, match=r"refused|failed"):
            await asyncio.open_connection("127.0.0.1", number)
        assert await port.open() == number
        async with connected(port) as client:
            assert (await client.asked())[2][0] == 3


class Ticking:
    """A unit and a clock that is moved by hand."""

    def __init__(self, point: Point) -> None:
        self.now_s = 0.0
        self.unit = Unit(1, [point], 0.0)

    def words(self, first: int, count: int, function: int = 3) -> list[int]:
        reply = self.unit.answer(bytes((function,)) + first.to_bytes(2) + count.to_bytes(2), self.now_s)
        assert reply[0] == function
        return list(struct.unpack(f">{count}H", reply[2:]))


def test_a_heart_beats_unless_it_is_dead() -> None:
    here = Ticking(Point(DETECTOR, truth=TRUTH))
    seen = []
    for _ in range(5):
        here.now_s += 2.0
        seen += here.words(9, 1)
    assert len({*seen}) == 5
    here.unit.faults.dead_heartbeat = True
    here.now_s += 60.0
    assert here.words(9, 1) == seen[-1:]


def test_held_values_stand_still_while_the_heart_beats() -> None:
    here = Ticking(Point(DETECTOR, truth=TRUTH))
    here.words(0, 10)
    here.unit.faults.held = True
    here.unit.tell(Truth(values={"combustible_lel": 60.0}))
    before = here.words(9, 1)
    here.now_s += 10.0
    assert here.words(0, 5) == WORDS
    assert here.words(9, 1) != before
    here.unit.faults.held = False
    assert here.words(3, 1) == [600]


def test_what_a_model_cannot_say_is_refused_and_changes_nothing() -> None:
    here = Ticking(Point(DETECTOR, truth=TRUTH))
    for wrong in (Truth(values={"pressure_kpa": 2.0}), Truth(flags=frozenset({"tamper"})), Truth(state="sentinel")):
        with pytest.raises(CannotSay, match="sim_modbus_detector"):
            here.unit.tell(wrong)
    assert here.words(0, 5) == WORDS


def test_swapped_words_are_swapped_in_numbers_of_two_words_only() -> None:
    here = Ticking(Point(PANEL, truth=Truth(values={"combustible_lel": 12.5, "temperature_c": 20.0})))
    right = here.words(100, 10, function=4)
    assert (right[3], right[4]) == (0x0000, 0x41A0)
    here.unit.faults.swapped_words = True
    wrong = here.words(100, 10, function=4)
    assert (wrong[3], wrong[4]) == (0x41A0, 0x0000)
    assert wrong[:3] == right[:3]


def test_a_request_too_soon_after_an_answer_is_counted() -> None:
    here = Ticking(Point(PANEL))
    here.words(100, 1, function=4)
    here.now_s += 0.005
    here.words(100, 1, function=4)
    here.now_s += 0.02
    here.words(100, 1, function=4)
    assert here.unit.hurried == 1
