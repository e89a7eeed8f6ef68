"""Ways to people, and whether somebody was ever reached by one. In the caller's transaction; all raise psycopg.Error,
call under `translated()`.
"""

from access.audit_chain import Plain
from access.people import Channel, Contact
from storage.database import Connection
from storage.people import Hand, mask, note, say_who
from storage.register_asked import said_day
from storage.sealed import MasterKey
from storage.tenant_keys import contact_kind, contact_place, key_to_seal, keyring
from storage.text import clean


async def contacts(connection: Connection, master: MasterKey, tenant: str, key: str) -> list[Contact]:
    """The ways to a person, first to last, with their addresses masked."""
    cursor = await connection.execute(
        "SELECT channel, rank, address, proven, proven_by FROM contact WHERE tenant = %s AND person = %s"
        " ORDER BY rank, channel",
        (clean(tenant), clean(key)),
    )
    ring = await keyring(connection, master, tenant)
    return [
        Contact(
            tenant,
            key,
            Channel(channel),
            rank,
            mask(ring, contact_place(tenant, key, channel, rank), address, channel),
            said_day(proven),
            by,
        )
        for channel, rank, address, proven, by in await cursor.fetchall()
    ]


async def put_contact(connection: Connection, hand: Hand, contact: Contact) -> None:
    """Add or change a way to a person. An empty address: that before stays. What was proven of an address stays proven
    while it is that address."""
    await say_who(connection, hand)
    named = (clean(contact.tenant), clean(contact.person), contact.channel.value, contact.rank)
    cursor = await connection.execute(
        "SELECT address, address_index, proven, proven_by FROM contact WHERE tenant = %s AND person = %s"
        " AND channel = %s AND rank = %s FOR UPDATE",
        named,
    )
    address, index, proven, proven_by = await cursor.fetchone() or (None, None, None, "")
    if contact.address:
        tenant = contact.tenant
        seal = await key_to_seal(connection, hand.master, tenant, now_us=hand.now_us, random_bytes=hand.random_bytes)
        place = contact_place(tenant, contact.person, contact.channel, contact.rank)
        before, index = index, seal.index(contact_kind(contact.channel), contact.address)
        if before is None or bytes(before) != index:
            address, proven, proven_by = seal.seal(place, contact.address, hand.random_bytes), None, ""
    if contact.proven:
        proven, proven_by = contact.proven, contact.proven_by
    await connection.execute(
        "INSERT INTO contact (tenant, person, channel, rank, address, address_index, proven, proven_by)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (tenant, person, channel, rank) DO UPDATE SET"
        " address = excluded.address, address_index = excluded.address_index, proven = excluded.proven,"
        " proven_by = excluded.proven_by",
        (*named, address, index, proven, clean(proven_by)),
    )
    said: dict[str, Plain] = {"person": contact.person, "channel": contact.channel.value, "rank": contact.rank}
    await note(connection, hand, contact.tenant, "contact", said | {"proven": contact.proven})


async def remove_contact(
    connection: Connection, hand: Hand, tenant: str, key: str, channel: Channel, rank: int
) -> bool:
    """Whether there was one."""
    await say_who(connection, hand)
    cursor = await connection.execute(
        "DELETE FROM contact WHERE tenant = %s AND person = %s AND channel = %s AND rank = %s",
        (clean(tenant), clean(key), channel.value, rank),
    )
    if cursor.rowcount:
        said: dict[str, Plain] = {"person": key, "channel": channel.value, "rank": rank, "removed": True}
        await note(connection, hand, tenant, "contact", said)
    return bool(cursor.rowcount)
