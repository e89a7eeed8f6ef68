"""Silences of several lengths, of groups, over pauses and changes of rules (docs/RULES.md; rules/life/silence.py)."""

from typing import Any

import msgspec
import numpy as np
import pytest

from devices.fleet import build_fleet
from devices.quantities import Flag
from devices.readings import Batch, blank
from devices.sites import Device, Registry, Site
from rules.decisions import AlarmChanged, AlarmRaised, Change, Decision
from rules.documents.document import RulePack
from rules.evaluation.kernels import compile_pack
from rules.events import Listening, Paused, Resumed
from rules.life.deadlines import AHEAD_US, BLOCK, SLICE
from rules.stepping.reshape import reshape
from rules.stepping.snapshot import decode_snapshot, encode_snapshot, restore, snapshot
from rules.stepping.state import State
from rules.stepping.step import step
from tests.rules.world import MODELS, NUMBERS, SECOND, T0, World, at, changed, of, pack, raised, registry

SILENT = 'id = "silent"\nkind = "silence"'
MISSING = 'id = "missing"\ncondition = "missing(70 s)"\napplies_to = ["detector"]'
SOON = 'id = "soon"\ncondition = "missing(2 * interval)"\napplies_to = ["detector"]'
EMPTY = Batch(blank(0), np.empty(0, np.int32))


def of_d1(decided: list[Decision]) -> list[tuple[str, float]]:
    """(rule, when) of every alarm raised at d1."""
    mine = [one for one in of(AlarmRaised, decided) if one.device_no == NUMBERS["d1"]]
    return [(one.rule, (one.at - T0) / SECOND) for one in mine]


def test_silences_of_several_lengths_come_each_at_its_time() -> None:
    world = World(pack(SILENT, MISSING, SOON))
    world.hear("d1", 5)
    assert of_d1(world.tick(200)) == [("soon", 25), ("silent", 35), ("missing", 75)]
    decided = world.hear("d1", 201)
    assert [(name, rule) for name, rule, _ in changed(decided)] == [("d1", r) for r in ("silent", "missing", "soon")]
    assert {state for _, _, state in changed(decided)} == {"RETURNED_UNACKNOWLEDGED"}


def test_a_reading_between_two_silences_ends_the_first_and_puts_off_both() -> None:
    world = World(pack(MISSING, SOON))
    world.hear("d1", 5)
    assert of_d1(world.tick(30)) == [("soon", 25)]
    assert changed(world.hear("d1", 31)) == [("d1", "soon", "RETURNED_UNACKNOWLEDGED")]
    assert ("d1", "soon", "UNACKNOWLEDGED") in changed(world.tick(51))
    assert of_d1(world.tick(100.9)) == []
    assert of_d1(world.tick(101)) == [("missing", 101)]


@pytest.mark.parametrize("thaw", [False, True])
def test_the_second_silence_still_comes_after_a_pause_and_an_absence(thaw: bool) -> None:
    world = World(pack(MISSING, SOON))
    world.hear("d1", 5)
    world.tick(30)  # soon has come; missing is due at 75
    world.tell(Paused(at=at(40)))
    if thaw:
        world.state = restore(decode_snapshot(encode_snapshot(snapshot(world.state))), world.fleet, world.rules)
    assert of_d1(world.tick(100)) == []
    world.tell(Listening(at=at(140)))  # 100 s were nobody's silence
    assert of_d1(world.tick(174)) == []
    world.tell(Resumed(at=at(1_174), down_us=1_000 * SECOND))
    assert of_d1(world.tick(1_174.9)) == []
    assert of_d1(world.tick(1_200)) == [("missing", 1_175)]


def changed_rules(world: World, t: float, rules: RulePack) -> list[Decision]:
    world.rules = rules
    decided = reshape(world.state, world.fleet, compile_pack(rules, world.fleet), at(t))
    world.decided += decided
    return decided


def test_a_rule_that_comes_when_a_device_has_been_silent_for_longer_says_so_then() -> None:
    world = World(pack(SILENT))
    world.hear("d1", 5)
    world.tick(60)
    decided = changed_rules(world, 60, pack(SILENT, SOON, MISSING))
    (alarm,) = [one for one in of(AlarmRaised, decided) if one.device_no == NUMBERS["d1"]]
    assert (alarm.rule, alarm.at, alarm.onset) == ("soon", at(60), at(25))
    assert of_d1(world.tick(80)) == [("missing", 75)]
    assert [rule for _, rule, _ in changed(world.hear("d1", 81))] == ["silent", "soon", "missing"]


def test_a_silence_that_was_due_before_the_rule_is_decided_after_it() -> None:
    world = World(pack('id = "door"\nflags = ["tamper"]'))
    world.tick(1_000)
    changed_rules(world, 1_001, pack('id = "door"\nflags = ["tamper"]', SILENT))
    mine = [one for one in of(AlarmRaised, world.tick(1_002)) if one.device_no == NUMBERS["d1"]]
    assert [(one.at, one.onset) for one in mine] == [(at(1_001), at(30))]


