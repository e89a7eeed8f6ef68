"""The MQTT endpoint: devices connect to Davy itself, and our PUBACK means "on disk". A `Link` of ingest/links.py.

E1  A PUBACK with success leaves only in `settle`, for a message of that take that was not withheld (G1, L1).
E2  Every message read is handed over by `take` exactly once, or its connection has ended unacknowledged (L2).
E3  No connection gets more than its share: one read of 64 KiB and 512 messages until a commit, an array counting for
    256 of them, and 64 MiB for all together; then it is not read, and its sender waits (G4, L3).
E4  A message that was withheld gets no PUBACK. Once the store takes everything again (or after 30 s) its connection is
    ended with 0x97, no faster than handshakes are accepted, so that the device offers it again.
E5  Silence is measured in time the loop was serving: a process that was stopped blames nobody for it.
E6  This is not a broker: nothing a client publishes goes to another client, and it can hear its own commands only.

The bounds and what happens at each are in mqtt_limits.py; what a client may say, in mqtt_client.py.
"""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Callable

from devices.commands import Command, encode_command
from devices.topics import Kind
from ingest.links import Arrivals, Sending, Settled
from ingest.mqtt_client import Client
from ingest.mqtt_connection import Connection, Shared
from ingest.mqtt_directory import Changed, Directory
from ingest.mqtt_intake import Intake, Taken
from ingest.mqtt_limits import EndpointCounts, EndpointLimits, Why
from ingest.mqtt_listener import Listener, Pace
from ingest.mqtt_refusals import RefusalLog
from ingest.mqtt_roster import Roster
from ingest.mqtt_session import MICROSECONDS, InFlight

#: One tick looks at one of so many parts of the connections, so that each is looked at once a second and no tick is
#: long (2,000 of 20,000 connections: about 0.5 ms).
_PARTS = 10
_TICK_S = 1 / _PARTS
#: Paused connections read on in one turn of the loop (4 ms of parsing at the most); the others in the next.
_RESUMED_AT_ONCE = 16
#: A tick that comes later than this was a stop of the process, and counts as no more (E5).
_MOST_TICK_US = MICROSECONDS


def monotonic_us() -> int:
    return time.monotonic_ns() // 1000


def utc_us() -> int:
    return time.time_ns() // 1000


