"""The feed of changes, read while it grows: whatever the batches and the pages, everything comes once, in order."""

import random

import pytest

from access.enterprises import EnterpriseKind
from devices.models import load_catalogue
from devices.sites import Device, Registry, Site
from rules import decisions as d
from storage import change_feed
from storage.batch import assemble
from storage.change_feed import Place, Within, ends, events, reach
from storage.database import connect, ready
from storage.tenants import Tenant, in_the_name_of, roles_of
from storage.writer import Writer
from tests.storage.cycles import SECOND, T0, cycle
from tests.storage.registered import registered

AREAS = ("500156", "500101", "")


def _registry() -> Registry:
    sites = tuple(Site(f"site-{n}", enterprise="gas-a", area=area) for n, area in enumerate(AREAS))
    models = tuple(model for model in load_catalogue() if model.key == "sim_detector_home")
    devices = tuple(Device(n + 1, "acme", f"d{n}", "sim_detector_home", f"site-{n}") for n in range(len(AREAS)))
    return Registry(models=models, sites=sites, devices=devices)


def _decided(chance: random.Random, at: int, serial: int) -> list[d.Decision]:
    """A few steps of alarms and of closings, some of them of rules that are only tried."""
    made: list[d.Decision] = []
    for _ in range(chance.randrange(4)):
        no = chance.randrange(len(AREAS)) + 1
        serial += 1
        if chance.random() < 0.3:
            wanted = d.wanted_id(no, serial)
            command = d.command_id(wanted, 1)
            made.append(d.CloseWanted(at=at, wanted=wanted, device_no=no, epoch=serial, reason="gas", confirm_by=at))
            made.append(
                d.AttemptRequested(
                    at=at,
                    command=command,
                    wanted=wanted,
                    device_no=no,
                    epoch=serial,
                    attempt=1,
                    expires=at,
                    reason="gas",
                )
            )
            made.append(d.CommandStepped(at=at, command=command, wanted=wanted, device_no=no, step=d.Step.SENT))
        else:
            made.append(
                d.AlarmRaised(
                    at=at,
                    alarm=d.alarm_id("gas-high", no, at + serial),
                    rule="gas-high",
                    device_no=no,
                    site=f"site-{no - 1}",
                    priority=d.Priority.HIGH,
                    onset=at,
                    state=d.AlarmState.UNACKNOWLEDGED,
                    trial=chance.random() < 0.1,
                )
            )
    return made


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_the_batches_and_the_pages_everything_comes_once_and_in_order(
    plain_url: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_feed, "MOST_LOOKED_AT", 3)
    chance, engine = random.Random(seed), f"engine-{seed}"
    area = chance.choice(("", "50", "500156"))
    within = Within(frozenset({"alarms", "commands"}), area)
    writing, asking = await connect(plain_url, name="test"), await connect(plain_url, name="test")
    try:
        await writing.execute("INSERT INTO enterprise (key, kind) VALUES ('gas-a', 'gas_company')")
        await registered(writing, _registry())
        writer = Writer(writing, engine, await ready(writing))
        await writer.open()
        roles, who = await roles_of(asking), Tenant("gas-a", EnterpriseKind.GAS_COMPANY)
        place: Place = {}
        found: list[str] = []

        async def read(limit: int) -> bool:
            """Whether there may be more."""
            nonlocal place
            last = await ends(asking)
            until = await reach(asking, place, last)
            async with in_the_name_of(asking, roles, who):
                page, place = await events(asking, within, place, until, limit=limit)
            found.extend(one.id for one in page)
            return len(page) == limit or until != last

        number = 0
        for _ in range(25):
            batch = []
            for _ in range(chance.randrange(1, 4)):
                number += 1
                at = T0 + number * SECOND
                batch.append(cycle(number, decisions=_decided(chance, at, number * 100), now=at))
            await writer.write(assemble(batch), T0 + number * SECOND)
            for _ in range(chance.randrange(3)):
                await read(chance.randrange(1, 6))
        while await read(3):
            pass
        cursor = await writing.execute(
            "SELECT e.engine || ':' || e.cycle || ':' || e.n FROM (SELECT e.engine, e.cycle, e.n, a.area"
            " FROM alarm_event e JOIN alarm a USING (alarm) WHERE NOT e.trial UNION ALL SELECT e.engine, e.cycle, e.n,"
            " w.area FROM command_step e JOIN wanted w USING (wanted)) e WHERE starts_with(e.area, %s)"
            " ORDER BY e.cycle, e.n",
            (area,),
        )
        assert found == [row[0] for row in await cursor.fetchall()]
        assert len(found) > 5
    finally:
        await writing.close()
        await asking.close()
