"""The native topic grammar, version 1: `davy/v1/{vendor}/{serial}/{kind}`. One place parses it and formats it."""

import re
from enum import StrEnum
from typing import NamedTuple

ID_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_TOPIC = re.compile(r"davy/v1/([A-Za-z0-9_-]{1,64})/([A-Za-z0-9_-]{1,64})/(telemetry|command|reply|ack)\Z")


class Kind(StrEnum):
    """TELEMETRY and REPLY are published by devices; COMMAND and ACK are what a device subscribes to."""

    TELEMETRY = "telemetry"
    COMMAND = "command"
    REPLY = "reply"
    ACK = "ack"


class Topic(NamedTuple):
    vendor: str
    serial: str
    kind: Kind


def parse_topic(text: str) -> Topic | None:
    """The topic, or None when `text` is not one of ours."""
    match = _TOPIC.match(text)
    return Topic(match[1], match[2], Kind(match[3])) if match else None


def format_topic(vendor: str, serial: str, kind: Kind) -> str:
    """The inverse of `parse_topic`. Raises ValueError for an id outside the grammar."""
    for name in (vendor, serial):
        if not ID_PATTERN.match(name):
            raise ValueError(f"{name!r} is not an id: 1 to 64 of A-Z a-z 0-9 _ -")
    return f"davy/v1/{vendor}/{serial}/{kind}"
