"""Hundreds of homes in one process, and the timeline that befalls them.

F1  Homes do not act in step: first connections, first reports and back-off are drawn from the run's randomness.
F2  Memory is bounded by the homes: each device's memory for readings, each connection's queues, one task per
    connection and one per home.
F3  The same scenario, homes and seed give the same homes, faults and draws; network timing is the network's.
"""

import asyncio
from collections.abc import Callable, Sequence
from random import Random

from simulators import scenario as story
from simulators.events import SimEvent, What
from simulators.household import Household
from simulators.mqtt_link import Endpoint
from simulators.registry import HomesSource, home_plans
from simulators.scenario import Homes, Scenario
from simulators.stats import Stats, Tally


class Fleet:
    """Build it on a running event loop. Raises ValueError when the homes do not fit the scenario."""

    def __init__(
        self,
        scenario: Scenario,
        homes: HomesSource,
        endpoint: Endpoint,
        clock: Callable[[], int],
        rng: Random,
        on_event: Callable[[SimEvent], None],
    ) -> None:
        plans = home_plans(homes)[: scenario.homes]
        if len(plans) < scenario.homes:
            raise ValueError(f"scenario {scenario.key} asks for {scenario.homes} homes, the registry has {len(plans)}")
        self._scenario = scenario
        self._clock = clock
        self._on_event = on_event
        self._tally = Tally()
        # One generator per home, so that what one home draws changes nothing in another.
        draws = [Random(rng.getrandbits(64)) for _ in plans]  # noqa: S311 - noise and jitter, no secret
        self.households = tuple(
            Household(plan, scenario, endpoint, clock, draw, self._tally, on_event)
            for plan, draw in zip(plans, draws, strict=True)
        )
        #: Each event with the households it befalls, by time.
        self._timeline = [
            (event, chosen(self.households, event.homes)) for event in sorted(scenario.event, key=lambda e: e.at_s)
        ]
        for event, befallen in self._timeline:
            if not befallen:
                raise ValueError(f"scenario {scenario.key}: the event at {event.at_s:g} s befalls no home")

    async def run(self) -> None:
        """Live for the scenario's duration, or until cancelled."""
        try:
            async with asyncio.timeout(self._scenario.duration_s):
                async with asyncio.TaskGroup() as tasks:
                    for household in self.households:
                        tasks.create_task(household.run(self._scenario.connect_within_s))
                    tasks.create_task(self._tell_timeline())
        except TimeoutError:
            return

    def stats(self) -> Stats:
        outboxes = [device.outbox for household in self.households for device in household.devices.values()]
        return self._tally.freeze(
            forgotten=sum(outbox.forgotten for outbox in outboxes),
            waiting=sum(len(outbox) for outbox in outboxes),
        )

    async def _tell_timeline(self) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        async with asyncio.TaskGroup() as tasks:
            for event, befallen in self._timeline:
                await asyncio.sleep(began_s + event.at_s - loop.time())
                self._say(event, befallen, "")
                for household in befallen:
                    household.befall(event)
                lasts_s = _lasts_s(event)
                if lasts_s is not None:
                    tasks.create_task(self._recover_after(lasts_s, event, befallen))

    async def _recover_after(self, lasts_s: float, event: story.Event, befallen: Sequence[Household]) -> None:
        await asyncio.sleep(lasts_s)
        self._say(event, befallen, " is over")
        for household in befallen:
            household.recover(event)

    def _say(self, event: story.Event, befallen: Sequence[Household], ending: str) -> None:
        name = str(event.__struct_config__.tag).replace("_", " ")
        where = befallen[0].plan.site.key if len(befallen) == 1 else ""
        text = f"{name}{ending}" + ("" if where else f", {len(befallen)} homes")
        self._on_event(SimEvent(at=self._clock(), what=What.BEFELL, site=where, text=text))


def chosen(households: Sequence[Household], homes: Homes) -> tuple[Household, ...]:
    """The households that `homes` means, in registry order."""
    having = [household for household in households if _has(household, homes.having)]
    end = homes.skip + homes.count if homes.count else len(having)
    return tuple(having[homes.skip : end])


def _has(household: Household, having: story.Having) -> bool:
    shut_off = household.plan.shut_off is not None
    self_closing = household.plan.self_closing is not None
    return {
        "any": True,
        "shut_off": shut_off,
        "self_closing": self_closing,
        "both": shut_off and self_closing,
        "only_shut_off": shut_off and not self_closing,
        "only_self_closing": self_closing and not shut_off,
        "none": not shut_off and not self_closing,
    }[having]


def _lasts_s(event: story.Event) -> float | None:
    match event:
        case story.FailSensor() | story.Outage() | story.Duplicate() | story.Disorder():
            return event.for_s
        case story.PowerCycle():
            return event.off_s
        case _:
            return None
