"""Token buckets against the sum they promise, and the bound on names."""

from hypothesis import given
from hypothesis import strategies as st

from api.rates import Rates


class _Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@given(st.integers(1, 20), st.integers(1, 50), st.lists(st.integers(0, 3_000), max_size=200))
def test_no_more_passes_than_the_burst_and_the_rate_allow(burst: int, per_s: int, pauses_ms: list[int]) -> None:
    clock = _Clock()
    rates, passed = Rates(per_s, burst, 10, clock), 0
    for pause_ms in pauses_ms:
        clock.now_s += pause_ms / 1_000
        if rates.wait_s("a") <= 0.0:
            rates.take("a")
            passed += 1
        assert passed <= burst + per_s * clock.now_s + 1e-6
    assert passed >= min(len(pauses_ms), burst)


def test_who_waits_as_long_as_told_is_served() -> None:
    clock = _Clock()
    rates = Rates(2.0, 1, 10, clock)
    rates.take("a")
    assert rates.wait_s("a") == 0.5
    assert rates.wait_s("b") == 0.0
    clock.now_s += 0.5
    assert rates.wait_s("a") == 0.0


@given(st.lists(st.text(max_size=3), max_size=100))
def test_so_many_names_are_remembered_and_no_more(names: list[str]) -> None:
    rates = Rates(1.0, 1, 5, _Clock())
    for name in names:
        rates.take(name)
    last = list(dict.fromkeys(reversed(names)))
    assert {name for name in names if rates.wait_s(name) > 0.0} == set(last[:5])
