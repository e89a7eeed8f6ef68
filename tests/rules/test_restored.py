"""After the engine's store was brought back from a copy: what is only remembered waits to be heard."""

import msgspec
import pytest

from devices.fleet import build_fleet
from devices.quantities import Flag, ValvePosition
from rules.decisions import (
    AlarmRaised,
    AttemptRequested,
    CloseWanted,
    Decision,
    FanWanted,
    HeldChange,
    ShutOffHeld,
    WantedEnded,
)
from rules.evaluation.kernels import compile_pack
from rules.events import AttemptSent, Restored, Resumed
from rules.instructions import Acknowledge, CloseValve, ReleaseHeld, Reset, VetoHeld
from rules.stepping.reshape import reshape
from rules.stepping.snapshot import decode_snapshot, encode_snapshot, restore, snapshot
from tests.rules.street import BUDGET, CLOSES, RISES, Street, names_of, number, registry, row, rules
from tests.rules.world import SECOND, at, of

HOUR = 3600.0
WIDE = "\nbudget = { least = 100, share_pct = 0.0, per_s = 600.0 }"


def street(rule: str = CLOSES + WIDE, homes: int = 5, **more: object) -> Street:
    return Street(rules(rule), registry(homes, **more))  # type: ignore[arg-type]


def back(world: Street, t: float = HOUR, *, least_epoch: int = 0) -> list[Decision]:
    """The copy is taken as it stands and comes back at `t`."""
    world.state = restore(decode_snapshot(encode_snapshot(snapshot(world.state))), world.fleet, world.rules)
    events = (Restored(at=at(t), least_epoch=least_epoch), Resumed(at=at(t), down_us=at(t) - world.state.now))
    return world.step((), events, t)


def closed(decided: list[Decision]) -> list[str]:
    return names_of([one.device_no for one in of(CloseWanted, decided)])


def held(decided: list[Decision], change: HeldChange = HeldChange.HELD) -> list[str]:
    return names_of([one.device_no for one in of(ShutOffHeld, decided) if one.change is change])


def test_a_closing_that_software_judged_and_nobody_saw_waits_until_its_detector_says_so_again() -> None:
    world = street()
    world.hear("a0", 1, 30)
    decided = back(world)
    assert held(decided) == ["b0"]
    assert not of(AttemptRequested, decided)
    assert len(of(WantedEnded, decided)) == 1
    assert not of(AttemptRequested, world.tick(HOUR + 1000))
    assert not of(CloseWanted, world.hear("a1", HOUR + 1001, 1))
    decided = world.hear("a0", HOUR + 1002, 30)
    assert held(decided, HeldChange.RELEASED) == closed(decided) == ["b0"]


def test_a_reading_that_does_not_raise_it_leaves_it_waiting_and_one_that_ends_the_alarm_ends_it() -> None:
    world = street()
    world.hear("a0", 1, 30)
    world.hear("a1", 1, 30)
    back(world)
    assert not of(ShutOffHeld, world.hear("a0", HOUR + 1, 7))  # between the limit and where it clears
    assert not of(ShutOffHeld, world.hear("a0", HOUR + 2, None, Flag.WARM_UP))
    assert closed(world.hear("a0", HOUR + 3, 11)) == ["b0"]
    assert held(world.hear("a1", HOUR + 4, 1), HeldChange.OVER) == ["b1"]


@pytest.mark.parametrize("flag", [Flag.LATE | Flag.BACKFILL, Flag.STALE])
def test_a_reading_that_is_not_live_is_not_being_heard(flag: Flag) -> None:
    world = street()
    world.hear("a0", 1, 30)
    back(world)
    assert not of(CloseWanted, world.hear("a0", HOUR + 1, 30, flag, ts_s=2))
    assert closed(world.hear("a0", HOUR + 2, 30)) == ["b0"]


def test_what_a_person_wants_is_attempted_at_once_with_an_epoch_beyond_all_that_may_have_been_given() -> None:
    world = street()
    world.tell(CloseValve(at=at(1), id="c", by="anna", device_no=number("b0"), reason="smell"))
    (wanted,) = of(CloseWanted, back(world, least_epoch=60))
    assert (wanted.by, wanted.reason, wanted.epoch) == ("anna", "smell", 61)
    (attempt,) = [one for one in of(AttemptRequested, world.decided) if one.epoch == wanted.epoch]
    assert attempt.at == at(HOUR)


