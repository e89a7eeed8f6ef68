"""Permits to open a valve on site (G6): two people, no newer CLOSE, finished on site; nothing else ever says it."""

import pytest

from devices.commands import Verb
from devices.fleet import build_fleet
from devices.quantities import Flag, ValvePosition
from rules.decisions import (
    AlarmRaised,
    Answered,
    AttemptRequested,
    CloseWanted,
    CommandStepped,
    Decision,
    PermitChanged,
    PermitState,
    Step,
    command_id,
    permit_id,
)
from rules.evaluation.kernels import compile_pack
from rules.events import AttemptAcknowledged, AttemptFailed, AttemptSent, Replied, Restored
from rules.instructions import (
    Acknowledge,
    ApprovePermit,
    CloseValve,
    CompletePermit,
    RequestPermit,
    Reset,
    TakeOutOfService,
    WithdrawPermit,
)
from rules.interlock.permits import LASTS_US
from rules.stepping.reshape import reshape
from rules.stepping.snapshot import decode_snapshot, encode_snapshot, restore, snapshot
from tests.rules.street import BUDGET, CLOSES, Street, number, registry, row, rules
from tests.rules.world import SECOND, at, of

B0 = number("b0")
HALF_HOUR_S = LASTS_US / SECOND


def street(rule: str = CLOSES, *more: str) -> Street:
    return Street(rules(rule, *more), registry(4, rows=[row("r", "c0 c1", votes=2, valves="b1")]))


def request(
    t: float = 1, *, by: str = "anna", device_no: int = B0, reason: str = "a new hose is fitted"
) -> RequestPermit:
    return RequestPermit(at=at(t), id=f"r{t}", by=by, device_no=device_no, reason=reason)


def approve(t: float = 2, *, by: str = "bo", requested: float = 1, device_no: int = B0) -> ApprovePermit:
    return ApprovePermit(at=at(t), id=f"p{t}{by}", by=by, permit=permit_id(device_no, at(requested)))


def complete(t: float = 3, lel: float = 0.0, *, requested: float = 1) -> CompletePermit:
    permit = permit_id(B0, at(requested))
    return CompletePermit(at=at(t), id=f"c{t}", by="chen", permit=permit, combustible_lel=lel)


def granted() -> Street:
    world = street()
    world.tell(request())
    world.tell(approve())
    return world


def states(decided: list[Decision]) -> list[PermitState]:
    return [one.state for one in of(PermitChanged, decided)]


def refused(decided: list[Decision]) -> str:
    (said,) = of(Answered, decided)
    assert not said.accepted
    assert not of(PermitChanged, decided)
    assert not of(AttemptRequested, decided)
    return said.reason


def opened(decided: list[Decision]) -> list[AttemptRequested]:
    return [one for one in of(AttemptRequested, decided) if one.verb is Verb.PERMIT_OPEN]


# ---- the way it goes ------------------------------------------------------------------------------------------------


def test_one_person_requests_another_approves_and_permit_open_is_sent_once_with_the_epoch_of_the_last_close() -> None:
    world = street()
    world.tell(CloseValve(at=at(0.1), id="c", by="anna", device_no=B0, reason="smell"))
    world.seen_closed("b0", 0.2)
    asked = world.tell(request())
    permit = permit_id(B0, at(1))
    (one,) = of(PermitChanged, asked)
    assert (one.permit, one.state, one.by, one.expires) == (permit, PermitState.REQUESTED, "anna", at(1) + LASTS_US)
    assert not opened(asked)
    said = world.tell(approve())
    (two,) = of(PermitChanged, said)
    assert (two.state, two.by, two.epoch, two.expires) == (PermitState.GRANTED, "bo", 1, at(2) + LASTS_US)
    (sent,) = opened(said)
    assert sent == AttemptRequested(
        at=at(2),
        command=command_id(permit, 1),
        wanted=permit,
        device_no=B0,
        epoch=1,
        attempt=1,
        expires=at(2) + LASTS_US,
        reason="a new hose is fitted",
        verb=Verb.PERMIT_OPEN,
    )
    assert not of(AttemptRequested, world.tick(1000))
    done = world.tell(complete(1001, 0.5))
    (three,) = of(PermitChanged, done)
    assert (three.state, three.by, three.combustible_lel) == (PermitState.COMPLETED, "chen", 0.5)
    assert not world.state.permits


