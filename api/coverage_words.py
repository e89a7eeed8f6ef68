"""The words of a coverage report in Chinese and English. A word is looked up by what it means; both must be there."""

from typing import Literal

Lang = Literal["zh", "en"]

WORDS: dict[str, tuple[str, str]] = {
    "title": ("燃气安全装置覆盖情况通报", "Coverage by gas-safety devices"),
    "draft": ("未发布（草稿）", "not published (draft)"),
    "simulated": ("模拟数据", "simulated sites"),
    "area": ("地区", "Area"),
    "day": ("统计日期", "Day"),
    "until": ("数据截至", "Readings until"),
    "known": ("档案截至", "Register as of"),
    "published": ("发布时间", "Published"),
    "computed": ("计算时间", "Computed"),
    "policy": ("依据", "Policy"),
    "version": ("政策版本", "Policy version"),
    "rules": ("规则版本", "Rules version"),
    "code": ("软件版本", "Software version"),
    "report": ("通报编号", "Report no."),
    "corrects": ("更正通报编号", "Corrects report no."),
    "missed": ("补编", "made up for later"),
    "digest": ("校验值（SHA-256）", "SHA-256"),
    "phase": ("阶段", "Phase"),
    "whole": ("合计", "Total"),
    "summary": ("概况", "Summary"),
    "classes": ("各类用户", "Classes of users"),
    "townships": ("乡镇（街道）排名", "Ranking of townships"),
    "departments": ("部门排名", "Ranking of departments"),
    "reasons": ("未覆盖原因", "Reasons of gaps"),
    "plans": ("安装计划", "Plans"),
    "gaps": ("未覆盖用户", "Users not covered"),
    "rank": ("名次", "Rank"),
    "name": ("名称", "Name"),
    "class": ("用户类别", "Class"),
    "department": ("主管部门", "Department"),
    "none": ("（未填）", "(none)"),
    "due": ("完成时限", "Due"),
    "gas_on": ("通气时", "at gas-on"),
    "target": ("目标", "Target"),
    "met": ("达标", "Met"),
    "yes": ("是", "yes"),
    "no": ("否", "no"),
    "sites": ("用户数", "Users"),
    "required": ("应装", "Required"),
    "installed": ("已装", "Installed"),
    "installed_pct": ("安装率", "Installed %"),
    "covered": ("已覆盖", "Covered"),
    "covered_pct": ("覆盖率", "Covered %"),
    "observed": ("其中：在线核实", "observed"),
    "evidenced": ("其中：现场查验", "evidenced"),
    "uncovered": ("未覆盖", "Not covered"),
    "late": ("其中：逾期", "of these late"),
    "reason": ("原因", "Reason"),
    "site": ("用户编号", "User"),
    "enterprise": ("燃气企业", "Gas company"),
    "manager": ("物业", "Property manager"),
    "month": ("月份", "Month"),
    "planned": ("计划", "Planned"),
    "plan_late": ("滞后", "Behind"),
    "not_addressed": ("政策未涉及的用户", "Users that the policy does not speak of"),
    "page": ("第 {} 页，共 {} 页", "Page {} of {}"),
    "how": (
        "“已装”不等于“已覆盖”：装置须有有效数据（或现场查验记录）、在检定有效期和使用年限内、配有报警规则，"
        "自闭阀的关闭功能经过验证，并且用户可以联系。一户可以有多个未覆盖原因，因此各原因之和可大于未覆盖户数。",
        "Installed is not covered: a device must report (or be evidenced on site), be in calibration and within its"
        " life and have an alarm rule; a self-closing valve must have been proven to close; and somebody must be"
        " reachable. A user may have several reasons, so the reasons may add up to more than the users.",
    ),
}


def word(key: str, lang: Lang) -> str:
    return WORDS[key][0 if lang == "zh" else 1]


def local(zh: str, en: str, lang: Lang) -> str:
    """Whichever there is, in this language first."""
    return (zh or en) if lang == "zh" else (en or zh)
