"""What can be asked of a model, by name: from its papers, or from what its devices did.

Q1  A share counts as met when even its lower bound is what is asked, as not met when even its upper bound is below it;
    between the two, too little was seen: not observable, with how much was.
Q2  What cannot be seen from here is `not observable`, never met: a claim is no evidence.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from devices.conformance.bounds import wilson
from devices.conformance.evidence import Evidence, Share


class Verdict(StrEnum):
    MET = "met"
    NOT_MET = "not met"
    NOT_OBSERVABLE = "not observable"


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question. share, low, high: what was seen and its bounds; None where it is a matter of papers.
    reason: in plain words, zh and en."""

    asked: str
    verdict: Verdict
    reason: str
    reason_en: str
    share: Share | None = None
    low: float | None = None
    high: float | None = None


#: The share of devices that must do what their model must do. Product choice: one of twenty may be broken.
MOST_DEVICES = 0.95
#: The share of report intervals in which a reading must come. Product choice: radio loses some.
KEPT_INTERVALS = 0.90
#: The share of closings that must be seen closed within the model's own deadline. Product choice.
CLOSED_IN_TIME = 0.95

Question = Callable[[str, Evidence], Finding]


def _paper(scheme: str) -> Question:
    def ask(asked: str, seen: Evidence) -> Finding:
        if scheme in seen.papers.in_force:
            return Finding(asked, Verdict.MET, f"{scheme} 证书有效", f"a {scheme} certificate is in force")
        if scheme in seen.papers.expired:
            day = seen.papers.expired[scheme]
            return Finding(
                asked, Verdict.NOT_MET, f"{scheme} 证书已于 {day} 到期", f"the {scheme} certificate ran out on {day}"
            )
        return Finding(asked, Verdict.NOT_MET, f"没有登记 {scheme} 证书", f"no {scheme} certificate is registered")

    return ask


def _claims(quantity: str) -> Question:
    def ask(asked: str, seen: Evidence) -> Finding:
        if quantity in seen.claims:
            return Finding(
                asked, Verdict.MET, f"型号声明可测 {quantity}", f"the model says that it measures {quantity}"
            )
        return Finding(asked, Verdict.NOT_MET, f"型号未声明可测 {quantity}", f"the model does not measure {quantity}")

    return ask


def _shared(of: Callable[[Evidence], Share], least: float, what: str, what_en: str) -> Question:
    def ask(asked: str, seen: Evidence) -> Finding:
        return weighed(asked, of(seen), least, what, what_en)

    return ask


def weighed(asked: str, share: Share, least: float, what: str, what_en: str) -> Finding:
    """Q1."""
    low, high = wilson(share)
    said = f"{what}：{share.n} 个中有 {share.k} 个"
    said_en = f"{what_en}: {share.k} of {share.n}"
    if share.n == 0:
        verdict, said, said_en = Verdict.NOT_OBSERVABLE, f"{what}：尚无观测", f"{what_en}: nothing was seen yet"
    elif low >= least:
        verdict = Verdict.MET
    elif high < least:
        verdict = Verdict.NOT_MET
    else:
        verdict = Verdict.NOT_OBSERVABLE
        said += f"，不足以判断是否达到 {least:.0%}"
        said_en += f", too few to tell whether it is {least:.0%}"
    return Finding(asked, verdict, said, said_en, share, low, high)


def _sent(quantity: str) -> Question:
    return _shared(
        lambda seen: seen.sent.get(quantity, Share(0, seen.reported.k)),
        MOST_DEVICES,
        f"在线设备发送过有效的 {quantity}",
        f"devices heard that sent a good {quantity}",
    )


def _concentration(asked: str, seen: Evidence) -> Finding:
    """Of the gases that the model claims, each must be sent; without a claim methane."""
    gases = [gas for gas in ("combustible_lel", "co_ppm") if gas in seen.claims] or ["combustible_lel"]
    found = [_sent(gas)(asked, seen) for gas in gases]
    return next((one for one in found if one.verdict is Verdict.NOT_MET), None) or next(
        (one for one in found if one.verdict is Verdict.NOT_OBSERVABLE), found[0]
    )


def _identifier(kind: str, zh: str) -> Question:
    return _shared(
        lambda seen: seen.identifiers.get(kind, Share(0, seen.devices)),
        MOST_DEVICES,
        f"设备登记有{zh}",
        f"devices with {kind} identifier registered",
    )


def _unseen(zh: str, en: str) -> Question:
    def ask(asked: str, _: Evidence) -> Finding:
        return Finding(asked, Verdict.NOT_OBSERVABLE, zh, en)

    return ask


#: Every name that a clause may ask.
QUESTIONS: dict[str, Question] = {
    "certificate:CPA": _paper("CPA"),
    "certificate:Ex": _paper("Ex"),
    "certificate:fire": _paper("fire"),
    "certificate:standard": _paper("standard"),
    "certificate:CJ/T 447": _paper("CJ/T 447"),
    "claims:combustible_lel": _claims("combustible_lel"),
    "claims:co_ppm": _claims("co_ppm"),
    "sends:combustible_lel": _sent("combustible_lel"),
    "sends:co_ppm": _sent("co_ppm"),
    "sends:concentration": _concentration,
    "sends:state": _shared(
        lambda seen: seen.state, MOST_DEVICES, "在线设备发送过运行状态", "devices heard that sent their running state"
    ),
    "sends:valve": _shared(
        lambda seen: seen.valve_state,
        MOST_DEVICES,
        "在线设备发送过阀门开闭状态",
        "devices heard that sent the valve's position",
    ),
    "sends:shut_off_valve": _shared(
        lambda seen: seen.linked_reports,
        MOST_DEVICES,
        "联锁切断阀的开闭状态已被采集",
        "detectors with a valve whose position was seen",
    ),
    "sends:alarm": _shared(
        lambda seen: seen.alarms,
        MOST_DEVICES,
        "浓度超限时设备自身的报警已到达平台",
        "high concentrations that the device itself reported as an alarm",
    ),
    "transmits": _shared(lambda seen: seen.reported, MOST_DEVICES, "设备有数据到达平台", "devices that were heard"),
    "keeps_interval": _shared(
        lambda seen: seen.intervals, KEPT_INTERVALS, "上报周期内有数据", "report intervals in which a reading came"
    ),
    "shuts_off": _shared(
        lambda seen: seen.closings,
        CLOSED_IN_TIME,
        "联锁关阀在期限内被确认",
        "closings that were seen closed within the deadline",
    ),
    "identifier:passive": _identifier("passive", "被动标识"),
    "identifier:active": _identifier("active", "主动标识"),
    "tells_users": _unseen(
        "设备厂家如何告知用户，平台看不到；须由检查或抽样证明",
        "how the vendor tells its users cannot be seen from here; an inspection or a sample must show it",
    ),
}