def test_what_became_of_the_command_is_kept_as_its_steps() -> None:
    world = granted()
    name = command_id(permit_id(B0, at(1)), 1)
    sent = world.tell(AttemptSent(at=at(3), command=name))
    known = world.tell(AttemptAcknowledged(at=at(3.5), command=name))
    failed = world.tell(AttemptFailed(at=at(4), command=name, reason="the valve is not connected"))
    assert [(s.command, s.step, s.note) for s in of(CommandStepped, sent + known + failed)] == [
        (name, Step.SENT, ""),
        (name, Step.ACKNOWLEDGED, ""),
        (name, Step.FAILED, "the valve is not connected"),
    ]
    assert not opened(world.tick(600))
    assert not of(CommandStepped, world.tell(AttemptSent(at=at(601), command="somebody else's")))
    asked = street()
    asked.tell(request())
    assert not of(CommandStepped, asked.tell(AttemptSent(at=at(3), command=name)))  # nobody has sent it


def test_only_the_valve_itself_answers_what_it_was_permitted() -> None:
    world = granted()
    name = command_id(permit_id(B0, at(1)), 1)
    other = Replied(at=at(3), command=name, device_no=number("b1"), valve=ValvePosition.CLOSED)
    assert not of(CommandStepped, world.tell(other))
    mine = Replied(at=at(4), command=name, device_no=B0, valve=ValvePosition.CLOSED)
    assert [(s.step, s.note) for s in of(CommandStepped, world.tell(mine))] == [(Step.ACKNOWLEDGED, "valve closed")]


def test_a_valve_that_is_opened_with_a_permit_is_not_opened_again_without_leave() -> None:
    world = street()
    (gas,) = of(AlarmRaised, world.hear("a0", 0.1, 30))
    world.seen_closed("b0", 0.2)
    world.tell(Acknowledge(at=at(0.3), id="a", by="anna", alarm=gas.alarm))
    world.hear("a0", 0.5, 1)
    world.tell(request())
    world.tell(approve())
    assert not of(AlarmRaised, world.hear("b0", 2.5, valve=ValvePosition.OPEN))
    assert states(world.tell(complete(3, 0.0))) == [PermitState.COMPLETED]
    assert not of(AlarmRaised, world.hear("b0", 4, valve=ValvePosition.OPEN))


def test_what_was_seen_of_a_valve_is_forgotten_when_its_permit_is_granted_and_when_it_is_completed() -> None:
    world = street()
    b0 = world.slot("b0")
    world.tell(CloseValve(at=at(0.1), id="c", by="anna", device_no=B0, reason="smell"))
    world.seen_closed("b0", 0.2)
    world.tell(request())
    assert world.state.position[b0] == ValvePosition.CLOSED
    world.tell(approve())
    assert world.state.position[b0] == ValvePosition.UNKNOWN
    world.hear("b0", 2.5, valve=ValvePosition.CLOSED)
    world.tell(complete())
    assert world.state.position[b0] == ValvePosition.UNKNOWN
    assert [one.device_no for one in of(CloseWanted, world.hear("a0", 4, 80))] == [B0]


# ---- two people -----------------------------------------------------------------------------------------------------


def test_the_one_who_requested_it_cannot_approve_it() -> None:
    world = street()
    world.tell(request())
    assert refused(world.tell(approve(by="anna"))) == "another person than the one who requested it must approve it"


def test_a_permit_is_approved_once() -> None:
    world = granted()
    assert refused(world.tell(approve(3, by="chen"))) == "it is granted already"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (request(device_no=number("a0")), "device 10000 is no valve that takes commands"),
        (request(device_no=77_777), "device 77777 is no valve that takes commands"),
        (request(device_no=-1), "device -1 is no valve that takes commands"),
        (request(reason=" "), "say why the valve may be opened"),
        (approve(), f"there is no permit {permit_id(B0, at(1))!r} that is open; it may have ended"),
        (complete(), f"there is no permit {permit_id(B0, at(1))!r} that is open; it may have ended"),
        (
            WithdrawPermit(at=at(1), id="w", by="anna", permit="x", reason=""),
            "there is no permit 'x' that is open; it may have ended",
        ),
    ],
)
def test_what_is_no_permit_is_refused_in_words(said: RequestPermit, reason: str) -> None:
    assert refused(street().tell(said)) == reason


def test_a_valve_has_one_permit_at_a_time() -> None:
    world = granted()
    why = refused(world.tell(request(5, by="chen")))
    assert why == f"permit {permit_id(B0, at(1))} of this valve is granted; withdraw it to begin anew"
    world.tell(WithdrawPermit(at=at(6), id="w", by="anna", permit=permit_id(B0, at(1)), reason="another day"))
    assert states(world.tell(request(7, by="chen"))) == [PermitState.REQUESTED]


