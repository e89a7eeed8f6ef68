"""A past to ask for: written by storage's own import, writer and roll-ups, from cycles as an engine would have
committed them."""

from dataclasses import dataclass

import msgspec
import numpy as np

from devices.models import Actuator, Reachability, Tier, load_catalogue
from devices.quantities import Flag, Quality, ValvePosition, quality_shift
from devices.readings import NO_TIME, Rows, blank
from devices.register_map import Field, RegisterMap
from devices.sites import Device, Site
from engine.records import CycleRecord
from rules import decisions as d
from storage.batch import assemble
from storage.database import connect, ready
from storage.partitions import Partitions
from storage.registry import import_registry
from storage.registry_source import parse_source
from storage.rollups import Rollups
from storage.writer import Writer
from tests.api.homes import REGISTRY
from tests.storage.cycles import HOUR, MINUTE, SECOND, T0, cycle

#: The engine whose journal was followed, and its cycles: the double begins at cycle 10.
ENGINE, CYCLES = "engine-a", 4
READINGS = 300
ALARM, WANTED = d.alarm_id("gas-high", 1, T0), d.wanted_id(2, 1)
COMMAND = d.command_id(WANTED, 1)


_MODELS = {model.key: model for model in load_catalogue()}
#: A panel's head as it would be read on a bus, and a valve that sleeps.
HEAD_MODEL = msgspec.structs.replace(
    _MODELS["sim_detector_home"],
    key="panel_head",
    verified=False,
    tier=Tier.MID,
    ranges={"combustible_lel": (0.0, 100.0)},
    certificates=("GB 15322.1-2019",),
    modbus=RegisterMap(field=(Field(name="gas", at=40001, quantity="combustible_lel", stride=1),), channels=8),
)
SLEEPER_MODEL = msgspec.structs.replace(
    _MODELS["sim_valve_shut_off"],
    key="sleeper",
    actuator=Actuator(confirm_within_s=90.0, reachability=Reachability.WAKES, wake_interval_s=3600.0),
)
BUS, HEAD, SLEEPER = "acme/bus", "acme/head3", "acme/sleeper"
#: What is registered: the homes, and a boiler room that is only ever looked at.
REGISTERED = msgspec.structs.replace(
    REGISTRY,
    models=(*REGISTRY.models, HEAD_MODEL, SLEEPER_MODEL),
    sites=(*REGISTRY.sites, Site("boiler-room", simulated=True)),
    devices=(
        *REGISTRY.devices,
        Device(12, "acme", "bus", "sim_gateway", "boiler-room", address="modbus+tcp://192.0.2.7:502"),
        Device(13, "acme", "head3", "panel_head", "boiler-room", gateway=BUS, address="7/3?base=200"),
        Device(14, "acme", "sleeper", "sleeper", "boiler-room"),
    ),
)


@dataclass(frozen=True, slots=True)
class Past:
    """300 readings of device 1, one every ten seconds from T0, and a poll of the panel's head that nobody answered; a
    closed alarm and a confirmed command."""

    url: str
    now_us: int = T0 + 2 * HOUR


def _rows() -> Rows:
    rows = blank(READINGS)
    k = np.arange(READINGS)
    rows["device_no"], rows["boot"], rows["seq"] = 1, 1, k
    rows["ts"] = T0 + k * 10 * SECOND
    rows["received"], rows["device_ts"] = rows["ts"] + 50_000, rows["ts"]
    rows["combustible_lel"] = k % 10 + 0.5
    rows["quality"] &= ~np.int64(0xF << quality_shift("combustible_lel"))
    rows["flags"][-1] = Flag.HIGH_ALARM | Flag.SUSPECT_CLOCK
    rows["device_ts"][-1] = NO_TIME
    rows["combustible_lel"][-1] = np.nan
    rows["quality"][-1] |= np.int64(Quality.SENSOR_FAULT << quality_shift("combustible_lel"))
    rows["valve"][-1] = ValvePosition.CLOSED
    return rows


