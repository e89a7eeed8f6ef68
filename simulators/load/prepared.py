"""Messages made ahead of the clock: a matrix of bytes, one QoS 1 PUBLISH a row, whose changing digits numpy patches.

P1  Message i of a connection is round i // D of its device i % D (D devices): boot is constant, seq is the round plus
    FIRST_SEQ, so every message has its own identity and every device its own ascending sequence.
P2  All messages of a run have one length: fixed-width digits, and serials of one length.
P3  A message is made once. Sent again after a lost connection, it is the same bytes: `ready` keeps the last two
    blocks, and a window never spans more.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from devices.topics import Kind, format_topic
from simulators.load.wire import publish_packet
from simulators.registry import VENDOR

Bytes = NDArray[np.uint8]

#: 10 digits from the first to the last, so that the text has one width (a JSON number has no leading zeros).
FIRST_SEQ = 1_000_000_000
#: Some 150 bytes: a detector that measures what most of them do. The digits that change are written 0.
PAYLOAD = (
    '{"ts":0000000000000,"boot":%010d,"seq":0000000000,"combustible_lel":0.00,"co_ppm":0.0,'
    '"temperature_c":21.5,"humidity_pct":45.0,"battery_pct":97,"rssi_dbm":-71}'
)
#: How many concentrations are drawn, once for all connections.
_DRAWN = 1 << 16


def detector_serial(number: int) -> str:
    return f"lod-{number:06}"


class Lines:
    """What one connection sends: rounds over its devices, made in blocks of `rounds` rounds."""

    def __init__(self, devices: Sequence[int], rounds: int, boot: int, air: Bytes) -> None:
        """`devices`: their numbers. `boot`: 10 digits below 2^31, new for each run. `air`: see `clean_air`.
        Memory: two blocks of rounds x devices x ~200 bytes."""
        # 10 digits without a leading zero; boot fits i4.
        if not 1_000_000_000 <= boot < 1 << 31:
            raise ValueError(f"boot {boot} must have 10 digits and fit 31 bits")
        payload = (PAYLOAD % boot).encode()
        topics = [format_topic(VENDOR, detector_serial(number), Kind.TELEMETRY) for number in devices]
        rows = [np.frombuffer(publish_packet(topic, 1, payload), np.uint8) for topic in topics]
        self.length = len(rows[0])
        self.rows = rounds * len(devices)
        self._rounds, self._devices = rounds, len(devices)
        template = np.tile(np.stack(rows), (rounds, 1)).reshape(rounds, len(devices), self.length)
        self._blocks: list[Bytes] = [template, template.copy()]
        self._views = [block.reshape(-1).data for block in self._blocks]
        at = self.length - len(payload)
        self._id_at = at - 2
        self._ts_at = at + payload.index(b"0000000000000")
        self._seq_at = at + payload.index(b'"seq":') + len(b'"seq":')
        self._lel_at = at + payload.index(b"0.00,") + 2
        self._air = air
        self._made = 0

    def ready(self, index: int, now_ms: int) -> tuple[memoryview, int]:
        """(bytes, first): a block that holds message `index`, and the index of its first message. `now_ms` is the time
        its readings carry if the block has to be made. Blocks are made in order, each once (P3)."""
        block = index // self.rows
        while block >= self._made:
            self._fill(self._made, now_ms)
            self._made += 1
        assert block >= self._made - 2, "a window spans at most two blocks"
        return self._views[block % 2], block * self.rows

    def _fill(self, number: int, now_ms: int) -> None:
        """Write the digits of block `number` over those of the one before the last."""
        block = self._blocks[number % 2]
        rounds = FIRST_SEQ + number * self._rounds + np.arange(self._rounds)
        block[:, :, self._seq_at : self._seq_at + 10] = _digits(rounds, 10)[:, None, :]
        block[:, :, self._ts_at : self._ts_at + 13] = _digits(np.array([now_ms]), 13)[0]
        # A prime step, so that blocks of any size start at ever new places.
        drawn = self._air[(np.arange(self.rows) + number * 7919) % len(self._air)]
        block[:, :, self._lel_at : self._lel_at + 2] = drawn.reshape(self._rounds, self._devices, 2)
        order = number * self.rows + np.arange(self.rows)
        ids = (order % 65_535 + 1).reshape(self._rounds, self._devices)
        block[:, :, self._id_at] = ids >> 8
        block[:, :, self._id_at + 1] = ids & 0xFF


def clean_air(seed: int) -> Bytes:
    """Digits of concentrations to draw from, shape (n, 2): 0.00 to 0.99 %LEL is clean air to every rule."""
    return np.random.default_rng(seed).integers(48, 58, (_DRAWN, 2), np.uint8)


def rounds_for(devices: int, in_flight: int, connections: int) -> int:
    """Rounds in a block: enough for the window to fit one block, some 1,024 messages to spread numpy's cost over, and
    no more than some 64 MiB of blocks in all."""
    row_bytes = 256
    fits = (64 << 20) // (2 * connections * row_bytes)
    messages = max(in_flight, min(1_024, fits), devices)
    return -(-messages // devices)


def _digits(numbers: NDArray[np.int64], width: int) -> Bytes:
    """Decimal digits as ASCII, shape (n,) -> (n, width)."""
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return (numbers[:, None] // powers % 10 + 48).astype(np.uint8)
