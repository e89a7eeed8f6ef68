"""Why a site is not covered: the reasons as bits, and what people read of them.

Y1  A site's gap is one u8 of device reasons for each kind of device its policy asks for, and one of the site itself. A
    site is covered when all of them are 0.
Y2  The bits are stored with published figures: a bit keeps its meaning for ever, and a new reason takes a new bit.
"""

from enum import IntFlag

from devices.models import DeviceKind


class DeviceGap(IntFlag):
    """Why no device of a kind counts: that of the device that lacks least."""

    MISSING = 1
    SILENT = 2
    CALIBRATION_OVER = 4
    LIFE_OVER = 8
    NO_RULES = 16
    CLOSING_UNPROVEN = 32
    NO_EVIDENCE = 64


class SiteGap(IntFlag):
    NO_CONTACT = 1


#: The bits of a kind begin here in the one number that is stored of a gap; those of the site at 0. Y2 holds here too.
SHIFT = {DeviceKind.DETECTOR: 8, DeviceKind.SELF_CLOSING_VALVE: 16, DeviceKind.SHUT_OFF_VALVE: 24, DeviceKind.FAN: 32}

KIND_WORDS = {
    DeviceKind.DETECTOR: ("报警装置", "detector"),
    DeviceKind.SELF_CLOSING_VALVE: ("自闭阀", "self-closing valve"),
    DeviceKind.SHUT_OFF_VALVE: ("紧急切断阀", "shut-off valve"),
    DeviceKind.FAN: ("排风机", "fan"),
}
_DEVICE_WORDS = {
    DeviceGap.MISSING: ("未安装", "missing"),
    DeviceGap.SILENT: ("无有效数据", "does not report"),
    DeviceGap.CALIBRATION_OVER: ("检定到期或日期不明", "calibration over or not known"),
    DeviceGap.LIFE_OVER: ("超过使用年限或日期不明", "past its life or that is not known"),
    DeviceGap.NO_RULES: ("未配置报警规则", "no alarm rule looks at it"),
    DeviceGap.CLOSING_UNPROVEN: ("关闭功能未经验证", "closing not proven"),
    DeviceGap.NO_EVIDENCE: ("无现场查验记录", "no record from the site"),
}
_SITE_WORDS = {SiteGap.NO_CONTACT: ("无可联系人", "nobody can be reached")}


def reasons() -> dict[int, str]:
    """Every reason's word, such as `detector_silent`, by its bit, in the order of the bits."""
    found = {int(gap): gap.name.lower() for gap in SiteGap if gap.name}
    for kind, shift in SHIFT.items():
        found |= {int(gap) << shift: f"{kind}_{gap.name.lower()}" for gap in DeviceGap if gap.name}
    return dict(sorted(found.items()))


REASONS = reasons()
BIT_OF = {word: bit for bit, word in REASONS.items()}


def reasons_of(gap: int) -> tuple[str, ...]:
    """The words of one gap, in the order of their bits."""
    return tuple(word for bit, word in REASONS.items() if gap & bit)


def shown(reason: str, lang: str) -> str:
    """One reason for people, in Chinese (`zh`) or English."""
    bit, which = BIT_OF[reason], 0 if lang == "zh" else 1
    for kind, shift in SHIFT.items():
        if (bit >> shift) & 0xFF:
            said = _DEVICE_WORDS[DeviceGap(bit >> shift)][which]
            return f"{KIND_WORDS[kind][which]}{said}" if lang == "zh" else f"{KIND_WORDS[kind][which]}: {said}"
    return _SITE_WORDS[SiteGap(bit)][which]
