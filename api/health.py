"""For those who watch the platform: is it alive, is it ready, what does it count."""

import contextlib
from typing import Literal

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from api.metrics import CONTENT_TYPE, Alarming, write_metrics
from api.parts import Shared
from api.permits import GuardedRoute, ReadsMetrics, WatchesHealth
from api.problems import NOT_SIGNED_IN, problem_answers
from api.shapes import Shape
from engine.client import EngineAway

router = APIRouter(route_class=GuardedRoute, tags=["health"])


class Alive(Shape):
    status: Literal["alive"] = "alive"


class Ready(Shape):
    """Ready is who can protect: the engine answers. Without the database the history is missing (`degraded`)."""

    status: Literal["ready", "degraded", "not_ready"]
    engine: Literal["up", "away"]
    database: Literal["up", "away", "none"]


@router.get("/healthz", operation_id="get_health")
async def get_health(who: WatchesHealth) -> Alive:
    """This process lives."""
    return Alive()


@router.get(
    "/readyz",
    operation_id="get_readiness",
    responses={503: {"model": Ready, "description": "The engine is away"}},
)
async def get_readiness(parts: Shared, who: WatchesHealth, response: Response) -> Ready:
    """200 while the engine answers, 503 while it does not; as of at most one second ago."""
    look = await parts.lookout.look()
    if not look.engine:
        response.status_code = 503
    return Ready(
        status="not_ready" if not look.engine else "degraded" if look.database is False else "ready",
        engine="up" if look.engine else "away",
        database="none" if look.database is None else "up" if look.database else "away",
    )


@router.get(
    "/metrics",
    operation_id="get_metrics",
    response_class=PlainTextResponse,
    responses=problem_answers(NOT_SIGNED_IN),
)
async def get_metrics(parts: Shared, who: ReadsMetrics) -> Response:
    """Prometheus text format 0.0.4."""
    status = None
    with contextlib.suppress(EngineAway):
        status = await parts.door.status()
    feed, database_up = parts.feed, (await parts.lookout.look()).database
    now_us = parts.config.now_us()
    alarming = Alarming(parts.load.arrivals.within(now_us), await parts.load.standing(now_us))
    text = write_metrics(status, parts.counts, feed.streams, feed.connected, database_up, alarming)
    return Response(text, media_type=CONTENT_TYPE)
