"""Is there enough to choose from? Pure.

Source: 武隆府办发〔2022〕5 号，附件 1，四（二）:
供用户选择的销售安装单位原则上不少于 3 家，每家销售安装单位高中低档三档产品至少各 1 种.
It is asked of each kind of device by itself (product choice: who looks for a valve is not helped by three makers of
detectors): at least three vendors of it, and each of them with at least one product of each tier.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from devices.models import DeviceKind, Tier

LEAST_VENDORS = 3
KINDS = (DeviceKind.DETECTOR, DeviceKind.SELF_CLOSING_VALVE)
_TIERS = (Tier.LOW, Tier.MID, Tier.HIGH)
_ZH = {DeviceKind.DETECTOR: "报警器", DeviceKind.SELF_CLOSING_VALVE: "自闭阀"}
_ZH_TIER = {Tier.LOW: "低档", Tier.MID: "中档", Tier.HIGH: "高档"}


@dataclass(frozen=True, slots=True)
class Offered:
    """A product of a vendor."""

    enterprise: str
    kind: DeviceKind
    tier: Tier


@dataclass(frozen=True, slots=True)
class Lack:
    """enterprise: who lacks it; empty: the catalogue as a whole."""

    enterprise: str
    kind: DeviceKind
    words: str
    words_en: str


def lacks(offered: Iterable[Offered]) -> tuple[Lack, ...]:
    """What a catalogue of these products lacks, in a fixed order; empty when it is enough."""
    tiers: dict[tuple[DeviceKind, str], set[Tier]] = {}
    for one in offered:
        tiers.setdefault((one.kind, one.enterprise), set()).add(one.tier)
    found: list[Lack] = []
    for kind in KINDS:
        vendors = sorted(enterprise for of, enterprise in tiers if of is kind)
        if len(vendors) < LEAST_VENDORS:
            word = kind.value.replace("_", " ")
            found.append(
                Lack(
                    "",
                    kind,
                    f"{_ZH[kind]}只有 {len(vendors)} 家，应不少于 {LEAST_VENDORS} 家",
                    f"{word}s: {len(vendors)} vendors, at least {LEAST_VENDORS} are asked",
                )
            )
        for vendor in vendors:
            found += [_without(vendor, kind, tier) for tier in _TIERS if tier not in tiers[kind, vendor]]
    return tuple(found)


def _without(vendor: str, kind: DeviceKind, tier: Tier) -> Lack:
    return Lack(
        vendor,
        kind,
        f"{vendor} 没有{_ZH_TIER[tier]}{_ZH[kind]}",
        f"{vendor} has no {kind.value.replace('_', ' ')} of the {tier.value} tier",
    )
