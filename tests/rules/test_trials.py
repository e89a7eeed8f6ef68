"""Rules that are tried: dry run, canary, and rules that are taken back by themselves."""

import hashlib

import pytest
from msgspec.structs import replace

from devices.fleet import build_fleet
from devices.quantities import Flag, ValvePosition
from rules.decisions import (
    AlarmChanged,
    AlarmRaised,
    Answered,
    Change,
    CloseWanted,
    Decision,
    HeldChange,
    RuleNoted,
    ShutOffHeld,
)
from rules.documents.document import RulePack
from rules.evaluation.kernels import compile_pack
from rules.instructions import ReleaseHeld, RequestPermit
from rules.interlock.canary import drawn, in_canary
from rules.stepping.reshape import reshape
from rules.stepping.snapshot import decode_snapshot, encode_snapshot, restore, snapshot
from tests.rules.street import BUDGET, CLOSES, RISES, Street, names_of, number, registry, rules
from tests.rules.world import SECOND, at, of

WIDE = "\nbudget = { least = 100, share_pct = 0.0, per_s = 600.0 }"


def closed(decided: list[Decision]) -> list[str]:
    return names_of([one.device_no for one in of(CloseWanted, decided)])


def edit(world: Street, pack: RulePack, t: float) -> list[Decision]:
    world.rules = pack
    return reshape(world.state, world.fleet, compile_pack(pack, world.fleet), at(t))


def thawed(world: Street) -> None:
    world.state = restore(decode_snapshot(encode_snapshot(snapshot(world.state))), world.fleet, world.rules)


def reverted(decided: list[Decision]) -> list[RuleNoted]:
    return [one for one in of(RuleNoted, decided) if one.reverted]


# ---- dry run and canary ---------------------------------------------------------------------------------------------


def test_a_dry_run_lives_the_life_of_an_alarm_and_moves_nothing() -> None:
    world = Street(rules(CLOSES + '\nstate = "dry_run"'), registry(1))
    decided = world.hear("a0", 1, 30, Flag.HIGH_ALARM)
    assert [(one.rule, one.trial) for one in of(AlarmRaised, decided)] == [("rises", True)]
    assert not of(CloseWanted, decided)
    assert [(one.change, one.trial) for one in of(AlarmChanged, world.hear("a0", 2, 1))] == [(Change.RETURNED, True)]


def test_a_trial_alarm_of_a_detector_without_a_valve_raises_no_alarm_of_its_own() -> None:
    world = Street(rules(CLOSES + '\nstate = "dry_run"'), registry(1, links=False))
    assert [one.rule for one in of(AlarmRaised, world.hear("a0", 1, 30))] == ["rises"]


def test_a_canary_is_in_force_at_its_share_of_sites_the_same_everywhere_and_grows() -> None:
    places = {f"home{n}": drawn("rises", f"home{n}") for n in range(2_000)}
    assert all(0 <= place < 10_000 for place in places.values())
    share = sum(place < 2_500 for place in places.values()) / len(places)
    assert 0.21 < share < 0.29
    assert places["home0"] == drawn("rises", "home0") != drawn("other", "home0")


@pytest.mark.parametrize(("rule", "site"), [("rises", "home0"), ("rises", "home1"), ("rises-fast", "3 号楼")])
def test_the_place_of_a_site_is_the_first_sixteen_digits_of_a_hash_of_both_names(rule: str, site: str) -> None:
    place = int(hashlib.blake2b(f"{rule}|{site}".encode()).hexdigest()[:16], 16) % 10_000
    assert drawn(rule, site) == place
    last_out, first_in = (
        rules(CLOSES.replace('"rises"', f'"{rule}"') + f'\nstate = "canary"\ncanary_pct = {share / 100}').rules[0]
        for share in (place, place + 1)
    )
    assert not in_canary(last_out, site)
    assert in_canary(first_in, site)


