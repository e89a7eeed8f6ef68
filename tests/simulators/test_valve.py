import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.commands import Command, Verb
from devices.quantities import ValveCause, ValvePosition
from simulators.orders import REMEMBERED_IDS, Taken, instant_us
from simulators.valve import SelfClosingTraits, SelfClosingValve, ShutOffTraits, ShutOffValve

NOON = "2025-12-02T12:00:00Z"
NOON_US = 1_764_676_800_000_000


def close(id: str = "a", epoch: int = 1, expires: str = "2025-12-02T12:00:30Z", verb: Verb = Verb.CLOSE) -> Command:
    return Command(id, verb, epoch, NOON, expires, "gas")


def valve() -> ShutOffValve:
    return ShutOffValve(ShutOffTraits(stroke_s=2.0))


def test_close_takes_its_stroke_and_then_says_closed_by_remote() -> None:
    shut_off = valve()
    assert shut_off.obey(close(), NOON_US) is Taken.CLOSING
    shut_off.advance(1.9)
    assert (shut_off.position, shut_off.passes_gas) == (ValvePosition.CLOSING, True)
    shut_off.advance(0.2)
    assert (shut_off.position, shut_off.cause) == (ValvePosition.CLOSED, ValveCause.REMOTE)
    assert not shut_off.passes_gas


def test_a_command_past_its_expiry_never_moves_the_valve() -> None:
    shut_off = valve()
    assert shut_off.obey(close(), NOON_US + 30_000_000) is Taken.EXPIRED
    assert shut_off.position is ValvePosition.OPEN
    assert shut_off.obey(close("fresh", expires="2025-12-02T12:01:00Z"), NOON_US + 30_000_000) is Taken.CLOSING


@pytest.mark.parametrize("expires", ["", "soon", "2025-12-02T12:00:30", "2025-13-02T12:00:30Z", "12:00"])
def test_a_broken_expiry_is_an_expired_one(expires: str) -> None:
    assert valve().obey(close(expires=expires), 0) is Taken.EXPIRED


def test_a_lower_epoch_than_seen_is_ignored() -> None:
    shut_off = valve()
    shut_off.obey(close("new", epoch=5), NOON_US)
    shut_off.open_by_hand()
    assert shut_off.obey(close("old", epoch=4), NOON_US) is Taken.STALE
    assert shut_off.position is ValvePosition.OPEN


def test_the_same_id_is_answered_but_not_run_again() -> None:
    shut_off = valve()
    shut_off.obey(close("once"), NOON_US)
    shut_off.advance(5.0)
    shut_off.open_by_hand()
    assert shut_off.obey(close("once"), NOON_US) is Taken.REPEATED
    assert shut_off.position is ValvePosition.OPEN


def test_a_valve_that_sticks_for_three_commands_obeys_the_fourth() -> None:
    shut_off = valve()
    shut_off.sticks_for = 3
    taken = [shut_off.obey(close(str(i)), NOON_US) for i in range(4)]
    assert taken == [Taken.STUCK, Taken.STUCK, Taken.STUCK, Taken.CLOSING]


def test_a_jammed_valve_still_says_open() -> None:
    shut_off = valve()
    shut_off.jammed = True
    assert shut_off.obey(close(), NOON_US) is Taken.STUCK
    shut_off.advance(100.0)
    assert shut_off.position is ValvePosition.OPEN


@given(
    st.lists(
        st.tuples(
            st.sampled_from(Verb), st.integers(0, 200), st.integers(0, 9), st.sampled_from(["2100-01-01T00:00:00Z", ""])
        ),
        max_size=200,
    )
)
def test_no_command_ever_opens_a_valve_or_makes_it_remember_without_bound(
    commands: list[tuple[Verb, int, int, str]],
) -> None:
    shut_off = valve()
    shut_off.obey(close("first", epoch=0, expires="2100-01-01T00:00:00Z"), NOON_US)
    shut_off.advance(5.0)
    for verb, id, epoch, expires in commands:
        shut_off.obey(close(str(id), epoch, expires, verb), NOON_US)
        shut_off.advance(1.0)
        assert shut_off.position is ValvePosition.CLOSED
    assert len(shut_off._orders._ran) <= REMEMBERED_IDS


