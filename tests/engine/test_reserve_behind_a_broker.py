"""In the store's reserve, what a broker brings and nobody will ever take does not wait before others' alarms."""

from pathlib import Path

from engine.intake import MOST_NAMED_IN_RESERVE
from engine.store import Store
from tests.engine.test_ways_in import Full, Reserved, ways
from tests.engine.ways import D1, VALVE


def rows(store: Store) -> list[tuple[int, str, bytes]]:
    found = store._db.execute("SELECT device_no, reason, raw FROM quarantine ORDER BY id")
    return [(int(no), str(reason), bytes(raw)) for no, reason, raw in found]  # type: ignore[arg-type, call-overload]


def test_strangers_and_refused_messages_are_acknowledged_without_their_bytes_and_readings_wait(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.store.__class__ = Reserved
    alarm = b'{"boot":1,"seq":2,"high_alarm":true}'
    bench.broker.bring((0, b'{"x":1}'), (D1, b"no reading"), (D1, b'{"boot":1,"seq":1,"co_ppm":1}'), (D1, alarm))
    bench.bus.bring((VALVE, b"no frame"))  # polled, not sent: it comes again by itself
    bench.turn(1)
    settled = bench.broker.last
    assert settled.withheld == {2}
    assert settled.quarantined.tolist() == [1, 1, 0, 0]
    assert settled.stored.tolist() == [0, 0, 0, 1]
    assert bench.bus.last.withheld == {0}
    kept = rows(bench.store)
    assert [(no, raw) for no, _, raw in kept] == [(0, b""), (D1, b"")]
    assert all("in its reserve" in reason for _, reason, _ in kept)


def test_what_a_refused_message_shows_is_not_acknowledged_to_its_device_while_its_bytes_are_not_kept(
    tmp_path: Path,
) -> None:
    bench = ways(tmp_path)
    bench.broker.bring((D1, b'{"boot":1,"seq":1,"co_ppm":1}'))
    bench.turn(1)
    assert [upto.seq for upto in bench.broker.last.upto] == [1]
    bench.store.__class__ = Reserved
    bench.broker.bring((D1, b'{"boot":1,"seq":2,"co_ppm":"much"}'))
    bench.turn(1)
    assert bench.broker.last.withheld == frozenset()
    assert [upto.seq for upto in bench.broker.last.upto if upto.seq > 1] == []
    bench.store.__class__ = Store
    bench.broker.bring((D1, b'{"boot":1,"seq":2,"co_ppm":"much"}'))
    bench.turn(1)
    assert [upto.seq for upto in bench.broker.last.upto] == [2]


def test_a_flood_of_strangers_does_not_fill_what_is_kept_for_alarms(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.store.__class__ = Reserved
    bench.broker.bring(*[(0, b'{"x":1}')] * 2_000)
    bench.turn(1)
    assert bench.broker.last.quarantined.sum() == 2_000
    kept = rows(bench.store)
    assert len(kept) == MOST_NAMED_IN_RESERVE + 1
    assert kept[-1][1].startswith(f"{2_000 - MOST_NAMED_IN_RESERVE} more refused messages")


def test_on_a_full_disk_a_strangers_message_waits_and_ends_nothing(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.store.__class__ = Full
    bench.broker.bring((0, b'{"x":1}'))
    assert bench.turn(1) == 0
    assert bench.broker.last.withheld == {0}
