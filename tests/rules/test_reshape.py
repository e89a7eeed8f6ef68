"""A change of the registry or of the rules moves nobody's timers, and ends what has lost its ground, saying so."""

from devices.fleet import build_fleet
from devices.models import Actuator
from devices.quantities import Flag, ValvePosition
from devices.sites import Registry
from rules.decisions import (
    AlarmChanged,
    AlarmRaised,
    AlarmState,
    AttemptRequested,
    CloseWanted,
    Decision,
    Outcome,
    RuleNoted,
    WantedEnded,
    command_id,
    wanted_id,
)
from rules.documents.document import RulePack
from rules.evaluation.kernels import compile_pack
from rules.events import AttemptSent
from rules.instructions import Acknowledge, CancelClose
from rules.stepping.reshape import reshape
from tests.rules.world import LINKS, MODELS, NUMBERS, OF_A_CLOSING, World, at, changed, of, pack, raised, registry

GAS = 'quantity = "combustible_lel"\nat_or_above = 20\nclear_below = 15\n'
NAMES = tuple(NUMBERS)


def change(world: World, t: float, what: Registry | None = None, rules: RulePack | None = None) -> list[Decision]:
    """What the engine does with a RegistryChanged or RulesChanged, at `t`."""
    world.fleet = build_fleet(what, world.fleet) if what is not None else world.fleet
    world.rules = rules or world.rules
    decided = reshape(world.state, world.fleet, compile_pack(world.rules, world.fleet), at(t))
    world.decided += decided
    return decided


def without(*names: str) -> Registry:
    return registry([name for name in NAMES if name not in names])


def command(name: str, epoch: int = 1, attempt: int = 1) -> str:
    return command_id(wanted_id(NUMBERS[name], epoch), attempt)


def test_a_rule_that_keeps_its_id_keeps_its_alarms_and_its_timers() -> None:
    world = World(pack(f'id = "gas"\n{GAS}hold_s = 30', 'id = "door"\nflags = ["tamper"]'))
    world.hear("d1", 1, combustible_lel=25)
    world.hear("d2", 2, flags=Flag.TAMPER)
    rules = pack(
        'id = "new"\nflags = ["mains_loss"]', 'id = "door"\nflags = ["tamper"]', f'id = "gas"\n{GAS}hold_s = 30'
    )
    assert not change(world, 5, rules=rules)
    assert [a.rule for a in world.state.alarms()] == ["door"]
    assert [(a.rule, a.at, a.onset) for a in of(AlarmRaised, world.tick(40))] == [("gas", at(31), at(1))]
    assert changed(world.hear("d2", 41)) == [("d2", "door", "RETURNED_UNACKNOWLEDGED")]


def test_a_rule_that_is_gone_ends_its_alarms_and_its_holds() -> None:
    world = World(pack(f'id = "gas"\n{GAS}hold_s = 30', 'id = "door"\nflags = ["tamper"]'))
    world.hear("d1", 1, flags=Flag.TAMPER, combustible_lel=25)
    (ended,) = of(AlarmChanged, change(world, 5, rules=pack('id = "other"\nflags = ["mains_loss"]')))
    assert (ended.rule, ended.state, ended.at) == ("door", AlarmState.NORMAL, at(5))
    assert "no longer in force" in ended.comment
    assert not world.tick(60)
    assert not world.state.alarms()


def test_a_device_that_has_left_ends_its_alarms_and_is_not_silent() -> None:
    world = World()
    world.hear("d2", 1, flags=Flag.HIGH_ALARM | Flag.TAMPER)
    decided = change(world, 5, without("d2"))
    assert {(c.rule, c.state) for c in of(AlarmChanged, decided)} == {
        ("ch4-high", AlarmState.NORMAL),
        ("tamper", AlarmState.NORMAL),
    }
    assert ("d2", "silence") not in raised(world.tick(3_600))


def test_a_new_device_is_judged_and_counts_as_heard_when_it_came() -> None:
    world = World(what=without("d2"))
    world.tick(1_000)
    change(world, 1_005, registry())
    assert raised(world.hear("d2", 1_010, flags=Flag.TAMPER)) == [("d2", "tamper")]
    world.fleet = world.state.fleet
    assert ("d2", "silence") in raised(world.tick(1_040))


def test_a_new_device_that_never_speaks_is_silent_three_intervals_after_it_came() -> None:
    world = World(what=without("d2"))
    world.tick(1_000)
    change(world, 1_005, registry())
    (alarm,) = [a for a in of(AlarmRaised, world.tick(1_100)) if a.device_no == NUMBERS["d2"]]
    assert (alarm.rule, alarm.at) == ("silence", at(1_035))


def test_no_slot_is_given_to_another_device() -> None:
    world = World()
    before = {name: int(world.fleet.slot_of[NUMBERS[name]]) for name in NAMES}
    change(world, 5, without("d1", "v2"))
    change(world, 6, registry(tuple(reversed(NAMES))))
    assert {name: int(world.fleet.slot_of[NUMBERS[name]]) for name in NAMES} == before


def test_a_valve_that_has_left_ends_its_closing() -> None:
    world = World()
    world.hear("d2", 1, flags=Flag.HIGH_ALARM)
    (ended,) = of(WantedEnded, change(world, 2, without("v2")))
    assert (ended.outcome, ended.device_no) == (Outcome.CANCELLED, NUMBERS["v2"])
    assert not of(AttemptRequested, world.tick(20))


