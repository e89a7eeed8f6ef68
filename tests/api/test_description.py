"""The description says all that a client meets: what each operation is for, an example of each answer that fits its
schema, and each error."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from api import problems
from tests.api.declared import description

DOCUMENT = description()
#: What has no example, because it is no text.
_BINARY = {"application/pdf", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}


def _operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            yield f"{method.upper()} {path}", operation


OPERATIONS = dict(_operations())


def _faults(schema: dict[str, Any], value: Any) -> list[str]:
    whole = {**schema, "components": DOCUMENT["components"]}
    return [str(error) for error in jsonschema_rs.Draft202012Validator(whole, validate_formats=True).iter_errors(value)]


def test_it_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert len(OPERATIONS) > 150


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_says_what_it_is_for_and_shows_each_answer(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"]
    assert any(status < "300" for status in operation["responses"])
    for status, answer in operation["responses"].items():
        assert answer["description"]
        if status == "204":
            assert "content" not in answer
            continue
        assert answer["content"], f"{status} has no content"
        for media_type, content in answer["content"].items():
            assert media_type in _BINARY or {"example", "examples"} & set(content), f"{status} {media_type}"
            if "example" in content:
                assert _faults(content.get("schema", {}), content["example"]) == []


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_declares_what_may_come_of_any_request(name: str) -> None:
    declared = set(OPERATIONS[name]["responses"])
    assert {"500", "503"} <= declared
    if "requestBody" in OPERATIONS[name]:
        assert {"400", "408", "413", "422"} <= declared
    if OPERATIONS[name].get("security"):
        assert {"401", "403", "429"} <= declared
    if any(parameter["in"] != "path" for parameter in OPERATIONS[name].get("parameters", ())):
        assert "422" in declared


def test_every_kind_of_problem_has_an_example_and_each_error_refers_to_one() -> None:
    examples = DOCUMENT["components"]["examples"]
    kinds = {kind.slug: kind for kind in vars(problems).values() if isinstance(kind, problems.Kind)}
    assert set(examples) == set(kinds)
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    for slug, example in examples.items():
        assert _faults(schema, example["value"]) == []
        assert example["value"]["status"] == kinds[slug].status
    for name, operation in OPERATIONS.items():
        for status, answer in operation["responses"].items():
            for slug in answer.get("content", {}).get(problems.MEDIA_TYPE, {}).get("examples", {}):
                assert kinds[slug].status == int(status), name


def test_every_example_of_a_body_fits_its_schema() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for example in schema.get("examples", ()):
            assert _faults({"$ref": f"#/components/schemas/{name}"}, example) == [], name
