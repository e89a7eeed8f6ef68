"""Cause and effect: which valves an alarm closes, how often it is tried, and what counts as closed (G6, G7, G8)."""

from collections.abc import Sequence

import pytest

from devices.quantities import Flag, ValvePosition
from rules.decisions import (
    AlarmRaised,
    AlarmState,
    AttemptRequested,
    CloseWanted,
    CommandStepped,
    Decision,
    Outcome,
    Priority,
    Step,
    WantedEnded,
    command_id,
    wanted_id,
)
from rules.events import AttemptAcknowledged, AttemptFailed, AttemptSent, Connected, Replied, Resumed
from rules.instructions import Acknowledge, CancelClose, CloseValve, Reset
from tests.rules.world import NUMBERS, OF_A_CLOSING, SECOND, World, at, changed, of, pack, raised, reading

OPENISH = [ValvePosition.OPEN, ValvePosition.OPENING]
NOT_CLOSED = [position for position in ValvePosition if position is not ValvePosition.CLOSED]


def command(name: str, epoch: int = 1, attempt: int = 1) -> str:
    return command_id(wanted_id(NUMBERS[name], epoch), attempt)


def steps(decisions: Sequence[Decision]) -> list[tuple[str, Step]]:
    return [(d.command, d.step) for d in of(CommandStepped, decisions)]


def leaking(detector: str = "d2", rule: Flag = Flag.HIGH_ALARM) -> World:
    """A world in which a detector's alarm wants its valve closed since second 1."""
    world = World()
    world.hear(detector, 1, flags=rule)
    return world


def alarm_of(world: World, detector: str, rule: str = "ch4-high") -> str:
    alarm = world.alarm(detector, rule)
    assert alarm is not None
    return alarm.alarm


def shut(detector: str = "d2", valve: str = "v2") -> World:
    """The valve was closed for the alarm and seen closed in second 3; the alarm stands."""
    world = leaking(detector)
    world.tell(AttemptSent(at=at(2), command=command(valve)))
    world.hear(valve, 3, valve=ValvePosition.CLOSED)
    assert not world.state.wanted_by_slot
    return world


# ---- wanting --------------------------------------------------------------------------------------------------------


def test_a_closing_alarm_wants_every_shut_off_valve_of_its_detector_closed_at_once() -> None:
    decided = World().hear("d1", 1, flags=Flag.LOW_ALARM)
    (alarm,) = of(AlarmRaised, decided)
    assert [(w.device_no, w.epoch, w.alarm, w.reason, w.by) for w in of(CloseWanted, decided)] == [
        (NUMBERS["v1"], 1, alarm.alarm, "ch4-low", ""),
        (NUMBERS["v2"], 1, alarm.alarm, "ch4-low", ""),
    ]
    attempts = of(AttemptRequested, decided)
    assert [(a.device_no, a.attempt, a.epoch, a.command) for a in attempts] == [
        (NUMBERS["v1"], 1, 1, command("v1")),
        (NUMBERS["v2"], 1, 1, command("v2")),
    ]
    assert {decision.at for decision in decided} == {at(1)}
    assert {w.confirm_by for w in of(CloseWanted, decided)} == {at(11)}
    assert {a.expires for a in attempts} == {at(31)}


def test_an_alarm_that_does_not_close_closes_nothing() -> None:
    world = World()
    world.hear("d1", 1, flags=Flag.FAULT | Flag.TAMPER | Flag.MAINS_LOSS, battery_pct=1)
    assert not of(CloseWanted, world.decided)


def test_a_closing_that_is_wanted_already_is_not_wanted_twice() -> None:
    world = leaking("d1", Flag.LOW_ALARM)
    assert not of(CloseWanted, world.hear("d1", 1.1, flags=Flag.HIGH_ALARM | Flag.LOW_ALARM))
    assert not of(CloseWanted, world.hear("d2", 1.2, flags=Flag.HIGH_ALARM))


