"""Two worlds on one database, `a` and `b`, each with a party of every kind and a row in every table; and what a party
sees of the rows of its own world. A new table of the schema is a row in world.sql and a decision in SEEN (or
SHARED, PUBLISHED, CLOSED)."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from access.enterprises import EnterpriseKind as Kind
from storage.tenants import As, Roles, Standing, Tenant

WORLDS = ("a", "b")
#: How a text says whose world it is of.
_MARK = re.compile("(?:-|ofworld)([ab])$")
KINDS = tuple(Kind)
AREAS = {"a": "500100", "b": "320100"}

GAS, VENDOR, INSTALLER, MANAGER, REGULATOR = (
    Kind.GAS_COMPANY,
    Kind.VENDOR,
    Kind.INSTALLER,
    Kind.PROPERTY_MANAGER,
    Kind.REGULATOR,
)
EVERYBODY = frozenset(KINDS)
_OVERSEEING = frozenset({GAS, MANAGER, REGULATOR})


def tenant(kind: Kind, world: str) -> Tenant:
    return Tenant(f"{kind}-{world}", kind)


_TABLE = re.compile(r"^-- table: (\w+)\n", re.MULTILINE)


def _rows() -> dict[str, bytes]:
    """The statements of world.sql by table, in their order."""
    _, *parts = _TABLE.split(Path(__file__).with_name("world.sql").read_text("utf-8"))
    return {table: statement.strip().encode() for table, statement in zip(parts[::2], parts[1::2], strict=True)}


#: Written by triggers along with others.
_ALONG = {"tenant_role", "incident_site", "audit_end"}
#: Past versions: an UPDATE of the row of today makes one.
_PAST = ("enterprise", "site", "device", "link", "matrix_row", "certificate", "installation", "person", "contact")
_PAST += ("site_role",)

#: Which kinds see their own world's rows. Nobody sees another world's; the platform sees all.
SEEN: dict[str, frozenset[Kind]] = {
    "tenant_role": EVERYBODY,
    "enterprise": EVERYBODY,
    "site": EVERYBODY,
    "device": EVERYBODY,
    "link": EVERYBODY,
    "matrix_row": frozenset({GAS}),
    "credential": frozenset({GAS}),
    "certificate": EVERYBODY,
    "installation": EVERYBODY,
    "person": frozenset({GAS}),
    "contact": frozenset({GAS}),
    "tenant_key": EVERYBODY,
    "site_role": frozenset({GAS}),
    "registry_outbox": frozenset(),
    "device_latest": EVERYBODY,
    "alarm": EVERYBODY,
    "alarm_event": EVERYBODY,
    "wanted": EVERYBODY,
    "command": EVERYBODY,
    "command_step": EVERYBODY,
    "incident_site": _OVERSEEING,
    "incident": _OVERSEEING,
    "incident_event": _OVERSEEING,
    "permit": frozenset({GAS}),
    "permit_event": frozenset({GAS}),
    "shut_off_held": frozenset({GAS}),
    "answer": frozenset(),
    "request_key": frozenset(),
    "follower_cursor": frozenset(),
    "source_count": frozenset(),
    "quarantine": frozenset(),
    "quarantine_dropped": frozenset(),
    "reading_day": frozenset(),
    "rollup_due": frozenset(),
    "account": EVERYBODY,
    "membership": EVERYBODY,
    "session": EVERYBODY,
    "password_link": frozenset(),
    "api_key": EVERYBODY,
    "audit_entry": EVERYBODY,
    "audit_end": EVERYBODY,
    "audit_vouched": frozenset(),
    "claim": frozenset({GAS, VENDOR, INSTALLER}),
    "claim_use": frozenset({GAS, VENDOR, INSTALLER}),
    "claim_policy": frozenset({GAS}),
    "device_model_version": frozenset({VENDOR}),
    "valve_closed": EVERYBODY,
    "catalogue_entry": frozenset({VENDOR, REGULATOR}),
    "catalogue_product": frozenset({VENDOR, REGULATOR}),
    "sharing_grant": frozenset({GAS, VENDOR}),
    "webhook": frozenset({VENDOR}),
    "webhook_delivery": frozenset({VENDOR}),
    "complaint": frozenset({REGULATOR}),
    "complaint_step": frozenset({REGULATOR}),
    "coverage_cell": _OVERSEEING,
    "coverage_gap": _OVERSEEING,
    "coverage_fitted": _OVERSEEING,
    "coverage_report": _OVERSEEING,
    "coverage_schedule": frozenset({REGULATOR}),
    "coverage_order": frozenset({REGULATOR}),
    "notice": frozenset({REGULATOR}),
    "response_promise": frozenset({GAS}),
    "scorecard": frozenset({GAS, VENDOR, REGULATOR}),
    "scorecard_cell": frozenset({GAS, VENDOR, REGULATOR}),
}
#: A past row is seen by whom the row of today is seen by.
SEEN |= {f"{name}_past": SEEN[name] for name in _PAST} | {"site_past": EVERYBODY - {VENDOR}}

#: The same for everybody, with the public: no rows of tenants in them.
PUBLISHED = frozenset(
    {"area", "area_past", "device_model", "davy_mode", "davy_migration", "audit_heads", "catalogue_publication"}
)
#: For all tenants, and not the public.
SHARED = {
    "rule_pack": frozenset({GAS}),
    "rule_pack_since": frozenset({GAS}),
    "rule_note": frozenset({GAS}),
    "coverage_plan": frozenset({GAS, MANAGER, REGULATOR}),
    "coverage_policy": frozenset({GAS, MANAGER, REGULATOR}),
    "coverage_plan_past": frozenset({GAS, MANAGER, REGULATOR}),
}
#: No policies and no grants: behind the views of the schema `tenant`.
CLOSED = frozenset({"reading", "reading_extra", "reading_1m", "reading_1h"})


def populate(connection: psycopg.Connection[Any]) -> None:
    """Both worlds, as the owner of the tables writes them."""
    connection.execute("INSERT INTO device_model VALUES ('model', 'detector', 'v', 'n', '{}')")
    for no, world in enumerate(WORLDS, 1):
        for statement in _rows().values():
            connection.execute(statement, {"w": world, "no": no, "area": AREAS[world]})
    for table in _PAST:
        # Any change makes a version; this one changes nothing else.
        connection.execute(sql.SQL("UPDATE {} SET version = version").format(sql.Identifier(table)))


def enter(connection: psycopg.Connection[Any], roles: Roles, who: As) -> None:
    """Under the role of `who` from here on, as a session that never was anybody else's would be."""
    connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(roles.of(who))))


