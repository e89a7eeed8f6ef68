"""Device models that vendors hand in, by version: checked, tried, admitted, withdrawn.

V1  A version that was handed in never changes; a new document is a new version. Only its state goes on, and only so:
    draft -> tried -> admitted -> withdrawn, and from draft or tried to withdrawn.
V2  What is admitted is what the registry holds from the same transaction on: device_model, and the change to the
    engine. Of one model one version is admitted; admitting another withdraws it.
V3  A key belongs to the vendor who used it first; what Davy brings, or the settings' folder, is nobody's to hand in.
V4  A withdrawn model stays with the devices that have it, and takes no new ones: nobody's detector falls silent because
    its maker was struck off.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, LiteralString

import msgspec

from access.audit_chain import Plain
from devices.models import DeviceModel, parse_model
from devices.native_examples import run_native_examples
from devices.register_examples import run_examples
from devices.sites import Registry, RegistryChange, registry_faults, without_examples
from storage import outbox
from storage.audit import Said, record
from storage.database import Connection
from storage.registry_models import model_document
from storage.registry_reach import reach
from storage.registry_tables import write_models
from storage.text import clean
from storage.times import as_datetime, as_microseconds

#: Characters of a document, product choice: the longest of Davy's own has 30,000.
MOST_DOCUMENT = 200_000


class ModelState(StrEnum):
    DRAFT = "draft"
    TRIED = "tried"  # its examples were run, and it was tried on devices
    ADMITTED = "admitted"
    WITHDRAWN = "withdrawn"


#: V1: from where to where.
STEPS: dict[ModelState, frozenset[ModelState]] = {
    ModelState.DRAFT: frozenset({ModelState.TRIED, ModelState.WITHDRAWN}),
    ModelState.TRIED: frozenset({ModelState.ADMITTED, ModelState.WITHDRAWN}),
    ModelState.ADMITTED: frozenset({ModelState.WITHDRAWN}),
    ModelState.WITHDRAWN: frozenset(),
}


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """Times are microseconds since 1970 UTC; decided_us None: nobody has decided since it was handed in."""

    key: str
    version: int
    vendor: str
    state: ModelState
    toml: str
    sha256: str
    uploaded_us: int
    uploaded_by: str
    decided_us: int | None
    decided_by: str
    reason: str


class ModelRefused(ValueError):
    """It cannot be taken, or cannot go on so; one line for each fault: place, reason, remedy. Permanent."""


_COLUMNS: LiteralString = (
    "key, version, vendor, state, toml, sha256, uploaded, uploaded_by, decided, decided_by, reason"
    " FROM device_model_version"
)


def checked(key: str, toml: str) -> DeviceModel:
    """The model of a document, whose golden examples mean what they say. Raises ModelRefused."""
    if len(toml) > MOST_DOCUMENT:
        raise ModelRefused(f"{key}: {len(toml):,} characters; at most {MOST_DOCUMENT:,}")
    if "\x00" in toml:
        raise ModelRefused(f"{key}: holds a NUL character; take it out")
    try:
        model = parse_model(key, toml, key)
    except ValueError as wrong:
        raise ModelRefused(str(wrong)) from wrong
    faults = [f"{key}: {at}: {reason}" for at, reason in (*run_native_examples(model), *run_examples(model))]
    if faults:
        raise ModelRefused("\n".join(faults))
    return model


async def hand_in(connection: Connection, key: str, toml: str, *, vendor: str, by: str, now_us: int) -> ModelVersion:
    """A new version, as a draft; the same document again is the version that it is. `vendor`: whose word the asker has;
    empty: any. Raises ModelRefused; psycopg.Error, so call under `translated()`."""
    model = checked(key, toml)
    if vendor and model.vendor != vendor:
        raise ModelRefused(f"{key}: vendor: {model.vendor!r} is not yours; it must be {vendor!r}")
    await outbox.lock(connection)
    last = await newest(connection, key)
    if last is None and await _stands_elsewhere(connection, key):
        raise ModelRefused(f"{key}: key: there is a model of this key that nobody handed in; take another")
    if last is not None and last.vendor != model.vendor:
        raise ModelRefused(f"{key}: key: it is another vendor's; take another")
    sha256 = hashlib.sha256(toml.encode()).hexdigest()
    if last is not None and last.sha256 == sha256 and last.state is not ModelState.WITHDRAWN:
        return last
    await connection.execute(
        "INSERT INTO device_model_version (key, version, vendor, toml, sha256, uploaded, uploaded_by)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (key, last.version + 1 if last else 1, model.vendor, toml, sha256, as_datetime(now_us), by),
    )
    found = await newest(connection, key)
    assert found is not None
    await _say(connection, found, by, now_us)
    return found


async def go_on(
    connection: Connection, key: str, version: int, to: ModelState, *, by: str, now_us: int, reason: str = ""
) -> ModelVersion:
    """The next state of a version (V1, V2). Withdrawing needs a reason. Raises ModelRefused."""
    await outbox.lock(connection)
    found = await one(connection, key, version)
    if found is None:
        raise ModelRefused(f"{key}: there is no version {version}")
    if to not in STEPS[found.state]:
        ways = ", ".join(sorted(STEPS[found.state])) or "nothing any more"
        raise ModelRefused(f"{key}: version {version} is {found.state} and can become {ways}")
    if to is ModelState.WITHDRAWN and not reason.strip():
        raise ModelRefused(f"{key}: a model is withdrawn for a reason; say it")
    if to is ModelState.ADMITTED:
        await _bring_into_force(connection, checked(key, found.toml))
        await connection.execute(
            "UPDATE device_model_version SET state = 'withdrawn', decided = %s, decided_by = %s, reason = %s"
            " WHERE key = %s AND state = 'admitted'",
            (as_datetime(now_us), by, f"version {version} was admitted", key),
        )
    await connection.execute(
        "UPDATE device_model_version SET state = %s, decided = %s, decided_by = %s, reason = %s"
        " WHERE key = %s AND version = %s",
        (to, as_datetime(now_us), by, clean(reason), key, version),
    )
    after = await one(connection, key, version)
    assert after is not None
    await _say(connection, after, by, now_us)
    return after


async def _bring_into_force(connection: Connection, model: DeviceModel) -> None:
    """V2, once it is seen that the devices that have the model may have it as it is now."""
    cursor = await connection.execute("SELECT document::text FROM device_model WHERE key <> %s", (model.key,))
    others = [msgspec.json.decode(row[0], type=DeviceModel) for row in await cursor.fetchall()]
    found = await reach(connection, (), (*others, model))
    about = tuple(f"{name}: " for name in found.judged)
    faults = [fault for fault in registry_faults(found.known.registry((*others, model))) if fault.startswith(about)]
    if about and faults:
        raise ModelRefused("\n".join(faults))
    await write_models(connection, [model])
    kept = msgspec.json.decode(model_document(model), type=DeviceModel)
    await outbox.offer(connection, RegistryChange(put=Registry(models=(without_examples(kept),))))


async def newest(connection: Connection, key: str) -> ModelVersion | None:
    cursor = await connection.execute(
        "SELECT " + _COLUMNS + " WHERE key = %s ORDER BY version DESC LIMIT 1", (clean(key),)
    )
    row = await cursor.fetchone()
    return None if row is None else _version(row)


async def one(connection: Connection, key: str, version: int) -> ModelVersion | None:
    cursor = await connection.execute("SELECT " + _COLUMNS + " WHERE key = %s AND version = %s", (clean(key), version))
    row = await cursor.fetchone()
    return None if row is None else _version(row)


async def versions(
    connection: Connection, *, limit: int, after: tuple[str, int] = ("", 0), state: ModelState | None = None
) -> list[ModelVersion]:
    """Those that the connection's role may see, by key and version."""
    cursor = await connection.execute(
        "SELECT " + _COLUMNS + " WHERE (key, version) > (%s, %s) AND (%s::text IS NULL OR state = %s)"
        " ORDER BY key, version LIMIT %s",
        (clean(after[0]), after[1], state, state, limit),
    )
    return [_version(row) for row in await cursor.fetchall()]


