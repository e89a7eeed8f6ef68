from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.commands import Command, Verb
from devices.quantities import ValveCause, ValvePosition
from simulators.events import What
from simulators.home import Happening, Home, Report
from simulators.orders import Taken
from simulators.registry import ValveMix, demo_homes, home_plans
from simulators.scenario import Leak, RoomTraits, Scenario, find_scenario
from simulators.telemetry import Sender

ONLY_SHUT_OFF = ValveMix(shut_off=1, self_closing=0, both=0)
ONLY_SELF_CLOSING = ValveMix(shut_off=0, self_closing=1, both=0)
SCENARIO = Scenario("test", "", "", homes=1, room=RoomTraits(volume_m3=12.0, air_changes_per_hour=10.0), speed=20.0)
NOON_US = 1_764_676_800_000_000


def home(mix: ValveMix = ONLY_SHUT_OFF, scenario: Scenario = SCENARIO, seed: int = 1) -> Home:
    return Home(home_plans(demo_homes(1, seed, mix))[0], scenario, Random(seed), 0.0, 1.0)


def live(here: Home, until_s: float, step_s: float = 0.5) -> tuple[list[Report], list[Happening]]:
    """Call `advance` as a caller does that wakes every `step_s`."""
    reports: list[Report] = []
    happened: list[Happening] = []
    at_s = here._now_s
    while at_s < until_s:
        at_s = min(at_s + step_s, until_s)
        new_reports, news = here.advance(at_s)
        reports += new_reports
        happened += news
    return reports, happened


def close_command(id: str = "c1") -> Command:
    return Command(id, Verb.CLOSE, 1, "2025-12-02T12:00:00Z", "2025-12-02T12:00:30Z", "gas")


def test_a_quiet_home_reports_clean_air_at_its_interval_and_is_not_woken_between() -> None:
    here = home()
    reports, happened = live(here, 100.0, step_s=10.0)
    detector = [report.measured for report in reports if report.sender is Sender.DETECTOR]
    assert len(detector) == 10
    assert all((m.combustible_lel or 0.0) < 1.5 and not m.alarmed for m in detector)
    assert happened == []
    assert here.due_s > 100.0


def test_a_leak_rises_until_close_and_falls_after_it() -> None:
    here = home()
    here.leak_m3h = 6.0
    _, happened = live(here, 15.0)
    assert here.detector.high_alarm
    assert [h.what for h in happened if h.sender is None] == [What.LEAK_STARTED]
    assert here.obey(close_command(), NOON_US) is Taken.CLOSING
    reports, happened = live(here, 18.0)
    assert What.LEAK_STOPPED in [h.what for h in happened]
    positions = [report.measured.valve for report in reports if report.sender is Sender.SHUT_OFF_VALVE]
    assert positions == ["closing", "closed"]
    peak = here.air.methane
    live(here, 75.0)
    assert here.air.methane < peak / 8
    assert not here.detector.low_alarm


def test_the_demo_home_alarms_within_15_s_and_its_air_is_clean_within_a_minute() -> None:
    scenario = find_scenario("leak-demo")
    here = home(scenario=scenario)
    (leak,) = scenario.event
    assert isinstance(leak, Leak)
    live(here, leak.at_s)
    here.leak_m3h = leak.flow_m3h
    live(here, 15.0)
    assert here.detector.low_alarm
    assert here.detector.high_alarm
    here.obey(close_command(), NOON_US)
    live(here, 60.0)
    assert not here.detector.low_alarm


def test_no_gas_flows_through_a_closed_valve_or_an_empty_pipe() -> None:
    here = home()
    here.leak_m3h = 6.0
    here.supply_kpa = 0.0
    live(here, 30.0)
    assert here.air.methane == 0.0
    here.supply_kpa = 2.0
    assert here.shut_off is not None
    here.shut_off.position = ValvePosition.CLOSED
    live(here, 60.0)
    assert here.air.methane == 0.0


def test_a_burst_hose_closes_the_self_closing_valve_before_the_detector_knows() -> None:
    here = home(ONLY_SELF_CLOSING)
    here.leak_m3h = 6.0
    reports, _ = live(here, 5.0)
    closed = [r.measured for r in reports if r.sender is Sender.SELF_CLOSING_VALVE][-1]
    assert (closed.valve, closed.valve_cause, closed.flow_m3h) == ("closed", "over_flow", 0.0)
    assert here.self_closing is not None
    assert here.self_closing.cause is ValveCause.OVER_FLOW
    assert not here.detector.low_alarm


def test_a_slow_leak_never_closes_the_self_closing_valve() -> None:
    here = home(ONLY_SELF_CLOSING)
    here.leak_m3h = 0.3
    live(here, 60.0)
    assert here.self_closing is not None
    assert here.self_closing.position is ValvePosition.OPEN


def test_co_of_a_blocked_flue_raises_the_co_alarm_and_stops_when_the_gas_does() -> None:
    here = home(scenario=msgspec.structs.replace(SCENARIO, speed=5.0, room=RoomTraits()))
    here.burn_m3h, here.flue_m3h, here.flue_co_ppm = 2.0, 20.0, 2000.0
    live(here, 300.0)
    assert here.detector.co_alarm
    assert not here.detector.low_alarm
    before = here.air.co
    assert here.obey(close_command(), NOON_US) is Taken.CLOSING
    live(here, 1500.0)
    assert here.air.co < before / 2


def test_in_gas_the_detector_reports_every_second_and_an_alarm_at_once() -> None:
    here = home()
    live(here, 5.0)
    here.leak_m3h = 6.0
    reports, _ = live(here, 20.0, step_s=0.25)
    detector = [r.measured for r in reports if r.sender is Sender.DETECTOR]
    assert len(detector) >= 12
    first_low = next(i for i, m in enumerate(detector) if m.low_alarm)
    first_high = next(i for i, m in enumerate(detector) if m.high_alarm)
    assert first_low < first_high


def test_a_broken_sensor_says_fault_and_no_value() -> None:
    here = home()
    live(here, 5.0)
    here.detector.faulty = True
    reports, _ = live(here, 6.0)
    (measured,) = [r.measured for r in reports if r.sender is Sender.DETECTOR]
    assert (measured.fault, measured.combustible_lel, measured.co_ppm) == (True, None, None)


def test_without_mains_nothing_is_reported_and_afterwards_the_detector_warms_up() -> None:
    here = home()
    live(here, 5.0)
    here.lose_mains()
    reports, _ = live(here, 60.0)
    assert reports == []
    here.regain_mains()
    reports, _ = live(here, 90.0, step_s=10.0)
    assert [r.measured.warm_up for r in reports if r.sender is Sender.DETECTOR] == [True] * 3


@given(st.lists(st.floats(0.01, 3.0), min_size=1, max_size=80), st.integers(0, 1000))
def test_how_often_a_home_is_woken_changes_neither_its_air_nor_its_valve(naps: list[float], seed: int) -> None:
    """The room and the valve are exact; only noise, which is drawn per step, may differ."""
    often, once = home(seed=seed), home(seed=seed)
    for here in (often, once):
        here.leak_m3h = 1.0
    at_s = 0.0
    for nap_s in naps:
        at_s += nap_s
        often.advance(at_s)
    once.advance(at_s)
    assert often.air.methane == pytest.approx(once.air.methane, rel=1e-9)
    assert often.leak_m3h == once.leak_m3h