def test_what_the_device_said_itself_is_attempted_at_once() -> None:
    world = street()
    world.hear("a0", 1, 30, Flag.HIGH_ALARM)
    decided = back(world)
    assert (closed(decided), held(decided)) == (["b0"], [])
    assert world.state.closed_for[world.slot("b0")]


def test_a_devices_own_alarm_and_a_persons_close_act_at_once_while_others_wait() -> None:
    world = street()
    world.hear("a0", 1, 30)
    world.hear("a1", 1, 30)
    back(world)
    assert closed(world.hear("a0", HOUR + 1, 30, Flag.HIGH_ALARM)) == ["b0"]
    person = CloseValve(at=at(HOUR + 2), id="c", by="anna", device_no=number("b1"), reason="smell")
    assert closed(world.tell(person)) == ["b1"]


def test_a_hold_that_ran_when_the_copy_was_made_closes_nothing_by_itself() -> None:
    world = street(CLOSES + WIDE + "\nhold_s = 60.0")
    world.hear("a0", 1, 30)
    decided = back(world)
    assert [one.rule for one in of(AlarmRaised, decided)][:1] == ["rises"]  # people are told
    assert (closed(decided), held(decided)) == ([], ["b0"])
    assert closed(world.hear("a0", HOUR + 1, 30)) == ["b0"]


def test_a_new_alarm_of_a_live_reading_needs_no_waiting() -> None:
    world = street()
    back(world)
    assert closed(world.hear("a0", HOUR + 1, 30)) == ["b0"]


def test_a_vote_that_is_only_remembered_does_not_count_and_does_when_it_was_heard() -> None:
    world = street(rows=[row("r", "c0 c1 c2", votes=2, valves="e0")])
    world.hear("c0", 1, 30)
    back(world)
    assert not closed(world.hear("c1", HOUR + 1, 30))
    assert closed(world.hear("c0", HOUR + 2, 30)) == ["e0"]


def test_fans_wait_likewise() -> None:
    world = street(RISES + 'action = "fan_on"', rows=[row("r", "c0", fans="f0")])
    world.hear("c0", 1, 30)
    decided = back(world)
    assert held(decided) == ["f0"]
    assert not of(AttemptRequested, world.tick(HOUR + 100))
    assert [one.device_no for one in of(FanWanted, world.hear("c0", HOUR + 101, 30))] == [number("f0")]


def test_what_was_seen_closed_before_the_copy_is_not_known_to_be_closed() -> None:
    world = street()
    world.hear("a0", 1, 30)
    world.seen_closed("b0", 2)
    decided = back(world)
    assert not held(decided)
    assert world.state.position[world.slot("b0")] == ValvePosition.UNKNOWN
    world.hear("a0", HOUR + 1, 1)
    assert closed(world.hear("a0", HOUR + 2, 30)) == ["b0"]


def test_what_waited_for_its_budget_waits_to_be_heard_first_and_then_for_its_budget() -> None:
    world = street(CLOSES + BUDGET)
    for n in range(4):
        world.hear(f"a{n}", 1, 30 + n)
    assert held(world.decided) == ["b2", "b3"]
    decided = back(world, 300)
    assert set(held(decided)) == {"b0", "b1", "b2", "b3"}
    assert not of(CloseWanted, world.tick(1_000))
    assert closed(world.hear("a2", 1_001, 40)) == ["b2"]
    assert closed(world.hear("a3", 1_002, 50)) == ["b3"]
    decided = world.hear("a0", 1_003, 60)
    assert (held(decided), closed(decided)) == (["b0"], [])
    assert closed(world.tick(1_601)) == ["b0"]