def test_a_valve_that_reads_closed_is_told_all_the_same() -> None:
    world = World()
    world.hear("v2", 0.5, valve=ValvePosition.CLOSED)
    assert of(AttemptRequested, world.hear("d2", 1, flags=Flag.HIGH_ALARM))


@pytest.mark.parametrize("position", [ValvePosition.OPEN, ValvePosition.OPENING, ValvePosition.FAULT])
def test_an_alarm_that_comes_again_wants_valves_closed_again_that_do_not_read_closed(position: ValvePosition) -> None:
    world = shut()
    world.hear("d2", 4, combustible_lel=0)
    world.hear("v2", 4.5, valve=position)
    (wanted,) = of(CloseWanted, world.hear("d2", 5, flags=Flag.HIGH_ALARM))
    assert wanted.epoch == 2


def test_a_valve_that_was_seen_closed_for_an_alarm_and_still_reads_closed_is_not_told_again() -> None:
    world = shut()
    assert not of(CloseWanted, world.hear("d1", 4, flags=Flag.HIGH_ALARM))[1:]  # v1 only: v2 is closed
    world.hear("d2", 5, combustible_lel=0)
    assert not of(CloseWanted, world.hear("d2", 6, flags=Flag.HIGH_ALARM))
    v2 = world.fleet.slot_by_identity["davysim/v2"]
    assert {slot for slot, _ in world.state.closed_for[v2]} == {
        world.fleet.slot_by_identity["davysim/d1"],
        world.fleet.slot_by_identity["davysim/d2"],
    }


def test_a_further_alarm_is_a_cause_of_a_closing_all_the_same_and_outlives_the_first() -> None:
    world = shut()
    world.hear("d1", 4, flags=Flag.HIGH_ALARM)
    world.hear("d2", 5, combustible_lel=0)
    world.tell(Acknowledge(at=at(6), id="a", by="anna", alarm=alarm_of(world, "d2")))
    (wanted,) = of(CloseWanted, world.hear("v2", 7, valve=ValvePosition.OPEN))
    assert wanted.alarm == alarm_of(world, "d1")


def test_a_valve_that_has_gone_silent_since_it_was_seen_closed_is_told_again() -> None:
    world = shut()
    world.hear("d2", 80, combustible_lel=0)
    again = of(CloseWanted, world.hear("d2", 93, flags=Flag.HIGH_ALARM))  # last heard at 3; three intervals are 90 s
    assert [one.device_no for one in again] == [NUMBERS["v2"]]


def test_a_detector_without_a_shut_off_valve_says_so_at_once() -> None:
    decided = World().hear("d3", 1, flags=Flag.HIGH_ALARM)  # d3 has a self-closing valve only
    gas, nothing = of(AlarmRaised, decided)
    assert (nothing.rule, nothing.device_no, nothing.priority) == ("no-shut-off-valve", 13, Priority.CRITICAL)
    assert (nothing.at, nothing.because) == (at(1), gas.alarm)
    assert not of(CloseWanted, decided)


def test_no_shut_off_valve_is_over_when_no_closing_alarm_of_the_detector_is_active() -> None:
    world = World()
    world.hear("d3", 1, flags=Flag.HIGH_ALARM | Flag.LOW_ALARM)
    assert "no-shut-off-valve" not in str(changed(world.hear("d3", 2, flags=Flag.LOW_ALARM, combustible_lel=30)))
    assert ("d3", "no-shut-off-valve", "RETURNED_UNACKNOWLEDGED") in changed(world.hear("d3", 3, combustible_lel=0))


def test_a_simulated_leak_closes_the_simulated_valve_only() -> None:
    decided = World().hear("sd", 1, flags=Flag.HIGH_ALARM | Flag.SIMULATED)
    assert [w.device_no for w in of(CloseWanted, decided)] == [NUMBERS["sv"]]


