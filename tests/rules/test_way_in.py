"""Alarms about the way in: a link that is down, a session that was forgotten, readings that are missing."""

import pytest

from devices.fleet import build_fleet
from devices.quantities import Flag
from rules.decisions import AlarmChanged, AlarmRaised, AlarmState, Change, Decision, Priority
from rules.documents.document import load_pack
from rules.evaluation.kernels import compile_pack
from rules.events import Event, LinkDown, LinkUp, ReadingsComplete, ReadingsMissing, SessionLost
from rules.instructions import Acknowledge
from rules.stepping.reshape import reshape
from rules.stepping.snapshot import decode_snapshot, encode_snapshot, restore, snapshot
from tests.rules.world import NAMES, NUMBERS, OF_A_CLOSING, PLAIN, World, at, changed, of, pack, raised, registry

G1, D1 = NUMBERS["g1"], NUMBERS["d1"]


def down(t: float, reason: str = "no route to host") -> LinkDown:
    return LinkDown(at=at(t), device_no=G1, reason=reason)


def up(t: float) -> LinkUp:
    return LinkUp(at=at(t), device_no=G1)


def lost(t: float, reason: str = "the broker began a new session") -> SessionLost:
    return SessionLost(at=at(t), device_no=G1, reason=reason)


def missing(t: float, many: int = 7, first: int = 120, boot: int = 3) -> ReadingsMissing:
    return ReadingsMissing(at=at(t), device_no=D1, boot=boot, first=first, many=many)


def complete(t: float, gone: int = 0) -> ReadingsComplete:
    return ReadingsComplete(at=at(t), device_no=D1, lost=gone)


# ---- a link ---------------------------------------------------------------------------------------------------------


def test_a_link_that_is_down_is_an_alarm_of_its_gateway_that_says_why() -> None:
    world = World()
    (alarm,) = of(AlarmRaised, world.tell(down(5)))
    assert (alarm.rule, alarm.device_no, alarm.priority) == ("link-down", G1, Priority.HIGH)
    assert (alarm.at, alarm.onset, alarm.note) == (at(5), at(5), "no route to host")
    (standing,) = world.state.alarms()
    assert (standing.state, standing.note) == (AlarmState.UNACKNOWLEDGED, "no route to host")


def test_it_returns_when_the_link_is_up_again() -> None:
    world = World()
    world.tell(down(5))
    assert changed(world.tell(up(6))) == [("g1", "link-down", "RETURNED_UNACKNOWLEDGED")]
    assert not world.tell(up(7))


def test_a_link_that_is_said_to_be_down_again_is_the_same_alarm_and_says_the_newest_reason() -> None:
    world = World()
    world.tell(down(5))
    assert not world.tell(down(6, "connection refused"))
    assert [alarm.note for alarm in world.state.alarms()] == ["connection refused"]


def test_a_link_that_goes_down_again_alarms_again_with_its_reason() -> None:
    world = World()
    for event in (down(5), up(6)):
        world.tell(event)
    (again,) = of(AlarmChanged, world.tell(down(7, "connection refused")))
    assert (again.change, again.comment, again.onset) == (Change.REALARMED, "connection refused", at(5))


def test_what_stands_behind_a_link_that_is_down_falls_silent_of_its_own_and_keeps_its_alarms() -> None:
    world = World()
    world.hear("d1", 4, flags=Flag.HIGH_ALARM)
    world.tell(down(5))
    found = raised(world.tick(40))
    assert ("d1", "silence") in found
    gas = world.alarm("d1", "ch4-high")
    assert gas is not None
    assert gas.state is AlarmState.UNACKNOWLEDGED


def test_a_link_that_is_up_ends_nobodys_silence() -> None:
    world = World()
    world.tell(down(5))
    world.tick(40)
    assert changed(world.tell(up(41))) == [("g1", "link-down", "RETURNED_UNACKNOWLEDGED")]


# ---- a session ------------------------------------------------------------------------------------------------------


