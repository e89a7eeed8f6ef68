"""Tenants as database roles (migration 0013): whose role a transaction runs under, and how roles are called.

T1  A connection of the API is nobody by itself: it sees no table. What a request asks runs in a transaction under the
    role of the tenant in whose name it is asked, and when the transaction ends the connection is nobody again.
T2  Names of roles come from this installation's own word and a hash of the enterprise's key: nothing that people write
    is ever part of one.
T3  `tenant` stands before `public` in a tenant's search path: there are the views of readings. A vendor's own views
    stand before both. The platform reads the tables themselves.
T4  A transaction that only reads sees one moment.
"""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import LiteralString

import psycopg
from psycopg import sql

from access.enterprises import EnterpriseKind
from storage.database import Connection, DatabaseRefused, translated

#: Hex digits of SHA-256 in a role's name: 96 bits, far below PostgreSQL's 63 bytes.
_DIGITS = 24


class Standing(StrEnum):
    """Roles that are no enterprise's."""

    PLATFORM = "platform"  # the platform's own people: every tenant's rows
    PUBLIC = "public"  # who has not signed in, and devices: what is published, and nothing else


@dataclass(frozen=True, slots=True)
class Tenant:
    """An enterprise in whose name something is asked."""

    enterprise: str
    kind: EnterpriseKind


As = Tenant | Standing


class FenceRefused(PermissionError):
    """The database let a role not do what the application had allowed (SQLSTATE 42501), or there is no such role. A
    defect of ours, or an attempt: either is looked at. Permanent."""


@dataclass(frozen=True, slots=True)
class Roles:
    """The names of this installation's roles. `word` is what each begins with."""

    word: str

    @property
    def api(self) -> str:
        return f"{self.word}api"

    def of(self, who: As) -> str:
        if isinstance(who, Standing):
            return f"{self.word}{who.value}"
        return f"{self.word}t_{_hash(who.enterprise)}"

    def login_of(self, enterprise: str) -> str:
        """The role by which a program of the tenant's signs in to the database itself (storage/logins.py)."""
        return f"{self.word}g_{_hash(enterprise)}"


def _hash(enterprise: str) -> str:
    return hashlib.sha256(enterprise.encode()).hexdigest()[:_DIGITS]


async def roles_of(connection: Connection) -> Roles:
    """This database's roles. Raises DatabaseAway, DatabaseRefused."""
    with translated():
        row = await (await connection.execute("SELECT davy_role('')")).fetchone()
    assert row is not None
    return Roles(str(row[0]))


async def become_nobody(connection: Connection) -> Roles:
    """Make a new connection of the API what it is between transactions (T1). A superuser's stops being one, so that
    RESET ROLE does not lead back. Raises DatabaseAway, DatabaseRefused."""
    roles = await roles_of(connection)
    with translated():
        row = await (await connection.execute("SELECT current_setting('is_superuser')")).fetchone()
        how = sql.SQL("SET SESSION AUTHORIZATION {}" if row == ("on",) else "SET ROLE {}")
        await connection.execute(how.format(sql.Identifier(roles.api)))
    return roles


@contextlib.asynccontextmanager
async def in_the_name_of(
    connection: Connection, roles: Roles, who: As, *, writing: bool = False
) -> AsyncIterator[Connection]:
    """A transaction under the role of `who`; read-only unless `writing`. Raises FenceRefused; what the block raises
    takes everything back."""
    try:
        async with connection.transaction():
            await connection.execute(_enter(roles.of(who), who, writing))
            yield connection
    except psycopg.errors.InsufficientPrivilege as refused:
        raise FenceRefused(str(refused)) from refused
    except DatabaseRefused as refused:
        if isinstance(refused.__cause__, psycopg.errors.InsufficientPrivilege):
            raise FenceRefused(str(refused)) from refused
        raise


def _enter(role: str, who: As, writing: bool) -> sql.Composed:
    """One round trip: the three take effect together or not at all."""
    return sql.SQL("SET TRANSACTION {}; SET LOCAL ROLE {}; SET LOCAL search_path TO {}").format(
        sql.SQL("READ WRITE" if writing else "ISOLATION LEVEL REPEATABLE READ, READ ONLY"),
        sql.Identifier(role),
        sql.SQL(search_path(who)),
    )


def search_path(who: As) -> LiteralString:
    """T3."""
    if who is Standing.PLATFORM:
        return "public"
    vendor = isinstance(who, Tenant) and who.kind is EnterpriseKind.VENDOR
    return "tenant_vendor, tenant, public" if vendor else "tenant, public"
