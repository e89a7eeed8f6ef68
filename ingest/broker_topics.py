"""Whose message it is: from the topic of a PUBLISH to the device it speaks for.

T1  Only a registered device that the partition's patterns mean, on its telemetry or reply topic, is believed; who may
    publish there is for the broker to enforce (its ACL, which `davy broker probe` puts to the test).
T2  Everything else is a stranger's: device 0, which goes to quarantine with its topic (G2).
"""

from collections.abc import Mapping
from typing import NamedTuple

from devices.topics import Kind, parse_topic
from ingest.broker_plan import FROM_DEVICES, Devices

#: Nobody's number: the registry counts from 1.
STRANGER = 0


class Sender(NamedTuple):
    device_no: int
    kind: Kind


class TopicBook:
    """What one partition knows of topics. `known` is the fast path's: a telemetry topic as it stands in a PUBLISH, its
    two length bytes first -> device number."""

    def __init__(self, prefix: str, devices: Devices, most: int) -> None:
        self._prefix = prefix
        self._devices = devices
        self._most = most
        self._numbers: Mapping[str, int] = {}
        self.known: dict[bytes, int] = {}

    def replace(self, numbers: Mapping[str, int]) -> None:
        """`numbers`: identity -> device_no, of the registry now in force."""
        self._numbers = numbers
        self.known.clear()

    def sender(self, topic: str) -> Sender | None:
        """None for a stranger (T2)."""
        if not topic.startswith(self._prefix):
            return None
        parsed = parse_topic(topic[len(self._prefix) :])
        if parsed is None or parsed.kind not in FROM_DEVICES:
            return None
        identity = f"{parsed.vendor}/{parsed.serial}"
        number = self._numbers.get(identity)
        if number is None or identity not in self._devices:
            return None
        if parsed.kind is Kind.TELEMETRY:
            self._learn(topic.encode(), number)
        return Sender(number, parsed.kind)

    def _learn(self, topic: bytes, number: int) -> None:
        if len(self.known) >= self._most:
            self.known.clear()
        self.known[len(topic).to_bytes(2, "big") + topic] = number
