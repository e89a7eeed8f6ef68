"""A street of many homes for the tests of the interlock.

Detectors a0, a1, ... each with its own valve b0, b1, ..., at sites of their own. In a boiler room the detectors c0 to
c3, the valves e0 and e1, the fans f0 and f1. Simulated homes have detectors x0, ... and valves y0, ... The numbers of
each sort begin at 10,000, 20,000 and so on.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from devices.fleet import build_fleet
from devices.models import Actuator, DeviceKind, DeviceModel
from devices.quantities import Flag, Quality, ValvePosition, quality_shift
from devices.readings import Batch, Rows, blank
from devices.sites import Device, Link, MatrixRow, Registry, Site
from rules.decisions import Decision
from rules.documents.document import RulePack
from rules.events import AttemptSent, Event
from rules.stepping.state import OpenAlarm, State
from rules.stepping.step import step
from tests.rules.world import OF_A_CLOSING, T0, at, pack

FAN = DeviceModel(
    "fan", "davysim", "fan", DeviceKind.FAN, "product choice", 60.0, actuator=Actuator(reports_position=False)
)
MODELS = (
    DeviceModel("detector", "davysim", "detector", DeviceKind.DETECTOR, "product choice", 10.0),
    DeviceModel("valve", "davysim", "valve", DeviceKind.SHUT_OFF_VALVE, "product choice", 30.0, actuator=Actuator()),
    FAN,
    DeviceModel("answering_fan", "davysim", "fan", DeviceKind.FAN, "product choice", 60.0, actuator=Actuator()),
)
_FIRST = {"a": 10_000, "b": 20_000, "c": 30_000, "e": 40_000, "f": 50_000, "x": 60_000, "y": 70_000}
_MODEL = {"a": "detector", "b": "valve", "c": "detector", "e": "valve", "f": "fan", "x": "detector", "y": "valve"}

NOTHING = Flag(0)
#: 10 %LEL closes, judged by software; the device's own high alarm closes too.
RISES = 'id = "rises"\napplies_to = ["detector"]\nquantity = "combustible_lel"\nat_or_above = 10.0\nclear_below = 5.0\n'
CLOSES = RISES + 'action = "close"\nflags = ["high_alarm"]'
BUDGET = "\nbudget = { least = 2, share_pct = 0.0, per_s = 600.0 }"


def rules(*bodies: str) -> RulePack:
    """These, and what a pack that closes needs."""
    return pack(*bodies, *OF_A_CLOSING)


def number(name: str) -> int:
    return _FIRST[name[0]] + int(name[1:])


def device(name: str, model: str = "") -> Device:
    site = "boiler" if name[0] in "cef" else f"home{name[1:]}" if name[0] in "ab" else f"lab{name[1:]}"
    return Device(number(name), "davysim", name, model or _MODEL[name[0]], site)


def registry(
    homes: int, *, rows: Sequence[MatrixRow] = (), labs: int = 0, answering: bool = False, links: bool = True
) -> Registry:
    names = [f"{kind}{n}" for n in range(homes) for kind in "ab"] + ["c0", "c1", "c2", "c3", "e0", "e1", "f0", "f1"]
    drills = [f"{kind}{n}" for n in range(labs) for kind in "xy"]
    pairs = [(f"a{n}", f"b{n}") for n in range(homes)] + [(f"x{n}", f"y{n}") for n in range(labs)]
    devices = [device(name, "answering_fan" if answering and name[0] == "f" else "") for name in (*names, *drills)]
    sites = dict.fromkeys(one.site for one in devices)
    return Registry(
        models=MODELS,
        sites=tuple(Site(key, simulated=key.startswith("lab")) for key in sites),
        devices=tuple(devices),
        links=tuple(Link(f"davysim/{a}", f"davysim/{b}") for a, b in pairs) if links else (),
        matrix=tuple(rows),
    )


def row(name: str, detectors: str, *, votes: int = 1, valves: str = "", fans: str = "", only: str = "") -> MatrixRow:
    """A row of the matrix, of names with blanks between."""

    def identities(names: str) -> tuple[str, ...]:
        return tuple(f"davysim/{one}" for one in names.split())

    return MatrixRow(name, identities(detectors), votes, tuple(only.split()), identities(valves), identities(fans))


def reading(name: str, t: float, lel: float | None = None, flags: Flag = NOTHING, **said: Any) -> Rows:
    one = blank(1)
    one["device_no"], one["received"] = number(name), at(t)
    one["ts"] = one["device_ts"] = at(said.pop("ts_s", t))
    one["flags"], one["valve"] = int(flags), int(said.pop("valve", ValvePosition.UNKNOWN))
    if lel is not None:
        one["combustible_lel"] = lel
        shift = quality_shift("combustible_lel")
        one["quality"] = int(one["quality"][0]) & ~(15 << shift) | int(Quality.GOOD) << shift
    assert not said
    return one


class Street:
    """One state and everything it has decided."""

    def __init__(self, rules: RulePack, what: Registry) -> None:
        self.fleet, self.rules = build_fleet(what), rules
        self.state = State.initial(self.fleet, rules, T0)
        self.decided: list[Decision] = []

    def step(self, rows: Sequence[Rows], events: Sequence[Event], t: float) -> list[Decision]:
        together = np.concatenate(rows) if rows else blank(0)
        decided = step(self.state, Batch(together, self.fleet.slots(together["device_no"])), events, at(t))
        self.decided += decided
        return decided

    def hear(self, name: str, t: float, lel: float | None = None, flags: Flag = NOTHING, **said: Any) -> list[Decision]:
        return self.step([reading(name, t, lel, flags, **said)], (), t)

    def tell(self, event: Event) -> list[Decision]:
        return self.step((), (event,), (event.at - T0) / 1e6)

    def tick(self, t: float) -> list[Decision]:
        return self.step((), (), t)

    def slot(self, name: str) -> int:
        return self.fleet.slot_by_identity[f"davysim/{name}"]

    def alarm(self, name: str, rule: str) -> OpenAlarm | None:
        return next((one for one in self.state.alarms() if one.device_no == number(name) and one.rule == rule), None)

    def seen_closed(self, valve: str, t: float) -> None:
        """Its CLOSE left and it says that it is closed."""
        wanted = self.state.wanted_by_slot[self.slot(valve)]
        self.tell(AttemptSent(at=at(t), command=wanted.attempts[-1].command))
        self.hear(valve, t + 0.1, valve=ValvePosition.CLOSED)


def names_of(numbers: Sequence[int]) -> list[str]:
    by_first = {first: letter for letter, first in _FIRST.items()}
    return [f"{by_first[number // 10_000 * 10_000]}{number % 10_000}" for number in numbers]
