"""The cycle under what goes wrong around it: clocks, changes, the reserve, pushes that come twice."""

import fcntl
import struct
from pathlib import Path

import pytest

from devices.sites import Registry
from engine.checkpoint import recall
from engine.messages import Busy, Push, Pushed
from engine.pushes import answer_key
from engine.store import Store
from engine.times import LogTime
from rules.decisions import AttemptRequested, Step
from rules.instructions import CloseValve
from tests.engine.history import SECOND, START_US, Bench, bench_with_town, frozen
from tests.guarantees.town import detector, town, valve


def leak(bench: Bench, seq: int = 1, home: int = 0) -> None:
    bench.say(detector(home), bench.reading(seq, combustible_lel=80.0, high_alarm=True))


def attempts(bench: Bench) -> int:
    (wanted,) = bench.memory.state.wanted_by_slot.values()
    return sum(step.step is Step.REQUESTED for step in wanted.steps)


def test_the_engine_keeps_its_own_lock_on_the_store(tmp_path: Path) -> None:
    """Another SQLite that only looks must not become "the last connection" and take our log away."""
    Store(tmp_path / "engine.sqlite", cap_bytes=1 << 30).close()
    store = Store(tmp_path / "engine.sqlite", cap_bytes=1 << 30)
    with (tmp_path / "engine.sqlite").open("rb") as file:
        # F_OFD_GETLK: does anybody, this process included, hold a lock on SQLite's shared bytes?
        ask = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0x40000002, 510, 0)
        kind = struct.unpack("hhqqi4x", fcntl.fcntl(file, 36, ask))[0]
    assert kind != fcntl.F_UNLCK
    store.close()


def test_a_device_removed_in_the_cycle_of_its_alarm_is_a_stranger_live_and_on_replay(tmp_path: Path) -> None:
    bench = bench_with_town(tmp_path, 3)
    leak(bench, 1, home=2)
    bench.register(town(2), number=2)
    bench.turn(1)
    assert bench.answers[-1] == Pushed(request=1, stored=0, duplicate=0, quarantined=1)
    assert bench.memory.state.alarms() == ()
    leak(bench, 1, home=1)
    bench.turn(1)
    assert attempts(bench) == 1
    bench.store.close()
    store = Store(tmp_path / "engine.sqlite", cap_bytes=1 << 30)
    assert frozen(recall(store, tmp_path / "none")) == frozen(bench.memory)
    store.close()


@pytest.mark.parametrize("back_s", [30, 3600, 8 * 3600])
def test_a_clock_set_back_stops_no_deadline(tmp_path: Path, back_s: int) -> None:
    bench = bench_with_town(tmp_path)
    leak(bench)
    bench.turn(1)
    steady = bench.now
    bench.cycle._time = LogTime(bench.store.last_now, lambda: bench.now, lambda: steady)
    bench.now -= back_s * SECOND
    for _ in range(30):
        steady += SECOND
        bench.turn(1)
    assert attempts(bench) >= 4
    assert "valve-not-closed" in {alarm.rule for alarm in bench.memory.state.alarms()}


def test_log_time_never_goes_back_and_meets_the_clock_again() -> None:
    clock = steady = START_US
    time = LogTime(START_US, lambda: clock, lambda: steady)
    clock -= 60 * SECOND
    before = time.now()
    for _ in range(700):
        clock += SECOND
        steady += SECOND
        now = time.now()
        assert now > before
        before = now
    assert before == clock


def test_a_clock_that_leaps_ahead_is_one_absence_not_a_day_of_attempts(tmp_path: Path) -> None:
    bench = bench_with_town(tmp_path)
    leak(bench)
    bench.turn(1)
    decided: list[object] = []
    bench.cycle.on_committed.append(lambda _, decisions: decided.extend(decisions))
    bench.turn(8 * 3600)
    assert sum(isinstance(one, AttemptRequested) for one in decided) == 1
    assert "silence" not in {alarm.rule for alarm in bench.memory.state.alarms()}


def test_the_same_push_key_under_way_twice_is_one_push_and_other_readings_are_another() -> None:
    def push(payload: bytes, key: str = "k", identity: str = "a/b") -> Push:
        return Push(
            request=1, principal="a/g", identity=identity, payloads=(payload,), content_type="application/json", key=key
        )

    assert answer_key(push(b"1")) == answer_key(push(b"1"))
    different = {answer_key(one) for one in (push(b"1"), push(b"2"), push(b"1", "j"), push(b"1", identity="a/c"))}
    assert len(different) == 4


def test_one_principal_has_one_push_in_a_cycle_and_the_others_are_not_behind_it(tmp_path: Path) -> None:
    bench = bench_with_town(tmp_path)
    for seq in range(1, 6):
        bench.say(detector(0), bench.reading(seq))
    bench.say(detector(1), bench.reading(1))
    bench.turn()
    assert len(bench.answers) == 2
    for _ in range(4):
        bench.turn()
    assert [answer.stored for answer in bench.answers if isinstance(answer, Pushed)] == [1] * 6


class Reserved(Store):
    """A store in its reserve."""

    in_reserve = True  # type: ignore[assignment]


def test_in_the_reserve_a_push_is_taken_or_withheld_as_a_whole(tmp_path: Path) -> None:
    bench = bench_with_town(tmp_path)
    bench.store.__class__ = Reserved
    bench.say(detector(0), bench.reading(1), bench.reading(2, combustible_lel=70.0, high_alarm=True))
    bench.say(detector(1), bench.reading(1), bench.reading(2))
    bench.turn()
    taken, waits = bench.answers
    assert taken == Pushed(request=1, stored=2, duplicate=0, quarantined=0)
    assert isinstance(waits, Busy)


def test_a_person_s_close_leaves_at_once_although_one_is_wanted_already(tmp_path: Path) -> None:
    bench = bench_with_town(tmp_path)
    leak(bench)
    bench.turn(1)
    for _ in range(40):
        bench.turn(1)
    before = attempts(bench)
    bench.instruct(lambda now: CloseValve(at=now, id="c", by="desk", device_no=11, reason="now"))
    bench.turn(1.5)
    assert attempts(bench) == before + 1


def test_a_device_registered_again_is_not_silent_for_the_time_it_was_away(tmp_path: Path) -> None:
    bench = bench_with_town(tmp_path, 3)
    bench.register(town(1), number=2)
    bench.turn(1)
    for _ in range(60):
        bench.say(detector(0), bench.reading(bench.now))
        bench.turn(10)
    bench.register(town(3), number=3)
    bench.turn(1)
    silent = {alarm.identity for alarm in bench.memory.state.alarms() if alarm.rule == "silence"}
    assert not {detector(2), valve(2)} & silent


def test_documents_that_nobody_can_ask_for_go(tmp_path: Path) -> None:
    bench = bench_with_town(tmp_path)
    for number in range(2, 12):
        bench.register(Registry(models=town(1).models, sites=town(number).sites), number=number)
        bench.turn(1)
    for _ in range(80):
        bench.store.checkpointed = bench.store.last_cycle
        bench.store.passed("storage", bench.store.last_cycle)
        bench.turn(6)
    kept = bench.store._db.execute("SELECT kind, count(*) FROM document GROUP BY kind").fetchall()
    assert dict(kept) == {"registry": 1}
