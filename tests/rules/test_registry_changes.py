"""Registry changes while everything stands: shut-offs held, vetoed and released, permits, incidents, what is hidden,
what waits to be heard. Devices leave and come back, are linked otherwise, and are of another kind under the same
number."""

import os
import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.commands import Verb
from devices.fleet import build_fleet
from devices.quantities import Flag, ValvePosition
from devices.sites import Link, MatrixRow, Registry
from rules.decisions import (
    AttemptRequested,
    CloseWanted,
    Decision,
    HeldChange,
    Outcome,
    ShutOffHeld,
    WantedEnded,
    permit_id,
)
from rules.documents.document import RulePack
from rules.evaluation.kernels import compile_pack
from rules.events import AttemptAcknowledged, AttemptSent, Event, Replied, Restored, Resumed
from rules.instructions import (
    Acknowledge,
    ApprovePermit,
    CloseIncident,
    CloseValve,
    FieldReading,
    ReleaseHeld,
    RequestPermit,
    Reset,
    Resolution,
    Shelve,
    TakeOutOfService,
    VetoHeld,
)
from rules.interlock import matrix
from rules.stepping.reshape import reshape
from rules.stepping.snapshot import decode_snapshot, encode_snapshot, restore, snapshot
from tests.rules.street import BUDGET, CLOSES, NOTHING, RISES, Street, names_of, number, registry, row, rules
from tests.rules.test_determinism_of_edits import sound
from tests.rules.world import T0, at, of

#: More of them on demand.
EXAMPLES = int(os.environ.get("DAVY_TEST_EXAMPLES", "0"))
FIELD = 'id = "field"\nkind = "field"\nquantity = "combustible_lel"\nat_or_above = 20.0\npriority = "critical"'
OUTAGE = 'id = "outage"\nkind = "outage"\ngroup = "riser"\nleast = 1\nshare_pct = 10.0'
DETECTORS = [*(f"a{n}" for n in range(6)), "c0", "c1", "c2", "x0", "x1"]


def change(world: Street, what: Registry, t: float, pack: RulePack | None = None) -> list[Decision]:
    """Another registry, or other rules, from now on."""
    fleet = build_fleet(what, world.fleet)
    world.fleet, world.rules = fleet, pack or world.rules
    decided = reshape(world.state, fleet, compile_pack(world.rules, fleet), at(t))
    world.decided += decided
    return decided


def without(what: Registry, *names: str, **facts: object) -> Registry:
    gone = {f"davysim/{name}" for name in names}
    return msgspec.structs.replace(
        what,
        devices=tuple(one for one in what.devices if one.identity not in gone),
        links=tuple(link for link in what.links if not {link.detector, link.valve} & gone),
        **facts,
    )


def as_model(what: Registry, name: str, model: str, **facts: object) -> Registry:
    devices = tuple(msgspec.structs.replace(one, model=model) if one.serial == name else one for one in what.devices)
    return msgspec.structs.replace(what, devices=devices, **facts)


def test_the_first_that_waits_leaves_while_another_that_waits_is_linked_anew() -> None:
    world = Street(rules(CLOSES + BUDGET), registry(5))
    for n in range(4):
        world.hear(f"a{n}", 1 + n / 10, 30)
    left = without(world.fleet.registry, "a2")
    decided = change(world, msgspec.structs.replace(left, links=(*left.links, Link("davysim/a3", "davysim/b4"))), 10)
    assert [(one.device_no, one.change) for one in of(ShutOffHeld, decided)] == [
        (number("b2"), HeldChange.OVER),
        (number("b4"), HeldChange.HELD),
    ]
    alarm = world.alarm("a3", "shut-off-held")
    assert alarm is not None
    assert alarm.note.startswith("2 shut-offs of rule rises")


def closed(decided: Sequence[Decision]) -> list[int]:
    return [one.device_no for one in of(CloseWanted, decided)]


def test_a_valve_that_was_seen_closed_still_is_when_its_entry_says_something_else_of_it() -> None:
    world = Street(rules(CLOSES), registry(2))
    world.hear("a0", 1, 30)
    world.seen_closed("b0", 2)
    known = world.fleet.registry
    devices = tuple(
        msgspec.structs.replace(one, tags=("cellar",)) if one.serial == "b0" else one for one in known.devices
    )
    change(world, msgspec.structs.replace(known, devices=devices), 3)
    world.hear("a0", 4, 1)
    assert not closed(world.hear("a0", 5, 30))
    assert closed(world.hear("b0", 6, valve=ValvePosition.OPEN)) == [number("b0")]