def test_people_are_told_and_may_release_or_veto_what_waits_to_be_heard() -> None:
    world = street()
    for n in range(3):
        world.hear(f"a{n}", 1, 30)
    back(world)
    alarm = world.alarm("a0", "shut-off-held")
    assert alarm is not None
    assert "3 shut-offs of rule rises: detectors not heard since the engine's store was brought back" in alarm.note
    release = ReleaseHeld(at=at(HOUR + 1), id="r", by="anna", rule="rises", device_no=number("b0"))
    assert closed(world.tell(release)) == ["b0"]
    veto = VetoHeld(at=at(HOUR + 2), id="v", by="anna", rule="rises", reason="seen to", device_no=number("b1"))
    assert held(world.tell(veto), HeldChange.VETOED) == ["b1"]
    assert not closed(world.hear("a1", HOUR + 3, 30))
    assert closed(world.hear("a2", HOUR + 4, 30)) == ["b2"]
    assert not world.state.paged


def test_a_restart_and_a_second_restore_change_nothing_of_it() -> None:
    world = street()
    world.hear("a0", 1, 30)
    back(world)
    assert not of(CloseWanted, back(world, HOUR + 100))
    world.state = restore(decode_snapshot(encode_snapshot(snapshot(world.state))), world.fleet, world.rules)
    assert world.state.waits[world.slot("a0")]
    decided = world.hear("a0", HOUR + 200, 30)
    assert closed(decided) == ["b0"]
    assert of(CloseWanted, decided)[0].epoch > 1 + 2


def test_an_epoch_that_is_beyond_that_already_grows_all_the_same() -> None:
    world = street()
    for n in range(3):
        world.tell(CloseValve(at=at(1 + 2 * n), id=f"c{n}", by="anna", device_no=number("b0"), reason="smell"))
        world.seen_closed("b0", 2 + 2 * n)
    back(world, least_epoch=2)
    assert closed(world.hear("a0", HOUR + 1, 30)) == ["b0"]
    assert of(CloseWanted, world.decided)[-1].epoch == 3 + 1 + 1


def test_a_plain_restart_goes_on_with_every_attempt() -> None:
    world = street()
    world.hear("a0", 1, 30)
    world.tell(AttemptSent(at=at(1.5), command=of(AttemptRequested, world.decided)[0].command))
    decided = world.tell(Resumed(at=at(HOUR), down_us=int((HOUR - 2) * SECOND)))
    assert of(AttemptRequested, decided)
    assert not of(ShutOffHeld, decided)


def test_what_a_row_may_close_waits_too_and_is_over_when_its_votes_are_not_there() -> None:
    world = street(
        CLOSES + WIDE + "\nhold_s = 60.0", rows=[row("r", "c0 c1", votes=2, valves="e0"), row("s", "c0", valves="e1")]
    )
    world.hear("c0", 1, 30)
    assert held(back(world)) == ["e0", "e1"]
    decided = world.hear("c0", HOUR + 1, 30)
    assert closed(decided) == ["e1"]
    assert held(decided, HeldChange.OVER) == ["e0"]


# ---- a closing that was wanted already is not lost ------------------------------------------------------------------

LATCHES = CLOSES + "\nlatch = true"


def alarm(world: Street, name: str) -> str:
    found = world.alarm(name, "rises")
    assert found is not None
    return found.alarm


def acknowledged(world: Street, name: str, t: float) -> None:
    world.tell(Acknowledge(at=at(t), id=f"k{t}", by="anna", alarm=alarm(world, name)))


def left(world: Street) -> bool:
    """Something of b0's closing is left: it is wanted, or it waits."""
    b0 = world.slot("b0")
    return b0 in world.state.wanted_by_slot or ("rises", b0) in world.state.held


def test_a_latched_alarm_whose_valve_was_not_seen_closed_closes_it_once_its_detector_is_heard() -> None:
    world = street(LATCHES + WIDE)
    world.hear("a0", 1, 30)
    world.hear("a0", 5, 1)
    assert held(back(world)) == ["b0"]
    assert left(world)
    assert not closed(world.tick(HOUR + 100))
    assert not closed(world.hear("a0", HOUR + 101, None, Flag.WARM_UP))
    decided = world.hear("a0", HOUR + 102, 1)
    assert held(decided, HeldChange.RELEASED) == closed(decided) == ["b0"]
    assert world.state.closed_for[world.slot("b0")]


