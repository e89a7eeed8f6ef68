"""Incidents: open ones from the engine (also with PostgreSQL down), past ones from the database."""

from typing import Annotated

from fastapi import APIRouter, Query

from access.authorize import Action
from access.fields import Resource
from access.ownership import Owner
from api.incident_shapes import (
    Incident,
    IncidentInFull,
    Incidents,
    PastIncidents,
    show_incident,
    show_incident_step,
)
from api.pages import USUAL_ROWS, Cursor, From, Limit, To, decode_cursor, live_page, stored_page, time_range
from api.parts import Shared
from api.permits import Admitted, GuardedRoute, ReadsIncidents
from api.problems import (
    BAD_PARAMETER,
    DATABASE_PROBLEMS,
    ENGINE_AWAY,
    NOT_FOUND,
    NOT_SIGNED_IN,
    Problem,
    problem_answers,
)
from api.seen import Eyes, owner_of
from api.shapes import DecisionId, Source
from engine.client import EngineAway
from engine.messages import IncidentView
from rules.decisions import IncidentScope
from rules.instructions import Resolution
from storage import incidents as stored
from storage.incidents import IncidentKey

router = APIRouter(route_class=GuardedRoute, prefix="/v1/incidents", tags=["incidents"])

Scope = Annotated[IncidentScope | None, Query()]
#: The name of a site, riser, building or area.
Key = Annotated[str | None, Query(max_length=500)]

_LIVE = problem_answers(NOT_SIGNED_IN, BAD_PARAMETER, ENGINE_AWAY)
_PAST = problem_answers(NOT_SIGNED_IN, BAD_PARAMETER, *DATABASE_PROBLEMS)
_ONE = problem_answers(NOT_SIGNED_IN, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS, ENGINE_AWAY)


@router.get("", operation_id="list_incidents", responses=_LIVE)
async def list_incidents(
    parts: Shared,
    who: ReadsIncidents,
    scope: Scope = None,
    key: Key = None,
    whole: Annotated[bool, Query(description="Leave out those that are part of a larger one")] = False,
    cursor: Cursor = None,
    limit: Limit = USUAL_ROWS,
) -> Incidents:
    """Every incident that nobody has closed, newest first; from the engine, so it needs no database."""
    after, eyes = decode_cursor(cursor, IncidentKey), Eyes(who, Action.READ_INCIDENTS)
    now = await parts.live(who).incidents()
    asked = [
        view
        for view in now.incidents
        if eyes.admit_all(view.owners)
        and (scope is None or view.scope is scope)
        and (key is None or view.key == key)
        and not (whole and view.into)
    ]
    page, following = live_page(asked, _key, after, limit)
    return Incidents(as_of=f"{await parts.engine()}:{now.as_of}", incidents=_shown(eyes, page), next=following)


@router.get("/history", operation_id="list_past_incidents", responses=_PAST)
async def list_past_incidents(
    parts: Shared,
    who: ReadsIncidents,
    from_: From = None,
    to: To = None,
    scope: Scope = None,
    key: Key = None,
    resolution: Annotated[Resolution | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = USUAL_ROWS,
) -> PastIncidents:
    """Incidents as they were last stored, by when they were opened, newest first; 30 days unless asked otherwise, 366
    days at most."""
    from_us, to_us = time_range(from_, to, parts.config.now_us())
    eyes = Eyes(who, Action.READ_INCIDENTS)
    async with parts.database(who) as connection:
        found = await stored.incidents(
            connection,
            limit=limit + 1,
            from_us=from_us,
            to_us=to_us,
            after=decode_cursor(cursor, IncidentKey),
            key=key,
            scope=scope,
            resolution=resolution,
            within=eyes.scope,
        )
    page, following = stored_page(found, _key, limit)
    return PastIncidents(incidents=_shown(eyes, page), next=following)


@router.get("/{incident}", operation_id="get_incident", responses=_ONE)
async def get_incident(parts: Shared, who: ReadsIncidents, subject: Admitted, incident: DecisionId) -> IncidentInFull:
    """One incident as it stands (`source` engine), or as it was last stored (`source` database); with its history where
    the database answers."""
    engine_away: EngineAway | None = None
    owner, eyes = owner_of(subject), Eyes(who, Action.READ_INCIDENTS)
    try:
        live = await parts.live(who).incident(incident)
    except EngineAway as away:
        live, engine_away = None, away
    try:
        async with parts.database(who, owner) as connection:
            view = live or await stored.incident(connection, incident)
            history = await stored.events(connection, incident)
    except Problem:
        if live is None:
            raise  # nobody can say now whether there was such an incident
        shown = eyes.see(Resource.INCIDENT, owner, show_incident(live))
        return IncidentInFull(incident=shown, source=Source.ENGINE, history=None)
    if view is None:
        raise engine_away or Problem(NOT_FOUND, f"no incident {incident}")
    return IncidentInFull(
        incident=eyes.see(Resource.INCIDENT, owner, show_incident(view)),
        source=Source.DATABASE if live is None else Source.ENGINE,
        history=[eyes.see(Resource.INCIDENT_STEP, owner, show_incident_step(step)) for step in history],
    )


def _shown(eyes: Eyes, views: list[IncidentView]) -> list[Incident]:
    return [
        eyes.see(Resource.INCIDENT, view.owners[0] if view.owners else Owner(), show_incident(view)) for view in views
    ]


def _key(view: IncidentView) -> IncidentKey:
    return IncidentKey(view.opened, view.incident)
