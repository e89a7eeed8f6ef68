"""Units on one line, and one talk with a client over it: requests are answered one after the other, faults and all."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from simulators.modbus.faults import UnitFaults
from simulators.modbus.registers import refusal
from simulators.modbus.unit import Unit
from simulators.modbus.wire import NotModbus, Request, mbap_frame, rtu_frame, take_mbap, take_rtu

#: Gateway target device failed to respond (1.1b3, section 7): what a gateway says for a unit that nobody is.
NOBODY_THERE = 11
#: On a serial line a pause ends a frame; what was half heard before it is forgotten. The standard says 3.5 characters;
#: an operating system that hands bytes on needs more (product choice).
_PAUSE_S = 0.1
_BROADCAST = 0


class Framing(StrEnum):
    MBAP = "mbap"
    RTU = "rtu"


@dataclass(slots=True)
class Line:
    """What hangs on one port. `clock`: seconds, steady.

    absent_exception: what a request for a unit that nobody is gets on TCP; 0, and always on a serial line: silence.
    deaf: takes requests and answers nothing, like a gateway that hangs; `ignored`: how many it has taken so.
    heard: called with every request for one of the units, before it is answered: (unit, request without its wrapping,
    time).
    """

    clock: Callable[[], float]
    units: dict[int, Unit] = field(default_factory=dict)
    absent_exception: int = NOBODY_THERE
    deaf: bool = False
    ignored: int = 0
    heard: Callable[[Unit, bytes, float], None] | None = None

    def add(self, unit: Unit) -> Unit:
        self.units[unit.number] = unit
        return unit


class Talk:
    """One connection. `send` writes bytes to it and `hang_up` ends it."""

    def __init__(
        self, line: Line, framing: Framing, send: Callable[[bytes], None], hang_up: Callable[[], None]
    ) -> None:
        self._line = line
        self._framing = framing
        self._send = send
        self._hang_up = hang_up
        self._take = take_mbap if framing is Framing.MBAP else take_rtu
        self._buffer = bytearray()
        self._heard_s = 0.0
        self._busy = False
        self._over = False

    def feed(self, data: bytes) -> None:
        """Bytes arrive. Raises nothing: what is no Modbus ends the connection, or, on a serial line, is not heard."""
        now_s = self._line.clock()
        if self._framing is Framing.RTU and now_s - self._heard_s > _PAUSE_S:
            self._buffer.clear()
        self._heard_s = now_s
        self._buffer += data
        self._go_on()

    def end(self) -> None:
        """The connection is gone; replies under way come to nothing."""
        self._over = True

    def _go_on(self) -> None:
        while not self._busy and not self._over:
            try:
                request = self._take(self._buffer)
            except NotModbus:
                self._hang_up()
                return
            if request is None:
                return
            self._serve(request)

    def _serve(self, request: Request) -> None:
        if self._line.deaf:
            self._line.ignored += 1
            return
        if self._framing is Framing.RTU and request.unit == _BROADCAST:
            for hearer in self._line.units.values():
                hearer.answer(request.pdu, self._line.clock())
            return
        unit = self._line.units.get(request.unit)
        if unit is None:
            if self._framing is Framing.MBAP and self._line.absent_exception:
                pdu = refusal(request.pdu[0], self._line.absent_exception)
                self._send(mbap_frame(request.transaction, request.unit, pdu))
            return
        faults = unit.faults.spend()
        if faults.dead:
            return
        now_s = self._line.clock()
        if self._line.heard is not None:
            self._line.heard(unit, request.pdu, now_s)
        pdu = refusal(request.pdu[0], faults.exception) if faults.exception else unit.answer(request.pdu, now_s)
        if not faults.no_reply:
            self._reply(faults, _frame(self._framing, request, pdu, faults))

    def _reply(self, faults: UnitFaults, frame: bytes) -> None:
        if faults.late_s:
            asyncio.get_running_loop().call_later(faults.late_s, self._put, frame, faults.hang_up)
        elif faults.delay_s:
            self._busy = True
            asyncio.get_running_loop().call_later(faults.delay_s, self._put_and_go_on, frame, faults.hang_up)
        else:
            self._put(frame, faults.hang_up)

    def _put(self, frame: bytes, then_hang_up: bool) -> None:
        if self._over:
            return
        self._send(frame)
        if then_hang_up:
            self._over = True
            self._hang_up()

    def _put_and_go_on(self, frame: bytes, then_hang_up: bool) -> None:
        self._busy = False
        self._put(frame, then_hang_up)
        self._go_on()


def _frame(framing: Framing, request: Request, pdu: bytes, faults: UnitFaults) -> bytes:
    """The reply wrapped up, with what is wrong with it."""
    unit = request.unit ^ 1 if faults.wrong_unit else request.unit
    if faults.wrong_function:
        pdu = bytes((pdu[0] ^ 1,)) + pdu[1:]
    if framing is Framing.MBAP:
        transaction = request.transaction ^ 1 if faults.wrong_transaction else request.transaction
        frame = mbap_frame(transaction, unit, pdu)
    else:
        frame = rtu_frame(unit, pdu)
        if faults.bad_check_sum:
            frame = frame[:-1] + bytes((frame[-1] ^ 0xFF,))
    if faults.truncated >= 0:
        frame = frame[: faults.truncated]
    return faults.noise + frame
