"""The link to a broker that others run: we are its client, devices are its other clients.

S1  A message is acknowledged to the broker only by `settle`, and only as part of the contiguous durable prefix of its
    connection (broker_chunks, K1 to K3). So what the broker still owes us is never acknowledged by mistake.
S2  No message that was read is dropped: strangers' messages and those that cannot be read go to quarantine (G2). When
    too much waits, sockets are not read, and the broker keeps the rest (G4).
S3  The broker's acknowledgement of a command is the broker's, not the device's: `acknowledged` is never said. That
    nobody was subscribed (MQTT 5) is said as `failed`.
S4  In the store's reserve withheld messages may fill what the broker has under way to us, and alarms behind them are
    not heard; that is said (`down`) as soon as some were withheld for `withheld_for_s`, until the reserve is over.
S5  What the broker lost is not hidden: a forgotten session is an event, and numbered devices are acknowledged by the
    application, so that they know what to send again (broker_acks).
"""

import asyncio
import random
from collections.abc import Callable, Collection

import structlog

from devices.commands import Command, encode_command
from devices.topics import Kind
from ingest.broker_chunks import Taken, Waiting
from ingest.broker_connection import Desk
from ingest.broker_limits import BrokerCounts, BrokerLimits
from ingest.broker_outgoing import Outbound, Outgoing
from ingest.broker_partition import PartitionLife
from ingest.broker_plan import Broker, Devices, Partition
from ingest.broker_sessions import KnownSessions
from ingest.broker_topics import TopicBook
from ingest.links import MOST_ARRAYS, MOST_BYTES, Arrivals, Sending, Settled
from ingest.mqtt_directory import Directory

_log = structlog.get_logger()

_MESSAGES_WAIT = (
    "its messages wait: the store is in its reserve; an alarm behind more of them than the broker has under way to us "
    "at once is not heard"
)


