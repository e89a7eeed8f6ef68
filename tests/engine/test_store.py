"""What the engine store promises (S1 to S5), on a real file."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import apsw
import pytest

from devices.readings import blank, pack
from engine.journal import JournalBehind, JournalReader, JournalTrimmed
from engine.records import Inputs, Quarantined, SourceCount
from engine.store import CommitFailed, Store, StoreRefused, document
from rules.decisions import Answered

MIB = 1024 * 1024


def opened(path: Path, cap_bytes: int = 64 * MIB) -> Store:
    return Store(path / "engine.sqlite", cap_bytes=cap_bytes)


def inputs(now: int, readings: int = 3, source: str = "mqtt") -> Inputs:
    rows = blank(readings)
    rows["seq"] = range(readings)
    return Inputs(
        now=now,
        packed=pack(rows),
        extra=((1, b'{"fw":"2.1"}'),),
        events=(),
        counts=(SourceCount(source, readings, readings, 0, 0),),
    )


def answered(now: int) -> Answered:
    return Answered(at=now, id="x", accepted=True)


def test_a_cycle_comes_back_from_the_journal_as_it_was_committed(tmp_path: Path) -> None:
    store = opened(tmp_path)
    given = inputs(7)
    bad = Quarantined(7, "mqtt", 4, "not JSON at byte 0", b"\xff\x00")
    assert store.commit(given, [answered(7)], readings=3, quarantined=[bad]) == 1
    (record,) = JournalReader(store.path).read(0, 1000)
    assert (record.cycle, record.inputs, record.decisions) == (1, given, (answered(7),))
    assert record.quarantined == (bad,)
    assert record.rows()["seq"].tolist() == [0, 1, 2]


def test_counters_are_summed_with_the_cycles_that_hold_them(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.commit(inputs(1), [], readings=3)
    store.commit(inputs(2), [], readings=3)
    store.commit(inputs(3, source="http"), [], readings=3)
    assert JournalReader(store.path).counts() == (3, [SourceCount("http", 3, 3, 0, 0), SourceCount("mqtt", 6, 6, 0, 0)])


def test_what_was_committed_is_there_after_the_store_is_opened_again(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.commit(inputs(5), [], readings=3, documents=[document("registry", b"{}", 9)], answers=[("a", b"yes")])
    engine = store.engine
    store.close()
    again = opened(tmp_path)
    assert (again.engine, again.last_cycle, again.last_now) == (engine, 1, 5)
    assert again.counts["mqtt"].stored == 3
    assert again.answer("a") == b"yes"
    current = again.current("registry")
    assert current is not None
    assert (current.body, current.number) == (b"{}", 9)


def test_a_second_engine_on_the_same_store_is_refused(tmp_path: Path) -> None:
    opened_store = opened(tmp_path)
    with pytest.raises(StoreRefused, match="another engine"):
        opened(tmp_path)
    opened_store.close()


def test_a_file_that_is_no_store_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "engine.sqlite"
    path.write_bytes(b"not a database at all" * 1000)
    before = path.read_bytes()
    with pytest.raises(StoreRefused, match="restore a copy"):
        opened(tmp_path)
    assert path.read_bytes() == before


def test_nothing_is_trimmed_before_every_follower_and_a_checkpoint_have_it(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for now in range(1, 11):
        store.commit(inputs(now), [], readings=3)
    store.checkpointed = 10
    store.commit(inputs(11), [], readings=3)
    assert store.oldest == 1, "storage has passed nothing yet"
    store.passed("storage", 8)
    store.passed("other", 4)
    for now in range(12, 20):
        store.commit(inputs(now), [], readings=3)
    assert store.oldest == 5, "the slowest follower decides"
    with pytest.raises(JournalTrimmed) as gone:
        JournalReader(store.path).read(1, 10)
    assert gone.value.oldest == 5


def test_a_follower_never_goes_back(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for now in range(1, 9):
        store.commit(inputs(now), [], readings=3)
    store.passed("storage", 8)
    store.passed("storage", 3)
    assert store.followers["storage"] == 8


def test_the_store_enters_its_reserve_before_its_cap_and_leaves_it_when_trimmed(tmp_path: Path) -> None:
    store = opened(tmp_path, cap_bytes=2 * MIB)
    now = 0
    noise = os.urandom(100_000)
    while not store.in_reserve:
        now += 1
        store.commit(Inputs(now, noise, (), (), ()), [], readings=0)
        assert now < 100
    assert store.used_bytes < 2 * MIB
    store.checkpointed = now
    store.passed("storage", now)
    for _ in range(16):
        now += 1
        store.commit(Inputs(now, b"", (), (), ()), [], readings=0)
    assert not store.in_reserve


_WRITER = """
    import resource, signal, sys
    from pathlib import Path
    from engine.records import Inputs
    from engine.store import CommitFailed, Store
    store = Store(Path(sys.argv[1]), cap_bytes=1 << 40)
    print("open", flush=True)
    if len(sys.argv) > 2:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
    now = 0
    while True:
        now += 1
        try:
            store.commit(Inputs(now, now.to_bytes(8, "little") * 4000, (), (), ()), [], readings=1)
        except CommitFailed:
            print("failed", flush=True)
            sys.exit(0)
        print(now, flush=True)
