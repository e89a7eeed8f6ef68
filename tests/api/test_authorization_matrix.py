"""Every route by everybody about everybody's things (G11): generated from the application's own routes, held to the
table of tests/api/matrix_rows.py; and once more with the application's check taken away, when the fences behind it
must hold by themselves."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.routing import iter_route_contexts

from access.authorize import Action
from access.principals import Membership, Person, Principal
from access.roles import Role
from api.app import create_app
from api.config import ApiConfig, Limits
from api.parts import Judges
from api.permits import permits_of
from storage.database import connect
from storage.sealed import MasterKey
from tests.api.asking import HIDDEN, admits, alike, fault, leak, requests
from tests.api.conftest import config_of
from tests.api.matrix_rows import COLUMNS, MAY, ROUTES
from tests.api.parties import DETECTORS, ROLES, TOKENS, VALVES, Parties, change_registry, parties
from tests.api.stand import Stand, serving

#: The application's routes: `METHOD path` -> action.
ACTIONS = {
    f"{method} {context.path}": next(iter(permits_of(context.original_route.dependant))).action  # type: ignore[union-attr]
    for context in iter_route_contexts(create_app(config_of(Path("/nowhere"))).routes)
    for method in context.original_route.methods or ()  # type: ignore[union-attr]
}
_QUICK = replace(Limits(), people_per_s=1e6, people_at_once=10**6, strangers_per_s=1e6, strangers_at_once=10**6)


def test_every_route_has_a_row_in_the_table() -> None:
    assert sorted(set(ACTIONS) - set(ROUTES)) == []
    assert sorted(set(ROUTES) - set(ACTIONS)) == []


def test_every_action_has_a_row_in_the_table() -> None:
    assert sorted(set(Action) - set(MAY)) == []
    assert sorted(set(MAY) - set(Action)) == []


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[Parties]:
    async with parties(database_url, tmp_path, time.time_ns() // 1_000) as found:
        yield found


def _config(world: Parties) -> ApiConfig:
    return replace(config_of(world.engine.path, world.url, _QUICK), master_key=MasterKey(b"k" * 32))


async def _of_the_other_company(url: str) -> list[tuple[object, ...]]:
    """What of the other company's could have been changed."""
    connection = await connect(url, name="test")
    try:
        cursor = await connection.execute(
            "SELECT 'device', identity, version::text FROM device WHERE enterprise = 'gas-b' AND vendor = 'zeta'"
            " UNION ALL SELECT 'site', key, version::text FROM site WHERE enterprise = 'gas-b'"
            " UNION ALL SELECT 'credential', identity, token_sha256 FROM credential WHERE identity LIKE 'zeta/%'"
            " UNION ALL SELECT 'link', detector, valve FROM link WHERE detector LIKE 'zeta/%'"
            " UNION ALL SELECT 'person', key, version::text FROM person WHERE tenant = 'gas-b'"
            " UNION ALL SELECT 'member', account, role FROM membership WHERE enterprise = 'gas-b'"
            " UNION ALL SELECT 'key', key, coalesce(revoked::text, '') FROM api_key WHERE enterprise = 'gas-b'"
            " UNION ALL SELECT 'account', a.account, a.disabled || a.password FROM account a JOIN membership m"
            " USING (account) WHERE m.enterprise = 'gas-b' ORDER BY 1, 2, 3"
        )
        return await cursor.fetchall()
    finally:
        await connection.close()


async def _live_subjects(stand: Stand, world: Parties) -> dict[str, dict[str, str]]:
    """Alarms, CLOSEs, permits and incidents that stand now, made by the administrator: kind -> relation -> id."""
    live: dict[str, dict[str, str]] = {"alarm": {}, "command": {}, "permit": {}, "incident": {}}
    for relation in ("own", "other", "foreign"):
        pushed = await stand.bare.post(
            f"/v1/telemetry/{DETECTORS[relation]}",
            json={"boot": 1, "seq": 1, "high_alarm": True},
            headers={"Authorization": f"Bearer {TOKENS[DETECTORS[relation]]}"},
        )
        assert pushed.status_code == 200, pushed.text
        closed = await stand.http.post(f"/v1/devices/{VALVES[relation]}/close", json={"reason": "for a test"})
        live["command"][relation] = closed.json()["wanted"]
    for alarm in await stand.alarms():
        relation = next((name for name, device in DETECTORS.items() if device == alarm["device"]), "")
        if relation in VALVES and alarm["incident"]:
            live["alarm"][relation], live["incident"][relation] = alarm["alarm"], alarm["incident"]
    assert len(live["alarm"]) == len(live["incident"]) == 3, live
    await change_registry(world.engine)
    spare = {"own": "spare-own", "foreign": "spare-foreign"}
    live["account"] = {relation: world.people.accounts[name] for relation, name in spare.items()}
    live["key"] = {
        relation: world.people.tokens[f"key-{name}"].removeprefix("dvk_")[:12] for relation, name in spare.items()
    }
    return live


