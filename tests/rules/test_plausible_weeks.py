"""A week in which nothing is wrong: cooking, heating, wok ranges, a boiler house, devices that report once a day. All
packs together say nothing of it that a person would call false."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from devices.fleet import build_fleet
from devices.models import Actuator, DeviceKind, DeviceModel, load_catalogue
from devices.quantities import NOTHING_MEASURED, QUANTITY_NAMES, ValvePosition, quality_shift
from devices.readings import Batch, Rows, blank
from devices.sites import Device, Link, Registry, Site
from rules.decisions import AlarmRaised
from rules.documents.document import load_pack
from rules.documents.merged import built_in, built_in_packs
from rules.stepping.state import State
from rules.stepping.step import step
from tests.rules.world import SECOND, T0

DAY_S = 86_400
WEEK_S = 7 * DAY_S
#: How much of it is one step.
CUT_S = 1_800
RULES = load_pack(built_in_packs(built_in()), "all")
Values = NDArray[np.float64]


def _model(key: str, kind: DeviceKind, every_s: float, *measures: str) -> DeviceModel:
    actuator = Actuator() if kind is DeviceKind.SHUT_OFF_VALVE else None
    return DeviceModel(key, "davysim", key, kind, "made up", every_s, measures=measures, actuator=actuator)


MODELS = (
    *(one for one in load_catalogue() if one.key == "sim_valve_self_closing"),
    _model("all_round", DeviceKind.DETECTOR, 60.0, *QUANTITY_NAMES[:2], *QUANTITY_NAMES[4:]),
    _model("minutely", DeviceKind.DETECTOR, 60.0, "combustible_lel", "co_ppm"),
    _model("daily", DeviceKind.DETECTOR, DAY_S, "combustible_lel", "battery_pct"),
    _model("quiet_valve", DeviceKind.SHUT_OFF_VALVE, 3_600.0, "battery_pct"),
    _model("meter", DeviceKind.GATEWAY, 300.0, "flow_m3h", "pressure_kpa"),
)


@dataclass
class Week:
    """One site, and what its devices report. rng: of the noise."""

    site_class: str
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))
    devices: list[Device] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)

    def hears(self, name: str, model: str, **columns: Any) -> None:
        """A device that reports a week long at the interval of its model; each column: of the seconds of the week."""
        number = len(self.devices) + 1
        every_s = next(one.report_interval_s for one in MODELS if one.key == model)
        self.devices.append(Device(number, "davysim", name, model, "here", installed="2026-01-01"))
        t = np.arange(number / 100, WEEK_S, every_s)
        rows, quality = blank(len(t)), NOTHING_MEASURED
        rows["device_no"], rows["ts"] = number, T0 + np.rint(t * SECOND).astype(np.int64)
        rows["received"] = rows["ts"]
        for column, of in columns.items():
            rows[column] = of(t) if callable(of) else of
            if column in QUANTITY_NAMES:
                quality &= ~(15 << quality_shift(column))
        rows["quality"] = quality
        self.rows.append(rows)

    def noise(self, t: Values, about: float) -> Values:
        return self.rng.normal(0.0, about, len(t))

    def alarms(self) -> Iterator[AlarmRaised]:
        valves = [one.identity for one in self.devices if one.model == "quiet_valve"]
        detectors = [one.identity for one in self.devices if one.model in ("all_round", "minutely", "daily")]
        links = tuple(Link(detector, valve) for detector in detectors for valve in valves)
        site = Site(
            "here", site_class=self.site_class, timezone="Asia/Shanghai", building="1", riser="1", area="310115"
        )
        registry = Registry(models=MODELS, sites=(site,), devices=tuple(self.devices), links=links)
        fleet = build_fleet(registry)
        state = State.initial(fleet, RULES, T0)
        rows = np.concatenate(self.rows)
        rows = rows[np.argsort(rows["received"], kind="stable")]
        cuts = np.searchsorted(rows["received"], T0 + np.arange(CUT_S, WEEK_S, CUT_S) * SECOND)
        for some in np.split(rows, cuts):
            if len(some):
                decided = step(state, Batch(some, fleet.slots(some["device_no"])), (), int(some["received"][-1]))
                yield from (one for one in decided if isinstance(one, AlarmRaised))


def between(t: Values, *hours: tuple[float, float]) -> NDArray[np.bool_]:
    """Whether it is so late: hours of the day."""
    hour = t % DAY_S / 3_600
    return np.logical_or.reduce([(hour >= begin) & (hour < end) for begin, end in hours])


def whole(values: Values) -> Values:
    """As detectors of homes show it."""
    return np.maximum(np.rint(values), 0.0)


COOKING = (7.0, 7.4), (11.5, 12.2), (18.0, 19.1)


def home() -> Week:
    week = Week("")

    def gas(t: Values) -> Values:
        """Each time the stove is lit some of it escapes, for half a minute."""
        lit = between(t, COOKING[0], COOKING[1], COOKING[2]) & (t % 1_200 < 30)
        return whole(np.where(lit, 3.0, 0.3) + week.noise(t, 0.4))

    def carbon_monoxide(t: Values) -> Values:
        cooking = between(t, COOKING[0], COOKING[1], COOKING[2])
        return whole(np.where(cooking, 9.0, 1.0) + np.where(cooking & (t % 900 < 120), 12.0, 0.0) + week.noise(t, 1.0))

    def flow(t: Values) -> Values:
        heating = between(t, (6.0, 8.0), (17.0, 22.0))
        return np.where(between(t, COOKING[0], COOKING[1], COOKING[2]), 0.9, 0.0) + np.where(heating, 2.4, 0.0)

    week.hears(
        "living", "all_round", combustible_lel=gas, co_ppm=carbon_monoxide,
        temperature_c=lambda t: 20 + 5 * np.sin(t / DAY_S) + week.noise(t, 0.2),
        humidity_pct=lambda t: 60 + 30 * between(t, COOKING[2]) + week.noise(t, 1.0),
        battery_pct=lambda t: 60 - t / WEEK_S, rssi_dbm=lambda t: -95 + week.noise(t, 6.0),
    )  # fmt: skip
    week.hears(
        "self", "sim_valve_self_closing", valve=int(ValvePosition.OPEN), flow_m3h=flow,
        pressure_kpa=lambda t: 2.1 - 0.15 * flow(t) + week.noise(t, 0.05), battery_pct=80.0, rssi_dbm=-80.0,
    )  # fmt: skip
    week.hears("valve", "quiet_valve", valve=int(ValvePosition.OPEN), battery_pct=75.0)
    # Its zero has drifted a little, and it says so once a day.
    week.hears("meterbox", "daily", combustible_lel=3.0, battery_pct=90.0)
    week.hears("cellar", "daily", combustible_lel=0.0, battery_pct=55.0)
    return week


def restaurant() -> Week:
    week = Week("catering")
    open_ = (10.5, 14.0), (16.5, 22.0)

    def gas(t: Values) -> Values:
        return whole(np.where(between(t, *open_) & (t % 600 < 20), 3.0, 0.6) + week.noise(t, 0.4))

    def carbon_monoxide(t: Values) -> Values:
        busy = between(t, *open_)
        return np.maximum(np.where(busy, 9.0, 1.0) + np.where(busy & (t % 3_600 < 180), 25.0, 0.0), 0) + np.abs(
            week.noise(t, 1.0)
        )

    for name in ("range", "pass"):
        week.hears(name, "all_round", combustible_lel=gas, co_ppm=carbon_monoxide)
    week.hears("store", "minutely", combustible_lel=gas, co_ppm=carbon_monoxide)
    week.hears("valve", "quiet_valve", valve=int(ValvePosition.OPEN), battery_pct=75.0)
    week.hears(
        "meter", "meter", pressure_kpa=lambda t: 10.0 + week.noise(t, 0.3),
        flow_m3h=lambda t: np.where(between(t, *open_), 30.0, 0.2) + np.abs(week.noise(t, 1.5)),
    )  # fmt: skip
    week.hears("cellar", "daily", combustible_lel=2.0, battery_pct=55.0)
    return week


def works(site_class: str) -> Week:
    week = Week(site_class)
    week.hears(
        "boilers", "minutely", combustible_lel=lambda t: np.abs(week.noise(t, 0.5)),
        co_ppm=lambda t: 6.0 + np.abs(week.noise(t, 2.0)),
    )  # fmt: skip
    week.hears(
        "inlet", "meter", pressure_kpa=lambda t: 300.0 + week.noise(t, 5.0),
        flow_m3h=lambda t: np.where(between(t, (6.0, 22.0)), 240.0, 60.0),
    )  # fmt: skip
    week.hears("valve", "quiet_valve", valve=int(ValvePosition.OPEN), battery_pct=75.0)
    return week


@pytest.mark.parametrize(
    "week",
    [home(), restaurant(), works("industrial"), works("workplace")],
    ids=["home", "restaurant", "factory", "workplace"],
)
def test_a_week_in_which_nothing_is_wrong_raises_no_alarm(week: Week) -> None:
    assert [(one.rule, one.device_no, (one.onset - T0) / SECOND / 3_600) for one in week.alarms()] == []


def test_the_packs_are_not_deaf_in_such_a_week() -> None:
    week = home()
    rows = week.rows[0]
    leak = (rows["ts"] - T0) // SECOND // 3_600 == 30
    rows["combustible_lel"][leak] = 25.0
    assert {"ch4-low", "ch4-pre", "ch4-rise"} <= {one.rule for one in week.alarms()}
