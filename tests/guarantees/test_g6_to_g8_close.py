"""G6, G7 and G8 end to end: CLOSE is attempted until the valve is seen closed, an acknowledgement is not a position,
and no attempt outlives its expiry."""

import asyncio
import time
from datetime import datetime
from pathlib import Path

from engine.client import DoorClient
from rules.decisions import Outcome, Step
from rules.instructions import CancelClose
from tests.guarantees.engines import engine_inside
from tests.guarantees.sayings import leak, position
from tests.guarantees.talker import Talker
from tests.guarantees.town import detector, town, valve


async def rule_open(door: DoorClient, rule: str, within_s: float = 20.0) -> None:
    async with asyncio.timeout(within_s):
        while rule not in {alarm.rule for alarm in (await door.alarms()).alarms}:
            await asyncio.sleep(0.05)


async def test_g6_g7_a_valve_that_only_acknowledges_raises_an_alarm_and_attempts_go_on_until_it_is_seen_closed(
    tmp_path: Path,
) -> None:
    async with engine_inside(tmp_path / "data", town(1)) as (settings, door):
        closer, talker = Talker(settings.mqtt_port, valve(0)), Talker(settings.mqtt_port, detector(0))
        await closer.connect()
        await closer.listen_for_commands()
        await talker.connect()
        await talker.said(detector(0), leak(1))
        await closer.until(lambda: bool(closer.heard))
        await closer.said(valve(0), {"id": closer.heard[0]["id"], "valve": "open"}, kind="reply")
        await rule_open(door, "valve-not-closed")
        (wanted,) = (await door.wanted()).wanted
        assert wanted.outcome is None
        assert {step.step for step in wanted.steps} >= {Step.REQUESTED, Step.SENT, Step.ACKNOWLEDGED}
        assert len({command["id"] for command in closer.heard}) >= 3, "each attempt is a fresh command"
        await closer.said(valve(0), position(1, "closed"))
        (wanted,) = (await door.wanted()).wanted
        assert wanted.outcome is Outcome.CONFIRMED
        assert "valve-not-closed" not in {
            alarm.rule for alarm in (await door.alarms()).alarms if alarm.state.name == "UNACKNOWLEDGED"
        }
        await closer.close()
        await talker.close()


async def test_g6_a_valve_that_comes_back_is_told_at_once_and_a_named_person_can_end_the_attempts(
    tmp_path: Path,
) -> None:
    async with engine_inside(tmp_path / "data", town(1)) as (settings, door):
        talker, closer = Talker(settings.mqtt_port, detector(0)), Talker(settings.mqtt_port, valve(0))
        await talker.connect()
        await talker.said(detector(0), leak(1))
        (wanted,) = (await door.wanted()).wanted
        assert Step.FAILED in {step.step for step in wanted.steps} or wanted.steps[-1].step is Step.REQUESTED
        await closer.connect()
        await closer.listen_for_commands()
        await closer.until(lambda: bool(closer.heard))
        said = CancelClose(at=0, id="x", by="field crew 7", wanted=wanted.wanted, reason="closed by hand upstream")
        assert (await door.instruct(said)).accepted
        (wanted,) = (await door.wanted()).wanted
        assert wanted.outcome is Outcome.CANCELLED
        await talker.close()
        await closer.close()


async def test_g8_every_command_carries_its_expiry_and_is_not_sent_past_it(tmp_path: Path) -> None:
    async with engine_inside(tmp_path / "data", town(1)) as (settings, _):
        closer, talker = Talker(settings.mqtt_port, valve(0)), Talker(settings.mqtt_port, detector(0))
        await closer.connect()
        await closer.listen_for_commands()
        await talker.connect()
        await talker.said(detector(0), leak(1))
        await closer.until(lambda: len(closer.heard) >= 2)
        for command in closer.heard:
            issued, expires = (datetime.fromisoformat(str(command[key])) for key in ("issued", "expires"))
            assert (expires - issued).total_seconds() == 30
            assert expires.timestamp() > time.time()
        await closer.close()
        await talker.close()
