"""What the words of alarms, commands and incidents mean, in Chinese and English. A test fails for a word that has
none."""

from enum import Enum

from api.dictionary_devices import Words
from rules.decisions import (
    AlarmState,
    Change,
    HeldChange,
    IncidentChange,
    IncidentScope,
    Outcome,
    PermitState,
    Priority,
    Step,
)
from rules.instructions import FieldStep, Resolution

A, N, P = AlarmState, IncidentChange, PermitState

DECISION_WORDS: dict[type[Enum], tuple[str, Words, dict[Enum, Words]]] = {
    Priority: (
        "priority",
        ("报警优先级", "Priority of an alarm"),
        {
            Priority.CRITICAL: ("紧急", "Life is in danger"),
            Priority.HIGH: ("高", "High"),
            Priority.MEDIUM: ("中", "Medium"),
            Priority.LOW: ("低", "Low"),
        },
    ),
    AlarmState: (
        "alarm_state",
        ("报警状态（IEC 62682）", "State of an alarm (IEC 62682)"),
        {
            A.NORMAL: ("正常", "Normal"),
            A.UNACKNOWLEDGED: ("报警，未确认", "Active, acknowledged by nobody"),
            A.ACKNOWLEDGED: ("报警，已确认", "Active, acknowledged"),
            A.RETURNED_UNACKNOWLEDGED: ("已恢复，未确认", "Its condition is over, acknowledged by nobody"),
            A.LATCHED_UNACKNOWLEDGED: (
                "已恢复并锁存，未确认",
                "Over, but latched; acknowledged by nobody",
            ),
            A.LATCHED_ACKNOWLEDGED: ("已恢复并锁存，已确认", "Over, but latched until it is reset; acknowledged"),
            A.SHELVED: ("已搁置", "Shelved by a person for a time"),
            A.SUPPRESSED: ("按设计抑制：已有能解释它的报警", "Suppressed by design: an alarm that explains it stands"),
            A.OUT_OF_SERVICE: ("设备停用", "Its device is out of service"),
        },
    ),
    Change: (
        "alarm_change",
        ("报警的变化", "What became of an alarm"),
        {
            Change.ACKNOWLEDGED: ("已确认", "Somebody acknowledged it"),
            Change.RETURNED: ("已恢复", "Its condition is over"),
            Change.REALARMED: ("再次报警", "Its condition came again"),
            Change.RESET: ("已复位", "Somebody reset it"),
            Change.REMOVED: ("规则或设备已不存在", "Its rule or its device is no longer there"),
            Change.NOTED: ("说明有更新，状态不变", "Its note is another; its state is what it was"),
            Change.ESCALATED: ("已升级", "Its priority is higher now"),
            Change.SHELVED: ("已搁置", "Somebody shelved it"),
            Change.UNSHELVED: ("搁置结束", "It is shelved no longer"),
            Change.SUPPRESSED: ("按设计抑制", "Suppressed by design"),
            Change.UNSUPPRESSED: ("抑制结束", "Suppressed no longer"),
            Change.OUT_OF_SERVICE: ("设备停用", "Its device was taken out of service"),
            Change.IN_SERVICE: ("设备恢复使用", "Its device is in service again"),
            Change.COMMENTED: ("有人备注，状态不变", "Somebody commented on it; its state is what it was"),
            Change.RESOLVED: ("有人说明了原因", "Somebody said what it was"),
            Change.TRIED: ("规则试行与正式之间转换", "Its rule was tried and is in force now, or the other way round"),
        },
    ),
    Resolution: (
        "resolution",
        ("报警的性质（由人判定）", "What an alarm was, as a person found"),
        {
            Resolution.REAL: ("真实", "Real"),
            Resolution.FALSE: ("误报", "False"),
            Resolution.TEST: ("测试", "A test"),
            Resolution.MAINTENANCE: ("检修", "Maintenance"),
        },
    ),
    Step: (
        "command_step",
        ("指令的步骤", "How far an attempt of a command is"),
        {
            Step.REQUESTED: ("已请求", "It is to be sent"),
            Step.SENT: ("已发出", "It was handed to the link"),
            Step.ACKNOWLEDGED: ("设备已收到", "The device has received it"),
            Step.CONFIRMED: ("已看到阀门到位", "The valve was seen there"),
            Step.EXPIRED: ("已过期，不得再执行", "It is too old to be run"),
            Step.FAILED: ("失败", "It failed"),
            Step.UNVERIFIABLE: ("无法核实：设备不报告位置", "It cannot be seen: the device reports no position"),
        },
    ),
    Outcome: (
        "command_outcome",
        ("指令的结果", "How a command ended"),
        {
            Outcome.CONFIRMED: ("已看到阀门关闭", "The valve was seen closed"),
            Outcome.UNVERIFIABLE: ("无法核实", "It cannot be seen"),
            Outcome.CANCELLED: ("由人取消", "A person cancelled it"),
            Outcome.OVER: ("风机已无需运行", "Of a fan: nothing asks for it any more"),
        },
    ),
    PermitState: (
        "permit_state",
        ("开阀许可的状态（需两人）", "State of a permit to open a valve on site; it takes two people"),
        {
            P.REQUESTED: ("已申请", "One person asked for it"),
            P.GRANTED: ("已批准", "Another approved it"),
            P.COMPLETED: ("现场已完成", "It was done on site"),
            P.WITHDRAWN: ("已撤回", "A person withdrew it"),
            P.DEAD: ("已失效", "A newer close, an alarm or its time has ended it"),
        },
    ),
    HeldChange: (
        "held_change",
        ("因预算而暂缓的关阀", "A shut-off that a budget holds back"),
        {
            HeldChange.HELD: ("已暂缓", "It waits for a person"),
            HeldChange.RELEASED: ("已放行", "It was released"),
            HeldChange.VETOED: ("已否决", "It was vetoed"),
            HeldChange.OVER: ("等待期间报警已结束", "Its alarm ended while it waited"),
        },
    ),
    IncidentScope: (
        "incident_scope",
        ("事件的范围", "How far an incident reaches"),
        {
            IncidentScope.SITE: ("一处用户", "One site"),
            IncidentScope.RISER: ("一根立管", "One riser"),
            IncidentScope.BUILDING: ("一栋楼", "One building"),
            IncidentScope.AREA: ("一个区域", "One area"),
        },
    ),
    IncidentChange: (
        "incident_change",
        ("事件的变化", "What became of an incident"),
        {
            N.OPENED: ("已建立", "It was opened"),
            N.JOINED: ("有报警并入", "An alarm joined it"),
            N.ESCALATED: ("已升级", "Its priority is higher now"),
            N.MERGED: ("已并入更大的事件", "It is part of a larger one now"),
            N.DISPATCHED: ("已派人", "Somebody was sent"),
            N.ARRIVED: ("已到场", "Somebody is there"),
            N.FIELD_READING: ("现场测量", "It was measured on site"),
            N.STEPS_OPENED: ("须完成现场四步", "The four steps are to be done"),
            N.STEP_DONE: ("完成一步", "One of the steps is done"),
            N.COMMENTED: ("有人备注", "Somebody commented on it"),
            N.OVER: ("报警均已结束，待关闭", "None of its alarms is active; it waits to be closed"),
            N.CLOSED: ("已关闭", "It was closed"),
        },
    ),
    FieldStep: (
        "field_step",
        ("现场四步", "The four steps on site"),
        {
            FieldStep.EVACUATE: ("疏散", "Bring people out"),
            FieldStep.CORDON: ("警戒", "Keep people out"),
            FieldStep.CLOSE_UPSTREAM: ("关闭上游", "Close the gas upstream"),
            FieldStep.VENT: ("通风", "Let air in"),
        },
    ),
}
