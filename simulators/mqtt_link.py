"""One device's connection: MQTT 3.1.1, its own user name and token, as any vendor's firmware would do it.

L1  A reading leaves the memory only after its PUBACK; a lost connection sends it again with the same boot and seq.
L2  One message is in flight at a time, so what waits here is bounded by the memory (`Outbox`) and `REPLIES_KEPT`.
L3  After a failure the wait is drawn from [0, min(cap, base x 2^attempt)] (full jitter), so that a thousand devices
    that fell together do not come back together.
"""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import aiomqtt
import msgspec
from aiomqtt.exceptions import MqttConnectError

from devices.commands import Command, Reply, decode_command
from devices.topics import Kind, format_topic
from simulators.device import Device
from simulators.stats import Tally
from simulators.telemetry import encode

#: First and longest wait before connecting again: within seconds after a blip, never a flood. Product choice.
BACK_OFF_BASE_S = 0.5
BACK_OFF_CAP_S = 15.0
#: An unacknowledged message is tried again on a new connection: MQTT 3.1.1 resends on no other occasion.
ACKNOWLEDGE_WITHIN_S = 30.0
KEEP_ALIVE_S = 30
#: Commands not yet read and replies not yet sent. The interlock repeats what is lost, so more need not be kept.
COMMANDS_KEPT = 16
REPLIES_KEPT = 16


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where Davy listens; `tls` None is plain TCP."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None


