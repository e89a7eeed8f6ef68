"""One home as physics and devices, without network or clock: pipe, room, detector, valves, fan.

H1  Gas enters the room only while every valve in the pipe passes gas and the pipe has pressure.
H2  Time goes by only in `advance`, in steps short enough for the sensors (`TICK_S`) while anything moves.
H3  A change of an alarm bit, a fault or a valve's position is reported at once, everything else at its interval.
"""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from devices.commands import Command
from devices.quantities import ValvePosition
from simulators.detector import Detector
from simulators.events import What
from simulators.fan import Fan
from simulators.orders import Taken
from simulators.registry import HomePlan
from simulators.room import Air, Inflow, mixed
from simulators.scenario import Scenario
from simulators.telemetry import Measured, Sender, cause_word, position_word
from simulators.valve import SelfClosingValve, ShutOffValve

#: A quarter of a second is short beside a sensor's lag (8 s) and a valve's stroke (2 s).
TICK_S = 0.25
#: Air with less than this is as good as clean, and may be stepped at the report interval.
TRACE = Air(methane=1e-5, co=1e-6)


class Report(NamedTuple):
    """A reading one device of the home wants to send."""

    sender: Sender
    measured: Measured


class Happening(NamedTuple):
    """Something the home saw happen; `sender` is None for the room itself."""

    what: What
    sender: Sender | None
    text: str
    value: float | None = None
    unit: str = ""


