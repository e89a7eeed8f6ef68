"""Sentences of explanations, in the two languages that rules have titles in."""

from devices.quantities import Quality
from rules.history.explain_types import Reason

#: Reason -> (zh, en). In braces: what the caller knows of it.
SENTENCES: dict[Reason, tuple[str, str]] = {
    Reason.DRAFT: ("规则是草稿,不参与判断。", "The rule is a draft: nobody judges by it."),
    Reason.OTHER_KIND: ("规则不适用于此类设备({kind})。", "The rule is not for devices of this kind ({kind})."),
    Reason.NOT_SELECTED: ("规则的 only 条件不包含此设备。", "The rule's `only` leaves this device out."),
    Reason.NOT_MEASURED: (
        "此型号不测量规则所用的量,也没有可看的标志。",
        "The model measures none of what the rule is about, and it has no flags to look at.",
    ),
    Reason.OF_THE_ENGINE: (
        "此规则不看读数:由联锁、通信或预算触发。",
        "The rule looks at no reading: the interlock, the way in or the budget raises it.",
    ),
    Reason.GROUP_TOO_LARGE: (
        "规则在一个设备过多的分组中表决,此处不重算。",
        "The rule votes in a group of too many devices: that is not computed again here.",
    ),
    Reason.NOT_HEARD: (
        "在所查时间内设备没有可用的读数。",
        "In the time looked at the device sent no reading that rules can see.",
    ),
    Reason.OUTSIDE_SCHEDULE: ("不在规则的时段内。", "It is outside the rule's schedule."),
    Reason.NOT_TRUE: ("条件不成立。", "The condition is false."),
    Reason.NOT_KNOWN: (
        "条件未知({why}):未知既不触发也不消除。",
        "The condition is unknown ({why}): unknown raises nothing and clears nothing.",
    ),
    Reason.HOLDING: (
        "条件自 {since} 起成立,须持续 {lasts},已过 {passed}。",
        "The condition has been true since {since}; it must last {lasts}, and {passed} have passed.",
    ),
    Reason.HELD_LATE: (
        "最近一条读数是迟到或陈旧的,规则看不到。",
        "The last reading is late or stale: rules do not see it.",
    ),
    Reason.STANDS: ("报警自 {onset} 起,条件仍成立。", "In alarm since {onset}; the condition still stands."),
    Reason.BETWEEN: (
        "报警自 {onset} 起;条件已不成立,但尚未达到解除条件。",
        "In alarm since {onset}; the condition is no longer true, but the clear condition is not reached.",
    ),
    Reason.CLEAR_UNKNOWN: (
        "报警自 {onset} 起;解除条件未知({why}),故保持。",
        "In alarm since {onset}; whether it is over is unknown ({why}), so it stays.",
    ),
    Reason.CLEARING: (
        "报警自 {onset} 起;解除条件自 {since} 起成立,须持续 {lasts},已过 {passed}。",
        "In alarm since {onset}; gone since {since}, which must last {lasts}, and {passed} have passed.",
    ),
    Reason.RETURNED: (
        "条件已消失,等待确认(起始 {onset})。",
        "The condition is gone; the alarm of {onset} waits to be acknowledged.",
    ),
    Reason.LATCHED: (
        "条件已消失,报警锁定,等待人工确认并复位(起始 {onset})。",
        "The condition is gone; the alarm of {onset} is latched until a person acknowledges and resets it.",
    ),
    Reason.SILENT: (
        "自 {heard} 起没有收到读数,超过 {lasts}。",
        "Nothing was heard since {heard}, which is longer than {lasts}.",
    ),
    Reason.HEARD: (
        "最近一次收到读数是 {heard};沉默 {lasts} 后报警。",
        "Last heard at {heard}; an alarm after {lasts} of silence.",
    ),
}

#: Said besides of an alarm that began before what was looked at.
OLDER_KNOWN = (
    "起始早于所查的读数,取自当时的记录。",
    "It began before what was looked at; its onset is as it was written then.",
)
OLDER = (
    "所查的第一条读数时即已如此,可能开始得更早。",
    "It was so from the first reading that was looked at on, and may have begun earlier.",
)

#: Why a predicate is unknown, beyond a quality.
STALE = "the reading is stale"
FEW_VOTES = "not enough of the group is known"
SHORT_WINDOW = "not enough of the window is known"
NOT_REGISTERED = "the registry does not say it"
NOT_SAID = "the reading does not say it"
NOBODY_KNOWS = "nobody knows"
_WHY_ZH = {
    STALE: "读数陈旧",
    FEW_VOTES: "组内已知的设备不足",
    SHORT_WINDOW: "时间窗内已知的数据不足",
    NOT_REGISTERED: "台账未登记",
    NOT_SAID: "读数未说明",
    NOBODY_KNOWS: "无人知道",
}
_QUALITY_ZH = {
    Quality.GOOD: "正常",
    Quality.NOT_MEASURED: "未测量",
    Quality.OUT_OF_RANGE: "超出可能范围",
    Quality.SENSOR_FAULT: "传感器故障",
    Quality.WARM_UP: "预热中",
    Quality.INHIBITED: "已抑制",
    Quality.STALE: "陈旧",
    Quality.SENTINEL: "无效占位值",
}


def of_quality(quantity: str, quality: Quality) -> str:
    """Why a quantity is unknown."""
    return f"{quantity}: {quality.name.lower()}"


def why_zh(why: str) -> str:
    """The same in Chinese; quantities keep the names that rules call them by."""
    quantity, between, quality = why.partition(": ")
    if between and quality.upper() in Quality.__members__:
        return f"{quantity}: {_QUALITY_ZH[Quality[quality.upper()]]}"
    return _WHY_ZH.get(why, why)


def sentences(reason: Reason, known: dict[str, str]) -> tuple[str, str]:
    """(zh, en)"""
    zh, en = SENTENCES[reason]
    in_zh = {key: why_zh(text) if key == "why" else text for key, text in known.items()}
    return zh.format(**in_zh), en.format(**known)
