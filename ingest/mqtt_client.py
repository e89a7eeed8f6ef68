"""What a client says and is told: the MQTT conversation over one connection.

C1  Nothing but a CONNECT is listened to before a CONNECT was accepted, and a second one ends the connection.
C2  A message on a topic the identity may not publish to is never handed on. MQTT 5: PUBACK 0x87, and the connection
    stays. 3.1.1 has no such word: the connection is closed with a logged reason, for a plain PUBACK would be a lie.
C3  Subscriptions are one's own exact command topics; any other filter is refused in the SUBACK (`.../ack` too: nothing
    is published there). This is not a broker.
C4  QoS 2 is refused: MQTT 5 DISCONNECT 0x9B (CONNACK says Maximum QoS 1), 3.1.1 closed. RETAIN on a PUBLISH is
    accepted and means nothing: nobody but Davy reads telemetry.
C5  A will is accepted when it is for a topic the identity may publish to, and is never published: it was written
    before the connection broke, so as a reading it would claim a present state that nobody measured. The engine
    judges silence instead. Any other will is refused, so that nobody relies on it.
C6  A command is written only with at least one whole second left of its life (MQTT 5 counts in seconds), and with QoS 1
    it stays in flight until its PUBACK.
C7  A device that acknowledges none of 8 new commands on a connection is made to come back. What was repeated from its
    session does not count: whoever comes back is heard, however much waited for it.
"""

import secrets

from devices.topics import Kind
from ingest.mqtt_connection import Connection, Shared
from ingest.mqtt_directory import Grant, Refused
from ingest.mqtt_limits import Why
from ingest.mqtt_packets import (
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    build,
    parse,
    spoken_version,
)
from ingest.mqtt_properties import Properties, Property, write_properties
from ingest.mqtt_session import MICROSECONDS, InFlight
from ingest.mqtt_tls import certified_name
from ingest.mqtt_wire import CONNACK_311, V5, V311, MalformedPacket, PacketType, Reason, protocol_error

#: Client identifiers are kept as keys; the standard obliges us to take 23 characters (3.1.3.1).
_MOST_CLIENT_ID = 256
#: A client that says nothing of Receive Maximum takes this many (5.0, 3.1.2.11.3).
_MOST_RECEIVE = 65_535
#: JSON is what telemetry is unless it says otherwise.
_JSON = ("", "application/json")
_PINGRESP = build(Pingresp(), V5)


