"""People in files of the register: sealed on their way in, masked on their way out.

E1  Personal data is opened only to see whether a row changes it, and in an export that may have it in clear: then its
    caller has recorded that, with the purpose. No fate, no record and no fault says a word of it.
E2  What an export masked, an import takes as "as it is": a masked file imports back as unchanged.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any, LiteralString

import msgspec

from access.audit_chain import Plain
from access.masks import without_numbers
from access.people import Contact, Person, RoleAtSite
from devices.areas import FIRST_DAY
from storage.audit import Said, record
from storage.database import Connection
from storage.registry_facts import FACT_BY_NAME
from storage.registry_known import Known, Plan
from storage.registry_secrets import PERSON_FIELDS as _FIELDS
from storage.registry_secrets import contact_kind, masks
from storage.sealed import Keyring, MasterKey, Place, RandomBytes, Unreadable
from storage.tenant_keys import contact_place, key_to_seal, keyring

_PERSON: LiteralString = "SELECT tenant, key, name, telephone, id_number, language, needs FROM person"
_CONTACT: LiteralString = "SELECT tenant, person, channel, rank, address, proven, proven_by FROM contact"
_ROLE: LiteralString = "SELECT tenant, person, site, role, since, until FROM site_role"
Sealed = Person | Contact | RoleAtSite


@dataclass(frozen=True, slots=True)
class Sealing:
    """With which key and randomness people are written, and when (microseconds since 1970 UTC)."""

    master: MasterKey
    random_bytes: RandomBytes
    now_us: int


async def read_people(connection: Connection, master: MasterKey, known: Known, facts: Iterable[msgspec.Struct]) -> None:
    """What is registered of the people that the rows are about, opened, into `known.facts`."""
    named: dict[str, set[str]] = {}
    for fact in facts:
        if isinstance(fact, Person):
            named.setdefault(fact.tenant, set()).add(fact.key)
        elif isinstance(fact, Contact | RoleAtSite):
            named.setdefault(fact.tenant, set()).add(fact.person)
    for tenant, keys in sorted(named.items()):
        ring = await keyring(connection, master, tenant)
        queries: tuple[tuple[str, LiteralString], ...] = (
            ("person", _PERSON + " WHERE tenant = %s AND key = ANY(%s)"),
            ("contact", _CONTACT + " WHERE tenant = %s AND person = ANY(%s)"),
            ("site_role", _ROLE + " WHERE tenant = %s AND person = ANY(%s)"),
        )
        for name, query in queries:
            held = known.facts.setdefault(name, {})
            for row in await (await connection.execute(query, (tenant, sorted(keys)))).fetchall():
                fact = _of_row(ring, name, row)
                held[FACT_BY_NAME[name].key(fact)] = fact


async def write_people(connection: Connection, sealing: Sealing, plan: Plan) -> None:
    """What the plan has of people. Raises psycopg.Error."""
    for tenant in sorted({one.tenant for one in _people(plan)}):
        key = await key_to_seal(
            *(connection, sealing.master, tenant), now_us=sealing.now_us, random_bytes=sealing.random_bytes
        )

        def seal(place: Place, text: str, kind: str, key: Any = key) -> tuple[bytes | None, bytes | None]:
            return (key.seal(place, text, sealing.random_bytes), key.index(kind, text)) if text else (None, None)

        persons = [_person_row(one, seal) for one in _people(plan) if isinstance(one, Person) and one.tenant == tenant]
        contacts = [
            _contact_row(one, seal) for one in _people(plan) if isinstance(one, Contact) and one.tenant == tenant
        ]
        roles = [_role_row(one) for one in _people(plan) if isinstance(one, RoleAtSite) and one.tenant == tenant]
        async with connection.cursor() as cursor:
            await cursor.executemany(_PUT_PERSON, persons)
            await cursor.executemany(_PUT_CONTACT, contacts)
            await cursor.executemany(_PUT_ROLE, roles)


_PUT_PERSON: LiteralString = (
    "INSERT INTO person (tenant, key, name, telephone, telephone_index, id_number, id_number_index, language, needs)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (tenant, key) DO UPDATE SET name = excluded.name,"
    " telephone = excluded.telephone, telephone_index = excluded.telephone_index, id_number = excluded.id_number,"
    " id_number_index = excluded.id_number_index, language = excluded.language, needs = excluded.needs"
)
_PUT_CONTACT: LiteralString = (
    "INSERT INTO contact (tenant, person, channel, rank, address, address_index, proven, proven_by)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (tenant, person, channel, rank) DO UPDATE SET"
    " address = excluded.address, address_index = excluded.address_index, proven = excluded.proven,"
    " proven_by = excluded.proven_by"
)
_PUT_ROLE: LiteralString = (
    "INSERT INTO site_role (tenant, person, site, role, since, until) VALUES (%s, %s, %s, %s, %s, %s)"
    " ON CONFLICT (tenant, person, site, role, since) DO UPDATE SET until = excluded.until"
)


def _people(plan: Plan) -> list[Sealed]:
    found = [one for name in ("person", "contact", "site_role") for one in plan.facts.get(name, ())]
    return [one for one in found if isinstance(one, Person | Contact | RoleAtSite)]


def _person_row(one: Person, seal: Any) -> tuple[Any, ...]:
    name, telephone, id_number = (
        seal(Place(one.tenant, one.key, field), getattr(one, field), field) for field in _FIELDS
    )
    needs = sorted(need.value for need in one.needs)
    return (one.tenant, one.key, name[0], *telephone, *id_number, one.language, needs)


def _contact_row(one: Contact, seal: Any) -> tuple[Any, ...]:
    place = contact_place(one.tenant, one.person, one.channel.value, one.rank)
    address = seal(place, one.address, contact_kind(one.channel.value))
    return (one.tenant, one.person, one.channel.value, one.rank, *address, one.proven or None, one.proven_by)


def _role_row(one: RoleAtSite) -> tuple[Any, ...]:
    return (one.tenant, one.person, one.site, one.role.value, one.since or FIRST_DAY, one.until or None)


async def exported_people(
    connection: Connection, master: MasterKey, name: str, *, plain: bool
) -> AsyncIterator[msgspec.Struct]:
    """All rows of a kind in the order of their keys, masked unless `plain` (E1)."""
    queries: dict[str, LiteralString] = {
        "person": _PERSON + " ORDER BY tenant, key",
        "contact": _CONTACT + " ORDER BY tenant, person, channel, rank",
        "site_role": _ROLE + " ORDER BY tenant, person, site, role, since",
    }
    rings: dict[str, Keyring] = {}
    cursor = await connection.execute("SELECT DISTINCT tenant FROM person ORDER BY tenant")
    for (tenant,) in await cursor.fetchall():
        rings[tenant] = await keyring(connection, master, tenant)
    async with connection.cursor(name="davy_people") as rows:
        await rows.execute(queries[name])
        async for row in rows:
            fact = _of_row(rings.get(row[0], Keyring(row[0], {})), name, row)
            yield fact if plain else masks(fact)


async def say_exported(connection: Connection, by: str, now_us: int, purpose: str) -> None:
    """In the record of each tenant whose people the connection's role sees: that all of them go out in clear, and what
    for. Numbers in the purpose are masked: the record is for ever."""
    cursor = await connection.execute("SELECT tenant, count(*) FROM person GROUP BY tenant ORDER BY tenant")
    said: list[Said] = []
    for tenant, people in await cursor.fetchall():
        body: dict[str, Plain] = {
            "people": people,
            "fields": ["contacts", *_FIELDS],
            "purpose": without_numbers(purpose),
        }
        said.append(Said(tenant, now_us, "unmasking", by, body))
    await record(connection, said)


def _of_row(ring: Keyring, name: str, row: tuple[Any, ...]) -> Sealed:
    days = [value.isoformat() if hasattr(value, "isoformat") else value for value in row]
    match name:
        case "person":
            tenant, key, *sealed, language, needs = row
            texts = [_open(ring, Place(tenant, key, field), one) for field, one in zip(_FIELDS, sealed, strict=True)]
            values = (tenant, key, *texts, language, needs)
            return msgspec.convert(dict(zip(Person.__struct_fields__, values, strict=True)), Person)
        case "contact":
            tenant, person, channel, rank, address, proven, by = days
            text = _open(ring, contact_place(tenant, person, channel, rank), address)
            values = (tenant, person, channel, rank, text, proven or "", by)
            return msgspec.convert(dict(zip(Contact.__struct_fields__, values, strict=True)), Contact)
        case _:
            *named, since, until = days
            values = (*named, "" if since == FIRST_DAY else since, until or "")
            return msgspec.convert(dict(zip(RoleAtSite.__struct_fields__, values, strict=True)), RoleAtSite)


def _open(ring: Keyring, place: Place, sealed: Any) -> str:
    try:
        return ring.open(place, bytes(sealed)) if sealed is not None else ""
    except Unreadable:
        return ""
