"""One connection to a bus, one request at a time. The only file that knows pymodbus.

We use pymodbus one floor below its client: its transport (TCP and serial), framers and requests. Its client skips a
reply of another unit in silence, cannot tell that from no reply, and throws floods away unseen; we must know all three.

W1  A connection is an object: what an old one still receives cannot reach a new one.
W2  After NoReply (unless the gateway itself answered), WrongReply or LinkAway the connection is closed and never used
    again. A late reply is never taken for the next (pymodbus#538). Transaction numbers go on over connections.
W3  At most MOST_FRAME bytes are kept, whatever is sent to us. Bytes that nobody asked for close the connection: the
    first of them on Modbus TCP; on a serial line, where noise is usual, more than a frame of them (`quiet` excepted).
    A reply with something behind it, or with as much as another reply before it, is not believed.
W4  A request ends by its deadline, however the reply trickles.
W5  Nothing is written but what the allow-list holds.
"""

import asyncio
import logging
import struct
import termios
from collections.abc import Callable, Iterable
from itertools import count
from typing import TypeVar, cast

from numpy import uint16
from numpy.typing import NDArray
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadDiscreteInputsRequest,
    WriteMultipleCoilsRequest,
    WriteSingleCoilRequest,
)
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)
from pymodbus.transport import CommParams, CommType, ModbusProtocol

from devices.addresses import BusAddress, Framing
from devices.register_map import Space
from devices.registers import Read, WireWrite
from ingest.modbus_errors import BusError, LinkAway, NoReply, WrongReply
from ingest.modbus_replies import check_echo, words_of
from ingest.why_away import why_not_connected, why_not_opened

# We say ourselves what goes wrong, once.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

#: The longest frame: 260 bytes on TCP, 256 on a serial line (Modbus messaging on TCP 1.0b, 4.1; serial line 1.02, 2.3).
MOST_FRAME = 260
#: Unit and checksum around a protocol data unit, and the shortest reply, an exception (serial line 1.02, 2.3).
_RTU_ENVELOPE, _LEAST_RTU_FRAME = 3, 5
#: While it is waited that a line is quiet (`Wire.quiet`) so many bytes are discarded: product choice, what a line of
#: 115,200 baud carries in six seconds.
_MOST_DISCARDED = 65_536
_NEVER_QUIET = "the line is never quiet"
#: How often a buffer that is not empty is looked at until the bytes have left.
_LEAVING_S = 0.001
_READS: dict[Space, type[ModbusPDU]] = {
    Space.COIL: ReadCoilsRequest,
    Space.DISCRETE: ReadDiscreteInputsRequest,
    Space.INPUT: ReadInputRegistersRequest,
    Space.HOLDING: ReadHoldingRegistersRequest,
}
_T = TypeVar("_T")
_PARITY = {"none": "N", "even": "E", "odd": "O"}


class AllowList:
    """The writes that may be made on a bus: those of its valves' procedures, each to its own unit (W5)."""

    def __init__(self, writes: Iterable[tuple[int, WireWrite]] = ()) -> None:
        self._allowed = frozenset((unit, write.function, write.at, write.values) for unit, write in writes)

    def check(self, unit: int, write: WireWrite) -> None:
        """Raises PermissionError: it would be a mistake of ours, and is stopped here."""
        if (unit, write.function, write.at, write.values) not in self._allowed:
            raise PermissionError(f"unit {unit}: a write to {write.at} that no procedure declares")


