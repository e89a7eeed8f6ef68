"""One row laid over what is known: its fate, and what is to be written. Pure."""

import msgspec

from access.masks import masked
from devices.sites import Credential, Device, Link, MatrixRow, Site
from storage.registry_facts import FACT_BY_NAME, Fact, fact_kind, key_text
from storage.registry_known import Plan
from storage.registry_rows import DeviceGiven, Fate, Given, Leaves, TokenGiven
from storage.registry_secrets import secrets

#: What stands for a token that is still to be made.
TO_BE_MADE = "0" * 64


def merge(plan: Plan, given: Given, next_no: int) -> tuple[Fate, str]:
    """Changes `plan` and its `known`. `next_no`: the provisional number of a new device. The reason says what a change
    changes, or why nothing can be done."""
    match given:
        case Site():
            return _merge_site(plan, given)
        case DeviceGiven():
            return _merge_device(plan, given, next_no)
        case Link():
            return _merge_link(plan, given)
        case MatrixRow():
            return _merge_row(plan, given)
        case TokenGiven():
            return _merge_token(plan, given)
        case Leaves():
            return _take_away(plan, given)
        case _:
            return _merge_fact(plan, given)


def _merge_site(plan: Plan, given: Site) -> tuple[Fate, str]:
    before = plan.known.sites.get(given.key)
    if before == given:
        return Fate.UNCHANGED, ""
    plan.known.sites[given.key] = given
    plan.sites.append(given)
    if before is None:
        return Fate.ADDED, ""
    plan.former_sites[given.key] = before
    return Fate.CHANGED, difference(before, given)


def _merge_device(plan: Plan, given: DeviceGiven, next_no: int) -> tuple[Fate, str]:
    before = plan.known.devices.get(given.identity)
    number = next_no if before is None else before.device_no
    device = Device(number, *msgspec.structs.astuple(given))
    if device == before:
        return Fate.UNCHANGED, ""
    plan.known.devices[given.identity] = device
    plan.devices.append(device)
    if before is not None:
        plan.former_devices[given.identity] = before
        return Fate.CHANGED, difference(before, device)
    plan.new_devices.add(given.identity)
    return Fate.ADDED, ""


def _merge_link(plan: Plan, given: Link) -> tuple[Fate, str]:
    if (given.detector, given.valve) in plan.known.links:
        return Fate.UNCHANGED, ""
    plan.known.links.add((given.detector, given.valve))
    plan.links.append(given)
    return Fate.ADDED, ""


def _merge_row(plan: Plan, given: MatrixRow) -> tuple[Fate, str]:
    before = plan.known.matrix.get(given.id)
    if before == given:
        return Fate.UNCHANGED, ""
    plan.known.matrix[given.id] = given
    plan.matrix.append(given)
    return (Fate.ADDED, "") if before is None else (Fate.CHANGED, difference(before, given))


def _merge_token(plan: Plan, given: TokenGiven) -> tuple[Fate, str]:
    before = plan.known.credentials.get(given.identity)
    if before is not None and not given.replace and given.sha256 in ("", before.token_sha256):
        return Fate.UNCHANGED, "it has one" if not given.sha256 else ""
    if before is not None:
        plan.former_tokens[given.identity] = before
    after = credential(given, given.sha256 or TO_BE_MADE, before)
    plan.known.credentials[given.identity] = after
    if given.sha256:
        plan.credentials[given.identity] = after
    else:
        plan.to_make.append(given)
    fate = Fate.ADDED if before is None else Fate.CHANGED
    return fate, "" if given.sha256 else "made by the import and shown once"


def credential(given: TokenGiven, sha256: str, before: Credential | None) -> Credential:
    """What is kept of a token. The one before is good until `former_until_us`, if that is said."""
    if before is None or not given.former_until_us:
        return Credential(given.identity, sha256)
    return Credential(given.identity, sha256, before.token_sha256, given.former_until_us)


