"""Database logins of tenants, for programs that speak SQL themselves, such as Grafana: they read what their tenant's
role reads, and write nothing. Run as the database's owner, inside the caller's transaction.

L1  A login is a role of its own, in the group of its tenant's kind and not among the writers: it has no right to change
    anything, whatever it sets. It cannot become the tenant's role, nor any other.
L2  Its password leaves this process as a SCRAM verifier: neither the server's log nor its statistics ever hold it.
L3  One login per tenant: making it again gives it another password and ends its sessions.
"""

from dataclasses import dataclass

from psycopg import sql

from access.enterprises import EnterpriseKind
from storage.audit import Said, record
from storage.database import Connection, DatabaseRefused
from storage.tenants import Tenant, roles_of, search_path
from storage.text import clean

#: For what Grafana shows: longer than the API's own bound, and still an end. Product choices; a login may set others
#: for its session, and its connections are then what bounds it.
STATEMENT_TIMEOUT_S, IDLE_IN_TRANSACTION_S = 30, 60


@dataclass(frozen=True, slots=True)
class Login:
    """What a data source needs beside the password."""

    role: str
    enterprise: str
    kind: EnterpriseKind
    host: str
    port: int
    database: str


async def make_login(
    connection: Connection, enterprise: str, password: str, *, connections: int, by: str, now_us: int
) -> Login:
    """Make the tenant's login, or give it a new password (L3). Raises psycopg.Error; DatabaseRefused where there is no
    such enterprise."""
    tenant = await _tenant(connection, enterprise)
    role = await _named(connection, enterprise)
    found = await connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,))
    if found.rowcount == 0:
        await connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    await connection.execute(
        sql.SQL("ALTER ROLE {} LOGIN PASSWORD {} CONNECTION LIMIT {}").format(
            sql.Identifier(role), sql.Literal(verifier), sql.Literal(connections)
        )
    )
    for setting in (
        "default_transaction_read_only = on",
        f"statement_timeout = '{STATEMENT_TIMEOUT_S}s'",
        f"idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_S}s'",
        f"search_path = {search_path(tenant)}",
        "timezone = 'UTC'",
    ):
        await connection.execute(sql.SQL("ALTER ROLE {} SET ").format(sql.Identifier(role)) + sql.SQL(setting))
    await connection.execute(
        "INSERT INTO tenant_role (role, enterprise, kind, vendor, area_from, login)"
        " SELECT %s, enterprise, kind, vendor, area_from, true FROM tenant_role"
        " WHERE enterprise = %s AND NOT login ON CONFLICT (role) DO NOTHING",
        (role, clean(enterprise)),
    )
    await connection.execute("SELECT davy_join_groups(%s)", (role,))
    await _end_sessions(connection, role)
    await record(connection, [Said(enterprise, now_us, "data source", by, {"login": role, "made": True})])
    info = connection.info
    return Login(role, enterprise, tenant.kind, info.host, info.port, info.dbname)


async def remove_login(connection: Connection, enterprise: str, *, by: str, now_us: int) -> bool:
    """Take the tenant's login away and end its sessions; whether there was one."""
    role = await _named(connection, enterprise)
    cursor = await connection.execute("DELETE FROM tenant_role WHERE role = %s AND login", (role,))
    if cursor.rowcount == 0:
        return False
    await connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(role)))
    await _end_sessions(connection, role)
    await connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
    await record(connection, [Said(enterprise, now_us, "data source", by, {"login": role, "made": False})])
    return True


async def heal_roles(connection: Connection) -> int:
    """Every enterprise's role is there and what it should be, as after a dump was restored on another server. Returns
    how many enterprises there are."""
    # A data-only dump brings the names that another installation gave.
    await connection.execute("DELETE FROM tenant_role WHERE NOT starts_with(role, davy_role(''))")
    cursor = await connection.execute(
        "SELECT count(davy_make_tenant(key, kind, vendor, area)::text) FROM enterprise WHERE gone IS NULL"
    )
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


async def _tenant(connection: Connection, enterprise: str) -> Tenant:
    cursor = await connection.execute(
        "SELECT kind FROM tenant_role WHERE enterprise = %s AND NOT login", (clean(enterprise),)
    )
    row = await cursor.fetchone()
    if row is None:
        raise DatabaseRefused(f"there is no enterprise {enterprise!r}; `davy tenant list` lists those there are")
    return Tenant(enterprise, EnterpriseKind(row[0]))


async def _named(connection: Connection, enterprise: str) -> str:
    return (await roles_of(connection)).login_of(enterprise)


async def _end_sessions(connection: Connection, role: str) -> None:
    await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (role,))