class Wire(ModbusProtocol):
    """An open connection; made by `open_wire`."""

    def __init__(self, address: BusAddress, numbers: "count[int]", within_s: float) -> None:
        super().__init__(_params(address, within_s), is_server=False)
        self._address = address
        self._tcp = address.framing is Framing.TCP
        self._framer = FramerSocket(DecodePDU(False)) if self._tcp else FramerRTU(DecodePDU(False))
        self._numbers = numbers
        self._received = b""
        self._waiting: asyncio.Future[bytes] | None = None
        self._unit = self._number = 0
        self._made: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended: BusError | None = None
        #: Bytes that came while nobody waited for any.
        self.unasked = 0
        self._discards = False
        #: Called once when the connection ends.
        self.on_end: Callable[[], None] = lambda: None

    async def open(self, within_s: float) -> None:
        """Raises LinkAway with the reason in words."""
        try:
            async with asyncio.timeout(within_s):
                self.transport, _ = await self.call_create()
                await self._made
        except TimeoutError:
            self.end(LinkAway(f"no connection within {within_s:g} s (timed out)"))
        except (OSError, ValueError) as wrong:  # ValueError: a serial port that cannot do this speed
            self.end(LinkAway(self._why(wrong)))
        except termios.error as wrong:
            self.end(LinkAway(f"the port cannot be set so (speed, parity, stop bits): {wrong.args[-1]}"))
        except asyncio.CancelledError:
            self.end(LinkAway("stopped"))
            raise
        if self.ended is not None:
            raise self.ended

    async def read(self, unit: int, read: Read, within_s: float) -> NDArray[uint16]:
        """The words of a read, shape (count,). Raises BusError."""
        request = _READS[read.space](address=read.first, count=read.count, dev_id=unit)
        reply = await self._ask(request, within_s, None)
        return self._judged(lambda: words_of(reply, read))

    async def write(
        self, unit: int, write: WireWrite, within_s: float, allowed: AllowList, left: Callable[[], None]
    ) -> None:
        """Carry out one write; `left` is called when its bytes have left, before the echo. Raises BusError,
        PermissionError for what `allowed` does not hold."""
        allowed.check(unit, write)
        reply = await self._ask(_write_request(unit, write), within_s, left)
        self._judged(lambda: check_echo(reply, write))

    async def quiet(self, for_s: float, most_s: float) -> None:
        """Discard what comes until nothing has come for `for_s`. Otherwise it is closed; raises LinkAway."""
        loop = asyncio.get_running_loop()
        end, self._discards = loop.time() + most_s, True
        try:
            while self.ended is None:
                heard = self.unasked
                await asyncio.sleep(for_s)
                if self.unasked == heard:
                    self._discards, self.unasked = False, 0
                    return
                if loop.time() > end:
                    self.end(LinkAway(_NEVER_QUIET))
        except asyncio.CancelledError:
            self.end(LinkAway("stopped"))
            raise
        raise self.ended

    def end(self, why: BusError) -> None:
        """Close it for good (W2)."""
        if self.ended is not None:
            return
        self.ended = why
        self.is_closing = True
        if self.transport is not None:
            abort: Callable[[], None] = getattr(self.transport, "abort", self.transport.close)
            abort()
        self._received = b""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(why)
        if not self._made.done():
            self._made.set_result(None)
        self.on_end()

    def _why(self, wrong: Exception) -> str:
        address = self._address
        if address.framing is Framing.RTU:
            return why_not_opened(wrong, address.device)
        return why_not_connected(wrong, address.host, address.port)

    # ---- what the transport says ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        if self.ended is not None:
            transport.close()
        elif not self._made.done():
            self._made.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self.end(LinkAway(self._why(exc) if exc else "the other side closed the connection"))

    def data_received(self, data: bytes) -> None:
        if self._discards:
            self.unasked += len(data)
            if self.unasked > _MOST_DISCARDED:
                self.end(LinkAway(_NEVER_QUIET))
            return
        if self._waiting is None or self._waiting.done():
            self.unasked += len(data)
            if self._tcp or self.unasked > MOST_FRAME:
                self.end(WrongReply("bytes that nobody asked for"))
            return
        if len(self._received) + len(data) > MOST_FRAME:
            self.end(WrongReply("more bytes than a reply has"))
            return
        self._received += data
        try:
            self._look()
        except BusError as wrong:
            self.end(wrong)

    # pymodbus asks for these of every protocol; `data_received` stands in front of them.

    def callback_data(self, data: bytes, addr: tuple[str, int] | None = None) -> int:
        return len(data)

    def callback_connected(self) -> None:
        return

    def callback_disconnected(self, exc: Exception | None) -> None:
        return

    def callback_new_connection(self) -> ModbusProtocol:
        return self

    # ---- one request ----

    async def _ask(self, request: ModbusPDU, within_s: float, left: Callable[[], None] | None) -> bytes:
        """The protocol data unit that answers a request."""
        if self.ended is not None:
            raise self.ended
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[bytes] = loop.create_future()
        self._unit = request.dev_id
        self._number = request.transaction_id = next(self._numbers) % 65_535 + 1 if self._tcp else 0
        self._received, self._waiting, self.unasked = b"", waiting, 0
        deadline = loop.call_later(within_s, self._late, within_s)
        try:
            self.send(self._framer.buildFrame(request))
            if left is not None:
                await self._leaving(waiting, left)
            return await waiting
        except asyncio.CancelledError:
            self.end(LinkAway("stopped"))
            raise
        finally:
            deadline.cancel()
            self._waiting = None

    async def _leaving(self, waiting: "asyncio.Future[bytes]", left: Callable[[], None]) -> None:
        """Wait until the request's bytes have left us, or the request has ended otherwise."""
        await asyncio.sleep(0)  # some loops write at the end of their turn
        while not waiting.done():
            # uvloop's transports are no asyncio.WriteTransport to isinstance, only to those who call them.
            if cast(asyncio.WriteTransport, self.transport).get_write_buffer_size() == 0:
                break
            await asyncio.sleep(_LEAVING_S)
        if not waiting.done() or waiting.exception() is None:
            left()

    def _late(self, within_s: float) -> None:
        if self._received:
            self.end(WrongReply(f"a reply that was not whole within {within_s:g} s"))
        else:
            self.end(NoReply(f"no reply within {within_s:g} s"))

    def _look(self) -> None:
        """See whether the reply is whole, and whether it is the one."""
        data = self._received
        if self._tcp and len(data) >= 4 and data[2:4] != b"\0\0":
            raise WrongReply("not Modbus TCP: its protocol number is not 0")
        if self._tcp and len(data) >= 6 and not 3 <= struct.unpack_from(">H", data, 4)[0] <= MOST_FRAME - 6:
            raise WrongReply("a length that no reply has")
        try:
            used, unit, number, pdu = self._framer.decode(data)
        except (ModbusException, ValueError, IndexError, struct.error) as garbled:
            raise WrongReply(f"garbled: {garbled}") from garbled
        if used and not pdu:
            raise WrongReply("garbled: the checksum is wrong")
        if not used:
            return
        if unit != self._unit:
            raise WrongReply(f"a reply of unit {unit}, where {self._unit} was asked")
        if self._tcp and number != self._number:
            raise WrongReply("a reply to another request")
        if self._is_more(data, pdu, used):
            raise WrongReply("more bytes than the reply has")
        assert self._waiting is not None
        self._received = b""
        self._waiting.set_result(pdu)

    def _is_more(self, data: bytes, pdu: bytes, used: int) -> bool:
        """Whether something came with the reply that may be another's. pymodbus skips what stands before an RTU frame
        and says of every frame that it is all there is. Noise is usual when a driver is switched on, so fewer bytes
        than a frame has are let pass before the reply; after it, none."""
        if self._tcp:
            return used != len(data)
        size = len(pdu) + _RTU_ENVELOPE
        return data[-size:-2] != bytes((self._unit,)) + pdu or len(data) - size >= _LEAST_RTU_FRAME

    def _judged(self, judge: Callable[[], _T]) -> _T:
        try:
            return judge()
        except WrongReply as wrong:
            self.end(wrong)
            raise