def _headers(world: Parties, role: str) -> dict[str, str]:
    return {} if role == "public" else world.people.headers(role.replace("_", "-"))


async def _answered(stand: Stand, method: str, url: str, row_body: object, headers: dict[str, str]):  # type: ignore[no-untyped-def]
    return await stand.bare.request(method, url, json=row_body, headers=headers)


async def test_everybody_may_do_what_the_table_says_and_what_is_not_theirs_does_not_exist(world: Parties) -> None:
    async with serving(_config(world)) as stand:
        live = await _live_subjects(stand, world)
        faults = [fault for role in COLUMNS for fault in await _faults(stand, world, live, role)]
    assert not faults, "\n".join(faults)


async def _faults(stand: Stand, world: Parties, live: dict[str, dict[str, str]], role: str) -> list[str]:
    faults: list[str] = []
    headers = _headers(world, role)
    ordered = sorted(ROUTES.items(), key=lambda item: item[1].last)
    for name, row in ordered:
        method, _, path = name.partition(" ")
        if name not in ACTIONS or row.stream:
            continue
        allowed = role in MAY[ACTIONS[name]]
        for asked in requests(method, path, row, role, live):
            if not allowed and asked.relation not in ("", "own", "foreign"):
                continue
            answer = await _answered(stand, method, asked.url, row.body, headers)
            wrong = fault(answer, role, allowed, row, asked) or leak(answer, HIDDEN[role])
            if not wrong and answer.status_code == 404 and method == "GET" and not admits(role, row, asked):
                nothing = await _answered(stand, method, asked.nowhere, row.body, headers)
                if not alike(answer, nothing, row, asked):
                    wrong = f"unlike what does not exist: {answer.text} {nothing.text}"
            if wrong:
                faults.append(f"{role}: {method} {asked.url} ({asked.relation}): {wrong}")
    return faults


async def test_without_the_applications_check_the_fences_let_nothing_through(world: Parties) -> None:
    by_account = {world.people.accounts[name.replace("_", "-")]: of for name, of in ROLES.items()}

    def judged(who: Principal) -> Principal:
        """Whoever it is, the application takes them for the platform's."""
        if not isinstance(who, Person) or who.account not in by_account:
            return who
        return replace(who, memberships=(Membership(Role.PLATFORM_ADMINISTRATOR),))

    def fenced(who: Principal) -> Principal:
        if not isinstance(who, Person) or who.account not in by_account:
            return who
        return replace(who, memberships=(by_account[who.account],))

    faults: list[str] = []
    before = await _of_the_other_company(world.url)
    foreign = HIDDEN["operator"]
    async with serving(_config(world), Judges(judged, fenced)) as stand:
        live = await _live_subjects(stand, world)
        for role in [role for role in ROLES if role != "platform_administrator"]:
            headers, hidden = _headers(world, role), foreign
            if role == "installer":  # a device that it installed stands at the other company's site now
                hidden = tuple(word for word in foreign if word not in ("site-b1", "gas-b", "pm-b"))
            for name, row in sorted(ROUTES.items(), key=lambda item: item[1].last):
                method, _, path = name.partition(" ")
                if name not in ACTIONS or row.stream or row.last:
                    continue
                for asked in requests(method, path, row, role, live):
                    if method != "GET" and asked.relation != "foreign":
                        continue
                    answer = await _answered(stand, method, asked.url, row.body, headers)
                    # What was asked for by name is said again where there is nothing of it, such as a party's record.
                    word = leak(answer, tuple(one for one in hidden if one not in asked.url or "audit" not in path))
                    # To take away what the fence hides is done when nothing was done; that, the last look tells.
                    done = method != "GET" and answer.status_code < 400 and answer.status_code != 204
                    if word or done:
                        faults.append(f"{role}: {method} {asked.url}: {word or answer.status_code}")
    assert await _of_the_other_company(world.url) == before
    assert not faults, "\n".join(faults)
