"""What a list of devices may be narrowed to."""

from typing import Annotated

from fastapi import Depends, Query

from api.days import DayAsked
from devices.models import DeviceKind
from storage.devices import DevicesAsked

Word = Annotated[str | None, Query(max_length=200)]

AreaAsked = Annotated[str | None, Query(max_length=20, description="A code of GB/T 2260, with all that lies in it")]


async def _asked(
    site: Word = None,
    kind: Annotated[DeviceKind | None, Query()] = None,
    model: Word = None,
    vendor: Word = None,
    gateway: Annotated[str | None, Query(max_length=200, description="vendor/serial")] = None,
    area: Annotated[
        str | None, Query(max_length=20, description="A code of GB/T 2260, with all that lies in it")
    ] = None,
    enterprise: Word = None,
    manager: Word = None,
    installer: Word = None,
    due_before: Annotated[DayAsked | None, Query(description="Its calibration is due before this day")] = None,
) -> DevicesAsked:
    return DevicesAsked(site, kind, model, vendor, gateway, area, enterprise, manager, installer, due_before)


DevicesNarrowed = Annotated[DevicesAsked, Depends(_asked)]
