"""Devices behind a broker that count, and keep books of what was promised to them.

A careful one holds each reading until Davy's own acknowledgement (`.../ack`), and sends what it holds again after every
lost connection and whenever it hears no acknowledgement for a while: a broker may be back before Davy is, and then
acknowledges what it passes on to nobody. A careless one forgets a reading when the broker acknowledges it, as most
devices do: what the broker then loses is lost, and all that can be done is to notice.
"""

import asyncio
import contextlib
import json
import time
from enum import Enum

from davy.broker_client import BrokerClient
from ingest.mqtt_packets import Packet, Puback, Publish
from ingest.mqtt_wire import V311

#: Readings that a device holds at most; then it measures nothing new.
_MOST_HELD = 200
_BETWEEN_S = 0.02
_AGAIN_AFTER_S = 0.1
#: Nothing was acknowledged for so long: send again.
_UNHEARD_S = 2.0
BOOT = 1


class Keeps(Enum):
    """How long a device holds a reading, and whether it says the oldest that it still holds (`first`)."""

    UNTIL_STORED = "until Davy acknowledges"
    UNTIL_PUBACK_AND_SAYS_SO = "until the broker acknowledges, and says first"
    UNTIL_PUBACK = "until the broker acknowledges"


class CountingDevice:
    """`published`: seq -> when it was first sent, microseconds UTC. `stored_upto`: by Davy's acknowledgements.
    `forgotten`: those that the broker acknowledged."""

    def __init__(self, port: int, identity: str, keeps: Keeps) -> None:
        self.identity = identity
        self.keeps = keeps
        self.published: dict[int, int] = {}
        self.forgotten: set[int] = set()
        self.stored_upto = 0
        self.measuring = True
        self._port = port
        self._topic = f"davy/v1/{identity}"
        self._held: dict[int, dict[str, object]] = {}
        self._under_way: dict[int, int] = {}
        self._heard_s = 0.0
        self._client: BrokerClient | None = None

    @property
    def holds(self) -> int:
        return len(self._held)

    async def run(self) -> None:
        """Measure and send until cancelled; come back whenever the broker does."""
        while True:
            with contextlib.suppress(OSError, TimeoutError):
                await self._one_connection()
            await asyncio.sleep(_AGAIN_AFTER_S)

    async def _one_connection(self) -> None:
        self._client = client = BrokerClient(V311, patience_s=5.0)
        client.on_packet = self._hear
        self._under_way.clear()
        try:
            connack = await client.connect("127.0.0.1", self._port, self.identity.replace("/", "-"))
            if connack.reason:
                return
            if self.keeps is Keeps.UNTIL_STORED:
                await client.subscribe(f"{self._topic}/ack")
            self._say_again(client)
            while not client.gone:
                careful = self.keeps is Keeps.UNTIL_STORED
                if careful and self._held and time.monotonic() - self._heard_s > _UNHEARD_S:
                    self._say_again(client)
                if self.measuring and len(self._held) < _MOST_HELD:
                    self._say(client, self._measure())
                await asyncio.sleep(_BETWEEN_S)
        finally:
            await client.close()

    def _say_again(self, client: BrokerClient) -> None:
        self._heard_s = time.monotonic()
        for seq in sorted(self._held):
            self._say(client, seq)

    def _measure(self) -> int:
        seq = len(self.published) + 1
        now_us = time.time_ns() // 1000
        self.published[seq] = now_us
        self._held[seq] = {"boot": BOOT, "seq": seq, "ts": now_us // 1000, "combustible_lel": 1.0}
        return seq

    def _say(self, client: BrokerClient, seq: int) -> None:
        reading = self._held[seq]
        if self.keeps is not Keeps.UNTIL_PUBACK:
            reading = reading | {"first": min(self._held)}
        self._under_way[client.publish(f"{self._topic}/telemetry", json.dumps(reading).encode())] = seq

    def _hear(self, packet: Packet) -> None:
        if isinstance(packet, Puback):
            seq = self._under_way.pop(packet.packet_id, 0)
            if self.keeps is not Keeps.UNTIL_STORED and self._held.pop(seq, None) is not None:
                self.forgotten.add(seq)
        elif isinstance(packet, Publish):
            self._heard_s = time.monotonic()
            told = json.loads(packet.payload)
            if told["boot"] == BOOT:
                self.stored_upto = max(self.stored_upto, told["seq"])
                for seq in [seq for seq in self._held if seq <= told["seq"]]:
                    del self._held[seq]
        elif self._client is not None:
            self._client.heard.append(packet)
