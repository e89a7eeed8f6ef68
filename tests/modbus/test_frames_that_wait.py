"""What a real poller read, judged by a registry that changed while it waited."""

import struct

import msgspec

from devices.codecs.decoded import Decoded
from devices.fleet import Fleet
from devices.models import DeviceModel
from devices.quantities import ValvePosition
from devices.register_map import Term, ValveWhen
from engine.decoding import decode_messages
from engine.taken import Taken, joined
from ingest.modbus import ModbusLink
from tests.modbus.lane import detector, fleet, running, valve
from tests.modbus.outstation import TcpOutstation

OPEN = 1000
NAMES = ("combustible_lel", "valve")


def upside_down(model: DeviceModel) -> DeviceModel:
    """A map with as many words, to which what is open here is closed."""
    assert model.modbus is not None
    closed = ValveWhen(position="closed", when=(Term(field="position", one_of=(OPEN,)),))
    return msgspec.structs.replace(model, key="other", modbus=msgspec.structs.replace(model.modbus, valve=(closed,)))


def decoded(link: ModbusLink, known: Fleet) -> Decoded:
    arrivals = link.take(8192)
    assert arrivals is not None
    taken = (Taken(link, arrivals, 0),)
    return decode_messages(taken, joined(taken), known)


async def test_an_open_valve_is_not_read_as_closed_by_the_map_that_its_unit_gets_while_the_frame_waits():
    station = TcpOutstation()
    await station.start()
    station.banks[9].inputs[6] = OPEN
    url = f"modbus+tcp://127.0.0.1:{station.port}"
    here = valve(interval_s=0.1)
    try:
        for after in (fleet(url, (20, "8", here)), fleet(url, (20, "9", upside_down(here)))):
            async with running(fleet(url, (20, "9", here))) as (link, taker):
                await taker.until(lambda: taker.frames(20))
                taker.paused = True
                await taker.until(lambda: link.gauges()["modbus_frames_waiting"] == 1)
                link.replace(after)
                found = decoded(link, after)
                assert len(found.rows) == 0
                assert "read before the registry changed" in found.refused[0].reason
    finally:
        await station.stop()


async def test_after_a_change_the_next_frame_of_a_device_is_read_as_the_registry_says_now():
    station = TcpOutstation()
    await station.start()
    station.banks[9].inputs[6] = OPEN
    high, low = struct.unpack(">HH", struct.pack(">f", 12.5))
    station.banks[9].holding.update({0: high, 1: low})
    url = f"modbus+tcp://127.0.0.1:{station.port}"
    here = valve(interval_s=0.1)
    after = fleet(url, (20, "9", upside_down(here)), (11, "9", detector(interval_s=0.1)))
    try:
        async with running(fleet(url, (20, "9", here))) as (link, taker):
            await taker.until(lambda: taker.frames(20))
            link.replace(after)
            before = len(taker.takes)

            def seen() -> set[float]:
                took = [(Taken(link, one, 0),) for one in taker.takes[before:] if one.device_no]
                rows = [decode_messages(one, joined(one), after).rows for one in took]
                return {float(number) for of_one in rows for name in NAMES for number in of_one[name]}

            await taker.until(lambda: {12.5, float(ValvePosition.CLOSED)} <= seen())
    finally:
        await station.stop()
