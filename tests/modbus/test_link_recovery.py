"""A link that hangs up, comes back with nonsense, or passes on what another asked for: what the poller makes of it.

The contract of recovery: a bus that waits costs nothing, whatever it waits for; a gateway that is there, with wrong
replies only, is asked at the units' own times and no oftener, and its valves can be told to close; where frames have
no number, nothing is asked before what may still be under way has passed.
"""

from random import Random

import pytest

from devices.codecs.frame import FrameState
from devices.fleet import Fleet
from ingest.modbus import ModbusLink
from tests.modbus.lane import Taker, detector, fleet, steady_us, utc_us
from tests.modbus.outstation import TcpOutstation

FRESH, STALE, NO_REPLY = FrameState


@pytest.fixture
async def outstation():
    made = TcpOutstation()
    await made.start()
    yield made
    await made.stop()


class Counted:
    """A clock that counts how often it is looked at: a bus looks at it in every turn."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self) -> int:
        self.looks += 1
        return steady_us()


async def polling(first: Fleet, steady: Counted) -> tuple[ModbusLink, Taker]:
    taker = Taker()
    link = ModbusLink(taker.wake, utc_us, utc_us, steady, Random(1), down_after_s=0.5)
    taker.link = link
    link.replace(first)
    await link.start()
    return link, taker


async def test_a_bus_that_waits_for_the_pause_of_a_unit_that_hung_up_does_nothing_meanwhile(outstation):
    steady = Counted()
    model = detector(interval_s=0.2, gap_ms=400)
    link, taker = await polling(fleet(f"modbus+tcp://127.0.0.1:{outstation.port}", (20, "9", model)), steady)
    try:
        await taker.until(lambda: taker.frames(20))
        for _ in range(3):
            heard = taker.states(20).count(FRESH)
            outstation.tricks[9] = "hang up"
            asked = len(outstation.asked)
            await taker.until(lambda asked=asked: len(outstation.asked) > asked)
            outstation.tricks.clear()
            await taker.until(lambda heard=heard: taker.states(20).count(FRESH) > heard)
        # 0.1 s of a bus that asks its clock in a row are some 100,000 looks.
        assert steady.looks < 2_000
    finally:
        await link.close()
