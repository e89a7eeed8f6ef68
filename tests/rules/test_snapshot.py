"""A state at rest is the state: frozen to bytes and thawed it goes on as if nothing had happened, or is refused."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.fleet import build_fleet
from devices.quantities import Flag, ValvePosition
from rules.stepping.snapshot import decode_snapshot, encode_snapshot, restore, snapshot
from tests.rules.world import World, pack, raised, reading, registry


def busy_world() -> World:
    """Alarms, a hold, a clear hold, wanted and ended closings, a silence."""
    world = World()
    world.hear("d1", 1, flags=Flag.HIGH_ALARM)
    world.hear("d2", 20, combustible_lel=25)
    world.hear("v1", 21, valve=ValvePosition.OPEN)
    world.tick(32)
    return world


def test_a_snapshot_is_a_copy_that_later_steps_do_not_reach() -> None:
    world = busy_world()
    taken = snapshot(world.state)
    before = encode_snapshot(taken)
    world.hear("d1", 40, combustible_lel=0)
    world.tick(500)
    assert encode_snapshot(taken) == before


def test_a_thawed_state_has_the_same_alarms_closings_and_deadlines() -> None:
    world = busy_world()
    thawed = restore(decode_snapshot(encode_snapshot(snapshot(world.state))), world.fleet, world.rules)
    assert thawed.alarms() == world.state.alarms()
    assert thawed.wanted() == world.state.wanted()
    assert thawed.now == world.state.now
    assert thawed.next_deadline <= world.state.next_deadline
    expected = world.tick(400)
    world.state = thawed
    assert world.tick(400) == expected
    assert raised(expected)


def test_a_snapshot_of_before_valves_could_sleep_is_the_state_it_was() -> None:
    world = busy_world()
    older = msgspec.msgpack.decode(encode_snapshot(snapshot(world.state)))
    for record, later in (
        *((alarm, ("note", "expected")) for alarm in older["records"]["open"]),
        *((wanted, ("hears_by", "unheard")) for wanted in older["records"]["wanted"]),
        (older["records"], ("deaf_until", "awake")),
    ):
        for name in later:
            del record[name]
    thawed = restore(decode_snapshot(msgspec.msgpack.encode(older)), world.fleet, world.rules)
    assert thawed.alarms() == world.state.alarms()
    assert thawed.wanted() == world.state.wanted()
    expected = world.tick(400)
    world.state = thawed
    assert world.tick(400) == expected


def test_a_snapshot_of_before_holds_had_columns_and_silences_stages_is_the_state_it_was() -> None:
    world = busy_world()
    state, rules = world.state, range(len(world.rules.rules))
    older = msgspec.msgpack.decode(encode_snapshot(snapshot(state)))
    for name, times in (("since", state.since), ("due", state.due)):
        dense = np.array([[times[slot, rule] for rule in rules] for slot in range(len(world.fleet))], np.int64)
        older["arrays"][name] = (dense.dtype.str, dense.shape, dense.tobytes())
    for name in ("stage", "silent"):
        del older["arrays"][name]
    for name in ("holding", "changed"):
        del older["records"][name]
    thawed = restore(decode_snapshot(msgspec.msgpack.encode(older)), world.fleet, world.rules)
    assert state.silent.any()
    assert state.since.any()
    expected = [*world.tick(400), *world.hear("d1", 401)]
    world.state = thawed
    assert [*world.tick(400), *world.hear("d1", 401)] == expected


def test_a_snapshot_with_a_hold_of_a_rule_that_is_not_there_is_refused() -> None:
    world = busy_world()
    taken = snapshot(world.state)
    other = msgspec.structs.replace(taken.records, holding=(*(taken.records.holding or ())[1:], "other"))
    with pytest.raises(ValueError, match="rule that is not there"):
        restore(msgspec.structs.replace(taken, records=other), world.fleet, world.rules)


def test_a_snapshot_of_other_rules_is_refused() -> None:
    world = busy_world()
    with pytest.raises(ValueError, match="other rules"):
        restore(snapshot(world.state), world.fleet, pack('flags = ["tamper"]'))


def test_a_snapshot_of_another_fleet_is_refused() -> None:
    world = busy_world()
    with pytest.raises(ValueError, match="not uint8"):
        restore(snapshot(world.state), build_fleet(registry(("d1", "v1"))), world.rules)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_bytes_that_are_no_snapshot_are_refused(data: st.DataObject) -> None:
    world = busy_world()
    body = bytearray(encode_snapshot(snapshot(world.state)))
    cut = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises((msgspec.MsgspecError, ValueError)):
        restore(decode_snapshot(bytes(body[:cut])), world.fleet, world.rules)


def test_the_rare_records_do_not_grow_a_quiet_state() -> None:
    world = World()
    world.hear("d1", 5, combustible_lel=0)
    quiet = len(encode_snapshot(snapshot(world.state)))
    for second in range(6, 26):
        world.hear("d1", second, combustible_lel=0)
    assert len(encode_snapshot(snapshot(world.state))) == quiet


def test_relevant_readings_are_known_before_they_are_judged() -> None:
    world = busy_world()
    world.hear("s1", 32)
    rows = [
        (reading("s1", 33, temperature_c=20), False),
        (reading("d3", 33, flags=Flag.FAULT), True),
        (reading("d3", 33, flags=Flag.LOW_ALARM | Flag.LATE), True),
        (reading("d3", 33, combustible_lel=20), True),
        (reading("d3", 33, co_ppm=300), True),
        (reading("d1", 33, combustible_lel=0), True),  # an open alarm
        (reading("d2", 33, combustible_lel=0), True),  # a running hold
        (reading("v1", 33, valve=ValvePosition.OPEN), True),  # its closing is wanted
        (reading("g1", 33), False),
    ]
    together = np.concatenate([row for row, _ in rows])
    found = world.state.matters(together, world.fleet.slots(together["device_no"]))
    assert found.tolist() == [expected for _, expected in rows]
