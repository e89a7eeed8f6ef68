"""`davy bench coverage`: a city of a million sites, as columns alone and from a real PostgreSQL; each in a process of
its own, whose peak memory is read when it ends."""

import asyncio
import multiprocessing
import resource
import shutil
import time
from datetime import date
from pathlib import Path

import numpy as np

from davy.bench.figure import Figure, Run
from davy.bench.whole import open_folder
from davy.database import database
from davy.settings import load_settings
from devices.coverage_columns import NO_DAY, AsOf, Devices, Sites, Words, day_number
from devices.coverage_policy import load_policies
from devices.models import load_catalogue
from storage.migrate import migrate

SITES, DEVICES = 1_000_000, 1_400_000
#: What was promised: docs/COVERAGE.md.
PROMISED_S, PROMISED_MIB = 20.0, 2_048.0
_DAY = date(2022, 6, 30)
_DAY_US = 86_400_000_000


def coverage_figures(runs: int, where: Path | None) -> list[Figure]:
    """Seconds and peak memory of both."""
    columns = [_apart(_columns, seed) for seed in range(runs)]
    stored = asyncio.run(_stored(runs, where))
    return [
        *_figures(f"coverage of {SITES:,} sites with {DEVICES:,} devices, from columns", columns),
        *_figures("the same with everything read from PostgreSQL", stored),
    ]


def _figures(name: str, measured: list[tuple[float, float, dict[str, float]]]) -> list[Figure]:
    took = tuple(Run(seconds, notes=notes) for seconds, _, notes in measured)
    memory = tuple(Run(mib) for _, mib, _ in measured)
    return [
        Figure(name, "s", took, at_most=PROMISED_S),
        Figure(f"{name}: peak memory", "MiB", memory, at_most=PROMISED_MIB),
    ]