def test_a_request_can_be_withdrawn_and_approved_no_more() -> None:
    world = street()
    world.tell(request())
    said = world.tell(WithdrawPermit(at=at(1.5), id="w", by="anna", permit=permit_id(B0, at(1)), reason="no"))
    assert [(p.state, p.by, p.comment) for p in of(PermitChanged, said)] == [(PermitState.WITHDRAWN, "anna", "no")]
    refused(world.tell(approve()))


# ---- on site --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lel", [5.0, 20.0, 100.0])
def test_it_is_not_completed_while_gas_is_there(lel: float) -> None:
    assert refused(granted().tell(complete(3, lel))) == (
        f"{lel:g} %LEL is too much: below 5 %LEL the valve may be given free"
    )


@pytest.mark.parametrize("lel", [float("nan"), -1.0, float("-inf")])
def test_what_is_no_measurement_completes_nothing(lel: float) -> None:
    assert refused(granted().tell(complete(3, lel))) == "say what was measured at the appliance, in %LEL: 0 or more"


def test_the_limit_is_a_quarter_of_the_one_on_site() -> None:
    field = 'id = "on-site"\nkind = "field"\nquantity = "combustible_lel"\nat_or_above = 10.0'
    world = street(CLOSES, field)
    world.tell(request())
    world.tell(approve())
    refused(world.tell(complete(3, 2.5)))
    assert states(world.tell(complete(4, 2.4))) == [PermitState.COMPLETED]


def test_a_permit_that_nobody_approved_is_not_completed() -> None:
    world = street()
    world.tell(request())
    assert refused(world.tell(complete())) == "it is not granted yet: a second person must approve it"


# ---- what forbids it, and what ends it ------------------------------------------------------------------------------


def test_it_is_refused_while_its_closing_is_wanted() -> None:
    world = street()
    world.tell(CloseValve(at=at(0.5), id="c", by="anna", device_no=B0, reason="smell"))
    assert "closing is wanted" in refused(world.tell(request()))


@pytest.mark.parametrize("latch", [False, True])
def test_it_is_refused_while_an_alarm_that_closes_it_stands(latch: bool) -> None:
    world = street(CLOSES + ("\nlatch = true" if latch else ""))
    world.hear("a0", 0.1, 30)
    world.seen_closed("b0", 0.2)
    needs = "acknowledged and reset it" if latch else "acknowledged it"
    forbids = f"alarm rises at davysim/a0 stands: its condition must be gone, and somebody must have {needs}"
    assert refused(world.tell(request())) == forbids
    world.hear("a0", 2, 1)
    assert refused(world.tell(request(3))) == forbids
    alarm = world.alarm("a0", "rises")
    assert alarm is not None
    world.tell(Acknowledge(at=at(4), id="a", by="anna", alarm=alarm.alarm))
    if latch:
        assert refused(world.tell(request(5))) == forbids
        world.tell(Reset(at=at(6), id="b", by="anna", alarm=alarm.alarm))
    assert states(world.tell(request(7))) == [PermitState.REQUESTED]


def test_it_is_refused_whatever_rule_stands_before_the_one_whose_alarm_forbids_it() -> None:
    world = street('id = "tamper"\nflags = ["tamper"]', CLOSES)
    world.hear("a0", 0.1, 30, Flag.TAMPER)
    world.seen_closed("b0", 0.2)
    assert "alarm rises at davysim/a0 stands" in refused(world.tell(request()))


def test_an_alarm_of_one_vote_of_its_row_forbids_it_too() -> None:
    world = street()
    world.hear("c1", 0.1, 30)
    assert "davysim/c1" in refused(world.tell(request(device_no=number("b1"))))


def test_a_request_whose_valve_an_alarm_would_close_with_others_is_dead() -> None:
    world = street(CLOSES + "\n" + BUDGET)
    world.tell(request(device_no=number("b1")))
    world.hear("c1", 1.5, 30)  # one vote: nothing closes, and the request is dead all the same
    assert "there is no permit" in refused(world.tell(approve(device_no=number("b1"))))


def test_a_late_alarm_ends_no_request_but_it_is_not_approved_before_somebody_has_seen_it() -> None:
    world = street()
    world.tell(request())
    assert not states(world.hear("a0", 1.5, flags=Flag.LATE | Flag.HIGH_ALARM, ts_s=-100))
    assert "davysim/a0 stands" in refused(world.tell(approve()))
    world.hear("a0", 3, 1)
    seen = world.alarm("a0", "rises")
    assert seen is not None
    world.tell(Acknowledge(at=at(4), id="k", by="anna", alarm=seen.alarm))
    assert states(world.tell(approve(5))) == [PermitState.GRANTED]


