"""The part of a registry that one device's rules look at: itself, and who votes, closes or answers with it.

A city has a million devices; why one of them alarmed is a matter of a few.
"""

from collections.abc import Collection, Set
from typing import NamedTuple

import msgspec

from devices.classes import Group, group
from devices.sites import Device, Registry
from rules.documents.document import RulePack
from rules.language.canonical import walk
from rules.language.tree import Votes

#: A group in which a rule votes has at most so many devices here. Source: product choice: a building, not a district.
MOST_VOTERS = 1_000


class Neighbourhood(NamedTuple):
    """`too_large`: rules that vote in a group of more than MOST_VOTERS, which is left out."""

    registry: Registry
    too_large: frozenset[str]


def neighbourhood(registry: Registry, identity: str, pack: RulePack, rules: Collection[str] = ()) -> Neighbourhood:
    """The device, those of its site, those of every group that `rules` (ids; empty: all) vote in, those it shares a row
    of the matrix with, their valves, and the gateways of all. Raises ValueError for a device that is not registered."""
    devices = {device.identity: device for device in registry.devices}
    if identity not in devices:
        raise ValueError(f"device {identity!r} is not registered")
    names = {identity} | {device.identity for device in registry.devices if device.site == devices[identity].site}
    too_large: set[str] = set()
    for sort, voting in _voting(pack, rules).items():
        members = _members(registry, identity, sort)
        if len(members) <= MOST_VOTERS:
            names |= members
        else:
            too_large |= voting
    for row in registry.matrix:
        if identity in row.detectors:
            names |= {*row.detectors, *row.valves, *row.fans}
    names |= {link.valve for link in registry.links if link.detector in names}
    names |= {devices[name].gateway for name in names if devices[name].gateway in devices}
    return Neighbourhood(part_of(registry, names), frozenset(too_large))


def _voting(pack: RulePack, rules: Collection[str]) -> dict[Group, set[str]]:
    """Which rules vote in which sort of group."""
    found: dict[Group, set[str]] = {}
    for rule, parsed in zip(pack.rules, pack.parsed, strict=False):
        if rules and rule.id not in rules:
            continue
        for tree in (parsed.condition, parsed.clear, *parsed.escalate):
            for node in walk(tree) if tree is not None else ():
                if isinstance(node, Votes):
                    found.setdefault(node.group, set()).add(rule.id)
    return found


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
