"""Every bound of the MQTT endpoint, and why a connection or a packet may be refused. At no bound is a message lost that
was acknowledged, and no bound lets one sender take what the others need (G4)."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from ingest.links import MOST_PER_SENDER
from ingest.mqtt_wire import Reason

KIB = 1024


@dataclass(frozen=True, slots=True)
class EndpointLimits:
    """Product choices unless a source is named. Sizes in bytes; beside each, what happens at it."""

    #: Open connections, half-open handshakes included. A 2-core host's share of a fleet; measured per idle connection:
    #: 2.6 KiB plain, 46 KiB under TLS on uvloop (so 900 MiB), 270 KiB under TLS on plain asyncio. At it: accepted and
    #: closed at once, so that the device knows and may try another address.
    connections: int = 20_000
    #: Connections of one identity. A device has one, and perhaps two half-open ones it left behind; each has a share of
    #: the cycle (links, L4). At it: the oldest goes.
    connections_per_identity: int = 3
    #: Accepted connections a second, before any TLS arithmetic (1 ms of CPU each). At it: the rest wait in the
    #: kernel's queue (`backlog`), so those already connected are served and a storm is worked off in order.
    handshakes_per_s: int = 500
    #: Connections the kernel queues for us (it may cap this at net.core.somaxconn). At it: SYNs wait for a retry.
    backlog: int = 4096
    #: From the TCP connection (and again from the end of the TLS handshake) to a whole CONNECT. At it: closed.
    connect_within_s: float = 10.0
    #: A CONNECT's size, its will included: the only packet a stranger can make us keep. At it: closed.
    connect_bytes: int = 4 * KIB
    #: Parts of CONNECT packets kept for all strangers together: 5,000 of 4 KiB each, which is what comes in at 500/s
    #: in 10 s. Apart from `kept_bytes`, so that strangers cannot use up what devices need. At it: who adds is closed.
    strangers_kept_bytes: int = 20_000 * KIB
    #: Any other packet: about 1,500 readings in one array. At it: 0x95, and the connection ends.
    packet_bytes: int = 256 * KIB
    #: From the first byte of a packet to its last (slow loris). At it: closed.
    packet_within_s: float = 30.0
    #: Parts of packets kept for all signed-in connections together. At it: who adds to it is closed (0x97), and offers
    #: again.
    kept_bytes: int = 64 * KIB * KIB
    #: One read, and what one connection may have unsettled. At it: it is not read until a commit.
    read_bytes: int = 64 * KIB
    #: Messages one connection may have unsettled; an array counts for 256 (links, L3). At it: as above.
    unsettled_messages: int = MOST_PER_SENDER
    #: Messages of all connections together that wait for a commit. At it: each is read no further than 1 KiB.
    pending_bytes: int = 64 * KIB * KIB
    #: QoS 1 messages an MQTT 5 client may send without a PUBACK (5.0, 3.2.2.3.3). At it: 0x93.
    receive_maximum: int = MOST_PER_SENDER
    #: Bytes written that a client has not read: 16,384 PUBACKs. At it: it is closed.
    outbound_bytes: int = 64 * KIB
    #: SUBSCRIBE filters, PINGREQ, PUBACK and the like of one connection a second: a gateway's 1,000 valves
    #: acknowledging twice. At it: 0x96, closed.
    control_packets_per_s: int = 2000
    #: The longest keep-alive honoured, and what one who asks for none gets: a half-open connection is found within
    #: 1.5 h. MQTT 5 clients are told (5.0, 3.2.2.3.14); a 3.1.1 client silent for 1.5 times this is closed.
    keep_alive_cap_s: int = 3600
    #: Commands of one device that were written on one connection, are not expired and have no PUBACK: attempts are 30 s
    #: long and seconds apart, so this many mean that nobody is there. At it: the connection is closed, so that the
    #: device comes back and gets them; what is then repeated does not count. A session keeps so many, the newest.
    commands_in_flight: int = 8
    #: Sessions kept for clients that are away (memory only). At it: the one away longest is forgotten.
    sessions_kept: int = 20_000
    #: How long at most. At it: forgotten; the client is told by "session present" 0.
    session_kept_s: int = 86_400
    #: A message withheld (the store is in its reserve) is offered again after this at the latest: its connection is
    #: ended with 0x97 (a client repeats unacknowledged messages only on a new connection: 5.0, 4.4).
    withheld_for_s: float = 30.0
    #: From our closing a connection to its being aborted, when the client does not take the last bytes.
    close_within_s: float = 5.0
    #: Refusals logged a second; all are counted.
    log_lines_per_s: int = 20


class Why(StrEnum):
    """Why something was refused; the name of its counter."""

    TOO_MANY_CONNECTIONS = "too_many_connections"
    ACCEPT_FAILED = "accept_failed"
    TLS_HANDSHAKE = "tls_handshake"
    CONNECT_TIMEOUT = "connect_timeout"
    CONNECT_EXPECTED = "connect_expected"
    UNSUPPORTED_VERSION = "unsupported_version"
    ANONYMOUS = "anonymous"
    BAD_CREDENTIALS = "bad_credentials"
    CERTIFICATE_MISMATCH = "certificate_mismatch"
    AUTHENTICATION_METHOD = "authentication_method"
    CLIENT_ID = "client_id"
    WILL = "will"
    MALFORMED = "malformed"
    PROTOCOL_ERROR = "protocol_error"
    PACKET_TOO_LARGE = "packet_too_large"
    SLOW_PACKET = "slow_packet"
    KEPT_BYTES = "kept_bytes"
    QOS_2 = "qos_2"
    PUBLISH_TOPIC = "publish_topic"
    SUBSCRIPTION = "subscription"
    RECEIVE_MAXIMUM = "receive_maximum"
    CONTROL_RATE = "control_rate"
    NOT_READING = "not_reading"
    KEEP_ALIVE = "keep_alive"
    COMMANDS_IN_FLIGHT = "commands_in_flight"
    TAKEN_OVER = "taken_over"
    TOO_MANY_OF_IDENTITY = "too_many_of_identity"
    REVOKED = "revoked"
    WITHHELD = "withheld"
    SHUTTING_DOWN = "shutting_down"


#: What an MQTT 5 client is told.
REASON: dict[Why, Reason] = {
    Why.CONNECT_TIMEOUT: Reason.PROTOCOL_ERROR,
    Why.CONNECT_EXPECTED: Reason.PROTOCOL_ERROR,
    Why.UNSUPPORTED_VERSION: Reason.UNSUPPORTED_VERSION,
    Why.ANONYMOUS: Reason.NOT_AUTHORIZED,
    Why.BAD_CREDENTIALS: Reason.BAD_CREDENTIALS,
    Why.CERTIFICATE_MISMATCH: Reason.NOT_AUTHORIZED,
    Why.AUTHENTICATION_METHOD: Reason.BAD_AUTHENTICATION_METHOD,
    Why.CLIENT_ID: Reason.CLIENT_ID_NOT_VALID,
    Why.WILL: Reason.NOT_AUTHORIZED,
    Why.MALFORMED: Reason.MALFORMED_PACKET,
    Why.PROTOCOL_ERROR: Reason.PROTOCOL_ERROR,
    Why.PACKET_TOO_LARGE: Reason.PACKET_TOO_LARGE,
    Why.SLOW_PACKET: Reason.MALFORMED_PACKET,
    Why.KEPT_BYTES: Reason.QUOTA_EXCEEDED,
    Why.QOS_2: Reason.QOS_NOT_SUPPORTED,
    Why.PUBLISH_TOPIC: Reason.NOT_AUTHORIZED,
    Why.SUBSCRIPTION: Reason.NOT_AUTHORIZED,
    Why.RECEIVE_MAXIMUM: Reason.RECEIVE_MAXIMUM_EXCEEDED,
    Why.CONTROL_RATE: Reason.MESSAGE_RATE_TOO_HIGH,
    Why.KEEP_ALIVE: Reason.KEEP_ALIVE_TIMEOUT,
    Why.COMMANDS_IN_FLIGHT: Reason.QUOTA_EXCEEDED,
    Why.TAKEN_OVER: Reason.SESSION_TAKEN_OVER,
    Why.TOO_MANY_OF_IDENTITY: Reason.QUOTA_EXCEEDED,
    Why.REVOKED: Reason.NOT_AUTHORIZED,
    Why.WITHHELD: Reason.QUOTA_EXCEEDED,
    Why.SHUTTING_DOWN: Reason.SERVER_SHUTTING_DOWN,
}


@dataclass(slots=True)
class EndpointCounts:
    """What happened since the start. `refused` holds one count per Why."""

    accepted: int = 0
    signed_in: int = 0
    messages: int = 0
    message_bytes: int = 0
    replies: int = 0
    commands_sent: int = 0
    commands_repeated: int = 0
    commands_unreachable: int = 0
    paused: int = 0
    pace_reached: int = 0
    refused: Counter[Why] = field(default_factory=Counter)
