"""The load generator: what it prepares is what it promises, and what it counts is what arrived."""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.codecs.native_json import decode_json
from devices.quantities import Quality
from devices.readings import NO_TIME
from simulators.load.prepared import FIRST_SEQ, Lines, clean_air, rounds_for
from simulators.load.window import Connection, Window
from simulators.load.wire import Refused
from simulators.registry import decode_homes, load_homes, probe_homes, together
from tests.simulators.davy_side import DavySide, davy

BOOT = 1_764_676_800
NOW_MS = 1_764_676_800_123
HERE = Path(__file__).parents[2]


class Sink:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        self.port = int(process.stdout.readline())

    def messages(self) -> int:
        """End it; how many it acknowledged."""
        out, _ = self.process.communicate(timeout=20)
        return int(json.loads(out)["messages"])


@contextmanager
def sink() -> Iterator[Sink]:
    process = subprocess.Popen(
        [sys.executable, "-m", "davy.bench.sink"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=HERE,
    )
    try:
        yield Sink(process)
    finally:
        process.kill()
        process.wait()


def load(*arguments: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "simulators.load", *arguments],
        capture_output=True,
        text=True,
        cwd=HERE,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert isinstance(result, dict)
    return result


async def load_beside(*arguments: str) -> dict[str, object]:
    """The same, while this process goes on serving."""
    return await asyncio.to_thread(load, *arguments)


@given(
    devices=st.lists(st.integers(0, 999_999), min_size=1, max_size=40, unique=True),
    rounds=st.integers(1, 20),
    count=st.integers(1, 300),
)
@settings(max_examples=50)
def test_every_prepared_message_is_a_reading_with_an_identity_of_its_own(
    devices: list[int], rounds: int, count: int
) -> None:
    lines = Lines(devices, rounds, BOOT, clean_air(1))
    packets: list[bytes] = []
    for index in range(count):
        view, first = lines.ready(index, NOW_MS + index)
        packets.append(bytes(view[(index - first) * lines.length : (index - first + 1) * lines.length]))
    topics, ids, payloads = zip(*map(_parsed, packets), strict=True)
    decoded = decode_json(payloads)
    assert decoded.refused == ()
    assert not decoded.hashed.any()
    assert decoded.extra == ()
    rows = decoded.rows
    assert (rows["boot"] == BOOT).all()
    assert rows["seq"].tolist() == [FIRST_SEQ + index // len(devices) for index in range(count)]
    assert topics == tuple(f"davy/v1/davysim/lod-{devices[i % len(devices)]:06}/telemetry" for i in range(count))
    assert len(set(ids)) == count
    assert min(ids) >= 1
    assert ((rows["combustible_lel"] >= 0) & (rows["combustible_lel"] < 1)).all()
    assert (rows["device_ts"] != NO_TIME).all()
    assert {len(payload) for payload in payloads} <= set(range(120, 181)), "the size the figures are stated for"
    assert ((rows["quality"] & 0xF) == Quality.GOOD).all()


def test_packet_ids_wrap_and_are_never_zero() -> None:
    lines = Lines(range(10), 200, BOOT, clean_air(1))
    ids = []
    for index in range(70_000):
        view, first = lines.ready(index, NOW_MS)
        at = (index - first) * lines.length
        ids.append(_packet_id(bytes(view[at : at + lines.length])))
    assert min(ids) == 1
    assert max(ids) == 65_535
    assert ids[65_534:65_537] == [65_535, 1, 2]


def test_a_message_sent_again_is_the_same_bytes() -> None:
    lines = Lines(range(7), 3, BOOT, clean_air(1))
    view, _ = lines.ready(20, NOW_MS)
    before = bytes(view)
    lines.ready(21, NOW_MS + 5000)
    again, _ = lines.ready(20, NOW_MS + 9000)
    assert bytes(again) == before


@given(st.integers(1, 10_000), st.integers(1, 1000), st.integers(1, 2000))
def test_a_window_never_spans_more_than_one_block(devices: int, in_flight: int, connections: int) -> None:
    assert rounds_for(devices, in_flight, connections) * devices >= in_flight


@pytest.mark.parametrize(("connections", "in_flight"), [(8, 50), (50, 1), (1, 300)])
def test_what_it_counts_is_what_the_other_side_saw(connections: int, in_flight: int) -> None:
    with sink() as peer:
        result = load(
            *("pipeline", "--port", str(peer.port), "--devices", "500", "--connect-rate", "5000"),
            *("--connections", str(connections), "--in-flight", str(in_flight), "--seconds", "0.5"),
        )
        assert result["sent"] == result["acked"] == peer.messages()
        assert isinstance(result["sent"], int)
        assert result["sent"] > connections
        assert (result["puback_us"] is not None) == (in_flight == 1)


@pytest.mark.parametrize("in_flight", [1, 8])
def test_an_answer_that_is_no_acknowledgement_ends_even_a_patient_run(in_flight: int) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(b"\xe0\x02\x87\x00")
        connection = Connection(ours, Lines(range(4), 8, BOOT, clean_air(1)))
        window = Window([connection], in_flight, again=lambda _: pytest.fail("it came back"))
        with pytest.raises(Refused, match="not a PUBACK among e0 02 87 00"):
            window.run(5.0)
    ours.close()


def test_a_rate_is_kept_and_not_exceeded() -> None:
    with sink() as peer:
        result = load(
            *("pipeline", "--port", str(peer.port), "--devices", "100", "--connections", "10", "--in-flight", "10"),
            *("--seconds", "1", "--rate", "2000", "--connect-rate", "5000"),
        )
        assert isinstance(result["sent"], int)
        assert 0 < result["sent"] <= 2000


@asynccontextmanager
async def endpoint(devices: int = 40, gateways: int = 4, pairs: int = 5) -> AsyncIterator[DavySide]:
    async with davy(together(load_homes(devices, gateways, 1), probe_homes(pairs, 1)), closing=True) as side:
        yield side


async def test_the_real_endpoint_takes_the_load_and_hears_every_identity_once() -> None:
    async with endpoint() as side:
        result = await load_beside(
            *("pipeline", "--port", str(side.port), "--devices", "40", "--connections", "4", "--in-flight", "20"),
            *("--seconds", "0.5", "--rate", "4000"),
        )
        heard = [(reading.identity, reading.boot, reading.seq) for reading in side.heard]
        assert result["acked"] == len(heard) == len(set(heard))
        assert len({identity for identity, _, _ in heard}) == 40


async def test_a_patient_run_outlives_its_endpoint_and_its_ledger_names_what_was_acknowledged(tmp_path: Path) -> None:
    """The endpoint dies under the load and comes back on the same port: nothing acknowledged may be missing."""
    homes = together(load_homes(40, 4, 1))
    ledger = tmp_path / "acked.json"
    async with davy(homes) as first:
        running = asyncio.create_task(
            load_beside(
                *("pipeline", "--port", str(first.port), "--devices", "40", "--connections", "4", "--in-flight", "20"),
                *("--seconds", "2.5", "--rate", "2000", "--patient", "--acked", str(ledger)),
            )
        )
        await first.until(lambda: len(first.heard) > 500)
        first.acknowledging = False
        unsettled = len(first.heard)
        await first.until(lambda: len(first.heard) > unsettled)
    async with davy(homes, port=first.port) as second:
        result = await running
        heard = {(reading.identity, reading.seq) for reading in first.heard[:unsettled] + second.heard}
    assert result["reconnects"] == 4
    assert isinstance(result["sent_again"], int)
    assert result["sent_again"] > 0
    connections = json.loads(ledger.read_text())["connections"]
    assert sum(row["acked"] for row in connections) == result["acked"]
    for row in connections:
        for index in range(row["acked"]):
            device = row["devices"][index % len(row["devices"])]
            assert (f"davysim/lod-{device:06}", FIRST_SEQ + index // len(row["devices"])) in heard


async def test_idle_connections_are_held_and_counted() -> None:
    async with endpoint(devices=60, gateways=60) as side:
        running = asyncio.create_task(
            load_beside("idle", "--port", str(side.port), "--connections", "60", "--seconds", "1.5")
        )
        await side.until(lambda: side.connections == 60)
        result = await running
        assert (result["connected"], result["still_open"]) == (60, 60)


async def test_the_probe_times_a_close_for_every_pair_and_confirms_it() -> None:
    async with endpoint() as side:
        result = await load_beside("probe", "--port", str(side.port), "--pairs", "5", "--every-ms", "1")
        assert result["missing"] == 0
        timed = result["close_us"]
        assert isinstance(timed, dict)
        assert timed["n"] == 5
        assert [reply.valve for _, reply in side.replies] == ["closed"] * 5
        assert sum(reading.valve == "closed" for reading in side.heard) == 5


async def test_a_refused_token_ends_the_run_with_one_line() -> None:
    async with endpoint() as side:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "simulators.load", "pipeline", "--port", str(side.port), "--seed", "2"],
            capture_output=True,
            text=True,
            cwd=HERE,
            timeout=60,
        )
        assert done.returncode == 1
        assert done.stderr.startswith("simulators.load: CONNECT as davysim/lgw-00000: answered 20 02 00 ")
        assert done.stderr.count("\n") == 1


def test_the_registry_it_prints_is_the_one_it_speaks_for() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "simulators.load", "homes", "--devices", "30", "--connections", "3", "--pairs", "2"],
        capture_output=True,
        cwd=HERE,
        timeout=60,
        check=True,
    )
    assert decode_homes(done.stdout) == together(load_homes(30, 3, 1), probe_homes(2, 1))
    assert len(msgspec.json.decode(done.stdout)["devices"]) == 30 + 3 + 4


def _parsed(packet: bytes) -> tuple[str, int, bytes]:
    """Topic, packet id and payload of one PUBLISH, by its own bytes."""
    length = packet[1] & 0x7F | packet[2] << 7
    assert packet[0] == 0x32
    assert len(packet) == 3 + length
    size = int.from_bytes(packet[3:5], "big")
    return packet[5 : 5 + size].decode(), _packet_id(packet), packet[7 + size :]


def _packet_id(packet: bytes) -> int:
    size = int.from_bytes(packet[3:5], "big")
    return int.from_bytes(packet[5 + size : 7 + size], "big")
