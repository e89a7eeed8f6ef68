"""A boiler room: gas, a burner, its flue, detectors and valves on a bus. No network and no clock of its own.

K1  Gas flows only while every valve passes it; the burner then burns, once it goes out it stays out (its flame guard
    asks for a hand), and only a burning boiler makes flue gas.
K2  A detector tells the bus what it shows and what it judges by it, never what is true of the air.
K3  Time goes by only in `advance`; the same plan, seed and calls give the same room.
"""

from dataclasses import dataclass
from random import Random

from devices.models import DeviceModel
from simulators.boiler_room_plan import (
    BoilerRoomPlan,
    DetectorPlan,
    Event,
    ValvePlan,
    models_of,
)
from simulators.detector import Detector
from simulators.events import What
from simulators.modbus.demands import flags_of, measured, states_of
from simulators.modbus.line import Line
from simulators.modbus.truth import Truth
from simulators.modbus.unit import Point, Unit
from simulators.modbus.valve import BusValve
from simulators.room import Air, Inflow, mixed
from simulators.scenario import BlockFlue, ClearFlue, FailSensor, Leak, Mend, OpenByHand, Ventilate

#: A quarter of a second is short beside a sensor's lag and a valve's stroke.
TICK_S = 0.25
#: From here on a detector's number is told as part of the story.
_SHOWS_PPM, _SHOWS_LEL = 10.0, 2.0
#: How often a number is told while it is that high.
_TELL_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Told:
    """Something happened; `identity` is empty for the room itself."""

    what: What
    identity: str
    text: str
    value: float | None = None
    unit: str = ""


class BusDetector:
    """A detector and its place on the bus."""

    def __init__(self, plan: DetectorPlan, model: DeviceModel, rng: Random) -> None:
        chart = model.modbus
        assert chart is not None, "models_of refuses a model without a map"
        self.plan = plan
        self.point = Point(model, plan.channel)
        self.sensor = Detector(plan.all_traits(), model.lel_percent_vol or 5.0, rng)
        self._measures = measured(chart)
        self._flags = flags_of(chart)
        self._fault = "sensor_fault" if "sensor_fault" in states_of(chart) else ""
        self._ranges = model.ranges
        self.told: tuple[str, ...] = ()
        self.told_s = float("-inf")

    def truth(self) -> Truth:
        """What its registers say now (K2)."""
        sensor = self.sensor
        shows = {"combustible_lel": sensor.shown_lel, "co_ppm": sensor.shown_ppm}
        values = {quantity: self._within(quantity, shows[quantity]) for quantity in self._measures if quantity in shows}
        state = self._fault if sensor.faulty else ""
        return Truth(values=values, flags=frozenset(self.alarms()), state=state)

    def alarms(self) -> tuple[str, ...]:
        """The alarm flags that it sets by its own judgement."""
        sensor = self.sensor
        on = {"low_alarm": sensor.low_alarm, "high_alarm": sensor.high_alarm, "co_alarm": sensor.co_alarm}
        by = {"low_alarm": "combustible_lel", "high_alarm": "combustible_lel", "co_alarm": "co_ppm"}
        return tuple(flag for flag in on if on[flag] and flag in self._flags and by[flag] in self._measures)

    def number(self) -> tuple[str, float, str] | None:
        """What it shows, if that is worth telling: name, number and unit."""
        sensor = self.sensor
        if "co_ppm" in self._measures and sensor.shown_ppm >= _SHOWS_PPM:
            return "carbon monoxide", sensor.shown_ppm, "ppm"
        if "combustible_lel" in self._measures and sensor.shown_lel >= _SHOWS_LEL:
            return "methane", sensor.shown_lel, "%LEL"
        return None

    def _within(self, quantity: str, value: float) -> float:
        """A display ends at its range."""
        lowest, highest = self._ranges.get(quantity, (0.0, value))
        return min(max(value, lowest), highest)


class BusValveOnSite:
    """A valve and its place on the bus."""

    def __init__(self, plan: ValvePlan, model: DeviceModel) -> None:
        self.plan = plan
        self.valve = BusValve(model, plan.channel, stroke_s=plan.stroke_s)
        self.point = Point(model, plan.channel, valve=self.valve)
        self.told_position = self.valve.position
        self.told_commands = 0


