"""Changes of the registry, each of them: rows -> plan -> tables, outbox, history and record in one transaction. An
import is many rows, a change by hand is one.

I1  All or nothing: one refused row refuses the import. The dry run runs the same plan and shows every row's fate.
I2  By key, so the same file twice changes nothing the second time. What the file does not name stays as it is.
I3  What changed goes into the outbox in the transaction that changes the tables, under a lock, so numbers and changes
    are in the same order (storage/outbox.py). The lock comes before anything is read, so no plan is out of date.
I4  Models come with every import, as they stand in their files, beside those that vendors handed in
    (storage/models_admitted.py); what that changes is a row of the plan. A change by hand leaves them as they are.
I5  What was before is kept by the tables themselves (migration 0008), with whoever changed it and when; the record says
    for each party whose things were touched what was done and by whom (storage/audit.py).
"""

import base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import msgspec

from access.people import Contact, Person, RoleAtSite
from devices.models import DeviceModel
from devices.sites import token_sha256
from storage import outbox
from storage.audit import record
from storage.database import Connection, translated
from storage.models_admitted import handed_in
from storage.registry_known import Known, Plan
from storage.registry_merge import credential
from storage.registry_people import Sealing
from storage.registry_plan import plan_import
from storage.registry_reach import reach
from storage.registry_record import By, said_of
from storage.registry_rows import Fate, Given, RowFate, SourceRow, key_of, kind_name
from storage.registry_tables import write_plan
from storage.sealed import MasterKey


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, or would do. number: of the change in the outbox; 0: none was needed, or nothing was
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
    by: By | None = None,
    told: Callable[[str], None] = lambda _: None,
    master: MasterKey | None = None,
) -> Imported:
    """Plan, and unless `dry_run` or something is refused, do it. `random_bytes` (os.urandom) makes tokens; `told` hears
    what is being done. Raises DatabaseAway, DatabaseRefused."""
    with translated():
        async with connection.transaction():
            await outbox.lock(connection)
            return await _planned(
                connection,
                rows,
                models,
                dry_run=dry_run,
                random_bytes=random_bytes,
                by=by or By("", 0),
                told=told,
                master=master,
            )


async def apply_rows(
    connection: Connection,
    given: Iterable[Given],
    *,
    by: str,
    now_us: int,
    random_bytes: Callable[[int], bytes],
    dry_run: bool = False,
) -> Imported:
    """A change by hand: a plan of these rows, done in the caller's transaction (or one of its own). Nothing is done
    when a row is refused: look at `applied`. Raises psycopg.Error; call under `translated()`."""
    rows = [SourceRow(f"row {at}", kind_name(one), key_of(one), one) for at, one in enumerate(given, 1)]
    return await apply_source(connection, rows, by=By(by, now_us), random_bytes=random_bytes, dry_run=dry_run)


async def apply_source(
    connection: Connection,
    rows: Sequence[SourceRow],
    *,
    by: By,
    random_bytes: Callable[[int], bytes],
    dry_run: bool = False,
    told: Callable[[str], None] = lambda _: None,
    master: MasterKey | None = None,
) -> Imported:
    """The same of the rows of a file; `master`: what people in it are sealed under."""
    async with connection.transaction():
        await outbox.lock(connection)
        models = await stored_models(connection)
        return await _planned(
            connection, rows, models, dry_run=dry_run, random_bytes=random_bytes, by=by, told=told, master=master
        )


async def bring_models(connection: Connection, models: Sequence[DeviceModel]) -> int:
    """Put those of the models into the registry that it does not have, so that a new installation has a catalogue
    before anything is imported; how many. What is stored otherwise than in its file stays: an import shows that first
    (I4). Raises DatabaseAway, DatabaseRefused."""
    with translated():
        async with connection.transaction():
            await outbox.lock(connection)
            cursor = await connection.execute("SELECT key FROM device_model")
            stored = {row[0] for row in await cursor.fetchall()}
            plan = Plan(Known(), models=[model for model in models if model.key not in stored])
            await outbox.offer(connection, await write_plan(connection, plan))
            return len(plan.models)


async def stored_models(connection: Connection) -> tuple[DeviceModel, ...]:
    """The models that the registry stands on now."""
    cursor = await connection.execute("SELECT document::text FROM device_model ORDER BY key")
    return tuple(msgspec.json.decode(row[0], type=DeviceModel) for row in await cursor.fetchall())


async def _planned(
    connection: Connection,
    rows: Sequence[SourceRow],
    models: Sequence[DeviceModel],
    *,
    dry_run: bool,
    random_bytes: Callable[[int], bytes],
    by: By,
    told: Callable[[str], None],
    master: MasterKey | None = None,
) -> Imported:
    told("reading what the file touches")
    if master is None:
        rows = [_without_people(row) for row in rows]
    others, withdrawn = await handed_in(connection)
    brought = {model.key for model in models}
    models = [*models, *(model for model in others if model.key not in brought)]
    found = await reach(connection, rows, models, master)
    told("planning")
    plan = plan_import(
        found.known,
        rows,
        models,
        judged=found.judged,
        next_no=found.next_no,
        model_users=found.model_users,
        withdrawn=withdrawn,
    )
    warnings = tuple(plan.warnings)
    if dry_run or not plan.may_be_applied:
        return Imported(False, tuple(plan.fates), tuple(plan.faults), warnings=warnings)
    tokens = _made(plan, random_bytes)
    await connection.execute(
        "SELECT set_config('davy.by', %s, true), set_config('davy.at', %s, true)",
        (by.name, str(by.at) if by.at else ""),
    )
    told("writing")
    sealing = Sealing(master, random_bytes, by.at) if master is not None else None
    change = await write_plan(connection, plan, sealing)
    number = await outbox.offer(connection, change)
    await record(connection, said_of(plan, by, number))
    return Imported(True, tuple(plan.fates), (), number, tokens, warnings)


def _without_people(row: SourceRow) -> SourceRow:
    """Where there is no key nobody's name is taken in."""
    if not isinstance(row.given, Person | Contact | RoleAtSite) or row.fault:
        return row
    fault = "there is no key for personal data here; import people with the installation's own (DAVY_MASTER_KEY_FILE)"
    return SourceRow(row.place, row.kind, row.key, row.given, fault)


def _made(plan: Plan, random_bytes: Callable[[int], bytes]) -> tuple[tuple[str, str], ...]:
    tokens: list[tuple[str, str]] = []
    for given in plan.to_make:
        token = base64.urlsafe_b64encode(random_bytes(32)).rstrip(b"=").decode()
        before = plan.former_tokens.get(given.identity)
        plan.credentials[given.identity] = credential(given, token_sha256(token), before)
        plan.known.credentials[given.identity] = plan.credentials[given.identity]
        tokens.append((given.identity, token))
    return tuple(tokens)
