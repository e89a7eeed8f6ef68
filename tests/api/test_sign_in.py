"""People sign in, stay signed in, and are signed out; also while PostgreSQL is down."""

import asyncio
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from access.principals import Membership
from access.roles import Role
from access.secrets import new_id
from api.config import ApiConfig
from storage import account_changes as changes
from storage.account_changes import By, Link
from storage.accounts import NewAccount
from storage.database import connect
from tests.api.conftest import config_of
from tests.api.parties import REGISTRY as PARTIES
from tests.api.parties import TOKENS as DEVICE_TOKENS
from tests.api.parties import VALVES, write_register
from tests.api.real_engine import RealEngine
from tests.api.stand import Stand, serving
from tests.postgres import Server

PASSWORD = "a lamp in the mine"


@pytest.fixture
async def engine_of_parties(tmp_path: Path) -> AsyncIterator[RealEngine]:
    engine = RealEngine(tmp_path, PARTIES)
    await engine.start()
    yield engine
    await engine.stop()


@pytest.fixture
async def config(engine_of_parties: RealEngine, database_url: str, tmp_path: Path) -> ApiConfig:
    connection = await connect(database_url, name="test")
    await write_register(connection)
    await connection.close()
    return replace(config_of(engine_of_parties.path, database_url), access_file=tmp_path / "access")


async def _account(url: str, login: str, *memberships: Membership) -> Link:
    connection = await connect(url, name="test")
    try:
        made = await changes.create(connection, NewAccount(new_id(), login, memberships), By("test", _now_us()))
    finally:
        await connection.close()
    assert made is not None
    return made


def _now_us() -> int:
    import time

    return time.time_ns() // 1_000


async def _signed_in(stand: Stand, login: str, password: str = PASSWORD) -> dict[str, str]:
    answer = await stand.bare.post("/v1/session", json={"login": login, "password": password})
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['token']}"}


async def _with_password(stand: Stand, url: str, login: str, *memberships: Membership) -> dict[str, str]:
    link = await _account(url, login, *memberships)
    answer = await stand.bare.post("/v1/session/password", json={"secret": link.secret, "password": PASSWORD})
    assert answer.status_code == 204, answer.text
    return await _signed_in(stand, login)


async def test_an_administrators_link_sets_a_password_once_and_then_one_signs_in(config: ApiConfig) -> None:
    assert config.database_url is not None
    async with serving(config) as stand:
        made = await stand.http.post(
            "/v1/accounts",
            json={"login": "wang.li", "memberships": [{"role": "operator", "enterprise": "gas-a"}]},
        )
        assert made.status_code == 201, made.text
        link = {"secret": made.json()["link"]["secret"], "password": PASSWORD}
        short = await stand.bare.post("/v1/session/password", json=link | {"password": "short"})
        assert short.status_code == 422
        assert (await stand.bare.post("/v1/session/password", json=link)).status_code == 204
        assert (await stand.bare.post("/v1/session/password", json=link)).status_code == 404
        headers = await _signed_in(stand, "wang.li")
        me = (await stand.bare.get("/v1/me", headers=headers)).json()
        assert me["memberships"] == [{"role": "operator", "enterprise": "gas-a", "sites": []}]
        assert (await stand.bare.get("/v1/alarms", headers=headers)).status_code == 200
        assert (await stand.bare.get("/v1/ledger", headers=headers)).status_code == 403


async def test_a_wrong_login_and_a_wrong_password_are_answered_alike(config: ApiConfig) -> None:
    assert config.database_url is not None
    async with serving(config) as stand:
        await _with_password(stand, config.database_url, "wang.li", Membership(Role.OPERATOR, "gas-a"))
        said = [
            await stand.bare.post("/v1/session", json={"login": login, "password": "wrong " * 5})
            for login in ("wang.li", "nobody")
        ]
        assert [one.status_code for one in said] == [401, 401]
        assert said[0].json() == said[1].json()


async def test_guessing_is_slowed_down_and_who_is_at_home_still_signs_in(config: ApiConfig) -> None:
    assert config.database_url is not None
    async with serving(config) as stand:
        await _with_password(stand, config.database_url, "wang.li", Membership(Role.OPERATOR, "gas-a"))
        throttle = stand.parts.throttle
        for _ in range(20):
            throttle.failed("wang.li", "203.0.113.9")
        assert throttle._logins.wait_s("wang.li") > 0
        await _signed_in(stand, "wang.li")  # from where it signed in before
        for _ in range(20):
            throttle.failed("wang.li", "127.0.0.1")
        late = await stand.bare.post("/v1/session", json={"login": "wang.li", "password": PASSWORD})
        assert (late.status_code, int(late.headers["Retry-After"]) >= 1) == (429, True)


