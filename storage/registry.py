"""`davy registry import`: sites, devices, links, the matrix and tokens into PostgreSQL, and the whole registry on to
the engine.

I1  All or nothing: one refused row refuses the import. The dry run runs the same plan and shows every row's fate.
I2  By key, so the same file twice changes nothing the second time. What the file does not name stays as it is.
I3  The registry document goes into the outbox in the transaction that changes the tables, under a lock, so numbers and
    documents are in the same order. The document is made of what the tables then hold, with the model catalogue.
I4  Models come with every import, as they stand in their files; what that changes is a row of the plan.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from devices.models import DeviceModel
from devices.sites import encode_registry, token_sha256
from storage.database import Connection, translated
from storage.registry_plan import plan_import
from storage.registry_rows import Fate, RowFate
from storage.registry_source import SourceRow
from storage.registry_tables import read_known, write_models, write_plan

#: Documents kept in the outbox: each is whole, so the engine needs only the newest; the others are for looking back.
_KEPT_DOCUMENTS = 5


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, or would do. number: of the document in the outbox; 0: none was needed, or nothing was
    applied. tokens: (identity, token) made now; they are stored only as hashes, so this is the one time they are
    seen. warnings: what is probably wrong with the devices of the file, and stopped nothing."""

    applied: bool
    fates: tuple[RowFate, ...]
    faults: tuple[str, ...]
    number: int = 0
    tokens: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()

    def count(self, fate: Fate) -> int:
        return sum(one.fate is fate for one in self.fates)


async def import_registry(
    connection: Connection,
    rows: Sequence[SourceRow],
    models: Sequence[DeviceModel],
    *,
    dry_run: bool,
    random_bytes: Callable[[int], bytes],
) -> Imported:
    """Plan, and unless `dry_run` or something is refused, do it. `random_bytes` (os.urandom) makes tokens. Raises
    DatabaseAway, DatabaseRefused."""
    with translated():
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext('davy registry'))")
            plan = plan_import(await read_known(connection), rows, models)
            warnings = tuple(plan.warnings)
            if dry_run or not plan.may_be_applied:
                return Imported(False, tuple(plan.fates), tuple(plan.faults), warnings=warnings)
            tokens = tuple((identity, _token(random_bytes)) for identity in plan.to_make)
            for identity, token in tokens:
                plan.credentials[identity] = plan.known.credentials[identity] = token_sha256(token)
            await write_models(connection, models)
            await write_plan(connection, plan)
            number = await _offer(connection, encode_registry(plan.known.registry(models)))
            return Imported(True, tuple(plan.fates), (), number, tokens, warnings)


async def _offer(connection: Connection, body: bytes) -> int:
    sha256 = hashlib.sha256(body).hexdigest()
    cursor = await connection.execute("SELECT sha256, refused FROM registry_outbox ORDER BY number DESC LIMIT 1")
    if await cursor.fetchone() == (sha256, ""):
        return 0
    # Above what any engine says it has: after a restored backup the engine may know a higher number than this table.
    cursor = await connection.execute(
        "INSERT INTO registry_outbox (number, sha256, body) SELECT greatest("
        "(SELECT coalesce(max(number), 0) FROM registry_outbox),"
        " (SELECT coalesce(max(registry_number), 0) FROM follower_cursor)) + 1, %s, %s RETURNING number",
        (sha256, body),
    )
    row = await cursor.fetchone()
    assert row is not None
    await connection.execute("DELETE FROM registry_outbox WHERE number <= %s", (row[0] - _KEPT_DOCUMENTS,))
    return int(row[0])


def _token(random_bytes: Callable[[int], bytes]) -> str:
    return base64.urlsafe_b64encode(random_bytes(32)).rstrip(b"=").decode()
