"""Which numbers are settled without a gap: against plain sets, live as on replay; and when people are told."""

import itertools
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.contiguity import Complete, Contiguity, Mark, Missing, Offered, Settling
from ingest.followed import FrozenFollowed
from ingest.links import Upto
from ingest.one_boot import OneBoot
from ingest.one_device import WINDOW
from tests.admission.reference_contiguity import EARLIER_KEPT_US, MISSING_FOR_US, NOTE_EVERY_US, Device, Item

SECOND = 1_000_000
START = 1_800_000_000 * SECOND
DEVICES = 4
DEVICE_NO = np.arange(10, 10 + DEVICES, dtype=np.int32)

Arrived = tuple[int, Item]


def offered(items: Sequence[Arrived]) -> Offered:
    return Offered(
        slot=np.array([slot for slot, _ in items], np.int32),
        boot=np.array([item.boot for _, item in items], np.int64),
        seq=np.array([item.seq for _, item in items], np.int64),
        first=np.array([item.first for _, item in items], np.int64),
        newest=np.array([item.newest for _, item in items], np.bool_),
        stored=np.array([item.stored for _, item in items], np.bool_),
        message=np.arange(len(items), dtype=np.int32),
        anew=np.array([item.anew for _, item in items], np.bool_),
        older=np.array([item.older for _, item in items], np.bool_),
    )


def acknowledged(settling: Settling, many: int) -> list[Upto]:
    return sorted(settling.of(0, many, DEVICE_NO))


class Engine:
    """What the cycle does with it: live, its journal, and its checkpoints."""

    def __init__(self) -> None:
        self.contiguity = Contiguity(DEVICES)
        self.now = START
        self.journal: list[tuple[int, list[Arrived], tuple[Mark, ...], bool]] = []
        self.checkpoints: list[bytes] = []
        self.told: list[Missing | Complete] = []

    def cycle(self, items: Sequence[Arrived] = (), after_s: float = 0.0, *, anew: bool = False) -> list[Upto]:
        self.now += round(after_s * SECOND)
        settling = self.contiguity.take_in(offered(items), self.now)
        marks = self.contiguity.marks(settling.marked, DEVICE_NO)
        rows = [(slot, Item(i.boot, i.seq, -1, i.newest)) for slot, i in items if i.stored]
        self.journal.append((self.now, rows, marks, anew))
        missing, complete = self.contiguity.look(self.now, anew=anew)
        self.told += [*missing, *complete]
        self.checkpoints.append(msgspec.msgpack.encode(self.contiguity.frozen()))
        return acknowledged(settling, len(items))

    def replayed(self, checkpoint: int | None = None) -> Contiguity:
        """From nothing, or from a checkpoint, by the journal alone."""
        contiguity = Contiguity(DEVICES)
        if checkpoint is not None:
            frozen = msgspec.msgpack.decode(self.checkpoints[checkpoint], type=FrozenFollowed)
            contiguity = Contiguity.thawed(DEVICES, frozen)
        for now, rows, marks, anew in (
            self.journal[-1 if checkpoint is None else checkpoint + 1 :] if (checkpoint is not None) else self.journal
        ):
            body = msgspec.msgpack.decode(msgspec.msgpack.encode(marks), type=tuple[Mark, ...])
            contiguity.replay(offered(rows), [(mark.device_no - 10, mark) for mark in body], now)
            contiguity.look(now, anew=anew)
        return contiguity


def numbers(*seqs: int, slot: int = 0, boot: int = 1, first: int = -1) -> list[Arrived]:
    return [(slot, Item(boot, seq, first)) for seq in seqs]


seqs = st.one_of(
    st.integers(0, 12), st.integers(WINDOW - 3, WINDOW + 6), st.integers(2 * WINDOW - 3, 2 * WINDOW + 6), st.just(5_000)
)


boots = st.sampled_from([1, 1, 1, 1, 1, 1, 2, 2, 3, 4, 5, 7])


