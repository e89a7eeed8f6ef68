"""G3: alarms, acknowledgements and shut-offs need no PostgreSQL, and an engine restarted without it still protects
from its own store. No test of this file has a database."""

from pathlib import Path

from rules.decisions import AlarmState, Outcome
from rules.instructions import Acknowledge, CloseValve
from tests.guarantees.engines import EngineProcess, door_of, engine_inside
from tests.guarantees.sayings import leak, position
from tests.guarantees.talker import Talker
from tests.guarantees.town import detector, town, valve


async def test_g3_a_killed_engine_comes_back_without_a_database_and_shuts_the_valve(tmp_path: Path) -> None:
    engine = EngineProcess(tmp_path / "data")
    await engine.started(town(1))
    engine.kill()
    await engine.started()
    closer, talker = Talker(engine.port, valve(0)), Talker(engine.port, detector(0))
    await closer.connect()
    await closer.listen_for_commands()
    await talker.connect()
    await talker.said(detector(0), leak(1))
    await closer.until(lambda: bool(closer.heard))
    assert closer.heard[0]["verb"] == "close"
    door = await door_of(engine.settings)
    (alarm,) = (await door.alarms()).alarms
    said = Acknowledge(at=0, id="ack-1", by="night shift", alarm=alarm.alarm)
    assert (await door.instruct(said)).accepted
    (alarm,) = (await door.alarms()).alarms
    assert (alarm.state, alarm.acknowledged_by) == (AlarmState.ACKNOWLEDGED, "night shift")
    await closer.said(valve(0), position(1, "closed"))
    (wanted,) = (await door.wanted()).wanted
    assert wanted.outcome is Outcome.CONFIRMED
    await door.close()
    for one in (closer, talker):
        await one.close()
    engine.end()


async def test_g3_an_alarm_a_wanted_position_and_an_acknowledgement_survive_kill_9(tmp_path: Path) -> None:
    engine = EngineProcess(tmp_path / "data")
    await engine.started(town(1))
    talker = Talker(engine.port, detector(0))
    await talker.connect()
    await talker.said(detector(0), leak(1))
    door = await door_of(engine.settings)
    (alarm,) = [one for one in (await door.alarms()).alarms if one.rule == "ch4-high"]
    await door.instruct(Acknowledge(at=0, id="ack-1", by="night shift", alarm=alarm.alarm))
    (before,) = (await door.wanted()).wanted
    await door.close()
    engine.kill()
    await talker.close()
    await engine.started()
    door = await door_of(engine.settings)
    kept = {one.alarm: one for one in (await door.alarms()).alarms}
    assert kept[alarm.alarm].state is AlarmState.ACKNOWLEDGED
    closer = Talker(engine.port, valve(0))
    await closer.connect()
    await closer.listen_for_commands()
    await closer.until(lambda: bool(closer.heard))
    (after,) = (await door.wanted()).wanted
    assert after.wanted == before.wanted
    assert len(after.steps) > len(before.steps), "the restarted engine tries again by itself"
    again = await door.instruct(Acknowledge(at=0, id="ack-1", by="night shift", alarm=alarm.alarm))
    assert again.accepted, "the same instruction is answered as it was, not done again"
    await door.close()
    await closer.close()
    engine.end()


async def test_g3_a_person_closes_a_valve_and_a_device_without_an_actuator_cannot_be_commanded(tmp_path: Path) -> None:
    async with engine_inside(tmp_path / "data", town(1)) as (settings, door):
        closer = Talker(settings.mqtt_port, valve(0))
        await closer.connect()
        await closer.listen_for_commands()
        said = CloseValve(at=0, id="c1", by="duty desk", device_no=11, reason="smell of gas reported")
        closed = await door.instruct(said)
        assert closed.accepted
        await closer.until(lambda: bool(closer.heard))
        assert closer.heard[0]["reason"] == "smell of gas reported"
        no = await door.instruct(CloseValve(at=0, id="c2", by="duty desk", device_no=10, reason="x"))
        assert not no.accepted
        assert "declares no actuator" in no.reason
        await closer.close()
