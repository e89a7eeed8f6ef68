"""Who is covered: a policy, and sites and devices as columns, to a verdict on every site. Pure numpy, no I/O.

V1  Installed is not covered. A site is covered when for every kind of device that its clauses ask for it has one that
    meets every condition that its kind and tier can meet, and somebody there can be reached.
V2  Of several devices of a kind one that counts is enough: a device more never makes a site worse, a device less never
    better. A site's reasons are those of the device that lacks least (of equal ones, that with the lowest bits).
V3  Every site that must have something and is not covered has at least one reason; one that is covered has none.
V4  Covered is either observed (we saw it ourselves: readings, a closing) or evidenced (at least one condition of one
    kind rests on a dated record from the site). The two are never added up unnamed.
V5  Nothing depends on the order of devices, and nothing on that of sites but the order of the verdicts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.coverage_columns import (
    NO_DAY,
    AsOf,
    Devices,
    Sites,
    day_number,
    each_months_after,
    months_before,
)
from devices.coverage_gaps import SHIFT, DeviceGap, SiteGap
from devices.coverage_policy import Clause, Condition, Policy, SiteClass
from devices.models import DeviceKind

_SECOND_US = 1_000_000
#: A report that is not there yet is missed only after three of its intervals, as silence is (devices/models).
_INTERVALS = 3
#: Worse than every device.
_NONE = np.int32(2**31 - 1)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Shape (sites,). of_class: index in policy.classes, -1: the policy does not speak of it. required: something is
    asked of it. gap: i8, 0 where it is covered (coverage_gaps.py). due: the earliest day that any clause set, NO_DAY
    where none did. late: a day that was set is over, and what was due by it does not count. installed: everything asked
    for is there, since the day `installed_on` (NO_DAY: not known since when). evidenced: it is covered, and not by what
    we saw ourselves alone (V4)."""

    of_class: NDArray[np.int16]
    required: NDArray[np.bool_]
    gap: NDArray[np.int64]
    due: NDArray[np.int32]
    late: NDArray[np.bool_]
    installed: NDArray[np.bool_]
    installed_on: NDArray[np.int32]
    evidenced: NDArray[np.bool_]

    @property
    def covered(self) -> NDArray[np.bool_]:
        covered: NDArray[np.bool_] = self.required & (self.gap == 0)
        return covered

    @property
    def observed(self) -> NDArray[np.bool_]:
        return self.covered & ~self.evidenced


def assess(policy: Policy, sites: Sites, devices: Devices, at: AsOf) -> Verdicts:
    """The verdict on every site. Linear in sites and devices; some 30 bytes for each beside its columns."""
    n, today = len(sites), day_number(at.day)
    of_class = _classes(policy, sites)
    gap = np.zeros(n, np.int64)
    required, late, evidenced = np.zeros(n, np.bool_), np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    due, installed_on, installed = np.full(n, NO_DAY, np.int32), np.full(n, NO_DAY, np.int32), np.ones(n, np.bool_)
    unreached = sites.contact < day_number(months_before(at.day, policy.numbers.contact_months))
    for kind in policy.kinds():
        asked, until = _asked(policy, kind, sites, of_class)
        best, since = _best(policy, kind, devices, at, n)
        lacks = np.where(best == _NONE, int(DeviceGap.MISSING), best & 0xFF).astype(np.int64)
        gap |= np.where(asked, lacks << SHIFT[kind], 0)
        evidenced |= asked & (best != _NONE) & ((best >> 8) & 1).astype(np.bool_)
        installed &= ~asked | (best != _NONE)
        installed_on = np.where(asked, np.maximum(installed_on, since), installed_on)
        dated = asked & (until != NO_DAY)
        late |= dated & (until < today) & ((lacks != 0) | unreached)
        due = np.where(dated & ((due == NO_DAY) | (until < due)), until, due)
        required |= asked
    gap |= np.where(required & unreached, int(SiteGap.NO_CONTACT), 0)
    return Verdicts(
        of_class=of_class,
        required=required,
        gap=gap,
        due=due,
        late=late,
        installed=installed & required,
        installed_on=installed_on,
        evidenced=evidenced & (gap == 0),
    )


def _classes(policy: Policy, sites: Sites) -> NDArray[np.int16]:
    """The first class that each site fits; -1 for one with another supply."""
    # The day the gas was turned on says who is new; the neighbourhood only where nobody knows that day.
    new = np.where(sites.gas_on == NO_DAY, sites.new, sites.gas_on >= day_number(policy.new_since))
    found = np.full(len(sites), -1, np.int16)
    open_ = sites.supply.where(*policy.supplies)
    for n, one in enumerate(policy.classes):
        fits = open_ & (found < 0) & _fits(one, sites, new)
        found[fits] = n
    return found


