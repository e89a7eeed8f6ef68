"""Votes over a group: who is counted, when, and what silence does; in the order of readings, however they are cut."""

import numpy as np
import pytest
from msgspec.structs import replace

from devices.fleet import build_fleet
from devices.models import Actuator, DeviceKind, DeviceModel
from devices.quantities import Flag
from devices.readings import Rows
from rules.evaluation.numbers import Truth
from rules.evaluation.selection import may_vote
from rules.evaluation.votes import Votes
from rules.language.expression import parse_condition
from tests.rules.evaluation.desk import FLEET, Desk, flagged, pack, reading, registry, rule

TRUE, FALSE, UNKNOWN = 1, 0, -1
GAS, AIR, BROKEN = 30.0, 0.0, float("nan")
TWO = "at_least(2, riser, combustible_lel >= 20 %LEL)"  # m1, m2 and bare stand in riser r1


def hear(desk: Desk, *said: tuple[str, float]) -> list[int]:
    """One batch: (device, %LEL) at one time."""
    return desk.says(*(reading(name, 0, combustible_lel=value) for name, value in said))


def slots(*names: str) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array([FLEET.slot_by_identity[f"davysim/{name}"] for name in names], np.int32)


def test_a_vote_counts_from_its_reading_on() -> None:
    desk = Desk.of(TWO)
    assert hear(desk, ("m1", GAS), ("m2", GAS), ("m1", GAS), ("m2", AIR), ("m1", GAS)) == [
        UNKNOWN, TRUE, TRUE, UNKNOWN, UNKNOWN,
    ]  # fmt: skip


def test_who_was_never_heard_is_unknown_and_who_was_is_not() -> None:
    desk = Desk.of(TWO)
    assert hear(desk, ("m1", AIR), ("m2", AIR)) == [UNKNOWN, FALSE]  # bare alone could not make two


def test_a_device_that_does_not_measure_it_is_no_member() -> None:
    desk = Desk.of("at_least(3, site, combustible_lel >= 20 %LEL)")
    assert hear(desk, ("m3", GAS)) == [FALSE]  # m3 is the only member at home-3: the valve measures none


def test_a_detector_that_does_not_say_what_it_measures_is_a_member_where_gas_is_asked_for() -> None:
    desk = Desk.of("any(site, combustible_lel >= 20 %LEL)")
    assert hear(desk, ("bare", GAS), ("m1", AIR)) == [TRUE, TRUE]
    desk = Desk.of("any(site, temperature_c >= 50 degC)")
    assert desk.says(reading("bare", 0, temperature_c=60.0), reading("m1", 0, temperature_c=20.0)) == [UNKNOWN, FALSE]


MEASURES_GAS = ("combustible_lel",)
KINDS = {
    "detector": DeviceModel("a", "v", "a", DeviceKind.DETECTOR, "s", 10.0),
    "gas detector": DeviceModel("b", "v", "b", DeviceKind.DETECTOR, "s", 10.0, measures=MEASURES_GAS),
    "valve": DeviceModel("c", "v", "c", DeviceKind.SHUT_OFF_VALVE, "s", 30.0, actuator=Actuator()),
    "meter": DeviceModel("d", "v", "d", DeviceKind.SELF_CLOSING_VALVE, "s", 60.0, measures=("pressure_kpa",)),
    "fan": DeviceModel("e", "v", "e", DeviceKind.FAN, "s", 60.0, actuator=Actuator()),
    "gateway": DeviceModel("f", "v", "f", DeviceKind.GATEWAY, "s", 3_600.0),
    "bus": DeviceModel("g", "v", "g", DeviceKind.GATEWAY, "s", 0.0),
}


@pytest.mark.parametrize(
    ("condition", "who"),
    [
        ("combustible_lel >= 20 %LEL", "detector, gas detector"),
        ("co_ppm >= 50 ppm", "detector"),
        ("fault and combustible_lel >= 20 %LEL or co_ppm >= 50 ppm", "detector, gas detector"),
        ("mean(pressure_kpa, 5 min) >= 3 kPa", "meter"),
        ("battery_pct < 10 %", ""),
        ("low_alarm or co_alarm", "detector, gas detector"),
        ("valve == closed and not fault", "valve, meter"),
        ("valve_cause == alarm or high_alarm", "detector, gas detector, valve, meter"),
        ("fault or interval > 60 s", "detector, gas detector, valve, meter, fan, gateway"),
    ],
)
def test_who_can_say_nothing_of_a_condition_has_no_vote_on_it(condition: str, who: str) -> None:
    tree = parse_condition(condition, {})
    assert ", ".join(name for name, model in KINDS.items() if may_vote(model, tree)) == who