@st.composite
def items(draw: st.DrawFn) -> list[Arrived]:
    made: list[Arrived] = []
    for _ in range(draw(st.integers(0, 8))):
        stored = draw(st.integers(0, 4)) > 0
        newest = stored and draw(st.integers(0, 3)) > 0
        first = draw(st.one_of(st.just(-1), st.just(-1), seqs))
        run = draw(st.integers(1, 5))
        slot, boot, seq = draw(st.integers(0, DEVICES - 1)), draw(boots), draw(seqs)
        made += [(slot, Item(boot, seq + n, first, newest, stored)) for n in range(run)]
        if draw(st.integers(0, 5)) == 0:
            made[-run][1].anew = made[-run][1].stored = True
        elif draw(st.booleans()):
            made[-1][1].older = True
    return draw(st.permutations(made)) if draw(st.booleans()) else made


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(items(), st.sampled_from([0.0, 0.5, 3.0, 25.0, 650.0])), max_size=8), st.data())
def test_it_equals_plain_sets_live_on_replay_and_from_any_checkpoint(
    cycles: list[tuple[list[Arrived], float]], data: st.DataObject
) -> None:
    engine = Engine()
    devices = [Device() for _ in range(DEVICES)]
    for arrived, after_s in cycles:
        said = engine.cycle(arrived, after_s)
        expected: list[Upto] = []
        for slot, device in enumerate(devices):
            mine = [item for at, item in arrived if at == slot]
            if mine:
                found = device.cycle(mine, engine.now)
                expected += [Upto(int(DEVICE_NO[slot]), boot, upto) for boot, upto in found.items()]
            device.forget(engine.now)
        assert said == sorted(expected)
        assert engine.contiguity.lost == sum(device.lost for device in devices)
        assert engine.contiguity.with_gaps == sum(device.is_missing for device in devices)
    last = engine.contiguity.frozen()
    assert engine.replayed().frozen() == last
    if cycles:
        assert engine.replayed(data.draw(st.integers(0, len(cycles) - 1))).frozen() == last


live = st.tuples(st.sampled_from([-1, -1, -1, 0, 1, 1, 2, 3, 5]), st.booleans(), st.integers(0, 12))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(live, st.sampled_from([0.0, 1.0, 3.0, 9.0, 40.0])), max_size=25))
def test_what_is_missing_for_24_s_is_told_and_nothing_before_20_s_and_its_end_too(
    steps: list[tuple[tuple[int, bool, int], float]],
) -> None:
    engine, device = Engine(), Device()
    boot, seq, known, lost = 1, 20, False, 0

    def turn(arrived: list[Arrived], after_s: float) -> None:
        nonlocal known, lost
        before = len(engine.told)
        engine.cycle(arrived, after_s)
        device.cycle([item for _, item in arrived], engine.now)
        device.forget(engine.now)
        ages = [engine.now - since for one in device.boots.values() for since in one.since.values()]
        for event in engine.told[before:]:
            if isinstance(event, Missing):
                assert device.lost > lost or max(ages, default=0) >= MISSING_FOR_US
                known = True
            else:
                assert known
                assert event.lost == device.lost - lost
                known, lost = False, device.lost
        assert known or max(ages, default=0) < MISSING_FOR_US + NOTE_EVERY_US
        assert device.is_missing if known else device.lost == lost

    for (ahead, hold, first), after_s in steps:
        until = engine.now + round(after_s * SECOND)
        while (due := max(engine.contiguity.next_look, engine.now)) < until:
            turn([], (due - engine.now) / SECOND)
        if ahead < 0:
            boot, seq = boot + 1, 20
        newest = ahead > 0 or seq == 20
        seq += max(ahead, 0)
        item = Item(boot, seq if ahead else max(seq - first, 0), seq - first if hold and first < 4 else -1, newest)
        turn([(0, item)], (until - engine.now) / SECOND)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 3000), st.lists(st.tuples(st.integers(-5, 1200), st.booleans()), max_size=40))
def test_one_boot_equals_a_set(start: int, steps: list[tuple[int, bool]]) -> None:
    one, done = OneBoot.before(1, start), set(range(start))
    for ahead, given_up in steps:
        number = max(one.upto + ahead, 0)
        lost = one.give_up(number) if given_up else one.settle(number)
        passed = set(range((number if given_up else number - WINDOW) + 1)) - done
        assert lost == len(passed)
        done |= passed | ({number} if not given_up else set())
        upto = next(n for n in itertools.count() if n not in done) - 1
        assert (one.upto, one.highest, one.missing) == (
            upto,
            max(done, default=-1),
            max(done, default=-1) + 1 - len(done),
        )
        assert one.seen == sum(1 << n % WINDOW for n in done if n > upto)


def test_a_device_starts_at_its_first_number_or_at_the_oldest_it_holds() -> None:
    engine = Engine()
    assert engine.cycle(numbers(500)) == [Upto(10, 1, 500)]
    assert engine.cycle(numbers(500, slot=1, first=498)) == [Upto(11, 1, 497)]
    assert engine.contiguity.with_gaps == 1
    assert engine.cycle(numbers(0, slot=2, first=0)) == [Upto(12, 1, 0)]


def test_what_is_not_settled_is_not_acknowledged_and_a_filled_gap_is_at_once() -> None:
    engine = Engine()
    assert engine.cycle(numbers(1, 2, 3)) == [Upto(10, 1, 3)]
    assert engine.cycle(numbers(5, 6)) == []
    assert engine.cycle(numbers(8)) == []
    assert engine.cycle(numbers(4)) == [Upto(10, 1, 6)]
    assert engine.cycle(numbers(7)) == [Upto(10, 1, 8)]