def test_of_two_valves_the_one_that_is_not_linked_any_more_may_be_opened_and_the_other_not() -> None:
    world = Street(rules(CLOSES), registry(1, rows=[row("r", "c0", valves="e0 e1")]))
    world.hear("c0", 1, 30)
    for valve in ("e0", "e1"):
        world.seen_closed(valve, 2)
    change(world, registry(1, rows=[row("r", "c0", valves="e1")]), 3)
    assert not closed(world.hear("e0", 4, valve=ValvePosition.OPEN))
    assert closed(world.hear("e1", 5, valve=ValvePosition.OPEN)) == [number("e1")]


def test_a_valve_that_is_linked_is_closed_for_the_alarm_that_stands_whatever_other_alarms_do() -> None:
    world = Street(rules('id = "tamper"\nflags = ["tamper"]', CLOSES), registry(2, links=False))
    world.hear("a0", 1, flags=Flag.TAMPER)
    world.hear("a1", 2, 30)
    assert world.alarm("a1", "no-shut-off-valve") is not None
    assert closed(change(world, registry(2), 3)) == [number("b1")]


def test_that_a_valve_is_missing_is_over_when_one_is_linked_wherever_the_rule_about_it_stands() -> None:
    found = rules(CLOSES)
    order = sorted(range(len(found.rules)), key=lambda at: found.rules[at].id != "no-shut-off-valve")
    parsed = tuple(found.parsed[at] for at in order)
    found = msgspec.structs.replace(found, rules=tuple(found.rules[at] for at in order), parsed=parsed)
    world = Street(found, registry(2, links=False))
    world.hear("a0", 1, 30)
    change(world, registry(2), 2)
    over = world.alarm("a0", "no-shut-off-valve")
    assert over is not None
    assert over.state.name == "RETURNED_UNACKNOWLEDGED"
    change(world, registry(2, links=False), 3)
    again = world.alarm("a0", "no-shut-off-valve")
    assert again is not None
    assert again.state.name == "UNACKNOWLEDGED"


def test_a_fan_that_is_a_valve_now_is_never_told_to_run_and_closes_for_the_alarm_that_stands() -> None:
    rows = [row("r", "c0", fans="f0")]
    world = Street(rules(RISES + 'action = "close_and_fan"'), registry(1, rows=rows, answering=True))
    world.hear("c0", 1, 30)
    one = as_model(world.fleet.registry, "f0", "valve", matrix=(row("r", "c0", valves="f0"),))
    decided = change(world, one, 10)
    assert [(said.outcome, said.comment) for said in of(WantedEnded, decided)] == [
        (Outcome.CANCELLED, "what was a fan is a valve now")
    ]
    assert [said.device_no for said in of(CloseWanted, decided)] == [number("f0")]
    decided += world.tell(CloseValve(at=at(20), id="x", by="op", device_no=number("f0"), reason="leak"))
    decided += world.tick(120)
    assert {said.verb for said in of(AttemptRequested, decided)} == {Verb.CLOSE}
    world.step((), (Restored(at=at(200)),), 200)


@pytest.mark.parametrize("rows", [(), (row("r", "a3", fans="b3"),)])
def test_a_valve_that_waits_and_is_a_fan_now_waits_no_more(rows: tuple[MatrixRow, ...]) -> None:
    world = Street(rules(CLOSES + BUDGET), registry(5))
    for n in range(4):
        world.hear(f"a{n}", 1 + n / 10, 30)
    known = world.fleet.registry
    links = tuple(link for link in known.links if link.valve != "davysim/b3")
    decided = change(world, as_model(known, "b3", "fan", links=links, matrix=rows), 10)
    assert [(one.device_no, one.change, one.reason) for one in of(ShutOffHeld, decided)] == [
        (number("b3"), HeldChange.OVER, "it takes other commands now")
    ]
    world.tick(2000)
    assert not world.state.held


def test_a_valve_whose_closing_is_wanted_and_that_is_a_fan_now_is_told_nothing() -> None:
    world = Street(rules(CLOSES), registry(2))
    world.hear("a0", 1, 30)
    world.hear("b0", 2, valve=ValvePosition.OPEN)
    known = world.fleet.registry
    links = tuple(link for link in known.links if link.valve != "davysim/b0")
    decided = change(world, as_model(known, "b0", "fan", links=links), 10)
    assert [said.comment for said in of(WantedEnded, decided)] == ["what was a valve is a fan now"]
    assert not of(AttemptRequested, decided + world.tick(100))
    assert world.state.position[world.slot("b0")] == ValvePosition.UNKNOWN


