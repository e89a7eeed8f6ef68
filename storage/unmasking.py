"""Personal data in clear, for a purpose that is in the record before anybody sees it (G12). In the caller's
transaction: what cannot be recorded is not shown. Raises psycopg.Error; call under `translated()`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from access.audit_chain import Plain
from access.masks import without_numbers
from access.people import Channel
from storage.audit import Said, record
from storage.database import Connection
from storage.people import opened
from storage.sealed import MasterKey, Unreadable
from storage.tenant_keys import contact_place, keyring
from storage.text import clean


class Field(StrEnum):
    """What can be asked for; a purpose seldom needs all of it."""

    NAME = "name"
    TELEPHONE = "telephone"
    ID_NUMBER = "id_number"
    CONTACTS = "contacts"


@dataclass(frozen=True, slots=True)
class Way:
    """A contact in clear; address None: its key is gone."""

    channel: Channel
    rank: int
    address: str | None


@dataclass(frozen=True, slots=True)
class Unmasked:
    """What was asked for; None: not asked for. Empty: not known. gone: its key was destroyed, nobody knows it any
    more."""

    name: str | None = None
    telephone: str | None = None
    id_number: str | None = None
    contacts: tuple[Way, ...] | None = None
    gone: bool = False


async def unmask(
    connection: Connection,
    master: MasterKey,
    tenant: str,
    person: str,
    fields: Collection[Field],
    *,
    purpose: str,
    by: str,
    now_us: int,
) -> Unmasked | None:
    """The fields of a person in clear, recorded in the tenant's chain; None where the asker's role sees no such person.
    Numbers in the purpose are masked there: the record is for ever."""
    cursor = await connection.execute(
        "SELECT FROM person WHERE tenant = %s AND key = %s", (clean(tenant), clean(person))
    )
    if cursor.rowcount == 0:
        return None
    said: dict[str, Plain] = {
        "person": person,
        "fields": [*sorted(field.value for field in fields)],
        "purpose": without_numbers(purpose),
    }
    await record(connection, [Said(tenant, now_us, "unmasking", by, said)])
    ways = await _ways(connection, master, tenant, person) if Field.CONTACTS in fields else None
    asked = set(fields) - {Field.CONTACTS}
    if not asked:
        return Unmasked(contacts=ways)
    try:
        found = await opened(connection, master, tenant, person)
    except Unreadable:
        return Unmasked(contacts=ways, gone=True)
    assert found is not None
    return Unmasked(
        name=found.name if Field.NAME in asked else None,
        telephone=found.telephone if Field.TELEPHONE in asked else None,
        id_number=found.id_number if Field.ID_NUMBER in asked else None,
        contacts=ways,
    )


async def _ways(connection: Connection, master: MasterKey, tenant: str, person: str) -> tuple[Way, ...]:
    ring = await keyring(connection, master, tenant)
    cursor = await connection.execute(
        "SELECT channel, rank, address FROM contact WHERE tenant = %s AND person = %s AND address IS NOT NULL"
        " ORDER BY rank, channel",
        (clean(tenant), clean(person)),
    )
    ways: list[Way] = []
    for channel, rank, sealed in await cursor.fetchall():
        try:
            address = ring.open(contact_place(tenant, person, channel, rank), bytes(sealed))
        except Unreadable:
            address = None
        ways.append(Way(Channel(channel), rank, address))
    return tuple(ways)
