"""A Grafana signs in as its tenant: it reads what the tenant reads, and changes nothing (storage/logins.py)."""

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from access.enterprises import EnterpriseKind as Kind
from storage.database import DatabaseRefused, connect
from storage.logins import Login, heal_roles, make_login, remove_login
from storage.tenants import Tenant
from tests.fence.worlds import CLOSED, KINDS, SEEN, populate, roles_in, worlds_seen

Owner = psycopg.Connection[Any]
PASSWORD = "correct horse battery staple"


@pytest.fixture
def owner(plain_url: str) -> Iterator[Owner]:
    with psycopg.connect(plain_url, autocommit=True) as connection:
        populate(connection)
        yield connection


def _login(url: str, enterprise: str) -> Login:
    async def make() -> Login:
        connection = await connect(url, name="test")
        try:
            async with connection.transaction():
                return await make_login(connection, enterprise, PASSWORD, connections=3, by="test", now_us=1)
        finally:
            await connection.close()

    return asyncio.run(make())


def _remove(url: str, enterprise: str) -> bool:
    async def remove() -> bool:
        connection = await connect(url, name="test")
        try:
            async with connection.transaction():
                return await remove_login(connection, enterprise, by="test", now_us=1)
        finally:
            await connection.close()

    return asyncio.run(remove())


def _signed_in(login: Login) -> Owner:
    return psycopg.connect(host=login.host, dbname=login.database, user=login.role, password=PASSWORD, autocommit=True)


@pytest.mark.parametrize("kind", KINDS)
def test_it_sees_what_its_tenant_sees_and_nothing_else(owner: Owner, plain_url: str, kind: Kind) -> None:
    with _signed_in(_login(plain_url, f"{kind}-a")) as grafana:
        for table, kinds in SEEN.items():
            if table == "tenant_role":
                continue  # it sees its own row, which bears its own name
            try:
                seen = worlds_seen(grafana, table)
            except psycopg.errors.InsufficientPrivilege:
                seen = set()
            assert seen == ({"a"} if kind in kinds else set()), table
        for table in CLOSED:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                grafana.execute(f"SELECT FROM public.{table}".encode())
    _remove(plain_url, f"{kind}-a")


def test_it_changes_nothing_whatever_it_sets(owner: Owner, plain_url: str) -> None:
    roles = roles_in(owner)
    with _signed_in(_login(plain_url, "gas_company-a")) as grafana:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            grafana.execute("UPDATE site SET name = 'x'")
        grafana.execute("SET default_transaction_read_only = off")
        for statement in (
            b"UPDATE site SET name = 'x'",
            b"DELETE FROM device",
            b"INSERT INTO person (tenant, key) VALUES ('gas_company-a', 'new')",
            b"SELECT davy_record(ARRAY['gas_company-a'], ARRAY[1], ARRAY['x'], ARRAY['x'], ARRAY['{}'])",
            b"SELECT davy_offer(true, '', '')",
            b"SET ROLE " + roles.of(Tenant("gas_company-a", Kind.GAS_COMPANY)).encode(),
            b"SET ROLE " + roles.api.encode(),
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                grafana.execute(statement)
    _remove(plain_url, "gas_company-a")


def test_making_it_again_ends_its_sessions_and_so_does_taking_it_away(owner: Owner, plain_url: str) -> None:
    first = _signed_in(_login(plain_url, "vendor-a"))
    login = _login(plain_url, "vendor-a")
    with pytest.raises(psycopg.OperationalError):
        first.execute("SELECT 1")
    second = _signed_in(login)
    assert _remove(plain_url, "vendor-a")
    with pytest.raises(psycopg.OperationalError):
        second.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="not exist"):
        _signed_in(login)
    assert not _remove(plain_url, "vendor-a")
    kinds = owner.execute("SELECT kind, body FROM audit_entry WHERE tenant = 'vendor-a' ORDER BY n").fetchall()
    assert [kind for kind, _ in kinds] == ["login", "data source", "data source", "data source"]


def test_its_password_is_kept_as_a_verifier_and_written_nowhere(owner: Owner, plain_url: str) -> None:
    login = _login(plain_url, "regulator-a")
    row = owner.execute("SELECT rolpassword, rolconnlimit FROM pg_authid WHERE rolname = %s", (login.role,)).fetchone()
    assert row is not None
    assert str(row[0]).startswith("SCRAM-SHA-256$")
    assert row[1] == 3
    _remove(plain_url, "regulator-a")


def test_it_goes_with_its_enterprise_and_no_enterprise_has_none(owner: Owner, plain_url: str) -> None:
    login = _login(plain_url, "installer-a")
    owner.execute("UPDATE enterprise SET gone = now() WHERE key = 'installer-a'")
    assert owner.execute("SELECT FROM pg_roles WHERE rolname = %s", (login.role,)).rowcount == 0
    with pytest.raises(DatabaseRefused, match="no enterprise 'nobody'"):
        _login(plain_url, "nobody")


async def test_missing_roles_are_made_anew(owner: Owner, plain_url: str) -> None:
    role = roles_in(owner).of(Tenant("vendor-b", Kind.VENDOR))
    owner.execute(f"DROP ROLE {role}".encode())
    owner.execute("INSERT INTO tenant_role (role, enterprise, kind) VALUES ('davy_ffffffff_t_0', 'vendor-b', 'vendor')")
    connection = await connect(plain_url, name="test")
    try:
        assert await heal_roles(connection) == 10
    finally:
        await connection.close()
    assert owner.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).rowcount == 1
    assert owner.execute("SELECT role FROM tenant_role WHERE enterprise = 'vendor-b'").fetchall() == [(role,)]