def test_nothing_the_engine_ever_decides_opens_a_valve() -> None:
    verbs = {kind.__name__ for kind in Decision.__args__}
    assert not [name for name in verbs if "open" in name.lower()]


# ---- attempts -------------------------------------------------------------------------------------------------------


def test_attempts_repeat_after_1_2_4_8_15_15_seconds_each_with_its_own_id_and_expiry() -> None:
    world = leaking()
    world.tick(61)
    attempts = of(AttemptRequested, world.decided)
    assert [a.at for a in attempts] == [at(t) for t in (1, 2, 4, 8, 16, 31, 46, 61)]
    assert [a.attempt for a in attempts] == list(range(1, 9))
    assert [a.command for a in attempts] == [command("v2", 1, n) for n in range(1, 9)]
    assert [a.expires for a in attempts] == [a.at + 30 * SECOND for a in attempts]


def test_an_attempt_that_was_not_confirmed_expires_at_its_expiry() -> None:
    world = leaking()
    world.tell(AttemptSent(at=at(1.1), command=command("v2")))
    expired = [step for step in of(CommandStepped, world.tick(33)) if step.step is Step.EXPIRED]
    assert [(step.command, step.at) for step in expired] == [
        (command("v2", 1, 1), at(31)),
        (command("v2", 1, 2), at(32)),
    ]


def test_an_attempt_that_failed_does_not_expire_as_well() -> None:
    world = leaking()
    decided = world.tell(AttemptFailed(at=at(1.1), command=command("v2"), reason="not connected"))
    assert steps(decided) == [(command("v2"), Step.FAILED)]
    assert (command("v2"), Step.EXPIRED) not in steps(world.tick(33))


def test_a_valve_that_connects_is_tried_at_once_and_then_later_again() -> None:
    world = leaking()
    world.tick(17)
    (now,) = of(AttemptRequested, world.tell(Connected(at=at(18), device_no=NUMBERS["v2"])))
    assert (now.at, now.attempt) == (at(18), 6)
    assert [a.at for a in of(AttemptRequested, world.tick(40))] == [at(33)]


def test_a_valve_of_which_nothing_is_wanted_connects_without_effect() -> None:
    assert not World().tell(Connected(at=at(5), device_no=NUMBERS["v1"]))
    assert not shut().tell(Connected(at=at(5), device_no=NUMBERS["v2"]))


def test_after_a_restart_every_wanted_closing_is_tried_at_once() -> None:
    world = leaking("d1")
    attempts = of(AttemptRequested, world.tell(Resumed(at=at(1.5), down_us=100_000)))
    assert [(a.device_no, a.attempt) for a in attempts] == [(NUMBERS["v1"], 2), (NUMBERS["v2"], 2)]


def test_every_step_of_an_attempt_is_told() -> None:
    world = leaking()
    assert steps(world.tell(AttemptSent(at=at(1.1), command=command("v2")))) == [(command("v2"), Step.SENT)]
    acked = world.tell(AttemptAcknowledged(at=at(1.2), command=command("v2")))
    assert steps(acked) == [(command("v2"), Step.ACKNOWLEDGED)]
    (wanted,) = world.state.wanted()
    assert [step.step for step in wanted.steps] == [Step.REQUESTED, Step.SENT, Step.ACKNOWLEDGED]


def test_what_is_said_of_a_command_nobody_gave_changes_nothing() -> None:
    world = leaking()
    for event in (
        AttemptSent(at=at(1.1), command="0" * 32),
        AttemptFailed(at=at(1.1), command="0" * 32, reason="?"),
        AttemptAcknowledged(at=at(1.1), command="0" * 32),
        Replied(at=at(1.1), command="0" * 32, device_no=NUMBERS["v1"], valve=ValvePosition.CLOSED),
        Replied(at=at(1.1), command="0" * 32, device_no=999_999, valve=ValvePosition.CLOSED),
    ):
        assert not world.tell(event)


