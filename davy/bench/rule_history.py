"""Readings as a calm city sends them, in columns: what rules are measured on."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from devices.fleet import MICROSECONDS, Fleet, build_fleet
from devices.models import DeviceKind, load_catalogue
from devices.quantities import NOTHING_MEASURED, ValvePosition, quality_shift
from devices.readings import Rows, blank
from devices.sites import Device, Link, Registry, Site

START_US = 1_800_000_000_000_000
#: In so many reports of a detector one leak begins, and one detector falls silent for a while (product choice: a city
#: of a million has some of both at any time).
CALM = 200_000
#: How many reports a leak or an absence lasts.
LASTS = 12
_CHUNK = 65_536


def homes(many: int) -> Fleet:
    """`many` homes, each a detector that closes a shut-off valve; a hundred to an area, registered for their life."""
    sites = tuple(Site(f"h{n}", area=f"{110_000 + n // 100}", timezone="Asia/Shanghai") for n in range(many))
    devices: list[Device] = []
    for n in range(many):
        devices.append(Device(2 * n + 1, "davysim", f"d{n}", "sim_detector_home", f"h{n}", installed="2026-01-01"))
        devices.append(Device(2 * n + 2, "davysim", f"v{n}", "sim_valve_shut_off", f"h{n}"))
    links = tuple(Link(f"davysim/d{n}", f"davysim/v{n}") for n in range(many))
    return build_fleet(Registry(models=load_catalogue(), sites=sites, devices=tuple(devices), links=links))


def history(fleet: Fleet, readings: int, seed: int) -> list[Rows]:
    """At least so many, in chunks in the order in which they were received. Every device reports at its interval."""
    rng = np.random.default_rng(seed)
    interval_us = fleet.interval_us
    per_s = float((MICROSECONDS / interval_us).sum())
    until = round(readings / per_s * MICROSECONDS) + 1
    rounds = np.ceil(until / interval_us).astype(np.int64)
    slots = np.repeat(np.arange(len(fleet), dtype=np.int32), rounds)
    number = np.arange(len(slots)) - np.repeat(np.cumsum(rounds) - rounds, rounds)
    phase = (rng.random(len(fleet)) * interval_us).astype(np.int64)
    received = START_US + phase[slots] + number * interval_us[slots]
    upset = _upset(fleet, slots, number, rng)
    keep = upset >= 0
    order = np.argsort(received[keep], kind="stable")
    slots, received, upset = slots[keep][order], received[keep][order], upset[keep][order]
    return [
        _rows(fleet, slots[at : at + _CHUNK], received[at : at + _CHUNK], upset[at : at + _CHUNK], rng)
        for at in range(0, len(slots), _CHUNK)
    ]


def _upset(
    fleet: Fleet, slots: NDArray[np.int32], number: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Of each report: 0 calm, 1 gas, -1 it is not sent."""
    found = np.zeros(len(slots), np.int64)
    begins = np.flatnonzero(rng.random(len(slots)) < 2 / CALM)
    for at in begins.tolist():
        lasts = slice(at, at + LASTS)
        same = slots[lasts] == slots[at]
        found[lasts][same] = 1 if rng.random() < 0.5 else -1
    return found


def _rows(
    fleet: Fleet,
    slots: NDArray[np.int32],
    received: NDArray[np.int64],
    upset: NDArray[np.int64],
    rng: np.random.Generator,
) -> Rows:
    rows = blank(len(slots))
    rows["device_no"], rows["received"], rows["ts"] = fleet.device_no[slots], received, received - 50_000
    valve = np.zeros(len(fleet), np.bool_)
    valve[list(fleet.valves)] = True
    closes = valve[slots]
    rows["valve"] = np.where(closes, ValvePosition.OPEN, ValvePosition.UNKNOWN)
    good = NOTHING_MEASURED
    for name, value in (
        ("combustible_lel", rng.random(len(slots)) + upset * rng.choice((25.0, 60.0), len(slots))),
        ("co_ppm", rng.random(len(slots)) * 5),
        ("temperature_c", 20 + rng.random(len(slots)) * 5),
    ):
        rows[name] = np.where(closes, np.nan, value)
        good &= ~(0xF << quality_shift(name))
    rows["quality"] = np.where(closes, NOTHING_MEASURED, good)
    return rows


def detectors(fleet: Fleet) -> NDArray[np.int32]:
    kinds = [model.kind if model else None for model in fleet.model_by_slot]
    return np.array([slot for slot, kind in enumerate(kinds) if kind is DeviceKind.DETECTOR], np.int32)


def chunks(rows: list[Rows]) -> Iterator[Rows]:
    yield from rows