def test_a_duplicate_is_acknowledged_again() -> None:
    engine = Engine()
    engine.cycle(numbers(1, 2))
    assert engine.cycle([(0, Item(1, 2, stored=False, newest=False))]) == [Upto(10, 1, 2)]


def test_what_a_device_no_longer_holds_is_passed_over_and_counted() -> None:
    engine = Engine()
    engine.cycle(numbers(1, 2, 3))
    assert engine.cycle(numbers(9, first=7)) == [Upto(10, 1, 6)]
    assert engine.contiguity.lost == 3
    assert engine.told == [Missing(0, 1, 4, 3)]
    assert engine.cycle(numbers(7, 8, first=7)) == [Upto(10, 1, 9)]
    assert engine.told[1:] == [Complete(0, 3)]


def test_a_device_cannot_pass_over_the_number_it_sends() -> None:
    engine = Engine()
    engine.cycle(numbers(1))
    assert engine.cycle(numbers(5, first=1 << 62)) == [Upto(10, 1, 5)]


def test_a_gap_is_told_within_24_s_and_once_and_so_is_its_end() -> None:
    engine = Engine()
    engine.cycle(numbers(1, 2, 5))
    begun = engine.now
    while not engine.told:
        engine.cycle(after_s=(engine.contiguity.next_look - engine.now) / SECOND)
    assert MISSING_FOR_US <= engine.now - begun <= MISSING_FOR_US + NOTE_EVERY_US
    assert engine.told == [Missing(0, 1, 3, 2)]
    for seq in range(6, 20):
        engine.cycle(numbers(seq), after_s=5)
    engine.cycle(numbers(3))
    assert len(engine.told) == 1
    engine.cycle(numbers(4))
    assert engine.told[1:] == [Complete(0, 0)]


def test_a_new_gap_above_one_that_was_told_is_told_too() -> None:
    engine = Engine()
    engine.cycle(numbers(1, 3))
    for _ in range(8):
        engine.cycle(after_s=4)
    engine.cycle(numbers(4, 7))
    for _ in range(8):
        engine.cycle(after_s=4)
    assert engine.told == [Missing(0, 1, 2, 1), Missing(0, 1, 2, 3)]


def test_numbers_that_come_out_of_order_all_the_time_are_not_missing() -> None:
    engine = Engine()
    for seq in range(0, 400, 2):
        engine.cycle(numbers(seq + 3, seq), after_s=0.5)
    assert engine.contiguity.with_gaps == 1
    assert engine.told == []


def test_a_gap_has_its_whole_time_again_after_the_engine_was_away() -> None:
    engine = Engine()
    engine.cycle(numbers(1, 3))
    engine.cycle(after_s=16)
    engine.cycle(after_s=60, anew=True)
    engine.cycle(after_s=16)
    assert engine.told == []
    for _ in range(4):
        engine.cycle(after_s=4)
    assert engine.told == [Missing(0, 1, 2, 1)]


def test_a_device_that_waits_for_nothing_does_not_stop_its_count_for_ever() -> None:
    engine = Engine()
    engine.cycle(numbers(1, 3))
    engine.cycle(numbers(*range(4, WINDOW + 2)))
    assert engine.contiguity.lost == 0
    assert engine.cycle(numbers(WINDOW + 3)) == [Upto(10, 1, WINDOW + 1)]
    assert engine.contiguity.lost == 1


def test_a_new_boot_starts_anew_and_the_old_one_is_still_acknowledged_while_it_is_offered() -> None:
    engine = Engine()
    engine.cycle(numbers(1, 2, 5))
    assert engine.cycle(numbers(0, boot=2)) == [Upto(10, 2, 0)]
    assert engine.cycle([(0, Item(1, 3, newest=False))], after_s=5) == [Upto(10, 1, 3)]
    assert engine.cycle([(0, Item(1, 6, newest=False)), *numbers(1, boot=2)]) == [Upto(10, 2, 1)]
    assert engine.cycle([(0, Item(1, 4, newest=False))]) == [Upto(10, 1, 6)]
    assert engine.contiguity.lost == 0


def test_what_an_old_boot_still_lacks_when_it_is_offered_no_longer_is_lost() -> None:
    engine = Engine()
    engine.cycle(numbers(1, 2, 5))
    engine.cycle(numbers(0, boot=2), after_s=2)
    for _ in range(10):
        engine.cycle(after_s=4)
    assert engine.told == [Missing(0, 1, 3, 2)]
    engine.cycle(after_s=EARLIER_KEPT_US / SECOND)
    assert engine.told[1:] == [Complete(0, 2)]
    assert (engine.contiguity.lost, engine.contiguity.with_gaps) == (2, 0)


