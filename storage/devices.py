"""Devices and sites as they are asked for. All of these raise DatabaseAway and DatabaseRefused."""

from dataclasses import dataclass
from typing import Any, LiteralString

import msgspec

from access.ownership import EVERYTHING, Scope
from devices.models import DeviceKind, Reachability, Tier
from devices.register import DeviceFacts, IdentifierKind
from devices.sites import Site
from storage.database import Connection, translated
from storage.register_asked import UNRECORDED, Asked, Recorded, said_day, said_time, select
from storage.registry_tables import read_site
from storage.scoped import OF_DEVICE
from storage.text import clean

_COLUMNS: LiteralString = (
    "d.device_no, d.vendor, d.serial, d.model, m.kind, d.site, coalesce(s.name, ''), coalesce(s.simulated, false),"
    " d.gateway, d.address, d.tags, d.installed, d.calibration_due, d.installer, d.enterprise, d.manager, d.area,"
    " coalesce(s.building, ''), coalesce(s.riser, ''), d.identifier, d.identifier_kind, d.mounting, d.made, d.life_end,"
    " d.version, d.recorded, d.recorded_by, d.gone"
)
#: Who may see a device need not see its site: then nothing is said of it.
#: One row at a time, by its key: a vendor has a view in the place of sites, which is else made whole for every answer.
_WITH_SITE: LiteralString = (
    " JOIN device_model m ON m.key = d.model LEFT JOIN LATERAL (SELECT one.name, one.simulated, one.building, one.riser"
    " FROM site one WHERE one.key = d.site LIMIT 1) s ON true"
)


_NO_FACTS = DeviceFacts("")


@dataclass(frozen=True, slots=True)
class RegisteredDevice:
    """A device as registered, and where it stands. `gateway` is the identity of the one that publishes for it, or
    empty; `address` where it stands on a bus (devices/addresses.py), or empty. Days as in devices/sites.py. The name of
    its site, building and riser are today's also where the rest is of a day in the past."""

    device_no: int
    vendor: str
    serial: str
    model: str
    kind: DeviceKind
    site: str
    site_name: str
    simulated: bool
    gateway: str
    address: str
    tags: tuple[str, ...] = ()
    installed: str = ""
    calibration_due: str = ""
    installer: str = ""
    enterprise: str = ""
    manager: str = ""
    area: str = ""
    building: str = ""
    riser: str = ""
    facts: DeviceFacts = _NO_FACTS
    recorded: Recorded = UNRECORDED

    @property
    def identity(self) -> str:
        return f"{self.vendor}/{self.serial}"


@dataclass(frozen=True, slots=True)
class DevicesAsked:
    """What a list of devices is narrowed to; None: not asked. area: a code, with all that lies in it. due_before: its
    calibration is due before this day (YYYY-MM-DD)."""

    site: str | None = None
    kind: DeviceKind | None = None
    model: str | None = None
    vendor: str | None = None
    gateway: str | None = None
    area: str | None = None
    enterprise: str | None = None
    manager: str | None = None
    installer: str | None = None
    due_before: str | None = None


async def devices(
    connection: Connection,
    *,
    limit: int,
    after: int = 0,
    asked: DevicesAsked | None = None,
    within: Scope = EVERYTHING,
    as_of_us: int | None = None,
) -> list[RegisteredDevice]:
    """Devices in the order of their numbers, beginning after number `after`."""
    narrowed = asked or DevicesAsked()
    asking = Asked(as_of_us)
    table = asking.table("device", "d")
    asking.where("d.gone IS NULL AND d.device_no > %s", after)
    asking.scoped(within, OF_DEVICE)
    asking.within("d.area", narrowed.area)
    asking.equal("d.site", narrowed.site)
    asking.equal("d.vendor", narrowed.vendor)
    asking.equal("d.gateway", narrowed.gateway)
    asking.equal("d.enterprise", narrowed.enterprise)
    asking.equal("d.manager", narrowed.manager)
    asking.equal("d.installer", narrowed.installer)
    if narrowed.due_before is not None:
        asking.where("d.calibration_due < %s", narrowed.due_before)
    rows: LiteralString = select("d.*", table, asking.sql)
    last: LiteralString = " ORDER BY d.device_no LIMIT %s"
    with translated():
        models = await _models(connection, narrowed)
        if models == []:
            return []
        if models is None:
            page, values = rows + last, [*asking.values, limit]
        else:
            # Each model by itself, and the first of them together: by its name the planner knows how rare a model is.
            each: list[LiteralString] = ["(" + rows + " AND d.model = %s" + last + ")" for _ in models]
            page = select("d.*", "(" + " UNION ALL ".join(each) + ") d", end=last)
            values = [value for model in models for value in (*asking.values, model, limit)] + [limit]
        shown = select(_COLUMNS, "(" + page + ") d" + _WITH_SITE, end=" ORDER BY d.device_no")
        cursor = await connection.execute(shown, values, prepare=False)  # a plan for these values, not for any
        return [_device(row) for row in await cursor.fetchall()]


