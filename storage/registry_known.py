"""The registry by key, all of it or the part that some rows touch, and what a plan would make of it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from devices.models import DeviceModel
from devices.sites import (
    Credential,
    Device,
    Link,
    MatrixRow,
    Registry,
    Site,
    without_examples,
)
from storage.registry_facts import Key
from storage.registry_rows import Fate, RowFate, TokenGiven


@dataclass(slots=True)
class Known:
    """The registry by key, and the documents of the models as they are stored. A new device has a provisional number
    until the database gives it its own. `facts`: by kind (storage/registry_facts.py), then by key. `departed`: (kind,
    key) of devices and sites that are registered no longer, as far as installations that ended name them."""

    sites: dict[str, Site] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    links: set[tuple[str, str]] = field(default_factory=set)
    matrix: dict[str, MatrixRow] = field(default_factory=dict)
    credentials: dict[str, Credential] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    facts: dict[str, dict[Key, msgspec.Struct]] = field(default_factory=dict)
    departed: set[tuple[str, str]] = field(default_factory=set)

    def registry(self, models: Sequence[DeviceModel]) -> Registry:
        """As one document; the same content gives the same document."""
        return Registry(
            models=tuple(without_examples(model) for model in sorted(models, key=lambda model: model.key)),
            sites=tuple(site for _, site in sorted(self.sites.items())),
            devices=tuple(sorted(self.devices.values(), key=lambda device: device.device_no)),
            links=tuple(Link(detector, valve) for detector, valve in sorted(self.links)),
            credentials=tuple(credential for _, credential in sorted(self.credentials.items())),
            matrix=tuple(row for _, row in sorted(self.matrix.items())),
        )


@dataclass(slots=True)
class Plan:
    """`known` is the registry after the import. The lists are what to write and `gone` what to take away, by kind.
    `to_make`: tokens that are to be made. `faults`: what is wrong beyond the rows of the file. The import may
    go on only when `refused` is 0 and `faults` is empty."""

    known: Known
    fates: list[RowFate] = field(default_factory=list)
    sites: list[Site] = field(default_factory=list)
    devices: list[Device] = field(default_factory=list)
    new_devices: set[str] = field(default_factory=set)
    links: list[Link] = field(default_factory=list)
    matrix: list[MatrixRow] = field(default_factory=list)
    credentials: dict[str, Credential] = field(default_factory=dict)
    facts: dict[str, list[msgspec.Struct]] = field(default_factory=dict)
    gone: dict[str, list[str]] = field(default_factory=dict)
    gone_links: list[Link] = field(default_factory=list)
    gone_facts: dict[str, list[Key]] = field(default_factory=dict)
    #: What stood there before, of what changes or leaves: sites and devices by key, tokens by identity.
    former_sites: dict[str, Site] = field(default_factory=dict)
    former_devices: dict[str, Device] = field(default_factory=dict)
    former_tokens: dict[str, Credential] = field(default_factory=dict)
    #: Models that the file brings into force, or changes.
    models: list[DeviceModel] = field(default_factory=list)
    to_make: list[TokenGiven] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    #: What is probably wrong with the devices of the file, as the registry would be, and does not stop it.
    warnings: list[str] = field(default_factory=list)

    @property
    def refused(self) -> int:
        return sum(fate.fate is Fate.REFUSED for fate in self.fates)

    @property
    def may_be_applied(self) -> bool:
        return not self.faults and not self.refused
