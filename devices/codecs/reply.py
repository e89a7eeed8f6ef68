"""The answer of a device to a command: `{"id": ..., "valve": ...}`."""

from typing import NamedTuple

from devices.codecs.strict_json import parse
from devices.codecs.telemetry import VALVE_WORDS, PayloadRefused
from devices.quantities import ValvePosition
from devices.topics import ID_PATTERN


class ValveReply(NamedTuple):
    """Which command was answered, and where the device says its valve stands. A reply without a position, or with a
    word we do not know, says UNKNOWN, which confirms nothing (G7)."""

    command: str
    valve: ValvePosition


def decode_reply(payload: bytes) -> ValveReply:
    """Raises PayloadRefused naming the key. Other keys are allowed and not kept."""
    value = parse(payload)
    if not isinstance(value, dict):
        raise PayloadRefused("a reply is an object")
    command, valve = value.get("id"), value.get("valve")
    if not isinstance(command, str) or not ID_PATTERN.match(command):
        raise PayloadRefused("id: expected the id of the command, 1 to 64 of A-Z a-z 0-9 _ -")
    if valve is not None and not isinstance(valve, str):
        raise PayloadRefused("valve: expected a word")
    return ValveReply(command, ValvePosition(VALVE_WORDS.get(valve or "", ValvePosition.UNKNOWN)))
