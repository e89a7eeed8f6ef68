"""What is configured of a broker that others run: where it is, who we are there, and how its devices are divided.

A **partition** is a set of devices with a session of its own at the broker: its own client identifier, its own
connection. Several of them divide the load and keep one flood from delaying the others. They never share a
subscription (`$share`): Mosquitto loses the unacknowledged messages of a member that dies.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from devices.topics import Kind
from ingest.mqtt_wire import V5, V311

#: `vendor/serial`, `vendor/+` or `+/+`: whole names or any, as MQTT's wildcards can say it.
PATTERN = re.compile(r"(?P<vendor>[A-Za-z0-9_-]{1,64}|\+)/(?P<serial>[A-Za-z0-9_-]{1,64}|\+)\Z")
#: What stands before `davy/v1/` on a broker that keeps several systems apart: whole levels, each ended by a slash.
PREFIX = re.compile(r"([A-Za-z0-9_.-]{1,64}/){0,8}\Z")
#: Kinds that devices publish and we read.
FROM_DEVICES = (Kind.TELEMETRY, Kind.REPLY)

#: IANA's mqtt and secure-mqtt.
PLAIN_PORT, TLS_PORT = 1883, 8883
VERSIONS = {"5": V5, "3.1.1": V311}


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files. `authority`: who signs the broker's certificate, None: the system's authorities. `certificate`, `key`:
    ours, for mutual TLS, or both None."""

    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Partition:
    """client_id: fixed, for the session stands under it; one process at a time. devices: patterns (see PATTERN).
    username: where the broker keeps sessions by user name, each partition needs its own; empty: the broker's."""

    client_id: str
    devices: tuple[str, ...]
    username: str = ""


@dataclass(frozen=True, slots=True)
class Broker:
    """One broker.

    gateway: identity of the registered gateway that stands for it: what is said of the broker is said of that device.
    version: protocol level, V5 or V311.
    prefix: what stands before `davy/v1/` in its topics; empty or ended by a slash.
    password_file: read at each connection, so that a new password needs no restart.
    session_expiry_s: for how long the broker is asked to keep our session while we are away. MQTT 5 only.
    receive_maximum: QoS 1 messages it may have under way to one partition. MQTT 5 only.
    """

    name: str
    gateway: str
    host: str
    port: int
    partitions: tuple[Partition, ...]
    version: int = V5
    prefix: str = ""
    username: str = ""
    password_file: Path | None = None
    tls: TlsFiles | None = None
    keep_alive_s: int = 15
    session_expiry_s: int = 604_800
    receive_maximum: int = 16_384

    @property
    def link_name(self) -> str:
        return f"broker:{self.name}"

    def user(self, partition: Partition) -> str:
        """The name with which a partition signs in; empty: with none."""
        return partition.username or self.username

    def filters(self, partition: Partition) -> tuple[str, ...]:
        """The topic filters a partition subscribes to."""
        return tuple(f"{self.prefix}davy/v1/{pattern}/{kind}" for pattern in partition.devices for kind in FROM_DEVICES)


class Devices:
    """The devices that some patterns mean."""

    def __init__(self, patterns: Iterable[str]) -> None:
        """Raises ValueError for a pattern that is none."""
        self._pairs: set[tuple[str, str]] = set()
        for pattern in patterns:
            match = PATTERN.match(pattern)
            if match is None:
                raise ValueError(f"{pattern!r} is not vendor/serial, vendor/+ or +/+")
            self._pairs.add((match["vendor"], match["serial"]))

    def __contains__(self, identity: str) -> bool:
        vendor, _, serial = identity.partition("/")
        wanted = ((vendor, serial), (vendor, "+"), ("+", serial), ("+", "+"))
        return any(pair in self._pairs for pair in wanted)


def overlap(one: str, other: str) -> bool:
    """Whether a device can match both patterns: then its messages would come twice."""
    (vendor, serial), (vendor_2, serial_2) = one.split("/"), other.split("/")
    return _meet(vendor, vendor_2) and _meet(serial, serial_2)


def _meet(one: str, other: str) -> bool:
    return "+" in (one, other) or one == other
