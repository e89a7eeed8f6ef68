"""Backtests: the engine's own alarms from history, however it is cut; two versions side by side; what people said."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.fleet import build_fleet
from devices.quantities import Flag, ValvePosition
from devices.readings import Rows
from rules.documents.document import RulePack
from rules.history import backtest_types
from rules.history.backtest import Request, backtest, lead_us, quantities_of
from rules.history.backtest_types import Assumed, Label
from rules.instructions import Resolution
from tests.rules.world import NUMBERS, OF_A_CLOSING, SECOND, T0, World, at, pack, reading, registry

FLEET = build_fleet(registry())
NOBODY = Assumed(valves_answer=False, acknowledge_after_s=None, as_active=False)


def _default(limits: str = "at_or_above = 20\nclear_below = 15") -> RulePack:
    low = (
        f'id = "ch4-low"\nflags = ["low_alarm"]\nquantity = "combustible_lel"\n{limits}\nhold_s = 30\naction = "close"'
    )
    high = (
        'id = "ch4-high"\npriority = "critical"\nflags = ["high_alarm"]\nquantity = "combustible_lel"\n'
        'at_or_above = 50\nclear_below = 45\nlatch = true\naction = "close"'
    )
    detectors = '\napplies_to = ["detector"]'
    return pack(low + detectors, high + detectors, 'id = "silence"\nkind = "silence"', *OF_A_CLOSING)


def _lower() -> RulePack:
    return _default("at_or_above = 12\nclear_below = 10")


def _history(seed: int = 1, readings: int = 500) -> Rows:
    """Two hours of four detectors and two valves: quiet, with gas that comes and goes, alarm bits and faults."""
    random = np.random.default_rng(seed)
    names = ["d1", "d2", "d3", "d4", "v1", "v2"]
    level = dict.fromkeys(names, 2.0)
    rows, t = [], 0.0
    for _ in range(readings):
        t += float(random.integers(1, 10))
        name = names[int(random.integers(len(names)))]
        if name.startswith("v"):
            rows.append(reading(name, t, valve=ValvePosition.OPEN))
            continue
        level[name] = max(0.0, min(80.0, level[name] + float(random.normal(0, 6))))
        flags = Flag.HIGH_ALARM if random.random() < 0.004 else Flag(0)
        late = random.random() < 0.02
        flags |= Flag.LATE if late else Flag(0)
        rows.append(reading(name, t, ts_s=t - 600 if late else t, combustible_lel=round(level[name], 1), flags=flags))
    return np.concatenate(rows)


def _cut(rows: Rows, cuts: list[int]) -> list[Rows]:
    return [part for part in np.split(rows, sorted({min(cut, len(rows)) for cut in cuts})) if len(part)]


HISTORY = _history()
END = int(HISTORY["received"][-1]) + SECOND


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 500), max_size=20))
def test_history_may_be_cut_anywhere(cuts: list[int]) -> None:
    request = Request(FLEET, _lower(), T0, END, old=_default())
    assert backtest(request, _cut(HISTORY, cuts)) == _WHOLE


_WHOLE = backtest(Request(FLEET, _lower(), T0, END, old=_default()), [HISTORY])


def test_it_raises_the_alarms_that_a_live_engine_raised() -> None:
    world = World(_default())
    rows = np.concatenate([*(reading(name, 0) for name in NUMBERS), _history(seed=7)])
    for one in np.split(rows, len(rows)):
        if int(FLEET.slot_of[int(one["device_no"][0])]) in FLEET.valves:
            one["valve"] = ValvePosition.UNKNOWN
        world.step([one], (), (int(one["received"][0]) - T0) / SECOND)
    end = int(rows["received"][-1]) + 1
    live = {(d.alarm, d.at, d.value) for d in world.decided if type(d).__name__ == "AlarmRaised"}
    found = backtest(Request(FLEET, _default(), T0, end, assumed=NOBODY), [rows]).new
    assert {(one.alarm, one.raised, one.value) for one in found.alarms} == live
    assert len(live) > 3


def test_what_a_valve_said_of_its_position_in_history_counts_for_nothing() -> None:
    gas = [reading("d1", t, combustible_lel=60.0) for t in range(0, 100, 10)]
    valve = [reading("v1", t + 5, valve=ValvePosition.OPEN) for t in range(0, 100, 10)]
    rows = np.concatenate([one for pair in zip(gas, valve, strict=True) for one in pair])
    found = backtest(Request(FLEET, _default(), T0, at(100)), [rows]).new
    rules = {count.rule for count in found.by_rule if count.alarms}
    assert "valve-reopened" not in rules
    assert "valve-not-closed" not in rules
    assert found.shut_offs == 2  # d1 closes v1 and v2


def test_two_versions_alarm_by_alarm() -> None:
    rows = np.concatenate(
        [reading("d1", t, combustible_lel=lel) for t, lel in [(0, 1), (10, 13), (20, 13), (30, 13), (50, 14), (60, 1)]]
        + [reading("d2", t + 100, combustible_lel=lel) for t, lel in [(0, 13), (20, 25), (40, 25), (60, 25), (80, 1)]]
    )
    tested = backtest(Request(FLEET, _lower(), T0, at(200), old=_default()), [rows])
    found = tested.differences
    assert found is not None
    assert [(one.identity, one.rule) for one in found.only_new if one.rule == "ch4-low"] == [("davysim/d1", "ch4-low")]
    assert [(one.new.identity, one.by_s) for one in found.moved] == [("davysim/d2", -20.0)]
    assert found.only_old == ()


def test_false_alarms_that_people_named_are_counted_for_both() -> None:
    rows = np.concatenate([reading("d1", t, combustible_lel=13.0) for t in range(0, 100, 10)])
    labels = (Label("x", "ch4-low", NUMBERS["d1"], at(0), at(60), Resolution.FALSE),)
    tested = backtest(Request(FLEET, _lower(), T0, at(100), old=_default(), labels=labels), [rows])
    assert [(one.resolution, one.labels, one.new, one.old) for one in tested.labelled] == [(Resolution.FALSE, 1, 1, 0)]


def test_what_came_before_the_period_is_followed_and_not_counted() -> None:
    rows = np.concatenate([reading("d1", t, combustible_lel=60.0) for t in range(0, 200, 10)])
    found = backtest(Request(FLEET, _default(), at(100), at(200)), [rows]).new
    counts = {count.rule: (count.alarms, count.standing) for count in found.by_rule}
    assert counts["ch4-high"] == counts["ch4-low"] == (0, 1)


def test_people_who_acknowledge_make_a_second_alarm_a_new_one() -> None:
    lel = [60.0] * 3 + [1.0] * 60 + [60.0] * 3
    rows = np.concatenate([reading("d1", 10 * n, combustible_lel=value) for n, value in enumerate(lel)])
    with_people = backtest(Request(FLEET, _default(), T0, at(700)), [rows]).new
    without = backtest(Request(FLEET, _default(), T0, at(700), assumed=NOBODY), [rows]).new
    of = {count.rule: count for count in with_people.by_rule}["ch4-high"]
    nobody = {count.rule: count for count in without.by_rule}["ch4-high"]
    assert (of.alarms, of.again) == (2, 0)
    assert (nobody.alarms, nobody.again) == (1, 1)


def test_readings_of_devices_that_are_gone_are_counted_and_passed_over() -> None:
    rows = np.concatenate([reading("d1", 0, combustible_lel=1.0), reading("d1", 1, combustible_lel=1.0)])
    rows["device_no"][1] = 999
    tested = backtest(Request(FLEET, _default(), T0, at(10)), [rows])
    assert (tested.readings, tested.unknown) == (2, 1)


def test_history_out_of_order_is_refused() -> None:
    rows = np.concatenate([reading("d1", 10, combustible_lel=1.0), reading("d1", 0, combustible_lel=1.0)])
    with pytest.raises(ValueError, match="order"):
        backtest(Request(FLEET, _default(), T0, at(10)), [rows])


def test_the_lead_is_the_longest_hold_or_window() -> None:
    of = pack('quantity = "co_ppm"\nat_or_above = 30\nclear_below = 20\nhold_s = 90')
    assert lead_us(of) == 90 * SECOND
    assert quantities_of(of) == ("co_ppm",)


def test_the_load_of_operators_is_what_people_were_shown() -> None:
    assert _WHOLE.old is not None
    load = _WHOLE.old.load
    assert load.annunciated == sum(one.alarms + one.again for one in _WHOLE.old.by_rule)
    assert load.health.alarms == load.annunciated
    assert sum(load.priority_pct.values()) == pytest.approx(100.0)
    assert load.whole
    (queue,) = load.health.queues
    assert queue.peak <= queue.alarms


def test_a_backtest_can_be_written_as_json_and_read_back() -> None:
    assert msgspec.json.decode(msgspec.json.encode(_WHOLE), type=backtest_types.Tested) == _WHOLE


def test_a_reading_that_came_after_the_end_makes_nobody_silent() -> None:
    day = [reading(name, t) for t in range(0, 600, 10) for name in ("d1", "d2", "d3")]
    late = reading("d1", 86_400, ts_s=300, flags=Flag.LATE)
    found = backtest(Request(FLEET, _default(), T0, at(600), assumed=NOBODY), [np.concatenate([*day, late])])
    assert (found.new.alarms, found.readings) == ((), len(day))


def test_a_device_that_was_first_heard_half_way_was_not_silent_before() -> None:
    rows = [reading("d1", t) for t in range(0, 600, 10)] + [reading("d2", t + 1) for t in range(300, 600, 10)]
    history = np.concatenate(sorted(rows, key=lambda row: int(row["received"][0])))
    assert not backtest(Request(FLEET, _default(), T0, at(600), assumed=NOBODY), [history]).new.alarms


def test_a_device_that_falls_silent_after_its_first_reading_is_silent_from_then() -> None:
    rows = [reading("d1", t) for t in range(0, 600, 10)] + [reading("d2", 301)]
    history = np.concatenate(sorted(rows, key=lambda row: int(row["received"][0])))
    whole = backtest(Request(FLEET, _default(), T0, at(600), assumed=NOBODY), [history]).new
    (silent,) = whole.alarms
    assert (silent.rule, silent.onset) == ("silence", at(331))
    assert backtest(Request(FLEET, _default(), T0, at(600), assumed=NOBODY), _cut(history, [3, 31, 40])).new == whole


@pytest.mark.parametrize(
    ("condition", "least_h"),
    [
        ("cohb(co_ppm) >= 5 %", 8),
        ("since(co_ppm >= 30 ppm) >= 20 min", 24),
        ("stuck(co_ppm, 3 d)", 72),
        ("max(co_ppm, 31 d) >= 30 ppm", 744),
    ],
)
def test_history_is_given_with_all_that_a_rule_remembers(condition: str, least_h: int) -> None:
    lead = lead_us(pack(f'id = "x"\ncondition = "{condition}"'))
    assert least_h * 3_600 * SECOND <= lead <= 744 * 3_600 * SECOND


def _silence() -> RulePack:
    return pack('id = "silence"\nkind = "silence"\napplies_to = ["detector"]\nonly = { models = ["detector"] }')


def test_a_time_in_which_nobody_was_heard_is_nobodys_silence() -> None:
    names = ("d1", "d2", "d3", "d4", "d5", "sd")
    times = [*range(0, 100, 10), *range(1000, 1100, 10)]
    rows = np.concatenate([reading(name, t, combustible_lel=1.0) for t in times for name in names])
    request = Request(FLEET, _silence(), T0, at(5000))
    assert [backtest(request, chunks).new.raised for chunks in ([rows], _cut(rows, [7, 60, 61]))] == [0, 0]
    one = rows[(rows["device_no"] != NUMBERS["d1"]) | (rows["received"] < at(1050))]
    assert backtest(Request(FLEET, _silence(), T0, at(1100)), [one]).new.raised == 1
    few = rows[np.isin(rows["device_no"], [NUMBERS["d1"], NUMBERS["d2"]])]
    assert backtest(Request(FLEET, _silence(), T0, at(1100)), [few]).new.raised == 2


def test_a_rule_that_a_live_engine_would_take_back_is_taken_back_and_said() -> None:
    what = registry()
    many = tuple(msgspec.structs.replace(what.devices[0], device_no=100 + n, serial=f"x{n}") for n in range(60))
    fleet = build_fleet(msgspec.structs.replace(what, devices=many, links=()))
    rules = pack('id = "x"\nquantity = "combustible_lel"\nat_or_above = 2\nclear_below = 1')
    rows = np.concatenate([reading("d1", t, combustible_lel=5.0) for t in range(60)])
    rows["device_no"] = 100 + np.arange(60)
    (line,) = backtest(Request(fleet, rules, T0, at(100)), [rows]).new.reverted
    assert "taken back to a dry run: raised at 21 devices" in line
    known = backtest(Request(fleet, rules, T0, at(100), old=rules), [rows])
    assert (known.new.reverted, known.new.raised) == ((), 60)
    lead = backtest(Request(fleet, rules, at(50), at(100)), [rows])
    assert lead.new.reverted == ()  # what it raised before the period was raised in force nowhere


def test_what_a_result_rests_on_is_said_in_one_line_and_trials_are_equal_for_both() -> None:
    dry = pack('id = "x"\nquantity = "combustible_lel"\nat_or_above = 2\nclear_below = 1\nstate = "dry_run"')
    rows = np.concatenate([reading("d1", t, combustible_lel=5.0) for t in range(60)])
    tested = backtest(Request(FLEET, dry, T0, at(100), old=dry), [rows])
    assert tested.old is not None
    assert [found.by_rule[0].trials for found in (tested.new, tested.old)] == [0, 0]
    assert "people acknowledge after 60 s" in tested.assumes
    assert "dry runs and canaries count as active" in tested.assumes
    assert "\n" not in tested.assumes
    assert "no valve ever answers; nobody acknowledges" in NOBODY.said()
