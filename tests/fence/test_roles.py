"""One database role per tenant: made with the enterprise, changed with it, gone with it; and made by an owner that is
no superuser."""

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql

from access.enterprises import EnterpriseKind as Kind
from storage.database import DatabaseRefused
from storage.migrate import migrate
from storage.tenants import Roles, Tenant
from tests.fence.worlds import enter, populate, roles_in, tenant, worlds_seen
from tests.postgres import Server

Owner = psycopg.Connection[Any]


@pytest.fixture
def owner(plain_url: str) -> Iterator[Owner]:
    with psycopg.connect(plain_url, autocommit=True) as connection:
        yield connection


def _groups(owner: Owner, role: str) -> set[str]:
    rows = owner.execute(
        "SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid"
        " JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = %s",
        (role,),
    ).fetchall()
    return {name.rpartition("davy_")[2].partition("_")[2] for (name,) in rows}


def _is_there(owner: Owner, role: str) -> bool:
    return owner.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).rowcount == 1


def test_a_role_comes_and_goes_with_its_enterprise(owner: Owner) -> None:
    roles = roles_in(owner)
    role = roles.of(Tenant("gas-new", Kind.GAS_COMPANY))
    owner.execute("INSERT INTO enterprise (key, kind) VALUES ('gas-new', 'gas_company')")
    assert _groups(owner, role) == {"gas_company", "writer"}
    owner.execute("UPDATE enterprise SET kind = 'regulator', area = '500000' WHERE key = 'gas-new'")
    assert _groups(owner, role) == {"regulator", "regulator_2", "writer"}
    owner.execute("UPDATE enterprise SET area = '500156' WHERE key = 'gas-new'")
    assert _groups(owner, role) == {"regulator", "regulator_6", "writer"}
    owner.execute("UPDATE enterprise SET area = '500000' WHERE key = 'gas-new'")
    row = owner.execute("SELECT kind, area_from, vendor FROM tenant_role WHERE role = %s", (role,)).fetchone()
    assert row == ("regulator", "50", None)
    owner.execute("UPDATE enterprise SET gone = now() WHERE key = 'gas-new'")
    assert not _is_there(owner, role)
    owner.execute("UPDATE enterprise SET gone = NULL WHERE key = 'gas-new'")
    assert _is_there(owner, role)
    owner.execute("DELETE FROM enterprise WHERE key = 'gas-new'")
    assert not _is_there(owner, role)
    assert owner.execute("SELECT FROM tenant_role WHERE enterprise = 'gas-new'").rowcount == 0


def test_what_is_rolled_back_leaves_no_role(owner: Owner) -> None:
    role = roles_in(owner).of(Tenant("gas-never", Kind.GAS_COMPANY))
    with owner.transaction(force_rollback=True):
        owner.execute("INSERT INTO enterprise (key, kind) VALUES ('gas-never', 'gas_company')")
        assert _is_there(owner, role)
    assert not _is_there(owner, role)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=300), unique=True))
@settings(max_examples=25, deadline=None)
def test_names_are_plain_short_and_of_one_key_each(keys: list[str]) -> None:
    names = [Roles("davy_0123abcd_").of(Tenant(key, Kind.VENDOR)) for key in keys]
    assert len(set(names)) == len(names)
    assert all(name.isascii() and len(name) <= 63 and name.replace("_", "").isalnum() for name in names)


def test_the_database_and_the_application_call_a_role_alike(owner: Owner) -> None:
    roles = roles_in(owner)
    for key in ("gas-a", "北京燃气", 'quo"te; DROP ROLE x', "x" * 500, "é"):
        row = owner.execute("SELECT davy_tenant_role(%s)", (key,)).fetchone()
        assert row == (roles.of(Tenant(key, Kind.GAS_COMPANY)),)


@pytest.mark.parametrize("code", ["500000", "500100", "500156", "500156001", "500156001002", ""])
def test_the_database_and_the_application_say_alike_what_lies_in_an_area(owner: Owner, code: str) -> None:
    from devices.areas import prefix

    assert owner.execute("SELECT davy_area_prefix(%s)", (code,)).fetchone() == (prefix(code),)


def test_empty_fields_admit_nobody(owner: Owner) -> None:
    """A regulator without an area, a vendor without a word; a site without an enterprise, a manager or an area."""
    roles = roles_in(owner)
    owner.execute("INSERT INTO site (key) VALUES ('nobodys')")
    owner.execute("INSERT INTO device_model VALUES ('model', 'detector', 'v', 'n', '{}')")
    owner.execute("INSERT INTO device (vendor, serial, model, site) VALUES ('v', 's', 'model', 'nobodys')")
    for kind in Kind:
        owner.execute("INSERT INTO enterprise (key, kind) VALUES (%s, %s)", (f"no-{kind}", kind.value))
        enter(owner, roles, Tenant(f"no-{kind}", kind))
        for table in ("device",) if kind is Kind.VENDOR else ("site", "device"):
            assert owner.execute(sql.SQL("SELECT FROM {}").format(sql.Identifier(table))).rowcount == 0
        owner.execute("RESET ROLE")