def test_a_group_of_others_does_not_see_it() -> None:
    desk = Desk.of("any(riser, combustible_lel >= 20 %LEL)")
    assert hear(desk, ("m1", GAS), ("m3", AIR), ("m4", AIR)) == [TRUE, UNKNOWN, FALSE]


def test_any_is_one() -> None:
    assert hear(Desk.of("any(building, combustible_lel >= 20 %LEL)"), ("m1", GAS), ("m4", AIR)) == [TRUE, TRUE]


def test_a_device_in_no_such_group_is_unknown() -> None:
    assert hear(Desk.of("any(gateway, combustible_lel >= 20 %LEL)"), ("m1", GAS)) == [UNKNOWN]


def test_a_value_that_is_unknown_is_no_vote() -> None:
    assert hear(Desk.of("any(site, combustible_lel >= 20 %LEL)"), ("m3", GAS), ("m3", BROKEN)) == [TRUE, UNKNOWN]


@pytest.mark.parametrize("flag", [Flag.LATE, Flag.STALE])
def test_a_late_or_stale_reading_is_no_vote(flag: Flag) -> None:
    desk = Desk.of("any(site, combustible_lel >= 20 %LEL)")
    desk.says(flagged(reading("m3", 0, combustible_lel=GAS), flag))
    assert hear(desk, ("m3", AIR)) == [FALSE]


def test_who_falls_silent_keeps_a_yes_and_loses_a_no() -> None:
    desk = Desk.of(TWO)
    hear(desk, ("m1", AIR), ("m2", AIR), ("bare", AIR))
    assert hear(desk, ("m1", GAS)) == [FALSE]
    desk.windows.silent(slots("m1", "m2"))
    assert hear(desk, ("bare", AIR)) == [UNKNOWN]
    desk.windows.silent(slots("m2"))
    assert hear(desk, ("m2", AIR)) == [FALSE]
    assert hear(desk, ("m2", GAS)) == [TRUE]


def test_who_falls_silent_votes_no_where_only_those_are_asked_that_are_heard() -> None:
    desk = Desk.of("any_heard(riser, combustible_lel >= 20 %LEL)")
    assert hear(desk, ("m1", GAS), ("m2", AIR)) == [TRUE, TRUE]
    desk.windows.silent(slots("m1"))
    assert hear(desk, ("m2", AIR)) == [UNKNOWN]  # bare was never heard, and is not silent yet
    desk.windows.silent(slots("m1", "bare"))
    assert hear(desk, ("m2", AIR)) == [FALSE]
    assert hear(desk, ("bare", GAS), ("m1", BROKEN)) == [TRUE, TRUE]
    desk.windows.silent(slots("m1", "bare", "v1"))
    (memory,) = desk.windows.memories.values()
    assert isinstance(memory, Votes)
    before = memory.yes.tolist(), memory.no.tolist()
    memory.recount()
    assert before == (memory.yes.tolist(), memory.no.tolist())


def test_what_is_asked_of_the_heard_and_of_all_is_remembered_apart() -> None:
    desk = Desk(pack(rule("any(site, tamper)"), rule("any_heard(site, tamper)", id="rule-1")))
    assert [*desk.compiled.program.keepers] == ["votes(site, tamper)", "votes_heard(site, tamper)"]


def test_two_rules_that_count_the_same_votes_count_them_once() -> None:
    desk = Desk(pack(rule("any(site, tamper)"), rule("at_least(2, site, tamper)", id="rule-1")))
    assert [keeper.key for keeper in desk.compiled.program.keepers.values()] == ["votes(site, tamper)"]
    found = desk.hear(flagged(reading("m1", 0), Flag.TAMPER)).whole(np.arange(1))
    assert found.raised.tolist() == [[TRUE, UNKNOWN]]


def test_votes_may_hold_windows() -> None:
    desk = Desk.of("at_least(2, riser, mean(combustible_lel, 60 s) >= 20 %LEL)")
    rows = [reading(name, t, combustible_lel=v) for name, t, v in (("m1", 0, 60), ("m1", 9, 0), ("m2", 9, 20))]
    assert desk.says(*rows) == [UNKNOWN, UNKNOWN, TRUE]


