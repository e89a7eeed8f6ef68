"""The engine's lists, as somebody may see them: the second fence (G11) for what comes by the door, as row-level
security is for what comes from the database.

Y1  It looks at nothing but in whose name is asked (api/tenancy.py): what a route or a permit forgets to ask, this has
    asked. It is wider than the asker's own rights: a resident asks in the name of the gas company.
Y2  What is hidden is not there: a list lacks it, one thing is None, a device has number 0.
Y3  Who asks in the platform's name sees everything, and waits for no look-up more.
"""

from collections.abc import Awaitable, Callable, Iterable

from msgspec.structs import replace

from access.ownership import Owner, Scope
from api.door import Door
from engine import messages as m

#: Whether the asker installed a device. The engine does not know who installed what; the database does.
Installed = Callable[[str], Awaitable[bool]]


class Live:
    """The door, for one asker. `fence`: what the parties in whose names it may ask see."""

    def __init__(self, door: Door, fence: Scope, installed: Installed) -> None:
        self._door = door
        self._fence = fence
        self._installed = installed

    @property
    def sees_everything(self) -> bool:
        return self._fence.everything

    def admits(self, owners: Iterable[Owner]) -> bool:
        """Of what has several owners, such as an incident over two companies' sites: each of them."""
        if self._fence.everything:
            return True
        owned = tuple(owners)
        return bool(owned) and all(self._fence.admits(owner) for owner in owned)

    async def alarms(self) -> m.Alarms:
        """Raises EngineAway, as all of these."""
        found = await self._door.alarms()
        if self._fence.everything:
            return found
        return replace(found, alarms=tuple(one for one in found.alarms if self._fence.admits(one.owner)))

    async def alarm(self, alarm: str) -> m.AlarmView | None:
        found = await self._door.alarm(alarm)
        return found if found is not None and await self._sees(found.owner, found.identity) else None

    async def wanted(self, wanted: str) -> m.WantedView | None:
        found = await self._door.wanted(wanted)
        return found if found is not None and await self._sees(found.owner, found.identity) else None

    async def incidents(self) -> m.Incidents:
        found = await self._door.incidents()
        return replace(found, incidents=tuple(one for one in found.incidents if self.admits(one.owners)))

    async def incident(self, incident: str) -> m.IncidentView | None:
        found = await self._door.incident(incident)
        return found if found is not None and self.admits(found.owners) else None

    async def permits(self) -> m.Permits:
        found = await self._door.permits()
        return replace(found, permits=tuple(one for one in found.permits if self._fence.admits(one.owner)))

    async def permit(self, permit: str) -> m.PermitView | None:
        found = await self._door.permit(permit)
        return found if found is not None and self._fence.admits(found.owner) else None

    async def held(self, rule: str = "") -> m.HeldList:
        found = await self._door.held(rule)
        return replace(found, held=tuple(one for one in found.held if self._fence.admits(one.owner)))

    async def device(self, identity: str) -> m.DeviceFound:
        """`device_no` 0: there is none."""
        found = await self._door.ask(lambda door: door.find_device(identity))
        if not found.device_no or await self._sees(found.owner, identity):
            return found
        return m.DeviceFound(request=found.request, device_no=0)

    async def _sees(self, owner: Owner, identity: str) -> bool:
        """Of what is about one device. Raises Problem (503) where only the database could say."""
        if self._fence.admits(owner):
            return True
        return bool(self._fence.installers) and await self._installed(identity)