async def test_a_session_ends_at_once_by_its_person_by_an_administrator_and_by_another_password(
    config: ApiConfig,
) -> None:
    assert config.database_url is not None
    async with serving(config) as stand:
        first = await _with_password(stand, config.database_url, "wang.li", Membership(Role.OPERATOR, "gas-a"))
        second, third = await _signed_in(stand, "wang.li"), await _signed_in(stand, "wang.li")
        listed = (await stand.bare.get("/v1/sessions", headers=first)).json()["sessions"]
        assert len(listed) == 3
        assert (await stand.bare.delete("/v1/session", headers=second)).status_code == 204
        assert (await stand.bare.get("/v1/me", headers=second)).status_code == 401
        changed = await stand.bare.post(
            "/v1/me/password", headers=first, json={"old": PASSWORD, "new": "another lamp, another mine"}
        )
        assert changed.status_code == 204
        assert (await stand.bare.get("/v1/me", headers=third)).status_code == 401
        account = (await stand.bare.get("/v1/me", headers=first)).json()["account"]
        assert (await stand.http.post(f"/v1/accounts/{account}/disable")).status_code == 200
        assert (await stand.bare.get("/v1/me", headers=first)).status_code == 401
        again = {"login": "wang.li", "password": "another lamp, another mine"}
        assert (await stand.bare.post("/v1/session", json=again)).status_code == 401
        assert (await stand.http.post(f"/v1/accounts/{account}/enable")).status_code == 200
        assert (await stand.bare.post("/v1/session", json=again)).status_code == 201


async def test_what_is_changed_by_another_process_counts_at_once(config: ApiConfig) -> None:
    assert config.database_url is not None
    async with serving(config) as stand:
        headers = await _with_password(stand, config.database_url, "wang.li", Membership(Role.OPERATOR, "gas-a"))
        account = (await stand.bare.get("/v1/me", headers=headers)).json()["account"]
        connection = await connect(config.database_url, name="test")
        await changes.set_disabled(connection, account, True, By("test", _now_us()))
        await connection.close()
        async with asyncio.timeout(5):
            while (await stand.bare.get("/v1/me", headers=headers)).status_code != 401:
                await asyncio.sleep(0.01)


async def test_a_key_is_shown_once_does_what_it_is_for_and_is_revoked_at_once(config: ApiConfig) -> None:
    assert config.database_url is not None
    async with serving(config) as stand:
        vendor = await _with_password(stand, config.database_url, "zhang.san", Membership(Role.VENDOR, "acme-co"))
        body = {"name": "our screen", "role": "vendor", "enterprise": "acme-co", "scopes": ["read_devices"]}
        made = await stand.bare.post("/v1/keys", headers=vendor, json=body)
        assert made.status_code == 201, made.text
        key, headers = made.json()["key"]["key"], {"Authorization": f"Bearer {made.json()['secret']}"}
        shown = (await stand.bare.get("/v1/devices", headers=headers)).json()["devices"]
        assert {one["vendor"] for one in shown} == {"acme"}
        assert all(one["site"] is None and one["site_name"] is None for one in shown)
        assert (await stand.bare.get("/v1/alarms", headers=headers)).status_code == 403
        assert made.json()["secret"] not in (await stand.bare.get("/v1/keys", headers=vendor)).text
        for wrong, status in (
            ({"enterprise": "zeta-co"}, 404),
            ({"role": "platform_administrator", "enterprise": ""}, 404),
            ({"scopes": ["close_valve"]}, 403),
            ({"role": "operator"}, 403),
        ):
            assert (await stand.bare.post("/v1/keys", headers=vendor, json=body | wrong)).status_code == status, wrong
        assert (await stand.bare.delete(f"/v1/keys/{key}", headers=vendor)).status_code == 200
        assert (await stand.bare.get("/v1/devices", headers=headers)).status_code == 401


