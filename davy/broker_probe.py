"""`davy broker probe`: what a broker really allows and denies, tried with real packets.

Q1  Every verdict is from what happened. That a publish was denied is shown by its not arriving where an allowed one,
    sent after it on the same connection, has arrived; and by the broker's reason, where MQTT 5 gives one.
Q2  Nothing that is sent can be a reading or a command: payloads are `{"probe": ...}`. A live engine behind the same
    broker sets them aside in quarantine. Use the credentials of a spare device where that matters.
Q3  A live engine keeps its connection and its session. Where the broker keeps sessions by user name, signing in with
    Davy's would end them; so what Davy does is tried by another user with its rights, and by Davy's only where a
    client identifier of our own is a session of our own. That is found out with the device's name, before.
"""

import secrets
import ssl
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from davy.broker_client import BrokerClient
from davy.broker_files import PROBE_USER
from devices.topics import Kind
from ingest.broker_partition import client_context
from ingest.broker_plan import Broker
from ingest.mqtt_packets import Publish
from ingest.mqtt_wire import V5

#: 5.0, 2.4. The broker would have passed the message on, but nobody is subscribed.
_NO_MATCHING_SUBSCRIBERS = 0x10
_REFUSED_FROM = 0x80


class Verdict(StrEnum):
    PASS = "PASS"  # noqa: S105 - a word
    FAIL = "FAIL"
    #: MQTT 3.1.1 has no reasons: some denials cannot be seen from outside.
    NOT_SHOWN = "not shown"


