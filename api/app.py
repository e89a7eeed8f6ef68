"""The HTTP API, built in one straight line. It starts and serves alarms, acknowledge, close, command detail, the stream
and push while PostgreSQL is down (G3), and answers 503 for everything while the engine is away."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from importlib.metadata import PackageNotFoundError, version

import structlog
from fastapi import FastAPI

from api import (
    accounts,
    alarm_care,
    alarm_health,
    alarm_stream,
    alarms,
    areas,
    audit,
    backtests,
    catalogue,
    claims,
    commands,
    coverage,
    coverage_changes,
    coverage_downloads,
    description,
    device_changes,
    device_models,
    device_papers,
    devices,
    enterprises,
    explain,
    grants,
    health,
    held,
    imports,
    incident_work,
    incidents,
    installations,
    keys,
    ledger,
    model_conformance,
    people_at_sites,
    persons,
    readings,
    rules,
    scorecards,
    service,
    sessions,
    shared,
    sites,
    standard,
    telemetry,
    tokens_of_devices,
    unmask,
    valve_permits,
    webhooks,
)
from api.alarm_load import AlarmLoad
from api.backtest_jobs import Backtests
from api.config import ApiConfig
from api.database import Database
from api.door import Door
from api.edge import BoundedBodies, Failures, Room, Surroundings
from api.external import External
from api.feed import Feed
from api.file_jobs import FileJobs
from api.http_counts import HttpCounts
from api.known import Known
from api.parts import AS_THEY_ARE, Judges, Parts
from api.passwords import Passwords
from api.people import People
from api.problems import answer_with_problems
from api.push_places import PushPlaces
from api.rates import Rates
from api.readiness import Lookout
from api.stream_events import encode_event
from api.throttle import Throttle
from api.tokens import Tokens
from api.unmask import UNMASKINGS_AT_ONCE, UNMASKINGS_PER_S
from engine.messages import FeedEvent
from storage.sign_ins import write_sign_in

_log = structlog.get_logger()

#: Senders whose rate is remembered (product choice; about 5 MiB).
MOST_SENDERS = 20_000

_DESCRIPTION = """Davy supervises gas-safety devices: readings come in, alarms go out, valves are seen to close.
Times are RFC 3339 UTC with microseconds; names carry their units; errors are problem documents (RFC 9457)."""


#: The stream and the health stand before the alarms: neither `stream` nor `health` is an alarm's id.
_OF_ALARMS = (alarm_stream, alarm_health, alarms, alarm_care, incidents, incident_work)
_OF_VALVES = (commands, valve_permits, held)
_OF_DEVICES = (devices, service, readings)
_OF_REGISTER = (enterprises, areas, sites, device_changes, device_papers, installations)
_OF_ONBOARDING = (claims, tokens_of_devices, model_conformance, device_models, imports)
_OF_CUSTOMERS = (persons, people_at_sites, unmask)
_OF_RULES = (rules, backtests, explain)
_OF_PEOPLE = (sessions, accounts, keys)
_OF_COVERAGE = (coverage, coverage_changes, coverage_downloads, scorecards)
_OF_SHARING = (grants, shared, webhooks)
_ROUTES = (
    telemetry,
    health,
    *_OF_ALARMS,
    *_OF_VALVES,
    *_OF_DEVICES,
    *_OF_REGISTER,
    *_OF_ONBOARDING,
    *_OF_CUSTOMERS,
    *_OF_RULES,
    *_OF_PEOPLE,
    ledger,
    audit,
    catalogue,
    *_OF_COVERAGE,
    *_OF_SHARING,
    standard,
    description,
)


def create_app(config: ApiConfig, judges: Judges = AS_THEY_ARE) -> FastAPI:
    """The application. Its connections are opened by its lifespan, not here. `judges`: another in a test only."""
    parts = _parts(config)
    parts.judges = judges

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with _running(parts):
            yield

    # No documentation pages: they load scripts from elsewhere. The description is a route of ours, with a permit.
    app = description.DescribedApi(
        title="Davy",
        version=_version(),
        description=_DESCRIPTION,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.parts = parts
    for routes in _ROUTES:
        app.include_router(routes.router)
    answer_with_problems(app)
    app.add_middleware(BoundedBodies, within_s=config.limits.body_within_s)
    app.add_middleware(Failures)
    app.add_middleware(Room)
    app.add_middleware(Surroundings, counts=parts.counts)  # added last: outermost
    return app


def _parts(config: ApiConfig) -> Parts:
    """What routes share; nothing is opened yet."""
    limits = config.limits
    door = Door(config.door, limits.answer_within_s)
    stored = Database(config.database_url)
    known = Known(config.database_url, config.access_file, config.now_us, write_sign_in)
    external = External(config.provider) if config.provider else None
    people = People(config, known, external)
    counts = HttpCounts()
    load = AlarmLoad(door)

    def heard(event: FeedEvent) -> bytes | None:
        load.arrivals.hear(event)
        return encode_event(event)

    return Parts(
        config=config,
        door=door,
        feed=Feed(config.door, heard, limits.answer_within_s),
        tokens=Tokens(door, config.admin_token_sha256, limits.token_lives_s, time.monotonic, people),
        requests=Rates(limits.requests_per_s, limits.requests_at_once, MOST_SENDERS, time.monotonic),
        counts=counts,
        places=PushPlaces(limits, counts),
        files=FileJobs(config.now_us),
        stored=stored,
        lookout=Lookout(door, stored),
        backtests=Backtests(limits.backtests_kept, limits.backtest_within_s, config.now_us),
        load=load,
        known=known,
        passwords=Passwords(),
        throttle=Throttle(time.monotonic),
        strangers=Rates(limits.strangers_per_s, limits.strangers_at_once, MOST_SENDERS, time.monotonic),
        people=Rates(limits.people_per_s, limits.people_at_once, MOST_SENDERS, time.monotonic),
        unmaskings=Rates(UNMASKINGS_PER_S, UNMASKINGS_AT_ONCE, MOST_SENDERS, time.monotonic),
        complaints=Rates(catalogue.COMPLAINTS_PER_S, catalogue.COMPLAINTS_AT_ONCE, MOST_SENDERS, time.monotonic),
        external=external,
        explaining=asyncio.Semaphore(limits.explanations),
    )


@contextlib.asynccontextmanager
async def _running(parts: Parts) -> AsyncIterator[None]:
    """Open without waiting for anybody; close in reverse."""
    await parts.stored.open()
    knowing = asyncio.create_task(parts.known.run(), name="who-may-sign-in")
    feed = asyncio.create_task(parts.feed.run(), name="alarm-feed")
    feed.add_done_callback(lambda task: _feed_ended(task, parts.feed))
    try:
        yield
    finally:
        parts.feed.stop()
        feed.cancel()
        knowing.cancel()
        await asyncio.wait({feed, knowing})
        await parts.known.close()
        parts.passwords.close()
        await parts.backtests.close()
        await parts.files.close()
        await parts.door.close()
        await parts.stored.close()


def _feed_ended(task: asyncio.Task[None], feed: Feed) -> None:
    """A defect in the feed must not leave consoles watching a stream that stays silent: end them, so they complain."""
    if not task.cancelled() and task.exception() is not None:
        _log.error("alarm feed failed; streams are closed until the API is restarted", exc_info=task.exception())
        feed.stop()


def _version() -> str:
    try:
        return version("davy-gas-safety")
    except PackageNotFoundError:
        return "0"