class Client(Connection):
    __slots__ = ("_most_bytes", "_most_unanswered", "_resumed", "_told_expiry_s", "_unanswered")

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._most_bytes = 0  # the largest packet it takes; 0: any
        self._most_unanswered = _MOST_RECEIVE
        self._told_expiry_s = 0  # its session expiry as granted at CONNECT
        self._unanswered = 0  # commands written on this connection with QoS 1 and not acknowledged
        self._resumed: frozenset[int] = frozenset()  # packet identifiers in flight when its session was resumed

    def _received(self, head: int, body: bytes, size: int) -> None:
        kind = head >> 4
        if self.grant is None:
            if kind != PacketType.CONNECT:
                self.end(Why.CONNECT_EXPECTED, f"packet type {kind} before CONNECT")
            else:
                self._connect(head, body)
            return
        packet = parse(head, body, self.version)
        if isinstance(packet, Publish):
            self._publish(packet, size, self.grant)
            return
        self._spend(1)
        match packet:
            case Puback():
                self._puback(packet)
            case Pingreq():
                self.write(_PINGRESP)
            case Subscribe():
                self._subscribe(packet)
            case Unsubscribe():
                self._unsubscribe(packet)
            case Disconnect():
                self._disconnect(packet)
            case _:
                raise protocol_error(f"{type(packet).__name__} is not a client's to send here")

    # ---- signing in ----

    def _connect(self, head: int, body: bytes) -> None:
        self.version = spoken_version(body)
        connect = parse(head, body, V5)
        assert isinstance(connect, Connect)
        transport = self._transport
        certified = certified_name(transport.get_extra_info("peercert")) if transport is not None else None
        verdict = self._shared.roster.directory.sign_in(connect, certified, self._shared.utc_us())
        fault = verdict if isinstance(verdict, Refused) else _fault(connect, verdict)
        if fault is not None:
            self.end(fault.why, fault.words)
        elif isinstance(verdict, Grant):
            self._sign_in(connect, verdict)

    def _sign_in(self, connect: Connect, grant: Grant) -> None:
        shared = self._shared
        limits, numbers = shared.limits, connect.properties.numbers
        client_id = connect.client_id or f"davy-{secrets.token_hex(8)}"
        asked_s = numbers.get(Property.SESSION_EXPIRY_S, 0)
        if connect.version == V311:
            asked_s = 0 if connect.clean_start else limits.session_kept_s
        kept_s = min(asked_s, limits.session_kept_s)
        keep_alive_s = min(connect.keep_alive_s or limits.keep_alive_cap_s, limits.keep_alive_cap_s)
        present = shared.roster.enter(self, grant, client_id, connect.clean_start, kept_s, shared.now_us)
        shared.counts.signed_in += 1
        self.patience_us = keep_alive_s * MICROSECONDS * 3 // 2
        self._told_expiry_s = kept_s
        self._most_bytes = numbers.get(Property.MAXIMUM_PACKET_SIZE, 0)
        self._most_unanswered = numbers.get(Property.RECEIVE_MAXIMUM, _MOST_RECEIVE)
        told = {
            Property.RECEIVE_MAXIMUM: limits.receive_maximum,
            Property.MAXIMUM_QOS: 1,
            Property.MAXIMUM_PACKET_SIZE: limits.packet_bytes,
            Property.WILDCARD_AVAILABLE: 0,
            Property.SUBSCRIPTION_IDENTIFIER_AVAILABLE: 0,
            Property.SHARED_AVAILABLE: 0,
        }
        if keep_alive_s != connect.keep_alive_s:
            told[Property.SERVER_KEEP_ALIVE_S] = keep_alive_s
        if kept_s != asked_s:
            told[Property.SESSION_EXPIRY_S] = kept_s
        texts = {} if connect.client_id else {Property.ASSIGNED_CLIENT_ID: client_id}
        self.write(build(Connack(present, Reason.SUCCESS, Properties(told, texts)), self.version))
        if present:
            self._resume_session()

    def _resume_session(self) -> None:
        """The client counts on its old subscriptions, and gets again what it did not acknowledge (N1)."""
        shared, session = self._shared, self.session
        assert session is not None
        for topic, qos in tuple(session.subscriptions.items()):
            if self.grant is None or self.grant.heard(topic) is None:
                del session.subscriptions[topic]
                continue
            self._announce(shared.roster.subscribe(self, topic, qos))
        now_us = shared.utc_us()
        flying = session.to_repeat(now_us)
        self._resumed = frozenset(number for number, _ in flying)
        for number, sent in flying:
            seconds = _seconds_left(sent, now_us)
            packet = self._command(sent, number, seconds)
            if seconds < 1 or not self._fits(packet) or not session.subscriptions.get(sent.topic):
                session.acknowledged(number)
            elif self._unanswered < self._most_unanswered:
                self._unanswered += 1
                shared.counts.commands_repeated += 1
                self.write(bytes([packet[0] | 8]) + packet[1:])

    def _farewell(self, reason: Reason) -> bytes:
        if self.grant is not None:
            return build(Disconnect(reason), V5) if self.version == V5 else b""
        if self.version >= V5:
            return build(Connack(False, reason), V5)
        if self.version == 0 or reason not in CONNACK_311:
            return b""
        return build(Connack(False, CONNACK_311[reason]), V311)

    # ---- messages in ----

    def _publish(self, packet: Publish, size: int, grant: Grant) -> None:
        shared = self._shared
        if packet.qos == 2:
            self.end(Why.QOS_2, "QoS 2; the most is 1")
            return
        if self.version == V5:
            _check_publish(packet)
            if packet.qos and self.promised >= shared.limits.receive_maximum:
                self.end(Why.RECEIVE_MAXIMUM, f"more than {shared.limits.receive_maximum} messages unacknowledged")
                return
        published = grant.published(packet.topic)
        if published is None and self.version != V5:
            self.end(Why.PUBLISH_TOPIC, f"may not publish to {packet.topic[:200]!r}")
            return
        self.promised += packet.qos
        if published is None:
            identity = grant.identity
            shared.refusals.refuse(Why.PUBLISH_TOPIC, f"may not publish to {packet.topic[:200]!r}", None, identity)
            answer = build(Puback(packet.packet_id, Reason.NOT_AUTHORIZED), V5) if packet.qos else b""
            shared.intake.answer(self, answer, size)
            return
        device_no, kind = published
        if kind is Kind.REPLY:
            answer = build(Puback(packet.packet_id), self.version) if packet.qos else b""
            shared.intake.reply(self, device_no, packet.payload, answer, size)
            return
        number = packet.packet_id.to_bytes(2, "big") if packet.qos else b""
        shared.intake.reading(self, device_no, packet.payload, number, size, self._mime(packet.properties))

    def _mime(self, properties: Properties) -> str:
        """The content type without its parameters, empty for JSON; remembered for the fast path when it is all there
        is, and the block is short enough to have one length byte."""
        mime = properties.texts.get(Property.CONTENT_TYPE, "").partition(";")[0].strip().lower()
        mime = "" if mime in _JSON else mime
        said = properties.texts.keys() | properties.numbers.keys() | properties.binaries.keys()
        if said and said <= {Property.CONTENT_TYPE, Property.PAYLOAD_FORMAT} and not properties.user:
            block = write_properties(properties)
            if len(block) <= 128:
                self._shared.intake.learn(block, mime)
        return mime

    # ---- subscriptions ----

    def _subscribe(self, packet: Subscribe) -> None:
        if Property.SUBSCRIPTION_IDENTIFIER in packet.properties.numbers:
            raise protocol_error("a subscription identifier; CONNACK said there are none")
        self._spend(len(packet.filters))
        shared, grant = self._shared, self.grant
        assert grant is not None
        reasons: list[int] = []
        reachable: list[int | None] = []
        for wanted in packet.filters:
            if grant.heard(wanted.topic) is None:
                words = f"may not subscribe to {wanted.topic[:200]!r}"
                shared.refusals.refuse(Why.SUBSCRIPTION, words, None, grant.identity)
                reasons.append(Reason.NOT_AUTHORIZED if self.version == V5 else Reason.UNSPECIFIED)
            else:
                qos = min(wanted.qos, 1)
                reachable.append(shared.roster.subscribe(self, wanted.topic, qos))
                reasons.append(qos)
        self.write(build(Suback(packet.packet_id, tuple(reasons)), self.version))
        for device_no in reachable:
            self._announce(device_no)

    def _announce(self, device_no: int | None) -> None:
        if device_no is not None:
            self._shared.intake.connected(device_no)

    def _unsubscribe(self, packet: Unsubscribe) -> None:
        self._spend(len(packet.topics))
        known = [self._shared.roster.unsubscribe(self, topic) for topic in packet.topics]
        reasons = tuple(int(Reason.SUCCESS if was else Reason.NO_SUBSCRIPTION_EXISTED) for was in known)
        self.write(build(Unsuback(packet.packet_id, reasons), self.version))

    # ---- commands out ----

    def deliver(self, command: InFlight, now_us: int) -> bool:
        """Write a command now. False when this client does not hear it, or cannot be given it. `now_us`: UTC."""
        session, shared = self.session, self._shared
        qos = session.subscriptions.get(command.topic) if session is not None else None
        if session is None or qos is None or (qos and self._unanswered >= self._most_unanswered):
            return False
        seconds, most = _seconds_left(command, now_us), shared.limits.commands_in_flight
        if seconds < 1 or not self._fits(self._command(command, qos, seconds)):
            return False
        number = 0
        if qos:
            flying = session.of_device(command.device_no, now_us)
            if sum(one not in self._resumed for one in flying) >= most:
                self.end(Why.COMMANDS_IN_FLIGHT, f"{most} commands without a PUBACK")
                return False
            number = session.put_in_flight(command, most, now_us)
            self._unanswered += 1
        self.write(self._command(command, number, seconds))
        shared.counts.commands_sent += 1
        return not self._ended_us

    def _command(self, sent: InFlight, number: int, seconds: int) -> bytes:
        """The PUBLISH of a command, QoS 0 for packet identifier 0."""
        properties = Properties({Property.MESSAGE_EXPIRY_S: min(seconds, 0xFFFF_FFFF)})
        publish = Publish(sent.topic, sent.payload, int(number > 0), number, properties=properties)
        return build(publish, self.version)

    def _fits(self, packet: bytes) -> bool:
        return not self._most_bytes or len(packet) <= self._most_bytes

    def _puback(self, packet: Puback) -> None:
        assert self.session is not None
        self._unanswered = max(0, self._unanswered - 1)
        sent = self.session.acknowledged(packet.packet_id)
        if sent is not None and packet.reason < Reason.UNSPECIFIED:
            self._shared.intake.acknowledged(sent.command)

    # ---- the end ----

    def _disconnect(self, packet: Disconnect) -> None:
        expiry_s = packet.properties.numbers.get(Property.SESSION_EXPIRY_S)
        if expiry_s is not None and self.session is not None:
            if expiry_s and not self._told_expiry_s:
                raise protocol_error("a session that was to end with its connection cannot be prolonged")
            self.session.kept_s = min(expiry_s, self._shared.limits.session_kept_s)
        self.close()

    def _spend(self, count: int) -> None:
        self._control += count
        if self._control > self._shared.limits.control_packets_per_s:
            words = f"more than {self._shared.limits.control_packets_per_s} control packets in a second"
            raise MalformedPacket(Reason.MESSAGE_RATE_TOO_HIGH, words)


