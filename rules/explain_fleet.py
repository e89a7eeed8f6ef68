"""The part of a registry that one device's rules look at: itself, and who votes, closes or answers with it.

A city has a million devices; why one of them alarmed is a matter of a few.
"""

from collections.abc import Iterator, Set

import msgspec

from devices.classes import Group, group
from devices.sites import Device, Registry
from rules.canonical import walk
from rules.document import RulePack
from rules.tree import Condition, Votes


def neighbourhood(registry: Registry, identity: str, pack: RulePack) -> Registry:
    """The device, those of its site, those of every group that a rule counts or votes in, those it shares a row of the
    matrix with, their valves, and the gateways of all. Raises ValueError for a device that is not registered."""
    devices = {device.identity: device for device in registry.devices}
    if identity not in devices:
        raise ValueError(f"device {identity!r} is not registered")
    names = {identity} | {device.identity for device in registry.devices if device.site == devices[identity].site}
    for sort in _groups(pack):
        names |= _members(registry, identity, sort)
    for row in registry.matrix:
        if identity in row.detectors:
            names |= {*row.detectors, *row.valves, *row.fans}
    names |= {link.valve for link in registry.links if link.detector in names}
    names |= {devices[name].gateway for name in names if devices[name].gateway in devices}
    return part_of(registry, names)


def _groups(pack: RulePack) -> set[Group]:
    voted = {node.group for tree in _trees(pack) for node in walk(tree) if isinstance(node, Votes)}
    return voted | {rule.group for rule in pack.rules if rule.group is not None}


def _trees(pack: RulePack) -> Iterator[Condition]:
    for parsed in pack.parsed:
        yield from (tree for tree in (parsed.condition, parsed.clear, *parsed.escalate) if tree is not None)


def _members(registry: Registry, identity: str, sort: Group) -> set[str]:
    sites = {site.key: site for site in registry.sites}
    of = group(registry.devices, [sites.get(device.site) for device in registry.devices])[sort].of
    here = next(at for at, device in enumerate(registry.devices) if device.identity == identity)
    if of[here] < 0:
        return set()
    return {registry.devices[at].identity for at in (of == of[here]).nonzero()[0].tolist()}


def part_of(registry: Registry, names: Set[str]) -> Registry:
    """These devices alone, with the sites, models, links and rows of the matrix that are about them. The gateways that
    they name must be among them."""
    kept: tuple[Device, ...] = tuple(device for device in registry.devices if device.identity in names)
    models, sites = {device.model for device in kept}, {device.site for device in kept}
    rows = (
        msgspec.structs.replace(
            row,
            detectors=tuple(name for name in row.detectors if name in names),
            valves=tuple(name for name in row.valves if name in names),
            fans=tuple(name for name in row.fans if name in names),
        )
        for row in registry.matrix
    )
    return Registry(
        models=tuple(model for model in registry.models if model.key in models),
        sites=tuple(site for site in registry.sites if site.key in sites),
        devices=kept,
        links=tuple(link for link in registry.links if {link.detector, link.valve} <= names),
        matrix=tuple(row for row in rows if len(row.detectors) >= row.votes and (row.valves or row.fans)),
    )