def test_at_the_sites_of_a_canary_it_closes_and_at_the_others_it_is_a_trial() -> None:
    pack = rules(CLOSES + '\nstate = "canary"\ncanary_pct = 50.0' + WIDE)
    world = Street(pack, registry(40))
    inside = [n for n in range(40) if in_canary(pack.rules[0], f"home{n}")]
    assert 5 < len(inside) < 35
    decided = [one for n in range(40) for one in world.hear(f"a{n}", 1, 30)]
    assert closed(decided) == [f"b{n}" for n in inside]
    trials = {one.device_no - number("a0") for one in of(AlarmRaised, decided) if one.trial}
    assert trials == set(range(40)) - set(inside)


def test_a_dry_run_that_comes_into_force_closes_for_the_alarms_that_stand() -> None:
    world = Street(rules(CLOSES + '\nstate = "dry_run"'), registry(2))
    world.hear("a0", 1, 30)
    decided = edit(world, rules(CLOSES), 2)
    assert [(one.change, one.trial) for one in of(AlarmChanged, decided)] == [(Change.TRIED, False)]
    assert closed(decided) == ["b0"]


def test_a_rule_that_is_put_back_to_a_dry_run_holds_no_valve_any_more() -> None:
    world = Street(rules(CLOSES + BUDGET), registry(4))
    for n in range(4):
        world.hear(f"a{n}", 1, 30)
    decided = edit(world, rules(CLOSES + BUDGET + '\nstate = "dry_run"'), 2)
    assert [one.change for one in of(ShutOffHeld, decided)] == [HeldChange.OVER] * 2
    assert not world.state.closed_for
    assert len(world.state.wanted_by_slot) == 2  # what left is attempted until it is seen, or a person cancels


# ---- taken back -----------------------------------------------------------------------------------------------------


def canary(world_of: int = 12) -> Street:
    return Street(rules(CLOSES + '\nstate = "canary"\ncanary_pct = 99.98' + BUDGET), registry(world_of))


def test_a_canary_that_asks_for_twice_its_budget_is_taken_back() -> None:
    world = canary()
    for n in range(3):
        assert not reverted(world.hear(f"a{n}", 1, 30))
    decided = world.hear("a3", 2, 30)
    (noted,) = reverted(decided)
    assert noted.rule == "rises"
    assert noted.what == (
        "taken back to a dry run: in its canary it asked for more than twice its budget of 2 shut-offs"
    )
    assert [one.change for one in of(ShutOffHeld, decided)] == [HeldChange.HELD, HeldChange.OVER, HeldChange.OVER]
    assert {one.device_no for one in of(AlarmChanged, decided) if one.change is Change.TRIED and one.trial} == {
        number(f"a{n}") for n in range(4)
    }
    alarm = world.alarm("a3", "rule-reverted")
    assert alarm is not None
    assert alarm.note.startswith("rule rises: in its canary")
    after = world.hear("a4", 3, 30)
    assert [(one.rule, one.trial) for one in of(AlarmRaised, after)] == [("rises", True)]
    assert not of(CloseWanted, world.tick(2_000))


@pytest.mark.parametrize("real", [True, False])
def test_a_drill_takes_a_canary_back_only_where_there_is_nothing_real(real: bool) -> None:
    there = registry(1, labs=4)
    if not real:
        labs = tuple(one for one in there.devices if one.serial[0] in "xy")
        links = tuple(one for one in there.links if one.detector[-2] == "x")
        there = replace(there, devices=labs, links=links)
    world = Street(rules(CLOSES + '\nstate = "canary"\ncanary_pct = 99.98' + BUDGET), there)
    noted = [one for n in range(4) for one in reverted(world.hear(f"x{n}", 1, 30, Flag.SIMULATED))]
    assert [one.rule for one in noted] == ([] if real else ["rises"])


def test_what_people_released_does_not_wait_so_a_canary_goes_on() -> None:
    world = canary()
    for n in range(3):
        world.hear(f"a{n}", 1, 30)
    world.tell(ReleaseHeld(at=at(2), id="r", by="anna", rule="rises"))
    assert not reverted(world.hear("a3", 3, 30))


