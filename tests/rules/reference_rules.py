"""Of the naive reference: which rule looks at which device, with which numbers, when, and whether it is only tried."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from devices.fleet import Fleet
from devices.models import DeviceModel
from devices.sites import Site
from rules.documents.document import Kind, Override, Rule, RulePack, RuleState, Selection
from rules.language.canonical import quantities, walk
from rules.language.tree import Commanded, FlagTest, Missing, OfDevice, Parsed, WordTest
from rules.language.units import parse_number
from tests.rules.reference_terms import SECOND

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NUMBERS = ("at_or_above", "clear_below", "at_or_below", "clear_above", "hold_s", "clear_hold_s")


@dataclass(frozen=True)
class Here:
    """One rule at one device. rule: with the numbers that hold there. silent_us: how long a silence is; None: the rule
    is about something else."""

    rule: Rule
    parsed: Parsed
    looks: bool
    by_flags: bool
    silent_us: int | None
    zone: str
    site: str

    @property
    def numbers(self) -> dict[str, float]:
        return {name: parse_number(text)[0] for name, text in self.rule.numbers.items()}

    def inside(self, ts: int) -> bool:
        """Within the schedule, by the clock on the wall."""
        schedule = self.rule.schedule
        if schedule is None:
            return True
        wall = datetime.fromtimestamp(ts // SECOND, ZoneInfo(schedule.timezone or self.zone))
        now, today, before = f"{wall:%H:%M}", DAYS[wall.weekday()], DAYS[(wall.date() - timedelta(days=1)).weekday()]
        if schedule.from_ < schedule.until:
            return today in schedule.days and schedule.from_ <= now < schedule.until
        return (today in schedule.days and now >= schedule.from_) or (before in schedule.days and now < schedule.until)

    def trial(self) -> bool:
        if self.rule.state is RuleState.DRY_RUN:
            return True
        if self.rule.state is not RuleState.CANARY:
            return False
        drawn = hashlib.blake2b(f"{self.rule.id}|{self.site}".encode()).digest()[:8]
        return int.from_bytes(drawn, "big") % 10_000 >= self.rule.canary_pct * 100


def every(fleet: Fleet, pack: RulePack) -> dict[tuple[int, int], Here]:
    """By slot and rule number."""
    return {
        (slot, number): here(fleet, pack, slot, number)
        for slot in range(len(fleet))
        for number in range(len(pack.rules))
    }


def here(fleet: Fleet, pack: RulePack, slot: int, number: int) -> Here:
    rule = pack.rules[number]
    parsed = pack.parsed[number] if number < len(pack.parsed) else Parsed()
    device, model, site = fleet.devices[slot], fleet.model_by_slot[slot], fleet.site_by_slot[slot]
    if device is None or model is None or site is None:
        return Here(rule, parsed, False, False, None, "UTC", "")
    tags = {*device.tags, *site.tags}
    for override in pack.overrides:
        if override.rule == rule.id and fits(override.only, model, site, tags):
            rule = overridden(rule, override)
    silent_us = silence_of(rule, parsed, model)
    looks = (
        rule.state is not RuleState.DRAFT
        and fits(rule.only, model, site, tags)
        and (not rule.applies_to or model.kind in rule.applies_to)
        and (silent_us is None or silent_us >= 0)
    )
    flags_alone = all_unmeasured(rule, parsed, model)
    looks = looks and (not flags_alone or bool(rule.flags))
    return Here(rule, parsed, looks, looks and flags_alone, silent_us, site.timezone, site.key)


def overridden(rule: Rule, override: Override) -> Rule:
    given = {key: getattr(override, key) for key in NUMBERS if getattr(override, key) is not None}
    return msgspec.structs.replace(rule, **given, numbers={**rule.numbers, **override.numbers})


def fits(only: Selection, model: DeviceModel, site: Site, tags: set[str]) -> bool:
    return all(
        (
            not only.models or model.key in only.models,
            not only.tiers or model.tier in only.tiers,
            not only.measures or bool(set(only.measures) & set(model.measures)),
            not only.enterprises or site.enterprise in only.enterprises,
            not only.areas or any(site.area.startswith(area) for area in only.areas),
            not only.site_classes or (site.site_class or "household") in only.site_classes,
            not only.tags or bool(set(only.tags) & tags),
        )
    )


def silence_of(rule: Rule, parsed: Parsed, model: DeviceModel) -> int | None:
    """-1: it would be about silence, but no reading is promised."""
    intervals, fixed_us = 3.0, 0
    if isinstance(parsed.condition, Missing):
        intervals, fixed_us = parsed.condition.intervals, parsed.condition.fixed_us
    elif rule.kind is not Kind.SILENCE:
        return None
    if intervals and not model.report_interval_s:
        return -1
    return round(intervals * round(model.report_interval_s * SECOND)) + fixed_us


def all_unmeasured(rule: Rule, parsed: Parsed, model: DeviceModel) -> bool:
    """It has only the device's flags to look at: what else it is about is not measured."""
    if rule.kind is not Kind.MEASURED or isinstance(parsed.condition, Missing):
        return False
    if parsed.condition is None:
        return not rule.quantity or bool(model.measures and rule.quantity not in model.measures)
    if any(isinstance(node, FlagTest | WordTest | Commanded | OfDevice) for node in walk(parsed.condition)):
        return False
    named = quantities(parsed.condition)
    return not named or bool(model.measures and not set(named) & set(model.measures))
