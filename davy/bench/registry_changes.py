"""What a change of the registry costs an engine: how long until it judges by it, and what alarms wait meanwhile.

The engine is a process of its own. Changes go through its door as the follower's do, one a second, of every sort in
turn; alarms go through the same door, so that their time holds one cycle with its commit and nothing of MQTT.
"""

import asyncio
import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from davy.bench.figure import Figure, Run
from davy.bench.rig import Rig, engine, usage
from devices.models import load_catalogue
from devices.sites import Credential, Device, Link, Registry, RegistryChange, Site, encode_change, token_sha256

#: Promised: a change reaches the engine in less than a second.
PROMISED_MS = 1_000.0
ALARMS_PER_S = 20
_DETECTOR, _VALVE = "sim_detector_home", "sim_valve_shut_off"


async def registry_changes(devices: int, seconds: int, runs: int, where: Path | None) -> Figure:
    """The slowest of a run's changes, in milliseconds."""
    town = _town(devices)
    measured = []
    for _ in range(runs):
        async with engine(town, where) as rig:
            measured.append(await _run(rig, town, seconds))
    return Figure(
        name=f"a change of a registry of {devices:,} devices, until the engine judges by it",
        unit="ms",
        runs=tuple(measured),
        at_most=PROMISED_MS,
    )


async def _run(rig: Rig, town: Registry, seconds: int) -> Run:
    detectors = itertools.cycle([device for device in town.devices if device.model == _DETECTOR])
    cpu = [usage(rig.pid).cpu_s]
    alone = await _alarms(rig, detectors, seconds)
    cpu.append(usage(rig.pid).cpu_s)
    changes: list[float] = []
    changing = asyncio.create_task(_change(rig, town, seconds, changes))
    beside = await _alarms(rig, detectors, seconds)
    await changing
    cpu.append(usage(rig.pid).cpu_s)
    return Run(
        max(changes),
        notes={
            "median ms": sorted(changes)[len(changes) // 2],
            "alarm p50 ms alone": _at(alone, 0.5),
            "alarm p99 ms alone": _at(alone, 0.99),
            "alarm p50 ms beside": _at(beside, 0.5),
            "alarm p99 ms beside": _at(beside, 0.99),
            "alarm worst ms beside": max(beside),
            "CPU ms per change": (cpu[2] - 2 * cpu[1] + cpu[0]) / len(changes) * 1e3,
            "engine MiB": usage(rig.pid).resident_bytes / 2**20,
        },
    )


async def _alarms(rig: Rig, detectors: Iterator[Device], seconds: int) -> list[float]:
    """Milliseconds from the first alarm of a device to the answer, which comes after the commit."""
    took: list[float] = []
    began = time.perf_counter()
    for number in range(seconds * ALARMS_PER_S):
        await asyncio.sleep(max(0.0, began + number / ALARMS_PER_S - time.perf_counter()))
        device = next(detectors)
        reading = {"boot": 1, "seq": number + 1, "ts": time.time_ns() // 1_000_000, "high_alarm": True}
        at = time.perf_counter()
        await rig.door.push(
            principal=device.identity,
            identity=device.identity,
            payloads=(json.dumps(reading).encode(),),
            content_type="application/json",
        )
        took.append((time.perf_counter() - at) * 1e3)
    return took


async def _change(rig: Rig, town: Registry, seconds: int, took: list[float]) -> None:
    began = time.perf_counter()
    for number, change in zip(range(seconds), _changes(town), strict=False):
        await asyncio.sleep(max(0.0, began + number - time.perf_counter()))
        at = time.perf_counter()
        await rig.door.change_registry(number + 2, number + 1, encode_change(change))
        took.append((time.perf_counter() - at) * 1e3)


def _changes(town: Registry) -> Iterator[RegistryChange]:
    """One device is edited, a site is, a home is new, a token is another; and so on."""
    for number in itertools.count():
        device = town.devices[(number * 7_919 + 3) % len(town.devices)]
        site = town.sites[(number * 104_729) % len(town.sites)]
        edited = msgspec.structs.replace(device, calibration_due=f"20{30 + number % 60}-01-01")
        yield RegistryChange(put=Registry(devices=(edited,)))
        yield RegistryChange(put=Registry(sites=(msgspec.structs.replace(site, name=f"site {number}"),)))
        yield _home(len(town.devices) + 2 * number + 1, f"new-{number}")
        token = Credential(device.identity, token_sha256(f"token {number}"))
        yield RegistryChange(put=Registry(credentials=(token,)))


def _home(device_no: int, key: str) -> RegistryChange:
    detector = Device(device_no, "davysim", f"{key}-d", _DETECTOR, key)
    valve = Device(device_no + 1, "davysim", f"{key}-v", _VALVE, key)
    return RegistryChange(
        put=Registry(
            sites=(Site(key, enterprise="gas-0", area="500100", simulated=True),),
            devices=(detector, valve),
            links=(Link(detector.identity, valve.identity),),
            credentials=(Credential(detector.identity, token_sha256(key)),),
        )
    )


def _town(devices: int) -> Registry:
    """Homes of two detectors and a valve, of three gas companies in forty areas."""
    homes = devices // 3
    sites, made, links = [], [], []
    for number in range(homes):
        key, first = f"s{number}", 3 * number + 1
        sites.append(
            Site(
                key,
                enterprise=f"gas-{number % 3}",
                timezone="Asia/Shanghai",
                simulated=True,
                area=f"5001{number % 40:02d}",
                building=f"b{number // 30}",
                riser=f"r{number // 10}",
            )
        )
        detectors = [Device(first + at, "davysim", f"{key}-d{at}", _DETECTOR, key) for at in range(2)]
        valve = Device(first + 2, "davysim", f"{key}-v", _VALVE, key)
        made += [*detectors, valve]
        links.append(Link(detectors[0].identity, valve.identity))
    credentials = [Credential(device.identity, token_sha256(device.identity)) for device in made]
    # Nobody reports here, and nobody shall be silent: what a city does that falls silent is another figure.
    models = tuple(msgspec.structs.replace(model, report_interval_s=86_400.0) for model in load_catalogue())
    return Registry(models, tuple(sites), tuple(made), tuple(links), tuple(credentials))


def _at(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
