"""Alarms about gateways and brokers themselves, over hours and over changes of what stands behind them."""

from pathlib import Path

from tests.engine.test_following import idle
from tests.engine.test_ways_in import frame
from tests.engine.ways import BROKER, BUS, D1, ON_BUS, Ways, ways


def standing(bench: Ways, *who: int) -> list[tuple[int, str, str]]:
    """(device, rule, state) of every open alarm of these devices."""
    return [(a.device_no, a.rule, a.state.name) for a in bench.memory.state.alarms() if a.device_no in who]


def test_a_bus_and_a_broker_that_work_for_hours_are_not_silent(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.bus.bring(up=[BUS])
    bench.broker.bring(up=[BROKER])
    for seq in range(1, 30):
        bench.bus.bring((ON_BUS, frame("clean air", bench.now)))
        bench.broker.bring(bench.from_broker(D1, seq))
        idle(bench, 600)
    assert standing(bench, BUS, BROKER) == []
