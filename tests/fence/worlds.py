"""Two worlds on one database, `a` and `b`, each with a party of every kind and a row in every table; and what a party
sees of the rows of its own world. A new table of the schema is a line in ROWS and a decision in SEEN, or in CLOSED."""

from typing import Any, LiteralString

import psycopg
from psycopg import sql

from access.enterprises import EnterpriseKind as Kind
from storage.tenants import As, Roles, Standing, Tenant

WORLDS = ("a", "b")
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


#: Per table, a row of world %(w)s; `no` is 1 in a and 2 in b. In the order in which they can be written. Every row has
#: the world's letter behind a hyphen in some text column, or `no` in a number.
ROWS: dict[str, LiteralString] = {
    "enterprise": "INSERT INTO enterprise (key, kind, name, vendor, area) SELECT k || '-' || %(w)s, k, k,"
    " CASE WHEN k = 'vendor' THEN 'maker-' || %(w)s ELSE '' END, CASE WHEN k = 'regulator' THEN %(area)s ELSE '' END"
    " FROM unnest(ARRAY['gas_company', 'vendor', 'installer', 'property_manager', 'regulator']) k",
    "site": "INSERT INTO site (key, name, address, enterprise, manager, area) VALUES ('site-' || %(w)s, 'Home', 'Lane',"
    " 'gas_company-' || %(w)s, 'property_manager-' || %(w)s, left(%(area)s, 4) || '56')",
    "device": "INSERT INTO device (device_no, vendor, serial, model, site, installer) SELECT %(no)s * 10 + n,"
    " 'maker-' || %(w)s, 's' || n || '-' || %(w)s, 'model', 'site-' || %(w)s, 'installer-' || %(w)s"
    " FROM generate_series(1, 2) n",
    "link": "INSERT INTO link (detector, valve) VALUES ('maker-' || %(w)s || '/s1-' || %(w)s,"
    " 'maker-' || %(w)s || '/s2-' || %(w)s)",
    "matrix_row": "INSERT INTO matrix_row VALUES ('row-' || %(w)s, ARRAY['maker-' || %(w)s || '/s1-' || %(w)s], 1, '{}',"
    " ARRAY['maker-' || %(w)s || '/s2-' || %(w)s], '{}')",
    "credential": "INSERT INTO credential (identity, token_sha256) VALUES ('maker-' || %(w)s || '/s1-' || %(w)s,"
    " repeat('0', 64))",
    "certificate": "INSERT INTO certificate (scheme, number, identity) VALUES ('CCC', 'n-' || %(w)s,"
    " 'maker-' || %(w)s || '/s1-' || %(w)s)",
    "installation": "INSERT INTO installation (key, identity, site, since, installer) VALUES ('inst-' || %(w)s,"
    " 'maker-' || %(w)s || '/s1-' || %(w)s, 'site-' || %(w)s, '2026-01-01', 'installer-' || %(w)s)",
    "person": "INSERT INTO person (tenant, key) VALUES ('gas_company-' || %(w)s, 'p')",
    "contact": "INSERT INTO contact (tenant, person, channel) VALUES ('gas_company-' || %(w)s, 'p', 'sms')",
    "site_role": "INSERT INTO site_role (tenant, person, site, role) VALUES ('gas_company-' || %(w)s, 'p',"
    " 'site-' || %(w)s, 'owner')",
    "registry_outbox": "INSERT INTO registry_outbox (number, sha256, body) VALUES (%(no)s, '-' || %(w)s, '')",
    "device_latest": "INSERT INTO device_latest (ts, received, seq, flags, quality, device_no, boot, valve, valve_cause)"
    " VALUES (now(), now(), 1, 0, 0, %(no)s * 10 + 1, 0, 0, 0)",
    "alarm": "INSERT INTO alarm (alarm, rule, device_no, site, priority, state, onset, raised, changed, incident)"
    " VALUES ('al-' || %(w)s, 'r', %(no)s * 10 + 1, 'site-' || %(w)s, 1, 1, now(), now(), now(), 'in-' || %(w)s)",
    "alarm_event": "INSERT INTO alarm_event (engine, cycle, n, alarm, at, change, state, by, comment)"
    " VALUES ('e', %(no)s, 0, 'al-' || %(w)s, now(), 'raised', 1, 'somebody', 'words')",
    "wanted": "INSERT INTO wanted (wanted, device_no, epoch, reason, since) VALUES ('w-' || %(w)s, %(no)s * 10 + 2, 1,"
    " 'gas', now())",
    "command": "INSERT INTO command (command, wanted, device_no, epoch, attempt, requested, expires, reason)"
    " VALUES ('c-' || %(w)s, 'w-' || %(w)s, %(no)s * 10 + 2, 1, 1, now(), now(), 'gas')",
    "command_step": "INSERT INTO command_step (engine, cycle, n, command, wanted, at, step)"
    " VALUES ('e', %(no)s, 1, 'c-' || %(w)s, 'w-' || %(w)s, now(), 'sent')",
    "incident": "INSERT INTO incident (incident, scope, key, priority, opened, changed)"
    " VALUES ('in-' || %(w)s, 'site', 'site-' || %(w)s, 1, now(), now())",
    "incident_event": "INSERT INTO incident_event (engine, cycle, n, incident, at, change, priority, alarm)"
    " VALUES ('e', %(no)s, 2, 'in-' || %(w)s, now(), 'opened', 1, 'al-' || %(w)s)",
    "permit": "INSERT INTO permit (permit, device_no, state, requested) VALUES ('pe-' || %(w)s, %(no)s * 10 + 2, 'x', now())",
    "permit_event": "INSERT INTO permit_event (engine, cycle, n, permit, device_no, at, state, epoch)"
    " VALUES ('e', %(no)s, 3, 'pe-' || %(w)s, %(no)s * 10 + 2, now(), 'x', 1)",
    "shut_off_held": "INSERT INTO shut_off_held (engine, cycle, n, at, rule, device_no, alarm, change)"
    " VALUES ('e', %(no)s, 4, now(), 'r', %(no)s * 10 + 2, 'al-' || %(w)s, 'held')",
    "answer": "INSERT INTO answer (engine, cycle, n, id, at, accepted) VALUES ('e', %(no)s, 5, 'x-' || %(w)s, now(), true)",
    "follower_cursor": "INSERT INTO follower_cursor (engine, follower, cycle) VALUES ('e-' || %(w)s, 'storage', 1)",
    "source_count": "INSERT INTO source_count VALUES ('e-' || %(w)s, 's', 1, 1, 0, 0)",
    "quarantine": "INSERT INTO quarantine (origin, engine, cycle, n, received, source, device_no, reason, raw)"
    " VALUES ('engine', 'e-' || %(w)s, 1, 1, now(), 's', 1, 'r', '')",
    "quarantine_dropped": "INSERT INTO quarantine_dropped VALUES ('o-' || %(w)s, 1)",
    "reading_day": "INSERT INTO reading_day VALUES (date '2026-01-01' + %(no)s, 1)",
    "rollup_due": "INSERT INTO rollup_due (level, bucket, device_no) VALUES ('1m', now(), %(no)s)",
    "account": "INSERT INTO account (account, login, created) SELECT replace(k, '_', '') || %(w)s,"
    " replace(k, '_', '') || '-' || %(w)s, now()"
    " FROM unnest(ARRAY['gas_company', 'vendor', 'installer', 'property_manager', 'regulator']) k",
    "membership": "INSERT INTO membership (account, role, enterprise) SELECT replace(k, '_', '') || %(w)s,"
    " CASE k WHEN 'gas_company' THEN 'operator' ELSE k END, k || '-' || %(w)s"
    " FROM unnest(ARRAY['gas_company', 'vendor', 'installer', 'property_manager', 'regulator']) k",
    "session": "INSERT INTO session (session, account, secret_sha256, how, began, expires) SELECT 'se' || account,"
    " account, md5(account) || md5(account), 'password', now(), now() FROM account WHERE account LIKE '%%' || %(w)s",
    "password_link": "INSERT INTO password_link (secret_sha256, account, made, expires) SELECT md5(account) || md5(account),"
    " account, now(), now() FROM account WHERE account LIKE '%%' || %(w)s",
    "api_key": "INSERT INTO api_key (key, secret_sha256, role, enterprise, scopes, made, made_by, expires) SELECT"
    " left(md5(account), 12), md5(account) || md5(account), role, enterprise, '{read_alarms}', now(), '', now()"
    " FROM membership WHERE enterprise LIKE '%%-' || %(w)s",
    "audit_entry": "SELECT davy_record(ARRAY[k || '-' || %(w)s], ARRAY[1], ARRAY['login'], ARRAY['x'], ARRAY['{}'])"
    " FROM unnest(ARRAY['gas_company', 'vendor', 'installer', 'property_manager', 'regulator']) k",
    "audit_vouched": "INSERT INTO audit_vouched VALUES ('gas_company-' || %(w)s, 1)",
}
#: Written by triggers along with others.
_ALONG = {"tenant_role", "incident_site", "audit_end"}
#: Past versions: an UPDATE of the row of today makes one.
_PAST = ("enterprise", "site", "device", "link", "matrix_row", "certificate", "installation", "person", "contact")
_PAST += ("site_role",)

