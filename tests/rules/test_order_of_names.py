"""In what order the registry names devices and a pack its rules changes nothing: the first and the last of either are
like the others. And a number that nobody has is nobody's, least of all the last device's."""

from collections.abc import Iterator

import msgspec
import pytest

from devices.quantities import Flag, ValvePosition
from rules.decisions import Decision, command_id, permit_id, wanted_id
from rules.documents.document import RulePack
from rules.events import (
    AttemptAcknowledged,
    AttemptFailed,
    AttemptSent,
    Connected,
    Event,
    LinkDown,
    LinkUp,
    ReadingsComplete,
    ReadingsMissing,
    Replied,
    SessionLost,
)
from rules.instructions import Acknowledge, ApprovePermit, CancelClose, CloseValve, RequestPermit, Reset
from tests.rules.world import NAMES, NUMBERS, World, at, pack, registry

OPEN, CLOSED, UNKNOWN = ValvePosition.OPEN, ValvePosition.CLOSED, ValvePosition.UNKNOWN
PLAIN = pack()
NOBODY = (-1, 0, max(NUMBERS.values()) + 1, 999)


def command(name: str, epoch: int = 1, attempt: int = 1) -> str:
    return command_id(wanted_id(NUMBERS[name], epoch), attempt)


def answered(name: str, t: float, position: ValvePosition, epoch: int = 1) -> list[Event]:
    sent = AttemptSent(at=at(t), command=command(name, epoch))
    return [sent, Replied(at=at(t), command=sent.command, device_no=NUMBERS[name], valve=position)]


def permitted(name: str, t: float) -> list[Event]:
    """What two people say."""
    number = NUMBERS[name]
    return [
        RequestPermit(at=at(t), id=f"r{t}", by="anna", device_no=number, reason="checked"),
        ApprovePermit(at=at(t), id=f"a{t}", by="ben", permit=permit_id(number, at(t))),
    ]


def alarms(world: World, t: float) -> list[Event]:
    """Every open alarm is acknowledged, then reset."""
    names = sorted(alarm.alarm for alarm in world.state.alarms())
    seen: list[Event] = [Acknowledge(at=at(t), id=f"k{n}", by="anna", alarm=name) for n, name in enumerate(names)]
    return seen + [Reset(at=at(t), id=f"z{n}", by="anna", alarm=name) for n, name in enumerate(names)]


def story(world: World) -> Iterator[list[Decision]]:
    """What comes of everything, step by step."""

    def hear(name: str, t: float, *, ts_s: float | None = None, valve: ValvePosition = UNKNOWN, **said: float) -> None:
        told.append(world.hear(name, t, ts_s=ts_s, valve=valve, **said))

    def tell(*events: Event) -> None:
        told.extend(world.tell(event) for event in events)

    told: list[list[Decision]] = []
    for name in NAMES:
        hear(name, 1, valve=OPEN if name[0] in "vmzs" else UNKNOWN, combustible_lel=0.0, battery_pct=90.0)
    hear("d1", 2, combustible_lel=60.0)  # closes v1 and v2
    tell(*answered("v1", 3, CLOSED), AttemptSent(at=at(3), command=command("v2")))
    hear("v2", 4, valve=CLOSED)
    hear("v2", 5, valve=OPEN)  # opened again
    tell(*answered("v2", 6, CLOSED, epoch=2))
    hear("d3", 7, flags=Flag.HIGH_ALARM)  # has no shut-off valve
    hear("d4", 8, flags=Flag.HIGH_ALARM)  # m1 cannot report
    tell(AttemptSent(at=at(9), command=command("m1")), AttemptAcknowledged(at=at(9.5), command=command("m1")))
    hear("d5", 10, flags=Flag.HIGH_ALARM)  # z1 sleeps
    tell(AttemptFailed(at=at(11), command=command("z1"), reason="asleep"))
    tell(Connected(at=at(12), device_no=NUMBERS["z1"]))
    again = command("z1", attempt=2)
    tell(Replied(at=at(12.5), command=again, device_no=NUMBERS["z1"], valve=ValvePosition.CLOSING))
    hear("z1", 13, valve=OPEN)
    told.append(world.tick(40))  # silences
    hear("d1", 41, combustible_lel=0.0)
    hear("d2", 41, combustible_lel=22.0)  # a hold
    hear("d2", 42, ts_s=20, flags=Flag.LATE | Flag.CO_ALARM)
    told.append(world.tick(75))
    hear("d2", 76, flags=Flag.FAULT, combustible_lel=0.0)
    tell(LinkDown(at=at(77), device_no=NUMBERS["g1"], reason="no carrier"))
    tell(SessionLost(at=at(78), device_no=NUMBERS["g1"], reason="forgotten"))
    tell(ReadingsMissing(at=at(79), device_no=NUMBERS["d1"], boot=1, first=5, many=3))
    tell(LinkUp(at=at(80), device_no=NUMBERS["g1"]))
    tell(ReadingsComplete(at=at(81), device_no=NUMBERS["d1"], lost=1))
    hear("sd", 82, combustible_lel=60.0)
    tell(*answered("z1", 83, CLOSED))
    told.append(world.tick(100))
    for name in ("d1", "d2", "d3", "d4", "d5", "sd"):
        hear(name, 101, combustible_lel=0.0, battery_pct=5.0)
    tell(*alarms(world, 102))
    tell(*permitted("v1", 103))
    tell(CloseValve(at=at(104), id="c", by="anna", device_no=NUMBERS["v1"], reason="to be sure"))
    tell(CancelClose(at=at(105), id="x", by="anna", wanted=wanted_id(NUMBERS["v1"], 2), reason="a mistake"))
    tell(*permitted("v1", 106))
    hear("d1", 107, flags=Flag.LOW_ALARM)  # no permit outlives it
    tell(*answered("v2", 108, CLOSED, epoch=3))
    hear("v2", 109, valve=OPEN)  # opened again, until the alarm is over
    hear("d1", 110, combustible_lel=0.0)
    tell(*alarms(world, 111))
    told.append(world.tick(3_600))
    yield from told


