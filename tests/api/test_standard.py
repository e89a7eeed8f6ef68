"""The access standard is public, whole, in both languages, and what the code says today."""

import json
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from api.app import create_app
from api.dictionary import VOCABULARIES, dictionary, word_of
from api.dictionary_devices import FIELD_WORDS, QUANTITY_WORDS
from api.reading_shapes import Reading
from api.standard_page import standard_page
from api.standard_words import DOCUMENTS
from devices.codecs.telemetry import FIELDS, FLAG_NAMES
from devices.quantities import QUANTITY_NAMES, Flag
from devices.wire_document import wire_document
from tests.api.conftest import config_of
from tests.api.stand import Stand

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("kind", VOCABULARIES, ids=lambda kind: kind.__name__)
def test_every_word_of_the_code_has_its_meaning_in_both_languages(kind: type[Enum]) -> None:
    _, what, words = VOCABULARIES[kind]
    assert set(words) == set(kind)
    for zh, en in (what, *words.values()):
        assert zh
        assert en
        assert any("\u4e00" <= letter <= "\u9fff" for letter in zh)
        assert en.isascii()


def test_every_quantity_and_every_field_of_a_reading_has_its_meaning() -> None:
    assert set(QUANTITY_WORDS) == set(QUANTITY_NAMES)
    known = set(FIELD_WORDS) | set(QUANTITY_WORDS)
    assert set(FIELDS) <= known | set(FLAG_NAMES)
    assert set(Reading.model_fields) <= known


def test_the_flags_that_a_device_may_send_are_told_from_ours() -> None:
    (flags,) = (vocabulary for vocabulary in dictionary("en").vocabularies if vocabulary.name == "flag")
    assert [term.word for term in flags.words if term.sent] == list(FLAG_NAMES)
    assert len(flags.words) == len(Flag)


def test_the_words_are_those_that_the_description_has() -> None:
    schemas = _schemas()
    words = {vocabulary.name: [term.word for term in vocabulary.words] for vocabulary in dictionary("en").vocabularies}
    alarm, reading = schemas["Alarm"]["properties"], schemas["Reading"]["properties"]
    assert alarm["state"]["enum"] == words["alarm_state"]
    assert alarm["priority"]["enum"] == words["priority"]
    assert reading["valve"]["enum"] == words["valve"]
    assert reading["valve_cause"]["enum"] == words["valve_cause"]
    for name, enum in (
        ("Change", "alarm_change"),
        ("IncidentChange", "incident_change"),
        ("HeldChange", "held_change"),
    ):
        assert schemas[name]["enum"] == words[enum]


def _schemas() -> dict[str, Any]:
    found: dict[str, Any] = create_app(config_of(Path("/nowhere"))).openapi()["components"]["schemas"]
    return found


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_is_the_one_that_the_code_makes(lang: str) -> None:
    path = DOCS / ("access-standard.md" if lang == "en" else "access-standard.zh.md")
    remedy = f"python -m api.standard_page {lang} > docs/{path.name}"
    assert path.read_text("utf-8") == standard_page("en" if lang == "en" else "zh"), remedy


async def test_nobody_needs_an_account_for_the_standard(stand: Stand) -> None:
    for lang in ("zh", "en"):
        index = (await stand.bare.get(f"/v1/public/standard?lang={lang}")).json()
        assert index["lang"] == lang
        assert len(index["documents"]) == len(DOCUMENTS)
        for document in index["documents"]:
            answer = await stand.bare.get(document["path"])
            assert answer.status_code == 200
            assert answer.headers["content-type"] == document["media_type"]
    said = (await stand.bare.get("/v1/public/standard/dictionary?lang=zh")).json()
    assert said == dictionary("zh").model_dump()


async def test_its_documents_are_those_of_the_code(stand: Stand) -> None:
    openapi = (await stand.bare.get("/v1/public/standard/openapi.json")).json()
    assert openapi == (await stand.http.get("/openapi.json")).json()
    assert openapi["openapi"].startswith("3.1")
    asyncapi = (await stand.bare.get("/v1/public/standard/asyncapi.json")).json()
    assert asyncapi == json.loads(wire_document())


async def test_another_language_is_a_problem(stand: Stand) -> None:
    answer = await stand.bare.get("/v1/public/standard/dictionary?lang=fr")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_number_travels_by_its_name_and_a_text_as_it_is() -> None:
    assert word_of(Flag.LOW_ALARM) == "low_alarm"
    assert {word_of(member) for kind in VOCABULARIES for member in kind} >= {"good", "field reading", "close"}