#: Which kinds see their own world's rows. Nobody sees another world's; the platform sees all.
SEEN: dict[str, frozenset[Kind]] = {
    "tenant_role": EVERYBODY,
    "enterprise": EVERYBODY,
    "site": EVERYBODY - {VENDOR},
    "device": EVERYBODY,
    "link": EVERYBODY,
    "matrix_row": frozenset({GAS}),
    "credential": frozenset({GAS}),
    "certificate": EVERYBODY,
    "installation": EVERYBODY - {VENDOR},
    "person": frozenset({GAS}),
    "contact": frozenset({GAS}),
    "site_role": frozenset({GAS}),
    "registry_outbox": frozenset(),
    "device_latest": frozenset({GAS, VENDOR, INSTALLER}),
    "alarm": EVERYBODY,
    "alarm_event": EVERYBODY - {VENDOR},
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
}
#: A past row is seen by whom the row of today is seen by.
SEEN |= {f"{name}_past": SEEN[name] for name in _PAST}

#: The same for everybody, with the public: no rows of tenants in them.
PUBLISHED = frozenset({"area", "area_past", "device_model", "davy_mode", "davy_migration", "audit_heads"})
#: For all tenants, and not the public.
SHARED = {
    "rule_pack": frozenset({GAS}),
    "rule_pack_since": frozenset({GAS}),
    "rule_note": frozenset({GAS}),
}
#: No policies and no grants: behind the views of the schema `tenant`.
CLOSED = frozenset({"reading", "reading_extra", "reading_1m", "reading_1h"})


