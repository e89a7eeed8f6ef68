"""A change of the registry takes effect without a restart, and touches nothing but what changed."""

import dataclasses

import msgspec

from devices.codecs.frame import FrameState
from devices.fleet import Fleet
from devices.sites import Device
from ingest.links import Sending
from ingest.modbus_stations import lay_out
from tests.modbus.lane import close, detector, fleet, running, valve
from tests.modbus.outstation import TcpOutstation


async def outstation() -> TcpOutstation:
    made = TcpOutstation()
    await made.start()
    return made


async def test_devices_come_and_go_while_the_connection_and_the_others_stay():
    station = await outstation()
    url = f"modbus+tcp://127.0.0.1:{station.port}"
    try:
        async with running(fleet(url, (11, "1", detector()))) as (link, taker):
            await taker.until(lambda: taker.frames(11))
            link.replace(fleet(url, (11, "1", detector()), (12, "2", detector()), (20, "9", valve())))
            await taker.until(lambda: taker.frames(12) and taker.frames(20))
            assert close(link, 20) is Sending.QUEUED
            await taker.until(lambda: taker.all("acknowledged"))
            link.replace(fleet(url, (12, "2", detector())))
            assert close(link, 20) is Sending.UNREACHABLE
            gone = len(taker.frames(11))
            before = len(taker.frames(12))
            await taker.until(lambda: len(taker.frames(12)) >= before + 4)
            assert len(taker.frames(11)) <= gone + 1  # what was in flight
            assert link.gauges()["modbus_units"] == 1
        assert station.connections == 1
    finally:
        await station.stop()


async def test_a_device_may_move_to_another_unit_and_a_gateway_to_another_address():
    here, there = await outstation(), await outstation()
    try:
        first = f"modbus+tcp://127.0.0.1:{here.port}"
        async with running(fleet(first, (11, "1", detector()))) as (link, taker):
            await taker.until(lambda: taker.frames(11))
            link.replace(fleet(first, (11, "5", detector())))
            await taker.until(lambda: any(asked.unit == 5 for asked in here.asked))
            link.replace(fleet(f"modbus+tcp://127.0.0.1:{there.port}", (11, "5", detector())))
            await taker.until(lambda: len(there.asked) >= 4)
            known = len(taker.frames(11))
            await taker.until(lambda: len(taker.frames(11)) >= known + 2)
            numbers = [seq for _, seq, _ in taker.frames(11)]
            assert numbers == sorted(set(numbers))
            link.replace(fleet(""))
            assert link.gauges()["modbus_buses"] == 0
    finally:
        await here.stop()
        await there.stop()


async def test_a_model_that_changed_is_read_by_its_new_map():
    station = await outstation()
    url = f"modbus+tcp://127.0.0.1:{station.port}"
    try:
        async with running(fleet(url, (11, "1", detector()))) as (link, taker):
            await taker.until(lambda: taker.frames(11))
            model = detector()
            assert model.modbus is not None
            short = msgspec.structs.replace(model.modbus, field=model.modbus.field[:1])
            link.replace(fleet(url, (11, "1", msgspec.structs.replace(model, modbus=short))))
            await taker.until(lambda: len(taker.frames(11)[-1][2]) == 4)
        assert {len(words) for state, _, words in taker.frames(11) if state is FrameState.FRESH} == {4, 6}
    finally:
        await station.stop()


async def test_a_pulse_is_ended_even_when_the_valve_leaves_the_registry_meanwhile():
    station = await outstation()
    url = f"modbus+tcp://127.0.0.1:{station.port}"
    try:
        devices = [(20, "9", valve(style="one_shot", pulse_ms=200)), (11, "1", detector())]
        async with running(fleet(url, *devices)) as (link, taker):
            await taker.until(lambda: taker.frames(20))
            close(link, 20)
            await taker.until(lambda: taker.all("acknowledged"))
            link.replace(fleet(url, devices[1]))
            await taker.until(lambda: link.gauges()["modbus_releases_total"] == 1)
        assert station.banks[9].coils == {1: 0}
    finally:
        await station.stop()


def test_what_cannot_be_polled_is_left_out_by_name_and_takes_nobody_with_it():
    """Most of it is refused with the registry; a link that met it all the same must not fall over it."""
    sound = fleet(
        "modbus+tcp://127.0.0.1:502",
        *((number, str(number), detector()) for number in (11, 12, 13)),
        (14, "0", valve()),
        others=(
            Device(60, "acme", "twin", "gateway", "boiler-room", address="modbus+tcp://127.0.0.1:503"),
            Device(61, "acme", "odd", "gateway", "boiler-room", address="modbus+tcp://127.0.0.1:504"),
        ),
    )
    assert len(lay_out(sound).buses) == 3
    assert not lay_out(sound).unusable
    found = lay_out(
        readdressed(sound, d12="1/2", d13="x", twin="modbus+tcp://127.0.0.1:502?gap_ms=5", odd="modbus+tcp://")
    )
    assert list(found.buses) == [1]
    members = [one.device_no for station in found.buses[1].stations.values() for one in station.members]
    assert sorted(members) == [11, 14]
    assert len(found.unusable) == 4
    assert all(any(name in words for words in found.unusable) for name in ("d12", "d13", "twin", "odd"))
    serial = lay_out(readdressed(sound, g1="modbus+rtu:/dev/ttyS9", d11="248"))
    assert sorted(key.unit for key in serial.buses[1].stations) == [12, 13]
    assert len(serial.unusable) == 2  # units 248 and 0


def readdressed(known: Fleet, **addresses: str) -> Fleet:
    """The same devices at addresses that a registry would refuse."""
    moved = (
        msgspec.structs.replace(one, address=addresses[one.serial])
        if one is not None and one.serial in addresses
        else one
        for one in known.devices
    )
    return dataclasses.replace(known, devices=tuple(moved))
