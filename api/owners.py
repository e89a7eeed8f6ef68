"""Whose the thing is that a request is about, before anybody is let near it: from the engine's door, so that it is
known with PostgreSQL down; else, for what is past, from the database.

O1  Who may do it to everything is not asked whose it is: an administrator's CLOSE waits for no look-up.
O2  The database is asked in the asker's own name: what row-level security hides is not there.
O3  When nobody can say now whose it is, the answer is that it cannot be said now (503), for what exists and what does
    not alike.
"""

import dataclasses
from collections.abc import Awaitable, Callable

from access.authorize import Action, scope
from access.ownership import Owner, Scope
from access.principals import Person, Principal, Service
from access.subjects import OfAlarm, OfCommand, OfDevice, OfIncident, OfPermit, OfSite, Subject
from api.parts import Parts
from api.tenancy import in_whose_name
from engine.client import EngineAway
from storage import owners as stored
from storage.database import Connection
from storage.tenants import As

Stored = Callable[[Connection], Awaitable[Owner | None]]
OwnedSubject = OfDevice | OfAlarm | OfCommand | OfPermit | OfSite


async def with_owner(parts: Parts, who: Principal, action: Action, subject: Subject) -> Subject:
    """The subject with its owner, where `who` is one whose rights depend on it. Raises EngineAway; Problem (503)."""
    if not isinstance(who, Person | Service):
        return subject
    allowed = scope(who, action)
    if allowed.everything or allowed.nothing:
        return subject
    if isinstance(subject, OfIncident):
        return dataclasses.replace(subject, owners=await _incident(parts, who, subject.incident))
    if isinstance(subject, OfDevice | OfAlarm | OfCommand | OfPermit | OfSite):
        return dataclasses.replace(subject, owner=await _owner(parts, who, allowed, subject))
    return subject


async def _owner(parts: Parts, who: Person | Service, allowed: Scope, subject: OwnedSubject) -> Owner | None:
    away: EngineAway | None = None
    try:
        live = await _live(parts, who, subject)
    except EngineAway as engine_away:
        live, away = None, engine_away
    if live is not None:
        owner, identity = live
        if allowed.admits(owner) or not allowed.installers:
            return owner
        # The engine does not know who installed what.
        device = await _of_the_past(parts, who, OfDevice(identity))
        return dataclasses.replace(owner, installer=device.installer) if device else owner
    found = await _of_the_past(parts, who, subject)
    if found is None and away is not None:
        raise away
    return found


async def _live(parts: Parts, who: Person | Service, subject: OwnedSubject) -> tuple[Owner, str] | None:
    """As the engine knows it, with the device. Raises EngineAway."""
    match subject:
        case OfDevice(identity=identity):
            device = await parts.live(who).device(identity)
            return (device.owner, identity) if device.device_no else None
        case OfAlarm(alarm=alarm):
            view = await parts.live(who).alarm(alarm)
            return (view.owner, view.identity) if view else None
        case OfCommand(wanted=wanted):
            wanted_view = await parts.live(who).wanted(wanted)
            return (wanted_view.owner, wanted_view.identity) if wanted_view else None
        case OfPermit(permit=permit):
            permit_view = await parts.live(who).permit(permit)
            return (permit_view.owner, permit_view.identity) if permit_view else None
        case OfSite():
            return None


async def _of_the_past(parts: Parts, who: Person | Service, subject: OwnedSubject) -> Owner | None:
    ask = _question(subject)
    for name in _names(who):
        async with parts.database(name) as connection:
            found = await ask(connection)
        if found is not None:
            return found
    return None


def _question(subject: OwnedSubject) -> Stored:
    match subject:
        case OfDevice(identity=identity):
            return lambda connection: stored.device_owner(connection, identity)
        case OfAlarm(alarm=alarm):
            return lambda connection: stored.alarm_owner(connection, alarm)
        case OfCommand(wanted=wanted):
            return lambda connection: stored.command_owner(connection, wanted)
        case OfPermit(permit=permit):
            return lambda connection: stored.permit_owner(connection, permit)
        case OfSite(site=site):
            return lambda connection: stored.site_owner(connection, site)


def _names(who: Person | Service) -> list[As]:
    """Every name in which `who` may ask, for who acts for several parties (api/tenancy.py, N3)."""
    if isinstance(who, Service):
        return [in_whose_name(who)]
    each = [in_whose_name(dataclasses.replace(who, memberships=(one,))) for one in who.memberships]
    return list(dict.fromkeys(each))


async def _incident(parts: Parts, who: Person | Service, incident: str) -> tuple[Owner, ...]:
    away: EngineAway | None = None
    try:
        live = await parts.live(who).incident(incident)
    except EngineAway as engine_away:
        live, away = None, engine_away
    if live is not None:
        return live.owners
    for name in _names(who):
        async with parts.database(name) as connection:
            found = await stored.incident_owners(connection, incident)
        if found:
            return found
    if away is not None:
        raise away
    return ()