@pytest.mark.parametrize("how_far", ["requested", "granted"])
@pytest.mark.parametrize("what", ["person", "alarm", "held", "time", "restored", "gone"])
def test_it_is_dead_with_any_newer_close_or_closing_alarm_and_when_its_time_is_over(how_far: str, what: str) -> None:
    world = street(CLOSES + BUDGET)
    world.tell(request())
    if how_far == "granted":
        world.tell(approve())
    if what == "held":
        for n in (1, 2):
            world.hear(f"a{n}", 3, 30)
    match what:
        case "person":
            decided = world.tell(CloseValve(at=at(10), id="c", by="bo", device_no=B0, reason="smell"))
        case "alarm" | "held":
            decided = world.hear("a0", 10, 30)
            assert bool(of(CloseWanted, decided)) is (what == "alarm")
        case "time":
            at_s = (1 if how_far == "requested" else 2) + HALF_HOUR_S
            assert not states(world.tick(at_s - 0.001))
            decided = world.tick(at_s)
        case "restored":
            decided = world.tell(Restored(at=at(10)))
        case _:
            without = registry(1)
            without = type(without)(
                models=without.models,
                sites=without.sites,
                devices=tuple(one for one in without.devices if one.serial != "b0"),
            )
            fleet = build_fleet(without, world.fleet)
            decided = reshape(world.state, fleet, compile_pack(world.rules, fleet), at(10))
    assert states(decided) == [PermitState.DEAD]
    assert not opened(decided)
    assert not world.state.permits


@pytest.mark.parametrize("how_far", ["requested", "granted"])
def test_an_alarm_at_a_detector_out_of_service_ends_a_permit_although_it_closes_nothing(how_far: str) -> None:
    world = street()
    world.tell(request())
    world.tell(TakeOutOfService(at=at(1.5), id="o", by="bo", device_no=number("a0"), until=0, reason="work"))
    if how_far == "granted":
        world.tell(approve())
    decided = world.hear("a0", 3, 95)
    assert (states(decided), of(CloseWanted, decided)) == ([PermitState.DEAD], [])
    assert "davysim/a0 stands" in refused(world.tell(request(4)))


def test_an_alarm_of_a_rule_that_closes_nothing_ends_no_permit() -> None:
    world = street(CLOSES, 'id = "fault"\nflags = ["fault"]')
    world.tell(request())
    assert not states(world.hear("a0", 2, flags=Flag.FAULT))
    assert states(world.tell(approve(3))) == [PermitState.GRANTED]


def test_a_trial_alarm_ends_no_permit() -> None:
    world = street(CLOSES + '\nstate = "dry_run"')
    world.tell(request())
    assert not states(world.hear("a0", 2, 95))
    assert states(world.tell(approve(3))) == [PermitState.GRANTED]


def test_completing_looks_again_whether_an_alarm_forbids_it() -> None:
    world = street(CLOSES + '\nstate = "dry_run"')
    world.hear("a0", 0.4, 30)
    world.hear("a0", 0.5, 1)
    world.tell(request())
    world.tell(approve())
    in_force = rules(CLOSES)
    reshape(world.state, world.fleet, compile_pack(in_force, world.fleet), at(2.5))  # nobody has seen that alarm
    assert "davysim/a0 stands" in refused(world.tell(complete()))


def test_a_restart_forgets_no_permit_and_not_its_end() -> None:
    world = granted()
    world.state = restore(decode_snapshot(encode_snapshot(snapshot(world.state))), world.fleet, world.rules)
    assert states(world.tick(2 + HALF_HOUR_S)) == [PermitState.DEAD]


def test_a_trial_alarm_forbids_nothing() -> None:
    world = street(CLOSES + '\nstate = "dry_run"')
    world.hear("a0", 0.1, 30)
    assert states(world.tell(request())) == [PermitState.REQUESTED]


def test_the_devices_own_alarm_kills_it_even_out_of_service() -> None:
    world = granted()
    world.tell(TakeOutOfService(at=at(3), id="o", by="bo", device_no=number("a0"), until=at(900), reason="work"))
    assert states(world.hear("a0", 4, flags=Flag.HIGH_ALARM)) == [PermitState.DEAD]


def test_a_late_alarm_closes_nothing_and_ends_no_permit_and_neither_does_an_edit_of_something_else() -> None:
    world = granted()
    world.hear("a0", 2.5, flags=Flag.LATE | Flag.HIGH_ALARM, ts_s=-100)
    assert world.alarm("a0", "rises") is not None
    world.fleet = build_fleet(registry(4), world.fleet)
    assert not states(reshape(world.state, world.fleet, compile_pack(world.rules, world.fleet), at(2.7)))
    assert "stands" in refused(world.tell(complete()))  # until somebody has seen it
