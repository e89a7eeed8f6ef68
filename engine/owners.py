"""Whose the things are that the engine tells of: access.ownership.Owner, from its own registry, so that people can be
checked with PostgreSQL down (G3).

O1  What names a site (an alarm, a wanted position, an incident) is that site's, also when its device has moved since.
    Everything else is where its device stands.
O2  Of a site or a device that has left the registry it is kept whose it was (devices/left.py): what it did is seen by
    those who saw it, and by nobody else.
O3  `installer` stays empty: the engine does not know who installed what.
"""

from collections.abc import Callable
from dataclasses import replace

from access.ownership import Owner
from devices.fleet import Fleet
from rules.decisions import (
    AlarmChanged,
    AlarmRaised,
    Answered,
    AttemptRequested,
    CloseWanted,
    CommandStepped,
    Decision,
    FanWanted,
    IncidentChanged,
    IncidentScope,
    RuleNoted,
    WantedEnded,
)
from rules.incidents.life import family
from rules.stepping.standing import Incident
from rules.stepping.state import State

#: Larger incidents whose owners are remembered. Source: product choice.
MOST_LARGER = 1_000


def of_site(fleet: Fleet, site: str, identity: str = "") -> Owner:
    """Whose a site is, and the device there, by its identity (empty: it is about no device)."""
    vendor = identity.partition("/")[0]
    found = fleet.site_by_key.get(site) or fleet.left.sites.get(site)
    if found is None:
        return Owner(site=site, vendor=vendor)
    return Owner(site=site, enterprise=found.enterprise, manager=found.manager, area=found.area, vendor=vendor)


def of_device(fleet: Fleet, device_no: int) -> Owner:
    """Whose a device is, or was when it left."""
    slot = int(fleet.slot_of[device_no]) if 0 <= device_no < len(fleet.slot_of) else -1
    one = fleet.devices[slot] if slot >= 0 else fleet.left.devices.get(device_no)
    return of_site(fleet, one.site, one.identity) if one else Owner()


def of_slot(fleet: Fleet, slot: int) -> Owner:
    """As of_device."""
    return of_device(fleet, int(fleet.device_no[slot]))


def of_incident(state: State, one: Incident) -> tuple[Owner, ...]:
    """Of every site that it is about, in the order of their opening; one owner for each, without a device."""
    return tuple(of_site(state.fleet, site) for site in _sites(state, one))


def of_decision(state: State, decision: Decision) -> tuple[Owner, ...]:
    """Everybody whose a decision is: none of what is about rules or an instruction, several of an incident."""
    if isinstance(decision, Answered | RuleNoted):
        return ()
    if isinstance(decision, IncidentChanged):
        if decision.scope is IncidentScope.SITE:
            return (of_site(state.fleet, decision.key),)
        found = state.incidents.get(decision.incident)
        return of_incident(state, found) if found else ()
    owner = of_device(state.fleet, decision.device_no)
    site = _named_site(state, decision)
    return (replace(of_site(state.fleet, site), vendor=owner.vendor) if site else owner,)


class Owners:
    """Of decisions as they are told. What is larger than a site is known while it is open, and its last word is told
    after that: so whose the last MOST_LARGER of them were is remembered. (A feed that is resumed over a restart tells
    of one that was closed before to the platform only; its sites' own incidents say the same to their owners.)"""

    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state
        self._larger: dict[str, tuple[Owner, ...]] = {}

    def of(self, decision: Decision) -> tuple[Owner, ...]:
        """As of_decision."""
        found = of_decision(self._state(), decision)
        if isinstance(decision, IncidentChanged) and decision.scope is not IncidentScope.SITE:
            found = found or self._larger.get(decision.incident, ())
            self._larger.pop(decision.incident, None)
            self._larger[decision.incident] = found
            while len(self._larger) > MOST_LARGER:
                del self._larger[next(iter(self._larger))]
        return found


def _named_site(state: State, decision: Decision) -> str:
    """The site that it names itself, or that its wanted position does (O1); empty: it is where its device stands."""
    match decision:
        case AlarmRaised() | AlarmChanged():
            return decision.site
        case CloseWanted() | FanWanted() | AttemptRequested() | CommandStepped() | WantedEnded():
            wanted = state.find_wanted(decision.wanted)
            return wanted.site if wanted else ""
        case _:
            return ""


def _sites(state: State, one: Incident) -> tuple[str, ...]:
    """Of a larger one whose parts are closed already: where its first alarm stands."""
    if one.scope is IncidentScope.SITE:
        return (one.key,)
    parts = (state.incidents[name] for name in family(state, one.incident))
    sites = tuple(part.key for part in parts if part.scope is IncidentScope.SITE)
    return sites or tuple(site for site in (of_slot(state.fleet, one.slot).site,) if site)
