"""Device models that vendors hand in: uploaded as TOML, checked, tried, admitted, withdrawn."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field, StringConstraints

from access.authorize import Action, scope
from access.principals import Principal
from api.pages import USUAL_ROWS, Cursor, Limit, decode_cursor, stored_page
from api.parts import Shared
from api.permits import DecidesModels, GuardedRoute, HandsInModels, ReadsModels
from api.problems import (
    BAD_PARAMETER,
    BODY_PROBLEMS,
    CONFLICT,
    DATABASE_PROBLEMS,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_SIGNED_IN,
    Problem,
    problem_answers,
)
from api.shapes import Asked, Page, Shape, example
from api.times import Utc
from storage import models_admitted as stored
from storage.database import translated
from storage.models_admitted import MOST_DOCUMENT, ModelRefused, ModelState, ModelVersion
from storage.tenants import Standing

router = APIRouter(route_class=GuardedRoute, prefix="/v1/device-models", tags=["onboarding"])

ModelKey = Annotated[str, StringConstraints(pattern="^[a-z0-9_]{1,100}$"), Field(examples=["acme_d1"])]
VersionNumber = Annotated[int, Path(ge=1, le=1_000_000)]
_PAGE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, BAD_PARAMETER, *DATABASE_PROBLEMS)
_ONE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS)
_MAKE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, CONFLICT, BAD_PARAMETER, *BODY_PROBLEMS, *DATABASE_PROBLEMS)


class ModelHandedIn(
    Asked, json_schema_extra=example(toml='vendor = "acme"\nname = "Home detector"\nkind = "detector"\n')
):
    toml: str = Field(min_length=1, max_length=MOST_DOCUMENT, description="The model's document (docs/MODELS.md)")


class NextState(Asked, json_schema_extra=example(state="tried", reason="")):
    state: ModelState
    reason: str = Field(default="", max_length=1_000, description="Withdrawing needs one")


class ModelVersionShown(Shape):
    model: str
    version: int
    vendor: str
    state: ModelState
    sha256: str = Field(description="Of the document")
    handed_in: Utc
    handed_in_by: str
    decided: Utc | None
    reason: str | None


class ModelVersionInFull(ModelVersionShown):
    toml: str


class ModelVersions(Page):
    versions: list[ModelVersionShown]


@router.get("", operation_id="list_model_versions", responses=_PAGE)
async def list_model_versions(
    parts: Shared,
    who: ReadsModels,
    state: Annotated[ModelState | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = USUAL_ROWS,
) -> ModelVersions:
    """Versions of models that were handed in: one's own, and those that are admitted."""
    after = decode_cursor(cursor, tuple[str, int])
    async with parts.database(who) as connection:
        page = await stored.versions(connection, limit=limit + 1, after=after or ("", 0), state=state)
    shown, following = stored_page(page, lambda one: (one.key, one.version), limit)
    return ModelVersions(versions=[_show(one) for one in shown if _own(who, one)], next=following)


@router.get("/{model}/{version}", operation_id="get_model_version", responses=_ONE)
async def get_model_version(
    parts: Shared, who: ReadsModels, model: ModelKey, version: VersionNumber
) -> ModelVersionInFull:
    """One version, with its document."""
    async with parts.database(who) as connection:
        found = await stored.one(connection, model, version)
    if found is None or not _own(who, found):
        raise Problem(NOT_FOUND, f"there is no version {version} of a model {model}")
    return ModelVersionInFull(**dict(_show(found)), toml=found.toml)


@router.put("/{model}", operation_id="hand_in_model", responses=_MAKE, status_code=201)
async def hand_in_model(parts: Shared, who: HandsInModels, model: ModelKey, body: ModelHandedIn) -> ModelVersionShown:
    """Hand in a model's document: a new version, as a draft. Its examples are run; what is wrong is said line by line:
    place, reason, remedy. The same document again is the version that it is."""
    own = scope(who, Action.HAND_IN_MODEL)
    vendor = "" if own.everything else min(own.vendors, default="-")
    try:
        async with parts.database(Standing.PLATFORM, writing=True) as connection:
            with translated():
                found = await stored.hand_in(
                    connection, model, body.toml, vendor=vendor, by=who.name, now_us=parts.config.now_us()
                )
    except ModelRefused as refused:
        raise Problem(CONFLICT, str(refused)[:4_000]) from refused
    return _show(found)


@router.post("/{model}/{version}/state", operation_id="decide_model", responses=_MAKE)
async def decide_model(
    parts: Shared, who: DecidesModels, model: ModelKey, version: VersionNumber, body: NextState
) -> ModelVersionShown:
    """Try, admit or withdraw a version. An admitted one is what the registry goes by from then on, in less than a
    second; it takes the place of the one before. A withdrawn model stays with its devices and takes no new ones."""
    try:
        async with parts.database(who, writing=True) as connection:
            with translated():
                found = await stored.go_on(
                    *(connection, model, version, body.state),
                    by=who.name,
                    now_us=parts.config.now_us(),
                    reason=body.reason,
                )
    except ModelRefused as refused:
        raise Problem(CONFLICT, str(refused)[:4_000]) from refused
    return _show(found)


def _own(who: Principal, one: ModelVersion) -> bool:
    allowed = scope(who, Action.READ_MODELS)
    return one.state is ModelState.ADMITTED or allowed.everything or one.vendor in allowed.vendors


def _show(one: ModelVersion) -> ModelVersionShown:
    return ModelVersionShown(
        model=one.key,
        version=one.version,
        vendor=one.vendor,
        state=one.state,
        sha256=one.sha256,
        handed_in=one.uploaded_us,
        handed_in_by=one.uploaded_by,
        decided=one.decided_us,
        reason=one.reason or None,
    )