def test_a_rule_of_silence_that_is_gone_leaves_the_other_to_come() -> None:
    world = World(pack(SOON, MISSING))
    world.hear("d1", 5)
    world.tick(30)
    assert ("d1", "soon", "NORMAL") in changed(changed_rules(world, 40, pack(MISSING)))
    assert of_d1(world.tick(80)) == [("missing", 75)]


def test_an_edit_brings_no_silence_before_its_time() -> None:
    """Models with more silences than d1's make no difference to it."""
    asks = 'condition = "any(site, combustible_lel >= 10 %LEL)"'
    of_valves = 'id = "shut"\ncondition = "missing(1 min)"\napplies_to = ["shut_off_valve"]'
    world = World(
        pack(asks, MISSING, SILENT, of_valves, of_valves.replace("shut", "valve", 1).replace("1 min", "2 min"))
    )
    world.hear("d1", 5)
    world.tick(40)  # nobody counts its vote any more
    assert of_d1(changed_rules(world, 41, pack(asks.replace("10", "20"), MISSING, SILENT, of_valves))) == []
    assert of_d1(world.tick(100)) == [("missing", 75)]


def test_a_silence_that_is_longer_after_an_edit_stands_and_brings_no_shorter_one_before_its_time() -> None:
    world = World(pack(SOON, MISSING))
    world.hear("d1", 5)
    assert of_d1(world.tick(30)) == [("soon", 25)]
    assert of_d1(changed_rules(world, 31, pack(SOON.replace("2 *", "9 *"), MISSING))) == []
    assert world.alarm("d1", "soon") is not None
    assert of_d1(world.tick(74.9)) == []
    assert of_d1(world.tick(200)) == [("missing", 75)]
    assert [rule for _, rule, _ in changed(world.hear("d1", 201))] == ["soon", "missing"]


def test_a_silence_that_is_longer_after_an_edit_is_over_at_the_next_reading() -> None:
    world = World(pack(SOON))
    world.hear("d1", 5)
    assert of_d1(world.tick(30)) == [("soon", 25)]
    changed_rules(world, 31, pack(SOON.replace("2 *", "9 *")))
    assert changed(world.hear("d1", 40)) == [("d1", "soon", "RETURNED_UNACKNOWLEDGED")]
    assert ("d1", "soon", "UNACKNOWLEDGED") not in changed(world.tick(129.9))
    assert ("d1", "soon", "UNACKNOWLEDGED") in changed(world.tick(130))


@pytest.mark.parametrize("faster", [False, True])
def test_a_no_of_a_device_that_is_silent_is_unknown_once_its_model_reports_more_often(faster: bool) -> None:
    """Silent for 21 s: two of its intervals so far, four of them now."""
    rule = 'id = "all-well"\ncondition = "not any(site, combustible_lel >= 10 %LEL)"'
    world = World(pack(rule, 'id = "soon"\ncondition = "missing(20 s)"'), registry(("d1", "d2")))
    world.hear("d1", 5, combustible_lel=1.0)
    world.tick(26)
    models = [msgspec.structs.replace(one, report_interval_s=5.0 if faster else 10.0) for one in MODELS]
    world.fleet = build_fleet(registry(("d1", "d2"), models=models), world.fleet)
    reshape(world.state, world.fleet, compile_pack(world.rules, world.fleet), at(26))
    assert bool(raised(world.hear("d2", 27, combustible_lel=1.0))) is not faster


def test_a_device_registered_again_is_silent_from_then_on() -> None:
    world = World(pack(SILENT))
    world.tick(40)
    for t, names in ((41, [name for name in NUMBERS if name != "d1"]), (50, list(NUMBERS))):
        world.fleet = build_fleet(registry(names), world.fleet)
        reshape(world.state, world.fleet, compile_pack(world.rules, world.fleet), at(t))
    assert of_d1(world.tick(79.9)) == []
    assert of_d1(world.tick(90)) == [("silent", 80)]


# ---- many devices of a group ----------------------------------------------------------------------------------------

OUTAGE = 'id = "outage"\nkind = "outage"\ngroup = "area"\nleast = 3\nshare_pct = 50'


def area(many: int, gone: tuple[int, ...] = ()) -> Registry:
    devices = tuple(
        Device(n, "davysim", f"d{n}", "detector", "a" if n <= many else "b")
        for n in range(1, many + 3)
        if n not in gone
    )
    return Registry(models=MODELS, sites=(Site("a", area="500156"), Site("b", area="500157")), devices=devices)


class Area:
    """`many` detectors of one area (device numbers from 1), and two of another."""

    def __init__(self, many: int, *rules: str) -> None:
        self.rules = pack(*(rules or (OUTAGE,)))
        self.fleet = build_fleet(area(many))
        self.state = State.initial(self.fleet, self.rules, T0)

    def hear(self, t: float, *numbers: int, flags: Flag | None = None) -> list[Decision]:
        rows = blank(len(numbers))
        rows["device_no"], rows["received"], rows["ts"], rows["flags"] = numbers, at(t), at(t), int(flags or 0)
        return step(self.state, Batch(rows, self.fleet.slots(rows["device_no"])), (), at(t))

    def change(self, t: float, what: Registry) -> list[Decision]:
        self.fleet = build_fleet(what, self.fleet)
        return reshape(self.state, self.fleet, compile_pack(self.rules, self.fleet), at(t))

    def alarms(self) -> list[tuple[int, str, str]]:
        return [(one.device_no, one.state.name, one.note) for one in self.state.alarms() if one.rule == "outage"]


