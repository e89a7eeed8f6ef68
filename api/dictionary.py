"""The data dictionary: every quantity, field and word of the interfaces with what it means, made from the tables and
enums that the code itself runs on."""

from enum import Enum, IntEnum, IntFlag
from typing import Literal

from pydantic import Field

from api.dictionary_decisions import DECISION_WORDS
from api.dictionary_devices import DEVICE_WORDS, FIELD_WORDS, QUANTITY_WORDS
from api.shapes import Shape, word
from devices.codecs.telemetry import FIELDS
from devices.quantities import DEVICE_FLAGS, QUANTITIES, Flag

Lang = Literal["zh", "en"]
#: Each vocabulary: the enum, its name, what it is, its words.
VOCABULARIES = DEVICE_WORDS | DECISION_WORDS


class QuantityTerm(Shape):
    """What can be measured. A value outside of `lowest` and `highest` is physically impossible: it is not kept, and
    its quality is `out_of_range`."""

    name: str = Field(description="As a field of readings", examples=["combustible_lel"])
    unit: str = Field(description="UCUM code, save %LEL")
    lowest: float
    highest: float
    meaning: str


class FieldTerm(Shape):
    """A field of a reading besides quantities and flags."""

    name: str
    sent: bool = Field(description="A device may send it; else Davy says it")
    meaning: str


class WordTerm(Shape):
    word: str = Field(description="As it travels")
    meaning: str
    sent: bool | None = Field(description="Of a flag: a device may send it; else Davy sets it")


class Vocabulary(Shape):
    name: str = Field(examples=["alarm_state"])
    meaning: str
    words: list[WordTerm]


class Dictionary(Shape):
    lang: Lang
    quantities: list[QuantityTerm]
    fields: list[FieldTerm]
    vocabularies: list[Vocabulary]


def dictionary(lang: Lang) -> Dictionary:
    at = ("zh", "en").index(lang)
    return Dictionary(
        lang=lang,
        quantities=[
            QuantityTerm(
                name=quantity.name,
                unit=quantity.unit,
                lowest=quantity.lowest,
                highest=quantity.highest,
                meaning=QUANTITY_WORDS[quantity.name][at],
            )
            for quantity in QUANTITIES
        ],
        fields=[FieldTerm(name=name, sent=name in FIELDS, meaning=said[at]) for name, said in FIELD_WORDS.items()],
        vocabularies=[
            Vocabulary(name=name, meaning=what[at], words=[_term(member, words[member][at]) for member in kind])
            for kind, (name, what, words) in VOCABULARIES.items()
        ],
    )


def word_of(member: Enum) -> str:
    """A word as it travels: numbers by their names in lower case, texts as they are."""
    return word(member) if isinstance(member, IntEnum | IntFlag) else str(member.value)


def _term(member: Enum, meaning: str) -> WordTerm:
    return WordTerm(
        word=word_of(member), meaning=meaning, sent=member in DEVICE_FLAGS if isinstance(member, Flag) else None
    )
