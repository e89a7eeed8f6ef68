"""A small town for the guarantee tests: homes with a detector and a valve, and one gateway that speaks for many."""

import json

from devices.models import load_catalogue
from devices.sites import Credential, Device, Link, Registry, Site, token_sha256

GATEWAY = "davysim/gw"
#: 256 bits, as a real token has.
TOKEN = "0123456789abcdef" * 4


def detector(home: int) -> str:
    return f"davysim/d{home}"


def valve(home: int) -> str:
    return f"davysim/v{home}"


def town(homes: int) -> Registry:
    """device_no: gateway 1; home n (from 0) has detector 10 + 2n and shut-off valve 11 + 2n. Detectors publish through
    the gateway or by themselves; every identity has the same token."""
    sites = tuple(Site(key=f"home-{n}", simulated=True) for n in range(homes))
    devices = [Device(1, "davysim", "gw", "sim_gateway", "home-0")]
    for n in range(homes):
        devices.append(Device(10 + 2 * n, "davysim", f"d{n}", "sim_detector_home", f"home-{n}", gateway=GATEWAY))
        devices.append(Device(11 + 2 * n, "davysim", f"v{n}", "sim_valve_shut_off", f"home-{n}"))
    return Registry(
        models=load_catalogue(),
        sites=sites,
        devices=tuple(devices),
        links=tuple(Link(detector(n), valve(n)) for n in range(homes)),
        credentials=tuple(Credential(device.identity, token_sha256(TOKEN)) for device in devices),
    )


def town_file(homes: int) -> str:
    """The same town as a file for `davy registry import`; the database gives the devices their numbers."""
    registry = town(homes)
    return json.dumps(
        {
            "sites": [{"key": site.key, "simulated": True} for site in registry.sites],
            "devices": [
                {"vendor": d.vendor, "serial": d.serial, "model": d.model, "site": d.site, "gateway": d.gateway}
                for d in registry.devices
            ],
            "links": [{"detector": link.detector, "valve": link.valve} for link in registry.links],
            "tokens": [{"identity": device.identity, "token": TOKEN} for device in registry.devices],
        }
    )