class BrokerLink:
    """The `broker:<name>` link of ingest.links. Construct and `start` on the engine's loop."""

    def __init__(
        self,
        broker: Broker,
        directory: Directory,
        wake: Callable[[], None],
        sessions: KnownSessions,
        utc_us: Callable[[], int],
        randomness: random.Random,
        limits: BrokerLimits | None = None,
    ) -> None:
        """`wake`: called when there is something to take. `utc_us`: the wall clock, for the expiry of commands."""
        self.name = broker.link_name
        self.broker = broker
        self.counts = BrokerCounts()
        self._limits = limits or BrokerLimits()
        self._wake = wake
        self._utc_us = utc_us
        self._sessions = sessions
        self._lost_told: set[str] = set()
        self._lives = [PartitionLife(self._desk(partition), sessions, randomness) for partition in broker.partitions]
        self._timers: list[asyncio.TimerHandle] = []
        self._reserve = self._reserve_over = False
        self._messages_wait = False
        self._down: bool | None = None
        self.replace_directory(directory)

    def _desk(self, partition: Partition) -> Desk:
        limits, version, devices = self._limits, self.broker.version, Devices(partition.devices)
        return Desk(
            broker=self.broker,
            partition=partition,
            devices=devices,
            limits=limits,
            counts=self.counts,
            book=TopicBook(self.broker.prefix, devices, limits.topics_known),
            waiting=Waiting(),
            outgoing=Outgoing(version, limits.commands_waiting),
            arrived=self._wake,
            utc_us=self._utc_us,
        )

    # ---- life ----

    async def start(self) -> None:
        """Begin to connect; returns at once. A broker that is away is waited for."""
        for life in self._lives:
            life.start()
        self._watch()
        self._send_acks()

    async def close(self) -> None:
        """Say goodbye to the broker. Its sessions stay, and what was not settled comes again."""
        for timer in self._timers:
            timer.cancel()
        await asyncio.gather(*(life.stop() for life in self._lives))

    def replace_directory(self, directory: Directory, on_a_bus: Collection[int] = ()) -> None:
        """The registry has changed. `on_a_bus`: devices that are reached otherwise, so never commanded by a broker."""
        self._identities = directory.identities
        self._elsewhere = frozenset(on_a_bus)
        self._routes: dict[int, PartitionLife | None] = {}
        self._gateway_no = directory.number(self.broker.gateway)
        if not self._gateway_no:
            self._down = None
            if directory.identities:  # an engine that has no registry yet has something else to say
                _log.error("the broker's gateway is not in the registry", broker=self.name, gateway=self.broker.gateway)
        numbers = directory.numbers() if self._lives else {}
        for life in self._lives:
            life.desk.book.replace(numbers)

    # ---- the cycle's side ----

    def take(self, most: int) -> Arrivals | None:
        taken = Taken(self.name, asks_ack=True)
        self._said(taken)
        room, room_bytes, room_arrays = min(most, self._limits.take_messages), MOST_BYTES, MOST_ARRAYS
        busy = [life for life in self._lives if life.desk.waiting]
        for place, life in enumerate(busy):
            # Each gets an equal part of what is left, so that no partition's backlog delays another's alarm; what one
            # does not need is left to those after it.
            left = len(busy) - place
            for chunk in life.desk.waiting.take(-(-room // left), -(-room_bytes // left), -(-room_arrays // left)):
                taken.put(life.desk.waiting, chunk)
                room -= len(chunk.payload) or 1
                room_bytes -= sum(map(len, chunk.payload))
                room_arrays -= len(chunk.arrays)
            if life.missed:
                self._heard_again(life, taken)
        self._busy_first(busy)
        return taken if taken.parts or _says(taken) else None

    def _busy_first(self, busy: list[PartitionLife]) -> None:
        """Who was first is last the next time; and there is a next time when something is left."""
        if busy:
            self._lives.remove(busy[0])
            self._lives.append(busy[0])
        if any(life.desk.waiting for life in busy):
            self._wake()

    def _said(self, taken: Taken) -> None:
        """Everything but messages."""
        for life in self._lives:
            outgoing, said = life.desk.outgoing, life.said
            taken.sent += outgoing.sent
            taken.failed += [(command, reason) for command, reason, _ in outgoing.failed]
            life.missed.update(device_no for _, _, device_no in outgoing.failed)
            self.counts.commands_failed += len(outgoing.failed)
            self.counts.commands_sent += len(outgoing.sent)
            outgoing.sent, outgoing.failed = [], []
            taken.connected += said.connected
            said.connected = []
            if self._gateway_no and said.session_lost:
                taken.session_lost.append((self._gateway_no, life.lost_words))
                taken.lost_sessions.append(life.name)
                said.session_lost = False
        news = self._down_news()
        if news is not None:
            self._down = bool(news)
            if news:
                taken.down.append((self._gateway_no, f"broker {self.broker.name}: {news}"))
            else:
                taken.up.append(self._gateway_no)

    def _down_news(self) -> str | None:
        """Why the broker cannot be heard, when that is news; empty when it is news that it can; else None."""
        if not self._gateway_no:
            return None
        lost = [life for life in self._lives if not life.up]
        if not lost and not self._messages_wait:
            return None if self._down is False else ""
        if self._down:
            return None
        now_s = asyncio.get_running_loop().time()
        late = [life for life in lost if now_s - life.lost_s >= self._limits.down_after_s]
        return late[0].why if late else _MESSAGES_WAIT if self._messages_wait else None

    @staticmethod
    def _heard_again(life: PartitionLife, taken: Taken) -> None:
        """A device that a command did not reach has spoken: it is there now, so the command is attempted at once."""
        heard = life.missed.intersection(taken.device_no) | life.missed.intersection(no for no, _ in taken.replies)
        taken.connected += sorted(heard)
        life.missed -= heard

    def settle(self, arrivals: Arrivals, settled: Settled) -> None:
        assert isinstance(arrivals, Taken)
        self._reserve_over |= self._reserve and not settled.in_reserve
        self._reserve = settled.in_reserve
        self._messages_wait &= settled.in_reserve
        self._lost_told.update(arrivals.lost_sessions)
        if self._lost_told and not settled.in_reserve:  # with a full disk the cycle may have kept the event for later
            self._forget_losses()
        acknowledged, dropped = arrivals.settle(settled.withheld)
        self.counts.acknowledged += acknowledged
        self.counts.acknowledgements_dropped += dropped
        for upto in settled.upto:
            life = self._route(upto.device_no)
            if life is not None:
                life.acks.offer((upto,))
        for life in self._lives:
            if life.connection is not None:
                life.connection.settled()

    def _forget_losses(self) -> None:
        """A commit holds that these sessions were lost; one that was lost once more since then is still to be said."""
        for life in self._lives:
            if life.name in self._lost_told and not life.said.session_lost:
                self._sessions.told(life.name)
        self._lost_told.clear()

    def send(self, device_no: int, command: Command, expires_us: int) -> Sending:
        life = self._route(device_no)
        if life is None or device_no in self._elsewhere or expires_us <= self._utc_us():
            return Sending.UNREACHABLE
        outgoing = life.desk.outgoing
        if not life.up or life.connection is None or not outgoing.room:
            life.missed.add(device_no)
            return Sending.UNREACHABLE
        topic = self._topic(device_no, Kind.COMMAND)
        packet = outgoing.give(
            Outbound(command.id, device_no, topic, encode_command(command), expires_us), self._utc_us()
        )
        if not packet:
            return Sending.QUEUED
        life.connection.write(packet)
        self.counts.commands_sent += 1
        return Sending.SENT

    def _route(self, device_no: int) -> PartitionLife | None:
        """The partition that a device belongs to, if any."""
        if device_no not in self._routes:
            identity = self._identities.get(device_no, "")
            found = [life for life in self._lives if identity in life.desk.devices]
            self._routes[device_no] = found[0] if found else None
        return self._routes[device_no]

    def _topic(self, device_no: int, kind: Kind) -> str:
        return f"{self.broker.prefix}davy/v1/{self._identities[device_no]}/{kind}"

    # ---- time ----

    def _watch(self) -> None:
        self._again(0, self._limits.watch_every_s, self._watch)
        reserve_over, self._reserve_over = self._reserve_over, False
        for life in self._lives:
            self._messages_wait |= self._reserve and life.connection is not None and life.connection.withheld_long
            life.watch(reserve_over)
        if self._down_news() is not None:
            self._wake()

    def _send_acks(self) -> None:
        self._again(1, self._limits.acks_every_s, self._send_acks)
        for life in self._lives:
            if len(life.acks) and life.up and life.connection is not None and life.connection.listening:
                due = life.acks.due(self._limits.acks_at_once)
                packets = [
                    life.acks.packet(self._topic(device_no, Kind.ACK), payload)
                    for device_no, payload in due
                    if device_no in self._identities
                ]
                self.counts.application_acks += len(packets)
                life.connection.write(b"".join(packets))

    def _again(self, which: int, after_s: float, what: Callable[[], None]) -> None:
        timer = asyncio.get_running_loop().call_later(after_s, what)
        self._timers[which : which + 1] = [timer]

    def gauges(self) -> dict[str, float]:
        """Figures for /metrics, `broker_` and the broker's name before each; those that only grow end in `_total`."""
        counts = self.counts
        name = f"broker_{self.broker.name.replace('-', '_')}"
        grown = {field: getattr(counts, field) for field in counts.__slots__}
        return {
            f"{name}_partitions_up": float(sum(life.up for life in self._lives)),
            f"{name}_bytes_waiting": float(sum(life.desk.waiting.bytes for life in self._lives)),
            f"{name}_messages_waiting": float(sum(life.desk.waiting.messages for life in self._lives)),
            f"{name}_acks_waiting": float(sum(len(life.acks) for life in self._lives)),
        } | {f"{name}_{field}_total": float(count) for field, count in grown.items()}


def _says(taken: Taken) -> bool:
    return bool(taken.connected or taken.sent or taken.failed or taken.down or taken.up or taken.session_lost)
