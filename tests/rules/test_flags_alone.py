"""A detector that has alarm bits and reports no concentration: its bits begin the alarm and end it."""

import msgspec
import numpy as np

from devices.fleet import build_fleet
from devices.models import load_catalogue
from devices.quantities import Flag
from devices.readings import Batch, blank
from devices.sites import Device, Registry, Site
from rules.decisions import AlarmState, Decision
from rules.documents.document import load_pack
from rules.stepping.state import State
from rules.stepping.step import step
from tests.rules.world import PLAIN

SECOND = 1_000_000


def state_of(measures: tuple[str, ...]) -> State:
    models = tuple(msgspec.structs.replace(model, measures=measures) for model in load_catalogue())
    device = Device(1, "davysim", "d", "sim_detector_home", "s")
    registry = Registry(models=models, sites=(Site("s", simulated=True),), devices=(device,))
    return State.initial(build_fleet(registry), load_pack(PLAIN.read_bytes(), "rules"), 0)


def said(state: State, second: int, flags: Flag) -> list[Decision]:
    """A reading of flags alone."""
    rows = blank(1)
    rows["device_no"], rows["flags"] = 1, int(flags)
    rows["ts"] = rows["received"] = second * SECOND
    return step(state, Batch(rows, np.zeros(1, np.int32)), (), second * SECOND)


def phase(state: State) -> AlarmState:
    return AlarmState(int(state.phase[0, state.compiled.by_id["ch4-low"]]))


def test_an_alarm_bit_that_goes_away_ends_the_alarm_of_a_model_that_measures_no_gas() -> None:
    state = state_of(("battery_pct",))
    said(state, 1, Flag.LOW_ALARM)
    assert phase(state) is AlarmState.UNACKNOWLEDGED
    said(state, 2, Flag(0))
    assert phase(state) is AlarmState.RETURNED_UNACKNOWLEDGED


def test_a_blind_detector_ends_nothing() -> None:
    state = state_of(("battery_pct",))
    said(state, 1, Flag.LOW_ALARM)
    said(state, 2, Flag.WARM_UP)
    assert phase(state) is AlarmState.UNACKNOWLEDGED


def test_a_model_that_measures_gas_must_be_seen_below_the_limit() -> None:
    state = state_of(("combustible_lel",))
    said(state, 1, Flag.LOW_ALARM)
    said(state, 2, Flag(0))
    assert phase(state) is AlarmState.UNACKNOWLEDGED


def test_a_rule_on_an_unmeasured_quantity_without_flags_looks_at_nothing() -> None:
    state = state_of(("co_ppm",))
    assert not state.compiled.looks_at(np.array([0], np.int32))[0, state.compiled.by_id["battery-low"]]
    assert state.compiled.looks_at(np.array([0], np.int32))[0, state.compiled.by_id["ch4-low"]]
