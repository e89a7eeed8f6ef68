"""Whether the rows of a cause-and-effect matrix can act as they are written. Every fault is found, with its place."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from devices.models import DeviceKind, DeviceModel

if TYPE_CHECKING:
    from devices.sites import Device, MatrixRow, Site

#: What a column of the matrix may name.
_KINDS = {
    "detectors": (DeviceKind.DETECTOR,),
    "valves": (DeviceKind.SHUT_OFF_VALVE,),
    "fans": (DeviceKind.FAN,),
}


def row_faults(
    row: "MatrixRow",
    devices: "Mapping[str, Device]",
    models: Mapping[str, DeviceModel],
    sites: "Mapping[str, Site]",
) -> Iterator[str]:
    """Place, reason and remedy of everything that is wrong with one row. (Rules are named by whoever knows them: a row
    may name one that comes into force later.)"""
    at = f"matrix row {row.id!r}"
    if not row.id.strip():
        yield "matrix: a row has no id; give each its own"
    if not row.detectors:
        yield f"{at}: names no detector, so nothing would ever cause it; name at least one"
    if not (row.valves or row.fans):
        yield f"{at}: names neither a valve nor a fan, so it would do nothing; name at least one"
    if not 1 <= row.votes <= max(len(set(row.detectors)), 1):
        yield (
            f"{at}: {row.votes} votes of {len(set(row.detectors))} detectors can never be; from 1 to as many as it has"
        )
    simulated: set[bool] = set()
    for column, names in (("detectors", row.detectors), ("valves", row.valves), ("fans", row.fans)):
        for twice in sorted({name for name in names if names.count(name) > 1}):
            yield f"{at}: {column}: {twice!r} is there twice; keep one"
        for name in dict.fromkeys(names):
            device = devices.get(name)
            if device is None:
                yield f"{at}: {column}: {name!r} is not registered; register it first, or take it out of the row"
                continue
            model, site = models.get(device.model), sites.get(device.site)
            if site is not None:
                simulated.add(site.simulated)
            if model is not None:
                yield from (f"{at}: {column}: {reason}" for reason in _kind_faults(column, name, model))
    if len(simulated) > 1:
        yield f"{at}: mixes simulated and real devices; a simulated site may only address what is simulated"


def _kind_faults(column: str, name: str, model: DeviceModel) -> Iterator[str]:
    kinds = _KINDS[column]
    words = " or ".join(kind.replace("_", " ") for kind in kinds)
    if model.kind not in kinds:
        yield f"{name!r} is a {model.kind.replace('_', ' ')}, and takes no part as {column}; name a {words}"
    elif column == "fans" and model.actuator is None:
        yield f"{name!r} takes no commands: model {model.key!r} declares no [actuator]"