def _merge_fact(plan: Plan, given: Fact) -> tuple[Fate, str]:
    kind = fact_kind(given)
    known = plan.known.facts.setdefault(kind.name, {})
    key = kind.key(given)
    before = known.get(key)
    if kind.of_people and before is not None:
        return _merge_person(plan, given, before)
    if before == given or (before is None and kind.part_of and kind.empty(given)):
        return Fate.UNCHANGED, ""
    known[key] = given
    plan.facts.setdefault(kind.name, []).append(given)
    if before is None or (kind.part_of and kind.empty(before)):
        return Fate.ADDED, ""
    return Fate.CHANGED, difference(before, given)


def _merge_person(plan: Plan, given: msgspec.Struct, before: msgspec.Struct) -> tuple[Fate, str]:
    """What is masked stays as it is, and of what changes only the names are told (storage/registry_people.py)."""
    hidden = {field: masked(kind, str(getattr(before, field))) for field, kind in secrets(before)}
    kept = {field: getattr(before, field) for field, mask in hidden.items() if mask and getattr(given, field) == mask}
    after = msgspec.structs.replace(given, **kept)
    if after == before:
        return Fate.UNCHANGED, ""
    kind = fact_kind(given)
    plan.known.facts[kind.name][kind.key(after)] = after
    plan.facts.setdefault(kind.name, []).append(after)
    changed = [name for name in after.__struct_fields__ if getattr(before, name) != getattr(after, name)]
    return Fate.CHANGED, ", ".join(changed)


def _take_away(plan: Plan, given: Leaves) -> tuple[Fate, str]:
    """A device takes its links and its token with it; what else names it is a fault of the registry that is left."""
    known, key = plan.known, given.key
    if given.kind == "link":
        link = next((pair for pair in known.links if f"{pair[0]} -> {pair[1]}" == key), None)
        if link is None:
            return Fate.UNCHANGED, "it is not registered"
        known.links.discard(link)
        plan.gone_links.append(Link(*link))
        return Fate.REMOVED, ""
    if given.kind in FACT_BY_NAME:
        return _take_fact(plan, given)
    if not _popped(plan, given.kind, key):
        return Fate.UNCHANGED, "it is not registered"
    plan.gone.setdefault(given.kind, []).append(key)
    if given.kind == "device":
        if known.credentials.pop(key, None) is not None:
            plan.gone.setdefault("token", []).append(key)
        for pair in sorted(pair for pair in known.links if key in pair):
            known.links.discard(pair)
            plan.gone_links.append(Link(*pair))
    return Fate.REMOVED, ""


def _popped(plan: Plan, kind: str, key: str) -> bool:
    """Whether it was known until now."""
    known = plan.known
    match kind:
        case "site":
            site = known.sites.pop(key, None)
            plan.former_sites |= {key: site} if site else {}
            return site is not None
        case "device":
            device = known.devices.pop(key, None)
            plan.former_devices |= {key: device} if device else {}
            return device is not None
        case "matrix":
            return known.matrix.pop(key, None) is not None
        case "token":
            return known.credentials.pop(key, None) is not None
        case _:
            raise ValueError(f"no kind {kind!r} leaves the registry")


def _take_fact(plan: Plan, given: Leaves) -> tuple[Fate, str]:
    kind = FACT_BY_NAME[given.kind]
    if kind.of_people:
        return Fate.REFUSED, "people are forgotten one by one, in every version: DELETE /v1/people/{person}"
    if kind.part_of:
        return Fate.REFUSED, f"{given.kind} are part of what they are about; give them anew, empty"
    known = plan.known.facts.get(given.kind, {})
    key = next((one for one in known if key_text(one) == given.key), None)
    if key is None:
        return Fate.UNCHANGED, "it is not registered"
    del known[key]
    plan.gone_facts.setdefault(given.kind, []).append(key)
    return Fate.REMOVED, ""


def difference(before: msgspec.Struct, after: msgspec.Struct) -> str:
    changed = [name for name in before.__struct_fields__ if getattr(before, name) != getattr(after, name)]
    return ", ".join(f"{name}: {_shown(getattr(before, name))} -> {_shown(getattr(after, name))}" for name in changed)


def _shown(value: object) -> str:
    return repr(str(value)) if isinstance(value, str) else repr(value)
