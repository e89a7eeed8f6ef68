"""Suppressed by design: what another alarm explains is out of people's list while that one stands."""

import itertools
import random

import pytest

from devices.fleet import build_fleet
from devices.quantities import Flag
from devices.sites import Site
from rules.decisions import AlarmChanged, AlarmRaised, AlarmState, Change, Decision, Priority
from rules.documents.document import RulePack
from rules.evaluation.kernels import compile_pack
from rules.events import LinkDown, LinkUp
from rules.instructions import Acknowledge, Shelve
from rules.life import alarms
from rules.life.lifecycle import IS_ACTIVE
from rules.stepping.reshape import reshape
from rules.stepping.snapshot import decode_snapshot, encode_snapshot, restore, snapshot
from rules.stepping.state import State
from tests.rules.block import NAMES, NUMBER, SITES, Block, block, told
from tests.rules.world import at, of, pack

MAINS = 'id = "mains"\nflags = ["mains_loss"]'
FAULT = 'id = "fault"\npriority = "medium"\nflags = ["fault"]\nsuppressed_by = ["mains", "link"]'
LINK = 'id = "link"\nkind = "link_down"'
GAS = 'id = "gas"\nquantity = "combustible_lel"\nat_or_above = 20\nclear_below = 15\nsuppressed_by = ["mains"]'
SILENT = 'id = "silent"\npriority = "medium"\nkind = "silence"\nsuppressed_by = ["area-out", "link"]'
OUTAGE = 'id = "area-out"\nkind = "outage"\ngroup = "area"\nleast = 5\nshare_pct = 10'
RULES = pack(MAINS, FAULT, LINK)


def shows(home: Block, name: str, rule: str) -> AlarmState:
    number = home.state.compiled.by_id[rule]
    alarm = home.state.open.get((int(home.fleet.slot_of[NUMBER[name]]), number))
    return alarm.state if alarm is not None else AlarmState.NORMAL


def changes(decisions: list[Decision]) -> list[tuple[str, Change, AlarmState]]:
    return [(one.rule, one.change, one.state) for one in of(AlarmChanged, decisions)]


def test_an_alarm_is_suppressed_while_one_that_explains_it_is_active_at_its_device() -> None:
    home = Block(RULES)
    home.hear("a1", 1, flags=Flag.FAULT)
    decided = home.hear("a1", 2, flags=Flag.FAULT | Flag.MAINS_LOSS)
    assert changes(decided) == [("fault", Change.SUPPRESSED, AlarmState.SUPPRESSED)]
    (mains,), (change,) = of(AlarmRaised, decided), of(AlarmChanged, decided)
    assert change.comment == "explained by mains at davysim/a1"
    assert home.state.suppressions[int(home.fleet.slot_of[NUMBER["a1"]]), "fault"].because == (mains.alarm,)
    decided = home.hear("a1", 3, flags=Flag.FAULT)
    assert changes(decided) == [
        ("mains", Change.RETURNED, AlarmState.RETURNED_UNACKNOWLEDGED),
        ("fault", Change.UNSUPPRESSED, AlarmState.UNACKNOWLEDGED),
    ]
    assert not home.state.suppressions


def test_an_alarm_that_is_explained_already_is_suppressed_from_the_start() -> None:
    home = Block(RULES)
    home.hear("a1", 1, flags=Flag.MAINS_LOSS)
    (fault,) = of(AlarmRaised, home.hear("a1", 2, flags=Flag.FAULT | Flag.MAINS_LOSS))
    assert fault.state is AlarmState.SUPPRESSED
    assert fault.rule == "fault"


def test_its_condition_is_followed_and_when_it_is_over_nothing_is_suppressed() -> None:
    home = Block(RULES)
    home.hear("a1", 1, flags=Flag.FAULT | Flag.MAINS_LOSS)
    fault = next(one.alarm for one in home.state.alarms() if one.rule == "fault")
    decided = home.hear("a1", 2, flags=Flag.MAINS_LOSS)
    assert changes(decided) == [("fault", Change.RETURNED, AlarmState.SUPPRESSED)]
    assert changes(home.says(Acknowledge, 3, alarm=fault)) == [("fault", Change.ACKNOWLEDGED, AlarmState.NORMAL)]
    assert not home.state.suppressions
    assert changes(home.hear("a1", 4)) == [("mains", Change.RETURNED, AlarmState.RETURNED_UNACKNOWLEDGED)]


