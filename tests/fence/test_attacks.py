"""G11, the second fence: what somebody tries who may send any SQL under a tenant's role, as Grafana may."""

from collections.abc import Iterator
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql

from access.enterprises import EnterpriseKind as Kind
from storage.database import connect
from storage.tenants import Roles, Standing, in_the_name_of
from tests.fence.worlds import EVERYONE, KINDS, enter, populate, roles_in, tenant, worlds_seen

Owner = psycopg.Connection[Any]
NOT_ALLOWED = psycopg.errors.InsufficientPrivilege


@pytest.fixture
def owner(plain_url: str) -> Iterator[Owner]:
    with psycopg.connect(plain_url, autocommit=True) as connection:
        populate(connection)
        yield connection


@pytest.fixture
def roles(owner: Owner) -> Roles:
    return roles_in(owner)


@pytest.fixture
def signed_in(owner: Owner, roles: Roles) -> Iterator[Owner]:
    """A session that is gas company a's from its beginning, with every right a's role has."""
    role = roles.of(tenant(Kind.GAS_COMPANY, "a"))
    owner.execute(sql.SQL("ALTER ROLE {} LOGIN").format(sql.Identifier(role)))
    info = owner.info
    with psycopg.connect(
        host=info.host, user=role, dbname=info.dbname, autocommit=True, options="-c search_path=tenant,public"
    ) as connection:
        yield connection
    owner.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(role)))


def test_no_tenant_can_write_what_is_anothers(owner: Owner, roles: Roles) -> None:
    enter(owner, roles, tenant(Kind.GAS_COMPANY, "a"))
    into_b: tuple[LiteralString, ...] = (
        "INSERT INTO site (key, enterprise) VALUES ('new', 'gas_company-b')",
        "INSERT INTO site (key, enterprise) VALUES ('new', '')",
        "UPDATE site SET enterprise = 'gas_company-b'",
        "INSERT INTO device (vendor, serial, model, site) VALUES ('maker-a', 'x', 'model', 'site-b')",
        "UPDATE device SET site = 'site-b'",
        "UPDATE device SET enterprise = 'gas_company-b', site = 'site-b'",
        "INSERT INTO link (detector, valve) VALUES ('maker-a/s1-a', 'maker-b/s2-b')",
        "INSERT INTO matrix_row VALUES ('n', ARRAY['maker-a/s1-a'], 1, '{}', ARRAY['maker-b/s2-b'], '{}')",
        "INSERT INTO credential (identity, token_sha256) VALUES ('maker-b/s2-b', repeat('1', 64))",
        "INSERT INTO person (tenant, key) VALUES ('gas_company-b', 'new')",
        "UPDATE person SET tenant = 'gas_company-b'",
        "INSERT INTO site_role (tenant, person, site, role) VALUES ('gas_company-a', 'p', 'site-b', 'owner')",
    )
    for statement in into_b:
        with pytest.raises(NOT_ALLOWED):
            owner.execute(statement)
    quiet: tuple[LiteralString, ...] = (
        "UPDATE site SET name = 'mine now' WHERE key = 'site-b'",
        "DELETE FROM credential WHERE identity = 'maker-b/s1-b'",
        "DELETE FROM person WHERE tenant = 'gas_company-b'",
        "UPDATE device SET site = 'site-a' WHERE identity = 'maker-b/s1-b'",
    )
    assert [owner.execute(statement).rowcount for statement in quiet] == [0] * len(quiet)


def test_the_receiver_of_a_grant_cannot_make_it_wider(owner: Owner, roles: Roles) -> None:
    enter(owner, roles, tenant(Kind.VENDOR, "a"))
    assert owner.execute("UPDATE sharing_grant SET accepted = now(), accepted_by = 'x'").rowcount == 1
    changes: tuple[LiteralString, ...] = (
        "UPDATE sharing_grant SET fields = '{\"people\": []}'",
        "UPDATE sharing_grant SET area = ''",
        "UPDATE sharing_grant SET grantor = 'gas_company-b'",
        "UPDATE sharing_grant SET ends = NULL",
        "INSERT INTO sharing_grant (grant_key, grantor, receiver, fields, begins, purpose, made, made_by)"
        " VALUES (repeat('1', 20), 'gas_company-b', 'vendor-a', '{}', now(), 'p', now(), '')",
    )
    for statement in changes:
        with pytest.raises(NOT_ALLOWED):
            owner.execute(statement)


