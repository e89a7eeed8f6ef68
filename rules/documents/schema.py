"""The JSON Schema of a rule pack, from the types that read it and the comments beside their fields.

`davy rules schema > docs/rule-pack.schema.json` writes it anew; a test holds the file to it. What a schema cannot say
(that a condition means something, that a limit fits its quantity) `davy rules check` does.
"""

import inspect
import json
from typing import Any

import msgspec

from devices.model_schema import remarks
from rules.decisions import Priority
from rules.documents.keys import LONGEST_HOLD_S, RULE_FLAGS
from rules.documents.overrides import MOST_OVERRIDES
from rules.documents.schedule import DAYS
from rules.documents.together import MOST_RULES
from rules.documents.types import Budget, Escalation, Override, Rule, Schedule, Selection, Title

#: JSON as the standard library writes it. This document is data for other people's tools, so it has no types of ours.
Node = dict[str, Any]

_TYPES = (Rule, Override, Selection, Schedule, Escalation, Budget, Title)
_TIME = "^([01][0-9]|2[0-3]):[0-5][0-9]$"


def pack_schema() -> bytes:
    """The schema, in UTF-8. The same code gives the same bytes."""
    _, components = msgspec.json.schema_components([Rule, Override], ref_template="#/$defs/{name}")
    components = dict(components)
    for kind in _TYPES:
        node = components[kind.__name__]
        node["description"] = " ".join((inspect.getdoc(kind) or "").split())
        for field, remark in remarks(kind).items():
            node["properties"][_written(kind, field)].setdefault("description", remark)
    components["Priority"] = {"title": "Priority", "enum": [one.name.lower() for one in Priority]}
    _sharpen(components)
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Davy: a rule pack (TOML)",
        "type": "object",
        "properties": {
            "version": {"type": "string", "description": "The author's own name for this version of the pack."},
            "rule": {"type": "array", "items": {"$ref": "#/$defs/Rule"}, "maxItems": MOST_RULES},
            "override": {"type": "array", "items": {"$ref": "#/$defs/Override"}, "maxItems": MOST_OVERRIDES},
        },
        "required": ["version", "rule"],
        "additionalProperties": False,
        "$defs": dict(sorted(components.items())),
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _sharpen(components: Node) -> None:
    """What the types leave open and the reader does not."""
    rule, schedule = components["Rule"]["properties"], components["Schedule"]["properties"]
    rule["id"]["pattern"] = "^[a-z0-9-]{1,40}$"
    rule["flags"]["items"] = {"enum": list(RULE_FLAGS)}
    rule["notify"]["pattern"] = "^[a-z_]{0,20}$"
    for key in ("hold_s", "clear_hold_s"):
        rule[key] |= {"minimum": 0, "maximum": LONGEST_HOLD_S}
    schedule["from"]["pattern"] = schedule["until"]["pattern"] = _TIME
    schedule["days"]["items"] = {"enum": list(DAYS)}


def _written(kind: type[msgspec.Struct], field: str) -> str:
    """A field's name in TOML."""
    return next(one.encode_name for one in msgspec.structs.fields(kind) if one.name == field)