def test_an_active_rule_is_not_taken_back_for_its_budget() -> None:
    world = Street(rules(CLOSES + BUDGET), registry(12))
    for n in range(12):
        world.hear(f"a{n}", 1, 30)
    assert not reverted(world.decided)
    assert len(world.state.held) == 10


def quarantine(homes: int = 30, *, t: float = 100) -> Street:
    """A rule that was edited at `t`."""
    world = Street(rules(CLOSES + WIDE), registry(homes))
    edit(world, rules(CLOSES + WIDE + "\nhold_s = 0.0\nlatch = true"), t)
    return world


def test_a_rule_that_is_raised_at_more_than_twenty_devices_within_ten_minutes_of_its_edit_is_taken_back() -> None:
    world = quarantine()
    for n in range(20):
        assert not reverted(world.hear(f"a{n}", 100 + n, 30))
    decided = world.hear("a20", 699.9, 30)
    (noted,) = reverted(decided)
    assert noted.what == (
        "taken back to a dry run: raised at 21 devices within 10 min of coming into force; at most 20 may be"
    )
    assert not closed(decided)
    assert not closed(world.hear("a21", 700, 30))  # all that software judges by it is a trial now


@pytest.mark.parametrize("tried", ['"dry_run"', '"canary"\ncanary_pct = 0.01'])
def test_alarms_that_stood_on_trial_count_when_they_come_into_force_and_none_closes_before(tried: str) -> None:
    world = Street(rules(CLOSES + WIDE + f"\nstate = {tried}"), registry(25))
    for n in range(21):
        world.hear(f"a{n}", 1 + n / 100, 30)
    world.hear("a21", 2, 30, Flag.HIGH_ALARM)
    decided = edit(world, rules(CLOSES + WIDE), 100)
    assert [one.rule for one in reverted(decided)] == ["rises"]
    assert closed(decided + world.tick(4_000)) == ["b21"]
    assert {one.device_no for one in world.state.alarms() if one.rule == "rises" and not one.trial} == {number("a21")}


def linked(world: Street, pack: RulePack, homes: int) -> list[Decision]:
    """Other rules, and the valves of all homes linked, at second 100."""
    world.fleet, world.rules = build_fleet(registry(homes), world.fleet), pack
    return reshape(world.state, world.fleet, compile_pack(pack, world.fleet), at(100))


def test_valves_that_are_linked_as_a_rule_comes_into_force_are_not_closed_before_its_alarms_are_counted() -> None:
    world = Street(rules(CLOSES + WIDE + '\nstate = "dry_run"'), registry(25, links=False))
    for n in range(21):
        world.hear(f"a{n}", 1 + n / 100, 30)
    decided = linked(world, rules(CLOSES + WIDE), 25)
    assert [one.rule for one in reverted(decided)] == ["rises"]
    assert not closed(decided)


def test_a_valve_that_is_linked_as_a_rule_goes_back_to_a_dry_run_is_not_closed() -> None:
    world = Street(rules(CLOSES), registry(1, links=False))
    world.hear("a0", 1, 30)
    assert not closed(linked(world, rules(CLOSES + '\nstate = "dry_run"'), 1))


def test_the_same_device_again_and_the_devices_own_bits_do_not_count() -> None:
    world = quarantine()
    for n in range(20):
        world.hear(f"a{n}", 101, 30)
    world.hear("a0", 102, 1)
    assert not reverted(world.hear("a0", 103, 30))
    for n in range(20, 30):
        assert not reverted(world.hear(f"a{n}", 104, 30, Flag.HIGH_ALARM))


def taken_back(homes: int = 30) -> Street:
    """A rule that was edited, was raised at a0 to a20, and is taken back."""
    world = quarantine(homes)
    for n in range(21):
        world.hear(f"a{n}", 101 + n / 100, 30)
    assert "rises" in world.state.reverted
    return world


