"""The answer of a device to a command: `{"id": ..., "valve": ...}`."""

from typing import NamedTuple

from devices.codecs.strict_json import parse
from devices.codecs.telemetry import VALVE_WORDS, PayloadRefused
from devices.quantities import ValvePosition
from devices.topics import ID_PATTERN


class ValveReply(NamedTuple):
    """id: which command was answered. position: where the device says its valve stands; without one, or with a word
    we do not know, UNKNOWN, which confirms nothing (G7)."""

    id: str
    position: ValvePosition


def decode_reply(payload: bytes) -> ValveReply | str:
    """The reply, or the reason why it is none, naming the key. Other keys are allowed and not kept."""
    try:
        value = parse(payload)
    except PayloadRefused as refused:
        return str(refused)
    if not isinstance(value, dict):
        return "a reply is an object"
    command, valve = value.get("id"), value.get("valve")
    if not isinstance(command, str) or not ID_PATTERN.match(command):
        return "id: expected the id of the command, 1 to 64 of A-Z a-z 0-9 _ -"
    if valve is not None and not isinstance(valve, str):
        return "valve: expected a word"
    return ValveReply(command, ValvePosition(VALVE_WORDS.get(valve or "", ValvePosition.UNKNOWN)))