def roles_in(connection: psycopg.Connection[Any]) -> Roles:
    row = connection.execute("SELECT davy_role('')").fetchone()
    assert row is not None
    return Roles(str(row[0]))


def worlds_seen(connection: psycopg.Connection[Any], table: str) -> set[str]:
    """The worlds of the rows of `table` that can be seen. Raises psycopg.errors.InsufficientPrivilege."""
    columns = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        " AND has_column_privilege(attrelid, attnum, 'SELECT') ORDER BY attnum",
        (f"public.{table}",),
    ).fetchall()
    if not columns:
        raise psycopg.errors.InsufficientPrivilege(f"no column of {table}")
    query = sql.SQL("SELECT {} FROM {}").format(
        sql.SQL(", ").join(sql.Identifier(name) for (name,) in columns), sql.Identifier("public", table)
    )
    rows = connection.execute(query).fetchall()
    return {world for row in rows for world in _worlds_of(row)}


def _worlds_of(row: tuple[Any, ...]) -> set[str]:
    values = [one for value in row for one in (value if isinstance(value, list) else [value])]
    found = {said[1] for value in values if isinstance(value, str) and (said := _MARK.search(value))}
    if found:
        return found
    areas = {world for world, area in AREAS.items() if any(str(value).startswith(area[:4]) for value in values)}
    if areas:
        return areas
    whole = [value for value in values if type(value) is int]
    days = {value.day for value in values if type(value) is date}
    numbers = {value // 10 for value in whole if 10 < value < 30} or days or set(whole)
    return {WORLDS[number - 1] for number in numbers if number in (1, 2)}


EVERYONE: tuple[As, ...] = (*(tenant(kind, world) for kind in KINDS for world in WORLDS), *Standing)