def _apart(work: object, *arguments: object) -> tuple[float, float, dict[str, float]]:
    """(seconds, peak MiB, notes) of `work` in a new process."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        found: tuple[float, float, dict[str, float]] = pool.apply(_measured, (work, arguments))
    return found


def _measured(work: object, arguments: tuple[object, ...]) -> tuple[float, float, dict[str, float]]:
    assert callable(work)
    seconds, notes = work(*arguments)
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, notes


def _columns(seed: int) -> tuple[float, dict[str, float]]:
    from storage.coverage_gather import Gathered, Question
    from storage.coverage_making import make

    sites, devices = random_city(seed)
    until_us = (day_number(_DAY) + 1) * _DAY_US
    gathered = Gathered(sites, devices, AsOf(_DAY, until_us), "")
    begun, cpu = time.perf_counter(), time.process_time()
    made = make(load_policies()["wulong_2022_targets"], gathered, Question("", _DAY, "UTC", until_us, until_us))
    took, cpu = time.perf_counter() - begun, time.process_time() - cpu
    return took, {"own CPU s": cpu, "gaps": float(len(made.gaps)), "cells": float(len(made.cells))}


def random_city(seed: int) -> tuple[Sites, Devices]:
    """27 townships, 12 property managers; a tenth of the devices fails some condition."""
    r, today = np.random.default_rng(seed), day_number(_DAY)

    def days(n: int, low: int, high: int, unknown: float) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        return np.where(r.random(n) < unknown, NO_DAY, r.integers(low, high, n)).astype(np.int32)

    def words(n: int, *every: str) -> Words:
        return Words(r.integers(0, len(every), n).astype(np.int32), tuple(sorted(every)))

    sites = Sites(
        keys=tuple(f"S{n:07}" for n in range(SITES)),
        resident=r.random(SITES) < 0.95,
        old=r.random(SITES) < 0.3,
        new=np.zeros(SITES, np.bool_),
        hardship=r.random(SITES) < 0.05,
        height_m=r.uniform(6, 120, SITES).astype(np.float32),
        gas_on=days(SITES, today - 9_000, today, 0.02),
        contact=days(SITES, today - 420, today, 0.05),
        supply=words(SITES, "natural_gas"),
        area=words(SITES, *(f"500156{n:03}" for n in range(27))),
        department=words(SITES, "", "商务", "教育", "卫健"),
        enterprise=words(SITES, "gas-a", "gas-b"),
        manager=words(SITES, *(f"pm-{n}" for n in range(12))),
    )
    devices = Devices(
        identities=tuple(f"davysim/D{n:07}" for n in range(DEVICES)),
        site=r.integers(0, SITES, DEVICES).astype(np.int32),
        kind=words(DEVICES, "detector", "self_closing_valve"),
        tier=words(DEVICES, "low", "mid", "high"),
        seen_us=np.where(r.random(DEVICES) < 0.95, today * _DAY_US, 0),
        interval_s=np.full(DEVICES, 60, np.float32),
        installed=days(DEVICES, today - 1_500, today, 0.02),
        calibration_due=days(DEVICES, today - 20, today + 365, 0.02),
        life_end=days(DEVICES, today - 30, today + 2_000, 0.01),
        ruled=np.ones(DEVICES, np.bool_),
        closed=days(DEVICES, today - 400, today, 0.2),
        evidence=days(DEVICES, today - 400, today, 0.2),
        worked=days(DEVICES, today - 400, today, 0.2),
    )
    return sites, devices


# ---- from the database -----------------------------------------------------------------------------------------------

#: A city straight into the tables: the register's history and owners by the triggers, as by an import.
_CITY = (
    """INSERT INTO site (key, area, enterprise, manager, site_class, neighbourhood, hardship, building_height_m,
    gas_on, gas_supply) SELECT 'S' || lpad(n::text, 7, '0'), '500156' || lpad((n % 27)::text, 3, '0'), 'gas-' || n % 2,
    'pm-' || n % 12, CASE WHEN n % 20 = 0 THEN 'catering' ELSE '' END, CASE WHEN n % 3 = 0 THEN 'old' ELSE '' END,
    CASE WHEN n % 19 = 0 THEN '低保' ELSE '' END, 6 + n % 114, DATE '2015-01-01' + (n % 2700), 'natural_gas'
    FROM generate_series(1, {sites}) n""",
    """INSERT INTO device (vendor, serial, model, site, installed, calibration_due) SELECT 'davysim', 'D' || n,
    CASE WHEN n % 2 = 0 THEN 'sim_detector_home' ELSE 'sim_valve_self_closing' END,
    'S' || lpad((n % {sites} + 1)::text, 7, '0'), current_date - (n % 1500), current_date - 20 + (n % 365)
    FROM generate_series(1, {devices}) n""",
    """INSERT INTO device_latest (ts, received, seq, flags, quality, device_no, boot, valve, valve_cause,
    combustible_lel) SELECT now() - interval '2 hours', now(), 1, 0, 0, device_no, 1, CASE WHEN model LIKE '%valve%'
    THEN 1 ELSE 0 END, 0, 1 FROM device WHERE device_no % 20 <> 0""",
    """INSERT INTO valve_closed SELECT device_no, current_date - (device_no % 400), now() - (device_no % 400) *
    interval '1 day' FROM device WHERE model LIKE '%valve%' AND device_no % 5 <> 0""",
    """INSERT INTO person (tenant, key) SELECT 'gas-0', key FROM site""",
    """INSERT INTO site_role (tenant, person, site, role) SELECT 'gas-0', key, key, 'resident' FROM site""",
    """INSERT INTO contact (tenant, person, channel, proven) SELECT 'gas-0', key, 'sms', current_date - (random() *
    420)::int FROM site""",
    "ANALYZE",
)


async def _stored(runs: int, where: Path | None) -> list[tuple[float, float, dict[str, float]]]:
    """In an embedded PostgreSQL of its own, gone after."""
    folder = open_folder(where)
    settings = load_settings({"DAVY_CONFIG": "", "DAVY_DATA": str(folder / "data")}, folder)
    try:
        async with database(settings, make=True) as url:
            await migrate(url)
            await _fill(url)
            return [await asyncio.to_thread(_apart, _from_database, url) for _ in range(runs)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _fill(url: str) -> None:
    from storage.database import connect
    from storage.registry_models import model_document

    connection = await connect(url, name="bench coverage")
    try:
        for model in load_catalogue():
            await connection.execute(
                "INSERT INTO device_model (key, kind, vendor, name, document) VALUES (%s, %s, %s, %s, %s)",
                (model.key, str(model.kind), model.vendor, model.name, model_document(model)),
            )
        for one in _CITY:
            await connection.execute(one.format(sites=SITES, devices=DEVICES).encode())
    finally:
        await connection.close()


def _from_database(url: str) -> tuple[float, dict[str, float]]:
    return asyncio.run(_report(url))


async def _report(url: str) -> tuple[float, dict[str, float]]:
    from storage.coverage_gather import gather, question_of, today
    from storage.coverage_making import Occasion, keep, make
    from storage.database import connect

    policy, now_us = load_policies()["wulong_2022_targets"], time.time_ns() // 1_000
    connection = await connect(url, name="bench coverage")
    try:
        question = question_of("500156", today(now_us, "UTC"), "UTC", now_us)
        begun, cpu = time.perf_counter(), time.process_time()
        gathered = await gather(connection, policy, question)
        read = time.perf_counter()
        made = make(policy, gathered, question)
        computed, cpu = time.perf_counter(), time.process_time() - cpu
        async with connection.transaction():
            await keep(connection, made, Occasion(), code="bench", now_us=now_us)
        kept = time.perf_counter()
    finally:
        await connection.close()
    notes = {"own CPU s": cpu, "read s": read - begun, "compute s": computed - read, "then keep s": kept - computed}
    return computed - begun, notes | {"gaps": float(len(made.gaps))}
