"""`fields=`: which fields of an answer somebody wants.

X1  What names the thing is always there. A field that the shape does not have is refused (422): a misspelt one is not
    silently missing.
X2  A field that is not asked for is absent, not null: the routes leave out what was not set.
"""

from typing import Annotated, TypeVar

from fastapi import Query
from pydantic import BaseModel

from api.problems import BAD_PARAMETER, Problem

Fields = Annotated[
    str | None,
    Query(
        max_length=1_000,
        description="Only these fields, with commas between; what names the thing is always there",
        examples=["site,area,version"],
    ),
]

ShapeT = TypeVar("ShapeT", bound=BaseModel)


def chosen(fields: str | None, shape: type[BaseModel], *names: str) -> frozenset[str] | None:
    """The fields to show, with those that name the thing; None: all. Raises Problem (422)."""
    if not fields:
        return None
    asked = frozenset(word.strip() for word in fields.split(",")) - {""}
    if unknown := sorted(asked - shape.model_fields.keys()):
        known = ", ".join(shape.model_fields)
        raise Problem(BAD_PARAMETER, f"fields: there is no {unknown[0][:60]!r}; there are {known}")
    return asked | set(names)


def only(shown: ShapeT, fields: frozenset[str] | None) -> ShapeT:
    """The shape with these fields set, and no others (X2)."""
    if fields is None:
        return shown
    return type(shown).model_construct(set(fields), **{name: getattr(shown, name) for name in fields})