class Assertion(msgspec.Struct, frozen=True):
    """`what` must hold; `seen` is what happened."""

    what: str
    verdict: Verdict
    seen: str


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs in, and with which password."""

    username: str
    password: bytes


class Probe:
    """One run. `device`: identity and password of a registered device that may be spoken for."""

    def __init__(self, broker: Broker, davy: Signer, device: Signer, patience_s: float = 10.0) -> None:
        self._broker = broker
        self._davy = davy
        self._device = device
        self._patience_s = patience_s
        self._nonce = secrets.token_hex(6)
        vendor = device.username.partition("/")[0]
        self._other = f"{vendor}/probe-{self._nonce}"
        self._tls: ssl.SSLContext | None = client_context(broker.tls) if broker.tls else None
        self._filters = [topic for one in broker.partitions for topic in broker.filters(one)]
        self._davy_id = f"davy-probe-{self._nonce}"
        self._found: list[Assertion] = []

    async def run(self) -> tuple[Assertion, ...]:
        """Raises OSError when the broker cannot be reached, ConnectionError or TimeoutError when it does not answer."""
        async with AsyncExitStack() as down:
            await self._strangers(down)
            by_name = await self._sessions_by_name(down)
            if by_name is None or (davy := await self._as_davy(down, by_name)) is None:
                return tuple(self._found)
            davy = await self._thieves(down, davy)
            device = self._client(down)
            await self._connect(device, self._device)
            await davy.subscribe(*self._filters)
            await self._device_writes(davy, device)
            await self._device_reads(davy, device)
        return tuple(self._found)

    # ---- who gets in ----

    async def _strangers(self, down: AsyncExitStack) -> None:
        wrong = Signer(self._device.username, secrets.token_bytes(16).hex().encode())
        for who, signer in (("nobody signs in without a name", None), ("a wrong password is refused", wrong)):
            client = self._client(down)
            try:
                reason = await self._connect(client, signer)
                seen, refused = f"CONNACK 0x{reason:02x}", reason != 0
            except ConnectionError as closed:
                seen, refused = str(closed), True
            self._note(who, refused, seen)

    async def _sessions_by_name(self, down: AsyncExitStack) -> bool | None:
        """Whether the broker keeps sessions by user name and not by client identifier: then a second connection of the
        device ends the first. None: the device cannot sign in."""
        first, second = self._client(down), self._client(down)
        reason = await self._connect(first, self._device)
        self._note(f"the device {self._device.username} signs in", reason == 0, f"CONNACK 0x{reason:02x}")
        if reason:
            return None
        await self._connect(second, self._device)
        return await self._ended(first, self._topic(self._device.username, Kind.ACK))

    async def _as_davy(self, down: AsyncExitStack, by_name: bool) -> BrokerClient | None:
        """A client with Davy's rights, or None."""
        signers = [Signer(PROBE_USER, self._davy.password)]
        if not by_name:
            signers.append(self._davy)
        said: list[str] = []
        for signer in signers:
            client = self._client(down)
            with suppress(ConnectionError):
                if not (reason := await self._connect(client, signer, self._davy_id)):
                    self._davy = signer
                    self._note("Davy signs in", True, f"as {signer.username}")
                    return client
                said.append(f"as {signer.username}: CONNACK 0x{reason:02x}")
        if by_name:
            said.append(
                f"as {self._davy.username} it was not tried, for the broker keeps sessions by user name: that would "
                f"end Davy's; let {PROBE_USER} sign in with Davy's password and rights"
            )
        self._note("Davy signs in", False, "; ".join(said))
        return None

    async def _thieves(self, down: AsyncExitStack, davy: BrokerClient) -> BrokerClient:
        """The device signs in by what Davy's session may be kept under. Returns a client with Davy's rights that is
        still there."""
        ended = ""
        for client_id in (self._davy_id, self._davy.username):
            await self._connect(self._client(down), self._device, client_id)
            if await self._ended(davy, self._filters[0]):
                ended = "a client with the same client identifier ended it"
                davy = self._client(down)
                await self._connect(davy, self._davy, self._davy_id)
        seen = ended or "the device used its client identifier, and it is still there"
        self._note("the device cannot end Davy's session", not ended, seen)
        return davy

    async def _ended(self, client: BrokerClient, topic: str) -> bool:
        """Whether the broker has ended a connection: it does not answer on it any more."""
        try:
            await client.subscribe(topic)
        except ConnectionError:
            return True
        return False

    async def _connect(self, client: BrokerClient, signer: Signer | None, client_id: str = "") -> int:
        """`client_id`: empty: one that nobody has."""
        connack = await client.connect(
            self._broker.host,
            self._broker.port,
            client_id or f"davy-probe-{secrets.token_hex(6)}",
            username=signer.username if signer else None,
            password=signer.password if signer else None,
            tls=self._tls,
        )
        return connack.reason

    # ---- what the device may write ----

    async def _device_writes(self, davy: BrokerClient, device: BrokerClient) -> None:
        own_command = self._topic(self._device.username, Kind.COMMAND)
        await device.subscribe(own_command)
        denied = [
            ("another device's telemetry", self._topic(self._other, Kind.TELEMETRY), davy),
            ("another device's reply", self._topic(self._other, Kind.REPLY), davy),
            ("another device's command", self._topic(self._other, Kind.COMMAND), None),
            ("another device's ack", self._topic(self._other, Kind.ACK), None),
            ("its own command", own_command, device),
        ]
        reasons = {what: (await device.published(topic, self._payload(what))).reason for what, topic, _ in denied}
        for kind in (Kind.TELEMETRY, Kind.REPLY):
            arrived = await self._arrives(device, davy, self._topic(self._device.username, kind), f"own {kind}")
            self._note(f"the device writes its own {kind}", arrived, "it arrived" if arrived else "it did not arrive")
        for what, _, hearer in denied:
            self._denied(f"the device cannot write {what}", reasons[what], hearer, self._payload(what))

    def _denied(self, what: str, reason: int, hearer: BrokerClient | None, payload: bytes) -> None:
        arrived = hearer is not None and payload in _payloads(hearer)
        said = f"PUBACK 0x{reason:02x}" if self._broker.version == V5 else "PUBACK"
        if arrived or reason == _NO_MATCHING_SUBSCRIBERS:
            self._note(what, False, f"{said}, and it arrived" if arrived else f"{said}: nobody listens, but it may")
        elif reason >= _REFUSED_FROM:
            self._note(what, True, f"{said}, and it did not arrive" if hearer else said)
        elif hearer is not None:
            self._note(what, True, f"{said}, but it did not arrive")
        elif self._broker.version == V5:
            self._note(what, False, f"{said}: it was passed on")
        else:
            self._found.append(Assertion(what, Verdict.NOT_SHOWN, "MQTT 3.1.1 has no reason codes, and nobody listens"))

    # ---- what the device may read ----

    async def _device_reads(self, davy: BrokerClient, device: BrokerClient) -> None:
        prefix = f"{self._broker.prefix}davy/v1"
        await device.subscribe("#")
        await device.subscribe(f"{prefix}/+/+/{Kind.COMMAND}", f"{prefix}/+/+/{Kind.TELEMETRY}")
        await device.subscribe(self._topic(self._device.username, Kind.ACK))
        others = self._payload("command to another")
        await davy.published(self._topic(self._other, Kind.COMMAND), others)
        telemetry = self._payload("telemetry that only Davy may read")
        await device.published(self._topic(self._device.username, Kind.TELEMETRY), telemetry)
        for kind in (Kind.COMMAND, Kind.ACK):
            arrived = await self._arrives(davy, device, self._topic(self._device.username, kind), f"{kind} by Davy")
            self._note(f"Davy writes the device's {kind}", arrived, "it arrived" if arrived else "it did not arrive")
        heard = _payloads(device)
        for what, payload in (("another device's commands", others), ("telemetry", telemetry)):
            came = payload in heard
            seen = "it arrived by a wildcard" if came else "subscribed with wildcards, it did not arrive"
            self._note(f"the device cannot read {what}", not came, seen)

    # ---- both ----

    async def _arrives(self, sender: BrokerClient, hearer: BrokerClient, topic: str, what: str) -> bool:
        """Whether a message that is to be allowed arrives. What its sender published before it has arrived by then, or
        never will."""
        payload = self._payload(what)
        reason = (await sender.published(topic, payload)).reason
        if reason >= _REFUSED_FROM:
            return False
        try:
            await hearer.until(lambda: payload in _payloads(hearer) or hearer.gone)
        except TimeoutError:
            return False
        return payload in _payloads(hearer)

    def _client(self, down: AsyncExitStack) -> BrokerClient:
        client = BrokerClient(self._broker.version, self._patience_s)
        down.push_async_callback(client.close)
        return client

    def _topic(self, identity: str, kind: Kind) -> str:
        return f"{self._broker.prefix}davy/v1/{identity}/{kind}"

    def _payload(self, what: str) -> bytes:
        return msgspec.json.encode({"probe": f"{self._nonce} {what}"})

    def _note(self, what: str, holds: bool, seen: str) -> None:
        self._found.append(Assertion(what, Verdict.PASS if holds else Verdict.FAIL, seen))


def _payloads(client: BrokerClient) -> list[bytes]:
    return [packet.payload for packet in client.heard if isinstance(packet, Publish)]


def holds(found: tuple[Assertion, ...]) -> bool:
    """Nothing failed, and the probe came to its end."""
    ended = any("cannot read" in one.what for one in found)
    return ended and all(one.verdict is not Verdict.FAIL for one in found)


__all__ = ["Assertion", "Probe", "Signer", "Verdict", "holds"]
