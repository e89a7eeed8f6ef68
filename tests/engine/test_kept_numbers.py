"""A device is told only of what is on disk: of a refused payload, the numbers of the bytes that quarantine keeps."""

import json
from pathlib import Path

from devices.quantities import ValvePosition
from engine.journal import JournalReader
from engine.records import MOST_RAW_BYTES, Quarantined
from ingest.links import Sending, Upto
from rules.decisions import CommandStepped, Step
from tests.engine.ways import D1, VALVE, Ways, ways


def refused_array(bench: Ways, readings: int, note: str) -> bytes:
    """Numbers 1 to `readings`; the first reading cannot be read, so none of them is."""
    array = [json.loads(bench.from_broker(D1, n, note=note)[1]) for n in range(1, readings + 1)]
    array[0]["co_ppm"] = "high"
    return json.dumps(array).encode()


def quarantine(bench: Ways) -> list[Quarantined]:
    reader = JournalReader(bench.store.path)
    try:
        return [item for record in reader.read(0, 1 << 30) for item in record.quarantined]
    finally:
        reader.close()


def test_the_largest_message_a_device_may_send_is_kept_whole_when_it_is_refused(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.broker.bring(bench.from_broker(D1, 0))
    bench.turn(1)
    payload = refused_array(bench, 900, "x" * 150)
    assert 65_536 < len(payload) <= MOST_RAW_BYTES
    bench.broker.bring((D1, payload))
    bench.turn(1)
    assert bench.broker.last.upto == (Upto(D1, 1, 900),)
    assert [item.raw for item in quarantine(bench)] == [payload]


def test_of_a_larger_one_a_device_is_told_no_number_beyond_what_is_kept(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.broker.bring(bench.from_broker(D1, 0))
    bench.turn(1)
    payload = refused_array(bench, 900, "x" * 600)
    bench.broker.bring((D1, payload))
    bench.turn(1)
    (item,) = quarantine(bench)
    assert f"(first {MOST_RAW_BYTES} of {len(payload)} bytes kept)" in item.reason
    (told,) = bench.broker.last.upto
    whole = item.raw.count(b"}")
    assert 0 < whole - 1 <= told.seq <= whole < 900


def test_a_position_that_waited_in_a_brokers_queue_since_before_the_alarm_confirms_no_close(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.broker.sending = Sending.SENT
    steps: list[Step] = []
    bench.cycle.on_committed.append(lambda _, made: steps.extend(d.step for d in made if isinstance(d, CommandStepped)))
    waited = bench.from_broker(VALVE, 1, valve="closed", combustible_lel=None)
    bench.turn(300)
    bench.broker.bring(bench.from_broker(D1, 1, combustible_lel=80.0, high_alarm=True))
    bench.turn(1)
    bench.turn(1)
    assert Step.SENT in steps
    bench.broker.bring(waited)
    bench.turn(1)
    assert bench.broker.last.stored.tolist() == [1]
    assert Step.CONFIRMED not in steps
    (wanted,) = bench.memory.state.wanted_by_slot.values()
    assert wanted.position is ValvePosition.UNKNOWN
    bench.broker.bring(bench.from_broker(VALVE, 2, valve="closed", combustible_lel=None))
    bench.turn(1)
    assert Step.CONFIRMED in steps


def test_a_number_of_before_a_wipe_that_a_broker_gives_again_is_told_to_nobody(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.broker.bring(*(bench.from_broker(D1, n) for n in range(4_900, 5_000)))
    bench.turn(1)
    again = bench.from_broker(D1, 4_999)
    bench.now += 1_000_000
    bench.broker.bring(bench.from_broker(D1, 0))
    bench.turn(1)
    assert bench.broker.last.upto == (Upto(D1, 1, 0),)
    bench.broker.bring(again)
    bench.turn(1)
    assert bench.broker.last.upto == ()
    bench.broker.bring(bench.from_broker(D1, 1))
    bench.turn(1)
    assert (bench.broker.last.upto, bench.memory.contiguity.lost) == ((Upto(D1, 1, 1),), 0)


def test_after_a_wipe_a_device_is_told_of_no_number_that_it_has_not_made_yet(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.broker.bring(*(bench.from_broker(D1, n) for n in range(1_501) if n != 1_001))
    bench.turn(1)
    for n in (400, 401):
        bench.now += 1_000_000
        bench.broker.bring(bench.from_broker(D1, n))
        bench.turn(1)
        assert bench.broker.last.upto == (Upto(D1, 1, n),)
