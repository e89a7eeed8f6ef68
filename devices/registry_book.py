"""The registry that changes, by key and by what stands where, so that a change costs what it touches and not what there
is.

B1  A change takes away what is gone and then puts what is put: what has the key of something there takes its place,
    all else follows at the end. So a base and its changes give one registry, order and all, wherever they are folded.
B2  `faults` of a change that nothing is said against leaves a registry without faults, and says what
    `sites.registry_faults` would say of the whole.
"""

from collections.abc import Iterable
from typing import TypeVar

from devices.addresses import is_bus_address
from devices.models import DeviceModel
from devices.sites import (
    Credential,
    Device,
    Link,
    MatrixRow,
    Registry,
    RegistryChange,
    Site,
    registry_faults,
)

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class RegistryBook:
    """Mutable; one per engine. Look-ups: at_site: key -> identities; behind: gateway -> identities; links_of, rows_of:
    identity -> the links, and the ids of the matrix rows, that name it. All keep the registry's order."""

    def __init__(self) -> None:
        self.models: dict[str, DeviceModel] = {}
        self.sites: dict[str, Site] = {}
        self.devices: dict[str, Device] = {}
        self.links: dict[Link, None] = {}
        self.credentials: dict[str, Credential] = {}
        self.matrix: dict[str, MatrixRow] = {}
        self.identity_of: dict[int, str] = {}
        self.at_site: dict[str, dict[str, None]] = {}
        self.behind: dict[str, dict[str, None]] = {}
        self.links_of: dict[str, dict[Link, None]] = {}
        self.rows_of: dict[str, dict[str, None]] = {}
        self._buses: dict[str, None] = {}

    @classmethod
    def of(cls, registry: Registry) -> "RegistryBook":
        book = cls()
        book.apply(RegistryChange(put=registry))
        return book

    def registry(self) -> Registry:
        """The whole document."""
        return Registry(
            models=tuple(self.models.values()),
            sites=tuple(self.sites.values()),
            devices=tuple(self.devices.values()),
            links=tuple(self.links),
            credentials=tuple(self.credentials.values()),
            matrix=tuple(self.matrix.values()),
        )

    def after(self, change: RegistryChange) -> Registry:
        """The whole document as a change would leave it."""
        return fold(self.registry(), [change])

    def apply(self, change: RegistryChange) -> None:
        """Take a change (B1), whether it has faults or not."""
        put, gone = change.put, change.gone
        for link in gone.links:
            self._drop_link(link)
        for key in gone.matrix:
            self._drop_row(key)
        for identity in gone.credentials:
            self.credentials.pop(identity, None)
        for identity in gone.devices:
            self._drop_device(identity)
        for key in gone.sites:
            self.sites.pop(key, None)
        self.models |= {model.key: model for model in put.models}
        self.sites |= {site.key: site for site in put.sites}
        for device in put.devices:
            self._put_device(device)
        for link in put.links:
            self.links[link] = None
            for end in (link.detector, link.valve):
                self.links_of.setdefault(end, {})[link] = None
        self.credentials |= {credential.identity: credential for credential in put.credentials}
        for row in put.matrix:
            self._put_row(row)

    def _put_device(self, device: Device) -> None:
        identity, before = device.identity, self.devices.get(device.identity)
        if before is not None:
            self._unplace(before, moved_to=device)
        self.devices[identity] = device
        self.identity_of[device.device_no] = identity
        self.at_site.setdefault(device.site, {})[identity] = None
        if device.gateway:
            self.behind.setdefault(device.gateway, {})[identity] = None
        if is_bus_address(device.address):
            self._buses[identity] = None

    def _drop_device(self, identity: str) -> None:
        device = self.devices.pop(identity, None)
        if device is not None:
            self._unplace(device, moved_to=None)

    def _unplace(self, device: Device, moved_to: Device | None) -> None:
        """`moved_to` keeps its place where it stands as before, so that its order does not change."""
        renumbered = moved_to is None or moved_to.device_no != device.device_no
        if renumbered and self.identity_of.get(device.device_no) == device.identity:
            del self.identity_of[device.device_no]
        if moved_to is None or moved_to.site != device.site:
            _forget(self.at_site, device.site, device.identity)
        if device.gateway and (moved_to is None or moved_to.gateway != device.gateway):
            _forget(self.behind, device.gateway, device.identity)
        if moved_to is None or not is_bus_address(moved_to.address):
            self._buses.pop(device.identity, None)

    def _drop_link(self, link: Link) -> None:
        self.links.pop(link, None)
        for end in (link.detector, link.valve):
            _forget(self.links_of, end, link)

    def _put_row(self, row: MatrixRow) -> None:
        before = self.matrix.get(row.id)
        if before is not None:
            for name in set(_named(before)) - set(_named(row)):
                _forget(self.rows_of, name, row.id)
        self.matrix[row.id] = row
        for name in _named(row):
            self.rows_of.setdefault(name, {})[row.id] = None

    def _drop_row(self, key: str) -> None:
        row = self.matrix.pop(key, None)
        for name in _named(row) if row is not None else ():
            _forget(self.rows_of, name, key)

    def touched(self, change: RegistryChange) -> dict[str, None]:
        """Identities of devices that are or were there and of which something may be otherwise after `change`: they are
        put or gone, their site is, or their gateway. Before the change is applied."""
        found = dict.fromkeys(device.identity for device in change.put.devices)
        found |= dict.fromkeys(change.gone.devices)
        for key in (*(site.key for site in change.put.sites), *change.gone.sites):
            found |= self.at_site.get(key, {})
        for identity in tuple(found):
            found |= self.behind.get(identity, {})
        return found

    def faults(self, change: RegistryChange) -> list[str]:
        """What speaks against a change, each with place, reason and remedy; empty when it may be applied (B2)."""
        found = _twice(change.put)
        if found:
            return found
        if change.put.models:
            return registry_faults(self.after(change))
        numbers = {device.device_no: device.identity for device in change.put.devices}
        gone = set(change.gone.devices)
        for number, identity in numbers.items():
            other = self.identity_of.get(number, identity)
            if other != identity and other not in gone and not _renumbered(other, change):
                found.append(f"device_no: {number} stands here more than once")
        return found + registry_faults(self._around(change))

    def _around(self, change: RegistryChange) -> Registry:
        """The part of the registry after `change` that has to do with it, and with which it could be at odds."""
        near = RegistryBook()
        near.models = self.models
        near.apply(RegistryChange(put=self._before(change)))
        near.apply(change)
        return near.registry()

    def _before(self, change: RegistryChange) -> Registry:
        """What stands now around what a change touches."""
        names = dict(self.touched(change))
        links = dict.fromkeys(change.put.links)
        rows = dict.fromkeys(row.id for row in change.put.matrix)
        for identity in names:
            links |= self.links_of.get(identity, {})
            rows |= self.rows_of.get(identity, {})
        named = dict(names)
        named |= dict.fromkeys(end for link in links for end in (link.detector, link.valve))
        named |= dict.fromkeys(name for key in rows if key in self.matrix for name in _named(self.matrix[key]))
        named |= dict.fromkeys(name for row in change.put.matrix for name in _named(row))
        named |= dict.fromkeys(one.identity for one in change.put.credentials)
        named |= self._neighbours(names, change.put.devices)
        named |= dict.fromkeys(device.gateway for device in change.put.devices)
        devices = [self.devices[name] for name in self._with_gateways(named) if name in self.devices]
        keys = dict.fromkeys(device.site for device in (*devices, *change.put.devices))
        return Registry(
            sites=tuple(self.sites[key] for key in keys if key in self.sites),
            devices=tuple(devices),
            links=tuple(link for link in links if link in self.links),
            credentials=tuple(self.credentials[name] for name in named if name in self.credentials),
            matrix=tuple(self.matrix[key] for key in rows if key in self.matrix),
        )

    def _neighbours(self, names: Iterable[str], put: Iterable[Device]) -> dict[str, None]:
        """Who shares a bus with one of these: behind the same gateway, or a gateway of a bus if they are gateways."""
        found: dict[str, None] = {}
        now = [self.devices[name] for name in names if name in self.devices]
        if any(is_bus_address(device.address) for device in (*now, *put)):
            found |= self._buses
        for device in (*now, *put):
            if device.address and device.gateway:
                found |= self.behind.get(device.gateway, {})
        return found

    def _with_gateways(self, names: Iterable[str]) -> dict[str, None]:
        """These, their gateways, and the gateways of those."""
        found: dict[str, None] = {}
        for name in names:
            while name and name not in found:
                found[name] = None
                name = self.devices[name].gateway if name in self.devices else ""
        return found


