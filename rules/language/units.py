"""Numbers with their units, as people write them in rules: "20 %LEL", "5 kPa/min", "24 h".

Nothing is converted that needs to be told more than the number: milligrams need a temperature, volume percent an
explosive limit. Such a unit is refused with the number to write, and whose choice that is.
"""

import difflib
import math
import re

import numpy as np

from devices.quantities import QUANTITIES
from rules.language.tree import Dimension

#: A number of a rule is smaller (product choice): it must fit a 4-byte float with room to spare.
HIGHEST_NUMBER = 1e12
NUMBER = Dimension()
DURATION = Dimension("", 1)
SECONDS: dict[str, int] = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
#: What may stand below the line of a rate. Not `m`: a metre is near.
RATES: dict[str, int] = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
#: How a rule writes the unit of each quantity (devices/quantities.py uses UCUM).
_WRITTEN = {"[ppm]": "ppm", "Cel": "degC", "dB[mW]": "dBm"}
OF_QUANTITY: dict[str, Dimension] = {one.name: Dimension(_WRITTEN.get(one.unit, one.unit)) for one in QUANTITIES}
#: Unit -> the dimension's unit, and what a number of it is divided by.
_UNITS: dict[str, tuple[str, float]] = {one.unit: (one.unit, 1.0) for one in OF_QUANTITY.values()}
_UNITS["Pa"] = ("kPa", 1000.0)
UNITS: tuple[str, ...] = (*_UNITS, *SECONDS)
#: mg/m3 of 1 ppm carbon monoxide at 20 degC and 101.325 kPa. Source: molar mass 28.010 g/mol, 24.055 L/mol.
_CO_MG_M3 = 1.1644
#: %vol of methane at 100 %LEL. Sources: ISO 10156 (5.0), IEC 60079-20-1 (4.4).
_LEL_VOL = (5.0, 4.4)
_TEXT = re.compile(r"\s*([+-]?)\s*([0-9]+(?:\.[0-9]+)?)\s*(.*?)\s*\Z", re.DOTALL)


def measure(value: float, unit: str) -> tuple[float, Dimension]:
    """`value` of `unit` ("": a mere number; "%LEL", "Pa/min" ...) in the unit of its dimension, durations in seconds.
    Raises ValueError with a sentence."""
    if not abs(value) < HIGHEST_NUMBER:  # also refuses NaN and the infinities
        raise ValueError(f"the number is too large; write one below {HIGHEST_NUMBER:.0e}")
    if unit == "":
        return value, NUMBER
    name, per = _without_rate(unit)
    if name in SECONDS and not per:
        return value * SECONDS[name], DURATION
    if name not in _UNITS:
        raise ValueError(_unknown(value, unit, name))
    if per and per not in RATES:
        raise ValueError(f"{unit!r} is not a unit; a rate is per {', '.join(RATES)}: write {name}/min")
    in_unit, divisor = _UNITS[name]
    return value / divisor / RATES.get(per, 1), Dimension(in_unit, -1 if per else 0)


def parse_number(text: str) -> tuple[float, Dimension]:
    """A number with its unit, in the unit of its dimension, durations in seconds. Raises ValueError with a sentence."""
    found = _TEXT.match(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is not a number with a unit; write it as '20 %LEL', '50 ppm' or '5 min'")
    sign, digits, unit = found.groups()
    value, dimension = measure(float(digits), re.sub(r"\s*/\s*", "/", unit))
    return (0.0 - value if sign == "-" else value), dimension


def kept(value: float, dimension: Dimension) -> float:
    """A number of a rule as it is compared: what has a unit as a 4-byte float, as readings are kept."""
    return float(np.float32(value)) if dimension.unit else value


def number_text(value: float, dimension: Dimension) -> str:
    """The number exactly, so that it is parsed to the same. Of dimensions that can be written: a mere number, a
    duration, a unit, a rate per second."""
    digits = plain(value)
    return digits if dimension == NUMBER else f"{digits} {unit_text(dimension)}"


def shown(value: float, dimension: Dimension) -> str:
    """The number for people: four digits, durations in the largest unit that is not below 1."""
    if math.isnan(value):
        return "unknown"
    if dimension == DURATION and math.isfinite(value):
        unit = next((one for one in ("d", "h", "min") if abs(value) >= SECONDS[one]), "s")
        return f"{value / SECONDS[unit]:.4g} {unit}"
    return f"{value:.4g} {unit_text(dimension)}".rstrip()


def unit_text(dimension: Dimension) -> str:
    """The unit of a dimension: "%LEL", "%LEL/s", "s"; empty for a mere number. Products of times have powers."""
    power = abs(dimension.seconds)
    times = ("s" if power == 1 else f"s^{power}") if power else ""
    if dimension.seconds < 0:
        return f"{dimension.unit or '1'}/{times}"
    return f"{dimension.unit} {times}".strip()


def plain(value: float) -> str:
    """The shortest decimal of a finite float, without an exponent and without '.0'."""
    digits = repr(value)
    if "e" in digits:
        mantissa, _, exponent = digits.partition("e")
        whole, _, part = mantissa.lstrip("-").partition(".")
        figures, point = whole + part, len(whole) + int(exponent)
        figures = figures.zfill(len(figures) - min(point, 1) + 1) if point < 1 else figures.ljust(point, "0")
        point = max(point, 1)
        digits = ("-" if value < 0 else "") + figures[:point] + "." + figures[point:]
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def nearest(word: str, words: tuple[str, ...]) -> str:
    """The word that was probably meant, or empty."""
    same = [one for one in words if one.lower() == word.lower()]
    return next(iter(same or difflib.get_close_matches(word, words, 1, 0.6)), "")


def _without_rate(unit: str) -> tuple[str, str]:
    """`m3/h/min` -> (`m3/h`, `min`)."""
    for one in _UNITS:
        if unit.startswith(one + "/"):
            return one, unit[len(one) + 1 :]
    return unit, ""


def _unknown(value: float, unit: str, name: str) -> str:
    if name.lower() in ("mg/m3", "mg/m³"):
        return (
            f"mg/m3 is not converted, because it depends on gas and temperature; write ppm: {value:g} mg/m3 of carbon"
            f" monoxide are {value / _CO_MG_M3:.4g} ppm at 20 degC and 101.325 kPa, and that basis is yours to choose"
        )
    if name.lower() in ("%vol", "vol%", "%vol."):
        rest, risen = (f"{value / limit * 100:.4g} %LEL if the limit is {limit} %vol" for limit in _LEL_VOL)
        return (
            f"%vol is not converted, because it depends on the explosive limit; write %LEL: {value:g} %vol of methane"
            f" are {rest}, {risen}, and that basis is yours to choose"
        )
    meant = nearest(unit, UNITS)
    return f"{unit!r} is not a unit" + (f"; write {meant}" if meant else f"; the units are {', '.join(UNITS)}")
