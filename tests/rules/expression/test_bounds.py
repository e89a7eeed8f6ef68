"""What is known of a condition before any reading."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.language.bounds import MOST_TRIED, clear_faults, condition_faults, true_of_clean_air
from rules.language.expression import parse_condition
from tests.rules.expression.trees import OWN, conditions

VALUES = {"limit": 20.0, "co_limit": 50.0, "patience": 300.0, "factor": 2.0}
FLEET = "fire for the whole fleet at once"
NEVER = "true of no possible reading"


def said(text: str, **values: float) -> str:
    return "\n".join(str(fault) for fault in condition_faults(parse_condition(text, OWN), VALUES | values))


@pytest.mark.parametrize(
    "text",
    [
        "combustible_lel >= -5 %LEL",
        "combustible_lel <= 2300 %LEL",
        "combustible_lel > -6 %LEL or fault",
        "combustible_lel > limit or combustible_lel <= 20 %LEL",
        "not (humidity_pct > 100 %)",
        "battery_pct + max(battery_pct, 5m) <= 200 %",
        "0 % <= battery_pct",
        "count(fault, 10m) >= 0",
        "since(fault) + interval >= 0 s",
        "cohb(co_ppm) <= 100 %",
        "rate(battery_pct, 60s) < 4 %/s",
        "delta(battery_pct, 60s) >= -100 %",
        "twa(co_ppm, 8h) >= -20 ppm",
        "fault or not fault",
        "valve != open or valve != closed",
        "5 > 3",
        "since(fault or not fault) > 5 min",
        "any(site, co_ppm >= -20 ppm)",
        "combustible_lel == combustible_lel",
        "co_ppm * factor >= co_ppm * 2",
        "max(co_ppm, 5m) >= min(co_ppm, 5m)",
        "min(co_ppm, 5m) <= max(co_ppm, 1h)",
        "max(co_ppm, 5m) >= co_ppm",
        "co_ppm >= min(co_ppm, 5m)",
        "not (max(co_ppm, 5m) < co_ppm)",
        "interval > 0 s",
    ],
)
def test_what_is_true_of_every_reading_is_found(text: str) -> None:
    assert FLEET in said(text)


@pytest.mark.parametrize(
    "text",
    [
        "combustible_lel > 2300 %LEL",
        "combustible_lel > 30 %LEL and combustible_lel < limit",
        "battery_pct * 2 > 200 %",
        "battery_pct / 2 > 50 %",
        "battery_pct - mean(battery_pct, 5m) > 100 %",
        "rate(battery_pct, 60s) > 4 %/s",
        "fault and not fault",
        "valve == open and valve == closed",
        "valve_cause == manual and valve_cause == remote",
        "3 > 5",
        "count(fault and not fault, 10m) > 2",
        "at_least(2, riser, co_ppm > 2000000 ppm)",
        "co_ppm == 0.5 ppm and co_ppm > 0.5 ppm",
        "combustible_lel != combustible_lel",
        "combustible_lel > combustible_lel",
        "co_ppm > max(co_ppm, 5m)",
        "min(co_ppm, 5m) > co_ppm",
        "interval > 400 d",
    ],
)
def test_what_is_true_of_none_is_found(text: str) -> None:
    assert NEVER in said(text)


@pytest.mark.parametrize(
    "text",
    [
        "combustible_lel >= limit",
        "combustible_lel > limit and combustible_lel < 30 %LEL",
        "mean(co_ppm, 5m) > 30 ppm and co_ppm < 5 ppm",
        "life_left < 0 s",
        "life_left > 0 s",
        "interval > 5 min",
        "commanded_closed and valve == open",
        "valve != open and valve != closed",
        "co_ppm * (battery_pct / 50 %) > 5 ppm",
        "stuck(co_ppm, 1 d)",
        "missing(3 * interval)",
        "any(site, low_alarm) and not low_alarm",
        "since(valve == open) > patience",
        "count(fault, 10m) >= 3",
        "cohb(co_ppm) >= 10 %",
        "battery_pct == mean(battery_pct, 5m)",
        "battery_pct != mean(battery_pct, 5m)",
        "max(co_ppm, 5m) > co_ppm",
        "max(co_ppm, 5m) == min(co_ppm, 5m)",
        "max(co_ppm, 5m) >= co_ppm * 2",
        "max(co_ppm, 5m) <= mean(co_ppm, 5m)",
        "missing(1 * interval)",
    ],
)
def test_nothing_is_said_against_a_sound_condition(text: str) -> None:
    assert said(text) == ""


def test_a_number_of_the_rule_counts_as_what_it_is_for_the_class() -> None:
    assert said("combustible_lel >= limit") == ""
    assert FLEET in said("combustible_lel >= limit", limit=-5.0)
    assert NEVER in said("combustible_lel >= limit", limit=2301.0)


MANY = "low_alarm or high_alarm or co_alarm or fault or warm_up or inhibit or end_of_life or tamper or mains_loss"
MORE = f"{MANY} or valve == open or co_ppm >= co_limit"


def test_one_part_that_is_always_true_is_found_among_any_number_of_others() -> None:
    assert FLEET not in said(MORE)
    many = f"{MORE} or (tamper or humidity_pct <= 100 %)"
    (fault,) = condition_faults(parse_condition(many, OWN), VALUES)
    assert FLEET in fault.reason
    assert (fault.span.end - fault.span.start) == len("humidity_pct <= 100 %")


def test_one_part_that_is_never_true_is_found_among_any_number_of_others() -> None:
    assert NEVER in said(f"({MORE}) and humidity_pct > 100 %")
    assert FLEET in said(f"not (({MORE}) and humidity_pct > 100 %)")


def test_a_part_of_a_report_interval_is_no_silence() -> None:
    assert "true between any two readings; write 1 * interval or more" in said("missing(0.5 * interval + 1 min)")


@pytest.mark.parametrize(
    ("text", "both"),
    [
        ("cohb(co_ppm) >= battery_pct", "a battery's charge and carboxyhaemoglobin are both percent"),
        ("mean(humidity_pct, 5m) - battery_pct * 2 > 5 %", "a battery's charge and relative humidity are both percent"),
        ("humidity_pct / battery_pct > 2", "a battery's charge and relative humidity are both percent"),
        ("battery_pct * (humidity_pct / 50 %) > 5 %", ""),
        ("rate(battery_pct, 60s) * 60 s < battery_pct", ""),
        ("cohb(co_ppm) >= 5 %", ""),
    ],
)
def test_percent_of_one_thing_is_not_compared_with_percent_of_another(text: str, both: str) -> None:
    assert both in said(text)
    assert bool(said(text)) == bool(both)


@pytest.mark.parametrize(
    ("text", "always"),
    [
        ("combustible_lel >= 0 %LEL", True),
        ("combustible_lel < limit or fault", True),
        ("mean(co_ppm, 5m) >= -1 ppm and co_ppm <= 1 ppm", True),
        ("cohb(co_ppm) < 5 %", True),
        ("not low_alarm", True),
        ("not any(site, fault)", True),
        ("combustible_lel >= limit", False),
        ("combustible_lel > 0 %LEL", False),
        ("cohb(co_ppm) >= 0.05 %", False),
        ("pressure_kpa < 1 kPa", False),
        ("valve == open and combustible_lel < limit", False),
        ("not stuck(co_ppm, 1 d)", False),
        ("missing(3 * interval)", False),
    ],
)
def test_what_clean_air_makes_true_of_a_device_that_is_well_is_known(text: str, always: bool) -> None:
    assert said(text) == ""
    assert true_of_clean_air(parse_condition(text, OWN), VALUES) is always


def test_a_division_by_zero_is_named() -> None:
    assert "divides by zero" in said("co_ppm / (1 - 1) > 5 ppm")


@pytest.mark.parametrize(
    ("condition", "clear", "reason"),
    [
        ("combustible_lel >= 20 %LEL", "combustible_lel < 15 %LEL", ""),
        ("combustible_lel >= 20 %LEL", "combustible_lel < 20 %LEL", ""),
        ("combustible_lel >= 20 %LEL", "combustible_lel <= 20 %LEL", "combustible_lel at 20 makes both true"),
        ("combustible_lel >= 20 %LEL", "combustible_lel < 25 %LEL", "would clear while it is true"),
        ("combustible_lel >= limit", "combustible_lel < limit * 2", "would clear while it is true"),
        ("pressure_kpa <= 1 kPa", "pressure_kpa > 0.5 kPa", "would clear while it is true"),
        ("pressure_kpa <= 1 kPa", "pressure_kpa > 1.5 kPa", ""),
        ("pressure_kpa < 1 kPa or pressure_kpa > 5 kPa", "pressure_kpa > 2 kPa and pressure_kpa < 4 kPa", ""),
        ("pressure_kpa < 1 kPa or pressure_kpa > 3 kPa", "pressure_kpa > 2 kPa and pressure_kpa < 4 kPa", "both true"),
        ("mean(co_ppm, 5m) > 30 ppm", "mean(co_ppm, 5m) < 40 ppm", "mean(co_ppm, 300 s) at"),
        ("mean(co_ppm, 5m) > 30 ppm", "co_ppm < 40 ppm", ""),
        ("combustible_lel >= 20 %LEL or high_alarm", "combustible_lel < 15 %LEL", ""),
        ("combustible_lel >= 20 %LEL or high_alarm", "combustible_lel < 25 %LEL", "both true"),
        ("combustible_lel >= 20 %LEL and valve == open", "combustible_lel < 25 %LEL", ""),
        ("combustible_lel >= 20 %LEL", "combustible_lel < -5 %LEL", "the alarm would never clear"),
        ("combustible_lel >= 20 %LEL", "combustible_lel <= 2300 %LEL", "would clear while it is true"),
        ("fault", "co_ppm >= -20 ppm", "would clear while it is true"),
        ("fault", "not fault", ""),
        ("missing(3 * interval)", "not fault", "clears when something is heard"),
        ("fault", "co_ppm / 0 < 1 ppm", "divides by zero"),
    ],
)
def test_a_clear_condition_that_contradicts_is_found(condition: str, clear: str, reason: str) -> None:
    found = clear_faults(parse_condition(condition, OWN), parse_condition(clear, OWN), VALUES)
    text = "\n".join(str(fault) for fault in found)
    assert reason in text
    assert bool(reason) == bool(text)


@given(conditions(depth=2), conditions(depth=2))
@settings(max_examples=150, deadline=None)
def test_any_condition_is_judged_or_let_through(condition: object, clear: object) -> None:
    condition_faults(condition, VALUES)  # type: ignore[arg-type]
    clear_faults(condition, clear, VALUES)  # type: ignore[arg-type]


def test_too_many_numbers_together_are_let_through() -> None:
    names = ["combustible_lel > 5 %LEL", "co_ppm > 5 ppm", "pressure_kpa > 5 kPa", "flow_m3h > 5 m3/h"]
    names += ["temperature_c > 5 degC", "humidity_pct > 5 %", "battery_pct > 5 %", "rssi_dbm > 5 dBm"]
    assert 5 ** len(names) > MOST_TRIED
    assert said(" or ".join(names) + " or fault or not fault") == ""


@given(st.floats(-5, 2300, width=32), st.sampled_from([">=", ">", "<=", "<", "==", "!="]), st.booleans())
def test_of_one_limit_exactly_the_ends_decide(limit: float, sign: str, turned: bool) -> None:
    text = f"limit {sign} combustible_lel" if turned else f"combustible_lel {sign} limit"
    low, high = -5.0, 2300.0
    compare = {">=": float.__ge__, ">": float.__gt__, "<=": float.__le__, "<": float.__lt__, "==": float.__eq__}
    between = (low + high) / 2 if limit != (low + high) / 2 else 0.0
    samples = [low, high, limit, between, (low + limit) / 2, (limit + high) / 2]
    holds = [compare.get(sign, float.__ne__)(*((limit, one) if turned else (one, limit))) for one in samples]
    assert (FLEET in said(text, limit=limit)) == all(holds)
    assert (NEVER in said(text, limit=limit)) == (not any(holds))