class MqttEndpoint:
    """Made on any thread, used on one event loop (asyncio or uvloop)."""

    name = "mqtt"

    def __init__(
        self,
        directory: Directory,
        wake: Callable[[], None],
        limits: EndpointLimits | None = None,
        clock: Callable[[], int] = monotonic_us,
        utc: Callable[[], int] = utc_us,
    ) -> None:
        """wake: called when something has arrived, once until the next take. clock: monotonic microseconds, for
        deadlines and rates. utc: microseconds since 1970 UTC, for the expiry of commands."""
        limits = limits or EndpointLimits()
        counts = EndpointCounts()
        self._clock = clock
        self._shared = Shared(
            limits=limits,
            counts=counts,
            intake=Intake(self.name, wake, counts),
            roster=Roster(limits, directory),
            refusals=RefusalLog(counts, limits.log_lines_per_s),
            utc_us=utc,
            scratch=memoryview(bytearray(limits.read_bytes)),
            now_us=1,
        )
        self._pace = Pace(limits.handshakes_per_s, clock)
        self._listeners: list[Listener] = []
        self._identities = directory.identities
        self._timer: asyncio.TimerHandle | None = None
        self._last_us = clock()
        self._ticks = 0
        self._parts: list[list[Connection]] = [[] for _ in range(_PARTS)]
        self._reserve_over = True
        self._resuming = False
        self._releases = 0  # connections that may still be released in this tick (E4)

    # ---- the link ----

    def take(self, most: int) -> Taken | None:
        return self._shared.intake.take(most)

    def settle(self, arrivals: Arrivals, settled: Settled) -> None:
        assert isinstance(arrivals, Taken)
        shared = self._shared
        shared.intake.settle(arrivals, settled.withheld)
        self._reserve_over = not (settled.in_reserve or settled.withheld)
        if shared.owing:
            self._release_owing()
        self._resume_soon()

    def send(self, device_no: int, command: Command, expires_us: int) -> Sending:
        """Write the command on every connection that hears it: of several, some may be half-open, and a command is
        idempotent. UNREACHABLE when none could take it, or when less than a second of its life is left."""
        shared = self._shared
        identity = self._identities.get(device_no)
        listeners = shared.roster.listeners(device_no)
        sent = False
        if identity is not None and listeners:
            topic = f"davy/v1/{identity}/{Kind.COMMAND}"
            flight = InFlight(command.id, device_no, topic, encode_command(command), expires_us)
            now_us = shared.utc_us()
            for member in listeners:
                sent |= member.deliver(flight, now_us)
        if not sent:
            shared.counts.commands_unreachable += 1
        return Sending.SENT if sent else Sending.UNREACHABLE

    def _resume_soon(self) -> None:
        """Read on from paused senders, but after what the cycle still has to do: commands are not to wait for it."""
        if self._shared.paused and not self._resuming:
            self._resuming = True
            asyncio.get_running_loop().call_soon(self._resume)

    def _resume(self) -> None:
        """A few connections at a time, those paused longest first; a connection parses up to 512 messages (0.2 ms)."""
        shared = self._shared
        self._resuming = False
        ready = [connection for connection in shared.paused if not connection.full()]
        for connection in ready[:_RESUMED_AT_ONCE]:
            if not connection.full():
                connection.resume()
        if len(ready) > _RESUMED_AT_ONCE:
            self._resume_soon()

    # ---- the registry ----

    def replace_directory(self, directory: Directory, changed: Changed | None = None) -> None:
        """A new registry holds from now on; who is no longer in it, or has another token, is disconnected at once.
        `changed`: of whom something else is said than before (None: nobody knows)."""
        self._identities = directory.identities
        self._shared.roster.replace(directory, self._shared.utc_us(), changed)

    # ---- life ----

    async def start(self, host: str, port: int, ssl_context: ssl.SSLContext | None = None) -> int:
        """Listen on the first address that `host` resolves to; may be called again for another. Returns the port in
        use. Raises OSError."""
        shared = self._shared
        infos = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, _, _, _, address = infos[0]
        listening = socket.create_server(address, family=family, backlog=shared.limits.backlog, reuse_port=False)
        listening.setblocking(False)
        listener = Listener(
            listening, ssl_context, lambda: Client(shared), self._crowded, self._pace, shared.limits, shared.counts
        )
        self._listeners.append(listener)
        if self._timer is None:
            self._last_us = self._clock()
            self._timer = asyncio.get_running_loop().call_later(_TICK_S, self._on_timer)
        return listener.port

    def stop_listening(self) -> None:
        """Accept nobody new; those connected stay."""
        for listener in self._listeners:
            listener.close()

    async def close(self) -> None:
        """Say goodbye to all (0x8B) and wait until they are gone, for `close_within_s` at most."""
        self.stop_listening()
        shared = self._shared
        for connection in tuple(shared.open):
            connection.shut_down()
        for listener in self._listeners:
            await listener.closed()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(shared.nobody_left(), shared.limits.close_within_s)
        for connection in tuple(shared.open):
            connection.abort()
        await asyncio.sleep(0)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def gauges(self) -> dict[str, float]:
        """Figures for /metrics, `mqtt_` before each; those that only grow end in `_total`."""
        shared, counts = self._shared, self._shared.counts
        figures: dict[str, float] = {
            "mqtt_connections": len(shared.open),
            "mqtt_clients": len(shared.roster),
            "mqtt_devices_reachable": shared.roster.devices_listening,
            "mqtt_sessions_kept": shared.roster.sessions_kept,
            "mqtt_connections_paused": len(shared.paused),
            "mqtt_connections_owing": len(shared.owing),
            "mqtt_bytes_waiting": shared.bytes_waiting,
            "mqtt_accepted_total": counts.accepted,
            "mqtt_handshake_pace_reached_total": counts.pace_reached,
            "mqtt_signed_in_total": counts.signed_in,
            "mqtt_messages_total": counts.messages,
            "mqtt_message_bytes_total": counts.message_bytes,
            "mqtt_replies_total": counts.replies,
            "mqtt_pauses_total": counts.paused,
            "mqtt_commands_sent_total": counts.commands_sent,
            "mqtt_commands_repeated_total": counts.commands_repeated,
            "mqtt_commands_unreachable_total": counts.commands_unreachable,
        }
        figures |= {f"mqtt_refused_{why}_total": counts.refused[why] for why in Why}
        return figures

    # ---- time ----

    def _on_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_TICK_S, self._on_timer)
        self.tick()

    def tick(self) -> None:
        """What time asks for; called by the endpoint's own timer ten times a second."""
        shared = self._shared
        now_us = self._clock()
        shared.now_us += min(now_us - self._last_us, _MOST_TICK_US)
        self._last_us = now_us
        self._releases = max(1, shared.limits.handshakes_per_s // _PARTS)
        part = self._ticks % _PARTS
        self._ticks += 1
        if part == 0:
            shared.refusals.next_second()
            shared.roster.forget_old(shared.now_us)
            shared.roster.end_former(shared.utc_us())
            everyone = list(shared.open)
            self._parts = [everyone[n::_PARTS] for n in range(_PARTS)]
        for connection in self._parts[part]:
            connection.check()
        self._parts[part] = []
        if shared.owing:
            self._release_owing()

    def _release_owing(self) -> None:
        """End connections that wait for a PUBACK that will not come (E4); the first that waited is the first to go."""
        shared = self._shared
        patience_us = shared.limits.withheld_for_s * MICROSECONDS
        for connection, since_us in tuple(shared.owing.items()):
            if self._releases <= 0 or not (self._reserve_over or shared.now_us - since_us > patience_us):
                return
            self._releases -= 1
            connection.end(Why.WITHHELD, "a message could not be stored; offer it again")

    def _crowded(self) -> bool:
        shaking = sum(listener.shaking for listener in self._listeners)
        return len(self._shared.open) + shaking >= self._shared.limits.connections