def test_a_gas_company_writes_its_own(owner: Owner, roles: Roles) -> None:
    enter(owner, roles, tenant(Kind.GAS_COMPANY, "a"))
    own: tuple[LiteralString, ...] = (
        "INSERT INTO site (key, enterprise) VALUES ('new', 'gas_company-a')",
        "INSERT INTO device (vendor, serial, model, site) VALUES ('maker-b', 'new', 'model', 'new')",
        "UPDATE device SET tags = '{kitchen}' WHERE identity = 'maker-b/new'",
        "INSERT INTO link (detector, valve) VALUES ('maker-b/new', 'maker-a/s2-a')",
        "DELETE FROM link WHERE detector = 'maker-b/new'",
        "UPDATE person SET language = 'en'",
    )
    assert [owner.execute(statement).rowcount for statement in own] == [1] * len(own)


def test_no_other_kind_writes_anything_of_the_register_or_of_what_the_engine_decided(
    owner: Owner, roles: Roles
) -> None:
    for kind in KINDS:
        enter(owner, roles, tenant(kind, "a"))
        for table in ("alarm", "alarm_event", "wanted", "command", "incident", "permit", "tenant_role", "audit_entry"):
            for statement in (sql.SQL("DELETE FROM {}"), sql.SQL("INSERT INTO {} DEFAULT VALUES")):
                with pytest.raises(NOT_ALLOWED):
                    owner.execute(statement.format(sql.Identifier(table)))
        if kind is not Kind.GAS_COMPANY:
            for table in ("site", "device", "person", "credential", "enterprise"):
                try:
                    gone = owner.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table))).rowcount
                except NOT_ALLOWED:
                    gone = 0
                assert gone == 0, (kind, table)
        owner.execute("RESET ROLE")


def test_a_tenant_cannot_become_anybody_else(signed_in: Owner, roles: Roles) -> None:
    others = [roles.of(who) for who in EVERYONE if who != tenant(Kind.GAS_COMPANY, "a")]
    for other in (*others, roles.api, f"{roles.word}house", f"{roles.word}gas_company", "davy"):
        for statement in (sql.SQL("SET ROLE {}"), sql.SQL("SET SESSION AUTHORIZATION {}")):
            with pytest.raises(NOT_ALLOWED):
                signed_in.execute(statement.format(sql.Identifier(other)))
    for statement in (b"RESET ROLE", b"SET ROLE NONE", b"RESET SESSION AUTHORIZATION", b"DISCARD ALL"):
        signed_in.execute(statement)
        assert worlds_seen(signed_in, "site") == {"a"}


def test_no_setting_opens_the_fence(signed_in: Owner) -> None:
    signed_in.execute("SET row_security = off")
    with pytest.raises(NOT_ALLOWED, match="row-level security"):
        signed_in.execute("SELECT FROM site")
    signed_in.execute("RESET row_security")
    for statement in (
        b"SET session_replication_role = replica",
        b"ALTER TABLE site DISABLE ROW LEVEL SECURITY",
        b"DROP POLICY house ON site",
        b"CREATE POLICY mine ON site USING (true)",
        b"CREATE TABLE public.site2 (key text)",
        b"CREATE FUNCTION public.davy_company() RETURNS text LANGUAGE sql RETURN 'gas_company-b'",
        b"ALTER FUNCTION davy_company() RENAME TO other",
        b"UPDATE tenant_role SET enterprise = 'gas_company-b'",
        b"COPY site FROM STDIN",
    ):
        with pytest.raises(psycopg.Error):
            signed_in.execute(statement)


def test_names_that_stand_before_ours_in_the_search_path_change_nothing(signed_in: Owner) -> None:
    """A tenant may make temporary tables and functions; policies, views and triggers are bound to ours."""
    for statement in (
        b"CREATE TEMP TABLE tenant_role (role text, enterprise text, kind text)",
        b"INSERT INTO pg_temp.tenant_role VALUES (current_user, 'gas_company-b', 'gas_company')",
        b"CREATE TEMP TABLE site (key text, enterprise text, manager text, area text)",
        b"INSERT INTO pg_temp.site VALUES ('site-a', 'gas_company-b', '', '')",
        b"CREATE FUNCTION pg_temp.davy_company() RETURNS text LANGUAGE sql RETURN 'gas_company-b'",
        b"SET search_path TO pg_temp, tenant, public",
    ):
        signed_in.execute(statement)
    assert worlds_seen(signed_in, "device") == {"a"}
    assert signed_in.execute("SELECT DISTINCT enterprise FROM public.site").fetchall() == [("gas_company-a",)]
    # The trigger that says whose a device is looks at our table of sites.
    signed_in.execute("UPDATE public.device SET site = 'site-a'")
    assert signed_in.execute("SELECT DISTINCT enterprise FROM device").fetchall() == [("gas_company-a",)]