class Home:
    """`now_s` is any clock of seconds that never steps back; `first_report_s` spreads the homes over the interval."""

    def __init__(self, plan: HomePlan, scenario: Scenario, rng: Random, now_s: float, first_report_s: float) -> None:
        self.plan = plan
        self.air = Air()
        self.leak_m3h = 0.0
        self.burn_m3h = 0.0
        self.flue_m3h = 0.0
        self.flue_co_ppm = 0.0
        self.air_changes_per_hour = scenario.room.air_changes_per_hour
        self.supply_kpa = scenario.room.supply_kpa
        self.mains = True
        self.detector = Detector(scenario.detector, plan.detector.model.lel_percent_vol or 5.0, rng)
        self.shut_off = ShutOffValve(scenario.shut_off) if plan.shut_off else None
        self.self_closing = SelfClosingValve(scenario.self_closing) if plan.self_closing else None
        self.fan = Fan(scenario.fan) if plan.fan else None
        self._volume_m3 = scenario.room.volume_m3
        self._speed = scenario.speed
        self._rng = rng
        self._now_s = now_s
        self._temperature_c = rng.uniform(16.0, 27.0)
        self._battery_pct = float(rng.randint(60, 100))
        self._rssi_dbm = float(rng.randint(-95, -55))
        self._interval_s = {Sender.DETECTOR: scenario.detector.report_s}
        if self.shut_off:
            self._interval_s[Sender.SHUT_OFF_VALVE] = scenario.shut_off.report_s
        if self.self_closing:
            self._interval_s[Sender.SELF_CLOSING_VALVE] = scenario.self_closing.report_s
        if self.fan:
            self._interval_s[Sender.FAN] = scenario.fan.report_s
        self._report_at = dict.fromkeys(self._interval_s, first_report_s)
        self._told = self._state_of_all()
        self._leaking = False

    @property
    def senders(self) -> tuple[Sender, ...]:
        """The devices this home has."""
        return tuple(self._interval_s)

    @property
    def due_s(self) -> float:
        """When `advance` should be called next."""
        return self._now_s + TICK_S if self._lively else min(self._report_at.values())

    @property
    def flow_m3h(self) -> float:
        """What flows through the pipe into the home, burnt or not."""
        return self.leak_m3h + self.burn_m3h if self._supplied else 0.0

    def advance(self, now_s: float) -> tuple[list[Report], list[Happening]]:
        """Live until `now_s`; what the devices want to send, and what happened, oldest first."""
        happened: list[Happening] = []
        reports: list[Report] = []
        for elapsed_s in self._steps(now_s):
            self._step(elapsed_s)
            self._now_s += elapsed_s
            happened += self._tell_leak()
            changed = self._tell_changes(happened)
            reports += self._due_reports(changed, happened)
        self._now_s = max(self._now_s, now_s)
        return reports, happened

    def obey(self, command: Command, valve_now_us: int) -> Taken:
        """Give the shut-off valve a command, at `valve_now_us` of its own clock. Call `advance` before and after."""
        assert self.shut_off is not None, "only a home with a shut-off valve has a connection that takes commands"
        return self.shut_off.obey(command, valve_now_us)

    def run_fan(self, command: Command, fan_now_us: int) -> Taken:
        """As `obey`, of the fan."""
        assert self.fan is not None, "only a home with a fan has a connection that takes its commands"
        return self.fan.obey(command, fan_now_us, powered=self.mains)

    def report_soon(self, sender: Sender) -> None:
        """A device has just connected: it says at once where it stands."""
        self._report_at[sender] = self._now_s

    def lose_mains(self) -> None:
        self.mains = False
        if self.fan:
            self.fan.switch_off()

    def regain_mains(self) -> None:
        self.mains = True
        self.detector.restart()

    @property
    def _supplied(self) -> bool:
        passes = all(valve.passes_gas for valve in (self.shut_off, self.self_closing) if valve is not None)
        return passes and self.supply_kpa > 0.0

    @property
    def _lively(self) -> bool:
        gas = self.air.methane > TRACE.methane or self.air.co > TRACE.co or self.detector.sees_gas
        moving = any(valve.moving for valve in (self.shut_off, self.self_closing) if valve is not None)
        return gas or moving or self.flow_m3h > 0.0

    def _steps(self, now_s: float) -> Iterator[float]:
        """Cut the time until `now_s` into ticks while anything moves, else take it whole. At least one step, so that a
        command or an event at this very instant is seen."""
        left_s = max(now_s - self._now_s, 0.0)
        while True:
            step_s = min(left_s, TICK_S) if self._lively else left_s
            yield step_s
            left_s -= step_s
            if left_s <= 0.0:
                return

    def _step(self, elapsed_s: float) -> None:
        supplied = self._supplied
        inflow = Inflow(
            leak_m3h=self.leak_m3h if supplied else 0.0,
            flue_m3h=self.flue_m3h if supplied else 0.0,
            flue_co_ppm=self.flue_co_ppm,
            air_changes_per_hour=self.air_changes_per_hour + (self.fan.air_changes_per_hour if self.fan else 0.0),
        )
        self.air = mixed(self.air, inflow, self._volume_m3, elapsed_s * self._speed)
        if self.mains:
            self.detector.sense(self.air, elapsed_s)
        if self.self_closing:
            self.self_closing.advance(elapsed_s, self.supply_kpa, self.flow_m3h)
        if self.shut_off:
            self.shut_off.advance(elapsed_s)

    def _tell_leak(self) -> list[Happening]:
        leaking = self.leak_m3h > 0.0 and self._supplied
        if leaking == self._leaking:
            return []
        self._leaking = leaking
        if leaking:
            text = f"gas escapes at {self.leak_m3h:g} m3/h"
            return [Happening(What.LEAK_STARTED, None, text, self.leak_m3h, "m3/h")]
        text = "the leak is mended" if self.leak_m3h == 0.0 else "no gas reaches the leak any more"
        return [Happening(What.LEAK_STOPPED, None, text, 0.0, "m3/h")]

    def _tell_changes(self, happened: list[Happening]) -> set[Sender]:
        """Which devices have something new to say, and the alarms and valves among it."""
        now, before = self._state_of_all(), self._told
        self._told = now
        changed = {sender for sender in now if now[sender] != before[sender]}
        if Sender.DETECTOR in changed:
            bits = self._alarm_words()
            what = What.DEVICE_ALARM if bits else What.DEVICE_CLEAR
            happened.append(Happening(what, Sender.DETECTOR, bits or "no alarm"))
        for sender in changed - {Sender.DETECTOR, Sender.FAN}:
            valve = self._valve(sender)
            cause = cause_word(valve.cause)
            text = position_word(valve.position) + (f" ({cause})" if cause else "")
            happened.append(Happening(What.VALVE_MOVED, sender, text))
        return changed

    def _due_reports(self, changed: set[Sender], happened: list[Happening]) -> list[Report]:
        reports: list[Report] = []
        for sender, interval_s in self._interval_s.items():
            in_gas = sender is Sender.DETECTOR and self.detector.sees_gas
            if in_gas:
                interval_s = self.detector.traits.report_in_gas_s
                self._report_at[sender] = min(self._report_at[sender], self._now_s + interval_s)
            if sender not in changed and self._now_s < self._report_at[sender]:
                continue
            self._report_at[sender] = self._now_s + interval_s
            if not self.mains:
                continue
            if in_gas:
                happened.append(self._gas_shown())
            reports.append(Report(sender, self._measure(sender)))
        return reports

    def _gas_shown(self) -> Happening:
        detector = self.detector
        if detector.shown_lel >= detector.traits.gas_lel or detector.low_alarm:
            return Happening(What.GAS_AT_DETECTOR, Sender.DETECTOR, "methane", detector.shown_lel, "%LEL")
        return Happening(What.GAS_AT_DETECTOR, Sender.DETECTOR, "carbon monoxide", detector.shown_ppm, "ppm")

    def _measure(self, sender: Sender) -> Measured:
        if sender is Sender.DETECTOR:
            return self._measure_gas()
        if sender is Sender.FAN:
            return Measured(rssi_dbm=self._rssi_dbm)
        valve = self._valve(sender)
        return Measured(
            valve=position_word(valve.position),
            valve_cause=cause_word(valve.cause),
            battery_pct=self._battery_pct,
            rssi_dbm=self._rssi_dbm,
            pressure_kpa=self.supply_kpa if sender is Sender.SELF_CLOSING_VALVE else None,
            flow_m3h=self.flow_m3h if sender is Sender.SELF_CLOSING_VALVE else None,
        )

    def _measure_gas(self) -> Measured:
        detector = self.detector
        return Measured(
            combustible_lel=None if detector.faulty else detector.shown_lel,
            co_ppm=None if detector.faulty else detector.shown_ppm,
            temperature_c=round(self._temperature_c + self._rng.gauss(0.0, 0.1), 1),
            battery_pct=self._battery_pct,
            rssi_dbm=self._rssi_dbm,
            low_alarm=detector.low_alarm,
            high_alarm=detector.high_alarm,
            co_alarm=detector.co_alarm,
            fault=detector.faulty,
            warm_up=detector.warming_up,
        )

    def _valve(self, sender: Sender) -> ShutOffValve | SelfClosingValve:
        valve = self.shut_off if sender is Sender.SHUT_OFF_VALVE else self.self_closing
        assert valve is not None, "only devices this home has report"
        return valve

    def _state_of_all(self) -> dict[Sender, tuple[bool, ...] | ValvePosition]:
        """What a device reports at once when it changes."""
        state: dict[Sender, tuple[bool, ...] | ValvePosition] = {}
        for sender in self._interval_s:
            if sender is Sender.DETECTOR:
                detector = self.detector
                state[sender] = (detector.low_alarm, detector.high_alarm, detector.co_alarm, detector.faulty)
            elif sender is Sender.FAN:
                state[sender] = (self.fan is not None and self.fan.runs,)
            else:
                state[sender] = self._valve(sender).position
        return state

    def _alarm_words(self) -> str:
        detector = self.detector
        words = {"low": detector.low_alarm, "high": detector.high_alarm, "CO": detector.co_alarm}
        return ", ".join([word for word, on in words.items() if on] + ["fault"] * detector.faulty)
