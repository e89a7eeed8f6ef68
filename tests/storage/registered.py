"""A registry in the tables, with the numbers that it has."""

from typing import Any

import psycopg

from devices.sites import Registry
from storage.database import Connection
from storage.registry_models import model_document


async def registered(connection: Connection | psycopg.AsyncConnection[Any], registry: Registry) -> None:
    """Models, sites, devices, links and rows of the matrix."""
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO device_model (key, kind, vendor, name, document) VALUES (%s, %s, %s, %s, %s::jsonb)",
            [(one.key, one.kind.value, one.vendor, one.name, model_document(one)) for one in registry.models],
        )
        await cursor.executemany(
            "INSERT INTO site (key, name, enterprise, timezone, simulated, area, building, riser, site_class, tags)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (s.key, s.name, s.enterprise, s.timezone, s.simulated, s.area, s.building, s.riser, s.site_class,
                 list(s.tags))
                for s in registry.sites
            ],
        )  # fmt: skip
        await cursor.executemany(
            "INSERT INTO device (device_no, vendor, serial, model, site, gateway, address, tags)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (d.device_no, d.vendor, d.serial, d.model, d.site, d.gateway, d.address, list(d.tags))
                for d in registry.devices
            ],
        )
        await cursor.executemany(
            "INSERT INTO link (detector, valve) VALUES (%s, %s)", [(one.detector, one.valve) for one in registry.links]
        )
        await cursor.executemany(
            "INSERT INTO matrix_row (id, detectors, votes, rules, valves, fans) VALUES (%s, %s, %s, %s, %s, %s)",
            [(r.id, list(r.detectors), r.votes, list(r.rules), list(r.valves), list(r.fans)) for r in registry.matrix],
        )