@pytest.mark.parametrize(
    ("pressure_kpa", "flow_m3h", "cause"),
    [
        (2.0, 4.5, ValveCause.OVER_FLOW),
        (8.0, 0.0, ValveCause.OVER_PRESSURE),
        (0.8, 0.0, ValveCause.UNDER_PRESSURE),
        (0.0, 0.0, ValveCause.SUPPLY_LOSS),
    ],
)
def test_a_self_closing_valve_closes_by_itself_and_says_why(
    pressure_kpa: float, flow_m3h: float, cause: ValveCause
) -> None:
    self_closing = SelfClosingValve(SelfClosingTraits())
    self_closing.advance(0.25, pressure_kpa, flow_m3h)
    assert self_closing.position is ValvePosition.CLOSING
    self_closing.advance(3.0, pressure_kpa, flow_m3h)
    assert (self_closing.position, self_closing.cause) == (ValvePosition.CLOSED, cause)


def test_a_self_closing_valve_takes_no_commands() -> None:
    assert not hasattr(SelfClosingValve, "obey")


def test_lifted_by_hand_a_self_closing_valve_closes_again_while_its_reason_lasts() -> None:
    self_closing = SelfClosingValve(SelfClosingTraits())
    self_closing.advance(5.0, 2.0, 10.0)
    self_closing.open_by_hand()
    self_closing.advance(5.0, 2.0, 10.0)
    assert self_closing.position is ValvePosition.CLOSED
    self_closing.open_by_hand()
    self_closing.advance(5.0, 2.0, 0.5)
    assert self_closing.position is ValvePosition.OPEN


def test_an_instant_is_read_to_the_microsecond_in_any_zone() -> None:
    assert instant_us(NOON) == NOON_US
    assert instant_us("2025-12-02T20:00:00.000001+08:00") == NOON_US + 1


def locking() -> ShutOffValve:
    """A valve that locks, closed by a command."""
    shut_off = ShutOffValve(ShutOffTraits(stroke_s=1.0, locks=True))
    assert shut_off.open_by_hand(NOON_US)  # nothing has closed it
    shut_off.obey(close(epoch=3), NOON_US)
    shut_off.advance(2.0)
    return shut_off


def permit(id: str = "p", epoch: int = 3, expires: str = "2025-12-02T12:30:00Z") -> Command:
    return close(id, epoch, expires, Verb.PERMIT_OPEN)


def test_a_valve_that_locks_is_opened_by_hand_with_leave_only() -> None:
    shut_off = locking()
    assert not shut_off.open_by_hand(NOON_US + 1)
    assert shut_off.obey(permit(), NOON_US + 2) is Taken.PERMITTED
    assert shut_off.position is ValvePosition.CLOSED
    assert shut_off.open_by_hand(NOON_US + 3)
    assert shut_off.position is ValvePosition.OPEN


def test_leave_ends_with_its_expiry_and_with_any_close_and_an_older_one_gives_none() -> None:
    shut_off = locking()
    assert shut_off.obey(permit("old", epoch=2), NOON_US) is Taken.STALE
    assert not shut_off.open_by_hand(NOON_US)
    shut_off.obey(permit(), NOON_US)
    assert not shut_off.open_by_hand(instant_us("2025-12-02T12:30:00Z"))
    shut_off.obey(permit("again"), NOON_US)
    shut_off.obey(close("newer", epoch=4), NOON_US)
    assert not shut_off.open_by_hand(NOON_US + 1)
    assert shut_off.obey(permit("late"), NOON_US + 2) is Taken.STALE
