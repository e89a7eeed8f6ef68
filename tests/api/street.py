"""Three homes, each with a detector and a shut-off valve of its own, and rules of few words whose alarms come and go at
once: software shuts one valve off by itself, and holds the others."""

from devices.models import load_catalogue
from devices.sites import Credential, Device, Link, Registry, Site, token_sha256
from rules.documents.merged import built_in_pack, merge

DETECTORS, VALVES = ("acme/d1", "acme/d2", "acme/d3"), ("acme/v1", "acme/v2", "acme/v3")
TOKENS = {name: f"token-of-{name}" for name in (*DETECTORS, *VALVES)}


def _device(no: int, identity: str, model: str, site: str) -> Device:
    vendor, serial = identity.split("/")
    return Device(device_no=no, vendor=vendor, serial=serial, model=model, site=site)


STREET = Registry(
    models=load_catalogue(),
    sites=tuple(Site(key=f"home-{n}", simulated=True) for n in (1, 2, 3)),
    devices=(
        *(_device(n, name, "sim_detector_home", f"home-{n}") for n, name in enumerate(DETECTORS, 1)),
        *(_device(3 + n, name, "sim_valve_shut_off", f"home-{n}") for n, name in enumerate(VALVES, 1)),
    ),
    links=tuple(Link(detector=d, valve=v) for d, v in zip(DETECTORS, VALVES, strict=True)),
    credentials=tuple(Credential(identity, token_sha256(token)) for identity, token in TOKENS.items()),
)
_GAS = b"""version = "1"
[[rule]]
id = "gas"
title = { zh = "x", en = "x" }
priority = "high"
source = "product choice"
applies_to = ["detector"]
quantity = "combustible_lel"
at_or_above = 20
clear_below = 15
action = "close"
budget = { least = 1, share_pct = 0, per_s = 3600 }
[[rule]]
id = "gas-tried"
title = { zh = "x", en = "x" }
priority = "medium"
source = "product choice"
applies_to = ["detector"]
quantity = "combustible_lel"
at_or_above = 10
clear_below = 5
state = "dry_run"
"""
RULES = merge([("gas.toml", _GAS), *((f"{name}.toml", built_in_pack(name)) for name in ("valves", "field"))])
