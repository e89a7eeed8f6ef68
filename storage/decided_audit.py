"""Decisions for the record: what the engine did and was told, in the words of rules/decisions.py, each into the chain
of the gas company on whose site it was at that time.

What is only tried (a dry run's alarms) is not in it: nobody was told and nothing moved. Nor are instructions that were
accepted, because what they did is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from access.audit_chain import Plain
from rules.decisions import (
    AlarmChanged,
    AlarmRaised,
    Answered,
    Decision,
    IncidentChanged,
    IncidentScope,
    RuleNoted,
)
from storage.audit import Said
from storage.batch import Decided, RulesPut
from storage.database import Connection

#: The platform's own chain.
_PLATFORM = ""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a device stands, when its decision is written."""

    identity: str
    site: str


async def said_of(
    connection: Connection, engine: str, decided: Sequence[Decided], rules: Sequence[RulesPut]
) -> list[Said]:
    """What belongs into the record, in the order of its deciding. Reads the registry, so call it in the transaction
    that writes the decisions, after they are written."""
    told = [one for one in decided if _belongs(one.decision)]
    if not told and not rules:
        return []
    places = await _places(connection, {_device_no(one.decision) for one in told} - {0})
    sites = {_site(one.decision, places) for one in told} - {""}
    companies = await _companies(connection, sites)
    larger = await _tenants_of_larger(connection, [one.decision for one in told])
    said = [
        Said(tenant, one.decision.at, _kind(one.decision), _by(one.decision), _body(one, engine, places))
        for one in told
        for tenant in _tenants(one.decision, places, companies, larger)
    ]
    for put in rules:
        body: dict[str, Plain] = {"event": f"{engine}:{put.cycle}:{put.n}", "sha256": put.sha256}
        said.append(Said(_PLATFORM, put.at, "rules_changed", put.by, body))
    return said


def _belongs(decision: Decision) -> bool:
    if isinstance(decision, AlarmRaised | AlarmChanged):
        return not decision.trial
    return not (isinstance(decision, Answered) and decision.accepted)


def _tenants(
    decision: Decision, places: Mapping[int, _Place], companies: Mapping[str, str], larger: Mapping[str, list[str]]
) -> Iterable[str]:
    if isinstance(decision, RuleNoted | Answered):
        return (_PLATFORM,)
    if isinstance(decision, IncidentChanged) and decision.scope is not IncidentScope.SITE:
        return larger.get(decision.incident) or (_PLATFORM,)
    return (companies.get(_site(decision, places), _PLATFORM),)


def _body(one: Decided, engine: str, places: Mapping[int, _Place]) -> dict[str, Plain]:
    body: dict[str, Plain] = {"event": f"{engine}:{one.cycle}:{one.n}"}
    for name, value in _fields(one.decision):
        body[name] = value
    place = places.get(_device_no(one.decision))
    if place is not None:
        body["device"], body["site"] = place.identity, _site(one.decision, places)
    return body


def _fields(decision: Decision) -> Iterator[tuple[str, Plain]]:
    """All that a decision says but who, when and its type, which stand beside; numbers that are none as text."""
    for name, value in msgspec.to_builtins(decision).items():
        if name not in ("at", "by", "type") and value not in ("", None):
            yield name, format(value, ".9g") if isinstance(value, float) else value


def _kind(decision: Decision) -> str:
    return str(decision.__struct_config__.tag)


def _by(decision: Decision) -> str:
    return str(getattr(decision, "by", ""))


def _device_no(decision: Decision) -> int:
    return int(getattr(decision, "device_no", 0))


def _site(decision: Decision, places: Mapping[int, _Place]) -> str:
    """An alarm keeps the site it was raised at, wherever its device went since."""
    if isinstance(decision, IncidentChanged):
        return decision.key
    site = str(getattr(decision, "site", ""))
    place = places.get(_device_no(decision))
    return site or (place.site if place else "")


async def _places(connection: Connection, numbers: set[int]) -> dict[int, _Place]:
    if not numbers:
        return {}
    cursor = await connection.execute(
        "SELECT device_no, identity, site FROM device WHERE device_no = ANY(%s)", (sorted(numbers),)
    )
    return {int(no): _Place(identity, site) for no, identity, site in await cursor.fetchall()}


async def _companies(connection: Connection, sites: set[str]) -> dict[str, str]:
    if not sites:
        return {}
    cursor = await connection.execute("SELECT key, enterprise FROM site WHERE key = ANY(%s)", (sorted(sites),))
    return dict(await cursor.fetchall())


async def _tenants_of_larger(connection: Connection, decisions: Sequence[Decision]) -> dict[str, list[str]]:
    """An incident over several sites belongs to every company that has one of them."""
    asked = {
        one.incident for one in decisions if isinstance(one, IncidentChanged) and one.scope is not IncidentScope.SITE
    }
    found: dict[str, list[str]] = {}
    if asked:
        cursor = await connection.execute(
            "SELECT DISTINCT i.merged_into, s.enterprise FROM incident i JOIN site s ON s.key = i.key"
            " WHERE i.merged_into = ANY(%s) ORDER BY 1, 2",
            (sorted(asked),),
        )
        for incident, tenant in await cursor.fetchall():
            found.setdefault(incident, []).append(tenant)
    return found
