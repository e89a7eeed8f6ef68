"""An example of each answer, made from its schema, so that none is missing and none is out of date.

X1  An example fits its schema (a test asks a validator).
X2  The same schema gives the same example.
"""

import json
import re
from typing import Any

from api.event_shapes import AlarmRaisedEvent
from api.example_values import FORMATS, PATTERNED, TEXTS, VALUES

#: A JSON schema, or the JSON that it describes: other people's format, so it has no types of ours.
Node = dict[str, Any]

_JSON, _EVENTS = "application/json", "text/event-stream"
_REF = "#/components/schemas/"
#: How deep shapes within shapes are shown: rules nest without end (product choice).
_DEEPEST = 8


def with_examples(document: Node) -> None:
    """Give every answer in an OpenAPI document an example, where it has none."""
    schemas = document["components"]["schemas"]
    for operations in document["paths"].values():
        for operation in operations.values():
            for answer in operation["responses"].values():
                for media_type, content in answer.get("content", {}).items():
                    if not {"example", "examples"} & set(content):
                        content |= _shown(media_type, content, schemas)


def _shown(media_type: str, content: Node, schemas: Node) -> Node:
    """The example, or nothing of what is no text."""
    if media_type == _JSON:
        return {"example": example_of(content.get("schema", {}), schemas)}
    if media_type == _EVENTS:
        event = example_of({"$ref": f"{_REF}{AlarmRaisedEvent.__name__}"}, schemas)
        data = json.dumps(event, ensure_ascii=False)
        return {"example": f"id: b1:4242:0\nevent: {event['type']}\ndata: {data}\n\n"}
    return {"example": TEXTS[media_type]} if media_type in TEXTS else {}


def example_of(schema: Node, schemas: Node) -> Any:
    """A value that fits `schema`, whose references lead into `schemas`."""
    return _Examples(schemas).of(schema, "", 0)


class _Examples:
    def __init__(self, schemas: Node) -> None:
        self._schemas = schemas

    def of(self, schema: Node, name: str, depth: int) -> Any:
        """`name`: of the field that it is for."""
        if "$ref" in schema:
            return self.of(self._schemas[schema["$ref"].removeprefix(_REF)], name, depth)
        for key in ("const", "example"):
            if key in schema:
                return schema[key]
        if schema.get("examples"):
            return schema["examples"][0]
        choices = schema.get("anyOf") or schema.get("oneOf")
        if choices:
            return self._chosen(choices, name, depth)
        if "enum" in schema:
            return _named(schema["enum"], name, schema["enum"][0])
        match schema.get("type"):
            case "object":
                return self._object(schema, name, depth)
            case "array":
                return self._array(schema, name, depth)
            case kind:
                return _scalar(kind, schema, name)

    def _chosen(self, choices: list[Node], name: str, depth: int) -> Any:
        empty = {"type": "null"} in choices
        if empty and (depth >= _DEEPEST or None in VALUES.get(name, ())):
            return None
        return self.of(next(choice for choice in choices if choice != {"type": "null"}), name, depth)

    def _object(self, schema: Node, name: str, depth: int) -> Node:
        if "properties" in schema:
            asked = schema["properties"]
            if depth >= _DEEPEST:
                asked = {key: asked[key] for key in schema.get("required", ())}
            return {key: self.of(of, key, depth + 1) for key, of in asked.items()}
        within = schema.get("additionalProperties")
        return {"combustible_lel": self.of(within, name, depth + 1)} if isinstance(within, dict) and within else {}

    def _array(self, schema: Node, name: str, depth: int) -> list[Any]:
        if "prefixItems" in schema:
            return [self.of(one, name, depth + 1) for one in schema["prefixItems"]]
        if depth >= _DEEPEST and not schema.get("minItems"):
            return []
        return [self.of(schema.get("items", {}), name, depth + 1)] * max(1, schema.get("minItems", 1))


def _named(allowed: list[Any], name: str, else_: Any) -> Any:
    return next((value for value in VALUES.get(name, ()) if value in allowed), else_)


def _scalar(kind: str | None, schema: Node, name: str) -> Any:
    fitting = (value for value in VALUES.get(name, ()) if _fits(kind, schema, value))
    match kind:
        case "string":
            if "format" in schema and schema["format"] in FORMATS:
                return FORMATS[schema["format"]]
            fallback = (value for value in (name, *PATTERNED) if _fits(kind, schema, value))
            return next(fitting, None) or next(fallback, "")
        case "integer" | "number":
            floor = int(schema.get("minimum") or schema.get("exclusiveMinimum") or 0)
            return next(fitting, max(1, floor))
        case "boolean":
            return next(fitting, True)
        case _:
            return {} if kind is None else None


def _fits(kind: str | None, schema: Node, value: object) -> bool:
    match kind, value:
        case "boolean", bool():
            return True
        case ("integer", int()) | ("number", int() | float()) if not isinstance(value, bool):
            assert isinstance(value, int | float)
            return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
        case "string", str():
            long_enough = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
            return long_enough and re.search(schema.get("pattern", ""), value) is not None
        case _:
            return False
