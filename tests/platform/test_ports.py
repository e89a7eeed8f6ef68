"""Ports: one clear line when one cannot be had."""

import socket
from collections.abc import Callable

import pytest

from davy.exits import CannotGoOn, Exit
from davy.ports import check_free, listen


def test_a_port_in_use_is_named_with_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotGoOn, match=f"port {port} on 127.0.0.1 is in use: .*DAVY_MQTT_PORT") as refused:
            check_free("127.0.0.1", port, "mqtt")
    assert refused.value.code is Exit.PORT


def test_looking_at_a_free_port_leaves_it_free(free_port: Callable[[], int]) -> None:
    port = free_port()
    check_free("127.0.0.1", port, "http")
    with listen("127.0.0.1", port, "http") as bound:
        bound.listen()
        assert bound.getsockname()[1] == port


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(CannotGoOn, match="no such address"):
        check_free("192.0.2.1", 1883, "mqtt")  # TEST-NET-1, RFC 5737


def test_a_name_that_is_nobodys_is_refused() -> None:
    with pytest.raises(CannotGoOn, match=r"DAVY_HTTP_HOST = 'nowhere\.invalid'"):
        check_free("nowhere.invalid", 8080, "http")