def as_a_set(decisions: list[Decision]) -> list[str]:
    return sorted(map(repr, decisions))


def lived(names: tuple[str, ...], rules: RulePack) -> list[list[str]]:
    return [as_a_set(step) for step in story(World(rules, registry(names)))]


USUAL = lived(NAMES, PLAIN)


def test_the_story_has_something_of_everything() -> None:
    said = "".join("".join(step) for step in USUAL)
    for rule in PLAIN.rules:
        if rule.id not in ("co-high", "end-of-life", "tamper", "mains-loss", "shut-off-held", "rule-reverted"):
            assert f"rule='{rule.id}'" in said, rule.id
    assert said.count("PermitChanged(") == 6
    assert said.count("WantedEnded(") >= 6
    assert said.count("rule='valve-reopened', device_no=22") >= 4  # raised and returned, twice


@pytest.mark.parametrize("first", range(1, len(NAMES)))
def test_the_order_in_which_devices_are_named_changes_nothing(first: int) -> None:
    assert lived((*NAMES[first:], *NAMES[:first]), PLAIN) == USUAL


@pytest.mark.parametrize("first", range(1, len(PLAIN.rules)))
def test_the_order_in_which_rules_are_written_changes_nothing(first: int) -> None:
    rules = (*PLAIN.rules[first:], *PLAIN.rules[:first])
    assert lived(NAMES, msgspec.structs.replace(PLAIN, rules=rules)) == USUAL


@pytest.mark.parametrize("last", ["d2", "v2", "z1", "g1"])
@pytest.mark.parametrize("first", ["d1", "v2", "z1"])
@pytest.mark.parametrize("number", NOBODY)
def test_what_is_said_of_a_number_that_nobody_has_moves_nobody(last: str, first: str, number: int) -> None:
    names = tuple(dict.fromkeys((first, *(name for name in NAMES if name != last), last)))
    world = World(what=registry(names))
    world.hear("z1", 1, valve=OPEN)
    world.hear("d2", 2, flags=Flag.HIGH_ALARM)
    world.hear("d5", 3, flags=Flag.HIGH_ALARM)
    for name in ("v2", "z1"):
        world.tell(AttemptSent(at=at(4), command=command(name)))
    world.tick(5)
    before = (world.state.position.copy(), dict(world.state.wanted_by_slot), dict(world.state.awake))
    said: list[Event] = [
        Replied(at=at(5), command="of-another-engine", device_no=number, valve=CLOSED),
        Replied(at=at(5), command=command("v2"), device_no=number, valve=CLOSED),
        Connected(at=at(5), device_no=number),
        LinkDown(at=at(5), device_no=number, reason="no carrier"),
        LinkUp(at=at(5), device_no=number),
        SessionLost(at=at(5), device_no=number, reason="forgotten"),
        ReadingsMissing(at=at(5), device_no=number, boot=1, first=5, many=3),
        ReadingsComplete(at=at(5), device_no=number, lost=1),
    ]
    for event in said:
        assert world.tell(event) == [], event
    assert (world.state.position == before[0]).all()
    assert dict(world.state.wanted_by_slot) == before[1]
    assert dict(world.state.awake) == before[2]
    for event in (
        CloseValve(at=at(5), id="c", by="anna", device_no=number, reason="to be sure"),
        RequestPermit(at=at(5), id="r", by="anna", device_no=number, reason="to be sure"),
    ):
        (answer,) = world.tell(event)
        assert str(number) in repr(answer)
    assert dict(world.state.wanted_by_slot) == before[1]


def test_the_deadline_of_a_closing_that_is_over_is_not_that_of_the_next() -> None:
    world = World()
    world.hear("d2", 1, flags=Flag.HIGH_ALARM)  # to be seen closed by 11
    for event in answered("v2", 2, CLOSED):
        world.tell(event)
    world.hear("v2", 5, valve=OPEN)  # again: by 15
    world.tick(14.9)
    assert world.alarm("v2", "valve-not-closed") is None
    world.tick(15)
    assert world.alarm("v2", "valve-not-closed") is not None
