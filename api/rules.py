"""The rules in force, those that were, and rules looked at before anybody is judged by them."""

import asyncio
from collections import Counter, defaultdict
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Response
from msgspec.structs import replace

from access.authorize import Action, scope
from access.ownership import Scope
from access.principals import Principal
from api.pages import USUAL_ROWS, Cursor, Limit, decode_cursor, stored_page
from api.parts import Parts, Shared
from api.permits import ChecksRules, GuardedRoute, ReadsRuleDocuments, ReadsRules
from api.problems import (
    BAD_PARAMETER,
    BODY_PROBLEMS,
    DATABASE_PROBLEMS,
    ENGINE_AWAY,
    NOT_FOUND,
    NOT_SIGNED_IN,
    Problem,
    problem_answers,
)
from api.rule_checks import checked
from api.rule_shapes import Rule, Rules, RulesChecked, RulesGiven, RulesOverTime, RulesSince, Sha256
from api.shapes import word
from engine import messages as m
from rules.decisions import Priority
from rules.documents import document as d
from rules.documents.merged import as_file
from storage import rule_packs as stored
from storage.rule_packs import RulesKey

router = APIRouter(route_class=GuardedRoute, prefix="/v1/rules", tags=["rules"])

_TOML = "application/toml"
_PACK: dict[int | str, dict[str, Any]] = {
    200: {"content": {_TOML: {"schema": {"type": "string"}}}, "description": "The document"},
    **problem_answers(NOT_SIGNED_IN, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS),
}


@router.get("", operation_id="list_rules", responses=problem_answers(NOT_SIGNED_IN, ENGINE_AWAY))
async def list_rules(parts: Shared, who: ReadsRules) -> Rules:
    """The rules that judge now, in their order, and which were taken back by themselves; from the engine, so it needs
    no database. Overrides name devices and sites of everybody, and are shown to the platform's people only."""
    told = await parts.door.rules()
    seen = scope(who, Action.READ_RULES)
    if not seen.everything:
        told = replace(told, overrides=(), alarms=await _alarms_within(parts, who, seen))
    return _show(told, await parts.engine())


async def _alarms_within(parts: Parts, who: Principal, seen: Scope) -> dict[str, int]:
    """How many alarms of each rule stand where the asker looks."""
    views = (await parts.live(who).alarms()).alarms
    return dict(Counter(view.rule for view in views if seen.admits(view.owner)))


@router.get(
    "/history",
    operation_id="list_past_rules",
    responses=problem_answers(NOT_SIGNED_IN, BAD_PARAMETER, *DATABASE_PROBLEMS),
)
async def list_past_rules(
    parts: Shared, who: ReadsRules, cursor: Cursor = None, limit: Limit = USUAL_ROWS
) -> RulesOverTime:
    """Which pack was in force since when, and who brought it; newest first."""
    async with parts.database(who) as connection:
        found = await stored.rules_over_time(connection, limit=limit + 1, after=decode_cursor(cursor, RulesKey))
    page, following = stored_page(found, lambda one: one.key, limit)
    return RulesOverTime(packs=[_since(one) for one in page], next=following)


@router.get("/packs/{sha256}", operation_id="get_rule_pack", responses=_PACK, response_class=Response)
async def get_rule_pack(
    parts: Shared, who: ReadsRuleDocuments, sha256: Annotated[Sha256, Path(description="As in `list_past_rules`")]
) -> Response:
    """The document of a pack that is or was in force, as a file to begin an own one from."""
    async with parts.database(who) as connection:
        body = await stored.rules_body(connection, sha256)
    if body is None:
        raise Problem(NOT_FOUND, f"no pack {sha256} is stored")
    return Response(as_file(body), media_type=_TOML)


@router.post(
    "/check",
    operation_id="check_rules",
    responses=problem_answers(NOT_SIGNED_IN, BAD_PARAMETER, *BODY_PROBLEMS),
)
async def check_rules(who: ChecksRules, body: RulesGiven) -> RulesChecked:
    """Whether rules may be used together, or every fault with its line. Puts nothing in force, and asks neither engine
    nor database."""
    return await asyncio.to_thread(checked, body)


def _show(told: m.RulesInForce, engine: str) -> Rules:
    overrides: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in told.overrides:
        overrides[one.rule].append(_written(one))
    return Rules(
        as_of=f"{engine}:{told.as_of}",
        sha256=told.sha256 or None,
        version=told.version,
        rules=[
            Rule(
                id=rule.id,
                title_zh=rule.title.zh,
                title_en=rule.title.en,
                kind=rule.kind,
                priority=rule.priority,
                state=rule.state,
                canary_pct=rule.canary_pct if rule.state is d.RuleState.CANARY else None,
                reverted=told.reverted.get(rule.id),
                alarms=told.alarms.get(rule.id, 0),
                source=rule.source,
                document=_written(rule),
                overrides=overrides.get(rule.id, []),
            )
            for rule in told.rules
        ],
    )


def _written(table: msgspec.Struct) -> dict[str, Any]:
    """The keys of a table that say anything, as they are written in a document."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(table):
        value = getattr(table, field.name)
        if value is None or value == () or value == {} or value == field.default:
            continue
        found[field.encode_name] = _value(value)
    return found


def _value(value: object) -> object:
    match value:
        case Priority():
            return word(value)
        case msgspec.Struct():
            return _written(value)
        case tuple():
            return [_value(one) for one in value]
        case _:
            return msgspec.to_builtins(value)


def _since(one: stored.RulesSince) -> RulesSince:
    return RulesSince(
        id=one.id,
        engine=one.engine,
        since=one.since or None,
        by=one.by or None,
        sha256=one.sha256,
        at_earliest=one.at_earliest,
    )