def fold(base: Registry, changes: Iterable[RegistryChange]) -> Registry:
    """A registry and what was changed of it since, in order, as one (B1)."""
    book = RegistryBook.of(base)
    for change in changes:
        book.apply(change)
    return book.registry()


def _named(row: MatrixRow) -> tuple[str, ...]:
    return (*row.detectors, *row.valves, *row.fans)


def _renumbered(identity: str, change: RegistryChange) -> bool:
    return any(device.identity == identity for device in change.put.devices)


def _twice(put: Registry) -> list[str]:
    """What is put more than once in one change: which one would count is nobody's to guess."""
    keys = {
        "model": [model.key for model in put.models],
        "site": [site.key for site in put.sites],
        "device": [device.identity for device in put.devices],
        "device_no": [str(device.device_no) for device in put.devices],
        "credential": [credential.identity for credential in put.credentials],
        "matrix row": [row.id for row in put.matrix],
    }
    return [
        f"{what} {key!r}: stands in one change more than once"
        for what, all_keys in keys.items()
        if len(set(all_keys)) < len(all_keys)
        for key in sorted({key for key in all_keys if all_keys.count(key) > 1})
    ]


def _forget(lookup: dict[_Key, dict[_Value, None]], key: _Key, value: _Value) -> None:
    there = lookup.get(key)
    if there is not None:
        there.pop(value, None)
        if not there:
            del lookup[key]
