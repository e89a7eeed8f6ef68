"""The command as it travels to a valve, and the reply as it comes back (native wire protocol, version 1)."""

from enum import StrEnum

import msgspec


class Verb(StrEnum):
    """There is no verb that opens a valve. PERMIT_OPEN lets a person on site open it, and a rule can never say it."""

    CLOSE = "close"
    PERMIT_OPEN = "permit_open"
    FAN_ON = "fan_on"


class Command(msgspec.Struct, frozen=True):
    """One attempt, as sent. `issued` and `expires` are RFC 3339 UTC; a device must not run it after `expires` (G8).
    `epoch` grows with every new wanted position of this valve: a device ignores a lower one than it has seen."""

    id: str
    verb: Verb
    epoch: int
    issued: str
    expires: str
    reason: str


class Reply(msgspec.Struct, frozen=True):
    """A device's answer to a command: its id, and where the valve stands now (a word of ValvePosition)."""

    id: str
    valve: str = "unknown"


def encode_command(command: Command) -> bytes:
    return msgspec.json.encode(command)


def decode_command(payload: bytes) -> Command:
    """Raises msgspec.ValidationError or DecodeError for anything that is not a command."""
    return msgspec.json.decode(payload, type=Command)
