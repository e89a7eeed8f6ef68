"""G6's permits, fans, and G13's budget end to end: a real engine, real connections, people at its door."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from devices.models import load_catalogue
from devices.sites import Credential, Device, MatrixRow, Registry, token_sha256
from engine.client import DoorClient
from rules.decisions import Outcome, PermitState
from rules.documents.document import default_pack
from rules.instructions import ApprovePermit, CloseValve, CompletePermit, ReleaseHeld, RequestPermit, VetoHeld
from tests.guarantees.engines import engine_inside
from tests.guarantees.sayings import leak, normal, position
from tests.guarantees.talker import Talker
from tests.guarantees.town import TOKEN, detector, town, valve

#: Software judges at 10 %LEL, one shut-off in ten minutes; the rest is what Davy comes with.
EARLY = """
[[rule]]
id = "early"
title = { zh = "早期", en = "Early" }
priority = "high"
source = "product choice"
applies_to = ["detector"]
quantity = "combustible_lel"
at_or_above = 3.0
clear_below = 2.0
action = "close_and_fan"
budget = { least = 1, share_pct = 0.0, per_s = 600.0 }
"""
FAN = "davysim/f0"


def rules_file(tmp_path: Path) -> str:
    path = tmp_path / "rules.toml"
    path.write_bytes(default_pack() + EARLY.encode())
    return str(path)


def with_fan(homes: int) -> Registry:
    plain = town(homes)
    return msgspec.structs.replace(
        plain,
        models=load_catalogue(),
        devices=(*plain.devices, Device(900, "davysim", "f0", "sim_fan", "home-0")),
        credentials=(*plain.credentials, Credential(FAN, token_sha256(TOKEN))),
        matrix=(MatrixRow("fan-0", (detector(0),), fans=(FAN,)),),
    )


@contextlib.asynccontextmanager
async def talking(port: int, identity: str, *, listening: bool = False) -> AsyncIterator[Talker]:
    talker = Talker(port, identity)
    await talker.connect()
    if listening:
        await talker.listen_for_commands()
    try:
        yield talker
    finally:
        await talker.close()


def verbs(talker: Talker) -> list[object]:
    return [command["verb"] for command in talker.heard]


async def accepted(door: DoorClient, said: object) -> str:
    answer = await door.instruct(said)  # type: ignore[arg-type]
    assert answer.accepted, answer.reason
    return answer.subject


async def test_g6_two_people_let_a_valve_be_opened_and_any_newer_close_ends_that(tmp_path: Path) -> None:
    async with (
        engine_inside(tmp_path / "data", town(1)) as (settings, door),
        talking(settings.mqtt_port, valve(0), listening=True) as closer,
    ):
        await accepted(door, CloseValve(at=0, id="1", by="anna", device_no=11, reason="smell of gas"))
        await closer.until(lambda: verbs(closer)[:1] == ["close"])
        await closer.said(valve(0), position(1, "closed"))
        permit = await accepted(door, RequestPermit(at=0, id="2", by="anna", device_no=11, reason="a new hose"))
        answer = await door.instruct(ApprovePermit(at=0, id="3", by="anna", permit=permit))
        assert (answer.accepted, answer.reason) == (
            False,
            "another person than the one who requested it must approve it",
        )
        assert "permit_open" not in verbs(closer)
        await accepted(door, ApprovePermit(at=0, id="4", by="bo", permit=permit))
        await closer.until(lambda: "permit_open" in verbs(closer))
        (leave,) = [command for command in closer.heard if command["verb"] == "permit_open"]
        assert leave["epoch"] == closer.heard[0]["epoch"]
        (view,) = (await door.permits()).permits
        assert view.state == PermitState.GRANTED
        await closer.said(valve(0), position(2, "open"))
        await accepted(door, CloseValve(at=0, id="5", by="chen", device_no=11, reason="smell again"))
        await closer.until(lambda: verbs(closer)[-1] == "close")
        assert closer.heard[-1]["epoch"] > leave["epoch"]  # type: ignore[operator]
        assert not (await door.permits()).permits
        answer = await door.instruct(CompletePermit(at=0, id="6", by="bo", permit=permit, combustible_lel=0.0))
        assert not answer.accepted
        assert verbs(closer).count("permit_open") == 1


async def test_g13_software_closes_within_its_budget_and_devices_and_people_at_once(tmp_path: Path) -> None:
    async with (
        engine_inside(tmp_path / "data", town(4), DAVY_RULES=rules_file(tmp_path)) as (settings, door),
        talking(settings.mqtt_port, "davysim/gw") as gateway,
        contextlib.AsyncExitStack() as stack,
    ):
        closers = [
            await stack.enter_async_context(talking(settings.mqtt_port, valve(n), listening=True)) for n in range(4)
        ]
        for n in range(4):
            await gateway.said(detector(n), normal(1, combustible_lel=3.5 + n))
        await closers[0].until(lambda: bool(closers[0].heard))
        held = (await door.held()).held
        assert {one.device_no for one in held} == {13, 15, 17}
        assert "shut-off-held" in {alarm.rule for alarm in (await door.alarms()).alarms}
        await gateway.said(detector(1), leak(2))  # the device says so itself
        await closers[1].until(lambda: bool(closers[1].heard))
        await accepted(door, ReleaseHeld(at=0, id="r", by="anna", rule="early", device_no=15))
        await closers[2].until(lambda: bool(closers[2].heard))
        await accepted(door, VetoHeld(at=0, id="v", by="anna", rule="early", device_no=17, reason="a test"))
        assert not (await door.held()).held
        assert not closers[3].heard


async def test_g7_a_fan_is_told_again_until_it_answers(tmp_path: Path) -> None:
    async with (
        engine_inside(tmp_path / "data", with_fan(1), DAVY_RULES=rules_file(tmp_path)) as (settings, door),
        talking(settings.mqtt_port, "davysim/gw") as gateway,
        talking(settings.mqtt_port, FAN, listening=True) as fan,
    ):
        await gateway.said(detector(0), normal(1, combustible_lel=5.0))
        await fan.until(lambda: len(fan.heard) >= 2)  # it has acknowledged, and does not answer
        assert set(verbs(fan)) == {"fan_on"}
        await fan.said(FAN, {"id": fan.heard[-1]["id"]}, kind="reply")
        async with asyncio.timeout(10):
            while not [one for one in (await door.wanted()).wanted if one.device_no == 900 and one.outcome]:
                await asyncio.sleep(0.05)
        (wanted,) = [one for one in (await door.wanted()).wanted if one.device_no == 900]
        assert wanted.outcome is Outcome.CONFIRMED
