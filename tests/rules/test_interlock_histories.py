"""Random histories of a street: what must hold of every one of them (G5, G6, G13)."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from devices.commands import Verb
from devices.quantities import ALARM_FLAGS, Flag, ValvePosition
from rules.decisions import (
    AlarmRaised,
    Answered,
    AttemptRequested,
    CloseWanted,
    Decision,
    HeldChange,
    PermitChanged,
    PermitState,
    ShutOffHeld,
    WantedEnded,
)
from rules.events import AttemptSent, Restored, Resumed
from rules.instructions import (
    ApprovePermit,
    CloseValve,
    CompletePermit,
    ReleaseHeld,
    RequestPermit,
    VetoHeld,
    WithdrawPermit,
)
from rules.interlock import wanting
from rules.stepping.snapshot import decode_snapshot, encode_snapshot, restore, snapshot
from tests.rules.street import BUDGET, CLOSES, NOTHING, Street, number, registry, row, rules
from tests.rules.world import SECOND, at, of

#: More of them on demand.
EXAMPLES = int(os.environ.get("DAVY_TEST_EXAMPLES", "0"))
HOMES, MOST, WINDOW_S = 8, 2, 600.0
PACK = rules(CLOSES + BUDGET)
REGISTRY = registry(HOMES, rows=[row("r", "a0 a1 c0", votes=2, valves="b2 e0", fans="f0")], labs=1)
DETECTORS = [f"a{n}" for n in range(HOMES)] + ["c0", "x0"]
VALVES = [f"b{n}" for n in range(HOMES)] + ["e0", "y0"]
PEOPLE = ["anna", "bo"]


@dataclass
class Happens:
    """One thing that happens, `after_s` after the last. what: a word; who, name: whom it is about."""

    after_s: float
    what: str
    name: str = ""
    lel: float = 0.0
    flags: Flag = NOTHING
    position: ValvePosition = ValvePosition.UNKNOWN
    by: str = "anna"


def _of(what: str, **fields: st.SearchStrategy[object]) -> st.SearchStrategy[Happens]:
    pauses = st.sampled_from([0.0] * 6 + [3.0, 3.0, 40.0, 290.0, 600.0, 1900.0])
    return st.builds(Happens, pauses, st.just(what), **fields)  # type: ignore[arg-type]


HISTORY = st.lists(
    st.one_of(
        *[_of("reading", name=st.sampled_from(DETECTORS), lel=st.sampled_from([12.0, 25.0, 40.0, 60.0]))] * 8,
        _of(
            "reading",
            name=st.sampled_from(DETECTORS),
            lel=st.sampled_from([0.0, 7.0, 12.0, 25.0, 60.0]),
            flags=st.sampled_from([Flag(0)] * 6 + [Flag.HIGH_ALARM, Flag.WARM_UP, Flag.LATE | Flag.HIGH_ALARM]),
        ),
        _of(
            "valve",
            name=st.sampled_from(VALVES),
            position=st.sampled_from([ValvePosition.OPEN, ValvePosition.CLOSED, ValvePosition.CLOSED]),
        ),
        _of("sent", name=st.sampled_from(VALVES)),
        _of("close", name=st.sampled_from(VALVES), by=st.sampled_from(PEOPLE)),
        _of("release", name=st.sampled_from(["", *VALVES]), by=st.sampled_from(PEOPLE)),
        _of("veto", name=st.sampled_from(VALVES), by=st.sampled_from(PEOPLE)),
        _of("request", name=st.sampled_from(VALVES[:3]), by=st.sampled_from(PEOPLE)),
        _of("approve", name=st.sampled_from(VALVES[:3]), by=st.sampled_from(PEOPLE)),
        _of("complete", name=st.sampled_from(VALVES[:3]), lel=st.sampled_from([0.0, 5.0])),
        _of("withdraw", name=st.sampled_from(VALVES[:3])),
        _of("tick"),
        _of("resumed"),
        _of("restored"),
    ),
    min_size=8,
    max_size=50,
)


@dataclass
class Watched:
    """What a bystander remembers who sees inputs and decisions only."""

    said_by_device: set[str] = field(default_factory=set)
    alarm_of: dict[str, str] = field(default_factory=dict)
    #: When each left, and of which valve.
    software: list[tuple[float, int]] = field(default_factory=list)
    requested: dict[str, str] = field(default_factory=dict)


def _step(world: Street, one: Happens, t: float) -> list[Decision]:
    slot = world.slot(one.name) if one.name else -1
    permit = next((p.permit for p in world.state.permits.values() if p.slot == slot), "none")
    no = number(one.name) if one.name else 0
    said = {"at": at(t), "id": f"{one.what}{t}", "by": one.by}
    match one.what:
        case "reading":
            return world.hear(one.name, t, one.lel, one.flags, ts_s=t - 60 if one.flags & Flag.LATE else t)
        case "valve":
            return world.hear(one.name, t, valve=one.position)
        case "sent":
            wanted = world.state.wanted_by_slot.get(slot)
            return world.tell(AttemptSent(at=at(t), command=wanted.attempts[-1].command)) if wanted else world.tick(t)
        case "close":
            return world.tell(CloseValve(**said, device_no=no, reason="smell"))
        case "release":
            return world.tell(ReleaseHeld(**said, rule="rises", device_no=no))
        case "veto":
            return world.tell(VetoHeld(**said, rule="rises", device_no=no, reason="drill"))
        case "request":
            return world.tell(RequestPermit(**said, device_no=no, reason="work"))
        case "approve":
            return world.tell(ApprovePermit(**said, permit=permit))
        case "complete":
            return world.tell(CompletePermit(**said, permit=permit, combustible_lel=one.lel))
        case "withdraw":
            return world.tell(WithdrawPermit(**said, permit=permit, reason="no"))
        case "resumed":
            return world.tell(Resumed(at=at(t), down_us=SECOND // 4))
        case "restored":
            return world.step((), (Restored(at=at(t)), Resumed(at=at(t), down_us=SECOND // 4)), t)
        case _:
            return world.tick(t)


def _times(history: Sequence[Happens]) -> list[tuple[float, Happens]]:
    t, found = 1.0, []
    for one in history:
        t += one.after_s + 0.5
        found.append((t, one))
    return found


@settings(max_examples=EXAMPLES or 100, deadline=None)
@given(HISTORY)
def test_software_never_closes_more_than_its_budget_and_people_and_devices_are_never_held(
    history: list[Happens],
) -> None:
    world, seen = Street(PACK, REGISTRY), Watched()
    for t, one in _times(history):
        decided = _step(world, one, t)
        _look(world, seen, one, decided)
        times = [left for left, _ in seen.software]
        for begin in times:
            assert len([left for left in times if begin <= left < begin + WINDOW_S]) <= MOST


def _look(world: Street, seen: Watched, one: Happens, decided: list[Decision]) -> None:
    bits = one.what == "reading" and bool(one.flags & ALARM_FLAGS) and not one.flags & Flag.LATE
    detector = number(one.name) if one.what == "reading" else 0
    for said in decided:
        if isinstance(said, AlarmRaised):
            seen.alarm_of[said.alarm] = said.rule
        if isinstance(said, AttemptRequested) and said.verb is Verb.PERMIT_OPEN:
            assert one.what == "approve"
    if bits:
        mine = [a.alarm for a in world.state.alarms() if a.device_no == detector and a.rule == "rises"]
        seen.said_by_device.update(mine)
        _closing(world, detector)
    if one.what == "close":
        assert world.slot(one.name) in world.state.wanted_by_slot
    _count(world, seen, one, decided)


def _closing(world: Street, detector: int) -> None:
    """What a device says itself has left: its linked valve is wanted closed, or was seen closed."""
    slot = int(world.fleet.slot_of[detector])
    for valve in world.fleet.links.get(slot, ()):
        now = world.state.now
        assert valve.slot in world.state.wanted_by_slot or wanting.seen_closed(world.state, valve, now)


def _count(world: Street, seen: Watched, one: Happens, decided: list[Decision]) -> None:
    """Closings that nobody but software asked for, of real devices, the first of each alarm."""
    if one.what == "restored":
        _give_back(seen, decided)
    by_people = {said.device_no for said in of(ShutOffHeld, decided) if said.by}
    alarms = {a.alarm: a for a in world.state.alarms()}
    for wanted in of(CloseWanted, decided):
        alarm = alarms.get(wanted.alarm)
        if wanted.by or wanted.device_no in by_people or alarm is None or alarm.device_says:
            continue
        again = one.what == "valve" and one.position is ValvePosition.OPEN and number(one.name) == wanted.device_no
        anew = one.what == "restored"
        voters = [a for a in alarms.values() if a.rule == "rises" and a.device_says]
        if again or anew or wanted.device_no == number("y0") or (voters and wanted.device_no in _ROW):
            continue
        seen.software.append(((wanted.at - at(0)) / SECOND, wanted.device_no))


def _give_back(seen: Watched, decided: list[Decision]) -> None:
    """What had left and was seen done by nobody waits again: what it took of the budget is given back."""
    ended = {said.device_no for said in of(WantedEnded, decided)}
    for said in of(ShutOffHeld, decided):
        mine = [left for left in seen.software if left[1] == said.device_no]
        if said.change is HeldChange.HELD and said.device_no in ended and mine:
            seen.software.remove(mine[-1])


_ROW = {number("b2"), number("e0")}


@settings(max_examples=EXAMPLES or 30, deadline=None)
@given(st.lists(st.floats(10.0, 100.0, width=32), min_size=MOST, max_size=HOMES), st.data())
def test_what_waits_leaves_the_worst_first_by_what_was_said_until_then(
    levels: list[float], data: st.DataObject
) -> None:
    world = Street(PACK, registry(HOMES))
    worst = dict(enumerate(levels))
    for n, level in worst.items():
        world.hear(f"a{n}", 1, level)
    for n in data.draw(st.lists(st.sampled_from(range(len(levels))), max_size=10)):
        level = data.draw(st.floats(10.0, 100.0, width=32))
        worst[n] = max(worst[n], level)
        world.hear(f"a{n}", 2, level)
    left = [one.device_no - number("b0") for one in of(CloseWanted, world.tick(10_000))]
    assert left == sorted(range(MOST, len(levels)), key=lambda n: (-worst[n], n))


@settings(max_examples=EXAMPLES or 100, deadline=None)
@given(HISTORY)
def test_only_a_second_person_makes_permit_open_and_no_closing_leaves_one_alive(history: list[Happens]) -> None:
    world, seen = Street(PACK, REGISTRY), Watched()
    for t, one in _times(history):
        decided = _step(world, one, t)
        for said in of(PermitChanged, decided):
            if said.state is PermitState.REQUESTED:
                seen.requested[said.permit] = said.by
        for sent in of(AttemptRequested, decided):
            if sent.verb is Verb.PERMIT_OPEN:
                assert one.what == "approve"
                assert seen.requested[sent.wanted] != one.by
                assert (sent.attempt, sent.at) == (1, at(t))
                assert [said.accepted for said in of(Answered, decided)] == [True]
        for permit in world.state.permits.values():
            assert permit.slot not in world.state.wanted_by_slot
            assert permit.epoch == int(world.state.epoch[permit.slot])
            assert permit.expires > world.state.now


@settings(max_examples=EXAMPLES or 60, deadline=None)
@given(HISTORY, st.data())
def test_a_restart_at_any_point_changes_no_decision(history: list[Happens], data: st.DataObject) -> None:
    whole, cut = Street(PACK, REGISTRY), Street(PACK, REGISTRY)
    cuts = data.draw(st.sets(st.integers(0, len(history))))
    for n, (t, one) in enumerate(_times(history)):
        _step(whole, one, t)
        if n in cuts:
            frozen = encode_snapshot(snapshot(cut.state))
            cut.state = restore(decode_snapshot(frozen), cut.fleet, PACK)
        _step(cut, one, t)
    assert cut.decided == whole.decided
    assert snapshot(cut.state).records == snapshot(whole.state).records