def test_a_devices_own_alarm_is_in_force_and_closes_although_its_rule_was_taken_back() -> None:
    world = taken_back()
    decided = world.hear("a25", 110, 90, Flag.HIGH_ALARM)
    assert [one.trial for one in of(AlarmRaised, decided) if one.rule == "rises"] == [False]
    assert closed(decided) == ["b25"]
    thawed(world)
    world.tell(RequestPermit(at=at(120), id="r", by="anna", device_no=number("b25"), reason="x"))
    assert not of(Answered, world.decided)[-1].accepted
    assert world.alarm("a24", "rises") is None
    assert of(AlarmRaised, world.hear("a24", 121, 90))[0].trial


def test_an_alarm_of_a_rule_that_was_taken_back_comes_into_force_when_its_device_says_so_itself() -> None:
    world = taken_back()
    world.hear("a25", 110, 90)
    decided = world.hear("a25", 111, 90, Flag.HIGH_ALARM)
    assert [(one.change, one.trial) for one in of(AlarmChanged, decided) if one.rule == "rises"] == [
        (Change.TRIED, False)
    ]
    assert closed(decided) == ["b25"]
    assert not of(AlarmChanged, world.hear("a25", 112, 90, Flag.HIGH_ALARM))


def test_what_the_device_said_itself_stays_in_force_with_its_valve_when_the_rule_is_taken_back() -> None:
    world = quarantine()
    world.hear("a25", 100, 30, Flag.HIGH_ALARM)
    world.seen_closed("b25", 101)
    decided = [one for n in range(21) for one in world.hear(f"a{n}", 102 + n / 100, 30)]
    assert number("a25") not in [one.device_no for one in of(AlarmChanged, decided) if one.change is Change.TRIED]
    assert world.slot("b25") in world.state.closed_for
    assert [one for one in world.state.closed_for if one != world.slot("b25")] == []
    assert closed(world.hear("b25", 200, valve=ValvePosition.OPEN)) == ["b25"]


def test_when_it_comes_again_without_the_devices_word_it_is_a_trial_again_until_the_device_says_so() -> None:
    world = Street(rules(CLOSES + WIDE), registry(30))
    edit(world, rules(CLOSES.replace("5.0", "4.0") + WIDE), 100)
    for n in range(21):
        world.hear(f"a{n}", 101 + n / 100, 30)
    world.hear("a25", 110, 30, Flag.HIGH_ALARM)
    world.hear("a25", 111, 1)
    (again,) = of(AlarmChanged, world.hear("a25", 112, 30))
    assert (again.change, again.trial) == (Change.REALARMED, True)
    assert world.slot("b25") not in world.state.closed_for  # a trial keeps no valve closed
    decided = world.hear("a25", 113, 30, Flag.HIGH_ALARM)
    assert [(one.change, one.trial) for one in of(AlarmChanged, decided)] == [(Change.TRIED, False)]
    assert world.slot("b25") in world.state.closed_for


def test_what_the_author_only_tries_is_a_trial_whatever_the_device_says() -> None:
    world = Street(rules(CLOSES + '\nstate = "canary"\ncanary_pct = 0.01'), registry(1))
    decided = world.hear("a0", 1, 30) + world.hear("a0", 2, 30, Flag.HIGH_ALARM)
    assert [one.trial for one in of(AlarmRaised, decided)] == [True]
    assert not of(AlarmChanged, decided)


def test_after_ten_minutes_a_rule_has_proved_itself() -> None:
    world = quarantine()
    for n in range(20):
        world.hear(f"a{n}", 101, 30)
    assert not reverted(world.hear("a20", 700, 30))
    assert not world.state.proving


def test_in_a_large_fleet_two_percent_of_what_the_rule_looks_at_may_alarm() -> None:
    world = quarantine(1_100)
    (one, _) = world.state.proving["rises"]
    assert one.most == 22  # of 1,104 detectors


def test_a_rule_that_listens_to_flags_alone_and_one_that_was_not_edited_prove_nothing() -> None:
    flags = 'id = "faulty"\nflags = ["fault"]'
    world = Street(rules(CLOSES + WIDE), registry(3))
    edit(world, rules(CLOSES + WIDE, flags), 10)
    assert not world.state.proving


