"""The few MQTT 3.1.1 packets the generator needs, as bytes, and a blocking handshake on a raw socket."""

import resource
import socket
import ssl
from dataclasses import dataclass

CONNACK_BYTES = 4
PUBACK_BYTES = 4
PUBACK = 0x40
PUBLISH_QOS1 = 0x32
#: How long a handshake may take before the run is given up.
HANDSHAKE_S = 20.0
#: One loopback address has some 28,000 ephemeral ports towards one listener; many connections take turns over these.
SOURCE_ADDRESSES = tuple(f"127.0.0.{i}" for i in range(2, 10))
MOST_PER_SOURCE = 2_000


class Refused(Exception):
    """The endpoint did not accept the connection, the subscription or a message."""


class Gone(Refused):
    """The endpoint closed the connection: it may be restarting. (A Refused that is not Gone was said on purpose.)"""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the load goes; `tls`: over TLS, by this context."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None


def trusting_all() -> ssl.SSLContext:
    """TLS that believes any certificate: the cost of TLS is measured here, not whom one speaks with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def length_prefixed(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return len(raw).to_bytes(2, "big") + raw


def packet(first_byte: int, body: bytes) -> bytes:
    """A fixed header (type and flags, remaining length) before `body`."""
    length, digits = len(body), bytearray()
    while True:
        length, digit = divmod(length, 128)
        digits.append(digit | 0x80 if length else digit)
        if not length:
            return bytes((first_byte,)) + bytes(digits) + body


def connect_packet(identity: str, token: str, keep_alive_s: int) -> bytes:
    """Clean session, user name and password."""
    flags = 0xC2
    head = length_prefixed("MQTT") + bytes((4, flags)) + keep_alive_s.to_bytes(2, "big")
    client_id = identity.replace("/", "-")
    return packet(0x10, head + length_prefixed(client_id) + length_prefixed(identity) + length_prefixed(token))


def publish_packet(topic: str, packet_id: int, payload: bytes) -> bytes:
    return packet(PUBLISH_QOS1, length_prefixed(topic) + packet_id.to_bytes(2, "big") + payload)


def subscribe_packet(topic: str, packet_id: int) -> bytes:
    return packet(0x82, packet_id.to_bytes(2, "big") + length_prefixed(topic) + b"\x01")


def puback_packet(packet_id: int) -> bytes:
    return packet(PUBACK, packet_id.to_bytes(2, "big"))


def source_of(target: Target, number: int) -> str | None:
    """Which local address connection `number` comes from: loopback has many, elsewhere the system chooses."""
    if not target.host.startswith("127."):
        return None
    return SOURCE_ADDRESSES[number // MOST_PER_SOURCE % len(SOURCE_ADDRESSES)]


def open_socket(target: Target, number: int) -> socket.socket:
    source = source_of(target, number)
    sock = socket.create_connection(
        (target.host, target.port), HANDSHAKE_S, source_address=(source, 0) if source else None
    )
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return target.tls.wrap_socket(sock) if target.tls else sock


def log_in(target: Target, number: int, identity: str, token: str, keep_alive_s: int = 0) -> socket.socket:
    """A connected, blocking socket. Raises Refused with the CONNACK's code, OSError when there is no endpoint."""
    sock = open_socket(target, number)
    sock.sendall(connect_packet(identity, token, keep_alive_s))
    check_connack(receive_exactly(sock, CONNACK_BYTES), identity)
    return sock


def check_connack(answer: bytes, identity: str) -> None:
    if answer[:2] != b"\x20\x02" or answer[3] != 0:
        raise Refused(f"CONNECT as {identity}: answered {answer.hex(' ')}, not an accepting CONNACK")


def receive_exactly(sock: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        piece = sock.recv(count - len(got))
        if not piece:
            raise Gone(f"the endpoint closed the connection after {len(got)} of {count} bytes")
        got += piece
    return got


def allow_open_files(count: int) -> None:
    """Raise the soft limit of open files to hold `count` sockets. Raises ValueError when the hard limit forbids it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + 64
    if soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ValueError(f"{count} connections need {needed} open files; the hard limit is {hard} (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
