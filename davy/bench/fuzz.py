"""`davy bench fuzz`: a stranger with a valid token and bad intentions, against a real engine, for as long as you like.

After every batch of hostile messages a witness publishes a normal reading and must be acknowledged; at the end the
ledger must balance and the engine must be the process that it was.
"""

import asyncio
import random
import socket
import time
from itertools import islice
from pathlib import Path

import msgspec

from davy.bench.rig import Rig, engine, homes, usage
from devices.topics import Kind, format_topic
from simulators.fuzz import cbor_payloads, payloads
from simulators.load.prepared import detector_serial
from simulators.load.wire import Target, log_in, publish_packet, receive_exactly
from simulators.registry import VENDOR, HomesSource

BATCH = 200
#: A packet above 256 KiB ends its connection, so a larger payload goes by itself.
LARGEST_PAYLOAD = 250_000
#: The witness must be acknowledged within this; it is three orders of magnitude above what a quiet engine needs.
WITNESS_WITHIN_S = 5.0
_SHAPE = ("--connections", "2", "--devices", "4")


class Verdict(msgspec.Struct, frozen=True):
    """messages: hostile ones sent. `connections_lost`: ended by the endpoint, as it should end a broken stream."""

    messages: int
    broken_streams: int
    connections_lost: int
    stored: int
    duplicate: int
    quarantined: int
    slowest_witness_ms: float
    grown_mib: float
    balanced: bool

    @property
    def ok(self) -> bool:
        return self.balanced


async def fuzz(messages: int, seed: int, where: Path | None) -> Verdict:
    """Raises RuntimeError when the engine died, TimeoutError when the witness was not served."""
    source = homes(*_SHAPE)
    async with engine(source, where) as rig:
        return await asyncio.to_thread(_attack, rig, source, messages, seed, asyncio.get_running_loop())


def _attack(rig: Rig, source: HomesSource, messages: int, seed: int, loop: asyncio.AbstractEventLoop) -> Verdict:
    target = Target("127.0.0.1", rig.settings.mqtt_port)
    logins = [(row.identity, row.token) for row in source.tokens]
    rng = random.Random(seed)  # noqa: S311 - a run that can be repeated, not a secret
    streams = (payloads(seed), cbor_payloads(seed))
    witness = log_in(target, 0, *logins[0])
    witness.settimeout(WITNESS_WITHIN_S)
    before = usage(rig.pid)
    sent = lost = broken = 0
    slowest_s = 0.0
    while sent < messages:
        batch = list(islice(streams[rng.random() < 0.1], BATCH))
        sent += len(batch)
        lost += _speak(target, logins[1], batch, rng)
        broken += 1
        slowest_s = max(slowest_s, _witness(witness, sent))
    witness.close()
    after = usage(rig.pid)
    status = asyncio.run_coroutine_threadsafe(rig.door.status(), loop).result(10)
    received = sum(count.received for count in status.counts)
    stored, duplicate, quarantined = (
        sum(getattr(count, name) for count in status.counts) for name in ("stored", "duplicate", "quarantined")
    )
    return Verdict(
        messages=sent,
        broken_streams=broken,
        connections_lost=lost,
        stored=stored,
        duplicate=duplicate,
        quarantined=quarantined,
        slowest_witness_ms=slowest_s * 1e3,
        grown_mib=(after.resident_bytes - before.resident_bytes) / 2**20,
        balanced=received == stored + duplicate + quarantined,
    )


def _speak(target: Target, login: tuple[str, str], batch: list[bytes], rng: random.Random) -> int:
    """Publish a batch and wait for its acknowledgements, then the same with a broken byte somewhere. Returns how many
    connections the endpoint ended."""
    topic = format_topic(VENDOR, detector_serial(1), Kind.TELEMETRY)
    large = [payload for payload in batch if len(payload) > LARGEST_PAYLOAD]
    lost = sum(_throw(target, login, publish_packet(topic, 1, payload)) for payload in large)
    batch = [payload for payload in batch if len(payload) <= LARGEST_PAYLOAD]
    packets = b"".join(publish_packet(topic, n + 1, payload) for n, payload in enumerate(batch))
    whole = log_in(target, 1, *login)
    whole.settimeout(WITNESS_WITHIN_S)
    whole.sendall(packets)
    receive_exactly(whole, 4 * len(batch))
    whole.close()
    torn = bytearray(packets)
    for _ in range(rng.randrange(1, 4)):
        torn[rng.randrange(len(torn))] = rng.randrange(256)
    return lost + _throw(target, login, bytes(torn[: rng.randrange(len(torn))]))


def _throw(target: Target, login: tuple[str, str], data: bytes) -> int:
    """Send and look away after a moment; whether the endpoint hung up by then."""
    sock = log_in(target, 1, *login)
    sock.settimeout(0.05)
    try:
        sock.sendall(data)
        while sock.recv(65_536):
            pass
    except TimeoutError:
        return 0
    except (OSError, ConnectionError):
        return 1
    finally:
        sock.close()
    return 1


def _witness(sock: socket.socket, seq: int) -> float:
    """One normal reading; seconds until its acknowledgement."""
    topic = format_topic(VENDOR, detector_serial(0), Kind.TELEMETRY)
    reading = {"boot": 1, "seq": seq, "ts": time.time_ns() // 1_000_000, "combustible_lel": 0.4}
    began = time.perf_counter()
    sock.sendall(publish_packet(topic, 1, msgspec.json.encode(reading)))
    receive_exactly(sock, 4)
    return time.perf_counter() - began
