"""`/openapi.json`: what FastAPI reads off the routes, and what it cannot know."""

import json
import re
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.event_shapes import EVENTS
from api.permits import GuardedRoute, ReadsDescription
from api.problems import NOT_SIGNED_IN, ProblemDocument, problem_answers

router = APIRouter(route_class=GuardedRoute, tags=["description"])

_REF = re.compile(r"#/components/schemas/([^\"]+)\"")
#: Shapes that no route returns by its type: problems, and the events of the stream.
_UNSEEN: tuple[type[BaseModel], ...] = (ProblemDocument, *EVENTS)


class DescribedApi(FastAPI):
    """FastAPI, with the unseen shapes among the components."""

    #: The description in UTF-8, once somebody asked for it.
    encoded: bytes = b""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            _, unseen = models_json_schema(
                [(model, "serialization") for model in _UNSEEN], ref_template="#/components/schemas/{model}"
            )
            _only_named(document, document["components"]["schemas"] | unseen["$defs"])
        assert self.openapi_schema is not None
        return self.openapi_schema


def _only_named(document: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Keep the components that something names: pydantic also lists enums that travel as words of our own."""
    named: set[str] = set()
    found = set(_REF.findall(json.dumps(document["paths"])))
    while found - named:
        named |= found
        found = {ref for name in named for ref in _REF.findall(json.dumps(schemas[name]))}
    document["components"]["schemas"] = {name: schemas[name] for name in sorted(named)}


@router.get("/openapi.json", operation_id="get_description", responses=problem_answers(NOT_SIGNED_IN))
async def get_description(request: Request, who: ReadsDescription) -> dict[str, Any]:
    """This description (OpenAPI 3.1)."""
    app = request.app
    assert isinstance(app, FastAPI)
    return app.openapi()


def described(app: FastAPI) -> bytes:
    """The description as it is sent; encoded once, because it is large and anybody may ask."""
    assert isinstance(app, DescribedApi)
    if not app.encoded:
        app.encoded = json.dumps(app.openapi(), ensure_ascii=False, separators=(",", ":")).encode()
    return app.encoded
