"""What people are told when a link is away names who was asked and what to look at, and no number of the system's."""

import errno
import os
import socket
import ssl
from itertools import count
from pathlib import Path

import pytest

from devices.addresses import parse_bus_address
from ingest.modbus_errors import LinkAway
from ingest.modbus_wire import open_wire
from ingest.why_away import why_not_connected, why_not_opened


async def said_by(url: str) -> str:
    with pytest.raises(LinkAway) as away:
        await open_wire(parse_bus_address(url), count(), 5.0)
    return str(away.value)


async def test_a_port_that_nobody_listens_at_is_named() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # held, and not listening
        port = nobody.getsockname()[1]
        assert await said_by(f"modbus+tcp://127.0.0.1:{port}") == f"nobody listens at 127.0.0.1:{port}"
        assert await said_by(f"modbus+rtu+tcp://127.0.0.1:{port}") == f"nobody listens at 127.0.0.1:{port}"


async def test_a_name_that_nobody_knows_is_named() -> None:
    said = await said_by("modbus+tcp://no-such-gateway.invalid:502")
    assert said.startswith("the name in no-such-gateway.invalid:502 ")


async def test_a_serial_port_that_is_not_there_or_is_none_is_named(tmp_path: Path) -> None:
    assert await said_by(f"modbus+rtu:{tmp_path}/ttyUSB0") == f"no such serial port {tmp_path}/ttyUSB0"
    (tmp_path / "file").write_bytes(b"")
    assert await said_by(f"modbus+rtu:{tmp_path}/file") == f"{tmp_path}/file is no serial port"
    assert await said_by(f"modbus+rtu:{tmp_path}") == f"{tmp_path} is a folder, and no serial port"


def test_a_certificate_file_that_cannot_be_read_is_named_and_tls_is_no_permission() -> None:
    missing = FileNotFoundError(errno.ENOENT, "No such file or directory", "/etc/davy/broker.key")
    assert why_not_connected(missing, "h", 8883) == "cannot read /etc/davy/broker.key: No such file or directory"
    refused = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1)")
    assert "TLS with h:8883 failed" in why_not_connected(refused, "h", 8883)
    assert why_not_connected(ValueError("x is empty"), "h", 8883) == "x is empty"


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_no_number_of_the_system_is_left_in_the_usual_words(number: int) -> None:
    wrong = OSError(number, os.strerror(number))
    for said in (why_not_connected(wrong, "::1", 502), why_not_opened(wrong, "/dev/ttyUSB0")):
        assert "[::1]:502" in said or "/dev/ttyUSB0" in said or said == "this machine's network is down"
        assert "Errno" not in said