class MqttLink:
    """`on_command` is called with each command and gives the reply, if there is one; None: this device takes none.
    `on_connected` is called after each CONNACK (and subscription)."""

    def __init__(
        self,
        device: Device,
        endpoint: Endpoint,
        clock: Callable[[], int],
        rng: Random,
        tally: Tally,
        on_connected: Callable[[], None],
        on_command: Callable[[Command], Reply | None] | None = None,
    ) -> None:
        self.device = device
        self._endpoint = endpoint
        self._clock = clock
        self._rng = rng
        self._tally = tally
        self._on_connected = on_connected
        self._on_command = on_command
        self._client: aiomqtt.Client | None = None
        self._replies: deque[Reply] = deque(maxlen=REPLIES_KEPT)
        self._something = asyncio.Event()
        self._network = asyncio.Event()
        self._network.set()
        self._connections = 0
        self._come_back_within_s: float | None = None
        row = device.plan.device
        self._topic = {kind: format_topic(row.vendor, row.serial, kind) for kind in Kind}

    def wake(self) -> None:
        """There is something new in the device's memory."""
        self._something.set()

    def reply(self, reply: Reply) -> None:
        """An unasked second answer: the valve has arrived."""
        self._replies.append(reply)
        self._something.set()

    def lose_network(self) -> None:
        """The connection dies without a DISCONNECT, and none can be made until `regain_network`."""
        self._network.clear()
        self._cut()

    def regain_network(self) -> None:
        self._network.set()

    def drop(self, come_back_within_s: float) -> None:
        """The connection dies, and is made again at a random moment within that time (0: at once)."""
        self._come_back_within_s = come_back_within_s
        self._cut()

    async def run(self, first_after_s: float) -> None:
        """Stay connected for ever; ends by cancellation."""
        await asyncio.sleep(first_after_s)
        attempt = 0
        while True:
            _end_if_cancelled()
            await self._network.wait()
            connections = self._connections
            self._client = self._new_client()
            try:
                async with self._client:
                    await self._session(self._client)
            except MqttConnectError:
                self._tally.refused_connections += 1
            except (aiomqtt.MqttError, OSError):
                was_connected = self._connections > connections
                self._tally.lost_connections += was_connected
                self._tally.failed_connections += not was_connected
            finally:
                # aiomqtt keeps the socket of a connection that was never answered.
                self._cut()
                self._client = None
            attempt = 1 if self._connections > connections else attempt + 1
            await asyncio.sleep(self._wait_s(attempt))

    def _new_client(self) -> aiomqtt.Client:
        row = self.device.plan.device
        return aiomqtt.Client(
            self._endpoint.host,
            self._endpoint.port,
            username=row.identity,
            password=self.device.plan.token,
            identifier=f"{row.vendor}-{row.serial}",
            # A valve keeps its session, so that a CLOSE in flight reaches it after a reconnect.
            clean_session=self._on_command is None,
            keepalive=KEEP_ALIVE_S,
            tls_context=self._endpoint.tls,
            max_queued_incoming_messages=COMMANDS_KEPT,
        )

    async def _session(self, client: aiomqtt.Client) -> None:
        self._connections += 1
        self._tally.connections += 1
        self._tally.connected += 1
        try:
            _end_if_cancelled()
            if not self._network.is_set():
                raise aiomqtt.MqttError("the network went away while connecting")
            if self._on_command is not None:
                await self._hear_commands(client)
            self._on_connected()
            await self._converse(client)
        finally:
            self._tally.connected -= 1

    async def _hear_commands(self, client: aiomqtt.Client) -> None:
        granted = await client.subscribe(self._topic[Kind.COMMAND], qos=1)
        _end_if_cancelled()
        # MQTT 3.1.1, 3.9.3: 0x80 is a refusal. A valve that cannot hear is not connected.
        if any(isinstance(code, int) and code >= 0x80 for code in granted):
            raise aiomqtt.MqttError("the endpoint refused the subscription to this valve's commands")

    async def _converse(self, client: aiomqtt.Client) -> None:
        """Listen and speak until the connection is gone, which raises MqttError. (A TaskGroup would leave a
        cancellation counted on Python 3.11, see `_end_if_cancelled`.)"""
        tasks = [asyncio.create_task(self._listen(client)), asyncio.create_task(self._speak(client))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self, client: aiomqtt.Client) -> None:
        """Also how a device that takes no commands learns that its connection is gone."""
        async for message in client.messages:
            if self._on_command is None or not isinstance(message.payload, bytes):
                continue
            try:
                command = decode_command(message.payload)
            except (msgspec.ValidationError, msgspec.DecodeError):
                self._tally.malformed += 1
                continue
            reply = self._on_command(command)
            if reply is not None:
                self.reply(reply)

    async def _speak(self, client: aiomqtt.Client) -> None:
        """Replies first: somebody is waiting for them."""
        while True:
            _end_if_cancelled()
            self._something.clear()
            if self._replies:
                await self._send_reply(client)
            elif not await self._send_readings(client):
                await self._something.wait()

    async def _send_reply(self, client: aiomqtt.Client) -> None:
        payload = msgspec.json.encode(self._replies.popleft())
        await client.publish(self._topic[Kind.REPLY], payload, qos=1, timeout=ACKNOWLEDGE_WITHIN_S)
        self._tally.replies += 1

    async def _send_readings(self, client: aiomqtt.Client) -> bool:
        """Send one message and wait for its PUBACK; False when there is none to send."""
        device, tally = self.device, self._tally
        message = device.next_message(self._clock())
        if not message:
            return False
        payload = encode(message)
        for again in (False, True) if device.sends_twice() else (False,):
            tally.sent[device.sender] += len(message)
            tally.sent_again += len(message) * again
            await client.publish(self._topic[Kind.TELEMETRY], payload, qos=1, timeout=ACKNOWLEDGE_WITHIN_S)
        tally.acknowledged[device.sender] += device.outbox.acknowledged(message)
        return True

    def _cut(self) -> None:
        """Shut the socket down under the client, as a dead link does: no DISCONNECT is sent."""
        # aiomqtt has no way to die on purpose; the paho client below gives out its socket.
        sock = self._client._client.socket() if self._client is not None else None
        if isinstance(sock, socket.socket):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it died by itself a moment ago

    def _wait_s(self, attempt: int) -> float:
        if self._come_back_within_s is not None:
            within_s, self._come_back_within_s = self._come_back_within_s, None
            return self._rng.uniform(0.0, within_s)
        return back_off_s(attempt, self._rng)


def back_off_s(attempt: int, rng: Random) -> float:
    """How long to wait after failure number `attempt` in a row (L3)."""
    # 2^16 x base is far beyond the cap; a device that is away for a year must not overflow.
    return rng.uniform(0.0, min(BACK_OFF_CAP_S, BACK_OFF_BASE_S * 2.0 ** min(attempt, 16)))


def _end_if_cancelled() -> None:
    """Python 3.11's `wait_for`, in which aiomqtt waits, forgets a cancellation that arrives together with the answer;
    the task's count of cancellations does not."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