def populate(connection: psycopg.Connection[Any]) -> None:
    """Both worlds, as the owner of the tables writes them."""
    connection.execute("INSERT INTO device_model VALUES ('model', 'detector', 'v', 'n', '{}')")
    for no, world in enumerate(WORLDS, 1):
        for statement in ROWS.values():
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
        (table,),
    ).fetchall()
    if not columns:
        raise psycopg.errors.InsufficientPrivilege(f"no column of {table}")
    query = sql.SQL("SELECT {} FROM {}").format(
        sql.SQL(", ").join(sql.Identifier(name) for (name,) in columns), sql.Identifier(table)
    )
    rows = connection.execute(query).fetchall()
    return {world for row in rows for world in _worlds_of(row)}


def _worlds_of(row: tuple[Any, ...]) -> set[str]:
    found = {
        world
        for value in row
        for text in (value if isinstance(value, list) else [value])
        if isinstance(text, str)
        for world in WORLDS
        if text.endswith(f"-{world}")
    }
    if found:
        return found
    numbers = {value if value < 10 else value // 10 for value in row if isinstance(value, int) and 0 < value < 30}
    return {WORLDS[number - 1] for number in numbers if number in (1, 2)}


EVERYONE: tuple[As, ...] = (*(tenant(kind, world) for kind in KINDS for world in WORLDS), *Standing)
