"""What an import would make of the registry: pure, so that the dry run and the import cannot differ."""

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
    registry_faults,
    registry_warnings,
    without_examples,
)
from storage.registry_models import model_fates
from storage.registry_rows import Fate, RowFate
from storage.registry_source import DeviceGiven, SourceRow, TokenGiven


@dataclass(slots=True)
class Known:
    """The registry by key, and the documents of the models as they are stored. A new device has a provisional number
    until the database gives it its own."""

    sites: dict[str, Site] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    links: set[tuple[str, str]] = field(default_factory=set)
    matrix: dict[str, MatrixRow] = field(default_factory=dict)
    credentials: dict[str, str] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)

    def registry(self, models: Sequence[DeviceModel]) -> Registry:
        """As one document; the same content gives the same document."""
        return Registry(
            models=tuple(without_examples(model) for model in sorted(models, key=lambda model: model.key)),
            sites=tuple(site for _, site in sorted(self.sites.items())),
            devices=tuple(sorted(self.devices.values(), key=lambda device: device.device_no)),
            links=tuple(Link(detector, valve) for detector, valve in sorted(self.links)),
            credentials=tuple(Credential(identity, sha256) for identity, sha256 in sorted(self.credentials.items())),
            matrix=tuple(row for _, row in sorted(self.matrix.items())),
        )


@dataclass(slots=True)
class Plan:
    """`known` is the registry after the import. `touched` are the keys to write, per kind. `to_make`: identities whose
    token is to be made. `faults`: what is wrong beyond the rows of the file. The import may go on only when
    `refused` is 0 and `faults` is empty."""

    known: Known
    fates: list[RowFate] = field(default_factory=list)
    sites: list[Site] = field(default_factory=list)
    devices: list[Device] = field(default_factory=list)
    new_devices: set[str] = field(default_factory=set)
    links: list[Link] = field(default_factory=list)
    matrix: list[MatrixRow] = field(default_factory=list)
    credentials: dict[str, str] = field(default_factory=dict)
    to_make: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    #: What is probably wrong with the devices of the file, as the registry would be, and does not stop it.
    warnings: list[str] = field(default_factory=list)

    @property
    def refused(self) -> int:
        return sum(fate.fate is Fate.REFUSED for fate in self.fates)

    @property
    def may_be_applied(self) -> bool:
        return not self.faults and not self.refused


#: What stands for a token that is still to be made.
_TO_BE_MADE = "0" * 64


def plan_import(known: Known, rows: Sequence[SourceRow], models: Sequence[DeviceModel]) -> Plan:
    """Merge `rows` over `known` (which is changed), by key: add or change, never remove."""
    plan = Plan(known)
    next_no = max((device.device_no for device in known.devices.values()), default=0) + 1
    seen: dict[tuple[type, str], SourceRow] = {}
    for row in rows:
        key = _key(row)
        before = seen.setdefault((type(row.given), key), row)
        if row.fault:
            plan.fates.append(RowFate(row.place, _kind(row), key, Fate.REFUSED, row.fault))
        elif before is not row and before.given != row.given:
            reason = f"{before.place} says otherwise; keep one of the two"
            plan.fates.append(RowFate(row.place, _kind(row), key, Fate.REFUSED, reason))
        elif before is not row:
            plan.fates.append(RowFate(row.place, _kind(row), key, Fate.UNCHANGED, f"the same as {before.place}"))
        else:
            fate, reason = _merge(plan, row, next_no)
            next_no += fate is Fate.ADDED and isinstance(row.given, DeviceGiven)
            plan.fates.append(RowFate(row.place, _kind(row), key, fate, reason))
    merged = known.registry(models)
    _blame(plan, registry_faults(merged))
    plan.fates += model_fates(known.models, models, known.devices.values())
    named = {row.given.identity for row in rows if isinstance(row.given, DeviceGiven)}
    plan.warnings += registry_warnings(merged, named)
    return plan


