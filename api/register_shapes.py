"""What all answers of the register have in common: which version a thing is, and what a change has to say of it."""

from collections.abc import Mapping
from typing import Annotated, TypeVar

import msgspec
from fastapi import Header, Response
from pydantic import Field

from api.problems import BAD_PARAMETER, CHANGED_MEANWHILE, VERSION_NEEDED, Problem
from api.shapes import Shape
from api.times import Utc

StructT = TypeVar("StructT", bound=msgspec.Struct)


class Past(Shape):
    """One version of a thing; the thing itself says which, since when, and by whom."""

    superseded: Utc | None = Field(description="Until when it stood so; null: it stands")
    gone: bool = Field(description="It says that the thing is registered no longer")


IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=40,
        description='The version that is changed, as its ETag: `"3"`; `*` for whatever there is',
        examples=['"3"'],
    ),
]


def tell_version(response: Response, version: int) -> None:
    response.headers["ETag"] = f'"{version}"'


def expect_version(if_match: str | None, version: int) -> None:
    """Raises Problem: 428 where the asker did not say what it changes, 412 where that is no longer what there is."""
    if if_match is None:
        raise Problem(VERSION_NEEDED, f'Send `If-Match: "{version}"`, the version that you have seen')
    said = if_match.strip().removeprefix("W/").strip('"')
    if said == "*":
        return
    if not (said.isascii() and said.isdigit()):
        raise Problem(BAD_PARAMETER, 'header.if-match: the ETag of what is changed, such as "3"')
    if int(said) != version:
        raise Problem(CHANGED_MEANWHILE, f"It is version {version} by now; look at it again, then change that one")


def laid(before: StructT, said: Mapping[str, object]) -> StructT:
    """What was, with what is said laid over it: names that the type does not have are passed over, None is its default
    (not known, none), and of several words each is kept once, in order."""
    kind = type(before)
    optional = kind.__struct_fields__[len(kind.__struct_fields__) - len(kind.__struct_defaults__) :]
    defaults = dict(zip(optional, kind.__struct_defaults__, strict=True))
    changes: dict[str, object] = {}
    for name, value in said.items():
        if name in kind.__struct_fields__:
            words = tuple(sorted({str(word) for word in value} - {""})) if isinstance(value, list) else value
            changes[name] = defaults[name] if words is None else words
    return msgspec.structs.replace(before, **changes)
