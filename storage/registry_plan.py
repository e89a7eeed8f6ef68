"""What an import would make of the registry: pure, so that the dry run and the import cannot differ.

P1  `known` holds all that the rows touch, and its neighbours (storage/registry_reach.py): then the faults found here
    are those that a check of the whole registry would find, as long as it had none. A property test compares them.
P2  A fault stands at the row that it names. What names no row of the file stands apart, and refuses the import too.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence

from access.people import Contact, RoleAtSite
from devices.areas import Area, area_faults
from devices.models import DeviceModel
from devices.register import Installation
from devices.sites import Device, registry_faults, registry_warnings
from storage.registry_facts import FACTS, key_text
from storage.registry_known import Known, Plan
from storage.registry_merge import merge
from storage.registry_models import changed_models, model_fates
from storage.registry_rows import DeviceGiven, Fate, RowFate, SourceRow

__all__ = ["Known", "Plan", "plan_import"]


def plan_import(
    known: Known,
    rows: Iterable[SourceRow],
    models: Sequence[DeviceModel],
    *,
    judged: Collection[str] | None = None,
    next_no: int | None = None,
    model_users: dict[str, int] | None = None,
    withdrawn: Collection[str] = (),
) -> Plan:
    """Merge `rows` over `known` (which is changed), by key: files add or change, and never remove.

    judged: what of `known` is whole, neighbours and all, by what a fault calls it; None: everything. next_no: the first
    provisional number; None: after those known. model_users: devices of each model as registered; None: those known.
    withdrawn: keys of models that take no new devices.
    """
    plan = Plan(known)
    users = dict(model_users) if model_users is not None else _users(known)
    before = {identity: device.model for identity, device in known.devices.items()}
    _merge_all(plan, rows, next_no or max((one.device_no for one in known.devices.values()), default=0) + 1)
    merged = known.registry(models)
    blame(plan, registry_faults(merged), judged)
    blame(plan, list(_fact_faults(plan, {model.key for model in models})), None)
    blame(plan, [_withdrawn(one) for one in _newly_of(plan, before, withdrawn)], None)
    plan.models = changed_models(known.models, models)
    plan.fates += model_fates(known.models, plan.models, _users_after(users, before, known))
    named = {device.identity for device in plan.devices} | {
        fate.key for fate in plan.fates if fate.kind == "device" and fate.fate is Fate.UNCHANGED
    }
    plan.warnings += registry_warnings(merged, named)
    return plan


def _newly_of(plan: Plan, before: dict[str, str], models: Collection[str]) -> list[Device]:
    """Devices that have one of these models now, and had not."""
    return [one for one in plan.devices if one.model in models and before.get(one.identity) != one.model]


def _withdrawn(device: Device) -> str:
    return f"device {device.identity}: model {device.model!r} was withdrawn and takes no new devices; name another"


def _merge_all(plan: Plan, rows: Iterable[SourceRow], next_no: int) -> None:
    seen: dict[tuple[str, str], SourceRow] = {}
    for row in rows:
        before = seen.setdefault((row.kind, row.key), row) if row.given is not None else row
        fate, reason = Fate.REFUSED, row.fault
        if row.given is None or row.fault:
            pass
        elif before is row:
            fate, reason = merge(plan, row.given, next_no)
            next_no += fate is Fate.ADDED and isinstance(row.given, DeviceGiven)
        elif before.given != row.given:
            reason = f"{before.place} says otherwise; keep one of the two"
        else:
            fate, reason = Fate.UNCHANGED, f"the same as {before.place}"
        plan.fates.append(RowFate(row.place, row.kind, row.key, fate, reason))


def _users(known: Known) -> dict[str, int]:
    users: dict[str, int] = {}
    for device in known.devices.values():
        users[device.model] = users.get(device.model, 0) + 1
    return users


def _users_after(users: dict[str, int], before: dict[str, str], known: Known) -> dict[str, int]:
    for identity in before.keys() | known.devices.keys():
        old, new = before.get(identity), known.devices.get(identity)
        if old is not None:
            users[old] = users.get(old, 0) - 1
        if new is not None:
            users[new.model] = users.get(new.model, 0) + 1
    return users


def blame(plan: Plan, faults: Sequence[str], judged: Collection[str] | None) -> None:
    """P2. Faults about what is not `judged` are none of ours: its neighbours are not all known."""
    if not faults:
        return
    called = {called_in_faults(fate.kind, fate.key) for fate in plan.fates}
    touched = frozenset(called)
    # Of all names only those of matrix rows may have a colon in them.
    called |= {called_in_faults("matrix", one) for one in plan.known.matrix}
    named: dict[str, str] = {}
    for fault in faults:
        name, reason = _parted(fault, called)
        if judged is None or name in judged or name in touched:
            named[name] = f"{named[name]}; {reason}" if name in named else reason
    for at, fate in enumerate(plan.fates):
        name = called_in_faults(fate.kind, fate.key)
        if name in named and fate.fate is not Fate.REFUSED:
            plan.fates[at] = RowFate(fate.place, fate.kind, fate.key, Fate.REFUSED, named[name])
            named[name] = ""
    refused = {called_in_faults(fate.kind, fate.key) for fate in plan.fates if fate.fate is Fate.REFUSED}
    plan.faults += [f"{name}: {reason}" for name, reason in named.items() if reason and name not in refused]


def _parted(fault: str, called: Collection[str]) -> tuple[str, str]:
    """What a fault is about, and the rest. A name of ours may have a colon in it."""
    at = fault.find(": ")
    while at >= 0:
        if fault[:at] in called:
            return fault[:at], fault[at + 2 :]
        at = fault.find(": ", at + 1)
    name, _, reason = fault.partition(": ")
    return name, reason


def called_in_faults(kind: str, key: str) -> str:
    """What a fault of the registry calls the thing."""
    match kind:
        case "token":
            return f"credential {key!r}"
        case "matrix":
            return f"matrix row {key!r}"
        case _:
            return f"{kind} {key}"


def _fact_faults(plan: Plan, models: Collection[str]) -> Iterator[str]:
    """What is wrong with facts of the register, as registry_faults says it."""
    known = plan.known
    there: dict[str, Collection[str]] = {
        "site": known.sites,
        "device": known.devices,
        "model": models,
        "enterprise": {key[0] for key in known.facts.get("enterprise", {})},
    }
    for kind in FACTS:
        for fact in plan.facts.get(kind.name, ()):
            at = f"{kind.name} {key_text(kind.key(fact))}"
            for name, what in kind.references.items():
                word = getattr(fact, name)
                if word and word not in there[what] and not _was_there(plan, fact, what, word):
                    yield f"{at}: {name} {word!r} is not registered; register the {what} first"
            if isinstance(fact, Contact | RoleAtSite):
                yield from (f"{at}: {reason}" for reason in _person_faults(fact, known))
            if kind.name == "link_facts" and kind.key(fact) not in known.links:
                yield f"{at}: there is no such link; register the link first"
    if "area" in plan.facts or "area" in plan.gone_facts:
        areas = [one for one in known.facts.get("area", {}).values() if isinstance(one, Area)]
        for key, reason in area_faults(areas).items():
            yield f"area {key_text(key)}: {reason}"
    yield from _vendor_faults(plan)
    yield from _installation_faults(plan)


def _was_there(plan: Plan, fact: object, what: str, word: str) -> bool:
    """What ended may name what has left the registry, in this plan or before."""
    if not isinstance(fact, Installation) or not fact.until:
        return False
    return word in plan.gone.get(what, ()) or (what, word) in plan.known.departed


def _person_faults(fact: Contact | RoleAtSite, known: Known) -> Iterator[str]:
    if (fact.tenant, fact.person) not in known.facts.get("person", {}):
        yield f"person {fact.person!r} of {fact.tenant!r} is not registered; register the person first"
    site = known.sites.get(fact.site) if isinstance(fact, RoleAtSite) else None
    if site is not None and site.enterprise != fact.tenant:
        yield f"site {site.key!r} is not one of {fact.tenant!r}; people at a site are its gas company's"


def _vendor_faults(plan: Plan) -> Iterator[str]:
    first: dict[str, str] = {}
    for key, party in sorted(plan.known.facts.get("enterprise", {}).items()):
        vendor = str(getattr(party, "vendor", ""))
        if vendor and first.setdefault(vendor, key[0]) != key[0]:
            yield f"enterprise {key[0]}: vendor {vendor!r} is the word of {first[vendor]} already; each has its own"


def _installation_faults(plan: Plan) -> Iterator[str]:
    """A device stands at one site at a time: of its installations one is open, at the site that the device names."""
    touched = {device.identity for device in plan.devices} | {
        one.identity for one in plan.facts.get("installation", ()) if isinstance(one, Installation)
    }
    opened: dict[str, Installation] = {}
    for one in plan.known.facts.get("installation", {}).values():
        assert isinstance(one, Installation)
        at = f"installation {one.key}"
        if one.until and one.until < one.since:
            yield f"{at}: until {one.until} is before since {one.since}"
        if one.until or one.identity not in touched:
            continue
        first = opened.setdefault(one.identity, one)
        if first is not one:
            yield f"{at}: {one.identity} is installed at {first.site!r} already ({first.key}); end that one first"
            continue
        device = plan.known.devices.get(one.identity)
        if device is not None and device.site != one.site:
            yield (
                f"{at}: device {one.identity} stands at {device.site!r}, and this open installation says {one.site!r};"
                " end the installation, or move the device"
            )
