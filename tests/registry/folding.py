"""Changes of the registry folded in the plainest way, for comparison."""

from collections.abc import Iterable

from devices.sites import Link, Registry, RegistryChange


def folded(changes: Iterable[RegistryChange]) -> Registry:
    """The registry after all of them, in the order in which storage/registry_whole.py has it."""
    models, sites, devices, credentials, matrix = {}, {}, {}, {}, {}
    links: set[tuple[str, str]] = set()
    for change in changes:
        put, gone = change.put, change.gone
        links -= {(link.detector, link.valve) for link in gone.links}
        for held, keys in ((sites, gone.sites), (devices, gone.devices), (credentials, gone.credentials)):
            for key in keys:
                del held[key]
        for key in gone.matrix:
            del matrix[key]
        models |= {one.key: one for one in put.models}
        sites |= {one.key: one for one in put.sites}
        devices |= {one.identity: one for one in put.devices}
        credentials |= {one.identity: one for one in put.credentials}
        matrix |= {one.id: one for one in put.matrix}
        links |= {(link.detector, link.valve) for link in put.links}
    return Registry(
        models=tuple(one for _, one in sorted(models.items())),
        sites=tuple(one for _, one in sorted(sites.items())),
        devices=tuple(sorted(devices.values(), key=lambda one: one.device_no)),
        links=tuple(Link(*pair) for pair in sorted(links)),
        credentials=tuple(one for _, one in sorted(credentials.items())),
        matrix=tuple(one for _, one in sorted(matrix.items())),
    )
