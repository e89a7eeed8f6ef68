"""The references of a JSON document, for the tests of those that we publish."""

from collections.abc import Iterator


def references(node: object) -> Iterator[str]:
    """Every `$ref`, wherever it stands."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for inner in node.values():
            yield from references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from references(inner)