async def handed_in(connection: Connection) -> tuple[tuple[DeviceModel, ...], frozenset[str]]:
    """The models that somebody handed in and the registry holds, and which of their keys take no new devices (V4)."""
    cursor = await connection.execute(
        "SELECT m.document::text, m.key, bool_or(v.state = 'admitted') FROM device_model m"
        " JOIN device_model_version v ON v.key = m.key GROUP BY m.key"
        " HAVING bool_or(v.state IN ('admitted', 'withdrawn')) ORDER BY m.key"
    )
    rows = await cursor.fetchall()
    models = tuple(msgspec.json.decode(document, type=DeviceModel) for document, _, _ in rows)
    return models, frozenset(key for _, key, admitted in rows if not admitted)


async def _stands_elsewhere(connection: Connection, key: str) -> bool:
    cursor = await connection.execute("SELECT FROM device_model WHERE key = %s", (key,))
    return await cursor.fetchone() is not None


async def _say(connection: Connection, version: ModelVersion, by: str, now_us: int) -> None:
    """The platform's record, and that of the vendor where it is a party."""
    cursor = await connection.execute(
        "SELECT key FROM enterprise WHERE vendor = %s AND vendor <> '' AND gone IS NULL", (version.vendor,)
    )
    parties = ["", *(row[0] for row in await cursor.fetchall())]
    body: dict[str, Plain] = {
        "model": version.key,
        "version": version.version,
        "state": str(version.state),
        "sha256": version.sha256,
        "reason": version.reason,
    }
    await record(connection, [Said(party, now_us, "device_model", by, body) for party in parties])


def _version(row: tuple[Any, ...]) -> ModelVersion:
    key, version, vendor, state, toml, sha256, uploaded, uploaded_by, decided, decided_by, reason = row
    return ModelVersion(
        *(key, version, vendor, ModelState(state), toml, sha256, as_microseconds(uploaded), uploaded_by),
        decided_us=as_microseconds(decided) if decided else None,
        decided_by=decided_by,
        reason=reason,
    )
