"""G1 and G2 behind somebody else's broker, which forgets everything when it dies: what Davy acknowledged to devices is
stored exactly once, and what the broker lost is told."""

from pathlib import Path

from davy.bench.broker_kills import broker_kills
from tests.broker.mosquitto import need_mosquitto

KILLS_OF_EACH = 3


async def test_g1_g2_broker_and_engine_killed_lose_nothing_acknowledged_and_hide_nothing_lost(tmp_path: Path) -> None:
    """`davy bench broker-kills` does it 20 times each."""
    need_mosquitto()
    verdict = await broker_kills(KILLS_OF_EACH, seed=1, where=tmp_path, devices=16, silent=0)
    assert verdict.ok, verdict
    assert verdict.kills == {"broker": KILLS_OF_EACH, "engine": KILLS_OF_EACH, "both": KILLS_OF_EACH}
    assert verdict.acknowledged > 0
    assert verdict.sessions_lost > 0
    assert verdict.broker_lost > 0, "the broker lost nothing, so the run showed nothing"
