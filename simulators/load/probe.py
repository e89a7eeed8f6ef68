"""How long from a detector's alarm to the CLOSE at its valve, as seen from outside.

Each pair of detector and valve is used once: its alarm stays, so a second one would close nothing new. The figure
holds both trips over the network and the wake-up of this process; nothing is subtracted.
"""

import json
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

from devices.commands import Reply, decode_command
from devices.topics import Kind, Topic, format_topic, parse_topic
from simulators.load.idle import log_in_paced
from simulators.load.wire import (
    Refused,
    Target,
    puback_packet,
    publish_packet,
    receive_exactly,
    subscribe_packet,
)
from simulators.registry import VENDOR, probe_homes

#: A CLOSE that takes longer than this is counted as missing.
CLOSE_WITHIN_S = 10.0
_TELEMETRY_ID, _REPLY_ID = 1, 2


@dataclass(frozen=True, slots=True)
class Probed:
    """latency_ns: from the send of the alarm to the arrival of the CLOSE, one per pair that got one."""

    latency_ns: tuple[int, ...]
    missing: int


class Pair:
    """A detector and its valve, each on a connection of its own."""

    def __init__(self, detector: socket.socket, valve: socket.socket, number: int, boot: int) -> None:
        self._detector, self._valve = detector, valve
        self._detector_serial, self._valve_serial = f"prd-{number:05}", f"prv-{number:05}"
        self._boot = boot
        self._seq = 0
        self._valve.settimeout(CLOSE_WITHIN_S)
        self._valve.sendall(subscribe_packet(format_topic(VENDOR, self._valve_serial, Kind.COMMAND), 1))
        suback = self._expect(0x90)
        if suback[-1] > 1:
            raise Refused(f"SUBSCRIBE of {self._valve_serial} was answered {suback[-1]:#04x}")

    def settle(self) -> None:
        """Both say once that all is well, so that nothing is unknown when the alarm comes."""
        self._tell(self._detector, self._detector_serial, {"combustible_lel": 0.5, "co_ppm": 0})
        self._tell(self._valve, self._valve_serial, {"valve": "open"})

    def probe(self) -> int | None:
        """Raise the alarm; nanoseconds until the CLOSE is here, None when none came. The valve then closes."""
        alarm = self._reading({"combustible_lel": 30.0, "low_alarm": True, "high_alarm": True})
        packet = publish_packet(format_topic(VENDOR, self._detector_serial, Kind.TELEMETRY), _TELEMETRY_ID, alarm)
        began = time.perf_counter_ns()
        self._detector.sendall(packet)
        try:
            body = self._expect(0x30)
        except TimeoutError:
            return None
        took = time.perf_counter_ns() - began
        receive_exactly(self._detector, 4)
        self._confirm(body)
        return took

    def close(self) -> None:
        self._detector.close()
        self._valve.close()

    def _confirm(self, publish: bytes) -> None:
        """Acknowledge the CLOSE, answer it and report the valve closed, so that attempts end."""
        size = int.from_bytes(publish[:2], "big")
        topic = parse_topic(publish[2 : 2 + size].decode())
        if topic != Topic(VENDOR, self._valve_serial, Kind.COMMAND):
            raise Refused(f"{self._valve_serial} got a message for {topic}")
        packet_id = int.from_bytes(publish[2 + size : 4 + size], "big")
        command = decode_command(publish[4 + size :])
        self._valve.sendall(puback_packet(packet_id))
        reply = json.dumps({"id": command.id, "valve": Reply(command.id, "closed").valve}).encode()
        topic_text = format_topic(VENDOR, self._valve_serial, Kind.REPLY)
        self._valve.sendall(publish_packet(topic_text, _REPLY_ID, reply))
        self._expect(0x40)
        self._tell(self._valve, self._valve_serial, {"valve": "closed", "valve_cause": "remote"})

    def _tell(self, sock: socket.socket, serial: str, measured: dict[str, float | str]) -> None:
        topic = format_topic(VENDOR, serial, Kind.TELEMETRY)
        sock.sendall(publish_packet(topic, _TELEMETRY_ID, self._reading(measured)))
        if sock is self._valve:
            self._expect(0x40)
        else:
            receive_exactly(sock, 4)

    def _reading(self, measured: "dict[str, float | str] | dict[str, float]") -> bytes:
        self._seq += 1
        identity = {"ts": time.time_ns() // 1_000_000, "boot": self._boot, "seq": self._seq}
        return json.dumps({**identity, **measured}, separators=(",", ":")).encode()

    def _expect(self, kind: int) -> bytes:
        """The body of the valve's next packet of this kind; a repeated CLOSE on the way is skipped."""
        while True:
            first = receive_exactly(self._valve, 1)[0]
            length = shift = 0
            while True:
                digit = receive_exactly(self._valve, 1)[0]
                length |= (digit & 0x7F) << shift
                shift += 7
                if not digit & 0x80:
                    break
            body = receive_exactly(self._valve, length)
            if first & 0xF0 == kind:
                return body


def probe(target: Target, pairs: Sequence[int], seed: int, every_s: float, per_second: float, boot: int) -> Probed:
    """Probe each pair once, one every `every_s`. Raises Refused or OSError when the endpoint does not take part."""
    tokens = {row.identity: row.token for row in probe_homes(max(pairs) + 1, seed).tokens}
    names = [f"{VENDOR}/prd-{n:05}" for n in pairs] + [f"{VENDOR}/prv-{n:05}" for n in pairs]
    sockets = log_in_paced(target, [(name, tokens[name]) for name in names], per_second)
    ready = [Pair(sockets[i], sockets[len(pairs) + i], number, boot) for i, number in enumerate(pairs)]
    for pair in ready:
        pair.settle()
    latency: list[int] = []
    for pair in ready:
        time.sleep(every_s)
        took = pair.probe()
        if took is not None:
            latency.append(took)
    for pair in ready:
        pair.close()
    return Probed(tuple(latency), len(pairs) - len(latency))
