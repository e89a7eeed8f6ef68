"""Silence, back-off, heartbeats, and what waits for a bus, in virtual time."""

import dataclasses
import itertools

from hypothesis import given
from hypothesis import strategies as st

from devices.addresses import UnitAddress
from devices.codecs.frame import FrameState
from devices.registers import Procedure, WireWrite
from ingest.modbus_attempts import Attempt, Waiting
from ingest.modbus_health import MOST_HOLD_S, StationHealth, UnitHealth
from ingest.modbus_valves import Valve

S = 1_000_000


@given(st.integers(S // 10, 300 * S))
def test_what_will_be_called_silent_was_asked_three_times_and_then_seldom(interval_us):
    unit, asked = UnitHealth(), []
    for time in range(200):
        at_us = time * interval_us
        if unit.held_until_us <= at_us:
            asked.append(at_us)
            unit.failed(at_us, interval_us)
    assert asked[:3] == [0, interval_us, 2 * interval_us]
    most_us = max(MOST_HOLD_S * S, interval_us)
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert max(gaps) <= most_us + interval_us
    assert gaps == sorted(gaps)
    assert unit.answered()
    assert not unit.answered()
    assert unit.held_until_us == 0


def test_silence_is_told_once_in_an_outage_and_not_before_the_interval_has_passed():
    station = StationHealth(0)
    assert not station.fell_silent(S - 1, S)
    assert station.fell_silent(S, S)
    assert not station.fell_silent(5 * S, S)
    assert station.answered(6 * S)
    assert not station.answered(7 * S)
    assert not station.fell_silent(7 * S + 1, S)
    assert station.fell_silent(8 * S, S)


def test_a_heartbeat_is_each_devices_own_and_is_not_believed_before_it_has_moved():
    station = StationHealth(0)
    assert station.state(1, b"a", 2.0, 0) is FrameState.STALE
    assert station.state(2, b"a", 2.0, 0) is FrameState.STALE
    assert station.state(1, b"b", 2.0, 1 * S) is FrameState.FRESH
    assert station.state(1, b"b", 2.0, 3 * S) is FrameState.FRESH
    assert station.state(2, b"a", 2.0, 3 * S) is FrameState.STALE
    assert station.state(1, b"b", 2.0, 3 * S + 1) is FrameState.STALE
    assert station.state(2, b"b", 2.0, 3 * S + 1) is FrameState.FRESH
    assert station.state(1, b"c", 2.0, 4 * S) is FrameState.FRESH


def test_a_changed_station_remembers_the_heartbeats_of_those_that_are_read_as_before():
    before, now = StationHealth(0), StationHealth(5 * S)
    for beat in (b"a", b"b"):
        assert before.state(1, beat, 2.0, S) is (FrameState.STALE if beat == b"a" else FrameState.FRESH)
        before.state(2, beat, 2.0, S)
    now.carry_over(before, [1, 3])
    assert now.state(1, b"b", 2.0, 2 * S) is FrameState.FRESH
    assert now.state(2, b"b", 2.0, 2 * S) is FrameState.STALE
    assert now.state(3, b"b", 2.0, 2 * S) is FrameState.STALE


def test_the_log_has_the_last_word_on_whether_a_station_is_read():
    station = StationHealth(0)
    assert not station.to_be_taken_back()
    assert station.to_be_said("no reply", 0)
    assert not station.to_be_said("no reply", 100 * S)
    assert station.to_be_taken_back()  # however soon after the failure's own line
    assert not station.to_be_taken_back()
    assert not station.to_be_said("no reply", 59 * S)  # a minute after the last line
    assert not station.to_be_taken_back()  # nothing was said, so nothing is taken back
    assert station.to_be_said("no reply", 60 * S)
    assert not station.to_be_said("garbled", 61 * S)
    assert station.to_be_said("garbled", 120 * S)


def attempt(device_no: int, command: str, until_us: int = 10 * S) -> Attempt:
    on, off = (WireWrite(5, 1, (value,), 0.0, ()) for value in (1, 0))
    procedure = Procedure("close", (on,), 1.0, (off,))
    valve = Valve(device_no, f"acme/v{device_no}", UnitAddress(device_no), {"close": procedure})
    return Attempt(command, valve, procedure, until_us)


def test_attempts_leave_in_order_expire_and_take_each_others_place():
    waiting = Waiting()
    assert waiting.add(attempt(1, "a")) is None
    assert waiting.add(attempt(2, "b", S)) is None
    older = waiting.add(attempt(1, "c"))
    assert older is not None
    assert older.command == "a"
    assert [one.command for one in waiting.expired(S)] == ["b"]
    assert waiting.next_us() == 10 * S
    following = waiting.next()
    assert following is not None
    assert following.command == "c"
    assert waiting.next() is None
    assert len(waiting) == 0


def moved(one: Attempt, unit: int) -> Valve:
    return dataclasses.replace(one.valve, place=UnitAddress(unit))


def test_an_attempt_for_a_valve_that_changed_or_left_is_taken_out_and_the_others_stay():
    waiting, stays, moves, leaves = Waiting(), attempt(1, "a"), attempt(2, "b"), attempt(3, "c")
    assert waiting.take_in({one.valve.device_no: one.valve for one in (stays, moves, leaves)}) == []
    for one in (stays, moves, leaves):
        waiting.add(one)
    assert waiting.take_in({1: stays.valve, 2: moved(moves, 7)}) == [moves, leaves]
    assert waiting.is_current(stays.valve)
    assert not waiting.is_current(moves.valve)
    assert waiting.attempts == [stays]


def test_a_release_is_owed_to_the_place_where_the_pulse_runs_though_its_valve_moved():
    waiting, first = Waiting(), attempt(1, "a")
    waiting.take_in({1: first.valve})
    waiting.owe(first.valve, first.procedure, 5 * S)
    there = moved(first, 7)
    stranger = dataclasses.replace(attempt(2, "b"), valve=dataclasses.replace(first.valve, device_no=2))
    waiting.take_in({1: there, 2: stranger.valve})
    waiting.owe(there, first.procedure, 6 * S)
    assert [one.valve.place.unit for one in waiting.releases] == [1, 7]
    waiting.add(stranger)
    assert waiting.next() is None  # another device's number, and the same output


def test_what_is_in_doubt_of_a_valve_falls_due_once_it_was_reached_and_keeps_nothing_waiting():
    waiting, first = Waiting(), attempt(1, "a")
    waiting.take_in({1: first.valve})
    assert waiting.due(9 * S) is None
    waiting.reached(1, 2 * S)
    waiting.reached(1, 3 * S)
    due = waiting.due(2 * S)
    assert due is not None
    assert due.in_doubt
    waiting.add(first)
    assert waiting.next() is first
    waiting.done(due)
    waiting.take_in({1: first.valve})
    waiting.reached(1, 4 * S)
    assert not waiting.releases
    waiting.take_in({1: moved(first, 7)})
    waiting.reached(1, 5 * S)
    assert [one.valve.place.unit for one in waiting.releases] == [7]


def test_a_pulse_keeps_other_attempts_for_its_valve_waiting_until_its_end_was_tried():
    waiting = Waiting()
    first = attempt(1, "a")
    waiting.owe(first.valve, first.procedure, 5 * S)
    waiting.add(attempt(1, "b"))
    waiting.add(attempt(2, "c"))
    following = waiting.next()
    assert following is not None
    assert following.command == "c"
    assert waiting.next() is None
    assert waiting.due(5 * S - 1) is None
    release = waiting.due(5 * S)
    assert release is not None
    release.again(5 * S)
    assert release.at_us == 5 * S + 200_000
    following = waiting.next()
    assert following is not None
    assert following.command == "b"
    assert waiting.releases  # owed all the same