def test_counters_that_were_wiped_start_anew() -> None:
    engine = Engine()
    engine.cycle(numbers(5_000, boot=7))
    assert engine.cycle(numbers(0, 1, boot=1)) == [Upto(10, 1, 1)]
    engine.cycle(numbers(3_000, slot=1))
    assert engine.cycle(numbers(2, 3, slot=1)) == [Upto(11, 1, 3)]
    assert engine.contiguity.lost == 0


def anew(seq: int, boot: int = 1) -> list[Arrived]:
    """What admission takes for a counter that was wiped."""
    return [(0, Item(boot, seq, anew=True))]


def test_after_wiped_counters_a_device_is_told_no_number_of_before() -> None:
    engine = Engine()
    engine.cycle(numbers(*range(0, 1_001), *range(1_002, 1_501)))
    assert engine.cycle(anew(400)) == [Upto(10, 1, 400)]
    assert engine.cycle(numbers(401)) == [Upto(10, 1, 401)]
    assert engine.contiguity.lost == 1
    assert engine.replayed().frozen() == engine.contiguity.frozen()


def test_a_number_of_before_the_wipe_that_comes_once_more_moves_nothing_and_one_in_order_does() -> None:
    engine = Engine()
    engine.cycle(numbers(*range(4_900, 5_000)))
    assert engine.cycle(anew(0)) == [Upto(10, 1, 0)]
    assert engine.cycle([(0, Item(1, 4_999, older=True))]) == []
    assert engine.cycle(numbers(1)) == [Upto(10, 1, 1)]
    assert engine.contiguity.lost == 0
    assert engine.cycle([(0, Item(1, 2, older=True)), (0, Item(1, 3, older=True))]) == [Upto(10, 1, 3)]
    assert engine.replayed().frozen() == engine.contiguity.frozen()


def test_a_boot_that_begins_again_after_a_wipe_is_told_no_number_of_its_first_life() -> None:
    engine = Engine()
    engine.cycle(numbers(0, 1, 2, 3))
    engine.cycle(numbers(0, boot=2))
    assert engine.cycle(anew(1)) == [Upto(10, 1, 1)]


def test_changing_to_an_earlier_boot_keeps_what_it_lacks() -> None:
    engine = Engine()
    for boot in range(1, 6):
        engine.cycle(numbers(0, 1, 5, boot=boot), after_s=1)
    assert engine.cycle(numbers(6, boot=1)) == []
    assert engine.cycle(numbers(2, 3, 4, boot=1)) == [Upto(10, 1, 6)]
    assert engine.contiguity.lost == 0


def test_an_earlier_boot_that_is_offered_now_is_not_the_one_to_be_forgotten() -> None:
    engine = Engine()
    for boot in range(2, 7):
        engine.cycle(numbers(0, boot=boot))
    assert engine.cycle([(0, Item(1, 0, newest=False))]) == [Upto(10, 1, 0)]


def test_firsts_of_one_cycle_are_given_up_once() -> None:
    engine = Engine()
    engine.cycle(numbers(0))
    assert engine.cycle([(0, Item(1, seq, first=seq)) for seq in range(3, 1_000, 3)]) == [Upto(10, 1, 999)]
    assert engine.contiguity.lost == 999 - 333
    assert engine.told == [Missing(0, 1, 1, 666), Complete(0, 666)]


@pytest.mark.parametrize("seq", [0, 2**63 - 1])
def test_the_largest_numbers_that_can_be_sent_break_nothing(seq: int) -> None:
    engine = Engine()
    engine.cycle(numbers(seq))
    engine.cycle(numbers(2**63 - 1, 2**63 - 2, 0, first=0))
    engine.cycle(numbers(2**63 - 1, boot=2**31 - 1, first=2**63 - 1))
    assert 0 <= engine.contiguity.lost <= 1 << 40
    assert engine.replayed().frozen() == engine.contiguity.frozen()


def test_who_leaves_the_registry_is_forgotten_and_what_it_lost_stays_counted() -> None:
    engine = Engine()
    engine.cycle([*numbers(1, 2), *numbers(1, 9, slot=1, first=5), *numbers(4, slot=2)])
    contiguity = engine.contiguity
    contiguity.resize(np.array([True, False, True, True, True]))
    assert contiguity.follows(np.arange(5, dtype=np.int32)).tolist() == [True, False, True, False, False]
    assert (contiguity.lost, contiguity.with_gaps) == (3, 0)
    assert acknowledged(contiguity.take_in(offered(numbers(5, slot=2)), START), 1) == [Upto(12, 1, 5)]