def test_a_closing_that_waits_for_a_detector_that_leaves_waits_no_more_though_its_alarm_stands_elsewhere() -> None:
    """The alarm that had closed it is linked to it no longer, so that it waits for another that could raise it."""
    world = Street(rules(CLOSES + BUDGET), registry(1, rows=[row("r", "c0 c1", valves="e0")]))
    world.hear("c1", 1, 30, Flag.HIGH_ALARM)
    change(world, msgspec.structs.replace(world.fleet.registry, matrix=(row("r", "c0", valves="e0"),)), 10)
    world.step((), (Restored(at=at(20)), Resumed(at=at(20), down_us=100_000)), 20)
    (waits,) = world.state.held.values()
    assert (waits.detector, waits.valve) == (world.slot("c0"), world.slot("e0"))
    decided = change(world, without(world.fleet.registry, "c0", matrix=()), 30)
    assert [(one.device_no, one.change) for one in of(ShutOffHeld, decided)] == [(number("e0"), HeldChange.OVER)]
    assert not world.state.held
    assert world.alarm("c1", "shut-off-held") is None


@pytest.mark.parametrize("action", ["none", "close"])
def test_what_waits_for_a_rule_that_asks_for_it_no_more_waits_no_more(action: str) -> None:
    rows = [row("r", "c0", fans="f0")]
    both = RISES + 'action = "close_and_fan"'
    world = Street(rules(both), registry(1, rows=rows, answering=True))
    world.hear("a0", 1, 30)
    world.hear("c0", 1, 30)
    world.step((), (Restored(at=at(20)), Resumed(at=at(20), down_us=100_000)), 20)
    assert names_of([one.device_no for one in of(ShutOffHeld, world.decided)]) == ["b0", "f0"]
    decided = change(world, world.fleet.registry, 30, rules(both.replace("close_and_fan", action)))
    over = [(one.device_no, one.change, one.reason) for one in of(ShutOffHeld, decided)]
    reason = "rule rises does not ask for it any more"
    assert over == [(number(name), HeldChange.OVER, reason) for name in ("b0", "f0")[action == "close" :]]
    sound(world.state)
    world.hear("c0", 40, 1)
    sound(world.state)


# ---- at random ------------------------------------------------------------------------------------------------------


def _base() -> Registry:
    base = registry(6, rows=[row("r", "c0 c1 c2", votes=2, valves="e0 e1", fans="f0")], labs=2)
    homes = {site.key for site in base.sites if site.key.startswith("home")}
    sites = (
        msgspec.structs.replace(site, riser="R", building="B", area="110101") if site.key in homes else site
        for site in base.sites
    )
    return msgspec.structs.replace(base, sites=tuple(sites))


def _pack(rng: random.Random) -> RulePack:
    state = rng.choice(("", '\nstate = "dry_run"', '\nstate = "canary"\ncanary_pct = 50.0'))
    two = RISES.replace('"rises"', '"two"') + 'action = "close_and_fan"' + BUDGET
    first = CLOSES + BUDGET + state + rng.choice(("", "\nhold_s = 3.0")) + rng.choice(("", '\nsuppressed_by = ["two"]'))
    others = [one for one in (FIELD, OUTAGE) if rng.random() < 0.8]
    return rules(first, two + rng.choice(("", "\nlatch = true")), *others)


def _other(rng: random.Random, base: Registry) -> Registry:
    """A registry like it: some left, some are something else, links and rows are others."""
    gone = rng.sample([one.serial for one in base.devices], rng.choice((0, 1, 3, 6)))
    what = without(base, *gone)
    for name in rng.sample(["b0", "b1", "e0", "f0", "f1", "a0", "c0"], rng.choice((0, 0, 1, 2))):
        what = as_model(what, name, rng.choice(("valve", "fan", "answering_fan", "detector")))
    if rng.random() < 0.2:
        turned = rng.choice(what.sites).key
        sites = (msgspec.structs.replace(one, simulated=one.simulated ^ (one.key == turned)) for one in what.sites)
        what = msgspec.structs.replace(what, sites=tuple(sites))
    model = {one.identity: one.model for one in what.devices}
    drills = {site.key for site in what.sites if site.simulated}
    drill = {one.identity: one.site in drills for one in what.devices}
    detectors, valves = ([name for name in model if model[name] == word] for word in ("detector", "valve"))
    fans = [name for name in model if model[name].endswith("fan")]
    some = [Link(rng.choice(detectors), rng.choice(valves)) for _ in range(rng.choice((0, 0, 3)))]
    links = {
        (one.detector, one.valve): one
        for one in (*what.links, *some)
        if one.detector in detectors and one.valve in valves and drill[one.detector] == drill[one.valve]
    }

    def here(names: Sequence[str], sort: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in names if name in sort and drill[name] == ("boiler" in drills))

    voters, moved = here(base.matrix[0].detectors, detectors), here(("davysim/e0", "davysim/f0"), valves)
    acts = bool(voters and (moved or here(fans, fans)))
    least = rng.randint(1, max(1, len(voters)))
    changed = msgspec.structs.replace(
        base.matrix[0], detectors=voters, votes=least, valves=moved, fans=here(fans, fans)
    )
    return msgspec.structs.replace(what, links=tuple(links.values()), matrix=(changed,) if acts else ())


