"""Whatever an instruction holds, the engine answers it, and goes on: an exception in the rules would end it."""

import math
from enum import Enum
from typing import Any, get_args, get_type_hints

from hypothesis import given
from hypothesis import strategies as st

from devices.quantities import Flag
from rules.decisions import Answered
from rules.incidents.words import LONGEST_TEXT
from rules.instructions import CancelClose, CloseValve, Instruction, ReturnToService, Shelve, TakeOutOfService
from tests.rules.world import NUMBERS, World, at, of

TYPES = get_args(Instruction)
EXTREME = [0, 1, -1, 2**31 - 1, 2**31, -(2**63), 2**62, 10**18, at(0), at(60), at(3_600), *NUMBERS.values()]
FLOATS = [0.0, -1.0, 19.9, 20.0, 1e300, -1e300, math.inf, -math.inf, math.nan]
TEXTS = ["", " ", "x", "combustible_lel", "\x00", "长" * 50, "y" * (LONGEST_TEXT + 1), "ch4-low", "resident"]


def lived() -> World:
    """A world with alarms, an incident, a closing on its way and a device out of service."""
    world = World()
    world.hear("d1", 1, flags=Flag.HIGH_ALARM, combustible_lel=60.0)
    world.hear("d2", 2, combustible_lel=30.0)
    world.tell(TakeOutOfService(at=at(3), id="out", by="ann", device_no=NUMBERS["d3"], until=0, reason="cleaning"))
    return world


def names(world: World) -> list[str]:
    state = world.state
    alarms = [alarm.alarm for alarm in state.alarms()]
    return [*alarms, *state.incidents, *state.by_wanted, *(rule.id for rule in state.compiled.rules)]


@st.composite
def instructions(draw: st.DrawFn, world: World, seconds: float, number: int) -> Instruction:
    kind: Any = draw(st.sampled_from(TYPES))
    said: dict[str, Any] = {"at": at(seconds), "id": f"i{number}", "by": draw(st.sampled_from(["ann", "bob", "", " "]))}
    for name, hint in get_type_hints(kind).items():
        if name in said:
            continue
        if isinstance(hint, type) and issubclass(hint, Enum):
            said[name] = draw(st.sampled_from(list(hint)))
        elif hint is str:
            said[name] = draw(st.sampled_from([*names(world), *TEXTS]))
        elif hint is float:
            said[name] = draw(st.sampled_from(FLOATS))
        else:
            said[name] = draw(st.sampled_from(EXTREME))
    return kind(**said)  # type: ignore[no-any-return]


@given(st.data())
def test_every_instruction_is_answered_once_whatever_it_holds(data: st.DataObject) -> None:
    world = lived()
    for number in range(12):
        said = data.draw(instructions(world, 10.0 + number, number))
        decided = world.tell(said)
        assert [answer.id for answer in of(Answered, decided)] == [said.id]
    world.tick(100_000)


def answer(world: World, said: Instruction) -> Answered:
    return of(Answered, world.tell(said))[-1]


def test_a_device_is_out_of_service_for_thirty_days_at_most_or_until_a_person_says_so() -> None:
    world = World()
    number = NUMBERS["d1"]
    for until in (10**18, 2**62, at(31 * 86_400)):
        refused = answer(
            world, TakeOutOfService(at=at(5), id=f"{until}", by="ann", device_no=number, until=until, reason="work")
        )
        assert (refused.accepted, "at most 30 days" in refused.reason) == (False, True)
    taken = answer(world, TakeOutOfService(at=at(6), id="ok", by="ann", device_no=number, until=0, reason="work"))
    assert taken.accepted
    assert answer(world, ReturnToService(at=at(7), id="back", by="ann", device_no=number)).accepted


def test_who_gives_an_instruction_has_a_name() -> None:
    refused = answer(World(), CloseValve(at=at(5), id="c", by=" ", device_no=NUMBERS["v1"], reason="smell"))
    assert (refused.accepted, refused.reason) == (
        False,
        "nobody gave it: an instruction needs the name of a person",
    )


def test_a_reason_as_long_as_a_book_goes_into_no_journal_and_to_no_valve() -> None:
    world = World()
    refused = answer(world, CloseValve(at=at(5), id="c", by="ann", device_no=NUMBERS["v1"], reason="x" * 5_000_000))
    assert (refused.accepted, refused.reason) == (
        False,
        "reason: it is 5000000 characters long; say it in 2000",
    )
    assert not world.state.wanted_by_slot


def test_whoever_ends_the_attempts_to_close_a_valve_says_why() -> None:
    world = World()
    wanted = answer(world, CloseValve(at=at(5), id="c", by="ann", device_no=NUMBERS["v1"], reason="smell")).subject
    refused = answer(world, CancelClose(at=at(6), id="n", by="ann", wanted=wanted, reason=""))
    assert (refused.accepted, "needs a reason" in refused.reason) == (False, True)
    assert world.state.wanted_by_slot


def test_a_shelf_until_the_end_of_time_is_refused_with_how_long_it_may_be() -> None:
    world = lived()
    alarm = next(one.alarm for one in world.state.alarms() if one.rule == "ch4-high")
    refused = answer(
        world, Shelve(at=at(9), id="s", by="ann", alarm=alarm, until=2**62, reason="work", role="operator")
    )
    assert (refused.accepted, "at most 24 hours" in refused.reason) == (False, True)