def test_a_valve_that_is_dead_for_days_is_tried_on_and_stays_small() -> None:
    world = leaking()
    world.tell(AttemptSent(at=at(1.1), command=command("v2")))
    world.tick(3 * 86_400)
    (wanted,) = world.state.wanted()
    assert of(AttemptRequested, world.decided)[-1].attempt > 17_000
    assert len(wanted.attempts) < 40
    assert len(wanted.steps) <= 1_000
    assert wanted.attempts[0].command == command("v2")
    decided = world.hear("v2", 3 * 86_400 + 1, valve=ValvePosition.CLOSED)
    assert (command("v2"), Step.CONFIRMED) in steps(decided)


# ---- confirmation ---------------------------------------------------------------------------------------------------


def test_a_closing_is_confirmed_by_a_closed_position_received_after_an_attempt_was_sent() -> None:
    world = leaking()
    world.tell(AttemptSent(at=at(2), command=command("v2")))
    decided = world.hear("v2", 3, valve=ValvePosition.CLOSED)
    assert steps(decided) == [(command("v2"), Step.CONFIRMED)]
    (ended,) = of(WantedEnded, decided)
    assert (ended.outcome, ended.wanted, ended.at) == (Outcome.CONFIRMED, wanted_id(NUMBERS["v2"], 1), at(3))
    assert not of(AttemptRequested, world.tick(60))


def test_a_closed_position_before_any_attempt_was_sent_confirms_nothing() -> None:
    world = leaking()
    assert not of(WantedEnded, world.hear("v2", 1.5, valve=ValvePosition.CLOSED))
    assert of(AttemptRequested, world.tick(2))


def test_a_position_that_was_measured_before_the_first_attempt_left_confirms_nothing() -> None:
    world = leaking()
    world.tell(AttemptSent(at=at(200), command=command("v2")))
    waited = world.hear("v2", 201, ts_s=139, valve=ValvePosition.CLOSED)
    assert Step.CONFIRMED not in [step for _, step in steps(waited)]
    assert world.state.wanted_by_slot
    assert world.state.position[world.fleet.slot_of[NUMBERS["v2"]]] == ValvePosition.UNKNOWN
    assert Step.CONFIRMED in [step for _, step in steps(world.hear("v2", 202, ts_s=141, valve=ValvePosition.CLOSED))]


def test_a_reply_to_an_attempt_confirms_whatever_the_valves_clock_says() -> None:
    world = leaking()
    world.tell(AttemptSent(at=at(200), command=command("v2")))
    world.hear("v2", 201, ts_s=-9_000, valve=ValvePosition.OPEN)
    replied = Replied(at=at(202), command=command("v2"), device_no=NUMBERS["v2"], valve=ValvePosition.CLOSED)
    assert Step.CONFIRMED in [step for _, step in steps(world.tell(replied))]


def test_the_confirmed_attempt_is_the_latest_that_was_sent() -> None:
    world = leaking()
    world.tick(4)
    for attempt in (1, 2):
        world.tell(AttemptSent(at=at(4), command=command("v2", 1, attempt)))
    decided = world.hear("v2", 5, valve=ValvePosition.CLOSED)
    assert steps(decided) == [(command("v2", 1, 2), Step.CONFIRMED)]


def test_a_reply_with_the_closed_position_confirms() -> None:
    world = leaking()
    world.tell(AttemptSent(at=at(2), command=command("v2")))
    said = Replied(at=at(3), command=command("v2"), device_no=NUMBERS["v2"], valve=ValvePosition.CLOSED)
    assert steps(world.tell(said)) == [(command("v2"), Step.ACKNOWLEDGED), (command("v2"), Step.CONFIRMED)]


