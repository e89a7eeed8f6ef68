"""What devices say in the guarantee tests."""

import time


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def normal(seq: int, **more: object) -> dict[str, object]:
    """A reading of clean air, of now."""
    return {"boot": 1, "seq": seq, "ts": now_ms(), "combustible_lel": 1.0, **more}


def leak(seq: int, **more: object) -> dict[str, object]:
    """Gas above the high limit, and the device's own high alarm."""
    return normal(seq, combustible_lel=70.0, high_alarm=True) | more


def position(seq: int, word: str) -> dict[str, object]:
    """What a valve reports."""
    return {"boot": 1, "seq": seq, "ts": now_ms(), "valve": word}
