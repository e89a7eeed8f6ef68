"""Enterprises: the parties of the platform."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from access.actions import Action
from access.authorize import enterprises_of
from access.enterprises import Enterprise, EnterpriseKind
from api.chosen import Fields, chosen, only
from api.days import AsOf
from api.device_query import AreaAsked
from api.enterprise_shapes import (
    EnterpriseChange,
    EnterpriseHistory,
    Enterprises,
    EnterprisesGiven,
    EnterpriseShown,
    PastEnterprise,
    show_enterprise,
)
from api.pages import USUAL_ROWS, Cursor, Limit, decode_cursor, encode_cursor
from api.parts import Shared
from api.permits import ChangesParties, GuardedRoute, ReadsEnterprises
from api.problems import (
    BAD_PARAMETER,
    DATABASE_PROBLEMS,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_SIGNED_IN,
    Problem,
    problem_answers,
)
from api.register_changes import BULK, CHANGE, Outcome, apply, change, changing, show_outcome
from api.register_shapes import IfMatch, expect_version, laid, tell_version
from api.site_shapes import Key
from storage import enterprises as registered
from storage.database import Connection
from storage.enterprises import RegisteredEnterprise
from storage.registry_rows import Leaves

router = APIRouter(route_class=GuardedRoute, prefix="/v1/enterprises", tags=["register"])

_PAGE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, BAD_PARAMETER, *DATABASE_PROBLEMS)
_ONE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS)


@router.get("", operation_id="list_enterprises", responses=_PAGE, response_model_exclude_unset=True)
async def list_enterprises(
    parts: Shared,
    who: ReadsEnterprises,
    kind: Annotated[EnterpriseKind | None, Query()] = None,
    area: AreaAsked = None,
    as_of: AsOf = None,
    fields: Fields = None,
    cursor: Cursor = None,
    limit: Limit = USUAL_ROWS,
) -> Enterprises:
    """Enterprises in the order of their keys: one's own, and to the platform's people all of them."""
    after, wanted = decode_cursor(cursor, tuple[str]), chosen(fields, EnterpriseShown, "enterprise")
    async with parts.database(who) as connection:
        page = await registered.enterprises(
            connection,
            limit=limit + 1,
            after=after[0] if after else "",
            kind=kind,
            area=area,
            only=enterprises_of(who, Action.READ_ENTERPRISES),
            as_of_us=as_of,
        )
    shown = page[:limit]
    return Enterprises(
        enterprises=[only(show_enterprise(one), wanted) for one in shown],
        next=encode_cursor((shown[-1].enterprise.key,)) if len(page) > limit else None,
    )


@router.post("", operation_id="put_enterprises", responses=BULK)
async def put_enterprises(
    parts: Shared,
    who: ChangesParties,
    body: EnterprisesGiven,
    dry_run: Annotated[bool, Query(description="Say what would become of each row, and do nothing")] = False,
) -> Outcome:
    """Add enterprises, or change those whose keys are known: what is not named of them stays. With a refused row
    nothing is done."""
    async with changing(parts, who) as connection:
        rows: list[Enterprise] = []
        for given in body.enterprises:
            found = await registered.enterprise(connection, given.enterprise)
            before = found.enterprise if found else Enterprise(given.enterprise, given.kind)
            rows.append(laid(before, {name: getattr(given, name) for name in given.model_fields_set}))
        return show_outcome(await apply(parts, connection, who, rows, dry_run=dry_run))


@router.get("/{enterprise}", operation_id="get_enterprise", responses=_ONE, response_model_exclude_unset=True)
async def get_enterprise(
    parts: Shared,
    who: ReadsEnterprises,
    response: Response,
    enterprise: Key,
    as_of: AsOf = None,
    fields: Fields = None,
) -> EnterpriseShown:
    """One enterprise."""
    wanted = chosen(fields, EnterpriseShown, "enterprise")
    async with parts.database(who) as connection:
        found = await _found(connection, enterprise, as_of)
    tell_version(response, found.recorded.version)
    return only(show_enterprise(found), wanted)


@router.get("/{enterprise}/history", operation_id="get_enterprise_history", responses=_ONE)
async def get_enterprise_history(
    parts: Shared, who: ReadsEnterprises, enterprise: Key, cursor: Cursor = None, limit: Limit = USUAL_ROWS
) -> EnterpriseHistory:
    """Everything that was ever recorded of an enterprise, newest first."""
    before = decode_cursor(cursor, tuple[int])
    async with parts.database(who) as connection:
        found = await registered.enterprise_versions(
            connection, enterprise, limit=limit + 1, before=before[0] if before else 0
        )
    shown = found[:limit]
    return EnterpriseHistory(
        versions=[
            PastEnterprise(
                superseded=one.recorded.superseded or None, gone=one.recorded.gone, enterprise=show_enterprise(one)
            )
            for one in shown
        ],
        next=encode_cursor((shown[-1].recorded.version,)) if len(found) > limit else None,
    )


@router.patch("/{enterprise}", operation_id="change_enterprise", responses=CHANGE)
async def change_enterprise(
    parts: Shared,
    who: ChangesParties,
    response: Response,
    enterprise: Key,
    body: EnterpriseChange,
    if_match: IfMatch = None,
) -> EnterpriseShown:
    """Change what is named of an enterprise, if it is still the version that was seen."""
    async with changing(parts, who) as connection:
        before = await _found(connection, enterprise)
        expect_version(if_match, before.recorded.version)
        said = {name: getattr(body, name) for name in body.model_fields_set}
        await change(parts, connection, who, laid(before.enterprise, said))
        found = await _found(connection, enterprise)
    tell_version(response, found.recorded.version)
    return show_enterprise(found)


@router.delete("/{enterprise}", operation_id="remove_enterprise", responses=CHANGE, status_code=204)
async def remove_enterprise(parts: Shared, who: ChangesParties, enterprise: Key, if_match: IfMatch = None) -> None:
    """It is no party any more; its past stays. What it owns has to be somebody else's first."""
    async with changing(parts, who) as connection:
        before = await _found(connection, enterprise)
        expect_version(if_match, before.recorded.version)
        await change(parts, connection, who, Leaves("enterprise", enterprise))


async def _found(connection: Connection, key: str, as_of_us: int | None = None) -> RegisteredEnterprise:
    found = await registered.enterprise(connection, key, as_of_us=as_of_us)
    if found is None:
        raise Problem(NOT_FOUND, f"there is no enterprise {key}")
    return found
