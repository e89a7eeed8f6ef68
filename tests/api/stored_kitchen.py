"""An hour of a kitchen in the database: readings of one detector, the rules that judged them, and the registry."""

import hashlib

import msgspec
import numpy as np

from devices.quantities import quality_shift
from devices.readings import Rows, blank
from storage.database import connect
from storage.registry import import_registry
from storage.registry_source import parse_source
from storage.rule_packs import found_in_force
from tests.api.homes import REGISTRY
from tests.storage.cycles import SECOND, T0, cycle
from tests.storage.writing import write

#: Gas rises from reading 60 to 119, ten seconds apart, and is gone again.
READINGS, EVERY = 360, 10 * SECOND
END = T0 + READINGS * EVERY
GAS_AT = T0 + 60 * EVERY
RULES = b"""version = "then"
[[rule]]
id = "gas"
title = { zh = "\xe5\x8f\xaf\xe7\x87\x83\xe6\xb0\x94\xe4\xbd\x93", en = "Gas" }
priority = "medium"
source = "product choice"
applies_to = ["detector"]
quantity = "combustible_lel"
at_or_above = 20
clear_below = 15
hold_s = 30
[[rule]]
id = "silence"
title = { zh = "x", en = "x" }
priority = "low"
source = "product choice"
kind = "silence"
"""


def _rows() -> Rows:
    rows = blank(READINGS)
    k = np.arange(READINGS)
    rows["device_no"], rows["boot"], rows["seq"] = 1, 1, k
    rows["ts"] = rows["received"] = rows["device_ts"] = T0 + k * EVERY
    rows["combustible_lel"] = np.where((k >= 60) & (k < 120), 25.0, 1.0)
    rows["quality"] &= ~np.int64(0xF << quality_shift("combustible_lel"))
    return rows


def _registered() -> bytes:
    keys = ("vendor", "serial", "model", "site", "gateway")
    devices = [{key: getattr(one, key) for key in keys} for one in REGISTRY.devices]
    return msgspec.json.encode({"sites": REGISTRY.sites, "devices": devices, "links": REGISTRY.links})


async def write_kitchen(url: str) -> None:
    """Into a database that is empty."""
    connection = await connect(url, name="test")
    try:
        source = parse_source(_registered())
        imported = await import_registry(
            connection, source, REGISTRY.models, dry_run=False, random_bytes=lambda n: b"\x01" * n
        )
        assert imported.applied, imported
        await found_in_force(connection, "engine-1", 0, T0 - 1, hashlib.sha256(RULES).hexdigest(), RULES)
    finally:
        await connection.close()
    await write(url, [cycle(1, _rows(), now=END)], now=END)
