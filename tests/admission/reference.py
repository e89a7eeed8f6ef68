"""Admission once more, in the words of the design and one reading at a time: what the vectorised one must equal."""

from dataclasses import dataclass, field

import numpy as np

from devices.fleet import build_fleet
from devices.models import load_catalogue
from devices.quantities import Flag
from devices.readings import NO_TIME, Rows
from devices.sites import Device, Registry, Site
from ingest.admission import FUTURE_US

DEVICES = 6
#: The last device stands on a simulated site.
FLEET = build_fleet(
    Registry(
        models=load_catalogue(),
        sites=(Site("home"), Site("stage", simulated=True)),
        devices=tuple(
            Device(10 + at, "davysim", f"d{at}", "sim_detector_home", "stage" if at == DEVICES - 1 else "home")
            for at in range(DEVICES)
        ),
    )
)


@dataclass
class Memory:
    """One device. `came`: the numbers that came since the window last started anew."""

    highest: tuple[int, int] = (-1, -1)
    came: set[tuple[int, int]] = field(default_factory=set)
    hashes: list[int] = field(default_factory=list)
    clock: int | None = None


class Reference:
    def __init__(self) -> None:
        self.memory: dict[int, Memory] = {}

    def admit(self, rows: Rows, device_no: list[int], now: int) -> list[tuple[bool, int, int, bool, bool]]:
        """(duplicate, ts, flags, the window started anew, its clock is earlier than one before) of each row."""
        return [self._admit(row, no, now) for row, no in zip(rows, device_no, strict=True)]

    def _admit(self, row: np.void, no: int, now: int) -> tuple[bool, int, int, bool, bool]:
        flags, said = int(row["flags"]), int(row["device_ts"])
        slot = int(FLEET.slots(np.array([no], np.int32))[0])
        believed = said != NO_TIME and now - int(FLEET.max_age_us[slot]) <= said <= now + FUTURE_US
        if said != NO_TIME and not believed:
            flags |= Flag.SUSPECT_CLOCK
        if FLEET.simulated[slot]:
            flags |= Flag.SIMULATED
        memory = self.memory.setdefault(no, Memory())
        by_clock = believed and (memory.clock is None or said > memory.clock)
        earlier = believed and memory.clock is not None and said < memory.clock
        highest = memory.highest
        duplicate, newest = self._judge(memory, row, flags, by_clock)
        if not duplicate and believed:
            memory.clock = said if memory.clock is None else max(memory.clock, said)
        if not newest or flags & Flag.BACKFILL:
            flags |= Flag.LATE
        return duplicate, said if believed else now, flags, memory.highest < highest, earlier and not duplicate

    def _judge(self, memory: Memory, row: np.void, flags: int, by_clock: bool) -> tuple[bool, bool]:
        identity = (int(row["boot"]), int(row["seq"]))
        if flags & Flag.NO_IDENTITY:
            return False, True
        if flags & Flag.HASHED:
            if identity[1] in memory.hashes:
                return True, False
            memory.hashes = [*memory.hashes, identity[1]][-64:]
            return False, by_clock or bool(flags & Flag.SUSPECT_CLOCK)
        boot, seq = memory.highest
        if identity > memory.highest:
            memory.highest = identity
            memory.came.add(identity)
            return False, True
        if identity[0] == boot and seq - identity[1] < 1_024:
            if identity in memory.came:
                return True, False
            memory.came.add(identity)
            return False, by_clock
        if by_clock:
            memory.highest, memory.came = identity, {identity}
        return False, by_clock
