"""G1: an acknowledgement leaves only after the reading is on disk by a completed fsync; and the one exception to
"dispatch after commit": when the commit fails, CLOSE leaves, nothing is acknowledged, and the process ends."""

import asyncio
import time
from pathlib import Path

import pytest

from engine.cycle import Ended
from engine.journal import JournalReader
from tests.guarantees.disks import Disk, watched_disk
from tests.guarantees.engines import EngineProcess, door_of, engine_inside
from tests.guarantees.sayings import leak, normal
from tests.guarantees.talker import Talker
from tests.guarantees.town import GATEWAY, detector, town, valve


async def test_g1_a_puback_comes_after_an_fsync_that_followed_the_publish(tmp_path: Path) -> None:
    with watched_disk() as disk:
        async with engine_inside(tmp_path / "data", town(2)) as (settings, _):
            talker = Talker(settings.mqtt_port, GATEWAY)
            await talker.connect()
            for seq in range(1, 30):
                published = time.perf_counter()
                await talker.said(detector(0), normal(seq))
                acknowledged = time.perf_counter()
                assert any(published < synced < acknowledged for synced in disk.synced)
            await talker.close()


async def test_g1_an_http_push_is_answered_after_an_fsync_that_followed_it(tmp_path: Path) -> None:
    with watched_disk() as disk:
        async with engine_inside(tmp_path / "data", town(1)) as (_, door):
            payload = b'{"boot":1,"seq":5,"ts":1764633600000,"combustible_lel":1}'
            began = time.perf_counter()
            pushed = await door.push(
                principal=detector(0), identity=detector(0), payloads=(payload,), content_type="application/json"
            )
            ended = time.perf_counter()
            assert (pushed.stored, pushed.duplicate, pushed.quarantined) == (1, 0, 0)
            assert any(began < synced < ended for synced in disk.synced)


async def test_g1_when_the_commit_fails_close_leaves_nothing_is_acknowledged_and_the_engine_ends(
    tmp_path: Path,
) -> None:
    with watched_disk() as disk:
        with pytest.raises(Ended):
            await _leak_on_a_full_disk(tmp_path / "data", disk)
        disk.full = False
    engine = EngineProcess(tmp_path / "data")
    await engine.started()
    talker = Talker(engine.port, detector(0))
    await talker.connect()
    await talker.said(detector(0), leak(2))
    door = await door_of(engine.settings)
    assert [alarm.rule for alarm in (await door.alarms()).alarms if alarm.identity == detector(0)] == ["ch4-high"]
    await door.close()
    await talker.close()
    engine.end()
    records = JournalReader(engine.settings.engine_store).read(0, 1 << 40)
    assert [int(seq) for record in records for seq in record.rows()["seq"]] == [1, 2]


async def _leak_on_a_full_disk(data: Path, disk: Disk) -> None:
    async with engine_inside(data, town(1)) as (settings, _):
        closer, talker = Talker(settings.mqtt_port, valve(0)), Talker(settings.mqtt_port, detector(0))
        await closer.connect()
        await closer.listen_for_commands()
        await talker.connect()
        await talker.said(detector(0), normal(1))
        disk.full = True
        talker.say(detector(0), leak(2))
        await closer.until(lambda: bool(closer.heard))
        await talker.until(lambda: talker.gone)
        assert closer.heard[0]["verb"] == "close"
        assert talker.acknowledged == [1], "the leak was not stored, so it is not acknowledged"
        await closer.close()
        await talker.close()


async def test_g1_a_poison_message_is_acknowledged_because_its_quarantine_is_on_disk(tmp_path: Path) -> None:
    async with engine_inside(tmp_path / "data", town(1)) as (settings, _):
        talker = Talker(settings.mqtt_port, detector(0))
        await talker.connect()
        await talker.said(detector(0), b'{"seq":1,"combustible_lel":NaN}')
        await talker.close()
        (record,) = [r for r in JournalReader(settings.engine_store).read(0, 1 << 40) if r.quarantined]
        (item,) = record.quarantined
        assert item.raw == b'{"seq":1,"combustible_lel":NaN}'
        assert (item.device_no, item.source) == (10, "mqtt")
        assert item.reason


async def test_g1_idle_engines_answer_within_one_commit(tmp_path: Path) -> None:
    """Nothing waits for a timer: a single reading is committed by itself."""
    async with engine_inside(tmp_path / "data", town(1)) as (settings, door):
        talker = Talker(settings.mqtt_port, detector(0))
        await talker.connect()
        before = (await door.status()).cycle
        await talker.said(detector(0), normal(1))
        await asyncio.sleep(0)
        assert (await door.status()).cycle == before + 1
        await talker.close()