"""


def start_writer(path: Path, *limits: str) -> "subprocess.Popen[str]":
    program = [sys.executable, "-c", textwrap.dedent(_WRITER), str(path), *limits]
    return subprocess.Popen(program, stdout=subprocess.PIPE, text=True)


def test_every_commit_that_returned_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "engine.sqlite"
    seen = 0
    for _ in range(5):
        writer = start_writer(path)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        for _ in range(20):
            seen += bool(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)
        seen += len(writer.stdout.read().splitlines())
        writer.wait()
        store = Store(path, cap_bytes=1 << 40)
        # One commit may have finished whose word could not be printed any more.
        assert seen <= store.last_cycle <= seen + 1
        cycles = [record.cycle for record in JournalReader(path).read(0, 1 << 30)]
        assert cycles == list(range(1, store.last_cycle + 1))
        seen = store.last_cycle
        store.close()


def test_a_write_the_disk_refuses_fails_the_commit_and_leaves_the_cycles_before_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "engine.sqlite"
    writer = start_writer(path, str(2 * MIB))
    out = writer.communicate(timeout=60)[0].split()
    assert out[-1] == "failed"
    store = Store(path, cap_bytes=1 << 40)
    assert store.last_cycle == len(out) - 2
    store.commit(inputs(10**9), [], readings=3)


def test_a_broken_statement_is_a_failed_commit_not_a_half_cycle(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.commit(inputs(1), [], readings=3)
    store.last_cycle = 0  # the cycle's number is taken
    with pytest.raises(CommitFailed):
        store.commit(inputs(2), [], readings=3, documents=[document("rules", b"x")])
    other = apsw.Connection(str(store.path))
    assert other.execute("SELECT stored FROM source").get == 3
    assert other.execute("SELECT count(*) FROM document").get == 0


def test_a_follower_cannot_have_passed_what_was_never_there(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.commit(inputs(1), [], readings=3)
    with pytest.raises(ValueError, match="this store ends at 1"):
        store.passed("storage", 2)


def test_a_store_that_is_older_than_its_reader_says_so(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.commit(inputs(1), [], readings=3)
    journal = JournalReader(store.path)
    assert journal.read(1, 10) == []
    with pytest.raises(JournalBehind) as behind:
        journal.read(2, 10)
    assert behind.value.last == 1


def test_a_read_of_the_journal_is_bounded_by_bytes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(tmp_path)
    junk = Quarantined(1, "mqtt", 4, "not JSON", b"x" * 60_000)
    for now in range(1, 21):
        store.commit(Inputs(now, pack(blank(0)), (), (), ()), [], readings=0, quarantined=[junk])
    monkeypatch.setattr("engine.journal.MOST_BYTES", 200_000)
    journal = JournalReader(store.path)
    assert [record.cycle for record in journal.read(0, 100)] == [1, 2, 3]
    assert [record.cycle for record in journal.read(3, 100)] == [4, 5, 6]