async def test_nobody_gives_a_role_that_is_not_theirs_to_give(config: ApiConfig) -> None:
    assert config.database_url is not None
    async with serving(config) as stand:
        boss = await _with_password(stand, config.database_url, "boss", Membership(Role.COMPANY_ADMINISTRATOR, "gas-a"))
        for role, enterprise, status in (
            ("operator", "gas-a", 201),
            ("operator", "gas-b", 403),
            ("platform_administrator", "", 403),
            ("vendor", "gas-a", 409),
        ):
            body = {"login": f"x-{role}".replace("_", "-"), "memberships": [{"role": role, "enterprise": enterprise}]}
            answer = await stand.bare.post("/v1/accounts", headers=boss, json=body)
            assert answer.status_code == status, answer.text
        home = {"role": "resident", "enterprise": "gas-a", "sites": ["site-b1"]}
        answer = await stand.bare.post("/v1/accounts", headers=boss, json={"login": "li.si", "memberships": [home]})
        assert answer.status_code == 409
        assert "site-b1" in answer.json()["detail"]


async def test_g3_with_postgresql_stopped_and_the_api_restarted_staff_sign_in_acknowledge_and_close_a_valve(
    config: ApiConfig, postgres: Server
) -> None:
    assert config.database_url is not None
    assert config.access_file is not None
    async with serving(config) as stand:
        before = await _with_password(stand, config.database_url, "wang.li", Membership(Role.OPERATOR, "gas-a"))
        resident = Membership(Role.RESIDENT, "gas-a", sites=frozenset({"site-a1"}))
        at_home = await _with_password(stand, config.database_url, "li.si", resident)
    assert stat.S_IMODE(config.access_file.stat().st_mode) == 0o600
    assert PASSWORD.encode() not in config.access_file.read_bytes()
    postgres.stop()
    try:
        async with serving(config) as stand:
            anew = await _signed_in(stand, "wang.li")
            device = {"Authorization": f"Bearer {DEVICE_TOKENS['acme/a1d']}"}
            pushed = await stand.bare.post(
                "/v1/telemetry/acme/a1d", headers=device, json={"boot": 1, "seq": 1, "high_alarm": True}
            )
            assert pushed.status_code == 200, pushed.text
            for headers in (before, anew, at_home):
                (alarm,) = (await stand.bare.get("/v1/alarms?priority=critical", headers=headers)).json()["alarms"]
            said = await stand.bare.post(f"/v1/alarms/{alarm['alarm']}/acknowledge", headers=anew, json={})
            assert said.status_code == 200, said.text
            closed = await stand.bare.post(
                f"/v1/devices/{VALVES['own']}/close", headers=before, json={"reason": "a smell"}
            )
            assert closed.status_code == 202, closed.text
            foreign = await stand.bare.post(
                f"/v1/devices/{VALVES['foreign']}/close", headers=before, json={"reason": "a smell"}
            )
            assert foreign.status_code in (404, 503)
        async with serving(config) as stand:  # the new session outlives another restart
            assert (await stand.bare.get("/v1/alarms", headers=anew)).status_code == 200
            postgres.start()
            connection = None
            async with asyncio.timeout(20):
                while connection is None:
                    try:
                        connection = await connect(config.database_url, name="test")
                    except ConnectionError:
                        await asyncio.sleep(0.05)
                while True:
                    cursor = await connection.execute("SELECT count(*) FROM session WHERE ended IS NULL")
                    row = await cursor.fetchone()
                    assert row is not None
                    if row[0] == 3:
                        break
                    await asyncio.sleep(0.05)
            cursor = await connection.execute("SELECT count(*) FROM audit_entry WHERE kind = 'login'")
            row = await cursor.fetchone()
            assert row is not None
            assert row[0] == 3
            await connection.close()
            assert (await stand.bare.get("/v1/me", headers=anew)).status_code == 200
    finally:
        postgres.stop()
        postgres.start()


async def test_the_use_of_the_installations_own_token_is_in_the_record(config: ApiConfig) -> None:
    assert config.database_url is not None
    async with serving(config) as stand:
        for _ in range(3):
            assert (await stand.http.get("/v1/me")).json()["kind"] == "administrator"
        connection = await connect(config.database_url, name="test")
        async with asyncio.timeout(20):
            while True:
                cursor = await connection.execute("SELECT tenant, by FROM audit_entry WHERE kind = 'break_glass'")
                if found := await cursor.fetchall():
                    break
                await asyncio.sleep(0.01)
        await connection.close()
        assert found == [("", "administrator")]
