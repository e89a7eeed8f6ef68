"""Byte streams as a careless, broken or hostile client might send them, from a seed."""

import random

from ingest.mqtt_packets import (
    Connack,
    Connect,
    Disconnect,
    Filter,
    Packet,
    Pingreq,
    Puback,
    Publish,
    Subscribe,
    Unsubscribe,
    Will,
    build,
)
from ingest.mqtt_properties import Properties, Property
from ingest.mqtt_wire import V5, V311
from tests.mqtt.town import BEHIND, DETECTOR, GATEWAY, VALVE, connect_as, topic

_PAYLOADS = [
    b"",
    b'{"seq":1}',
    b"\x00",
    b"\xff\xfe",
    b"[" * 500,
    b'{"combustible_lel":NaN}',
    b"x" * 200,
    b"1" * 20_000,
]
_TOPICS = [
    *[topic(GATEWAY)] * 10,
    *[topic(BEHIND)] * 6,
    *[topic(GATEWAY, "reply")] * 4,
    topic(BEHIND, "command"),
    topic(DETECTOR),
    topic(VALVE),
    topic(DETECTOR, "command"),
    "a/b",
    "",
    "\U0001f4a9",
    "davy/v1/acme/d1/telemetry/",
]


def packet(rng: random.Random, version: int) -> bytes:
    """One well-formed packet of any kind."""
    made: Packet
    match rng.randrange(16):
        case 0:
            made = Subscribe(rng.randrange(1, 9), (Filter(rng.choice([*_TOPICS, "#"]) or "+", rng.randrange(3)),))
        case 1:
            made = Unsubscribe(1, (rng.choice(_TOPICS) or "x",))
        case 2:
            others: list[Packet] = [Pingreq(), Pingreq(), Puback(rng.randrange(1, 9)), Connack()]
            made = rng.choice(others)
        case 3 if rng.random() < 0.3:
            made = Disconnect(rng.choice([0, 4]))
        case 4 if rng.random() < 0.3:
            will = Will(rng.choice(_TOPICS) or "x", b"", rng.randrange(3)) if rng.random() < 0.5 else None
            made = Connect("c", version, username="acme/d1", password=b"guess", will=will)
        case _:
            qos = rng.choice([0, 0, *[1] * 10, 2])
            properties = Properties()
            if rng.random() < 0.2:
                properties = Properties({Property.PAYLOAD_FORMAT: 1}, {Property.CONTENT_TYPE: "application/cbor"})
            made = Publish(
                rng.choice(_TOPICS),
                rng.choice(_PAYLOADS),
                qos,
                rng.randrange(1, 65_536) if qos else 0,
                qos > 0 and rng.random() < 0.1,
                rng.random() < 0.1,
                properties,
            )
    return build(made, version)


def stream(rng: random.Random, version: int) -> bytes:
    """A sign-in and what follows it; in half of the cases something is wrong with the bytes."""
    parts = [build(connect_as(rng.choice([DETECTOR, *[GATEWAY] * 4]), version), version)] if rng.random() < 0.9 else []
    parts += [packet(rng, version) for _ in range(rng.randrange(12))]
    data = bytearray(b"".join(parts))
    for _ in range(rng.choice([0, 0, 1, 3])):
        if not data:
            break
        place = rng.randrange(len(data))
        match rng.randrange(5):
            case 0:
                data[place] ^= 1 << rng.randrange(8)
            case 1:
                data[place] = rng.choice([0, 1, 0x7F, 0x80, 0xFF])
            case 2:
                del data[place : place + rng.randrange(1, 9)]
            case 3:
                data[place:place] = rng.randbytes(rng.randrange(1, 9))
            case _:
                del data[place:]
    return bytes(data) if rng.random() < 0.95 else rng.randbytes(rng.randrange(200))


def pieces(rng: random.Random, data: bytes) -> list[bytes]:
    """The same bytes as a network might deliver them."""
    if rng.random() < 0.2:
        return [data[n : n + 1] for n in range(min(len(data), 300))] + ([data[300:]] if len(data) > 300 else [])
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(1, 8)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True) if a < b]


def version_of(rng: random.Random) -> int:
    return rng.choice([V311, V5])
