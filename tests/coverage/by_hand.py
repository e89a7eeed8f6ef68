"""Seed 001, Annex 1, computed by hand: site by site, with dates and plain conditions, from the rows a clerk would have.
It shares nothing with devices/coverage*.py but the words of the reasons."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from devices.models import DeviceKind
from tests.coverage.city import AREA, END_US, KINDS, TODAY, City, model

_HOUR = 3_600_000_000
_YEAR_AGO = TODAY.replace(year=TODAY.year - 1)


@dataclass(slots=True)
class Expected:
    site_class: str
    required: set[str] = field(default_factory=set)
    reasons: set[str] = field(default_factory=set)
    evidenced: bool = False
    late: bool = False
    installed: bool = False

    @property
    def covered(self) -> bool:
        return bool(self.required) and not self.reasons


def by_hand(city: City, unit_users_by: date) -> dict[str, Expected]:
    facts = {one["site"]: one for one in city.facts}
    found = {}
    for site in city.sites:
        if site["area"].startswith(AREA) and not site["simulated"]:
            found[site["key"]] = _site(city, site, facts[site["key"]], unit_users_by)
    return found


def _site(city: City, site: dict[str, Any], facts: dict[str, Any], unit_users_by: date) -> Expected:
    expected = Expected(_class(site, facts))
    tall = facts.get("building_height_m", 0.0) > 100
    gas_on = date.fromisoformat(facts["gas_on"]) if facts["gas_on"] else date(2022, 1, 10)
    due: dict[str, date | None] = {}
    match expected.site_class:
        case "new_unit":
            due["detector"] = gas_on
        case "existing_unit":
            due["detector"] = unit_users_by
        case "new_resident":
            due["self_closing_valve"] = gas_on
            if tall:
                due["detector"] = gas_on
        case "old_neighbourhood" | "hardship":
            due["self_closing_valve"] = date(2022, 12, 31)
            if tall:
                due["detector"] = date(2022, 12, 31)
        case "other_resident":
            due["self_closing_valve"] = None
            if tall:
                due["detector"] = date(2022, 12, 31)
    expected.required = set(due)
    reached = any(_YEAR_AGO <= day <= TODAY for day in city.reached.get(site["key"], []))
    there = [True]
    for kind, until in due.items():
        lacks, evidenced = _best(city, site, kind)
        expected.reasons |= {f"{kind}_{one}" for one in lacks}
        expected.evidenced |= evidenced
        there.append("missing" not in lacks)
        if until is not None and until < TODAY and (lacks or not reached):
            expected.late = True
    if due and not reached:
        expected.reasons.add("no_contact")
    expected.evidenced = expected.evidenced and expected.covered
    expected.installed = bool(due) and all(there)
    return expected


def _class(site: dict[str, Any], facts: dict[str, Any]) -> str:
    if facts["gas_supply"] not in ("", "natural_gas"):
        return ""
    unit = site["site_class"] not in ("", "household")
    new = facts["gas_on"] >= "2022-01-10" if facts["gas_on"] else facts["neighbourhood"] == "new"
    if unit:
        return "new_unit" if new else "existing_unit"
    if new:
        return "new_resident"
    if facts["neighbourhood"] == "old":
        return "old_neighbourhood"
    return "hardship" if facts["hardship"] else "other_resident"


def _best(city: City, site: dict[str, Any], kind: str) -> tuple[set[str], bool]:
    bits = ("missing", "silent", "calibration_over", "life_over", "no_rules", "closing_unproven", "no_evidence")
    found = []
    for device in city.devices:
        if KINDS[device["model"]] != kind:
            continue
        place = _place(city, device)
        if place is not None and place[0] == site["key"]:
            lacks, evidenced = _lacks(city, device, site, place[1])
            found.append((len(lacks), evidenced, sum(1 << bits.index(one) for one in lacks), lacks))
    if not found:
        return {"missing"}, False
    _, evidenced, _, lacks = min(found, key=lambda one: one[:3])
    return lacks, evidenced


def _place(city: City, device: dict[str, Any]) -> tuple[str, dict[str, Any] | None] | None:
    """Where a device was on the day, and by which installation; None: nowhere."""
    identity = f"davysim/{device['serial']}"
    mine = [one for one in city.installations if one["identity"] == identity]
    if mine:
        for one in mine:
            if date.fromisoformat(one["since"]) <= TODAY and not one.get("until", "9999") <= TODAY.isoformat():
                return one["site"], one
        return None
    return None if device.get("installed", "") > TODAY.isoformat() else (device["site"], None)


def _lacks(
    city: City, device: dict[str, Any], site: dict[str, Any], work: dict[str, Any] | None
) -> tuple[set[str], bool]:
    identity, one = f"davysim/{device['serial']}", model(device["model"])
    lacks, evidenced = set(), False
    seen = work and [d for d in (work.get("inspected"), work.get("gas_on_check")) if d and d <= TODAY.isoformat()]
    worked = bool(seen) and max(seen or [""]) >= _YEAR_AGO.isoformat()
    recorded = worked or bool(work and work.get("evidence") and work["since"] >= _YEAR_AGO.isoformat())
    # A reading counts by its hour.
    heard = [at // _HOUR * _HOUR + _HOUR for at, good, _ in city.said.get(identity, []) if good and at < END_US]
    window_us = max(86_400, 3 * one.report_interval_s) * 1e6
    reports = any(at >= END_US - window_us for at in heard)
    if one.kind is DeviceKind.SELF_CLOSING_VALVE and one.tier == "low":
        if not reports:
            evidenced = True
            if not recorded:
                lacks.add("no_evidence")
    elif not reports:
        lacks.add("silent")
    installed = (work or {}).get("since") or device.get("installed", "")
    used = device.get("installed") or (work or {}).get("since", "")
    if one.kind is DeviceKind.DETECTOR:
        due = device.get("calibration_due") or (_year_after(installed) if installed else "")
        if due < TODAY.isoformat():
            lacks.add("calibration_over")
        if site["enterprise"] != "gas-a":
            lacks.add("no_rules")
    else:
        closed = [at for at in city.confirmed.get(identity, []) if at < END_US]
        closed += [at for at, good, valve in city.said.get(identity, []) if good and valve == 3 and at < END_US]
        local = [datetime.fromtimestamp(at / 1e6, UTC) + timedelta(hours=8) for at in closed]
        if not any(day.date() >= _YEAR_AGO for day in local):
            if worked:
                evidenced = True
            else:
                lacks.add("closing_unproven")
    printed = {facts["identity"]: facts["life_end"] for facts in city.device_facts}.get(identity)
    if (printed or _life(one, site, used)) < TODAY.isoformat():
        lacks.add("life_over")
    return lacks, evidenced


def _life(one: Any, site: dict[str, Any], used: str) -> str:
    if not used:
        return ""
    days = one.life_days
    if days is None and one.kind is DeviceKind.DETECTOR:
        days = 5 * 365 if site["site_class"] in ("", "household") else 3 * 365
    return (date.fromisoformat(used) + timedelta(days=days or 10 * 365)).isoformat()


def _year_after(day: str) -> str:
    found = date.fromisoformat(day)
    leap = (found.month, found.day) == (2, 29)
    return found.replace(year=found.year + 1, day=28 if leap else found.day).isoformat()
