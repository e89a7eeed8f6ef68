"""docs/asyncapi.json is what the code says today."""

import json
from pathlib import Path

from devices.codecs.telemetry import FIELDS, MOST_READINGS, VALVE_WORDS
from devices.commands import Command, Verb
from devices.topics import Kind, Topic, parse_topic
from devices.wire_document import wire_document
from tests.devices.json_references import references

FILE = Path(__file__).parents[2] / "docs" / "asyncapi.json"
DOCUMENT = json.loads(wire_document())


def test_the_file_is_the_one_that_the_code_makes() -> None:
    remedy = "python -m devices.wire_document > docs/asyncapi.json"
    assert FILE.read_bytes() == wire_document(), f"the protocol has changed: {remedy}"


def test_every_reference_leads_somewhere() -> None:
    found = list(references(DOCUMENT))
    assert len(found) > 20
    for reference in found:
        node = DOCUMENT
        root, *path = reference.split("/")
        assert root == "#"
        for name in path:
            node = node[name]


def test_its_channels_are_the_topics() -> None:
    channels = DOCUMENT["channels"]
    assert set(channels) == {str(kind) for kind in Kind}
    for kind in Kind:
        address = channels[kind]["address"].format(vendor="acme", serial="d1")
        assert parse_topic(address) == Topic("acme", "d1", kind)


def test_its_schemas_are_the_fields_and_the_commands() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert tuple(schemas["reading"]["properties"]) == FIELDS
    assert schemas["telemetry"]["oneOf"][1]["maxItems"] == MOST_READINGS
    assert tuple(schemas["Command"]["properties"]) == Command.__struct_fields__
    assert schemas["Verb"]["enum"] == sorted(Verb)
    assert schemas["Reply"]["properties"]["valve"]["enum"] == list(VALVE_WORDS)
