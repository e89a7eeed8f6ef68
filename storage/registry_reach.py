"""What some rows touch of the registry, and its neighbours: enough to judge them, however large the registry is.

N1  What may become wrong by a change of a thing is the thing itself, and what names it: devices behind a gateway, links
    and matrix rows, a token. What may collide with it is what stands beside it: devices of the same gateway, gateways
    of the same bus, the open installation of the same device.
N2  All that is read so is judged; what those name is read too, so that they can be. Of the rest nothing can have become
    wrong (storage/registry_plan.py P1).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString

import msgspec

from access.enterprises import Enterprise
from devices.addresses import is_bus_address
from devices.models import DeviceModel
from devices.register import Installation
from devices.sites import Credential, Device, Link, MatrixRow, Site
from storage.database import Connection
from storage.registry_facts import FACTS, FactKind, fact_kind
from storage.registry_known import Known
from storage.registry_models import changed_models
from storage.registry_people import read_people
from storage.registry_plan import called_in_faults
from storage.registry_read import (
    CREDENTIALS,
    DEVICES,
    MATRIX,
    SITES,
    device_of,
    matrix_row_of,
    site_of,
)
from storage.registry_rows import DeviceGiven, Leaves, SourceRow, TokenGiven
from storage.sealed import MasterKey


@dataclass(slots=True)
class Reach:
    """The arguments of plan_import."""

    known: Known
    judged: set[str] = field(default_factory=set)
    next_no: int = 1
    model_users: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Touched:
    """What the rows are about, by kind. `centre`: devices that change; `named`: those that are only named;
    `tokens`: those whose token it is."""

    sites: dict[str, Site | None] = field(default_factory=dict)
    site_names: set[str] = field(default_factory=set)
    centre: set[str] = field(default_factory=set)
    given: list[DeviceGiven] = field(default_factory=list)
    named: set[str] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)
    matrix: set[str] = field(default_factory=set)
    facts: dict[str, list[msgspec.Struct]] = field(default_factory=dict)
    facts_leave: set[str] = field(default_factory=set)
    parties: set[str] = field(default_factory=set)


async def reach(
    connection: Connection, rows: Iterable[SourceRow], models: Sequence[DeviceModel], master: MasterKey | None = None
) -> Reach:
    """Read it; what is known of people, with the key that opens it. Raises psycopg.Error; call under `translated()`."""
    found = Reach(Known())
    touched = _touched(rows)
    await _read_models(connection, found, touched, models)
    await _read_sites(connection, found.known, touched.site_names | touched.sites.keys())
    await _devices_of_changed_sites(connection, found.known, touched)
    await _read_neighbours(connection, found, touched)
    await _read_named(connection, found.known, touched)
    await _read_facts(connection, found.known, touched)
    await _read_departed(connection, found.known, touched)
    if master is not None:
        people = [one for kind in FACTS if kind.of_people for one in touched.facts.get(kind.name, ())]
        await read_people(connection, master, found.known, people)
    cursor = await connection.execute("SELECT coalesce(max(device_no), 0) + 1 FROM device")
    found.next_no = int((await cursor.fetchall())[0][0])
    return found


def _touched(rows: Iterable[SourceRow]) -> _Touched:
    touched = _Touched()
    for row in rows:
        match row.given:
            case None:
                pass
            case Site() as site:
                touched.sites[site.key] = site
            case DeviceGiven() as device:
                touched.centre.add(device.identity)
                touched.given.append(device)
                touched.site_names.add(device.site)
            case Link(detector=detector, valve=valve):
                touched.named |= {detector, valve}
            case MatrixRow() as one:
                touched.matrix.add(one.id)
                touched.named.update(one.detectors, one.valves, one.fans)
            case TokenGiven(identity=identity):
                touched.named.add(identity)
                touched.tokens.add(identity)
            case Leaves(kind=kind, key=key):
                _touch_leaving(touched, kind, key)
            case fact:
                _touch_fact(touched, fact)
    return touched


def _touch_leaving(touched: _Touched, kind: str, key: str) -> None:
    match kind:
        case "site":
            touched.sites[key] = None
        case "device":
            touched.centre.add(key)
        case "token":
            touched.named.add(key)
            touched.tokens.add(key)
        case "link":
            touched.centre.update(key.split(" -> "))
        case "matrix":
            touched.matrix.add(key)
        case _:
            touched.facts_leave.add(kind)


def _touch_fact(touched: _Touched, fact: msgspec.Struct) -> None:
    kind = fact_kind(fact)
    touched.facts.setdefault(kind.name, []).append(fact)
    for name, what in kind.references.items():
        if what == "enterprise":
            touched.parties.add(getattr(fact, name))
        elif what == "site":
            touched.site_names.add(getattr(fact, name))
        elif what == "device":
            (touched.centre if kind.name == "link_facts" else touched.named).add(getattr(fact, name))


async def _read_models(connection: Connection, found: Reach, touched: _Touched, models: Sequence[DeviceModel]) -> None:
    cursor = await connection.execute("SELECT key, document::text FROM device_model")
    stored = found.known.models = dict(await cursor.fetchall())
    now = {model.key for model in models}
    changed = [model.key for model in changed_models(stored, models) if model.key in stored]
    changed += sorted(stored.keys() - now)
    if changed:
        query: LiteralString = "SELECT identity, model FROM device WHERE model = ANY(%s) AND gone IS NULL"
        for identity, model in await (await connection.execute(query, (changed,))).fetchall():
            found.model_users[model] = found.model_users.get(model, 0) + 1
            touched.centre.add(identity)


async def _read_sites(connection: Connection, known: Known, keys: Iterable[str]) -> None:
    missing = [key for key in keys if key and key not in known.sites]
    if missing:
        cursor = await connection.execute(SITES + " AND key = ANY(%s)", (missing,))
        for row in await cursor.fetchall():
            known.sites[row[0]] = site_of(row)


async def _devices_of_changed_sites(connection: Connection, known: Known, touched: _Touched) -> None:
    changed = [
        key
        for key, site in touched.sites.items()
        if (before := known.sites.get(key)) is not None and (site is None or site.simulated != before.simulated)
    ]
    if changed:
        query: LiteralString = "SELECT identity FROM device WHERE site = ANY(%s) AND gone IS NULL"
        touched.centre |= {row[0] for row in await (await connection.execute(query, (changed,))).fetchall()}


async def _read_neighbours(connection: Connection, found: Reach, touched: _Touched) -> None:
    """N1."""
    known, centre = found.known, sorted(touched.centre)
    await _read_devices(connection, known, "identity = ANY(%s)", centre)
    await _read_devices(connection, known, "gateway = ANY(%s) AND gateway <> ''", centre)
    beside = sorted(
        {device.gateway for device in touched.given if device.gateway and device.address}
        | {known.devices[one].gateway for one in centre if one in known.devices and known.devices[one].address}
    )
    await _read_devices(connection, known, "gateway = ANY(%s) AND gateway <> ''", [one for one in beside if one])
    on_buses: list[DeviceGiven | Device] = [
        *touched.given,
        *(known.devices[one] for one in centre if one in known.devices),
    ]
    if any(is_bus_address(device.address) for device in on_buses):
        await _read_devices(connection, known, "address LIKE 'modbus%%' AND %s::text[] IS NOT NULL", ["-"])
    found.judged |= {called_in_faults("device", identity) for identity in known.devices}
    if centre:
        await _read_links_and_rows(connection, known, touched, centre)
    found.judged |= {called_in_faults("link", f"{detector} -> {valve}") for detector, valve in known.links}
    found.judged |= {called_in_faults("matrix", one) for one in known.matrix}


async def _read_links_and_rows(connection: Connection, known: Known, touched: _Touched, centre: Sequence[str]) -> None:
    cursor = await connection.execute(
        "SELECT detector, valve FROM link WHERE detector = ANY(%s) UNION SELECT detector, valve FROM link"
        " WHERE valve = ANY(%s)",
        (centre, centre),
    )
    known.links = {(detector, valve) for detector, valve in await cursor.fetchall()}
    touched.named |= {end for link in known.links for end in link}
    cursor = await connection.execute(MATRIX + " WHERE (detectors || valves || fans) && %s", (centre,))
    for row in map(matrix_row_of, await cursor.fetchall()):
        known.matrix[row.id] = row
        touched.named.update(row.detectors, row.valves, row.fans)


async def _read_named(connection: Connection, known: Known, touched: _Touched) -> None:
    """N2: what the judged name, and what the rows are about that is no device."""
    if touched.matrix:
        query: LiteralString = MATRIX + " WHERE id = ANY(%s)"
        for row in map(matrix_row_of, await (await connection.execute(query, (sorted(touched.matrix),))).fetchall()):
            known.matrix.setdefault(row.id, row)
            touched.named.update(row.detectors, row.valves, row.fans)
    ends = sorted(touched.named)
    if ends:
        cursor = await connection.execute(
            "SELECT detector, valve FROM link WHERE detector = ANY(%s) AND valve = ANY(%s)", (ends, ends)
        )
        known.links |= {(detector, valve) for detector, valve in await cursor.fetchall()}
    gateways = {device.gateway for device in known.devices.values()} | {given.gateway for given in touched.given}
    await _read_devices(
        connection, known, "identity = ANY(%s)", sorted((touched.named | gateways - {""}) - known.devices.keys())
    )
    await _read_sites(connection, known, {device.site for device in known.devices.values()})
    about = sorted(touched.centre | touched.tokens)
    if about:
        cursor = await connection.execute(CREDENTIALS + " WHERE identity = ANY(%s)", (about,))
        known.credentials = {row[0]: Credential(*row) for row in await cursor.fetchall()}


async def _read_devices(connection: Connection, known: Known, where: LiteralString, values: Sequence[str]) -> None:
    if values:
        for row in await (await connection.execute(DEVICES + " AND " + where, (list(values),))).fetchall():
            device = device_of(row)
            known.devices.setdefault(device.identity, device)


async def _read_facts(connection: Connection, known: Known, touched: _Touched) -> None:
    for kind in FACTS:
        facts = touched.facts.get(kind.name, [])
        if kind.of_people:
            continue
        if kind.name == "area" and (facts or "area" in touched.facts_leave):
            await _read_fact(connection, known, kind, "true", ())
        elif facts:
            await _read_fact(connection, known, kind, *_by_key(kind, facts))
        elif kind.name in touched.facts_leave:
            await _read_fact(connection, known, kind, "true", ())
    vendors = [one.vendor for one in touched.facts.get("enterprise", ()) if isinstance(one, Enterprise) and one.vendor]
    installed = {one.identity for one in touched.facts.get("installation", ()) if isinstance(one, Installation)}
    for kind in FACTS:
        if kind.name == "enterprise" and touched.parties:
            await _read_fact(connection, known, kind, "key = ANY(%s)", (sorted(touched.parties),))
        if kind.name == "enterprise" and vendors:
            await _read_fact(connection, known, kind, "vendor = ANY(%s) AND vendor <> ''", (vendors,))
        if kind.name == "installation" and (about := sorted(installed | touched.centre)):
            await _read_fact(connection, known, kind, "identity = ANY(%s) AND until IS NULL", (about,))


async def _read_departed(connection: Connection, known: Known, touched: _Touched) -> None:
    """What installations that ended name, and is registered no longer."""
    past = [one for one in touched.facts.get("installation", ()) if isinstance(one, Installation) and one.until]
    if past:
        cursor = await connection.execute(
            "SELECT 'device', identity FROM device WHERE identity = ANY(%s) AND gone IS NOT NULL"
            " UNION ALL SELECT 'site', key FROM site WHERE key = ANY(%s) AND gone IS NOT NULL",
            ([one.identity for one in past], [one.site for one in past]),
        )
        known.departed |= {(str(what), str(key)) for what, key in await cursor.fetchall()}


def _by_key(kind: FactKind, facts: Sequence[msgspec.Struct]) -> tuple[LiteralString, tuple[Any, ...]]:
    columns = [kind.columns[kind.type.__struct_fields__.index(name)] for name in kind.keys]
    keys = [kind.key_values(kind.key(fact)) for fact in facts]
    if len(columns) == 1:
        return columns[0] + " = ANY(%s)", ([key[0] for key in keys],)
    names: LiteralString = ", ".join(columns)
    return f"({names}) IN (SELECT * FROM unnest(%s::text[], %s::text[]))", tuple(map(list, zip(*keys, strict=True)))  # noqa: S608


async def _read_fact(
    connection: Connection, known: Known, kind: FactKind, where: LiteralString, values: tuple[Any, ...]
) -> None:
    columns: LiteralString = ", ".join(kind.columns)
    there: LiteralString = " AND gone IS NULL" if kind.has_gone or kind.name in ("site_facts", "device_facts") else ""
    query: LiteralString = "SELECT " + columns + " FROM " + kind.table + " WHERE " + where + there  # noqa: S608
    held = known.facts.setdefault(kind.name, {})
    for row in await (await connection.execute(query, values)).fetchall():
        fact = kind.of_row(row)
        held.setdefault(kind.key(fact), fact)
