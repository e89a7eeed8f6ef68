"""Rules that are taken back by themselves: what people read, what else waits, and what an edit makes of it (D3)."""

from devices.fleet import build_fleet
from devices.quantities import Flag
from rules.decisions import Decision, HeldChange, RuleNoted, ShutOffHeld
from rules.documents.document import RulePack, load_pack
from rules.evaluation.kernels import compile_pack
from rules.interlock.canary import in_canary
from rules.stepping.reshape import reshape
from tests.rules.street import BUDGET, CLOSES, RISES, Street, registry, rules
from tests.rules.world import OF_A_CLOSING, at, of

WIDE = "\nbudget = { least = 100, share_pct = 0.0, per_s = 600.0 }"
OTHER = RISES.replace('"rises"', '"other"')
WHY = "raised at 21 devices within 10 min of coming into force; at most 20 may be; edit it to bring it into force again"


def edit(world: Street, pack: RulePack, t: float) -> list[Decision]:
    world.rules = pack
    return reshape(world.state, world.fleet, compile_pack(pack, world.fleet), at(t))


def leaks(world: Street, many: int, t: float) -> list[Decision]:
    return [one for n in range(many) for one in world.hear(f"a{n}", t + n / 100, 30)]


def taken_back(decided: list[Decision]) -> list[str]:
    return [one.rule for one in of(RuleNoted, decided) if one.reverted]


def note(world: Street, detector: str) -> str:
    alarm = world.alarm(detector, "rule-reverted")
    assert alarm is not None
    return alarm.note


def both() -> Street:
    """Two rules that came into force in second 1, and were both taken back at a20. By now the gas is gone."""
    world = Street(rules(CLOSES + WIDE), registry(25))
    edit(world, rules(CLOSES + WIDE + "\nlatch = true", OTHER), 1)
    assert taken_back(leaks(world, 21, 2)) == ["rises", "other"]
    for n in range(21):
        world.hear(f"a{n}", 3, 0)
    return world


def test_people_read_which_rule_was_taken_back_why_and_what_to_do() -> None:
    world = Street(rules(CLOSES + WIDE), registry(25))
    edit(world, rules(CLOSES + WIDE + "\nlatch = true"), 1)
    leaks(world, 21, 2)
    assert note(world, "a20") == f"rule rises: {WHY}"


def test_of_two_at_one_device_they_read_of_both_and_it_is_over_when_both_are_edited() -> None:
    world = both()
    assert note(world, "a20") == f"rule rises: {WHY}; rule other: {WHY}"
    edit(world, rules(CLOSES + WIDE, OTHER), 4)
    assert world.alarm("a20", "rule-reverted").state.name == "UNACKNOWLEDGED"  # type: ignore[union-attr]
    edit(world, rules(CLOSES + WIDE, OTHER + "latch = true"), 5)
    assert world.alarm("a20", "rule-reverted").state.name == "RETURNED_UNACKNOWLEDGED"  # type: ignore[union-attr]


def test_a_rule_that_was_taken_back_proves_nothing_more_and_one_that_is_gone_is_forgotten() -> None:
    world = both()
    assert not world.state.proving
    edit(world, rules(CLOSES + WIDE), 4)
    assert not world.state.reverted
    assert [*world.state.proving] == ["rises"]
    edit(world, rules(OTHER), 5)
    assert [*world.state.proving] == ["other"]


def test_an_edit_to_flags_alone_ends_its_proving() -> None:
    world = Street(rules(CLOSES + WIDE), registry(2))
    edit(world, rules(CLOSES + WIDE + "\nlatch = true"), 1)
    flags = 'id = "rises"\napplies_to = ["detector"]\nflags = ["high_alarm"]\naction = "close"'
    edit(world, rules(flags + WIDE), 2)
    assert not world.state.proving


def test_what_the_device_says_itself_leaves_what_waits_of_a_rule_that_proves_itself() -> None:
    world = Street(rules(CLOSES + BUDGET), registry(5))
    edit(world, rules(CLOSES + BUDGET + "\nlatch = true"), 1)
    leaks(world, 3, 2)
    assert len(world.state.held) == 1
    decided = world.hear("a3", 3, 30, Flag.HIGH_ALARM)
    assert not [one for one in of(ShutOffHeld, decided) if one.change is HeldChange.OVER]
    assert len(world.state.held) == 1


def test_a_canary_that_is_taken_back_as_it_comes_into_force_everywhere_leaves_nothing_waiting() -> None:
    canary = rules(CLOSES + '\nstate = "canary"\ncanary_pct = 50.0' + BUDGET)
    world = Street(canary, registry(70))
    inside = [n for n in range(70) if in_canary(canary.rules[0], f"home{n}")]
    outside = [n for n in range(70) if n not in inside]
    for n in (*inside[:3], *outside[:21]):
        world.hear(f"a{n}", 1, 30)
    assert len(world.state.held) == 1
    decided = edit(world, rules(CLOSES + BUDGET), 2)
    assert taken_back(decided) == ["rises"]
    assert [one.change for one in of(ShutOffHeld, decided)] == [HeldChange.OVER]


def test_a_canary_that_comes_into_force_everywhere_keeps_what_waits() -> None:
    canary = rules(CLOSES + '\nstate = "canary"\ncanary_pct = 50.0' + BUDGET)
    world = Street(canary, registry(70))
    inside = [n for n in range(70) if in_canary(canary.rules[0], f"home{n}")]
    outside = [n for n in range(70) if n not in inside]
    for n in (*inside[:3], *outside[:2]):
        world.hear(f"a{n}", 1, 30)
    decided = edit(world, rules(CLOSES + BUDGET), 2)
    assert [one.change for one in of(ShutOffHeld, decided)] == [HeldChange.HELD] * 2
    assert len(world.state.held) == 3


def test_where_a_device_has_left_an_edited_rule_proves_itself_all_the_same() -> None:
    world = Street(rules(CLOSES + WIDE), registry(26))
    world.fleet = build_fleet(registry(25), world.fleet)
    edit(world, world.rules, 1)
    edit(world, rules(CLOSES + WIDE + "\nlatch = true"), 2)
    assert taken_back(leaks(world, 21, 3)) == ["rises"]


def test_of_a_rule_that_looks_at_real_and_simulated_devices_the_real_ones_are_counted() -> None:
    world = Street(rules(CLOSES + WIDE), registry(2, labs=1_200))
    edit(world, rules(CLOSES + WIDE + "\nlatch = true"), 1)
    (one, _) = world.state.proving["rises"]
    assert (one.most, one.simulated) == (20, False)


def test_an_override_is_an_edit_of_its_own_rule_and_of_no_other() -> None:
    world = Street(rules(CLOSES + WIDE, OTHER), registry(2))
    head = '[[rule]]\ntitle = { zh = "规", en = "r" }\nsource = "product choice"\npriority = "high"\n'
    text = 'version = "1"\n' + "".join(f"{head}{body}\n" for body in (CLOSES + WIDE, OTHER, *OF_A_CLOSING))
    text += '[[override]]\nrule = "other"\nonly = { areas = ["11"] }\nsource = "product choice"\nhold_s = 5.0\n'
    edit(world, load_pack(text.encode(), "test.toml"), 1)
    assert [*world.state.proving] == ["other"]