def _seconds_left(command: InFlight, now_us: int) -> int:
    """Whole seconds of its life (C6)."""
    return (command.expires_us - now_us) // MICROSECONDS


def _check_publish(packet: Publish) -> None:
    """What MQTT 5 forbids a client of this endpoint."""
    numbers = packet.properties.numbers
    if Property.TOPIC_ALIAS in numbers:
        raise MalformedPacket(Reason.TOPIC_ALIAS_INVALID, "a topic alias; CONNACK allowed none")
    if not packet.topic:
        raise protocol_error("an empty topic without an alias")
    if Property.SUBSCRIPTION_IDENTIFIER in numbers:
        raise protocol_error("a subscription identifier from a client")


def _fault(connect: Connect, grant: Grant) -> Refused | None:
    """What else is wrong with the CONNECT of somebody who may sign in."""
    texts = connect.properties.texts
    if Property.AUTHENTICATION_METHOD in texts or connect.properties.binaries:
        return Refused(Why.AUTHENTICATION_METHOD, "enhanced authentication is not offered")
    if len(connect.client_id) > _MOST_CLIENT_ID:
        return Refused(Why.CLIENT_ID, f"a client identifier of more than {_MOST_CLIENT_ID} characters")
    if not connect.client_id and connect.version == V311 and not connect.clean_start:
        return Refused(Why.CLIENT_ID, "a session needs a client identifier")
    will = connect.will
    if will is not None and will.qos == 2:
        return Refused(Why.QOS_2, "a will with QoS 2; the most is 1")
    if will is not None and grant.published(will.topic) is None:
        return Refused(Why.WILL, f"may not publish its will to {will.topic[:200]!r}")
    return None