def test_an_explaining_alarm_at_the_gateway_and_at_its_gateway_reaches_what_is_behind() -> None:
    for where in ("gate", "hub"):
        home = Block(RULES)
        home.hear("h1", 1, flags=Flag.FAULT)
        home.hear("h5", 1, flags=Flag.FAULT)
        decided = home.tell(LinkDown(at=at(2), device_no=NUMBER[where], reason="no route to host"))
        assert changes(decided) == [("fault", Change.SUPPRESSED, AlarmState.SUPPRESSED)]
        assert (shows(home, "h1", "fault"), shows(home, "h5", "fault")) == (
            AlarmState.SUPPRESSED,
            AlarmState.UNACKNOWLEDGED,
        )
        assert of(AlarmRaised, home.hear("h2", 3, flags=Flag.FAULT))[0].state is AlarmState.SUPPRESSED
        decided = home.tell(LinkUp(at=at(4), device_no=NUMBER[where]))
        assert [one for one, _, state in changes(decided)[1:] if state is AlarmState.UNACKNOWLEDGED] == ["fault"] * 2


def test_it_stays_suppressed_until_the_last_that_explains_it_is_gone() -> None:
    home = Block(RULES)
    home.hear("h1", 1, flags=Flag.FAULT | Flag.MAINS_LOSS)
    home.tell(LinkDown(at=at(2), device_no=NUMBER["gate"], reason="gone"))
    assert len(home.state.suppressions[int(home.fleet.slot_of[NUMBER["h1"]]), "fault"].because) == 2
    home.hear("h1", 3, flags=Flag.FAULT)
    assert shows(home, "h1", "fault") is AlarmState.SUPPRESSED
    home.tell(LinkUp(at=at(4), device_no=NUMBER["gate"]))
    assert shows(home, "h1", "fault") is AlarmState.UNACKNOWLEDGED


def test_an_area_that_is_out_explains_the_silence_of_its_devices_and_of_no_other() -> None:
    home = Block(pack(SILENT, OUTAGE, LINK))
    for name in NAMES:
        home.hear(name, 1)
    decided = home.tick(40)
    assert home.state.compiled.rules[1].kind == "outage"
    (outage,) = (one for one in of(AlarmRaised, decided) if one.rule == "area-out")
    assert outage.device_no == NUMBER["a1"]
    silent = {one.device_no: one for one in home.state.alarms() if one.rule == "silent"}
    assert {one.state for no, one in silent.items() if no != NUMBER["far"]} == {AlarmState.SUPPRESSED}
    assert silent[NUMBER["far"]].state is AlarmState.UNACKNOWLEDGED
    for name in NAMES[:-5]:
        home.hear(name, 41)
    left = [one.state for one in home.state.alarms() if one.rule == "silent" and IS_ACTIVE[_true(home, one.device_no)]]
    assert set(left) <= {AlarmState.UNACKNOWLEDGED}


def _true(home: Block, device_no: int) -> int:
    return int(home.state.phase[int(home.fleet.slot_of[device_no]), home.state.compiled.by_id["silent"]])


def test_a_suppressed_alarm_opens_no_incident_until_it_comes_out() -> None:
    home = Block(pack(MAINS + '\npriority = "low"', GAS))
    home.hear("a1", 1, flags=Flag.MAINS_LOSS)
    assert not told(home.hear("a1", 2, flags=Flag.MAINS_LOSS, combustible_lel=30))
    assert told(home.hear("a1", 3, combustible_lel=30)) == [("a1", "opened")]


def test_an_alarm_that_becomes_critical_about_gas_comes_out() -> None:
    home = Block(pack(MAINS, GAS))
    home.hear("a1", 1, flags=Flag.MAINS_LOSS, combustible_lel=30)
    assert shows(home, "a1", "gas") is AlarmState.SUPPRESSED
    out: list[Decision] = []
    place = (int(home.fleet.slot_of[NUMBER["a1"]]), home.state.compiled.by_id["gas"])
    alarms.escalate(home.state, out, *place, Priority.CRITICAL, at(2))
    assert [one.change for one in of(AlarmChanged, out)] == [Change.ESCALATED, Change.UNSUPPRESSED]
    assert shows(home, "a1", "gas") is AlarmState.UNACKNOWLEDGED


def test_one_that_is_only_tried_explains_nothing() -> None:
    home = Block(pack(MAINS + '\nstate = "dry_run"', FAULT, LINK))
    home.hear("a1", 1, flags=Flag.FAULT | Flag.MAINS_LOSS)
    assert shows(home, "a1", "fault") is AlarmState.UNACKNOWLEDGED


