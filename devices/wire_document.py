"""The native wire protocol as an AsyncAPI 3.0 document, from the types and tables that the code runs on.

`python -m devices.wire_document > docs/asyncapi.json` writes it anew; a test holds the file to it. What a schema cannot
say (identity, clocks, what becomes of a value out of range) is in docs/WIRE.md.
"""

import json
import sys
from typing import Any

import msgspec

from devices.codecs.native import CBOR, JSON
from devices.codecs.telemetry import (
    CAUSE_WORDS,
    FIELDS,
    FLAG_NAMES,
    MOST_BOOT,
    MOST_PAYLOAD_BYTES,
    MOST_READING_BYTES,
    MOST_READINGS,
    MOST_SEQ,
    VALVE_WORDS,
)
from devices.commands import Command, Reply
from devices.quantities import QUANTITIES
from devices.topics import ID_PATTERN, Kind

#: JSON as the standard library writes it. This document is data for other people's tools, so it has no types of ours.
Node = dict[str, Any]

_QOS = {"mqtt": {"qos": 1, "retain": False, "bindingVersion": "0.2.0"}}
_WHAT = {
    Kind.TELEMETRY: "A device publishes what it measures. The PUBACK means that it is on disk.",
    Kind.COMMAND: "Davy publishes what a valve or fan shall do; the device subscribes to exactly this topic.",
    Kind.REPLY: "A device answers a command with where its valve stands, and again when it has arrived; a fan answers "
    "once it runs.",
    Kind.ACK: "Davy publishes to a device behind somebody else's broker: every number of this boot up to this one is "
    "on disk, in quarantine, or no longer held by the device (`first`). Only that may be deleted. The endpoint, whose "
    "PUBACK says it, publishes nothing here, and refuses a subscription.",
}
_MESSAGES = {
    Kind.TELEMETRY: ("telemetry", "telemetry_cbor"),
    Kind.COMMAND: ("command",),
    Kind.REPLY: ("reply",),
    Kind.ACK: ("ack",),
}


def wire_document() -> bytes:
    """The document, in UTF-8. The same code gives the same bytes."""
    schemas = {"reading": _reading(), "telemetry": _telemetry(), "ack": _ack(), **_commands()}
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Davy: the native wire protocol",
            "version": "1",
            "description": "How detectors, valves and gateways speak to Davy over MQTT 3.1.1 or 5. Read docs/WIRE.md: "
            "this document holds what a schema can say.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": JSON,
        "channels": {str(kind): _channel(kind) for kind in Kind},
        "operations": {
            "receive_telemetry": _operation("receive", Kind.TELEMETRY),
            "send_command": {**_operation("send", Kind.COMMAND), "reply": {"channel": _ref("channels", Kind.REPLY)}},
            "receive_reply": _operation("receive", Kind.REPLY),
            "send_ack": {**_operation("send", Kind.ACK), "bindings": {"mqtt": {**_QOS["mqtt"], "qos": 0}}},
        },
        "components": {
            "messages": {
                "telemetry": _message("telemetry", JSON),
                "telemetry_cbor": _message("telemetry", CBOR),
                "command": {**_message("Command", JSON), "correlationId": {"location": "$message.payload#/id"}},
                "reply": {**_message("Reply", JSON), "correlationId": {"location": "$message.payload#/id"}},
                "ack": _message("ack", JSON),
            },
            "parameters": {name: {"description": f"`{ID_PATTERN.pattern}`"} for name in ("vendor", "serial")},
            "schemas": schemas,
            "securitySchemes": {
                "token": {"type": "userPassword", "description": "User name `vendor/serial`, password the token."},
                "certificate": {"type": "X509", "description": "Common name `vendor/serial`."},
            },
        },
    }
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def _ref(*path: str) -> Node:
    return {"$ref": "/".join(("#", *path))}


def _channel(kind: Kind) -> Node:
    return {
        "address": f"davy/v1/{{vendor}}/{{serial}}/{kind}",
        "description": _WHAT[kind],
        "parameters": {name: _ref("components", "parameters", name) for name in ("vendor", "serial")},
        "messages": {name: _ref("components", "messages", name) for name in _MESSAGES[kind]},
    }


def _operation(action: str, kind: Kind) -> Node:
    """`action` is Davy's: a device does the opposite."""
    return {
        "action": action,
        "channel": _ref("channels", kind),
        "security": [_ref("components", "securitySchemes", name) for name in ("token", "certificate")],
        "bindings": _QOS,
    }


def _message(schema: str, content_type: str) -> Node:
    return {"contentType": content_type, "payload": _ref("components", "schemas", schema)}


def _telemetry() -> Node:
    reading = _ref("components", "schemas", "reading")
    return {
        "description": f"At most {MOST_PAYLOAD_BYTES} bytes, and {MOST_READING_BYTES} for each reading. It is stored "
        "or refused as a whole.",
        "oneOf": [reading, {"type": "array", "items": reading, "minItems": 1, "maxItems": MOST_READINGS}],
    }


def _reading() -> Node:
    return {
        "type": "object",
        "description": "Every key may be left out, and null is the same; at least one must have a value. Other keys "
        "are kept and not evaluated.",
        "minProperties": 1,
        "properties": {name: _fields()[name] for name in FIELDS},
    }


def _fields() -> dict[str, Node]:
    outside = "a value outside is stored as out of range, without the number"
    return {
        "ts": {
            "type": ["integer", "string", "null"],
            "description": "When it was measured: milliseconds since 1970 UTC, or RFC 3339 with its offset.",
        },
        "boot": _integer(MOST_BOOT, "Grows by one at each start of the device."),
        "seq": _integer(MOST_SEQ, "Grows by one with each reading."),
        "first": _integer(MOST_SEQ, "The oldest number of this boot that the device still holds, this one included."),
        **{
            quantity.name: {
                "type": ["number", "null"],
                "description": f"UCUM {quantity.unit}; {outside}.",
                "minimum": quantity.lowest,
                "maximum": quantity.highest,
            }
            for quantity in QUANTITIES
        },
        "valve": _word(VALVE_WORDS, "Where the valve stands."),
        "valve_cause": _word(CAUSE_WORDS, "Why it closed."),
        **{name: {"type": ["boolean", "null"]} for name in FLAG_NAMES},
    }


def _integer(most: int, what: str) -> Node:
    return {"type": ["integer", "null"], "description": what, "minimum": 0, "maximum": most}


def _word(words: dict[str, int], what: str) -> Node:
    return {
        "type": ["string", "null"],
        "description": f"{what} Another word is kept as unknown.",
        "enum": [*words, None],
    }


def _ack() -> Node:
    return {
        "type": "object",
        "description": "The same may come again, and an earlier boot's beside the newest's; one may be lost, and the "
        "next says it all.",
        "properties": {
            "boot": {"type": "integer", "minimum": 0, "maximum": MOST_BOOT},
            "seq": {"type": "integer", "minimum": 0, "maximum": MOST_SEQ},
        },
        "required": ["boot", "seq"],
    }


def _commands() -> dict[str, Node]:
    _, schemas = msgspec.json.schema_components((Command, Reply), ref_template="#/components/schemas/{name}")
    for schema in schemas.values():
        schema["description"] = " ".join(schema["description"].split())
    schemas["Reply"]["properties"]["valve"]["enum"] = list(VALVE_WORDS)
    return dict(schemas)


if __name__ == "__main__":
    sys.stdout.buffer.write(wire_document())
