"""What devices lack, and of each site's devices the one that lacks least: V2 of coverage.py."""

import numpy as np
from numpy.typing import NDArray

from devices.coverage_columns import NO_DAY, AsOf, Devices, day_number, each_months_after, months_before
from devices.coverage_gaps import DeviceGap
from devices.coverage_policy import Condition, Policy
from devices.models import DeviceKind

_SECOND_US = 1_000_000
#: A report that is not there yet is missed only after three of its intervals, as silence is (devices/models).
_INTERVALS = 3
#: Worse than every device.
NO_DEVICE = np.int32(2**31 - 1)


def best(
    policy: Policy, kind: DeviceKind, devices: Devices, at: AsOf, sites: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Of each site's devices of this kind the one that lacks least: how many reasons << 9 | whether by evidence << 8 |
    the reasons, NO_DEVICE where it has none; since when it has one; and the row of that device, -1 for none."""
    chosen = np.flatnonzero(devices.kind.where(kind))
    lacks, evidenced = device_gaps(policy, kind, devices, at)
    mine = lacks[chosen].astype(np.int32)
    rank = (np.bitwise_count(mine).astype(np.int32) << 9) | (evidenced[chosen].astype(np.int32) << 8) | mine
    least, since = np.full(sites, NO_DEVICE, np.int32), np.full(sites, NO_DEVICE, np.int32)
    np.minimum.at(least, devices.site[chosen], rank)
    np.minimum.at(since, devices.site[chosen], devices.installed[chosen])
    equal = rank == least[devices.site[chosen]]
    row = _first_by_identity(devices, chosen[equal], sites)
    return least, np.where(since == NO_DEVICE, np.int32(NO_DAY), since).astype(np.int32), row


def _first_by_identity(devices: Devices, rows: NDArray[np.intp], sites: int) -> NDArray[np.int32]:
    """One of `rows` for each site, -1 where there is none. Hardly any site has two that are equal."""
    found = np.full(sites, -1, np.int32)
    found[devices.site[rows]] = rows
    several = np.bincount(devices.site[rows], minlength=sites)[devices.site[rows]] > 1
    for row in sorted(rows[several].tolist(), key=lambda row: devices.identities[row], reverse=True):
        found[devices.site[row]] = row
    return found


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
