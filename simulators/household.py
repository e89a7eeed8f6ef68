"""A home brought to life: its physics, its devices and their connections, on the event loop."""

import asyncio
import functools
from collections.abc import Callable
from random import Random

from devices.commands import Command, Reply
from devices.models import DeviceKind
from simulators import scenario as story
from simulators.device import Device
from simulators.events import SimEvent, What
from simulators.home import Happening, Home
from simulators.mqtt_link import Endpoint, MqttLink
from simulators.orders import Taken
from simulators.registry import HomePlan
from simulators.scenario import Scenario
from simulators.stats import Tally
from simulators.telemetry import Sender, position_word


class Household:
    """`clock` gives true microseconds UTC; durations are the event loop's."""

    def __init__(
        self,
        plan: HomePlan,
        scenario: Scenario,
        endpoint: Endpoint,
        clock: Callable[[], int],
        rng: Random,
        tally: Tally,
        on_event: Callable[[SimEvent], None],
    ) -> None:
        now_s = asyncio.get_running_loop().time()
        self.plan = plan
        self.home = Home(plan, scenario, rng, now_s, now_s + rng.uniform(0.0, scenario.detector.report_s))
        self._clock = clock
        self._rng = rng
        self._tally = tally
        self._on_event = on_event
        self._poked = asyncio.Event()
        #: The last command the valve began to obey, to be answered again once the stroke is over.
        self._in_hand: Command | None = None
        plans = {
            Sender.DETECTOR: plan.detector,
            Sender.SHUT_OFF_VALVE: plan.shut_off,
            Sender.SELF_CLOSING_VALVE: plan.self_closing,
            Sender.FAN: plan.fan,
        }
        now_us = clock()
        self.devices = {kind: Device(kind, row, rng, now_us) for kind, row in plans.items() if row is not None}
        self.links = {
            sender: MqttLink(
                device,
                endpoint,
                clock,
                rng,
                tally,
                on_connected=functools.partial(self._connected, sender),
                on_command={Sender.SHUT_OFF_VALVE: self._obey, Sender.FAN: self._run_fan}.get(sender),
            )
            for sender, device in self.devices.items()
        }

    async def run(self, connect_within_s: float) -> None:
        """Live until cancelled; the first connections are made within that time."""
        async with asyncio.TaskGroup() as tasks:
            for link in self.links.values():
                tasks.create_task(link.run(self._rng.uniform(0.0, connect_within_s)))
            tasks.create_task(self._live())

    def befall(self, event: story.Event) -> None:
        """Something happens here, now. What has an end (`for_s`) is ended by the caller through `recover`."""
        self._advance()
        home = self.home
        match event:
            case story.Leak():
                home.leak_m3h = event.flow_m3h
            case story.Mend():
                home.leak_m3h = 0.0
            case story.BlockFlue():
                home.burn_m3h, home.flue_m3h, home.flue_co_ppm = event.burn_m3h, event.flue_m3h, event.co_ppm
            case story.ClearFlue():
                home.burn_m3h = home.flue_m3h = 0.0
            case story.Ventilate():
                home.air_changes_per_hour = event.air_changes_per_hour
            case story.Supply():
                home.supply_kpa = event.pressure_kpa
            case story.FailSensor():
                home.detector.faulty = True
            case story.StickValve() | story.FreeValve() | story.OpenByHand():
                self._touch_valves(event)
            case story.PowerCycle():
                home.lose_mains()
                self._each_link(MqttLink.lose_network)
            case story.Outage():
                self._each_link(MqttLink.lose_network)
            case story.Reconnect():
                self._each_link(lambda link: link.drop(event.spread_s))
            case story.SetClock():
                self._set_clocks(event)
            case story.Duplicate():
                self._set_duplicates(event.share)
            case story.Disorder():
                self._set_disorder(True)
        self._poked.set()

    def recover(self, event: story.Event) -> None:
        """The end of an event that lasts. Of two that overlap, the first end is the end of both."""
        self._advance()
        match event:
            case story.FailSensor():
                self.home.detector.faulty = False
            case story.PowerCycle():
                for device in self.devices.values():
                    device.restart(self._clock())
                self.home.regain_mains()
                self._each_link(MqttLink.regain_network)
            case story.Outage():
                self._each_link(MqttLink.regain_network)
            case story.Duplicate():
                self._set_duplicates(0.0)
            case story.Disorder():
                self._set_disorder(False)
            case _:
                return
        self._poked.set()

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._poked.clear()
            self._advance()
            try:
                async with asyncio.timeout(max(self.home.due_s - loop.time(), 0.0)):
                    await self._poked.wait()
            except TimeoutError:
                continue

    def _advance(self) -> None:
        """Bring the home up to now; hand its readings to the connections and its news to the teller."""
        reports, happened = self.home.advance(asyncio.get_running_loop().time())
        now_us = self._clock()
        for sender, measured in reports:
            self.devices[sender].record(measured, now_us)
            self._tally.made[sender] += 1
            self.links[sender].wake()
        for happening in happened:
            self._tell(happening, now_us)
            if happening.what is What.VALVE_MOVED and happening.sender is Sender.SHUT_OFF_VALVE:
                self._answer_again()

    def _connected(self, sender: Sender) -> None:
        self.home.report_soon(sender)
        self._poked.set()

    def _obey(self, command: Command) -> Reply | None:
        """Run a command: called by the shut-off valve's connection."""
        self._advance()
        valve = self.home.shut_off
        assert valve is not None, "only a shut-off valve's connection takes commands"
        taken = self.home.obey(command, self.devices[Sender.SHUT_OFF_VALVE].clock_us(self._clock()))
        self._tally.commands[taken] += 1
        self._tell(Happening(What.COMMAND_TAKEN, Sender.SHUT_OFF_VALVE, f"{command.verb}: {taken}"), self._clock())
        if taken is Taken.CLOSING:
            self._in_hand = command
        self._poked.set()
        return Reply(command.id, position_word(valve.position))

    def _run_fan(self, command: Command) -> Reply | None:
        """Called by the fan's connection; it answers only while it runs."""
        self._advance()
        taken = self.home.run_fan(command, self.devices[Sender.FAN].clock_us(self._clock()))
        self._tally.commands[taken] += 1
        self._tell(Happening(What.COMMAND_TAKEN, Sender.FAN, f"{command.verb}: {taken}"), self._clock())
        self._poked.set()
        return Reply(command.id) if taken is Taken.RUNNING or taken is Taken.REPEATED else None

    def _answer_again(self) -> None:
        valve = self.home.shut_off
        if self._in_hand is not None and valve is not None and not valve.moving:
            self.links[Sender.SHUT_OFF_VALVE].reply(Reply(self._in_hand.id, position_word(valve.position)))
            self._in_hand = None

    def _touch_valves(self, event: story.StickValve | story.FreeValve | story.OpenByHand) -> None:
        shut_off, self_closing = self.home.shut_off, self.home.self_closing
        match event:
            case story.StickValve() if shut_off is not None:
                shut_off.jammed, shut_off.sticks_for = event.commands == 0, event.commands
            case story.FreeValve() if shut_off is not None:
                shut_off.jammed, shut_off.sticks_for = False, 0
            case story.OpenByHand():
                if shut_off is not None:
                    shut_off.open_by_hand(self.devices[Sender.SHUT_OFF_VALVE].clock_us(self._clock()))
                if self_closing is not None:
                    self_closing.open_by_hand()

    def _set_clocks(self, event: story.SetClock) -> None:
        for device in self.devices.values():
            if event.kind is DeviceKind(device.sender.value):
                device.clock_offset_us = round(event.offset_s * 1e6)

    def _each_link(self, act: Callable[[MqttLink], None]) -> None:
        for link in self.links.values():
            act(link)

    def _set_duplicates(self, share: float) -> None:
        for device in self.devices.values():
            device.duplicate_share = share

    def _set_disorder(self, on: bool) -> None:
        for device in self.devices.values():
            device.disordered = on

    def _tell(self, happening: Happening, at_us: int) -> None:
        identity = self.devices[happening.sender].identity if happening.sender else ""
        self._on_event(
            SimEvent(
                at=at_us,
                what=happening.what,
                site=self.plan.site.key,
                identity=identity,
                text=happening.text,
                value=happening.value,
                unit=happening.unit,
            )
        )