def test_an_alarm_that_latches_by_the_first_reading_after_a_restore_closes_its_valve() -> None:
    world = street(LATCHES + WIDE)
    world.hear("a0", 1, 30)
    back(world)
    assert closed(world.hear("a0", HOUR + 1, 1)) == ["b0"]


def test_a_latched_alarm_that_is_reset_before_its_detector_is_heard_closes_nothing() -> None:
    world = street(LATCHES + WIDE)
    world.hear("a0", 1, 30)
    world.hear("a0", 5, 1)
    back(world)
    acknowledged(world, "a0", HOUR + 1)
    assert left(world)
    decided = world.tell(Reset(at=at(HOUR + 2), id="r", by="anna", alarm=alarm(world, "a0")))
    assert held(decided, HeldChange.OVER) == ["b0"]
    assert not closed(world.hear("a0", HOUR + 3, 1))


@pytest.mark.parametrize("over", [False, True])
@pytest.mark.parametrize("gas", [False, True])
def test_a_closing_that_outlived_its_alarm_waits_to_be_heard_and_is_over_without_gas(over: bool, gas: bool) -> None:
    world = street()
    world.hear("a0", 1, 30)
    world.hear("a0", 5, 1)
    if over:
        acknowledged(world, "a0", 6)
    assert held(back(world)) == ["b0"]
    decided = world.hear("a0", HOUR + 1, 30 if gas else 1)
    assert (closed(decided), held(decided, HeldChange.OVER)) == ((["b0"], []) if gas else ([], ["b0"]))


def test_a_person_releases_a_closing_that_outlived_its_alarm() -> None:
    world = street()
    world.hear("a0", 1, 30)
    world.hear("a0", 5, 1)
    acknowledged(world, "a0", 6)
    back(world)
    (wanted,) = of(CloseWanted, world.tell(ReleaseHeld(at=at(HOUR + 1), id="r", by="anna", rule="rises")))
    assert (wanted.device_no, wanted.reason, wanted.by) == (number("b0"), "rises", "anna")


def test_what_is_put_aside_gives_its_tokens_back() -> None:
    world = street(CLOSES + BUDGET, 6)
    for n in range(6):
        world.hear(f"a{n}", 1 + n / 10, 30)
    world.tell(VetoHeld(at=at(3), id="v", by="anna", rule="rises", reason="sensor test"))
    assert held(back(world, 10)) == ["b0", "b1"]
    assert not world.state.tokens
    for n in range(6):
        world.hear(f"a{n}", 11 + n / 10, 30)
    assert closed([one for one in world.decided if one.at >= at(10)]) == ["b0", "b1"]
    assert not world.state.held


def test_latched_closings_that_are_wanted_anew_keep_to_the_budget_and_none_is_lost() -> None:
    world = street(LATCHES + BUDGET, 3)
    for n in range(3):
        world.hear(f"a{n}", 1 + 700 * n, 30)
        world.hear(f"a{n}", 2 + 700 * n, 1)
    back(world)
    for n in range(3):
        world.hear(f"a{n}", HOUR + 1 + n, 1)
    assert closed(world.decided)[3:] == ["b0", "b1"]
    assert held(back(world, HOUR + 10)) == ["b0", "b1", "b2"]
    for t, n in enumerate((2, 1, 0)):
        world.hear(f"a{n}", HOUR + 20 + t, 1)
    assert closed([one for one in world.decided if one.at > at(HOUR + 10)]) == ["b2", "b1"]
    assert closed(world.tick(HOUR + 700)) == ["b0"]


def test_a_change_of_the_registry_keeps_a_closing_that_waits_to_be_heard_while_it_is_linked() -> None:
    world = street(LATCHES + WIDE)
    world.hear("a0", 1, 30)
    world.hear("a0", 5, 1)
    back(world)
    reshape(world.state, world.fleet, compile_pack(world.rules, world.fleet), at(HOUR + 1))
    assert left(world)
    before = world.fleet.registry
    without = build_fleet(msgspec.structs.replace(before, links=before.links[1:]), world.fleet)
    decided = reshape(world.state, without, compile_pack(world.rules, without), at(HOUR + 2))
    assert held(decided, HeldChange.OVER) == ["b0"]