def test_a_lost_session_is_an_alarm_that_is_over_and_waits_to_be_seen() -> None:
    world = World()
    decided = world.tell(lost(5))
    (alarm,) = of(AlarmRaised, decided)
    assert (alarm.rule, alarm.device_no, alarm.note) == ("session-lost", G1, "the broker began a new session")
    assert changed(decided) == [("g1", "session-lost", "RETURNED_UNACKNOWLEDGED")]
    world.tell(Acknowledge(at=at(6), id="a", by="li", alarm=alarm.alarm))
    assert not world.state.alarms()


def test_every_further_loss_alarms_again() -> None:
    world = World()
    world.tell(lost(5))
    decided = world.tell(lost(6, "expired"))
    assert [(c.change, c.comment) for c in of(AlarmChanged, decided)] == [
        (Change.REALARMED, "expired"),
        (Change.RETURNED, ""),
    ]
    (alarm,) = world.state.alarms()
    assert (alarm.state, alarm.note, alarm.onset) == (AlarmState.RETURNED_UNACKNOWLEDGED, "expired", at(5))


def test_a_loss_after_the_last_one_was_seen_is_a_new_alarm() -> None:
    world = World()
    (first,) = of(AlarmRaised, world.tell(lost(5)))
    world.tell(Acknowledge(at=at(6), id="a", by="li", alarm=first.alarm))
    (second,) = of(AlarmRaised, world.tell(lost(7)))
    assert (second.onset, second.alarm == first.alarm) == (at(7), False)


# ---- missing readings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("many", "note"),
    [(7, "7 readings from 120 on (boot 3) are missing"), (1, "1 reading from 120 on (boot 3) is missing")],
)
def test_missing_readings_are_an_alarm_of_their_device_that_says_which(many: int, note: str) -> None:
    (alarm,) = of(AlarmRaised, World().tell(missing(5, many)))
    assert (alarm.rule, alarm.device_no, alarm.note) == ("readings-missing", D1, note)


def test_news_of_the_same_gap_do_not_double_the_alarm_which_says_the_newest() -> None:
    world = World()
    world.tell(missing(5, 7))
    assert not world.tell(missing(6, 9))
    assert [alarm.note for alarm in world.state.alarms()] == ["9 readings from 120 on (boot 3) are missing"]


@pytest.mark.parametrize(
    ("gone", "comment"),
    [(0, "all have come"), (1, "1 reading is lost for ever"), (3, "3 readings are lost for ever")],
)
def test_when_none_is_missing_any_more_it_is_over_and_says_how_many_were_lost(gone: int, comment: str) -> None:
    world = World()
    world.tell(missing(5))
    (change,) = of(AlarmChanged, world.tell(complete(9, gone)))
    assert (change.change, change.comment) == (Change.RETURNED, comment)
    assert not world.tell(complete(10, gone))


# ---- what an alarm says while it stands ------------------------------------------------------------------------------


def noted(decisions: list[Decision]) -> list[tuple[int, str]]:
    """(at, note) of every alarm that says something else and is what it was."""
    found = [c for c in of(AlarmChanged, decisions) if c.change is Change.NOTED]
    assert {c.state for c in found} <= {AlarmState.UNACKNOWLEDGED}
    return [(c.at, c.comment) for c in found]


def test_other_words_of_a_standing_alarm_are_told_a_minute_after_the_last_at_the_latest() -> None:
    world = World()
    world.tell(down(5))
    world.tell(down(6, "connection refused"))
    world.tell(down(7, "host unreachable"))
    assert noted(world.tick(64.9)) == []
    assert noted(world.tick(65)) == [(at(65), "host unreachable")]
    assert noted(world.tick(500)) == []
    assert noted(world.tell(down(501, "refused"))) == [(at(501), "refused")]


def test_the_same_words_again_tell_nothing() -> None:
    world = World()
    world.tell(down(5))
    assert noted(world.tell(down(200))) == []
    assert noted(world.tick(400)) == []


