"""G9 and G10 end to end: nothing unknown reads as normal, and nothing late commands a valve."""

from pathlib import Path

from engine.journal import JournalReader
from tests.guarantees.engines import engine_inside
from tests.guarantees.sayings import leak, normal, now_ms
from tests.guarantees.talker import Talker
from tests.guarantees.town import detector, town


async def test_g9_no_hostile_payload_reads_as_normal_gas_or_stops_the_engine(tmp_path: Path) -> None:
    hostile = [
        b'{"seq":1,"combustible_lel":NaN}',
        b'{"seq":2,"combustible_lel":Infinity}',
        b'{"seq":3,"combustible_lel":1e999}',
        b'{"seq":4,"combustible_lel":-1e30}',
        b'{"seq":5,"combustible_lel":99,"combustible_lel":0}',
        b"[" * 100_000,
        b'{"seq":6,"fw":"\\ud800"}',
        b'{"seq":7,"combustible_lel":true}',
        b'{"seq":-3,"combustible_lel":1}',
        b"[]",
        b"\x00\xff",
        b"",
    ]
    async with engine_inside(tmp_path / "data", town(1)) as (settings, door):
        talker = Talker(settings.mqtt_port, detector(0))
        await talker.connect()
        for payload in hostile:
            await talker.said(detector(0), payload)
        await talker.said(detector(0), leak(100))
        assert "ch4-high" in {alarm.rule for alarm in (await door.alarms()).alarms}
        (count,) = (await door.status()).counts
        assert count.received == len(hostile) + 1
        assert count.received == count.stored + count.duplicate + count.quarantined
        records = JournalReader(settings.engine_store).read(0, 1 << 40)
        good = [row for record in records for row in record.rows() if not int(row["quality"]) & 0xF]
        assert len(good) == 1, "only the leak measured anything"
        await talker.close()


async def test_g10_backfilled_and_replayed_leaks_are_stored_and_told_but_close_nothing(tmp_path: Path) -> None:
    async with engine_inside(tmp_path / "data", town(2)) as (settings, door):
        first, second = Talker(settings.mqtt_port, detector(0)), Talker(settings.mqtt_port, detector(1))
        for one in (first, second):
            await one.connect()
        await first.said(detector(0), normal(10))
        await first.said(detector(0), leak(9, ts=now_ms() - 60_000, backfill=True))
        await second.said(detector(1), normal(10))
        await second.said(detector(1), leak(3, ts=now_ms() - 60_000))
        alarms = (await door.alarms()).alarms
        assert {(alarm.identity, alarm.late) for alarm in alarms} == {(detector(0), True), (detector(1), True)}
        assert (await door.wanted()).wanted == ()
        await first.said(detector(0), leak(11))
        assert len((await door.wanted()).wanted) == 1
        for one in (first, second):
            await one.close()


async def test_g10_a_clock_eight_hours_wrong_does_not_stop_a_newest_reading_from_acting(tmp_path: Path) -> None:
    eight_hours_ms = 8 * 3600 * 1000
    async with engine_inside(tmp_path / "data", town(3)) as (settings, door):
        for home, skew_ms in enumerate((eight_hours_ms, -eight_hours_ms, -now_ms())):
            talker = Talker(settings.mqtt_port, detector(home))
            await talker.connect()
            await talker.said(detector(home), normal(1, ts=now_ms()))
            await talker.said(detector(home), leak(2, ts=now_ms() + skew_ms))
            await talker.close()
        assert len((await door.wanted()).wanted) == 3
