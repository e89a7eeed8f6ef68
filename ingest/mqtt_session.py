"""An MQTT session: what a device is subscribed to, and the commands it has not acknowledged. Sans-I/O, memory only.

N1  A command that was written with QoS 1 stays in flight until its PUBACK, and is offered again (DUP) when the same
    client comes back to its session, unless its expiry has come (G8).
    Of one device at most `most` are kept; the oldest gives way to a new one, for it asks for nothing else.
N2  Packet identifiers of commands in flight are never given twice.
N3  A session is not a promise: it is lost with the process, and the interlock attempts again in any case (G6).
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from ingest.mqtt_limits import EndpointLimits

#: Packet identifiers are 1 to this (2.2.1).
_MOST_ID = 0xFFFF
MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class InFlight:
    """A command that was written and has no PUBACK yet. `expires_us`: microseconds UTC."""

    command: str
    device_no: int
    topic: str
    payload: bytes
    expires_us: int


@dataclass(slots=True)
class Session:
    """subscriptions: topic -> granted QoS. kept_s: how long it outlives its connection; 0: it does not."""

    identity: str
    client_id: str
    kept_s: int = 0
    subscriptions: dict[str, int] = field(default_factory=dict)
    in_flight: dict[int, InFlight] = field(default_factory=dict)
    last_id: int = 0
    _of_device: dict[int, list[int]] = field(default_factory=dict)
    #: When its connection ended, on the endpoint's monotonic clock.
    left_us: int = 0

    def of_device(self, device_no: int, now_us: int) -> tuple[int, ...]:
        """Packet identifiers of this device's commands in flight, oldest first; its expired ones are forgotten before.
        `now_us`: microseconds UTC."""
        for number in tuple(self._of_device.get(device_no, ())):
            if self.in_flight[number].expires_us <= now_us:
                self.acknowledged(number)
        return tuple(self._of_device.get(device_no, ()))

    def put_in_flight(self, sent: InFlight, most: int, now_us: int) -> int:
        """Returns the packet identifier. The oldest of the device give way when there are `most`; where a gateway's
        devices have used up all identifiers, the oldest of all (N2). `now_us`: microseconds UTC."""
        flying = self.of_device(sent.device_no, now_us)
        for number in flying[: max(0, len(flying) - most + 1)]:
            self.acknowledged(number)
        if len(self.in_flight) == _MOST_ID:
            self.acknowledged(next(iter(self.in_flight)))
        number = self.last_id % _MOST_ID + 1
        while number in self.in_flight:
            number = number % _MOST_ID + 1
        self.last_id = number
        self.in_flight[number] = sent
        self._of_device.setdefault(sent.device_no, []).append(number)
        return number

    def acknowledged(self, number: int) -> InFlight | None:
        """Take a command out of flight; None when there is none by this packet identifier."""
        sent = self.in_flight.pop(number, None)
        if sent is not None:
            numbers = self._of_device[sent.device_no]
            numbers.remove(number)
            if not numbers:
                del self._of_device[sent.device_no]
        return sent

    def to_repeat(self, now_us: int) -> list[tuple[int, InFlight]]:
        """What is in flight and not expired, in the order first sent; the rest is forgotten."""
        for device_no in tuple(self._of_device):
            self.of_device(device_no, now_us)
        return list(self.in_flight.items())


class KeptSessions:
    """Sessions whose client is away, the one away longest first. Bounded in number, per identity, and in time."""

    def __init__(self, limits: EndpointLimits) -> None:
        self._limits = limits
        self._kept: OrderedDict[tuple[str, str], Session] = OrderedDict()
        self._of_identity: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, session: Session, now_us: int) -> None:
        """Keep a session whose connection ended, unless it was not to outlive it."""
        if session.kept_s <= 0:
            return
        self._drop(session.identity, session.client_id)
        session.left_us = now_us
        self._kept[session.identity, session.client_id] = session
        names = self._of_identity.setdefault(session.identity, [])
        names.append(session.client_id)
        if len(names) > self._limits.connections_per_identity:
            self._drop(session.identity, names[0])
        if len(self._kept) > self._limits.sessions_kept:
            self._drop(*next(iter(self._kept)))

    def resume(self, identity: str, client_id: str, now_us: int) -> Session | None:
        """Take the session out, if there is one and its time has not run out."""
        session = self._drop(identity, client_id)
        if session is None or now_us > session.left_us + session.kept_s * MICROSECONDS:
            return None
        return session

    def forget_identity(self, identity: str) -> None:
        for client_id in tuple(self._of_identity.get(identity, ())):
            self._drop(identity, client_id)

    def identities(self) -> tuple[str, ...]:
        return tuple(self._of_identity)

    def forget_old(self, now_us: int) -> None:
        """Drop from the front what has been away for the longest time any session is kept."""
        while self._kept:
            session = next(iter(self._kept.values()))
            if now_us <= session.left_us + self._limits.session_kept_s * MICROSECONDS:
                return
            self._drop(session.identity, session.client_id)

    def _drop(self, identity: str, client_id: str) -> Session | None:
        session = self._kept.pop((identity, client_id), None)
        if session is not None:
            names = self._of_identity[identity]
            names.remove(client_id)
            if not names:
                del self._of_identity[identity]
        return session