def test_a_site_that_is_given_away_takes_its_past_along_and_a_moved_device_leaves_its_behind(owner: Owner) -> None:
    roles = roles_in(owner)
    populate(owner)
    owner.execute("UPDATE device SET site = 'site-b' WHERE identity = 'maker-a/s1-a'")
    enter(owner, roles, tenant(Kind.GAS_COMPANY, "b"))
    assert worlds_seen(owner, "alarm") == {"b"}
    assert worlds_seen(owner, "device") == {"a", "b"}
    owner.execute("RESET ROLE")
    owner.execute("UPDATE site SET enterprise = 'gas_company-b' WHERE key = 'site-a'")
    enter(owner, roles, tenant(Kind.GAS_COMPANY, "b"))
    for table in ("alarm", "wanted", "permit", "shut_off_held", "incident", "command"):
        assert worlds_seen(owner, table) == {"a", "b"}, table
    owner.execute("RESET ROLE")
    enter(owner, roles, tenant(Kind.GAS_COMPANY, "a"))
    for table in ("alarm", "wanted", "permit", "shut_off_held", "incident", "command", "device", "site"):
        assert worlds_seen(owner, table) == set(), table


@pytest.fixture
def plain_owner_url(plain_server: Server) -> Iterator[str]:
    """An empty database whose owner is no superuser, may not make roles, and cannot pass row-level security."""
    url = plain_server.database()
    database = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(plain_server.url, autocommit=True) as admin:
        admin.execute("CREATE ROLE plain_owner LOGIN")
        admin.execute(sql.SQL("ALTER DATABASE {} OWNER TO plain_owner").format(sql.Identifier(str(database))))
    yield url.replace("user=davy", "user=plain_owner")
    plain_server.drop(url)
    with psycopg.connect(plain_server.url, autocommit=True) as admin:
        made = admin.execute(
            "SELECT r.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid"
            " JOIN pg_roles o ON o.oid = m.member WHERE o.rolname = 'plain_owner'"
        ).fetchall()
        for (name,) in {*made}:
            admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))
        admin.execute("DROP ROLE plain_owner")


def test_an_owner_that_may_not_make_roles_is_told_what_to_run(plain_owner_url: str, plain_server: Server) -> None:
    with pytest.raises(DatabaseRefused, match="as a superuser run: ALTER ROLE plain_owner CREATEROLE;"):
        asyncio.run(migrate(plain_owner_url))
    with psycopg.connect(plain_server.url, autocommit=True) as admin:
        admin.execute("ALTER ROLE plain_owner CREATEROLE")
    asyncio.run(migrate(plain_owner_url))
    with psycopg.connect(plain_owner_url, autocommit=True) as owner:
        roles = roles_in(owner)
        populate(owner)
        assert worlds_seen(owner, "site") == {"a", "b"}  # Davy's own processes see all, without passing any fence by
        for world in ("a", "b"):
            with owner.transaction():
                owner.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(roles.api)))
                owner.execute(
                    sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(roles.of(tenant(Kind.GAS_COMPANY, world))))
                )
                assert worlds_seen(owner, "site") == {world}
        owner.execute("DELETE FROM enterprise WHERE key = 'installer-a'")


AREAS = ("50", "5", "500", "500000", "500100", "500156", "500156001", "500156001002", "50015", "330000", "")


def test_a_regulator_sees_what_lies_in_its_area_however_long_its_code(owner: Owner) -> None:
    """A code of any length: those of GB/T 2260 are found by an index, the others all the same."""
    from devices.areas import within

    roles = roles_in(owner)
    for code in AREAS:
        owner.execute("INSERT INTO site (key, area) VALUES (%s, %s)", (f"at-{code}", code))
    for code in AREAS:
        key = f"reg-{code}"
        owner.execute("INSERT INTO enterprise (key, kind, area) VALUES (%s, 'regulator', %s)", (key, code))
        enter(owner, roles, Tenant(key, Kind.REGULATOR))
        seen = {name.removeprefix("at-") for (name,) in owner.execute("SELECT key FROM site").fetchall()}
        owner.execute("RESET ROLE")
        assert seen == {one for one in AREAS if within(one, code)}, code
