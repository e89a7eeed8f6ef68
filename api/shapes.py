"""Words and bases of the JSON shapes: enums travel as lower-case words, absent is null, names carry their units."""

from collections.abc import Callable
from enum import Enum, StrEnum
from typing import Annotated, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.config import JsonDict

from devices.quantities import Flag, ValveCause, ValvePosition
from devices.topics import ID_PATTERN
from rules.decisions import AlarmState, Priority

EnumT = TypeVar("EnumT", bound=Enum)


class Shape(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True)


class Asked(BaseModel):
    """A request's body: what it does not name is refused, so that a misspelt field is not silently ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def example(**body: JsonValue) -> JsonDict:
    """A body's example in the description: `class X(Asked, json_schema_extra=example(...))`."""
    return {"examples": [body]}


class Page(Shape):
    """`next` is the cursor of the page that follows; null on the last."""

    next: str | None = None


#: Of a field that some roles do not see (access/fields.py).
NOT_SHOWN = "Null: not shown to you"


class Source(StrEnum):
    """Who said it: the engine says how it is now, the database how it was last stored."""

    ENGINE = "engine"
    DATABASE = "database"


def word(member: Enum) -> str:
    return member.name.lower()


def _reads(kind: type[EnumT]) -> Callable[[object], object]:
    words = {word(member): member for member in kind}

    def read(value: object) -> object:
        if not isinstance(value, str):
            return value
        if value not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return words[value]

    return read


def _schema(kind: type[Enum]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": [word(member) for member in kind]})


_as_word = PlainSerializer(word, return_type=str)
PriorityWord = Annotated[Priority, BeforeValidator(_reads(Priority)), _as_word, _schema(Priority)]
AlarmStateWord = Annotated[AlarmState, BeforeValidator(_reads(AlarmState)), _as_word, _schema(AlarmState)]
ValveWord = Annotated[ValvePosition, BeforeValidator(_reads(ValvePosition)), _as_word, _schema(ValvePosition)]
ValveCauseWord = Annotated[ValveCause, BeforeValidator(_reads(ValveCause)), _as_word, _schema(ValveCause)]

#: A device's vendor or serial.
DeviceId = Annotated[str, StringConstraints(pattern=f"^{ID_PATTERN.pattern.removesuffix(chr(92) + 'Z')}$")]
#: An alarm's or wanted position's id: blake2b, 16 bytes, in hex (rules.decisions).
DecisionId = Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$"), Field(examples=["0" * 32])]
#: What a person writes: bounded, and not blank where it is asked for.
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000)]
Comment = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1_000)]

_FLAGS = tuple((flag, word(flag)) for flag in Flag)


def flag_words(bits: int) -> list[str]:
    """The names of the flags that are set, in wire order."""
    return [name for flag, name in _FLAGS if bits & flag]