def test_what_is_untold_when_the_alarm_returns_is_told_before_that() -> None:
    world = World()
    world.tell(missing(5, 7))
    world.tell(missing(6, 9))
    changes = of(AlarmChanged, world.tell(complete(7)))
    assert [(c.change, c.comment) for c in changes] == [
        (Change.NOTED, "9 readings from 120 on (boot 3) are missing"),
        (Change.RETURNED, "all have come"),
    ]
    assert noted(world.tick(500)) == []


def test_a_restart_does_not_forget_that_something_is_untold() -> None:
    world = World()
    world.tell(missing(5, 7))
    world.tell(missing(6, 9))
    world.state = restore(decode_snapshot(encode_snapshot(snapshot(world.state))), world.fleet, world.rules)
    assert [when for when, _ in noted(world.tick(100))] == [at(65)]


def test_an_acknowledged_alarm_stays_acknowledged_when_it_says_something_else() -> None:
    world = World()
    (alarm,) = of(AlarmRaised, world.tell(down(5)))
    world.tell(Acknowledge(at=at(6), id="a", by="li", alarm=alarm.alarm))
    (change,) = of(AlarmChanged, world.tell(down(100, "refused")))
    assert (change.change, change.state, change.by) == (Change.NOTED, AlarmState.ACKNOWLEDGED, "")
    (standing,) = [one for one in world.state.alarms() if one.alarm == alarm.alarm]
    assert (standing.acknowledged_by, standing.note) == ("li", "refused")


# ---- all of them ----------------------------------------------------------------------------------------------------

EVENTS = (down(5), up(5), lost(5), missing(5), complete(5))


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("device_no", [0, -1, 999_999, NUMBERS["d3"]])
def test_numbers_that_nobody_has_or_has_no_longer_are_ignored(event: Event, device_no: int) -> None:
    world = World(what=registry())
    world.fleet = build_fleet(registry([name for name in NAMES if name != "d3"]), world.fleet)
    reshape(world.state, world.fleet, compile_pack(world.rules, world.fleet), at(1))
    assert not world.tell(type(event)(**{**_fields(event), "device_no": device_no}))


@pytest.mark.parametrize("event", EVENTS)
def test_without_a_rule_of_its_kind_an_event_is_nobodys_alarm(event: Event) -> None:
    assert not World(pack('flags = ["tamper"]')).tell(event)


@pytest.mark.parametrize("event", [down(5), lost(5), missing(5)])
def test_a_rule_or_a_device_that_is_gone_takes_the_alarm_with_it(event: Event) -> None:
    for what, rules in ((registry(("d2", "v2")), None), (registry(), pack(*OF_A_CLOSING))):
        world = World()
        world.tell(event)
        world.fleet = build_fleet(what, world.fleet)
        compiled = compile_pack(rules or world.rules, world.fleet)
        decided: list[Decision] = reshape(world.state, world.fleet, compiled, at(6))
        assert [change.change for change in of(AlarmChanged, decided)] == [Change.REMOVED]
        assert not world.state.alarms()


@pytest.mark.parametrize(
    ("event", "name", "rule"), [(down(5), "g1", b"link-down"), (missing(5), "d1", b"readings-missing")]
)
def test_a_rule_of_another_name_goes_on_saying_what_stands(event: Event, name: str, rule: bytes) -> None:
    world = World()
    world.tell(event)
    renamed = load_pack(PLAIN.read_bytes().replace(b'"%s"' % rule, b'"of-another-name"'), "renamed.toml")
    decided = reshape(world.state, world.fleet, compile_pack(renamed, world.fleet), at(6))
    assert (name, rule.decode(), "NORMAL") in changed(decided)
    (alarm,) = of(AlarmRaised, decided)
    assert (alarm.rule, alarm.device_no, alarm.at, alarm.note != "") == ("of-another-name", NUMBERS[name], at(6), True)


def _fields(event: Event) -> dict[str, object]:
    return {name: getattr(event, name) for name in event.__struct_fields__}
