"""A rule pack: TOML in, frozen rules out, and every fault named with its place before a rule can judge anything.

1. A pack that loads is complete: each rule has all the numbers its kind needs, and none that its kind would ignore.
2. No number is NaN or infinite, no limit lies outside what its quantity can physically be, no hysteresis is inverted,
   also where overrides hold; no condition is true of every reading or of none.
3. Only a rule about a detector's own readings may close a valve, and a pack that closes valves also holds the rules
   that say when a closing failed, had no valve, was undone, waits for a valve to wake, or is held back.
4. No alarm is hidden by itself, and no critical gas alarm by any other.
"""

from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from devices.typed_faults import typed_faults
from rules.decisions import Priority
from rules.documents.expressions import parse_rule
from rules.documents.faults import Fault, PackRefused, PlacedFault, Places
from rules.documents.keys import LONGEST_HOLD_S, RULE_FLAGS, rule_faults
from rules.documents.merged import default_pack
from rules.documents.overrides import MOST_OVERRIDES, Made, combined_faults, override_faults
from rules.documents.together import MOST_RULES, missing_kinds, together_faults
from rules.documents.toml import plain, read_toml, refused
from rules.documents.types import (
    Action,
    Budget,
    Escalation,
    Kind,
    Override,
    Rule,
    RulePack,
    RuleState,
    Schedule,
    Selection,
    Title,
)
from rules.language.tree import Parsed

__all__ = [
    "LONGEST_HOLD_S",
    "MOST_RULES",
    "RULE_FLAGS",
    "Action",
    "Budget",
    "Escalation",
    "Kind",
    "Override",
    "PackRefused",
    "Rule",
    "RulePack",
    "RuleState",
    "Schedule",
    "Selection",
    "Title",
    "default_pack",
    "load_pack",
]

_Table = TypeVar("_Table", bound=msgspec.Struct)
PRIORITIES = {priority.name.lower(): priority for priority in Priority}


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    rule: list[dict[str, Any]]
    override: list[dict[str, Any]] = []


@dataclass(slots=True)
class _Reading:
    """A document on its way to a pack. Lists are in document order; None: that one is at fault."""

    document: _Document
    places: Places
    kept: bool
    rules: list[Rule | None] = field(default_factory=list)
    parsed: list[Parsed | None] = field(default_factory=list)
    overrides: list[Override | None] = field(default_factory=list)
    faults: list[PlacedFault] = field(default_factory=list)

    def refuse(self, table: str, index: int, fault: Fault) -> None:
        if fault.weighed and self.kept:
            return
        fields = self.document.rule[index] if table == "rule" else self.document.override[index]
        name = fields.get("id" if table == "rule" else "rule")
        what = "rule" if table == "rule" else "override of"
        called = f"{what} {name!r}" if isinstance(name, str) else f"{table} number {index + 1}"
        self.faults.append(PlacedFault(self.places.of(table, index, fault.key), called, fault))


def load_pack(body: bytes, name: str, *, kept: bool = False) -> RulePack:
    """The rules in a TOML document. `name` is its file's name, for people. `kept`: the pack is in force already, in a
    log that an older Davy may have written, so it need not hold the kinds of rule that are required since, and is not
    refused for what was found against its meaning since: an engine must come up again with the rules it had (G3).

    Raises PackRefused, a ValueError with one line per fault: `name:line: rule 'id': key: reason`, as much of it as can
    be known."""
    text, said = read_toml(body, name)
    try:
        document = msgspec.convert(said, _Document)
    except msgspec.ValidationError as wrong:
        raise refused(name, plain(str(wrong))) from wrong
    tables = {"rule": len(document.rule), "override": len(document.override)}
    reading = _Reading(document, Places(name, text, tables), kept)
    _read_rules(reading)
    _read_overrides(reading)
    rules = [rule for rule in reading.rules if rule is not None]
    if len(rules) == len(reading.rules):
        whole = (PlacedFault(name, "", Fault("", reason)) for reason in missing_kinds(rules, kept=kept))
        reading.faults += whole
        parsed = [one or Parsed() for one in reading.parsed]
        for index, there, fault in together_faults(rules, parsed):
            seen = "" if there is None else f" ({reading.places.of('rule', there)})"
            reading.refuse("rule", index, Fault(fault.key, fault.reason + seen))
    if reading.faults:
        raise PackRefused(reading.faults)
    overrides = tuple(one for one in reading.overrides if one is not None)
    return RulePack(name, document.version, tuple(rules), overrides, tuple(one or Parsed() for one in reading.parsed))