def test_at_the_first_start_nothing_is_new() -> None:
    assert not Street(rules(CLOSES), registry(3)).state.proving


def test_a_drill_of_simulated_devices_takes_no_rule_back_where_there_are_real_ones() -> None:
    world = Street(rules(CLOSES + WIDE), registry(1, labs=25))
    edit(world, rules(CLOSES + WIDE + "\nlatch = true"), 100)
    for n in range(25):
        assert not reverted(world.hear(f"x{n}", 101, 30))


def test_a_rule_stays_taken_back_over_a_restart_and_other_edits_until_it_is_edited_itself() -> None:
    world = canary()
    for n in range(4):
        world.hear(f"a{n}", 1, 30)
    thawed(world)
    world.hear("a4", 2, 30)
    assert world.alarm("a4", "rises").trial  # type: ignore[union-attr]
    same = CLOSES + '\nstate = "canary"\ncanary_pct = 99.98' + BUDGET
    cold = 'id = "cold"\nquantity = "temperature_c"\nat_or_below = -20.0\nclear_above = -15.0'
    edit(world, rules(same, cold), 3)
    assert "rises" in world.state.reverted
    edit(world, rules(same.replace("99.98", "99.99"), cold), 4)
    assert "rises" in world.state.reverted  # again, at once: as many wait as may leave, and that budget is spent
    decided = edit(world, rules(same, cold), 602)
    assert "rises" not in world.state.reverted
    assert ("rule-reverted", Change.RETURNED) in [(one.rule, one.change) for one in of(AlarmChanged, decided)]


def test_what_a_rule_has_proved_so_far_survives_a_restart() -> None:
    world = quarantine()
    for n in range(20):
        world.hear(f"a{n}", 101, 30)
    thawed(world)
    assert reverted(world.hear("a20", 102, 30))


def test_a_rule_without_an_action_is_taken_back_likewise() -> None:
    world = Street(rules(RISES, CLOSES.replace('"rises"', '"other"')), registry(30))
    edit(world, rules(RISES + "latch = true", CLOSES.replace('"rises"', '"other"')), 100)
    for n in range(21):
        world.hear(f"a{n}", 101, 11)
    assert [one.rule for one in reverted(world.decided)] == ["rises"]


WAITS = {
    "hold_s": ('quantity = "combustible_lel"\nat_or_above = 20\nclear_below = 15\nhold_s = 1200', 1_200),
    "window": ('condition = "mean(combustible_lel, 20 min) >= 20 %LEL"', 1_200),
    "since": ('condition = "since(combustible_lel >= 20 %LEL) >= patience"\nnumbers = { patience = "20 min" }', 1_200),
    "window and hold": ('condition = "count(combustible_lel >= 20 %LEL, 10 min) >= 9"\nhold_s = 600', 1_200),
    "stuck": ('condition = "stuck(combustible_lel, 20 min)"', 1_200),
    "silence": ('condition = "missing(20 min)"', 1_200),
    "dose": ('condition = "cohb(co_ppm) >= 10 %"', 29_064),
}


@pytest.mark.parametrize("waits", WAITS)
def test_a_rule_proves_itself_for_ten_minutes_after_what_it_waits_for_can_have_come(waits: str) -> None:
    said, longest_s = WAITS[waits]
    world = Street(rules(CLOSES), registry(3))
    edit(world, rules(CLOSES, f'id = "slow"\n{said}'), 100)
    (one, _) = world.state.proving["slow"]
    assert one.lasts_us == (600 + longest_s) * SECOND


def test_a_rule_that_holds_for_longer_than_ten_minutes_is_taken_back_all_the_same() -> None:
    world = Street(rules(CLOSES), registry(30))
    edit(world, rules(CLOSES, 'id = "slow"\n' + WAITS["hold_s"][0]), 100)
    for n in range(30):
        world.hear(f"a{n}", 101, 30)
    decided = world.tick(1_301)
    assert [one.rule for one in reverted(decided)] == ["slow"]
    assert "at 21 devices within 30 min of coming into force" in reverted(decided)[0].what
