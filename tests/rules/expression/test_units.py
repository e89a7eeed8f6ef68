"""Numbers with units: read, shown, and refused where a conversion would need to know more."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.quantities import QUANTITY_NAMES
from rules.language.tree import Dimension
from rules.language.units import (
    DURATION,
    NUMBER,
    OF_QUANTITY,
    kept,
    measure,
    number_text,
    parse_number,
    plain,
    shown,
    unit_text,
)


@pytest.mark.parametrize(
    ("text", "value", "dimension"),
    [
        ("20 %LEL", 20.0, Dimension("%LEL")),
        ("20%LEL", 20.0, Dimension("%LEL")),
        (" 50  ppm ", 50.0, Dimension("ppm")),
        ("2.5 kPa", 2.5, Dimension("kPa")),
        ("500 Pa", 0.5, Dimension("kPa")),
        ("6 m3/h", 6.0, Dimension("m3/h")),
        ("-10 degC", -10.0, Dimension("degC")),
        ("+10 degC", 10.0, Dimension("degC")),
        ("15 %", 15.0, Dimension("%")),
        ("-110 dBm", -110.0, Dimension("dBm")),
        ("60s", 60.0, DURATION),
        ("5 m", 300.0, DURATION),
        ("5 min", 300.0, DURATION),
        ("8 h", 28_800.0, DURATION),
        ("30 d", 2_592_000.0, DURATION),
        ("3", 3.0, NUMBER),
        ("0", 0.0, NUMBER),
        ("5 %LEL/s", 5.0, Dimension("%LEL", -1)),
        ("6 %LEL/min", 0.1, Dimension("%LEL", -1)),
        ("6 %LEL / min", 0.1, Dimension("%LEL", -1)),
        ("36 kPa/h", 0.01, Dimension("kPa", -1)),
        ("36000 Pa/h", 0.01, Dimension("kPa", -1)),
        ("864 ppm/d", 0.01, Dimension("ppm", -1)),
        ("6 m3/h/min", 0.1, Dimension("m3/h", -1)),
    ],
)
def test_a_number_is_in_the_unit_of_its_dimension(text: str, value: float, dimension: Dimension) -> None:
    assert parse_number(text) == (pytest.approx(value, rel=1e-15), dimension)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not a number with a unit"),
        ("%LEL", "is not a number with a unit"),
        ("20 %LEL and more", "is not a unit"),
        ("1,5 ppm", "is not a unit"),
        ("1e3 ppm", "is not a unit"),
        ("nan ppm", "is not a number"),
        ("20 %lel", "write %LEL"),
        ("20 kpa", "write kPa"),
        ("20 sec", "is not a unit"),
        ("20 mg/m3", "17.18 ppm at 20 degC"),
        ("20 mg/m³", "17.18 ppm at 20 degC"),
        ("5 %vol", "100 %LEL if the limit is 5.0 %vol, 113.6 %LEL if the limit is 4.4 %vol"),
        ("5 ppm/m", "write ppm/min"),
        ("5 s/min", "is not a unit"),
        ("2000000000000 ppm", "too large"),
        ("9" * 400 + " ppm", "too large"),
    ],
)
def test_what_is_none_is_refused_with_what_to_write(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        parse_number(text)


def test_every_quantity_has_a_unit_that_a_rule_can_write() -> None:
    assert set(OF_QUANTITY) == set(QUANTITY_NAMES)
    for dimension in OF_QUANTITY.values():
        assert measure(3.0, unit_text(dimension)) == (3.0, dimension)


@given(st.floats(-9e11, 9e11), st.sampled_from([NUMBER, DURATION, *OF_QUANTITY.values(), Dimension("ppm", -1)]))
def test_the_text_of_a_number_is_read_as_exactly_that_number(value: float, dimension: Dimension) -> None:
    assert parse_number(number_text(value, dimension)) == (value, dimension)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_plain_number_has_neither_an_exponent_nor_zeros_to_spare(value: float) -> None:
    text = plain(value)
    assert float(text) == value
    assert "e" not in text
    assert "." not in text or not text.endswith("0")


@pytest.mark.parametrize(
    ("value", "dimension", "text"),
    [
        (20.0, Dimension("%LEL"), "20 %LEL"),
        (5 / 60, Dimension("%LEL", -1), "0.08333 %LEL/s"),
        (90.0, DURATION, "1.5 min"),
        (59.0, DURATION, "59 s"),
        (-172_800.0, DURATION, "-2 d"),
        (0.0, DURATION, "0 s"),
        (float("inf"), DURATION, "inf s"),
        (float("nan"), DURATION, "unknown"),
        (3.0, NUMBER, "3"),
        (2.0, Dimension("ppm", 1), "2 ppm s"),
        (2.0, Dimension("", -1), "2 1/s"),
        (2.0, Dimension("", 2), "2 s^2"),
    ],
)
def test_people_are_shown_four_digits_and_the_unit_that_fits(value: float, dimension: Dimension, text: str) -> None:
    assert shown(value, dimension) == text


def test_what_has_a_unit_is_kept_as_readings_are() -> None:
    assert kept(10.1, Dimension("%")) == 10.100000381469727
    assert kept(0.1, Dimension("ppm", -1)) != 0.1
    assert (kept(0.1, DURATION), kept(0.1, NUMBER)) == (0.1, 0.1)
