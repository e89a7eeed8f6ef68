"""A scenario: which homes there are, and what befalls them when. One TOML file in simulators/scenarios/ each.

Times are seconds since the run began. Devices and messages live in real time, because Davy does; only the gas in
the rooms may run faster (`speed`), so that an hour's leak can be shown in minutes.
"""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import msgspec

from devices.models import DeviceKind
from simulators.detector import DetectorTraits
from simulators.fan import FanTraits
from simulators.registry import MOST_HOMES, ValveMix
from simulators.valve import SelfClosingTraits, ShutOffTraits

FOLDER = Path(__file__).parent / "scenarios"

Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Having = Literal["any", "shut_off", "self_closing", "both", "only_shut_off", "only_self_closing", "none"]


class Homes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which homes an event befalls: of those having such valves, `count` (0: all) after the first `skip`."""

    having: Having = "any"
    skip: Annotated[int, msgspec.Meta(ge=0)] = 0
    count: Annotated[int, msgspec.Meta(ge=0)] = 0


class _Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="do"):
    at_s: NotNegative
    homes: Homes = Homes()


class Leak(_Event, frozen=True, tag="leak"):
    """Gas escapes at `flow_m3h` whenever the supply passes any. A pinhole: 0.1; a hose pulled off at 2 kPa: 4 to 8."""

    flow_m3h: Positive


class Mend(_Event, frozen=True, tag="mend"):
    """The leak is mended."""


class BlockFlue(_Event, frozen=True, tag="block_flue"):
    """A water heater burns `burn_m3h` of gas, and `flue_m3h` of its flue gas with `co_ppm` spills into the room. It
    goes out when the supply stops."""

    burn_m3h: Positive = 2.0
    flue_m3h: Positive = 20.0
    co_ppm: Positive = 2000.0


class ClearFlue(_Event, frozen=True, tag="clear_flue"):
    """The heater is off and its flue is free."""


class Ventilate(_Event, frozen=True, tag="ventilate"):
    """Somebody opens, or closes, the window."""

    air_changes_per_hour: NotNegative


class Supply(_Event, frozen=True, tag="supply"):
    """The gauge pressure in the pipe changes; 0 is a supply cut off upstream."""

    pressure_kpa: NotNegative


class StickValve(_Event, frozen=True, tag="stick_valve"):
    """The shut-off valve does nothing on the next `commands` CLOSEs; 0: on any, until it is freed."""

    commands: Annotated[int, msgspec.Meta(ge=0)] = 0


class FreeValve(_Event, frozen=True, tag="free_valve"):
    """A stuck shut-off valve moves again."""


class OpenByHand(_Event, frozen=True, tag="open_by_hand"):
    """Somebody in the home opens its valves, as only a person there can."""


class FailSensor(_Event, frozen=True, tag="fail_sensor"):
    """The gas sensor breaks for `for_s`: the detector says fault, and no value."""

    for_s: Positive


class PowerCycle(_Event, frozen=True, tag="power_cycle"):
    """Mains fail for `off_s`: devices fall silent, lose what they had not sent, and come back with a new boot number
    and, the detector, warming up."""

    off_s: Positive


class Outage(_Event, frozen=True, tag="outage"):
    """No network for `for_s`: connections die without a word, devices keep what they measure and send it later."""

    for_s: Positive


class Reconnect(_Event, frozen=True, tag="reconnect"):
    """Every connection drops, and all come back within `spread_s`: 0 is the storm."""

    spread_s: NotNegative = 0.0


class SetClock(_Event, frozen=True, tag="set_clock"):
    """The clocks of the homes' devices of one `kind` are wrong by `offset_s` from now on."""

    offset_s: float
    kind: DeviceKind = DeviceKind.DETECTOR


class Duplicate(_Event, frozen=True, tag="duplicate"):
    """For `for_s`, a `share` of the messages is sent a second time although acknowledged."""

    for_s: Positive
    share: Share = 1.0


class Disorder(_Event, frozen=True, tag="disorder"):
    """For `for_s`, backfill is sent in shuffled order."""

    for_s: Positive


Event = (
    Leak
    | Mend
    | BlockFlue
    | ClearFlue
    | Ventilate
    | Supply
    | StickValve
    | FreeValve
    | OpenByHand
    | FailSensor
    | PowerCycle
    | Outage
    | Reconnect
    | SetClock
    | Duplicate
    | Disorder
)


class RoomTraits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kitchen: 20 m3, half an air change an hour with the window shut (product choice)."""

    volume_m3: Positive = 20.0
    air_changes_per_hour: NotNegative = 0.5
    #: Gauge pressure of a household supply of natural gas in China.
    supply_kpa: NotNegative = 2.0


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`key` is the file's stem. `duration_s` absent: until stopped. `connect_within_s`: over how long the first
    connections are spread."""

    key: str
    title: str
    story: str
    homes: Annotated[int, msgspec.Meta(ge=1, le=MOST_HOMES)]
    duration_s: Positive | None = None
    speed: Positive = 1.0
    connect_within_s: NotNegative = 3.0
    valves: ValveMix = ValveMix()
    room: RoomTraits = RoomTraits()
    detector: DetectorTraits = DetectorTraits()
    shut_off: ShutOffTraits = ShutOffTraits()
    self_closing: SelfClosingTraits = SelfClosingTraits()
    fan: FanTraits = FanTraits()
    event: tuple[Event, ...] = ()

    #: What `do` may say, for the message about one that may not.
    VERBS: ClassVar[tuple[str, ...]] = tuple(sorted(str(kind.__struct_config__.tag) for kind in Event.__args__))

    def __post_init__(self) -> None:
        for i, event in enumerate(self.event):
            if self.duration_s is not None and event.at_s >= self.duration_s:
                raise ValueError(f"event[{i}].at_s: {event.at_s:g} is not before duration_s, {self.duration_s:g}")


def load_scenario(path: Path) -> Scenario:
    """The scenario in one TOML file. Raises ValueError naming the file, the key and the reason."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")) | {"key": path.stem}, Scenario)
    except msgspec.ValidationError as wrong:
        allowed = f"; `do` is one of {', '.join(Scenario.VERBS)}" if ".do`" in str(wrong) else ""
        raise ValueError(f"{path.name}: {wrong}{allowed}") from wrong
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise ValueError(f"{path.name}: {wrong}") from wrong


def scenario_names() -> tuple[str, ...]:
    """The scenarios that come with Davy."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def find_scenario(name: str, also: Sequence[str] = ()) -> Scenario:
    """A scenario by its name, or by the path of a TOML file. Raises ValueError for neither. `also`: other names that
    the one who asked might have meant."""
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not path.is_file():
        names = ", ".join(sorted((*scenario_names(), *also)))
        raise ValueError(f"no scenario {name!r}; there are {names}, or give a .toml file")
    return load_scenario(path)
