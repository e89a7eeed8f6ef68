"""What rules can tell devices apart by: the classes of a fleet, and the groups its devices stand in.

A city has a million devices and a few hundred classes, so what a rule says of a device is kept per class and looked up
by number.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from devices.models import DeviceModel
from devices.sites import Device, Site

_DAY_US = 86_400_000_000
#: What a site is of which no class is said. Source: product choice: of a town's sites nearly all are homes.
HOUSEHOLD = "household"


class Group(StrEnum):
    """Devices that belong together. GATEWAY: those behind the same one. AREA: sites with the same code of area."""

    SITE = "site"
    RISER = "riser"
    BUILDING = "building"
    AREA = "area"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class DeviceClass:
    """Everything a rule may select by. `model` is None for devices that left the registry. `site_class`: HOUSEHOLD
    for a site that has none. `tags`: of the device and its site, sorted."""

    model: DeviceModel | None = None
    enterprise: str = ""
    area: str = ""
    site_class: str = ""
    tags: tuple[str, ...] = ()
    timezone: str = "UTC"

    @property
    def key(self) -> tuple[object, ...]:
        """What tells it from others; the same model by its key."""
        model = self.model.key if self.model else ""
        return (model, self.enterprise, self.area, self.site_class, self.tags, self.timezone)


@dataclass(frozen=True, slots=True)
class Classes:
    """of: shape (slots,), i4, the index in `all` of each slot."""

    of: NDArray[np.int32]
    all: tuple[DeviceClass, ...]


@dataclass(frozen=True, slots=True)
class Grouping:
    """of: shape (slots,), i4, the index in `names` of each slot's group; -1: it stands in none (no riser is named).
    numbers: the index by name. It is shared by the fleets that follow each other (devices/fleet_change.py) and may know
    more than `names` has."""

    of: NDArray[np.int32]
    names: tuple[str, ...]
    numbers: dict[str, int] = field(default_factory=dict, compare=False, repr=False)


def classify(
    devices: Sequence[Device | None], models: Sequence[DeviceModel | None], sites: Sequence[Site | None]
) -> Classes:
    """The class of every slot. Models are told apart by key."""
    index: dict[tuple[object, ...], int] = {}
    found: list[DeviceClass] = []
    of = np.zeros(len(devices), np.int32)
    for slot, (device, model, site) in enumerate(zip(devices, models, sites, strict=True)):
        if device is None or model is None or site is None:
            one = DeviceClass()
            key = one.key
        else:
            tags = tuple(sorted({*device.tags, *site.tags}))
            one = DeviceClass(model, site.enterprise, site.area, site.site_class or HOUSEHOLD, tags, site.timezone)
            key = one.key
        at = index.setdefault(key, len(found))
        if at == len(found):
            found.append(one)
        of[slot] = at
    return Classes(of, tuple(found))


def group(devices: Sequence[Device | None], sites: Sequence[Site | None]) -> dict[Group, Grouping]:
    """Which group of each sort every slot stands in. A building is named within its area, a riser within its building
    (one without a building: within its site)."""
    names: dict[Group, dict[str, int]] = {sort: {} for sort in Group}
    of = {sort: np.full(len(devices), -1, np.int32) for sort in Group}
    for slot, (device, site) in enumerate(zip(devices, sites, strict=True)):
        if device is None or site is None:
            continue
        building = f"{site.area}/{site.building}" if site.building else ""
        riser = f"{building or site.key}/{site.riser}" if site.riser else ""
        stands = {
            Group.SITE: site.key,
            Group.BUILDING: building,
            Group.RISER: riser,
            Group.AREA: site.area,
            Group.GATEWAY: device.gateway,
        }
        for sort, name in stands.items():
            if name:
                of[sort][slot] = names[sort].setdefault(name, len(names[sort]))
    return {sort: Grouping(of[sort], tuple(names[sort]), names[sort]) for sort in Group}


def days_us(days: Sequence[str], after_days: Sequence[int]) -> NDArray[np.int64]:
    """Midnight UTC that begins the day `after_days` after each day (YYYY-MM-DD), in microseconds; 0 where it is empty.
    Raises ValueError for a text that is no day."""
    found = np.zeros(len(days), np.int64)
    for at, (day, later) in enumerate(zip(days, after_days, strict=True)):
        if day:
            begins = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
            found[at] = round(begins.timestamp()) * 1_000_000 + later * _DAY_US
    return found
