"""`/openapi.json`: what FastAPI reads off the routes, and what it cannot know."""

import asyncio
import json
import re
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.event_shapes import EVENTS
from api.examples import with_examples
from api.permits import GuardedRoute, ReadsDescription
from api.problems import Answers, ProblemDocument, problem_examples

router = APIRouter(route_class=GuardedRoute, tags=["description"])

_REF = re.compile(r"#/components/schemas/([^\"]+)\"")
#: Of a route that answers with somebody else's kind of document.
JSON_DOCUMENT: Answers = {
    200: {"description": "The document", "content": {"application/json": {"schema": {"type": "object"}}}}
}
#: Shapes that no route returns by its type: problems, and the events of the stream.
_UNSEEN: tuple[type[BaseModel], ...] = (ProblemDocument, *EVENTS)


class DescribedApi(FastAPI):
    """FastAPI, with the unseen shapes among the components, and an example of every answer."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.describing = asyncio.Lock()
        #: The description in UTF-8, once somebody asked for it.
        self.encoded = b""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            _, unseen = models_json_schema(
                [(model, "serialization") for model in _UNSEEN], ref_template="#/components/schemas/{model}"
            )
            _only_named(document, document["components"]["schemas"] | unseen["$defs"])
            document["components"]["examples"] = problem_examples()
            with_examples(document)
        assert self.openapi_schema is not None
        return self.openapi_schema

    def encode(self) -> bytes:
        return json.dumps(self.openapi(), ensure_ascii=False, separators=(",", ":")).encode()


def _only_named(document: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Keep the components that something names: pydantic also lists enums that travel as words of our own."""
    named: set[str] = set()
    found = set(_REF.findall(json.dumps(document["paths"])))
    while found - named:
        named |= found
        found = {ref for name in named for ref in _REF.findall(json.dumps(schemas[name]))}
    document["components"]["schemas"] = {name: schemas[name] for name in sorted(named)}


@router.get("/openapi.json", operation_id="get_description", responses=JSON_DOCUMENT, response_class=Response)
async def get_description(request: Request, who: ReadsDescription) -> Response:
    """This description (OpenAPI 3.1)."""
    return Response(await described(request.app), media_type="application/json")


async def described(app: FastAPI) -> bytes:
    """The description as it is sent. It is made once, seconds of work, beside the loop that serves alarms."""
    assert isinstance(app, DescribedApi)
    async with app.describing:
        if not app.encoded:
            app.encoded = await asyncio.to_thread(app.encode)
    return app.encoded
