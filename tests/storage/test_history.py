"""History in columns: every stored reading once, in the order in which it was received (storage/history.py)."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.quantities import QUANTITY_NAMES, Quality, quality_shift
from devices.readings import Rows
from storage import history
from storage.history import Asked, TooMuchBackfilled, stored_readings
from tests.storage.cycles import DAY, HOUR, MINUTE, SECOND, T0, cycle, readings
from tests.storage.writing import write

LATE = 3 * HOUR
_KEPT = ("device_no", "ts", "received", "flags", "quality", "valve", "valve_cause", "boot", "seq", *QUANTITY_NAMES)


def _past(n: int = 600) -> Rows:
    """Readings over an hour and a half; every seventh was received three hours late, every eleventh before its ts."""
    rows = readings(n, step=9 * SECOND)
    rows["received"][::7] += LATE
    rows["received"][::11] = rows["ts"][::11] - 4 * MINUTE
    rows["co_ppm"][::3] = 7.5
    rows["valve"] = np.arange(n) % 4
    rows["flags"] = np.arange(n) % 8
    return rows


def _in_order(rows: Rows) -> Rows:
    return rows[np.lexsort((rows["seq"], rows["boot"], rows["device_no"], rows["ts"], rows["received"]))]


def _same(found: list[Rows], expected: Rows) -> None:
    together = np.concatenate(found)
    assert len(together) == len(expected)
    for name in _KEPT:
        np.testing.assert_array_equal(together[name], expected[name], name)


@pytest.mark.parametrize("window", [MINUTE, 10 * MINUTE, DAY])
async def test_readings_come_once_and_in_the_order_they_were_received(url: str, window: int) -> None:
    rows = _past()
    await write(url, [cycle(1, rows)])
    asked = Asked(T0, T0 + DAY, identity=True)
    _same(list(stored_readings(url, asked, first_window_us=window)), _in_order(rows))


async def test_a_period_and_some_devices(url: str) -> None:
    rows = _past()
    await write(url, [cycle(1, rows)])
    asked = Asked(T0 + HOUR // 2, T0 + HOUR, device_nos=(3, 4), identity=True)
    mine = (rows["ts"] >= asked.from_us) & (rows["ts"] < asked.to_us) & np.isin(rows["device_no"], (3, 4))
    _same(list(stored_readings(url, asked)), _in_order(rows[mine]))


async def test_a_quantity_that_was_not_asked_for_is_as_if_not_measured(plain_url: str) -> None:
    rows = _past(30)
    await write(plain_url, [cycle(1, rows)])
    asked = Asked(T0, T0 + DAY, quantities=("combustible_lel",))
    found = np.concatenate(list(stored_readings(plain_url, asked)))
    expected = _in_order(rows)
    assert np.isnan(found["co_ppm"]).all()
    np.testing.assert_array_equal(found["combustible_lel"], expected["combustible_lel"])
    assert ((found["quality"] >> quality_shift("co_ppm") & 15) == Quality.NOT_MEASURED).all()
    assert ((found["quality"] >> quality_shift("combustible_lel") & 15) == Quality.GOOD).all()


async def test_a_time_without_readings_gives_none(plain_url: str) -> None:
    assert list(stored_readings(plain_url, Asked(T0 + 5 * DAY, T0 + 6 * DAY))) == []
    assert list(stored_readings(plain_url, Asked(T0, T0))) == []


async def test_more_that_waits_than_fits_is_refused(plain_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await write(plain_url, [cycle(1, _past())])
    monkeypatch.setattr(history, "MOST_WAITING", 10)
    with pytest.raises(TooMuchBackfilled, match="shorter time"):
        list(stored_readings(plain_url, Asked(T0, T0 + DAY), first_window_us=MINUTE))


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    delays=st.lists(st.integers(-5 * 60, 7_200), min_size=1, max_size=40),
    window_s=st.integers(1, 3_600),
)
def test_windows_of_any_length_give_the_same_order(delays: list[int], window_s: int) -> None:
    rows = readings(len(delays), step=37 * SECOND)
    rows["received"] = rows["ts"] + np.array(delays) * SECOND
    window_us, found = window_s * SECOND, []
    end = T0
    while end <= int(rows["ts"].max()):
        start, end = end, end + window_us
        found.append((end, rows[(rows["ts"] >= start) & (rows["ts"] < end)]))
    _same(list(history._in_order(iter(found))), _in_order(rows))


async def test_a_dense_time_behind_a_quiet_one_does_not_come_in_one_piece(
    plain_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = readings(6_000, step=SECOND)
    await write(plain_url, [cycle(1, rows)])
    monkeypatch.setattr(history, "AIMED_AT", 300)
    fetched: list[int] = []
    window = history._window

    def counted(*asked: object) -> Rows:
        found = window(*asked)  # type: ignore[arg-type]
        fetched.append(len(found))
        return found

    monkeypatch.setattr(history, "_window", counted)
    assert sum(map(len, stored_readings(plain_url, Asked(T0 - 20 * DAY, T0 + DAY)))) == len(rows)
    assert max(fetched) <= 4 * 300