def _fits(one: SiteClass, sites: Sites, new: NDArray[np.bool_]) -> NDArray[np.bool_]:
    fits = sites.resident if one.users == "resident" else ~sites.resident
    fits = fits & (new if one.stock == "new" else ~new)
    if one.neighbourhood == "old":
        fits = fits & sites.old
    return fits & sites.hardship if one.hardship else fits


def _asked(
    policy: Policy, kind: DeviceKind, sites: Sites, of_class: NDArray[np.int16]
) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
    """Which sites must have such a device, and until when: the earliest day of the clauses that ask for it."""
    asked, until = np.zeros(len(sites), np.bool_), np.full(len(sites), NO_DAY, np.int32)
    for clause in policy.clauses:
        if clause.device is not kind:
            continue
        mine = np.isin(of_class, [policy.class_names().index(name) for name in clause.classes])
        if clause.above_m is not None:
            mine &= np.nan_to_num(sites.height_m, nan=0.0) > clause.above_m
        then = _until(clause, sites, policy)
        until = np.where(mine & (then != NO_DAY) & ((until == NO_DAY) | (then < until)), then, until)
        asked |= mine
    return asked, until


def _until(clause: Clause, sites: Sites, policy: Policy) -> NDArray[np.int32]:
    if clause.at_gas_on:
        # Nobody wrote down when its gas was turned on, and it is said to be new: it was not before the policy.
        first = np.int32(day_number(policy.new_since))
        return np.where(sites.gas_on == NO_DAY, first, sites.gas_on).astype(np.int32)
    return np.full(len(sites), day_number(clause.by), np.int32)


def _best(
    policy: Policy, kind: DeviceKind, devices: Devices, at: AsOf, sites: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Of each site's devices of this kind the one that lacks least: how many reasons << 9 | whether by evidence << 8 |
    the reasons, _NONE where it has no such device; and since when it has one."""
    chosen = np.flatnonzero(devices.kind.where(kind))
    lacks, evidenced = device_gaps(policy, kind, devices, at)
    mine = lacks[chosen].astype(np.int32)
    rank = (np.bitwise_count(mine).astype(np.int32) << 9) | (evidenced[chosen].astype(np.int32) << 8) | mine
    best, since = np.full(sites, _NONE, np.int32), np.full(sites, _NONE, np.int32)
    np.minimum.at(best, devices.site[chosen], rank)
    np.minimum.at(since, devices.site[chosen], devices.installed[chosen])
    return best, np.where(since == _NONE, np.int32(NO_DAY), since)


def device_gaps(
    policy: Policy, kind: DeviceKind, devices: Devices, at: AsOf
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """What each device lacks as one of this kind (of devices of another kind it says nothing), as bits of DeviceGap,
    and whether what it does not lack rests on evidence."""
    terms, numbers, today = policy.terms(kind), policy.numbers, np.int32(day_number(at.day))
    gaps, evidenced = np.zeros(len(devices), np.uint8), np.zeros(len(devices), np.bool_)

    def lack(where: NDArray[np.bool_], what: DeviceGap) -> None:
        gaps[where] |= np.uint8(what)

    if Condition.REPORTING in terms.conditions:
        within_s = np.maximum(numbers.reporting_within_s, _INTERVALS * devices.interval_s.astype(np.float64))
        oldest_us = at.until_us - within_s * _SECOND_US
        seen = (devices.seen_us > 0) & (devices.seen_us >= oldest_us) & (devices.seen_us <= at.until_us)
        need_not = devices.tier.where(*terms.evidence_tiers)
        shown = devices.evidence >= day_number(months_before(at.day, numbers.evidence_months))
        lack(~seen & ~need_not, DeviceGap.SILENT)
        lack(~seen & need_not & ~shown, DeviceGap.NO_EVIDENCE)
        evidenced |= ~seen & need_not
    if Condition.CALIBRATION in terms.conditions:
        supposed = each_months_after(devices.installed, numbers.calibration_months)
        last = np.where(devices.calibration_due == NO_DAY, supposed, devices.calibration_due)
        lack(last < today, DeviceGap.CALIBRATION_OVER)
    if Condition.LIFE in terms.conditions:
        lack(devices.life_end < today, DeviceGap.LIFE_OVER)
    if Condition.RULES in terms.conditions:
        lack(~devices.ruled, DeviceGap.NO_RULES)
    if Condition.CLOSING in terms.conditions:
        oldest = day_number(months_before(at.day, numbers.closing_months))
        seen_closed, tested = devices.closed >= oldest, devices.worked >= oldest
        lack(~seen_closed & ~tested, DeviceGap.CLOSING_UNPROVEN)
        evidenced |= ~seen_closed & tested
    return gaps, evidenced
