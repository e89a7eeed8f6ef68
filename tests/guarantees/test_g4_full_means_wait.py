"""G4: full means the sender waits; the last part of the store is kept for alarm-relevant readings."""

import asyncio
from pathlib import Path

import pytest

from engine.client import DoorClient, EngineBusy
from tests.guarantees.engines import engine_inside
from tests.guarantees.sayings import leak, normal
from tests.guarantees.talker import Talker
from tests.guarantees.town import detector, town, valve

SMALL = {"DAVY_STORE_CAP_BYTES": "64MiB", "DAVY_STORE_RESERVE_PCT": "50", "DAVY_CHECKPOINT_S": "1"}


async def fill(talker: Talker, door: DoorClient) -> None:
    """Say bulky nonsense, which is kept in quarantine, until the store is in its reserve."""
    while not (await door.status()).gauges["store_in_reserve"]:
        for _ in range(8):
            talker.say(detector(0), b"x" * 60_000)
        await asyncio.sleep(0)
        assert (await door.status()).cycle < 10_000


async def offer_until_taken(port: int) -> None:
    """As a device does: reconnect and offer the same reading until it is acknowledged."""
    for _ in range(30):
        talker = Talker(port, detector(0))
        await talker.connect()
        taken = await talker.offer(detector(0), normal(10_000_000))
        await talker.close()
        if taken:
            return
    raise AssertionError("the store never left its reserve")


async def test_g4_in_the_reserve_normal_readings_wait_and_alarms_are_taken(tmp_path: Path) -> None:
    async with engine_inside(tmp_path / "data", town(2), **SMALL) as (settings, door):
        talker, other, closer = (Talker(settings.mqtt_port, who) for who in (detector(0), detector(1), valve(1)))
        for one in (talker, other, closer):
            await one.connect()
        await closer.listen_for_commands()
        await fill(talker, door)
        waiting = talker.say(detector(0), normal(10_000_000))
        await other.said(detector(1), leak(1))
        await closer.until(lambda: bool(closer.heard))
        assert waiting not in talker.acknowledged
        with pytest.raises(EngineBusy) as busy:
            await door.push(
                principal=detector(0),
                identity=detector(0),
                payloads=(b'{"seq":7,"boot":2,"combustible_lel":1}',),
                content_type="application/json",
            )
        assert busy.value.retry_after_s > 0
        counts = {count.source: count for count in (await door.status()).counts}
        mqtt = counts["mqtt"]
        assert mqtt.received == mqtt.stored + mqtt.quarantined, "what waits is not counted as received"
        assert mqtt.stored == 1

        # The follower catches up; the next checkpoint lets the journal be trimmed; the sender offers again.
        await door.passed("storage", (await door.status()).cycle)
        await talker.until(lambda: talker.gone, within_s=30)
        await offer_until_taken(settings.mqtt_port)
        for one in (talker, other, closer):
            await one.close()