@pytest.mark.parametrize("position", NOT_CLOSED)
def test_a_reply_with_any_other_position_is_an_acknowledgement_and_no_more(position: ValvePosition) -> None:
    world = leaking()
    world.tell(AttemptSent(at=at(2), command=command("v2")))
    said = Replied(at=at(3), command=command("v2"), device_no=NUMBERS["v2"], valve=position)
    assert steps(world.tell(said)) == [(command("v2"), Step.ACKNOWLEDGED)]


def test_a_reply_says_where_the_valve_stands_or_nothing_of_it() -> None:
    world = leaking()
    v2 = world.fleet.slot_of[NUMBERS["v2"]]
    for t, said, known in ((2, "OPEN", "OPEN"), (3, "UNKNOWN", "OPEN"), (4, "CLOSING", "CLOSING")):
        reply = Replied(at=at(t), command=command("v2"), device_no=NUMBERS["v2"], valve=ValvePosition[said])
        world.tell(reply)
        assert ValvePosition(world.state.position[v2]).name == known


def test_an_acknowledgement_never_confirms() -> None:
    world = leaking()
    world.tell(AttemptSent(at=at(1.1), command=command("v2")))
    world.tell(AttemptAcknowledged(at=at(1.2), command=command("v2")))
    assert ("v2", "valve-not-closed") in raised(world.tick(12))


def test_no_valve_can_answer_for_another() -> None:
    world = leaking("d1")
    world.tell(AttemptSent(at=at(2), command=command("v1")))
    said = Replied(at=at(3), command=command("v1"), device_no=NUMBERS["v2"], valve=ValvePosition.CLOSED)
    assert not world.tell(said)


def test_a_late_answer_to_an_older_closing_does_not_confirm_the_newer_one() -> None:
    world = shut()
    world.hear("v2", 5, valve=ValvePosition.OPEN)
    world.tell(AttemptSent(at=at(6), command=command("v2", epoch=2)))
    said = Replied(at=at(7), command=command("v2"), device_no=NUMBERS["v2"], valve=ValvePosition.CLOSED)
    assert not world.tell(said)


@pytest.mark.parametrize("by_then", [ValvePosition.OPEN, ValvePosition.CLOSED])
def test_an_answer_to_a_closing_that_is_over_does_not_make_a_watched_valve_seen(by_then: ValvePosition) -> None:
    world = shut()
    world.hear("d2", 4, combustible_lel=0)
    world.hear("v2", 5, valve=by_then)
    late = 200.0 if by_then is ValvePosition.CLOSED else 6.0  # long silent, it no longer counts as seen closed
    said = Replied(at=at(late), command=command("v2"), device_no=NUMBERS["v2"], valve=ValvePosition.CLOSED)
    world.tell(said)
    assert NUMBERS["v2"] in [
        one.device_no for one in of(CloseWanted, world.hear("d2", late + 1, flags=Flag.HIGH_ALARM))
    ]


def test_a_valve_not_seen_closed_by_its_deadline_is_an_alarm_and_attempts_go_on() -> None:
    world = leaking()
    (alarm,) = [a for a in of(AlarmRaised, world.tick(11)) if a.rule == "valve-not-closed"]
    gas = world.alarm("d2", "ch4-high")
    assert gas is not None
    assert (alarm.device_no, alarm.priority, alarm.because) == (NUMBERS["v2"], Priority.CRITICAL, gas.alarm)
    assert alarm.at == at(11)
    assert of(AttemptRequested, world.tick(3_600))


def test_the_not_closed_alarm_is_over_when_the_valve_is_seen_closed() -> None:
    world = leaking()
    world.tick(12)
    world.tell(AttemptSent(at=at(13), command=command("v2", 1, 3)))
    assert ("v2", "valve-not-closed", "RETURNED_UNACKNOWLEDGED") in changed(
        world.hear("v2", 14, valve=ValvePosition.CLOSED)
    )


