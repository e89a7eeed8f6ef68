"""Modbus frames as bytes, both ways of wrapping a request: MBAP on TCP, unit and check sum on a serial line.

Written out here rather than taken from a library, so that a reply can be wrong in any byte. Sources: Modbus application
protocol 1.1b3; Modbus messaging on TCP/IP 1.0b, section 3.1.3 (MBAP); Modbus over serial line 1.02, section 2.5.1.
"""

import struct
from typing import NamedTuple

#: transaction, protocol (0), length of what follows it, unit.
_MBAP = struct.Struct(">HHHB")
MBAP_BYTES = _MBAP.size
#: The largest request or reply without its wrapping (1.1b3, section 4.1).
MOST_PDU_BYTES = 253
#: Requests of functions 1 to 6 are unit, function, two words, check sum; 15 and 16 say their length in byte 6.
_SHORT_RTU_BYTES = 8
_LONG_RTU_HEAD_BYTES = 7
_COUNTED = (15, 16)
_CRC_BYTES = 2


class Request(NamedTuple):
    """`transaction` is 0 on a serial line, which has none."""

    transaction: int
    unit: int
    pdu: bytes


class NotModbus(ValueError):
    """These bytes begin no frame, and where one begins cannot be told: a server hangs up."""


def _crc_table() -> tuple[int, ...]:
    """CRC-16 with the reflected polynomial 0xA001 (serial line 1.02, section 6.2.2), a byte at a time."""
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
        table.append(value)
    return tuple(table)


_CRC = _crc_table()


def check_sum(data: bytes) -> bytes:
    """The two bytes after an RTU frame, low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc.to_bytes(2, "little")


def take_mbap(buffer: bytearray) -> Request | None:
    """Cut the first whole request off; None when it is not all there. Raises NotModbus."""
    if len(buffer) < MBAP_BYTES:
        return None
    transaction, protocol, length, unit = _MBAP.unpack_from(buffer)
    if protocol != 0 or not 2 <= length <= MOST_PDU_BYTES + 1:
        raise NotModbus(f"protocol {protocol}, length {length}")
    end = MBAP_BYTES + length - 1
    if len(buffer) < end:
        return None
    pdu = bytes(buffer[MBAP_BYTES:end])
    del buffer[:end]
    return Request(transaction, unit, pdu)


def take_rtu(buffer: bytearray) -> Request | None:
    """Cut the first whole request off, and with it whatever stood before it and is none: on a serial line a device
    hears noise, and waits for something with a right check sum. None when there is none yet."""
    start = 0
    while len(buffer) - start >= _SHORT_RTU_BYTES:
        end = start + _rtu_length(buffer, start)
        if end <= len(buffer) and check_sum(bytes(buffer[start : end - _CRC_BYTES])) == buffer[end - _CRC_BYTES : end]:
            request = Request(0, buffer[start], bytes(buffer[start + 1 : end - _CRC_BYTES]))
            del buffer[:end]
            return request
        if end > len(buffer) and buffer[start + 1] in _COUNTED:
            break
        start += 1
    del buffer[:start]
    return None


def _rtu_length(buffer: bytearray, start: int) -> int:
    if buffer[start + 1] in _COUNTED:
        return _LONG_RTU_HEAD_BYTES + buffer[start + 6] + _CRC_BYTES
    return _SHORT_RTU_BYTES


def mbap_frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    return _MBAP.pack(transaction, 0, len(pdu) + 1, unit) + pdu


def rtu_frame(unit: int, pdu: bytes) -> bytes:
    body = bytes((unit,)) + pdu
    return body + check_sum(body)