async def open_wire(address: BusAddress, numbers: "count[int]", within_s: float) -> Wire:
    """Connect. `numbers`: transaction numbers, one source for all connections of a bus. Raises LinkAway."""
    wire = Wire(address, numbers, within_s)
    await wire.open(within_s)
    return wire


def _params(address: BusAddress, within_s: float) -> CommParams:
    """`reconnect_delay` None: pymodbus must not reconnect by itself."""
    if address.framing is Framing.RTU:
        return CommParams(
            comm_name="modbus",
            comm_type=CommType.SERIAL,
            host=address.device,
            timeout_connect=within_s,
            baudrate=address.baud,
            bytesize=8,
            parity=_PARITY[address.parity],
            stopbits=address.stop_bits,
        )
    return CommParams(
        comm_name="modbus",
        comm_type=CommType.TCP,
        host=address.host,
        port=address.port,
        timeout_connect=within_s,
    )


def _write_request(unit: int, write: WireWrite) -> ModbusPDU:
    if write.function == 5:
        return WriteSingleCoilRequest(dev_id=unit, address=write.at, bits=[bool(write.values[0])])
    if write.function == 6:
        return WriteSingleRegisterRequest(dev_id=unit, address=write.at, registers=list(write.values))
    if write.function == 15:
        return WriteMultipleCoilsRequest(dev_id=unit, address=write.at, bits=[bool(value) for value in write.values])
    if write.function == 16:
        return WriteMultipleRegistersRequest(dev_id=unit, address=write.at, registers=list(write.values))
    raise PermissionError(f"function {write.function} writes nothing that a procedure may declare")