def test_the_registry_moves_and_votes_are_counted_anew() -> None:
    desk = Desk.of("any(building, combustible_lel >= 20 %LEL)")
    hear(desk, ("m4", GAS), ("m1", AIR))
    smaller = build_fleet(registry(3), FLEET)
    moved = Desk(desk.compiled.pack, smaller)
    moved.windows = desk.windows.reshaped(moved.compiled)
    (memory,) = moved.windows.memories.values()
    assert isinstance(memory, Votes)
    assert (memory.yes.tolist(), memory.no.tolist()) == ([0], [1])  # m4 has left
    assert hear(moved, ("m2", AIR)) == [UNKNOWN]


def votes_of(desk: Desk) -> Votes:
    (memory,) = desk.windows.memories.values()
    assert isinstance(memory, Votes)
    return memory


def test_what_a_group_says_as_it_was_left() -> None:
    desk = Desk.of(TWO)
    hear(desk, ("m1", GAS), ("m2", AIR), ("m3", AIR), ("m4", BROKEN))
    live = np.array([True, True, True, False])
    known, yes, may = votes_of(desk).stands(slots("m2", "v1", "m4", "m1"), live)
    assert known.tolist() == [True, True, True, False]
    assert (yes[:3].tolist(), may[:3].tolist()) == ([1, 1, 0], [2, 2, 1])  # bare, and m4, may still say yes


def test_who_stands_in_no_group_counts_nowhere_and_hinders_nobody_of_its_batch() -> None:
    fleet = build_fleet(registry())
    homes = tuple(
        replace(site, riser="" if site.key in ("home-1", "home-3") else "r2") for site in fleet.registry.sites
    )
    fleet = build_fleet(replace(fleet.registry, sites=homes))
    desk = Desk(pack(rule(TWO)), fleet)
    assert hear(desk, ("m1", GAS), ("m2", GAS), ("m3", GAS), ("m4", GAS), ("m1", AIR), ("m2", AIR)) == [
        UNKNOWN, UNKNOWN, UNKNOWN, TRUE, UNKNOWN, FALSE,
    ]  # fmt: skip
    known, _, _ = votes_of(desk).stands(slots("m1", "m2", "m3", "m4"), np.ones(4, np.bool_))
    assert known.tolist() == [False, True, False, True]


def test_a_vote_that_nobody_knows_is_remembered_as_none() -> None:
    desk = Desk.of(TWO)
    hear(desk, ("m1", BROKEN), ("m2", BROKEN))
    assert not votes_of(desk).vote.any()
    changes, hot = votes_of(desk).moving(
        slots("m1", "m3"), Truth(np.array([False, False]), np.array([False, False])), np.ones(2, np.bool_)
    )
    assert (changes.tolist(), hot.tolist()) == ([False, False], [False, False])


def test_who_falls_silent_is_remembered_as_unknown_and_who_is_no_member_not_at_all() -> None:
    desk = Desk.of("any(riser, combustible_lel >= 20 %LEL)")
    hear(desk, ("m1", AIR))
    desk.windows.silent(slots("m1"))
    memory = votes_of(desk)
    assert not memory.vote.any()
    memory.put({"vote": np.ones_like(memory.vote)})  # the valves, too
    assert (memory.vote == memory.member).all()
    assert memory.yes.tolist() == memory.members.tolist()


def test_one_yes_of_before_keeps_its_group_awake_and_no_other() -> None:
    desk = Desk.of("any(riser, combustible_lel >= 20 %LEL)")
    hear(desk, ("m1", GAS))
    nothing = Truth(np.zeros(2, np.bool_), np.ones(2, np.bool_))
    _, hot = votes_of(desk).moving(slots("m2", "m3"), nothing, np.ones(2, np.bool_))
    assert hot.tolist() == [True, False]


def test_many_readings_at_once_are_counted_as_one_after_the_other() -> None:
    rng = np.random.default_rng(4)
    names, values = rng.choice(["m1", "m2", "m3", "m4", "bare"], 400), rng.choice([GAS, AIR, BROKEN], 400)
    rows: list[Rows] = [
        reading(name, 0, combustible_lel=value) for name, value in zip(names.tolist(), values.tolist(), strict=True)
    ]
    at_once, alone = Desk.of(TWO), Desk.of(TWO)
    assert at_once.says(*rows) == [alone.says(row)[0] for row in rows]
