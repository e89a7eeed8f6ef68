"""A bus whose devices are taken away while it is down, and given back."""

import socket

from tests.modbus.lane import GATEWAY, detector, fleet, running


async def test_a_bus_that_is_given_devices_again_while_it_is_down_is_told_down_again():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        url = f"modbus+tcp://127.0.0.1:{nobody.getsockname()[1]}"
        full, empty = fleet(url, (11, "1", detector())), fleet(url)
        async with running(full) as (link, taker):
            await taker.until(lambda: taker.all("down"))
            link.replace(empty)
            link.replace(full)
            await taker.until(lambda: len(taker.all("down")) == 2)
    assert [gateway for gateway, _ in taker.all("down")] == [GATEWAY, GATEWAY]
    assert taker.all("up") == []
