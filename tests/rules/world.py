"""A small installation, and one engine state driven through time: what the specification tests speak in.

Times are seconds after T0 (a Monday noon in 2026). Detectors d1, d2, d3 and shut-off valves v1, v2 stand in one home:
d1 closes v1 and v2, d2 closes v2, d3 has only the self-closing valve s1. m1 is a shut-off valve that cannot report its
position, closed by d4. z1 is a shut-off valve that sleeps for two minutes at most, closed by d5. sd and sv are a
detector and a valve at a simulated site. g1 is a gateway.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from devices.fleet import Fleet, build_fleet
from devices.models import Actuator, DeviceKind, DeviceModel, Reachability
from devices.quantities import QUANTITY_NAMES, Flag, Quality, ValvePosition, quality_shift
from devices.readings import Batch, Rows, blank
from devices.sites import Device, Link, Registry, Site
from rules.decisions import AlarmChanged, AlarmRaised, Decision
from rules.documents.document import RulePack, load_pack
from rules.events import Event
from rules.stepping.state import OpenAlarm, State
from rules.stepping.step import step

T0 = 1_780_315_200_000_000
PLAIN = Path(__file__).parent / "plain.toml"
SECOND = 1_000_000
D = TypeVar("D", bound=Decision)

MODELS = (
    DeviceModel("detector", "davysim", "detector", DeviceKind.DETECTOR, "product choice", 10.0),
    DeviceModel("valve", "davysim", "valve", DeviceKind.SHUT_OFF_VALVE, "product choice", 30.0, actuator=Actuator()),
    DeviceModel(
        "mute_valve",
        "davysim",
        "valve without a position switch",
        DeviceKind.SHUT_OFF_VALVE,
        "product choice",
        30.0,
        actuator=Actuator(reports_position=False),
    ),
    DeviceModel(
        "sleeping_valve",
        "davysim",
        "valve on a battery",
        DeviceKind.SHUT_OFF_VALVE,
        "product choice",
        120.0,
        actuator=Actuator(
            confirm_within_s=260.0,
            attempt_expires_s=60.0,
            reachability=Reachability.WAKES,
            wake_interval_s=120.0,
        ),
    ),
    DeviceModel("self_closing", "davysim", "valve", DeviceKind.SELF_CLOSING_VALVE, "product choice", 60.0),
    DeviceModel("gateway", "davysim", "gateway", DeviceKind.GATEWAY, "product choice", 3_600.0),
)
NUMBERS = {
    **{"d1": 11, "d2": 12, "d3": 13, "d4": 14, "d5": 15, "v1": 21, "v2": 22, "m1": 23, "z1": 24},
    **{"s1": 31, "g1": 41, "sd": 51, "sv": 52},
}
NAMES = tuple(NUMBERS)
_MODEL_OF = {
    **{"d": "detector", "v": "valve", "m": "mute_valve", "z": "sleeping_valve"},
    **{"s": "self_closing", "g": "gateway"},
}
LINKS = (("d1", "v1"), ("d1", "v2"), ("d2", "v2"), ("d3", "s1"), ("d4", "m1"), ("d5", "z1"), ("sd", "sv"))


def device(name: str) -> Device:
    model = {"sd": "detector", "sv": "valve"}.get(name) or _MODEL_OF[name[0]]
    return Device(NUMBERS[name], "davysim", name, model, "lab" if name in ("sd", "sv") else "home")


def registry(
    names: Sequence[str] = tuple(NUMBERS), links: Sequence[tuple[str, str]] = LINKS, models: Any = MODELS
) -> Registry:
    return Registry(
        models=tuple(models),
        sites=(Site("home"), Site("lab", simulated=True)),
        devices=tuple(device(name) for name in names),
        links=tuple(Link(f"davysim/{a}", f"davysim/{b}") for a, b in links if a in names and b in names),
    )


def pack(*rules: str) -> RulePack:
    """The rules of plain.toml, or a pack of these TOML bodies of rules (id, title, priority and source are filled
    in)."""
    if not rules:
        return load_pack(PLAIN.read_bytes(), "plain.toml")
    text = 'version = "1"\n'
    for number, rule in enumerate(rules):
        text += f'[[rule]]\ntitle = {{ zh = "规", en = "r" }}\nsource = "product choice"\n{rule}\n'
        text += "" if "id =" in rule else f'id = "rule-{number}"\n'
        text += "" if "priority =" in rule else 'priority = "high"\n'
    return load_pack(text.encode(), "test.toml")


#: What a pack with a closing rule must hold besides.
OF_A_CLOSING = (
    'id = "valve-not-closed"\nkind = "unconfirmed"',
    'id = "no-shut-off-valve"\nkind = "no_valve"',
    'id = "valve-reopened"\nkind = "reopened"',
    'id = "valve-asleep"\nkind = "asleep"',
    'id = "shut-off-held"\nkind = "held"',
    'id = "rule-reverted"\nkind = "reverted"',
)
#: The alarms about the way in.
OF_THE_WAY_IN = (
    'id = "link-down"\nkind = "link_down"',
    'id = "session-lost"\nkind = "session_lost"',
    'id = "readings-missing"\nkind = "missing"',
)


def at(seconds: float) -> int:
    """Microseconds UTC of a time in seconds after T0."""
    return T0 + round(seconds * SECOND)


def reading(name: str, received_s: float, *, ts_s: float | None = None, **said: Any) -> Rows:
    """One row: quantities by name, `flags`, `valve`, and `quality={name: Quality}` for what is not GOOD."""
    row = blank(1)
    row["device_no"] = NUMBERS[name]
    row["received"] = at(received_s)
    row["ts"] = row["device_ts"] = at(received_s if ts_s is None else ts_s)
    row["flags"] = int(said.pop("flags", Flag(0)))
    row["valve"] = int(said.pop("valve", ValvePosition.UNKNOWN))
    qualities: dict[str, Quality] = dict(said.pop("quality", {}))
    word = int(row["quality"][0])
    for quantity in QUANTITY_NAMES:
        if quantity in said:
            row[quantity] = said.pop(quantity)
            qualities.setdefault(quantity, Quality.GOOD)
    for quantity, quality in qualities.items():
        word = word & ~(15 << quality_shift(quantity)) | int(quality) << quality_shift(quantity)
    assert not said, f"no such quantities: {said}"
    row["quality"] = word
    return row


class World:
    """One state and everything it has decided so far. `t` is the time of the last step, in seconds."""

    def __init__(self, rules: RulePack | None = None, what: Registry | None = None) -> None:
        self.fleet: Fleet = build_fleet(what or registry())
        self.rules = rules or pack()
        self.state = State.initial(self.fleet, self.rules, T0)
        self.decided: list[Decision] = []
        self.tick(0)

    def step(self, rows: Sequence[Rows], events: Sequence[Event], now_s: float) -> list[Decision]:
        self.t = now_s
        together = np.concatenate(rows) if rows else blank(0)
        decided = step(self.state, Batch(together, self.fleet.slots(together["device_no"])), events, at(now_s))
        self.decided += decided
        return decided

    def tick(self, now_s: float) -> list[Decision]:
        return self.step((), (), now_s)

    def hear(self, name: str, t: float, *, ts_s: float | None = None, **said: Any) -> list[Decision]:
        """One reading, received at `t` and stepped through at once."""
        return self.step([reading(name, t, ts_s=ts_s, **said)], (), t)

    def tell(self, event: Event, t: float | None = None) -> list[Decision]:
        """One event, at its own time or at `t`."""
        now_s = (event.at - T0) / SECOND if t is None else t
        return self.step((), (event,), now_s)

    def alarm(self, name: str, rule: str) -> OpenAlarm | None:
        """The open alarm of a rule at a device."""
        found = (a for a in self.state.alarms() if a.device_no == NUMBERS[name] and a.rule == rule)
        return next(found, None)


def raised(decisions: Sequence[Decision]) -> list[tuple[str, str]]:
    """(device, rule) of every alarm that was raised, in order."""
    names = {number: name for name, number in NUMBERS.items()}
    return [(names[d.device_no], d.rule) for d in decisions if isinstance(d, AlarmRaised)]


def changed(decisions: Sequence[Decision]) -> list[tuple[str, str, str]]:
    """(device, rule, new state) of every alarm that changed, in order."""
    names = {number: name for name, number in NUMBERS.items()}
    return [(names[d.device_no], d.rule, d.state.name) for d in decisions if isinstance(d, AlarmChanged)]


def of(kind: type[D], decisions: Sequence[Decision]) -> list[D]:
    return [decision for decision in decisions if isinstance(decision, kind)]
