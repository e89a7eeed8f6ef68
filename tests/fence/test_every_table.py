"""G11, the second fence: what each kind of tenant sees of every table of the schema, with no application in between."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from storage.tenants import Roles, Standing
from tests.fence.worlds import (
    CLOSED,
    KINDS,
    PUBLISHED,
    SEEN,
    SHARED,
    WORLDS,
    enter,
    populate,
    roles_in,
    tenant,
    worlds_seen,
)

pytestmark = pytest.mark.xdist_group("fence")

Owner = psycopg.Connection[Any]


@pytest.fixture
def owner(url: str) -> Iterator[Owner]:
    with psycopg.connect(url, autocommit=True) as connection:
        populate(connection)
        yield connection


@pytest.fixture
def roles(owner: Owner) -> Roles:
    return roles_in(owner)


def _tables(owner: Owner) -> set[str]:
    """Every table of ours but partitions."""
    rows = owner.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT relispartition"
    ).fetchall()
    return {name for (name,) in rows}


def test_every_table_of_the_schema_is_decided_about(owner: Owner) -> None:
    decided = SEEN.keys() | PUBLISHED | SHARED.keys() | CLOSED
    assert _tables(owner) == decided


def test_every_table_but_readings_forces_its_policies_on_its_owner_too(owner: Owner) -> None:
    rows = owner.execute(
        "SELECT relname, relrowsecurity AND relforcerowsecurity FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition"
    ).fetchall()
    assert {name for name, forced in rows if not forced} == CLOSED


def test_g11_every_tenant_sees_its_own_rows_and_nobody_elses(owner: Owner, roles: Roles) -> None:
    wrong = []
    for kind in KINDS:
        for world in WORLDS:
            enter(owner, roles, tenant(kind, world))
            for table, kinds in SEEN.items():
                try:
                    seen = worlds_seen(owner, table)
                except psycopg.errors.InsufficientPrivilege:
                    seen = set()
                if seen != ({world} if kind in kinds else set()):
                    wrong.append((table, kind, world, seen))
            owner.execute("RESET ROLE")
    assert wrong == []


def test_the_platform_sees_all_of_it_and_the_public_nothing(owner: Owner, roles: Roles) -> None:
    enter(owner, roles, Standing.PLATFORM)
    assert {table for table in SEEN if worlds_seen(owner, table) != set(WORLDS)} == set()
    enter(owner, roles, Standing.PUBLIC)
    for table in SEEN.keys() | SHARED.keys():
        try:
            seen = worlds_seen(owner, table)
        except psycopg.errors.InsufficientPrivilege:
            seen = set()
        assert seen == set(), table


def test_a_connection_of_the_api_is_nobody_between_transactions(owner: Owner, roles: Roles) -> None:
    owner.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(roles.api)))
    for table in _tables(owner):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute(sql.SQL("SELECT FROM {}").format(sql.Identifier(table)))


def test_readings_themselves_are_closed_to_every_tenant(owner: Owner, roles: Roles) -> None:
    for who in (*(tenant(kind, "a") for kind in KINDS), Standing.PUBLIC):
        enter(owner, roles, who)
        for table in CLOSED:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                owner.execute(sql.SQL("SELECT FROM public.{}").format(sql.Identifier(table)))
        owner.execute("RESET ROLE")