def test_a_valve_that_cannot_report_ends_unverifiable_once_it_has_the_command() -> None:
    world = leaking("d4")
    world.tell(AttemptSent(at=at(2), command=command("m1")))
    decided = world.tell(AttemptAcknowledged(at=at(3), command=command("m1")))
    assert steps(decided) == [(command("m1"), Step.ACKNOWLEDGED), (command("m1"), Step.UNVERIFIABLE)]
    assert [ended.outcome for ended in of(WantedEnded, decided)] == [Outcome.UNVERIFIABLE]


def test_what_a_valve_that_cannot_report_says_of_its_position_confirms_nothing_and_alarms_nobody() -> None:
    world = leaking("d4")
    world.tell(AttemptSent(at=at(2), command=command("m1")))
    assert not world.hear("m1", 3, valve=ValvePosition.CLOSED)
    said = Replied(at=at(4), command=command("m1"), device_no=NUMBERS["m1"], valve=ValvePosition.OPEN)
    assert [ended.outcome for ended in of(WantedEnded, world.tell(said))] == [Outcome.UNVERIFIABLE]
    assert not world.hear("m1", 5, valve=ValvePosition.OPEN)


def test_a_valve_that_cannot_report_and_never_got_the_command_is_tried_on_with_an_alarm() -> None:
    world = leaking("d4")
    assert ("m1", "valve-not-closed") in raised(world.tick(11))
    assert of(AttemptRequested, world.tick(3_600))


# ---- opened again ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("position", OPENISH)
def test_a_valve_seen_open_while_its_alarm_is_active_is_an_alarm_and_closed_again(position: ValvePosition) -> None:
    world = shut()
    decided = world.hear("v2", 5, valve=position)
    gas = world.alarm("d2", "ch4-high")
    assert gas is not None
    (alarm,) = of(AlarmRaised, decided)
    assert (alarm.rule, alarm.device_no, alarm.because) == ("valve-reopened", NUMBERS["v2"], gas.alarm)
    assert [wanted.epoch for wanted in of(CloseWanted, decided)] == [2]


def test_what_waited_from_before_a_closing_does_not_open_it_again_but_a_valve_with_a_slow_clock_is_seen() -> None:
    world = leaking()
    world.tell(AttemptSent(at=at(200), command=command("v2")))
    world.tell(Replied(at=at(201), command=command("v2"), device_no=NUMBERS["v2"], valve=ValvePosition.CLOSED))
    assert not world.state.wanted_by_slot
    assert raised(world.hear("v2", 202, ts_s=100, valve=ValvePosition.OPEN)) == []
    assert world.state.position[world.fleet.slot_of[NUMBERS["v2"]]] == ValvePosition.CLOSED
    assert raised(world.hear("v2", 261, ts_s=100, valve=ValvePosition.OPEN)) == []
    assert [rule for _, rule in raised(world.hear("v2", 262, ts_s=101, valve=ValvePosition.OPEN))] == ["valve-reopened"]


@pytest.mark.parametrize(("before_s", "from_before"), [(60, False), (60.001, True)])
def test_what_was_measured_more_than_a_minute_before_the_first_attempt_left_is_from_before(
    before_s: float, from_before: bool
) -> None:
    world = leaking()
    world.tell(AttemptSent(at=at(100), command=command("v2")))
    ended = of(WantedEnded, world.hear("v2", 101, ts_s=100 - before_s, valve=ValvePosition.CLOSED))
    assert (not ended) is from_before


def test_the_reopened_alarm_is_over_when_the_valve_is_seen_closed_again() -> None:
    world = shut()
    world.hear("v2", 5, valve=ValvePosition.OPEN)
    world.tell(AttemptSent(at=at(6), command=command("v2", epoch=2)))
    assert ("v2", "valve-reopened", "RETURNED_UNACKNOWLEDGED") in changed(
        world.hear("v2", 7, valve=ValvePosition.CLOSED)
    )


