"""What was shown then beside what is recomputed, and in what they differ.

Readings say what a rule makes of a device. What people saw is more: somebody had shelved the alarm, the device was out
of service, the rule had taken itself back, a valve had answered otherwise. That is written, and is not guessed again.
"""

from collections.abc import Callable, Iterator

import msgspec

from rules.decisions import AlarmState
from rules.history.explain_types import RuleExplained, Stood, Written

#: State -> (zh, en).
_STATES: dict[AlarmState, tuple[str, str]] = {
    AlarmState.NORMAL: ("正常", "normal"),
    AlarmState.UNACKNOWLEDGED: ("未确认", "unacknowledged"),
    AlarmState.ACKNOWLEDGED: ("已确认", "acknowledged"),
    AlarmState.RETURNED_UNACKNOWLEDGED: ("已恢复未确认", "returned and unacknowledged"),
    AlarmState.LATCHED_UNACKNOWLEDGED: ("锁定未确认", "latched and unacknowledged"),
    AlarmState.LATCHED_ACKNOWLEDGED: ("锁定已确认", "latched and acknowledged"),
    AlarmState.SHELVED: ("已搁置", "shelved"),
    AlarmState.SUPPRESSED: ("已抑制", "suppressed"),
    AlarmState.OUT_OF_SERVICE: ("设备停用", "out of service"),
}


def beside(rule: RuleExplained, written: Written | None, spoken: Callable[[int], str]) -> RuleExplained:
    """With the alarm that stood then, and in what it differs. `written` None: as it was."""
    if written is None:
        return rule
    stood = next((one for one in written.stood if one.rule == rule.rule), None)
    found = [*_differences(rule, stood, spoken)]
    reverted = next((one for one in written.reverted if one.rule == rule.rule), None)
    if reverted is not None:
        when = spoken(reverted.at)
        found.append(
            (
                f"规则已于 {when} 自行撤回({reverted.what}),其报警仅为试运行",
                f"the rule had taken itself back at {when} ({reverted.what}), so its alarms were trials",
            )
        )
    zh, en = ";".join(one for one, _ in found), "; ".join(one for _, one in found)
    return msgspec.structs.replace(rule, stood=stood, differs_zh=zh, differs_en=en)


def _differences(rule: RuleExplained, stood: Stood | None, spoken: Callable[[int], str]) -> Iterator[tuple[str, str]]:
    if stood is None:
        if rule.alarm:
            yield "当时没有此报警的记录", "no such alarm was written then"
        return
    zh, en = _STATES[stood.state]
    who_zh, who_en = (f",{stood.by}", f" by {stood.by}") if stood.by else ("", "")
    said = f": {stood.comment}" if stood.comment else ""
    step_zh = f"{spoken(stood.at)} {stood.change}{who_zh}{said}"
    step_en = f"{stood.change} at {spoken(stood.at)}{who_en}{said}"
    if not rule.alarm:
        yield f"当时有报警,显示为{zh}({step_zh})", f"an alarm stood then, shown as {en} ({step_en})"
        return
    if stood.state is not rule.state:
        yield f"当时显示为{zh}({step_zh})", f"it was shown as {en} ({step_en})"
    if stood.onset != rule.onset:
        yield f"当时记录的起始为 {spoken(stood.onset)}", f"its onset was written as {spoken(stood.onset)}"
    if stood.priority is not rule.priority:
        name = stood.priority.name.lower()
        yield f"当时优先级为 {name}", f"its priority was {name}"
    if stood.trial is not rule.trial:
        yield ("当时仅为试运行", "it was a trial") if stood.trial else ("当时并非试运行", "it was no trial")
