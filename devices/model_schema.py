"""The JSON Schema of a model file, from the types that read it and the comments beside their fields.

`davy devices schema > docs/device-model.schema.json` writes it anew; a test holds the file to it. What a schema cannot
say (that a field exists, that a range is not empty) `davy devices check` does.
"""

import inspect
import json
import re
from typing import Any

import msgspec

from devices.models import DeviceModel

#: JSON as the standard library writes it. This document is data for other people's tools, so it has no types of ours.
Node = dict[str, Any]

_FIELD = re.compile(r"    ([a-z_]+): \S")


def model_schema() -> bytes:
    """The schema, in UTF-8. The same code gives the same bytes."""
    (_, *_), components = msgspec.json.schema_components([DeviceModel], ref_template="#/$defs/{name}")
    described = {kind.__name__: remarks(kind) for kind in _structs(DeviceModel)}
    for name, node in components.items():
        for field, remark in described.get(name, {}).items():
            node["properties"][field].setdefault("description", remark)
    top: Node = dict(components.pop("DeviceModel"))
    # The file's own name says it.
    top["properties"] = {name: node for name, node in top["properties"].items() if name != "key"}
    top["required"] = [name for name in top["required"] if name != "key"]
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Davy: a device model (TOML)",
        **{name: node for name, node in top.items() if name != "title"},
        "$defs": components,
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _structs(kind: type[msgspec.Struct]) -> set[type[msgspec.Struct]]:
    """A table type and all that it holds."""
    found: set[type[msgspec.Struct]] = set()
    waiting: list[Any] = [msgspec.inspect.type_info(kind)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, msgspec.inspect.StructType):
            if node.cls not in found:
                found.add(node.cls)
                waiting += (field.type for field in node.fields)
        else:
            for name in ("item_type", "value_type", "key_type"):
                waiting += [inner] if (inner := getattr(node, name, None)) is not None else []
            for name in ("types", "item_types"):
                waiting += getattr(node, name, ())
    return found


def remarks(kind: type[msgspec.Struct]) -> dict[str, str]:
    """Field -> the `#:` comment above it in the source, on one line."""
    found: dict[str, str] = {}
    above: list[str] = []
    for line in inspect.getsource(kind).splitlines():
        said = line.strip()
        if said.startswith("#:"):
            above.append(said.removeprefix("#:").strip())
            continue
        field = _FIELD.match(line)
        if field is not None and above:
            found[field.group(1)] = " ".join(above)
        above = []
    return found
