"""What one unit holds, and its answers to requests: functions 1 to 6, 15 and 16, with the exceptions of the standard.

Source: Modbus application protocol 1.1b3, section 6 and, for which exception goes first, its state diagrams: the
function, then the quantity, then the addresses, then the value.
"""

import struct
from collections.abc import Callable, Iterable, Mapping

from devices.register_map import Space
from simulators.modbus.words import Place

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
#: A reply with this bit in its function is an exception.
EXCEPTION_BIT = 0x80
#: 1.1b3, sections 6.1, 6.3, 6.11 and 6.12: the most one request reads or writes.
MOST_BITS_READ, MOST_WORDS_READ = 2000, 125
MOST_BITS_WRITTEN, MOST_WORDS_WRITTEN = 1968, 123
_READ_SPACE = {1: Space.COIL, 2: Space.DISCRETE, 3: Space.HOLDING, 4: Space.INPUT}
_WRITE_SPACE = {5: Space.COIL, 6: Space.HOLDING, 15: Space.COIL, 16: Space.HOLDING}
_HEAD = struct.Struct(">BHH")
_COIL_ON = 0xFF00

#: Takes (function, wire address, values) and says whether the device does that; it answers exception 3 otherwise.
Taker = Callable[[int, int, tuple[int, ...]], bool]


class Registers:
    """The four tables of one unit: wire address -> word, or 0 and 1 for the two of bits. What is not in them has no
    address. `writable`: addresses of coils and holding registers that may be written."""

    def __init__(self, most_words: int = MOST_WORDS_READ, most_bits: int = MOST_BITS_READ) -> None:
        self.tables: dict[Space, dict[int, int]] = {space: {} for space in Space}
        self.writable: dict[Space, set[int]] = {Space.COIL: set(), Space.HOLDING: set()}
        #: Registers that nobody has read 0 instead of being refused, as some gateways have it.
        self.zero_for_undefined = False
        self._most_words, self._most_bits = most_words, most_bits

    def define(self, space: Space, addresses: Iterable[int]) -> None:
        """These addresses exist; what they hold is kept, or 0."""
        for at in addresses:
            self.tables[space].setdefault(at, 0)

    def put(self, bits: Mapping[Place, int]) -> None:
        """Set single bits; the others of their words stay."""
        for (space, at, bit), value in bits.items():
            table = self.tables[space]
            table[at] = table.get(at, 0) & ~(1 << bit) | value << bit

    def answer(self, pdu: bytes, take: Taker) -> bytes:
        """The reply to one request."""
        function = pdu[0]
        if function in _READ_SPACE:
            return self._read(function, pdu)
        if function in _WRITE_SPACE:
            return self._write(function, pdu, take)
        return refusal(function, ILLEGAL_FUNCTION)

    def _read(self, function: int, pdu: bytes) -> bytes:
        if len(pdu) != _HEAD.size:
            return refusal(function, ILLEGAL_VALUE)
        _, first, count = _HEAD.unpack(pdu)
        most = self._most_bits if function <= 2 else self._most_words
        if not 1 <= count <= most:
            return refusal(function, ILLEGAL_VALUE)
        table = self.tables[_READ_SPACE[function]]
        missing = 0 if self.zero_for_undefined else -1
        words = [table.get(at, missing) for at in range(first, first + count)]
        if -1 in words:
            return refusal(function, ILLEGAL_ADDRESS)
        if function <= 2:
            packed = sum(word << at for at, word in enumerate(words)).to_bytes((count + 7) // 8, "little")
        else:
            packed = struct.pack(f">{count}H", *words)
        return bytes((function, len(packed))) + packed

    def _write(self, function: int, pdu: bytes, take: Taker) -> bytes:
        if len(pdu) < _HEAD.size:
            return refusal(function, ILLEGAL_VALUE)
        _, first, said = _HEAD.unpack_from(pdu)
        values = _written(function, said, pdu)
        if values is None:
            return refusal(function, ILLEGAL_VALUE)
        space = _WRITE_SPACE[function]
        addresses = range(first, first + len(values))
        if not self.writable[space].issuperset(addresses):
            return refusal(function, ILLEGAL_ADDRESS)
        if not take(function, first, values):
            return refusal(function, ILLEGAL_VALUE)
        self.tables[space].update(zip(addresses, values, strict=True))
        return pdu[: _HEAD.size]


def _written(function: int, said: int, pdu: bytes) -> tuple[int, ...] | None:
    """What a request writes, or None when it does not add up. `said`: the value, or how many there are."""
    body = pdu[_HEAD.size :]
    if function == 5:
        return (int(said == _COIL_ON),) if said in (0, _COIL_ON) and not body else None
    if function == 6:
        return (said,) if not body else None
    length = (said + 7) // 8 if function == 15 else 2 * said
    most = MOST_BITS_WRITTEN if function == 15 else MOST_WORDS_WRITTEN
    if not 1 <= said <= most or len(body) != 1 + length or body[0] != length:
        return None
    if function == 16:
        return struct.unpack_from(f">{said}H", body, 1)
    packed = int.from_bytes(body[1:], "little")
    return tuple(packed >> at & 1 for at in range(said))


def refusal(function: int, code: int) -> bytes:
    """An exception reply."""
    return bytes((function | EXCEPTION_BIT, code))
