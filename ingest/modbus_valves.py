"""What may be written to a valve or fan on a bus, and how it is found out whether it took. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from devices.addresses import UnitAddress
from devices.models import DeviceKind, DeviceModel
from devices.register_map import RegisterMap, Term
from devices.register_numbers import RawField, RawNumbers, raw_fields
from devices.registers import Plan, Procedure, Read, WireWrite, layout, plan_reads, procedure
from devices.sites import Device


@dataclass(frozen=True, slots=True)
class Valve:
    """A valve (or fan) on a bus that declares how it is commanded. procedures: by verb."""

    device_no: int
    identity: str
    place: UnitAddress
    procedures: dict[str, Procedure]

    def writes(self) -> Iterable[tuple[int, WireWrite]]:
        """Everything that may ever be written to it."""
        for one in self.procedures.values():
            for write in (*one.write, *one.release):
                yield self.place.unit, write


def commanded(one: Device, model: DeviceModel, chart: RegisterMap, place: UnitAddress) -> Valve | None:
    """None for what takes no command: only a shut-off valve or a fan that declares an actuator does. Raises ValueError
    for addresses that cannot be."""
    commanded_kind = model.kind in (DeviceKind.SHUT_OFF_VALVE, DeviceKind.FAN)
    if not commanded_kind or model.actuator is None or not chart.command:
        return None
    verbs = {command.verb for command in chart.command}
    made = {verb: procedure(chart, verb, place.channel, place.base) for verb in sorted(verbs)}
    return Valve(
        device_no=one.device_no,
        identity=one.identity,
        place=place,
        procedures={verb: one for verb, one in made.items() if one is not None},
    )


@dataclass(frozen=True, slots=True)
class Proof:
    """How it is found out whether the `then` of a write holds: what is read, and what must be in it."""

    reads: tuple[Read, ...]
    plan: Plan
    fields: dict[str, RawField]
    channel: int
    terms: tuple[Term, ...]

    def holds(self, words: list[NDArray[np.uint16]]) -> bool:
        frame = np.frombuffer(self.plan.frame(np.concatenate(words), self.channel), ">u2").astype(np.uint16)
        return bool(RawNumbers(self.fields, frame[:, None]).hold(self.terms)[0])


def proof(chart: RegisterMap, terms: tuple[Term, ...], channel: int, base: int) -> Proof:
    """Reads nothing but the fields that the terms name."""
    names = {term.field for term in terms}
    part = msgspec.structs.replace(chart, field=tuple(one for one in chart.field if one.name in names))
    plan = plan_reads(part, (channel,), base)
    return Proof(plan.reads, plan, raw_fields(part, layout(part)), channel, terms)
