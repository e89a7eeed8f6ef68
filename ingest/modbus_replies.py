"""Whether a reply answers a request. Pure: protocol data units (function code and data) in, words or an error out."""

import struct

import numpy as np
from numpy.typing import NDArray

from devices.register_map import Space
from devices.registers import Read, WireWrite
from ingest.modbus_errors import WrongReply, refusal

#: Functions that read the four spaces (1.1b3, sections 6.1 to 6.4).
READ_FUNCTION = {Space.COIL: 1, Space.DISCRETE: 2, Space.HOLDING: 3, Space.INPUT: 4}
#: A coil that is on, in function 5 (section 6.5).
_ON = 0xFF00
_EXCEPTION = 0x80


def words_of(pdu: bytes, read: Read) -> NDArray[np.uint16]:
    """The words (or bits as 0 and 1) that a read asked for, shape (count,). Raises BusError."""
    _expect_function(pdu, READ_FUNCTION[read.space])
    bits = read.space in (Space.COIL, Space.DISCRETE)
    size = (read.count + 7) // 8 if bits else 2 * read.count
    if len(pdu) < 2 or pdu[1] != size or len(pdu) != 2 + size:
        said = pdu[1] if len(pdu) > 1 else 0
        raise WrongReply(f"{said} bytes announced and {max(len(pdu) - 2, 0)} sent for {read.count} {read.space}s")
    if bits:
        return np.unpackbits(np.frombuffer(pdu, np.uint8, size, 2), count=read.count, bitorder="little").astype(
            np.uint16
        )
    return np.frombuffer(pdu, ">u2", read.count, 2).astype(np.uint16)


def check_echo(pdu: bytes, write: WireWrite) -> None:
    """Raises BusError when a device did not answer a write as the standard says it must."""
    _expect_function(pdu, write.function)
    if pdu[1:] != echo(write):
        raise WrongReply(f"the echo of a write is {pdu[1:].hex(' ')}, not {echo(write).hex(' ')}")


def echo(write: WireWrite) -> bytes:
    """What follows the function code in the answer to a write (1.1b3, sections 6.5, 6.6, 6.11, 6.12)."""
    if write.function == 5:
        return struct.pack(">HH", write.at, _ON if write.values[0] else 0)
    if write.function == 6:
        return struct.pack(">HH", write.at, write.values[0])
    return struct.pack(">HH", write.at, len(write.values))


def _expect_function(pdu: bytes, function: int) -> None:
    if not pdu:
        raise WrongReply("an empty reply")
    if pdu[0] == function | _EXCEPTION and len(pdu) == 2:
        raise refusal(pdu[1])
    if pdu[0] != function:
        raise WrongReply(f"a reply to function {pdu[0]}, where {function} was asked")