def _said(rng: random.Random, world: Street, t: float) -> Event:
    """What a person or a device says of something that stands."""
    said = {"at": at(t), "id": f"{t}", "by": rng.choice(("anna", "bo"))}
    state, rule = world.state, rng.choice(("rises", "two"))
    events: list[Event] = [
        ReleaseHeld(**said, rule=rule),
        VetoHeld(**said, rule=rule, reason="a wrong rule"),
        RequestPermit(**said, device_no=number(f"b{rng.randrange(6)}"), reason="repaired"),
        CloseValve(**said, device_no=number(rng.choice(("b0", "e0", "f0"))), reason="leak"),
    ]
    for alarm in rng.sample(state.alarms(), min(1, len(state.alarms()))):
        of_it = {**said, "alarm": alarm.alarm}
        events += [
            Acknowledge(**of_it),
            Reset(**of_it),
            Shelve(**of_it, until=at(t + 100), reason="painted", role="operator"),
            TakeOutOfService(**said, device_no=alarm.device_no, until=rng.choice((0, at(t + 300))), reason="cleaned"),
        ]
    for permit in list(state.permits.values())[:1]:
        events += [ApprovePermit(**said, permit=permit_id(permit.device_no, permit.requested))] * 3
    for incident in list(state.incidents)[:2]:
        value = rng.choice((1.0, 60.0))
        events.append(FieldReading(**said, incident=incident, quantity="combustible_lel", value=value, place="kitchen"))
        events.append(CloseIncident(**said, incident=incident, resolution=Resolution.REAL))
    for wanted in rng.sample(list(state.wanted_by_slot.values()), min(1, len(state.wanted_by_slot))):
        if wanted.attempts:
            command = wanted.attempts[-1].command
            stands = rng.choice((ValvePosition.CLOSED, ValvePosition.OPEN))
            replied = Replied(at=at(t), command=command, device_no=wanted.device_no, valve=stands)
            sent = [AttemptSent(at=at(t), command=command)] * 4
            events += [*sent, replied, replied, AttemptAcknowledged(at=at(t), command=command)]
    return rng.choice(events)


def _fits(world: Street) -> None:
    """Nothing is wanted or waited for that its device is no more."""
    fleet = world.fleet
    for slot, wanted in world.state.wanted_by_slot.items():
        assert matrix.commanded(fleet, slot) is wanted.verb
    for held in world.state.held.values():
        assert matrix.commanded(fleet, held.valve) is held.verb
        assert fleet.devices[held.detector] is not None
    for slot in world.state.permits:
        assert slot in fleet.valves


@settings(max_examples=EXAMPLES or 25, deadline=None)
@given(st.integers(0, 2**48))
def test_whatever_stands_no_change_of_the_registry_ends_the_engine(seed: int) -> None:
    rng = random.Random(seed)
    base = _base()
    world, t = Street(_pack(rng), base), 1.0
    for _ in range(60):
        t = round(t + rng.choice((0.1, 1, 40, 200)), 1)
        what = rng.random()
        if what < 0.5:
            names = [name for name in DETECTORS if f"davysim/{name}" in world.fleet.slot_by_identity]
            here = [name for name in names if world.fleet.devices[world.slot(name)] is not None]
            for name in rng.sample(here, min(len(here), rng.choice((1, 4)))):
                bit = rng.choice([NOTHING] * 4 + [Flag.HIGH_ALARM, Flag.LOW_ALARM])
                world.hear(name, t, rng.choice((1, 7, 30, 90)), bit)
        elif what < 0.7:
            world.tell(_said(rng, world, t))
        elif what < 0.85:
            change(world, _other(rng, base), t, _pack(rng) if rng.random() < 0.3 else None)
            sound(world.state)
            _fits(world)
        elif what < 0.9:
            world.step((), (Restored(at=at(t)), Resumed(at=at(t), down_us=100_000)), t)
        elif what < 0.95:
            taken = decode_snapshot(encode_snapshot(snapshot(world.state)))
            world.state = restore(taken, world.fleet, world.rules)
        else:
            world.tick(t)
    world.tick(t + 4_000)
    sound(world.state)
    _fits(world)
    assert world.state.now >= T0