def _merge(plan: Plan, row: SourceRow, next_no: int) -> tuple[Fate, str]:
    known, given = plan.known, row.given
    if isinstance(given, Site):
        site = known.sites.get(given.key)
        if site == given:
            return Fate.UNCHANGED, ""
        known.sites[given.key] = given
        plan.sites.append(given)
        return (Fate.ADDED, "") if site is None else (Fate.CHANGED, _difference(site, given))
    if isinstance(given, DeviceGiven):
        return _merge_device(plan, given, next_no)
    if isinstance(given, Link):
        if (given.detector, given.valve) in known.links:
            return Fate.UNCHANGED, ""
        known.links.add((given.detector, given.valve))
        plan.links.append(given)
        return Fate.ADDED, ""
    if isinstance(given, MatrixRow):
        row_before = known.matrix.get(given.id)
        if row_before == given:
            return Fate.UNCHANGED, ""
        known.matrix[given.id] = given
        plan.matrix.append(given)
        return (Fate.ADDED, "") if row_before is None else (Fate.CHANGED, _difference(row_before, given))
    return _merge_token(plan, given)


def _merge_device(plan: Plan, given: DeviceGiven, next_no: int) -> tuple[Fate, str]:
    before = plan.known.devices.get(given.identity)
    number = next_no if before is None else before.device_no
    device = Device(number, *msgspec.structs.astuple(given))
    if device == before:
        return Fate.UNCHANGED, ""
    plan.known.devices[given.identity] = device
    plan.devices.append(device)
    if before is not None:
        return Fate.CHANGED, _difference(before, device)
    plan.new_devices.add(given.identity)
    return Fate.ADDED, ""


def _merge_token(plan: Plan, given: TokenGiven) -> tuple[Fate, str]:
    before = plan.known.credentials.get(given.identity)
    if before is not None and given.sha256 in ("", before):
        return Fate.UNCHANGED, "it has one" if not given.sha256 else ""
    plan.known.credentials[given.identity] = given.sha256 or _TO_BE_MADE
    if given.sha256:
        plan.credentials[given.identity] = given.sha256
    else:
        plan.to_make.append(given.identity)
    fate = Fate.ADDED if before is None else Fate.CHANGED
    return fate, "" if given.sha256 else "made by the import and shown once"


def _difference(before: Site | Device | MatrixRow, after: Site | Device | MatrixRow) -> str:
    changed = [name for name in before.__struct_fields__ if getattr(before, name) != getattr(after, name)]
    return ", ".join(f"{name}: {getattr(before, name)!r} -> {getattr(after, name)!r}" for name in changed)


def _blame(plan: Plan, faults: Sequence[str]) -> None:
    """Put each fault of the merged registry at the row it names; what names no row of this file stays apart."""
    named: dict[str, str] = {}
    for fault in faults:
        name, _, reason = fault.partition(": ")
        named[name] = f"{named[name]}; {reason}" if name in named else reason
    for at, fate in enumerate(plan.fates):
        name = _called(fate)
        if name in named and fate.fate is not Fate.REFUSED:
            plan.fates[at] = RowFate(fate.place, fate.kind, fate.key, Fate.REFUSED, named[name])
            named[name] = ""
    plan.faults += [f"{name}: {reason}" for name, reason in named.items() if reason]


def _called(fate: RowFate) -> str:
    """What a fault of the registry calls the thing."""
    match fate.kind:
        case "token":
            return f"credential {fate.key!r}"
        case "matrix":
            return f"matrix row {fate.key!r}"
        case _:
            return f"{fate.kind} {fate.key}"


def _kind(row: SourceRow) -> str:
    if isinstance(row.given, Site):
        return "site"
    if isinstance(row.given, DeviceGiven):
        return "device"
    if isinstance(row.given, MatrixRow):
        return "matrix"
    return "link" if isinstance(row.given, Link) else "token"


def _key(row: SourceRow) -> str:
    given = row.given
    if isinstance(given, Site):
        return given.key
    if isinstance(given, Link):
        return f"{given.detector} -> {given.valve}"
    if isinstance(given, MatrixRow):
        return given.id
    return given.identity
