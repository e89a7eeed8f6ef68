"""What a change of the registry puts into the record: for each party whose things were touched, one entry.

R1  An entry names the first _NAMED rows; of more it says how many, and the digest of all. What each row was before and
    after stands in the register's history, with the same time and name.
R2  A thing that goes from one party to another stands in the records of both.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass

from access.audit_chain import Plain
from devices.sites import Site
from storage.audit import Said
from storage.registry_known import Plan
from storage.registry_rows import Fate, RowFate

#: Product choice.
_NAMED = 50


@dataclass(frozen=True, slots=True)
class By:
    """Who changes the registry, and when: microseconds since 1970 UTC. `source`: of a file, its name."""

    name: str
    at: int
    source: str = ""


def said_of(plan: Plan, by: By, number: int) -> list[Said]:
    """Nothing for what changed nothing. `number`: of the change in the outbox."""
    of_party: dict[str, list[RowFate]] = {}
    for fate in plan.fates:
        if fate.fate is not Fate.UNCHANGED:
            for party in _parties(plan, fate):
                of_party.setdefault(party, []).append(fate)
    return [
        Said(party, by.at, "registry", by.name, _body(fates, by, number)) for party, fates in sorted(of_party.items())
    ]


def _body(fates: list[RowFate], by: By, number: int) -> dict[str, Plain]:
    digest = hashlib.sha256()
    for fate in fates:
        digest.update("\x1f".join((fate.kind, fate.key, fate.fate, fate.reason, "\n")).encode())
    counts: dict[str, Plain] = dict(Counter(f"{fate.kind} {fate.fate}" for fate in fates))
    named: list[Plain] = [
        {"kind": fate.kind, "key": fate.key, "fate": str(fate.fate), "reason": fate.reason} for fate in fates[:_NAMED]
    ]
    return {
        "change": number,
        "source": by.source,
        "rows": len(fates),
        "counts": counts,
        "named": named,
        "sha256": digest.hexdigest(),
    }


def _parties(plan: Plan, fate: RowFate) -> set[str]:
    """The enterprises (gas companies) that it concerns; the platform ('') where it concerns none."""
    match fate.kind:
        case "site" | "site_facts":
            return _of_site(plan, fate.key)
        case "device" | "device_facts" | "token":
            return _of_device(plan, fate.key)
        case "link" | "link_facts":
            detector = fate.key.replace(" / ", " -> ").split(" -> ")[0]
            return _of_device(plan, detector)
        case "matrix":
            row = plan.known.matrix.get(fate.key)
            return _of_device(plan, row.detectors[0]) if row and row.detectors else {""}
        case "person" | "contact" | "site_role":
            return {fate.key.split(" / ")[0]}
        case "enterprise":
            return {fate.key, ""}
        case "installation":
            one = plan.known.facts.get("installation", {}).get((fate.key,))
            return _of_site(plan, str(getattr(one, "site", "")))
        case _:
            return {""}


def _of_device(plan: Plan, identity: str) -> set[str]:
    found: set[str] = set()
    for device in (plan.known.devices.get(identity), plan.former_devices.get(identity)):
        if device is not None:
            found |= _of_site(plan, device.site)
    return found or {""}


def _of_site(plan: Plan, key: str) -> set[str]:
    sites: list[Site | None] = [plan.known.sites.get(key), plan.former_sites.get(key)]
    return {site.enterprise for site in sites if site is not None} or {""}
