"""The registry as the engine is to have it, from the tables, whole."""

from typing import Any, LiteralString

import msgspec

from devices.models import DeviceModel
from devices.sites import Credential, Device, Link, MatrixRow, Registry, Site, without_examples
from storage.database import Connection

#: Columns by the fields of the types, in their order.
_SITES: LiteralString = (
    "SELECT key, name, address, enterprise, timezone, simulated, area, building, riser, site_class, tags, manager"
    " FROM site WHERE gone IS NULL ORDER BY key"
)
_DEVICES: LiteralString = (
    "SELECT device_no, vendor, serial, model, site, gateway, address, tags, coalesce(installed::text, ''),"
    " coalesce(calibration_due::text, ''), installer FROM device WHERE gone IS NULL ORDER BY device_no"
)
_LINKS: LiteralString = "SELECT detector, valve FROM link ORDER BY detector, valve"
_MATRIX: LiteralString = "SELECT id, detectors, votes, rules, valves, fans FROM matrix_row ORDER BY id"
_CREDENTIALS: LiteralString = (
    "SELECT identity, token_sha256, former_sha256, coalesce(davy_us(former_until), 0) FROM credential ORDER BY identity"
)


async def whole_registry(connection: Connection) -> Registry:
    """Everything that is registered, models as their files say it; the same content gives the same document. Call it in
    one transaction of repeatable reads. Raises psycopg.Error; call under `translated()`."""
    models = [_model(row[0]) for row in await _rows(connection, "SELECT document::text FROM device_model")]
    return Registry(
        models=tuple(without_examples(model) for model in sorted(models, key=lambda model: model.key)),
        sites=tuple([Site(*_frozen(row)) for row in await _rows(connection, _SITES)]),
        devices=tuple([Device(*_frozen(row)) for row in await _rows(connection, _DEVICES)]),
        links=tuple([Link(*row) for row in await _rows(connection, _LINKS)]),
        credentials=tuple([Credential(*row) for row in await _rows(connection, _CREDENTIALS)]),
        matrix=tuple([MatrixRow(*_frozen(row)) for row in await _rows(connection, _MATRIX)]),
    )


async def _rows(connection: Connection, query: LiteralString) -> list[tuple[Any, ...]]:
    return await (await connection.execute(query)).fetchall()


def _frozen(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(tuple(value) if isinstance(value, list) else value for value in row)


def _model(document: str) -> DeviceModel:
    return msgspec.json.decode(document, type=DeviceModel)
