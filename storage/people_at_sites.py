"""Who is what at a site, and was: roles with their days. In the caller's transaction; all raise psycopg.Error, call
under `translated()`.
"""

from dataclasses import dataclass

from access.audit_chain import Plain
from access.people import Need, RoleAtSite, SiteRole
from devices.areas import FIRST_DAY
from storage.database import Connection
from storage.people import Hand, mask, note, say_who
from storage.register_asked import Asked, said_day, select
from storage.sealed import MasterKey, Place
from storage.tenant_keys import keyring
from storage.text import clean


@dataclass(frozen=True, slots=True)
class PersonAtSite:
    """A role at a site, with the person's name masked, and whether some way to the person is proven (the latest day;
    empty: none)."""

    role: RoleAtSite
    name: str
    language: str
    needs: tuple[Need, ...]
    proven: str


async def people_at_site(
    connection: Connection,
    master: MasterKey,
    site: str,
    *,
    day: str | None = None,
    as_of_us: int | None = None,
) -> list[PersonAtSite]:
    """Who is, or was, what at a site. day (YYYY-MM-DD): whose role held on it; None: of every day."""
    asking = Asked(as_of_us)
    table = asking.table("site_role", "r")
    asking.where("r.site = %s", clean(site))
    if day is not None:
        asking.where("r.since <= %s AND (r.until IS NULL OR r.until > %s)", day, day)
    cursor = await connection.execute(
        select(
            "r.tenant, r.person, r.role, r.since, r.until, p.name, p.language, p.needs, (SELECT max(c.proven) FROM"
            " contact c WHERE c.tenant = r.tenant AND c.person = r.person)",
            table + " LEFT JOIN person p ON p.tenant = r.tenant AND p.key = r.person",
            asking.sql,
            " ORDER BY r.tenant, r.person, r.role, r.since",
        ),
        asking.values,
    )
    rows = await cursor.fetchall()
    rings = {tenant: await keyring(connection, master, tenant) for tenant in {row[0] for row in rows}}
    return [
        PersonAtSite(
            RoleAtSite(tenant, key, site, SiteRole(role), said_day(since), said_day(until)),
            mask(rings[tenant], Place(tenant, key, "name"), name, "name"),
            language or "",
            tuple(Need(need) for need in needs or ()),
            said_day(proven),
        )
        for tenant, key, role, since, until, name, language, needs, proven in rows
    ]


async def put_role(connection: Connection, hand: Hand, role: RoleAtSite) -> None:
    """Add a role, or say until when it was. `since` is part of its name."""
    await say_who(connection, hand)
    await connection.execute(
        "INSERT INTO site_role (tenant, person, site, role, since, until) VALUES (%s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (tenant, person, site, role, since) DO UPDATE SET until = excluded.until",
        (
            *(clean(role.tenant), clean(role.person), clean(role.site), role.role.value),
            *(role.since or FIRST_DAY, role.until or None),
        ),
    )
    said: dict[str, Plain] = {"person": role.person, "site": role.site, "role": role.role.value}
    await note(connection, hand, role.tenant, "site role", said | {"since": role.since, "until": role.until})
