"""Devices and sites as they are asked for. All of these raise DatabaseAway and DatabaseRefused."""

from dataclasses import dataclass
from typing import Any, LiteralString

import msgspec

from access.ownership import EVERYTHING, Scope
from devices.models import DeviceKind, Reachability, Tier
from devices.sites import Site
from storage.database import Connection, translated
from storage.registry_tables import read_site
from storage.scoped import OF_DEVICE, condition
from storage.text import clean

_COLUMNS: LiteralString = (
    "d.device_no, d.vendor, d.serial, d.model, m.kind, d.site, s.name, s.simulated, d.gateway, d.address"
    " FROM device d JOIN device_model m ON m.key = d.model JOIN site s ON s.key = d.site"
)


@dataclass(frozen=True, slots=True)
class RegisteredDevice:
    """A device as registered. `gateway` is the identity of the one that publishes for it, or empty; `address` where it
    stands on a bus (devices/addresses.py), or empty."""

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

    @property
    def identity(self) -> str:
        return f"{self.vendor}/{self.serial}"


async def devices(
    connection: Connection,
    *,
    limit: int,
    after: int = 0,
    site: str | None = None,
    kind: DeviceKind | None = None,
    within: Scope = EVERYTHING,
) -> list[RegisteredDevice]:
    """Devices in the order of their numbers, beginning after number `after`."""
    admitted, owners = condition(within, OF_DEVICE)
    query: LiteralString = "SELECT " + _COLUMNS + " WHERE d.device_no > %s AND " + admitted
    values: list[Any] = [after, *owners]
    if site is not None:
        query += " AND d.site = %s"
        values.append(clean(site))
    if kind is not None:
        query += " AND m.kind = %s"
        values.append(kind.value)
    with translated():
        cursor = await connection.execute(query + " ORDER BY d.device_no LIMIT %s", (*values, limit))
        return [_device(row) for row in await cursor.fetchall()]


async def device(connection: Connection, identity: str) -> RegisteredDevice | None:
    """The device `vendor/serial`, or None."""
    with translated():
        cursor = await connection.execute("SELECT " + _COLUMNS + " WHERE d.identity = %s", (clean(identity),))
        row = await cursor.fetchone()
    return _device(row) if row else None


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


def _device(row: tuple[Any, ...]) -> RegisteredDevice:
    device_no, vendor, serial, model, kind, *rest = row
    return RegisteredDevice(device_no, vendor, serial, model, DeviceKind(kind), *rest)
