"""What has left the registry, as far as somebody may still have to be told of it: whose it was."""

from collections.abc import Iterable, Mapping

import msgspec

from devices.sites import Device, Site


class LeftDevice(msgspec.Struct, frozen=True, array_like=True):
    """A device that has gone: its `vendor/serial`, and the key of the site where it stood last."""

    identity: str
    site: str


class LeftSite(msgspec.Struct, frozen=True, array_like=True):
    """A site that has gone: whose it was, as in Site."""

    enterprise: str
    manager: str
    area: str


class Left(msgspec.Struct, frozen=True):
    """By device number, and by key. Who comes back is not in it any more."""

    devices: dict[int, LeftDevice] = {}
    sites: dict[str, LeftSite] = {}


def left_since(
    left: Left,
    before: Iterable[Device | None],
    sites_before: Mapping[str, Site],
    sites: Mapping[str, Site],
    devices: Iterable[Device | None],
) -> Left:
    """`left`, and what was there before and is there no more; sites by key."""
    gone = dict(left.devices)
    gone |= {device.device_no: LeftDevice(device.identity, device.site) for device in before if device}
    here = {device.device_no for device in devices if device}
    closed = {key: LeftSite(site.enterprise, site.manager, site.area) for key, site in sites_before.items()}
    return Left(
        devices={number: one for number, one in gone.items() if number not in here},
        sites={key: one for key, one in (left.sites | closed).items() if key not in sites},
    )
