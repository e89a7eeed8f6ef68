"""Random conditions as text, near the values that random readings have, so that they are true, false and unknown."""

import random

#: Of each unit: what limits and readings are drawn from, and its quantities.
LIMITS: dict[str, tuple[str, ...]] = {
    "%LEL": ("0", "10", "14.9", "15", "20", "49", "50"),
    "ppm": ("0", "30", "30.1", "50", "400"),
    "%": ("5", "10", "12", "50"),
    "kPa": ("1.5", "2", "2.001", "5"),
}
QUANTITIES = {
    "%LEL": ("combustible_lel",),
    "ppm": ("co_ppm",),
    "%": ("battery_pct", "humidity_pct"),
    "kPa": ("pressure_kpa",),
}
FLAGS = ("low_alarm", "high_alarm", "co_alarm", "fault", "warm_up", "tamper", "mains_loss")
SIGNS = (">=", ">", "<=", "<", "==", "!=", ">=", ">")
WINDOWS = ("1 s", "2 s", "7 s", "12 s", "60 s", "5 min", "1 h")
EXPOSURES = ("60 s", "61.7 s", "5 min", "1 h")
GROUPS = ("site", "riser", "building", "area", "gateway")
#: The rule's own numbers, with their values.
OWN = {"limit": "20 %LEL", "co_limit": "30.1 ppm", "patience": "5 s", "half": "0.5"}
_OF_UNIT = {"%LEL": "limit", "ppm": "co_limit", "s": "patience", "": "half"}


def condition(rng: random.Random, depth: int = 2, *, plain: bool = False, voting: bool = False) -> str:
    """Any condition but missing(...). plain: as count and since may hold; voting: as a vote may hold."""
    sort = rng.random()
    if depth > 0 and sort < 0.25:
        parts = [condition(rng, depth - 1, plain=plain, voting=voting) for _ in range(rng.choice((2, 2, 3)))]
        return "(" + f" {rng.choice(('and', 'or'))} ".join(parts) + ")"
    if depth > 0 and sort < 0.33:
        return f"not {condition(rng, 0, plain=plain, voting=voting)}"
    if sort < 0.43:
        return rng.choice(FLAGS)
    if sort < 0.5:
        test = rng.choice(("valve == closed", "valve != open", "valve_cause == alarm", "valve_cause != manual"))
        return f"({test})"
    if not plain:
        if sort < 0.55:
            name, window = rng.choice([one for names in QUANTITIES.values() for one in names]), rng.choice(WINDOWS)
            return f"stuck({name}, {window})"
        if not voting and sort < 0.58:
            return "commanded_closed"
        if not voting and sort < 0.75:
            return _vote(rng)
    return f"({_comparison(rng, plain=plain)})"


def of_others(rng: random.Random) -> str:
    """A condition that asks what other devices say, or whether a closing is wanted."""
    first = rng.choice(("commanded_closed", "not commanded_closed", _vote(rng), _vote(rng)))
    return f"({first} {rng.choice(('and', 'or'))} {condition(rng, 1)})"


def _vote(rng: random.Random) -> str:
    group, inner = rng.choice(GROUPS), condition(rng, 1, voting=True)
    least = rng.choice((1, 2, 2, 3))
    heard = rng.choice(("", "", "_heard"))
    return f"any{heard}({group}, {inner})" if least == 1 else f"at_least{heard}({least}, {group}, {inner})"


def _comparison(rng: random.Random, *, plain: bool) -> str:
    units = [*LIMITS, *LIMITS, "s", *(() if plain else ("rate", "count", "cohb"))]
    unit, sign = rng.choice(units), rng.choice(SIGNS)
    if unit == "rate":
        of = rng.choice(tuple(LIMITS))
        left, right = f"rate({rng.choice(QUANTITIES[of])}, {rng.choice(WINDOWS)})", f"{rng.choice(LIMITS[of])} {of}/min"
    elif unit == "count":
        left, right = f"count({condition(rng, 1, plain=True)}, {rng.choice(WINDOWS)})", rng.choice(("0", "1", "2", "3"))
    elif unit == "cohb":
        left, right = "cohb(co_ppm)", rng.choice(("0.5 %", "2 %", "10 %"))
    elif unit == "s":
        right = rng.choice(("1 s", "5 s", "10 s", "2 min", "patience"))
        left = _duration(rng, plain=plain)
    else:
        left, right = _number(rng, unit, plain=plain), _number(rng, unit, plain=plain, simple=True)
    return f"{right} {sign} {left}" if rng.random() < 0.15 else f"{left} {sign} {right}"


def _duration(rng: random.Random, *, plain: bool) -> str:
    if plain:
        return rng.choice(("patience", "2 * patience", "7 s"))
    sort = rng.random()
    if sort < 0.2:
        return rng.choice(("interval", "2 * interval", "life_left", "calibration_left", "interval + patience"))
    return f"since({condition(rng, 1, plain=True)})"


def _number(rng: random.Random, unit: str, *, plain: bool, simple: bool = False, depth: int = 2) -> str:
    sort, name = rng.random(), rng.choice(QUANTITIES[unit])
    if simple and sort < 0.85:
        own = _OF_UNIT.get(unit)
        return own if own and rng.random() < 0.2 else f"{rng.choice(LIMITS[unit])} {unit}"
    if not plain and sort < 0.45:
        if unit in ("%LEL", "ppm") and rng.random() < 0.35:
            return f"{rng.choice(('twa', 'stel'))}({name}, {rng.choice(EXPOSURES)})"
        return f"{rng.choice(('mean', 'min', 'max', 'delta'))}({name}, {rng.choice(WINDOWS)})"
    if sort < 0.65 and depth > 0:
        one, other = (_number(rng, unit, plain=plain, depth=depth - 1) for _ in range(2))
        by = rng.choice(("half", "2", "-1", "0", f"({one} / {other})"))
        return rng.choice((f"({one} + {other})", f"({one} - {other})", f"({one} * {by})", f"({one} / {by})", f"-{one}"))
    return name