def test_a_detector_and_its_reopened_valve_can_leave_together() -> None:
    world = World()
    world.hear("d2", 1, flags=Flag.HIGH_ALARM)
    world.tell(AttemptSent(at=at(2), command=command("v2")))
    world.hear("v2", 3, valve=ValvePosition.CLOSED)
    world.hear("v2", 4, valve=ValvePosition.OPEN)
    reopened = world.alarm("v2", "valve-reopened")
    assert reopened is not None
    world.tell(Acknowledge(at=at(5), id="a", by="li", alarm=reopened.alarm))
    decided = change(world, 6, without("d2", "v2"))
    assert {(c.rule, c.state) for c in of(AlarmChanged, decided)} == {
        ("ch4-high", AlarmState.NORMAL),
        ("valve-reopened", AlarmState.NORMAL),
    }
    assert len(of(AlarmChanged, decided)) == 2
    assert not world.state.alarms()


def test_a_closing_rule_that_is_gone_takes_its_no_shut_off_valve_alarm_with_it() -> None:
    closing = 'applies_to = ["detector"]\naction = "close"\n'
    world = World(pack(f'id = "gas"\n{closing}{GAS}', f'id = "co"\n{closing}flags = ["co_alarm"]', *OF_A_CLOSING))
    world.hear("d3", 1, combustible_lel=30)
    decided = change(world, 2, rules=pack(f'id = "co"\n{closing}flags = ["co_alarm"]', *OF_A_CLOSING))
    assert changed(decided) == [
        ("d3", "gas", "NORMAL"),
        ("d3", "no-shut-off-valve", "RETURNED_UNACKNOWLEDGED"),
    ]


def test_an_edit_of_something_else_ends_no_alarm_about_a_missing_shut_off_valve() -> None:
    """It is over when the last alarm that would close something is; one that is only tried keeps it too."""
    closing = 'applies_to = ["detector"]\naction = "close"\n'
    tried = f'id = "co"\nstate = "dry_run"\n{closing}flags = ["co_alarm"]'
    world = World(pack(f'id = "gas"\n{closing}{GAS}', tried, *OF_A_CLOSING))
    world.hear("d3", 1, combustible_lel=30, flags=Flag.CO_ALARM)
    over = ("d3", "no-shut-off-valve", "RETURNED_UNACKNOWLEDGED")
    assert over not in changed(world.hear("d3", 2, combustible_lel=0, flags=Flag.CO_ALARM))
    assert not change(world, 3, without("d5"))
    assert over in changed(world.hear("d3", 4, combustible_lel=0))


def test_a_valve_linked_while_the_alarm_is_active_is_closed_at_once() -> None:
    world = World()
    world.hear("d3", 1, flags=Flag.HIGH_ALARM)
    decided = change(world, 2, registry(links=(*LINKS, ("d3", "v1"))))
    alarm = world.alarm("d3", "ch4-high")
    assert alarm is not None
    assert [(w.device_no, w.alarm, w.at) for w in of(CloseWanted, decided)] == [(NUMBERS["v1"], alarm.alarm, at(2))]
    assert ("d3", "no-shut-off-valve", "RETURNED_UNACKNOWLEDGED") in changed(decided)


def test_a_change_of_links_does_not_undo_what_a_person_cancelled() -> None:
    world = World()
    world.hear("d2", 1, flags=Flag.HIGH_ALARM)
    wanted = wanted_id(NUMBERS["v2"], 1)
    world.tell(CancelClose(at=at(2), id="c", by="li", wanted=wanted, reason="on site"))
    decided = change(world, 3, registry(links=(*LINKS, ("d2", "v1"))))
    assert [w.device_no for w in of(CloseWanted, decided)] == [NUMBERS["v1"]]


def test_a_rule_that_no_longer_closes_leaves_its_valves_to_be_opened() -> None:
    closing = f'id = "gas"\napplies_to = ["detector"]\n{GAS}'
    world = World(pack(closing + 'action = "close"', *OF_A_CLOSING))
    world.hear("d2", 1, combustible_lel=30)
    world.tell(AttemptSent(at=at(2), command=command("v2")))
    world.hear("v2", 3, valve=ValvePosition.CLOSED)
    (noted,) = change(world, 4, rules=pack(closing, *OF_A_CLOSING))
    assert noted == RuleNoted(at=at(4), rule="gas", what="action: close -> none")
    assert not world.hear("v2", 5, valve=ValvePosition.OPEN)


def test_a_valve_that_is_linked_no_longer_may_be_opened() -> None:
    world = World()
    world.hear("d2", 1, flags=Flag.HIGH_ALARM)
    world.tell(AttemptSent(at=at(2), command=command("v2")))
    world.hear("v2", 3, valve=ValvePosition.CLOSED)
    change(world, 4, registry(links=[link for link in LINKS if link != ("d2", "v2")]))
    assert not raised(world.hear("v2", 5, valve=ValvePosition.OPEN))


def test_a_detector_that_loses_its_last_valve_while_the_alarm_is_active_says_so() -> None:
    world = World()
    world.hear("d2", 1, flags=Flag.HIGH_ALARM)
    decided = change(world, 4, registry(links=[link for link in LINKS if link != ("d2", "v2")]))
    assert raised(decided) == [("d2", "no-shut-off-valve")]


def test_an_attempt_after_the_change_follows_the_model_as_it_is_now() -> None:
    world = World()
    world.hear("d2", 1, flags=Flag.HIGH_ALARM)
    valve = MODELS[1]
    faster = (
        *MODELS[:1],
        type(valve)(
            valve.key, valve.vendor, valve.name, valve.kind, valve.source, 30.0, actuator=Actuator(attempt_expires_s=5)
        ),
        *MODELS[2:],
    )
    change(world, 1.5, registry(models=faster))
    (attempt,) = of(AttemptRequested, world.tick(2))
    assert attempt.expires == at(7)
