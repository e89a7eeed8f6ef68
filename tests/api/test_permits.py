"""Every route has its permission, and nobody passes without it. The routes are read off the application."""

import re
from pathlib import Path

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from access.authorize import Action
from api.app import create_app
from api.permits import GuardedRoute, OpenPermit, Permit, permits_of
from tests.api.conftest import config_of
from tests.api.homes import DETECTOR, SELF_CLOSING, TOKENS
from tests.api.stand import Stand, signed

OPEN = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("POST", "/v1/session"),
    ("POST", "/v1/session/provider/challenge"),
    ("POST", "/v1/session/provider"),
    ("POST", "/v1/session/password"),
}
BODIES = {"acknowledge": {"comment": ""}, "close": {"reason": "x"}, "cancel": {"reason": "x"}}


def _is_open(method: str, path: str) -> bool:
    """Health, signing in, and what is published for everybody."""
    return (method, path) in OPEN or path.startswith("/v1/public/")


def _routes() -> dict[tuple[str, str], list[Permit | OpenPermit]]:
    found = {}
    for context in iter_route_contexts(create_app(config_of(Path("/nowhere"))).routes):
        route = context.original_route
        assert isinstance(route, GuardedRoute), f"{route} asks for no permit"
        for method in route.methods or ():
            found[method, context.path or ""] = list(permits_of(route.dependant))
    return found


ROUTES = _routes()


def _url(path: str) -> str:
    values = {"vendor": "acme", "serial": "d1"} | dict.fromkeys(
        ("alarm", "wanted", "incident", "permit", "backtest"), "0" * 32
    )
    values["sha256"] = "0" * 64
    return re.sub(r"\{(\w+)\}", lambda name: values.get(name[1], "nothing"), path)


async def _ask(client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str]) -> httpx.Response:
    body = BODIES.get(path.rsplit("/", 1)[-1], {}) if method == "POST" else None
    return await client.request(method, _url(path), json=body, headers=headers)


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_every_route_has_exactly_one_permit(route: tuple[str, str]) -> None:
    assert len(ROUTES[route]) == 1
    assert isinstance(ROUTES[route][0], OpenPermit) == _is_open(*route)


def test_a_route_without_a_permit_cannot_be_built() -> None:
    async def open_door() -> None:
        raise AssertionError

    with pytest.raises(TypeError, match="exactly one permit"):
        GuardedRoute("/open-door", open_door)


def test_every_action_guards_a_route() -> None:
    assert {permits[0].action for permits in ROUTES.values()} == set(Action)


async def test_only_health_answers_without_a_token(stand: Stand) -> None:
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer"},
    ):
        for method, path in ROUTES:
            answer = await _ask(stand.bare, method, path, headers)
            if _is_open(method, path):
                assert answer.status_code != 401, f"{method} {path}"
            else:
                assert answer.status_code == 401, f"{method} {path}"
                assert answer.headers["WWW-Authenticate"].startswith("Bearer")
                assert answer.headers["Content-Type"] == "application/problem+json"


async def test_a_devices_token_opens_nothing_but_its_own_telemetry(stand: Stand) -> None:
    for method, path in ROUTES:
        if _is_open(method, path):
            continue
        answer = await _ask(stand.bare, method, path, signed(SELF_CLOSING))
        assert answer.status_code == 401, f"{method} {path}"


async def test_an_administrator_cannot_speak_for_a_device(stand: Stand) -> None:
    answer = await stand.http.post(f"/v1/telemetry/{DETECTOR}", json={"seq": 1})
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:davy:problem:not-allowed"


async def test_who_is_not_signed_in_does_not_hear_what_was_wrong_with_a_request(stand: Stand) -> None:
    url = f"/v1/alarms/{'0' * 32}/acknowledge"
    for attempt in (
        stand.bare.post(url, content=b"{", headers={"Content-Type": "application/json"}),
        stand.bare.post(url, json={"wrong": 1}),
        stand.bare.get("/v1/alarms?limit=0"),
        stand.bare.get("/v1/alarms/not-an-id"),
    ):
        assert (await attempt).status_code == 401


async def test_every_route_is_in_the_description_and_nothing_else(stand: Stand) -> None:
    document = (await stand.http.get("/openapi.json")).json()
    described = {(method.upper(), path) for path, operations in document["paths"].items() for method in operations}
    assert described == set(ROUTES)
    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))
    assert TOKENS[DETECTOR] not in str(document)


async def test_every_error_in_the_description_is_a_problem_document(stand: Stand) -> None:
    document = (await stand.http.get("/openapi.json")).json()
    statuses = set()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            errors = {status: answer for status, answer in operation["responses"].items() if int(status) >= 400}
            statuses |= set(errors)
            if path not in ("/readyz",):
                assert all(list(answer["content"]) == ["application/problem+json"] for answer in errors.values()), path
    assert {"401", "403", "404", "409", "413", "415", "422", "429", "503"} <= statuses
