"""Adding to the record (access/audit_chain.py), inside the caller's transaction: what is done and that it was done are
one commit.

K1  There is one way in, the function `davy_record` of the database: it gives the number and makes the hash. No role may
    write the tables themselves.
K2  Chains of several tenants are taken in the order of their names, so two writers never wait for each other in a ring.
K3  The tenant '' is the platform's own chain: what belongs to no enterprise stands there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from access.audit_chain import Plain, canonical_json
from storage.database import Connection
from storage.text import clean


@dataclass(frozen=True, slots=True)
class Said:
    """Something for the record. at: microseconds since 1970 UTC."""

    tenant: str
    at: int
    kind: str
    by: str
    body: Mapping[str, Plain]


async def record(connection: Connection, said: Iterable[Said]) -> None:
    """Append, in the order given within each tenant. Raises psycopg.Error; call under `translated()`. Raises ValueError
    for a body with a float in it."""
    ordered = sorted(said, key=lambda one: one.tenant)
    if ordered:
        await connection.execute(
            "SELECT davy_record(%s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[])",
            (
                [clean(one.tenant) for one in ordered],
                [one.at for one in ordered],
                [clean(one.kind) for one in ordered],
                [clean(one.by) for one in ordered],
                [clean(canonical_json(one.body)) for one in ordered],
            ),
        )
