"""The access standard, for everybody, without an account: what a vendor needs to know before it speaks to anybody."""

from typing import Annotated

from fastapi import APIRouter, FastAPI, Query, Request, Response
from pydantic import Field

from api.description import JSON_DOCUMENT, described
from api.dictionary import Dictionary, Lang, dictionary
from api.permits import GuardedRoute, ReadsPublic
from api.problems import BAD_PARAMETER, problem_answers
from api.shapes import Shape
from api.standard_words import ABOUT, CONNECTING, DOCUMENTS, TITLE
from devices.wire_document import wire_document

router = APIRouter(prefix="/v1/public/standard", route_class=GuardedRoute, tags=["standard"])

Language = Annotated[Lang, Query(description="zh: Chinese; en: English")]
_PROBLEMS = problem_answers(BAD_PARAMETER)
_DICTIONARIES = {lang: dictionary(lang) for lang in ("zh", "en")}
_ASYNCAPI = wire_document()


class StandardDocument(Shape):
    path: str = Field(description="Where it is read", examples=["/v1/public/standard/asyncapi.json"])
    media_type: str
    about: str


class Standard(Shape):
    """The index of the access standard."""

    lang: Lang
    title: str
    about: str
    version: str = Field(description="Of the software whose standard it is")
    documents: list[StandardDocument]
    connecting: list[str] = Field(description="How a device is connected, step by step (Markdown)")


@router.get("", operation_id="get_standard", responses=_PROBLEMS)
async def get_standard(request: Request, who: ReadsPublic, lang: Language = "zh") -> Standard:
    """The access standard: which documents there are, and how a device is connected."""
    at = ("zh", "en").index(lang)
    return Standard(
        lang=lang,
        title=TITLE[at],
        about=ABOUT[at],
        version=_app(request).version,
        documents=[
            StandardDocument(path=f"{router.prefix}/{path}", media_type=media_type, about=words[at])
            for path, media_type, words in DOCUMENTS
        ],
        connecting=[words[at] for words in CONNECTING],
    )


@router.get("/openapi.json", operation_id="get_standard_openapi", responses=JSON_DOCUMENT, response_class=Response)
async def get_standard_openapi(request: Request, who: ReadsPublic) -> Response:
    """The whole HTTP API (OpenAPI 3.1)."""
    return Response(await described(_app(request)), media_type="application/json")


@router.get("/asyncapi.json", operation_id="get_standard_asyncapi", responses=JSON_DOCUMENT, response_class=Response)
async def get_standard_asyncapi(who: ReadsPublic) -> Response:
    """How devices speak over MQTT (AsyncAPI 3.0)."""
    return Response(_ASYNCAPI, media_type="application/json")


@router.get("/dictionary", operation_id="get_standard_dictionary", responses=_PROBLEMS)
async def get_standard_dictionary(who: ReadsPublic, lang: Language = "zh") -> Dictionary:
    """The data dictionary: every quantity with its unit and bounds, every field and every word of the interfaces."""
    return _DICTIONARIES[lang]


def _app(request: Request) -> FastAPI:
    app = request.app
    assert isinstance(app, FastAPI)
    return app
