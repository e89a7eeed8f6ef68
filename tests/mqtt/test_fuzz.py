"""Whatever bytes come, however they are split: no crash, no hang, the same events, and books that balance (K1, P2)."""

import asyncio
import random
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.mqtt_client import Client
from ingest.mqtt_connection import Shared
from ingest.mqtt_directory import Directory
from ingest.mqtt_intake import Intake
from ingest.mqtt_limits import EndpointCounts, EndpointLimits
from ingest.mqtt_packets import Connack, Disconnect, Packet, Puback, parse
from ingest.mqtt_refusals import RefusalLog
from ingest.mqtt_roster import Roster
from ingest.mqtt_stream import frame
from ingest.mqtt_wire import V5
from tests.mqtt import streams
from tests.mqtt.town import registry

#: 210 x 100 streams, each fed whole and in pieces: 42,000 connections.
STREAMS_PER_EXAMPLE = 100
_DIRECTORY = Directory.of(registry())


class Pipe(asyncio.Transport):
    """A transport that writes down what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closing = False
        self.reading = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closing, "written after the end"
        self.written += bytes(data)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.closing = True

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


@dataclass(frozen=True)
class Outcome:
    devices: tuple[int, ...]
    payloads: tuple[bytes, ...]
    content_types: tuple[tuple[int, str], ...]
    replies: tuple[tuple[int, bytes], ...]
    connected: tuple[int, ...]
    written: bytes
    ended: bool
    refused: tuple[tuple[str, int], ...]


def feed(pieces: list[bytes]) -> tuple[Outcome, Shared]:
    """One connection's life: all pieces read while it may be read, with a take and settle whenever it may not, and
    at the end."""
    counts = EndpointCounts()
    limits = EndpointLimits(unsettled_messages=3, log_lines_per_s=0)
    intake = Intake("mqtt", lambda: None, counts)
    shared = Shared(
        limits,
        counts,
        intake,
        Roster(limits, _DIRECTORY),
        RefusalLog(counts, 0),
        lambda: 0,
        memoryview(bytearray(65_536)),
        now_us=1,
    )
    client, pipe = Client(shared), Pipe()
    client.connection_made(pipe)
    taken: list[tuple[int, bytes, str]] = []
    replies: list[tuple[int, bytes]] = []
    connected: dict[int, None] = {}

    def settle() -> None:
        while (take := intake.take(2)) is not None:
            taken.extend(
                (n, p, take.content_type.get(i, ""))
                for i, (n, p) in enumerate(zip(take.device_no, take.payload, strict=True))
            )
            replies.extend(take.replies)
            connected.update(dict.fromkeys(take.connected))
            intake.settle(take, frozenset())
            if client.paused and not client.full():
                client.resume()

    for piece in pieces:
        while piece and not pipe.closing:
            if not pipe.reading:
                settle()
                assert pipe.reading or pipe.closing, "never read again"
                continue
            buffer = client.get_buffer(-1)
            size = min(len(piece), len(buffer))
            buffer[:size] = piece[:size]
            client.buffer_updated(size)
            piece = piece[size:]
    settle()
    ended = pipe.closing
    client.connection_lost(None)
    settle()
    outcome = Outcome(
        tuple(n for n, _, _ in taken),
        tuple(p for _, p, _ in taken),
        tuple((i, mime) for i, (_, _, mime) in enumerate(taken) if mime),
        tuple(replies),
        tuple(connected),
        pipe.written,
        ended,
        tuple(sorted((why.value, count) for why, count in counts.refused.items())),
    )
    return outcome, shared


def answers(written: bytes) -> list[Packet]:
    """What a client would read; a CONNACK first says in which version."""
    version = V5 if written[1:2] not in (b"\x02",) else 4
    at = 0
    packets: list[Packet] = []
    while at < len(written):
        start, end = frame(written, at, 1 << 20, version)
        packets.append(parse(written[at], written[start:end], version))
        at = end
    return packets


@settings(max_examples=210, deadline=None)
@given(seed=st.integers(0, (1 << 64) - 1))
def test_k1_any_bytes_in_any_pieces_give_the_same_events(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(STREAMS_PER_EXAMPLE):
        data = streams.stream(rng, streams.version_of(rng))
        whole, shared = feed([data])
        split, other = feed(streams.pieces(rng, data))
        _compare_answers(whole, split)
        assert (whole.devices, whole.payloads) == (split.devices, split.payloads)
        assert whole.content_types == split.content_types
        assert (whole.replies, whole.connected) == (split.replies, split.connected)
        assert (whole.ended, whole.refused) == (split.ended, split.refused)
        for each in (shared, other):
            assert each.intake.bytes_waiting == each.parts.kept == each.strangers_parts.kept == each.held_bytes == 0
            assert not each.open
            assert not each.paused
            assert not each.owing
            assert len(each.roster) == each.roster.devices_listening == 0


def _compare_answers(whole: Outcome, split: Outcome) -> None:
    """The same answers in the same order, but that PUBACKs wait for their settle: a connection that is ended before
    it gets fewer, never others."""
    acks, others = _sorted_out(whole.written)
    split_acks, split_others = _sorted_out(split.written)
    assert others == split_others
    fewer = min(len(acks), len(split_acks))
    assert acks[:fewer] == split_acks[:fewer]
    assert whole.ended or len(acks) == len(split_acks)


def _sorted_out(written: bytes) -> tuple[list[Packet], list[Packet]]:
    packets = answers(written)
    return [p for p in packets if isinstance(p, Puback)], [p for p in packets if not isinstance(p, Puback)]


def test_the_streams_are_worth_reading() -> None:
    """Of the generated streams some are let in, some are refused for many reasons, and most bring messages."""
    rng = random.Random(7)
    outcomes = [feed([streams.stream(rng, streams.version_of(rng))])[0] for _ in range(2000)]
    assert sum(bool(outcome.devices) for outcome in outcomes) > 500
    assert len({why for outcome in outcomes for why, _ in outcome.refused}) >= 9
    said = [packet for outcome in outcomes for packet in answers(outcome.written)]
    assert len({packet.reason for packet in said if isinstance(packet, Disconnect)}) >= 3
    assert {packet.reason for packet in said if isinstance(packet, Connack)} >= {0, 0x81, 0x86}