def test_an_acknowledged_alarm_keeps_its_valve_closed_too() -> None:
    world = shut()
    gas = world.alarm("d2", "ch4-high")
    assert gas is not None
    world.tell(Acknowledge(at=at(4), id="a", by="li", alarm=gas.alarm))
    assert of(CloseWanted, world.hear("v2", 5, valve=ValvePosition.OPEN))


def test_opening_while_a_latched_alarm_waits_for_its_reset_is_told_and_not_undone() -> None:
    world = shut()
    world.hear("d2", 4, combustible_lel=0)
    gas = world.alarm("d2", "ch4-high")
    assert gas is not None
    assert gas.state is AlarmState.LATCHED_UNACKNOWLEDGED
    decided = world.hear("v2", 5, valve=ValvePosition.OPEN)
    assert raised(decided) == [("v2", "valve-reopened")]
    assert not of(CloseWanted, decided)


def test_opening_after_the_alarm_is_over_is_nobodys_alarm() -> None:
    world = shut()
    world.hear("d2", 4, combustible_lel=0)
    gas = world.alarm("d2", "ch4-high")
    assert gas is not None
    world.tell(Acknowledge(at=at(5), id="a", by="li", alarm=gas.alarm))
    world.tell(Reset(at=at(6), id="b", by="li", alarm=gas.alarm))
    assert not world.hear("v2", 7, valve=ValvePosition.OPEN)


def test_a_valve_stays_closed_while_any_of_its_alarms_stands() -> None:
    world = World()
    world.step([reading("d1", 1, flags=Flag.LOW_ALARM), reading("d2", 1, flags=Flag.LOW_ALARM)], (), 1)
    world.tell(AttemptSent(at=at(2), command=command("v2")))
    world.hear("v2", 3, valve=ValvePosition.CLOSED)
    world.hear("d1", 4, combustible_lel=0)
    decided = world.hear("v2", 5, valve=ValvePosition.OPEN)
    second = world.alarm("d2", "ch4-low")
    assert second is not None
    assert [wanted.alarm for wanted in of(CloseWanted, decided)] == [second.alarm]


def test_a_valve_whose_closing_a_person_cancelled_is_not_closed_again_by_the_same_alarm() -> None:
    world = leaking()
    cancel = CancelClose(at=at(2), id="c", by="li", wanted=wanted_id(NUMBERS["v2"], 1), reason="on site")
    assert [ended.outcome for ended in of(WantedEnded, world.tell(cancel))] == [Outcome.CANCELLED]
    assert not world.hear("v2", 3, valve=ValvePosition.OPEN)
    assert not of(AttemptRequested, world.tick(12))


def test_a_valve_closed_by_a_person_without_any_alarm_may_be_opened() -> None:
    world = World()
    world.tell(CloseValve(at=at(1), id="c", by="li", device_no=NUMBERS["v1"], reason="works"))
    world.tell(AttemptSent(at=at(2), command=command("v1")))
    world.hear("v1", 3, valve=ValvePosition.CLOSED)
    assert not world.hear("v1", 4, valve=ValvePosition.OPEN)


def test_a_valve_that_is_closing_again_is_still_opened_again_until_it_is_closed() -> None:
    world = World(
        pack(
            'id = "ch4-high"\napplies_to = ["detector"]\nflags = ["high_alarm"]\naction = "close"\nlatch = true',
            *OF_A_CLOSING,
        )
    )
    world.hear("d2", 1, flags=Flag.HIGH_ALARM)
    world.tell(AttemptSent(at=at(2), command=command("v2")))
    world.hear("v2", 3, valve=ValvePosition.CLOSED)
    world.hear("d2", 4, combustible_lel=0)
    assert ("v2", "valve-reopened") in raised(world.hear("v2", 5, valve=ValvePosition.OPEN))
    assert not changed(world.hear("v2", 6, valve=ValvePosition.CLOSING))
    assert ("v2", "valve-reopened", "RETURNED_UNACKNOWLEDGED") in changed(
        world.hear("v2", 7, valve=ValvePosition.CLOSED)
    )