def test_what_a_function_or_an_error_says_in_a_query_is_of_own_rows_only(signed_in: Owner) -> None:
    """A condition of the asker's runs after the fence, whatever it costs; so it can tell nothing of other rows."""
    told: list[str] = []
    signed_in.add_notice_handler(lambda notice: told.append(str(notice.message_primary)))
    signed_in.execute(
        "CREATE FUNCTION pg_temp.tell(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS"
        " $$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$"
    )
    for table in (b"site", b"device", b"alarm", b"person", b"tenant.reading", b"audit_entry", b"membership"):
        signed_in.execute(b"SELECT count(*) FROM " + table + b" t WHERE pg_temp.tell(t::text)")
    assert told
    assert not [words for words in told if "-b" in words or ",21," in words]
    # 1 / 0 for a row of b would be an error.
    signed_in.execute("SELECT FROM site WHERE 1 / (CASE key WHEN 'site-b' THEN 0 ELSE 1 END) = 1")


def test_a_plan_tells_no_numbers_of_rows_that_are_anothers(signed_in: Owner) -> None:
    rows = signed_in.execute("EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) SELECT FROM person").fetchall()
    text = "\n".join(str(line) for (line,) in rows)
    assert "Rows Removed by Filter: 1" in text or "Index" in text  # it says how many were passed over, and that is all
    with pytest.raises(NOT_ALLOWED):
        signed_in.execute("SELECT * FROM pg_statistic")
    shown = signed_in.execute("SELECT most_common_vals::text FROM pg_stats WHERE tablename = 'person'").fetchall()
    assert not [values for (values,) in shown if values and "-b" in values]


def test_a_prepared_statement_shows_each_role_its_own(owner: Owner, roles: Roles) -> None:
    """A pooled connection prepares a statement once and runs it under many roles."""
    seen = []
    for who in (tenant(Kind.GAS_COMPANY, "a"), tenant(Kind.GAS_COMPANY, "b"), Standing.PLATFORM) * 3:
        enter(owner, roles, who)
        seen.append(owner.execute("SELECT key FROM site ORDER BY key", prepare=True).fetchall())
        owner.execute("RESET ROLE")
    assert seen == [[("site-a",)], [("site-b",)], [("site-a",), ("site-b",)]] * 3


def test_only_what_is_meant_to_runs_as_its_owner(owner: Owner, roles: Roles) -> None:
    """SECURITY DEFINER: nobody may call it but those it is granted to, and its names are bound."""
    rows = owner.execute(
        "SELECT p.oid::regprocedure::text, 'search_path=pg_catalog, public, pg_temp' = ANY(proconfig), r.rolname"
        " FROM pg_proc p LEFT JOIN pg_roles r ON has_function_privilege(r.oid, p.oid, 'EXECUTE') AND NOT r.rolsuper"
        " AND r.rolname LIKE 'davy%%' WHERE prosecdef AND pronamespace = 'public'::regnamespace"
    ).fetchall()
    assert {name for name, bound, _ in rows if not bound} == set()
    called = {(name.split("(")[0], role) for name, _, role in rows if role}
    tenants = {roles.of(who) for who in EVERYONE if who is not Standing.PUBLIC} | {f"{roles.word}writer"}
    assert {name for name, _ in called} == {"davy_record", "davy_offer", "davy_forget_offered", "davy_take_request"}
    # Other tests' databases on this server are copies of the same template, so their tenants' roles begin alike.
    mine = {str(role) for (role,) in owner.execute("SELECT role FROM tenant_role").fetchall()}
    elsewhere = {role for _, role in called if role.startswith(f"{roles.word}t_") and role not in mine}
    assert {role for _, role in called if role.startswith(roles.word)} - elsewhere <= tenants


async def test_a_transaction_for_reading_writes_nothing(owner: Owner, roles: Roles) -> None:
    connection = await connect(f"host={owner.info.host} user=davy dbname={owner.info.dbname}", name="test")
    try:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            async with in_the_name_of(connection, roles, tenant(Kind.GAS_COMPANY, "a")):
                await connection.execute("UPDATE person SET language = 'en'")
        async with in_the_name_of(connection, roles, tenant(Kind.GAS_COMPANY, "a"), writing=True):
            await connection.execute("UPDATE person SET language = 'en'")
        row = await (await connection.execute("SELECT current_user, count(*) FROM site")).fetchone()
        assert row == ("davy", 2)
    finally:
        await connection.close()
