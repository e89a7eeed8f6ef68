"""docs/rule-pack.schema.json says what the code reads: each key, its words and its meaning."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from rules.documents.merged import built_in, built_in_pack
from rules.documents.schema import pack_schema
from rules.documents.types import Rule

SCHEMA: dict[str, Any] = json.loads(pack_schema())
FILE = Path(__file__).parents[2] / "docs" / "rule-pack.schema.json"


def test_the_file_in_docs_is_what_the_code_says() -> None:
    assert FILE.read_bytes() == pack_schema(), "davy rules schema > docs/rule-pack.schema.json"


def test_every_key_of_a_rule_is_in_it_and_every_table_says_what_it_is() -> None:
    assert {*SCHEMA["$defs"]["Rule"]["properties"]} == {*Rule.__struct_fields__}
    assert all(SCHEMA["$defs"][name]["description"] for name in ("Rule", "Override", "Selection", "Schedule"))


def _fits(said: object, node: dict[str, Any], at: str) -> None:
    """As much of JSON Schema as this document makes use of."""
    if "$ref" in node:
        node = SCHEMA["$defs"][node["$ref"].split("/")[-1]]
    if "anyOf" in node:
        nodes = [one for one in node["anyOf"] if one.get("type") != "null"]
        assert len(nodes) == 1, at
        return _fits(said, nodes[0], at)
    if "enum" in node:
        assert said in node["enum"], at
    if isinstance(said, dict):
        if "properties" in node:
            assert {*said} <= {*node["properties"]}, at
            assert {*node["required"]} <= {*said}, at
        for key, value in said.items():
            _fits(value, node.get("properties", {}).get(key) or node["additionalProperties"], f"{at}.{key}")
    if isinstance(said, list):
        for one in said:
            _fits(one, node["items"], f"{at}[]")


@pytest.mark.parametrize("name", built_in())
def test_every_pack_that_davy_brings_fits_it(name: str) -> None:
    _fits(tomllib.loads(built_in_pack(name).decode()), SCHEMA, name)
