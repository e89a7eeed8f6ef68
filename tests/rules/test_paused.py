"""While the engine withholds readings (its store is in the reserve) nobody is silent for that."""

import numpy as np

from devices.fleet import build_fleet
from devices.models import load_catalogue
from devices.readings import Batch, blank
from devices.sites import Device, Registry, Site
from rules.decisions import AlarmRaised
from rules.documents.document import load_pack
from rules.events import Listening, Paused, Resumed
from rules.stepping.state import State
from rules.stepping.step import step
from tests.rules.world import PLAIN

SECOND = 1_000_000
NOTHING = Batch(blank(0), np.zeros(0, np.int32))


def quiet_state() -> State:
    """One detector that reports every 10 s, heard at 0: silent from 30 s on."""
    device = Device(1, "davysim", "d", "sim_detector_home", "s")
    registry = Registry(models=load_catalogue(), sites=(Site("s", simulated=True),), devices=(device,))
    return State.initial(build_fleet(registry), load_pack(PLAIN.read_bytes(), "rules"), 0)


def test_without_a_pause_the_silence_is_found_at_its_deadline() -> None:
    (alarm,) = step(quiet_state(), NOTHING, (), 31 * SECOND)
    assert isinstance(alarm, AlarmRaised)
    assert (alarm.rule, alarm.at) == ("silence", 30 * SECOND)


def test_a_pause_is_nobodys_silence_and_the_deadline_moves_by_its_length() -> None:
    state = quiet_state()
    assert step(state, NOTHING, (Paused(at=20 * SECOND),), 20 * SECOND) == []
    assert step(state, NOTHING, (), 500 * SECOND) == []
    assert step(state, NOTHING, (Listening(at=500 * SECOND),), 500 * SECOND) == []
    assert step(state, NOTHING, (), 509 * SECOND) == []
    (alarm,) = step(state, NOTHING, (), 511 * SECOND)
    assert alarm.at == 510 * SECOND


def test_a_restart_within_a_pause_counts_from_the_beginning_of_the_pause() -> None:
    state = quiet_state()
    step(state, NOTHING, (Paused(at=20 * SECOND),), 20 * SECOND)
    step(state, NOTHING, (Resumed(at=100 * SECOND, down_us=5 * SECOND),), 100 * SECOND)
    (alarm,) = step(state, NOTHING, (), 200 * SECOND)
    assert alarm.at == 110 * SECOND