def test_one_that_is_hidden_itself_explains_all_the_same() -> None:
    home = Block(RULES)
    home.hear("a1", 1, flags=Flag.FAULT | Flag.MAINS_LOSS)
    mains = next(one.alarm for one in home.state.alarms() if one.rule == "mains")
    home.says(Shelve, 2, alarm=mains, until=at(100), reason="works on the line", role="operator")
    assert shows(home, "a1", "mains") is AlarmState.SHELVED
    assert shows(home, "a1", "fault") is AlarmState.SUPPRESSED


def change_rules(home: Block, rules: RulePack, t: float) -> list[Decision]:
    home.rules = rules
    decided = reshape(home.state, home.fleet, compile_pack(rules, home.fleet), at(t))
    home.decided += decided
    return decided


def test_rules_that_are_edited_suppress_and_unsuppress() -> None:
    home = Block(pack(MAINS, FAULT.replace("suppressed_by", "# "), LINK))
    home.hear("a1", 1, flags=Flag.FAULT | Flag.MAINS_LOSS)
    assert shows(home, "a1", "fault") is AlarmState.UNACKNOWLEDGED
    assert ("fault", Change.SUPPRESSED, AlarmState.SUPPRESSED) in changes(
        change_rules(home, pack(LINK, FAULT, MAINS), 2)
    )
    unsuppressed = changes(change_rules(home, pack(FAULT.replace('"mains", ', ""), LINK), 3))
    assert ("fault", Change.UNSUPPRESSED, AlarmState.UNACKNOWLEDGED) in unsuppressed


@pytest.mark.parametrize("seed", range(12))
def test_whatever_comes_and_goes_exactly_what_is_explained_is_suppressed(seed: int) -> None:
    """S1, by a look at everything after every step; with restarts, moved sites and devices that leave."""
    rng = random.Random(seed)
    home = Block(pack(MAINS, FAULT, LINK, SILENT, OUTAGE))
    names, sites = list(NAMES), list(SITES)
    t = 0.0
    for _ in range(120):
        t += rng.choice((0.5, 1, 3, 31))
        kind = rng.random()
        if kind < 0.7:
            flags = rng.choice((Flag(0), Flag.FAULT, Flag.MAINS_LOSS, Flag.FAULT | Flag.MAINS_LOSS))
            home.hear(rng.choice(names), t, flags=flags)
        elif kind < 0.85:
            event = LinkDown(at=at(t), device_no=NUMBER[rng.choice(("gate", "hub"))], reason="gone")
            home.tell(event if rng.random() < 0.5 else LinkUp(at=at(t), device_no=event.device_no))
        elif kind < 0.92 and home.state.alarms():
            home.says(Acknowledge, t, alarm=rng.choice(home.state.alarms()).alarm)
        elif kind < 0.96:
            home.state = restore(decode_snapshot(encode_snapshot(snapshot(home.state))), home.fleet, home.rules)
        else:
            names = [name for name in NAMES if name in ("gate", "hub") or rng.random() < 0.9]
            sites = [
                Site(s.key, area=rng.choice(("500156", "500243")), building=s.building, riser=s.riser) for s in SITES
            ]
            home.fleet = build_fleet(block(names, sites), home.fleet)
            home.decided += reshape(home.state, home.fleet, compile_pack(home.rules, home.fleet), at(t))
        assert suppressed(home.state) == explained(home.state)
    assert any(isinstance(one, AlarmChanged) and one.change is Change.SUPPRESSED for one in home.decided)


def suppressed(state: State) -> set[tuple[int, str]]:
    shown = {(one.slot, one.rule) for one in state.alarms() if one.state is AlarmState.SUPPRESSED}
    assert shown == set(state.suppressions)
    return shown


def explained(state: State) -> set[tuple[int, str]]:
    """By the semantics, over all pairs of open alarms."""
    fleet, rules, found = state.fleet, state.compiled.rules, set()
    for (slot, rule), (there, other) in itertools.product(state.open, state.open):
        if rules[other].id not in rules[rule].suppressed_by or not IS_ACTIVE[state.phase[there, other]]:
            continue
        group = rules[other].group
        same = group is not None and fleet.groups[group].of[slot] == fleet.groups[group].of[there] >= 0
        if there == slot or same or (group is None and there in gateways(state, slot)):
            found.add((slot, rules[rule].id))
    return found


def gateways(state: State, slot: int) -> list[int]:
    found = []
    for _ in range(2):
        device = state.fleet.devices[slot]
        if device is None or not device.gateway:
            break
        slot = state.fleet.slot_by_identity[device.gateway]
        found.append(slot)
    return found