class BoilerRoom:
    """`now_s`: the clock of the line, seconds, steady. Call `advance` about every TICK_S."""

    def __init__(self, plan: BoilerRoomPlan, line: Line, rng: Random, now_s: float) -> None:
        """Puts the devices on `line`. Raises ValueError for a plan that does not fit the catalogue."""
        models = models_of(plan)
        self.plan = plan
        self.line = line
        self.air = Air()
        self.burning = True
        self.leak_m3h = 0.0
        self.blocked: BlockFlue | None = None
        self.air_changes_per_hour = plan.room.air_changes_per_hour
        self.detectors = [BusDetector(one, models[one.model], Random(rng.getrandbits(64))) for one in plan.detector]  # noqa: S311
        self.valves = [BusValveOnSite(one, models[one.model]) for one in plan.valve]
        self._began_s = self._now_s = now_s
        self._events = sorted(plan.event, key=lambda event: event.at_s)
        self._mended: list[tuple[float, BusDetector]] = []
        self._put_on_line(now_s)

    @property
    def supplied(self) -> bool:
        """Whether gas reaches the burner (K1)."""
        return all(one.valve.passes_gas for one in self.valves)

    def unit_of(self, identity: str) -> Unit:
        """The unit a device is part of, to make it fail. Raises KeyError."""
        return self.line.units[self._unit_numbers[identity]]

    def advance(self, now_s: float) -> list[Told]:
        """Live until `now_s`; what happened, oldest first."""
        told: list[Told] = []
        while self._now_s < now_s:
            elapsed_s = min(TICK_S, now_s - self._now_s)
            self._now_s += elapsed_s
            told += self._befall()
            told += self._step(elapsed_s)
        self._tell_bus()
        return told

    def _put_on_line(self, now_s: float) -> None:
        points: dict[int, list[Point]] = {}
        self._unit_numbers: dict[str, int] = {}
        self._places: list[tuple[BusDetector, int]] = []
        for detector in self.detectors:
            detector.point.truth = detector.truth()
            here = points.setdefault(detector.plan.unit, [])
            self._places.append((detector, len(here)))
            here.append(detector.point)
            self._unit_numbers[detector.plan.identity] = detector.plan.unit
        for valve in self.valves:
            points.setdefault(valve.plan.unit, []).append(valve.point)
            self._unit_numbers[valve.plan.identity] = valve.plan.unit
        for number, here in points.items():
            self.line.add(Unit(number, here, now_s))

    def _befall(self) -> list[Told]:
        told: list[Told] = []
        while self._events and self._now_s - self._began_s >= self._events[0].at_s:
            told.append(self._happen(self._events.pop(0)))
        for until_s, detector in [one for one in self._mended if self._now_s >= one[0]]:
            detector.sensor.faulty = False
            self._mended.remove((until_s, detector))
        return told

    def _happen(self, event: Event) -> Told:
        match event:
            case BlockFlue():
                self.blocked = event
                text = f"the flue is blocked: {event.flue_m3h:g} m3/h of flue gas with {event.co_ppm:g} ppm CO spill"
            case ClearFlue():
                self.blocked, text = None, "the flue is free again"
            case Ventilate():
                self.air_changes_per_hour = event.air_changes_per_hour
                text = f"the ventilation changes the air {event.air_changes_per_hour:g} times an hour"
            case Leak():
                self.leak_m3h, text = event.flow_m3h, f"gas escapes at {event.flow_m3h:g} m3/h"
            case Mend():
                self.leak_m3h, text = 0.0, "the leak is mended"
            case FailSensor():
                broken = self.detectors[0]
                broken.sensor.faulty, text = True, f"the sensor of {broken.plan.serial} breaks"
                self._mended.append((self._now_s + event.for_s, broken))
            case OpenByHand():
                for one in self.valves:
                    one.valve.open_by_hand()
                self.burning, text = True, "somebody opens the valves by hand and lights the burner"
        return Told(What.BEFELL, "", text)

    def _step(self, elapsed_s: float) -> list[Told]:
        for one in self.valves:
            one.valve.advance(self._now_s)
        told = self._tell_valves()
        if self.burning and not self.supplied:
            self.burning = False
            told.append(Told(What.BEFELL, "", "the burner goes out: no gas reaches it"))
        spills = self.blocked if self.burning else None
        inflow = Inflow(
            leak_m3h=self.leak_m3h if self.supplied else 0.0,
            flue_m3h=spills.flue_m3h if spills else 0.0,
            flue_co_ppm=spills.co_ppm if spills else 0.0,
            air_changes_per_hour=self.air_changes_per_hour,
        )
        self.air = mixed(self.air, inflow, self.plan.room.volume_m3, elapsed_s * self.plan.speed)
        for detector in self.detectors:
            detector.sensor.sense(self.air, elapsed_s)
            told += self._tell_detector(detector)
        return told

    def _tell_detector(self, detector: BusDetector) -> list[Told]:
        told: list[Told] = []
        alarms = (*detector.alarms(), *(["fault"] if detector.sensor.faulty else []))
        number = detector.number()
        if number is not None and self._now_s - detector.told_s >= _TELL_EVERY_S:
            detector.told_s = self._now_s
            told.append(Told(What.GAS_AT_DETECTOR, detector.plan.identity, *number))
        if alarms != detector.told:
            detector.told = alarms
            what = What.DEVICE_ALARM if alarms else What.DEVICE_CLEAR
            words = ", ".join(alarm.replace("_", " ") for alarm in alarms) or "no alarm"
            told.append(Told(what, detector.plan.identity, words))
        return told

    def _tell_valves(self) -> list[Told]:
        told: list[Told] = []
        for one in self.valves:
            new = one.valve.obeyed[one.told_commands :]
            one.told_commands += len(new)
            told += [
                Told(What.COMMAND_TAKEN, one.plan.identity, f"{verb.upper()} written on the bus") for _, verb in new
            ]
            if one.valve.position != one.told_position:
                one.told_position = one.valve.position
                told.append(Told(What.VALVE_MOVED, one.plan.identity, one.valve.position))
        return told

    def _tell_bus(self) -> None:
        for detector, place in self._places:
            self.line.units[detector.plan.unit].tell(detector.truth(), place)
