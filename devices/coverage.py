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

from devices.coverage_columns import NO_DAY, AsOf, Devices, Sites, day_number, months_before
from devices.coverage_devices import NO_DEVICE, best
from devices.coverage_gaps import SHIFT, DeviceGap, SiteGap
from devices.coverage_policy import Clause, Policy, SiteClass
from devices.models import DeviceKind


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Shape (sites,). of_class: index in policy.classes, -1: the policy does not speak of it. required: something is
    asked of it. gap: i8, 0 where it is covered (coverage_gaps.py). due: the earliest day that any clause set, NO_DAY
    where none did. late: a day that was set is over, and what was due by it does not count. installed: everything asked
    for is there, since the day `installed_on` (NO_DAY: not known since when). evidenced: it is covered, and not by what
    we saw ourselves alone (V4). nearest: for each of policy.kinds() the row of the device that lacks least, the first
    by identity of equal ones, -1 where the site has none or needs none."""

    of_class: NDArray[np.int16]
    required: NDArray[np.bool_]
    gap: NDArray[np.int64]
    due: NDArray[np.int32]
    late: NDArray[np.bool_]
    installed: NDArray[np.bool_]
    installed_on: NDArray[np.int32]
    evidenced: NDArray[np.bool_]
    nearest: tuple[NDArray[np.int32], ...]

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
    nearest: list[NDArray[np.int32]] = []
    unreached = sites.contact < day_number(months_before(at.day, policy.numbers.contact_months))
    for kind in policy.kinds():
        asked, until = _asked(policy, kind, sites, of_class)
        least, since, row = best(policy, kind, devices, at, n)
        nearest.append(np.where(asked, row, np.int32(-1)))
        lacks = np.where(least == NO_DEVICE, int(DeviceGap.MISSING), least & 0xFF).astype(np.int64)
        gap |= np.where(asked, lacks << SHIFT[kind], 0)
        evidenced |= asked & (least != NO_DEVICE) & ((least >> 8) & 1).astype(np.bool_)
        installed &= ~asked | (least != NO_DEVICE)
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
        nearest=tuple(nearest),
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
