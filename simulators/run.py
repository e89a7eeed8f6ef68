"""Run a scenario against a Davy: what `davy simulate` calls."""

import ssl
from collections.abc import Callable
from random import Random

from simulators.events import SimEvent, What
from simulators.fleet import Fleet
from simulators.mqtt_link import Endpoint
from simulators.registry import HomesSource, demo_homes
from simulators.scenario import Scenario
from simulators.stats import Stats


def scenario_homes(scenario: Scenario, seed: int) -> HomesSource:
    """The homes a scenario needs; import these into Davy before it runs, with the same seed."""
    return demo_homes(scenario.homes, seed, scenario.valves)


async def run(
    scenario: Scenario,
    homes: HomesSource,
    host: str,
    port: int,
    *,
    tls: ssl.SSLContext | None = None,
    clock: Callable[[], int],
    rng: Random,
    on_event: Callable[[SimEvent], None],
) -> Stats:
    """Run until the scenario ends, or for ever when it has no end: then cancel it, and it tells its end and raises
    CancelledError.

    `clock` gives microseconds since 1970 UTC. `homes` are the scenario's homes as registered (more are left alone).
    Raises ValueError when they do not fit the scenario. An endpoint that cannot be reached is no error: the
    devices go on trying, as devices do.
    """
    fleet = Fleet(scenario, homes, Endpoint(host, port, tls), clock, rng, on_event)
    devices = sum(len(household.devices) for household in fleet.households)
    on_event(
        SimEvent(
            at=clock(),
            what=What.RUN_STARTED,
            text=f"{scenario.title}: {len(fleet.households)} homes, {devices} devices, gas runs {scenario.speed:g}x",
        )
    )
    try:
        await fleet.run()
    finally:
        stats = fleet.stats()
        acknowledged = sum(stats.acknowledged.values())
        made = sum(stats.made.values())
        text = f"{made} readings made, {acknowledged} acknowledged, {stats.waiting} waiting"
        on_event(SimEvent(at=clock(), what=What.RUN_ENDED, text=text))
    return stats