def _read_rules(reading: _Reading) -> None:
    for index, fields in enumerate(reading.document.rule):
        rule, faults = _convert(fields, Rule)
        parsed: Parsed | None = None
        if rule is not None:
            faults = list(rule_faults(rule))
            parsed, wrong = parse_rule(rule)
            faults += wrong
        reading.rules.append(rule)
        reading.parsed.append(parsed)
        for fault in faults:
            reading.refuse("rule", index, fault)


def _read_overrides(reading: _Reading) -> None:
    if (many := len(reading.document.override)) > MOST_OVERRIDES and not reading.kept:
        reason = f"{many} overrides; a pack has at most {MOST_OVERRIDES}"
        reading.faults.append(PlacedFault(reading.places.name, "", Fault("", reason)))
        return
    by_id = {rule.id: at for at, rule in enumerate(reading.rules) if rule is not None}
    sound: dict[str, list[int]] = {}
    named = [fields.get("id") for fields in reading.document.rule]
    for index, fields in enumerate(reading.document.override):
        override, faults = _convert(fields, Override)
        if override is not None and (override.rule in by_id or override.rule not in named):
            at = by_id.get(override.rule)
            rule, parsed = (None, None) if at is None else (reading.rules[at], reading.parsed[at])
            faults = list(override_faults(override, rule, parsed))
            if not faults and parsed is not None:
                sound.setdefault(override.rule, []).append(index)
        reading.overrides.append(override)
        for fault in faults:
            reading.refuse("override", index, fault)
    if reading.kept:
        return  # it was looked at when it was brought in, and serves whatever is thought of it since
    made = Made()
    for rule_id, indexes in sound.items():
        rule, parsed = reading.rules[by_id[rule_id]], reading.parsed[by_id[rule_id]]
        several = [one for at in indexes if (one := reading.overrides[at]) is not None]
        if rule is not None and parsed is not None:
            for at, fault in combined_faults(several, rule, parsed, made):
                reading.refuse("override", indexes[at], fault)


def _convert(fields: dict[str, Any], kind: type[_Table]) -> tuple[_Table | None, list[Fault]]:
    """The table as a `kind`, or None and what is wrong with its types."""
    said, faults = _in_numbers(fields)
    faults += [Fault(key, plain(reason)) for key, reason in typed_faults(said, kind)]
    return (None, faults) if faults else (msgspec.convert(said, kind), [])


def _in_numbers(fields: dict[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    """A rule's table with its priorities as the numbers they are; a word that is none is a fault, and stands as one
    that is, so that the rest can be looked at."""
    faults: list[Fault] = []

    def number(table: dict[str, Any], key: str) -> dict[str, Any]:
        if "priority" not in table:
            return table
        word = table["priority"]
        if not (isinstance(word, str) and word in PRIORITIES):
            faults.append(Fault(key, f"{word!r} is not one of {', '.join(PRIORITIES)}"))
            word = "low"
        return table | {"priority": PRIORITIES[word].value}

    said = number(fields, "priority")
    if isinstance(several := said.get("escalate"), list):
        said = said | {
            "escalate": [
                number(one, f"escalate[{at}].priority") if isinstance(one, dict) else one
                for at, one in enumerate(several)
            ]
        }
    return said, faults