def said(decided: list[Decision]) -> list[Any]:
    return [
        (one.device_no, "raised", one.note, (one.at - T0) / SECOND)
        if isinstance(one, AlarmRaised)
        else (one.device_no, str(one.change), one.comment, (one.at - T0) / SECOND)
        for one in decided
        if isinstance(one, AlarmRaised | AlarmChanged) and one.rule == "outage"
    ]


def test_an_outage_stands_at_the_first_device_while_enough_of_the_area_are_silent() -> None:
    it = Area(6)
    it.hear(10, 3, 4, 5, 6, 7, 8)  # 1 and 2 are silent at 30: two are not enough
    assert said(it.hear(35, 4, 5, 6, 7, 8)) == []
    assert said(it.hear(41, 7, 8)) == [(1, "raised", "3 of 6 devices of area 500156 are silent", 40.0)]
    assert said(it.hear(42, 2)) == [(1, "returned", "2 of 6 devices of area 500156 are silent", 42.0)]
    assert said(it.hear(66, 2, 7, 8)) == [(1, "re-alarmed", "3 of 6 devices of area 500156 are silent", 65.0)]
    assert it.alarms() == [(1, "UNACKNOWLEDGED", "5 of 6 devices of area 500156 are silent")]


def test_what_an_outage_says_follows_the_count_at_most_once_a_minute() -> None:
    it = Area(6)
    it.hear(10, 4, 5, 6, 7, 8)
    assert len(said(it.hear(70, 7, 8))) == 1
    assert [(what, at_s) for _, what, _, at_s in said(it.hear(100, 7, 8))] == [(str(Change.NOTED), 90.0)]


def test_a_share_of_a_group_counts_only_those_that_should_be_heard() -> None:
    it = Area(6, OUTAGE.replace("least = 3", "least = 1").replace("50", "60"))
    it.hear(10, 4, 5, 6, 7, 8)
    assert said(it.hear(35, 4, 5, 6, 7, 8)) == []  # 3 of 6
    it.hear(40, 7, 8)
    assert [note for _, _, note, _ in said(it.hear(66, 4, 5, 7, 8))] == ["4 of 6 devices of area 500156 are silent"]


@pytest.mark.parametrize("flags", [Flag.LATE, Flag(0)])
def test_any_reading_counts_as_heard_but_a_stale_one(flags: Flag) -> None:
    it = Area(3)
    it.hear(40)
    assert it.hear(41, 1, flags=Flag.STALE) == []
    assert [what for _, what, _, _ in said(it.hear(42, 1, flags=flags))] == ["returned"]


def test_an_outage_moves_with_the_first_device_of_its_group() -> None:
    it = Area(6)
    it.hear(40)
    assert it.alarms()[0][0] == 1
    *_, ended, begun = said(it.change(50, area(6, gone=(1,))))
    assert (ended[0], ended[1]) == (1, str(Change.REMOVED))
    assert begun == (2, "raised", "5 of 5 devices of area 500156 are silent", 50.0)
    assert said(it.hear(51, 3, 4, 5))[1:] == [(2, "returned", "2 of 5 devices of area 500156 are silent", 51.0)]


def test_an_outage_and_its_count_outlive_a_restart() -> None:
    it = Area(6)
    it.hear(29, 4, 5, 6)
    it.hear(40)
    it.state = restore(decode_snapshot(encode_snapshot(snapshot(it.state))), it.fleet, it.rules)
    assert [what for _, what, _, _ in said(it.hear(41, 1))] == ["returned"]


# ---- a million, in slices -------------------------------------------------------------------------------------------


def test_blocks_are_looked_through_ahead_of_their_time_a_slice_at_each_step() -> None:
    blocks = 3 * SLICE
    many = blocks * BLOCK
    it = Area(many - 2, SILENT)
    state = it.state
    state.heard[:] = T0 + 20 * SECOND  # as if everybody had been heard since the bounds were found
    ahead = T0 + 30 * SECOND - AHEAD_US
    assert state.next_deadline == ahead
    for left in (2 * SLICE, SLICE, 0):
        assert state.next_deadline <= ahead
        assert step(state, EMPTY, (), ahead) == []
        assert int((state.deadlines.floors == T0 + 30 * SECOND).sum()) == left
    assert state.next_deadline == T0 + 50 * SECOND - AHEAD_US


def test_a_silence_is_found_in_time_however_seldom_it_is_looked_for() -> None:
    it = Area(2 * BLOCK, SILENT)
    it.state.heard[:] = T0 + 20 * SECOND
    it.state.heard[BLOCK + 7] = T0 + 3 * SECOND
    decided = of(AlarmRaised, step(it.state, EMPTY, (), T0 + 49 * SECOND))
    assert [(one.device_no, one.at) for one in decided] == [(BLOCK + 8, T0 + 33 * SECOND)]