def _unanswered() -> Rows:
    rows = blank(1)
    rows["device_no"], rows["seq"], rows["flags"] = 13, T0, Flag.STALE
    rows["ts"] = rows["received"] = rows["device_ts"] = T0
    gas = quality_shift("combustible_lel")
    rows["quality"] = rows["quality"] & ~np.int64(0xF << gas) | np.int64(Quality.STALE << gas)
    return rows


def _decisions() -> tuple[d.Decision, ...]:
    about = {"alarm": ALARM, "rule": "gas-high", "device_no": 1, "site": "home-1", "priority": d.Priority.HIGH}
    return (
        d.AlarmRaised(
            at=T0,
            onset=T0,
            state=d.AlarmState.UNACKNOWLEDGED,
            value=21.5,
            quantity="combustible_lel",
            note="7 readings from 120 on are missing",
            expected=T0 + HOUR,
            **about,
        ),  # type: ignore[arg-type]
        d.CloseWanted(
            at=T0,
            wanted=WANTED,
            device_no=2,
            epoch=1,
            reason="gas",
            alarm=ALARM,
            confirm_by=T0 + 10 * SECOND,
            hears_by=T0 + HOUR,
        ),
        d.AttemptRequested(
            at=T0, command=COMMAND, wanted=WANTED, device_no=2, epoch=1, attempt=1, expires=T0 + MINUTE, reason="gas"
        ),
        d.CommandStepped(at=T0 + 1, command=COMMAND, wanted=WANTED, device_no=2, step=d.Step.SENT),
        d.CommandStepped(at=T0 + SECOND, command=COMMAND, wanted=WANTED, device_no=2, step=d.Step.CONFIRMED),
        d.WantedEnded(at=T0 + SECOND, wanted=WANTED, device_no=2, outcome=d.Outcome.CONFIRMED),
        d.AlarmChanged(
            at=T0 + MINUTE,
            onset=T0,
            change=d.Change.ACKNOWLEDGED,
            state=d.AlarmState.ACKNOWLEDGED,
            by="ann",
            **about,  # type: ignore[arg-type]
        ),
        d.AlarmChanged(at=T0 + HOUR, onset=T0, change=d.Change.RETURNED, state=d.AlarmState.NORMAL, **about),  # type: ignore[arg-type]
    )


async def write_past(url: str) -> Past:
    past = Past(url)
    records: list[CycleRecord] = [
        cycle(1, _rows(), now=T0 + HOUR, extra=[(0, b'{"firmware":"1.2"}')]),
        cycle(2, decisions=_decisions(), now=T0 + HOUR),
        cycle(3, now=T0 + HOUR, duplicate=4),
        cycle(4, _unanswered(), now=T0 + HOUR, source="modbus"),
    ]
    connection = await connect(url, name="test")
    try:
        document = msgspec.json.encode(
            {
                "sites": REGISTERED.sites,
                "devices": [
                    {
                        "vendor": one.vendor,
                        "serial": one.serial,
                        "model": one.model,
                        "site": one.site,
                        "gateway": one.gateway,
                        "address": one.address,
                    }
                    for one in REGISTERED.devices
                ],
                "links": REGISTRY.links,
            }
        )
        imported = await import_registry(
            connection, parse_source(document), REGISTERED.models, dry_run=False, random_bytes=lambda n: b"\x01" * n
        )
        assert imported.applied, imported
        mode = await ready(connection)
        writer = Writer(connection, ENGINE, mode)
        await writer.open()
        await writer.write(assemble(records), past.now_us)
        await writer.show_newest(past.now_us + MINUTE)
        await Rollups(connection, Partitions(mode)).turn(past.now_us + HOUR, 0)
        await Rollups(connection, Partitions(mode)).turn(past.now_us + 2 * HOUR, 0)
    finally:
        await connection.close()
    return past
