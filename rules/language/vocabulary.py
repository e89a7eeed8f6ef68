"""The words of the expression language, so that an unknown one can be told from a misspelt one."""

import re

from devices.classes import Group
from devices.quantities import DEVICE_FLAGS, QUANTITY_NAMES, Flag, ValveCause, ValvePosition
from rules.language.syntax import KEYWORDS
from rules.language.tree import Property, Word
from rules.language.units import UNITS, nearest

#: What a device may say of itself, save BACKFILL, which is about the delivery.
FLAGS: tuple[str, ...] = tuple((flag.name or "").lower() for flag in DEVICE_FLAGS if flag != Flag.BACKFILL)
#: Flags that a condition cannot name: set by us, or about the delivery.
OURS: tuple[str, ...] = tuple(name for flag in Flag if (name := (flag.name or "").lower()) not in FLAGS)
#: Function -> how it is written.
FUNCTIONS: dict[str, str] = {
    "rate": "rate(quantity, 60 s)",
    "delta": "delta(quantity, 60 s)",
    "mean": "mean(quantity, 5 min)",
    "min": "min(quantity, 5 min)",
    "max": "max(quantity, 5 min)",
    "twa": "twa(co_ppm, 8 h)",
    "stel": "stel(co_ppm, 15 min)",
    "cohb": "cohb(co_ppm)",
    "count": "count(condition, 10 min)",
    "since": "since(condition)",
    "stuck": "stuck(quantity, 24 h)",
    "missing": "missing(3 * interval)",
    "any": "any(site, condition)",
    "at_least": "at_least(2, site, condition)",
    "any_heard": "any_heard(site, condition)",
    "at_least_heard": "at_least_heard(2, site, condition)",
}
COMMANDED = "commanded_closed"
GROUPS: tuple[str, ...] = tuple(group.value for group in Group)
#: Of each word test: what may stand on its right. What a device does not say (0) is unknown, and cannot be asked for.
WORDS: dict[Word, dict[str, int]] = {
    Word.VALVE: {one.name.lower(): one.value for one in ValvePosition if one},
    Word.VALVE_CAUSE: {one.name.lower(): one.value for one in ValveCause if one},
}
#: What a condition may name by itself.
NAMES: tuple[str, ...] = (*QUANTITY_NAMES, *FLAGS, *Property, *Word, COMMANDED)
RESERVED: frozenset[str] = frozenset(
    {*NAMES, *OURS, *FUNCTIONS, *GROUPS, *UNITS, *KEYWORDS, *WORDS[Word.VALVE], *WORDS[Word.VALVE_CAUSE]}
    | {"unknown", "true", "false", "m3", "mg"}
)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")


def number_name_fault(name: str) -> str:
    """Why a rule's own number cannot be called so; empty when it can."""
    if not _NAME.match(name):
        return f"{name!r} must be 1 to 40 of a-z 0-9 _, the first a letter"
    return f"{name!r} is a word of the language; choose another" if name in RESERVED else ""


def unknown_name(name: str, own: tuple[str, ...]) -> tuple[str, str]:
    """Reason and remedy for a name that means nothing. `own`: the rule's own numbers."""
    if name in OURS:
        return f"{name!r} is set by Davy, not by the device", "a condition sees what the device says; take it away"
    if name in FUNCTIONS:
        return f"{name!r} is a function", f"write {FUNCTIONS[name]}"
    for word, values in WORDS.items():
        if name in values and name not in NAMES:
            return f"{name!r} is a word by itself", f"write {word} == {name}"
    if name in GROUPS:
        return f"{name!r} is a group of devices", f"write any({name}, condition)"
    meant = nearest(name, (*NAMES, *own, *FUNCTIONS))
    if meant:
        return f"{name!r} is not known", f"did you mean {FUNCTIONS.get(meant, meant)}?"
    return f"{name!r} is not known", "write a quantity, a flag of the device, or a name of `numbers`"