async def _models(connection: Connection, asked: DevicesAsked) -> list[str] | None:
    """The models that are asked for; None: all."""
    if asked.kind is None:
        return None if asked.model is None else [clean(asked.model)]
    cursor = await connection.execute("SELECT key FROM device_model WHERE kind = %s", (asked.kind.value,))
    models = [row[0] for row in await cursor.fetchall()]
    return models if asked.model is None else [model for model in models if model == asked.model]


async def device(connection: Connection, identity: str, *, as_of_us: int | None = None) -> RegisteredDevice | None:
    """The device `vendor/serial`, or None. One that is registered no longer is found too (`recorded.gone`), because its
    readings are still asked for."""
    asking = Asked(as_of_us)
    table = asking.table("device", "d")
    asking.where("d.identity = %s", clean(identity))
    with translated():
        cursor = await connection.execute(select(_COLUMNS, table + _WITH_SITE, asking.sql), asking.values)
        row = await cursor.fetchone()
    return _device(row) if row else None


async def device_versions(
    connection: Connection, identity: str, *, limit: int, before: int = 0
) -> list[RegisteredDevice]:
    """Everything that was ever recorded of a device, newest first; beginning before version `before`, 0: with the
    newest."""
    with translated():
        cursor = await connection.execute(
            select(
                _COLUMNS + ", d.superseded",
                "device_ever d" + _WITH_SITE,
                " WHERE d.identity = %s AND (%s = 0 OR d.version < %s)",
                " ORDER BY d.version DESC LIMIT %s",
            ),
            (clean(identity), before, before, limit),
        )
        return [_device(row[:-1], said_time(row[-1])) for row in await cursor.fetchall()]


class ActuatorFacts(msgspec.Struct, frozen=True):
    """As of devices.models.Actuator."""

    confirm_within_s: float
    reports_position: bool
    reachability: Reachability = Reachability.CONNECTED
    wake_interval_s: float = 0.0


class ModelFacts(msgspec.Struct, frozen=True):
    """What people ask of a device's model, as of devices.models.DeviceModel at the last import. A part of it, and
    with defaults, so that what an older or newer Davy has stored can be shown."""

    name: str
    vendor: str
    source: str
    report_interval_s: float
    tier: Tier | None = None
    verified: bool = True
    gas: str = ""
    lel_percent_vol: float | None = None
    measures: tuple[str, ...] = ()
    ranges: dict[str, tuple[float, float]] = {}
    life_days: int | None = None
    certificates: tuple[str, ...] = ()
    actuator: ActuatorFacts | None = None


async def model_facts(connection: Connection, key: str) -> ModelFacts:
    """The facts of a registered device's model."""
    with translated():
        cursor = await connection.execute("SELECT document::text FROM device_model WHERE key = %s", (clean(key),))
        row = await cursor.fetchone()
    assert row is not None  # a device refers to its model, and models are never deleted
    return msgspec.json.decode(row[0], type=ModelFacts)


async def site(connection: Connection, key: str) -> Site | None:
    with translated():
        return await read_site(connection, key)


async def valves_of(connection: Connection, detector: str) -> list[str]:
    """Identities of the valves that an alarm at `detector` closes."""
    with translated():
        cursor = await connection.execute(
            "SELECT valve FROM link WHERE detector = %s ORDER BY valve", (clean(detector),)
        )
        return [row[0] for row in await cursor.fetchall()]


def _device(row: tuple[Any, ...], superseded: int = 0) -> RegisteredDevice:
    said = list(row[:19])  # in the order of the fields
    said[4], said[10], said[11], said[12] = DeviceKind(row[4]), tuple(row[10]), said_day(row[11]), said_day(row[12])
    identifier, kind, mounting, made, life_end, version, recorded, by, gone = row[19:]
    facts = DeviceFacts(
        f"{row[1]}/{row[2]}", identifier, IdentifierKind(kind), mounting, said_day(made), said_day(life_end)
    )
    said += [facts, Recorded(version, said_time(recorded), by, superseded, gone is not None)]
    return RegisteredDevice(*said)
