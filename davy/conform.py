"""`davy devices conform`: a model beside what is asked of its kind and tier, from its papers and its own telemetry."""

import time
from typing import TYPE_CHECKING

from rich.text import Text

from davy.exits import CannotGoOn, Exit
from davy.output import console, shown, write_json
from davy.settings import Settings

if TYPE_CHECKING:
    from devices.conformance.conform import ClauseFound, Conformance
    from devices.models import DeviceModel

_DAY_US = 86_400_000_000
_MARKS = {
    "met": ("met", "符合", "green"),
    "not met": ("NOT MET", "不符合", "red"),
    "not observable": ("not observable", "无法观测", "yellow"),
}


async def conformance_of(settings: Settings, model: "DeviceModel", days: int, simulated: bool) -> "Conformance":
    """Of the last `days` days. Raises CannotGoOn."""
    from davy.database import database, refused_by_database
    from davy.output import progress
    from devices.conformance.conform import conform
    from devices.conformance.requirements import load_requirements
    from storage.conformance import evidence
    from storage.database import connect, ready

    if model.tier is None:
        raise CannotGoOn(
            Exit.USAGE, f"model {model.key} names no tier; requirements are by tier: say `tier` in its file"
        )
    now_us = time.time_ns() // 1_000
    async with database(settings) as url:
        with progress("counting what came"), refused_by_database():
            connection = await connect(url, name="conform")
            try:
                await ready(connection)
                seen = await evidence(
                    connection,
                    model.key,
                    from_us=now_us - days * _DAY_US,
                    to_us=now_us,
                    claims=model.measures,
                    report_interval_s=model.report_interval_s,
                    simulated=simulated,
                )
            finally:
                await connection.close()
    try:
        return conform(model.key, model.kind, model.tier, load_requirements(), seen)
    except ValueError as nothing:
        raise CannotGoOn(Exit.USAGE, str(nothing)) from nothing


def show_conformance(found: "Conformance", lang: str, as_json: bool) -> None:
    """For people in `zh` or `en`; or one JSON document."""
    if as_json:
        write_json(found)
        return
    zh = lang == "zh"
    screen = console()
    said, said_zh, colour = _MARKS[found.verdict]
    head = f"{found.model}（{found.kind}，{found.tier}）：" if zh else f"{found.model} ({found.kind}, {found.tier}): "
    screen.print(Text.assemble(shown(head), (said_zh if zh else said, colour)))
    for clause in found.clauses:
        _show_clause(clause, zh)
    if any(one.verdict == "not observable" for one in found.clauses):
        note = (
            "“无法观测”不是合格：证据不足，或从平台看不到。"
            if zh
            else ("`not observable` is no approval: too little was seen, or it cannot be seen from here.")
        )
        screen.print(note)


def _show_clause(found: "ClauseFound", zh: bool) -> None:
    screen, clause = console(), found.clause
    said, said_zh, colour = _MARKS[found.verdict]
    mark = said_zh if zh else said
    title = clause.title if zh else clause.title_en
    screen.print(Text.assemble((mark.ljust(15), colour), shown(f"{clause.place}  {title}")))
    for finding in found.findings:
        screen.print(Text(shown(f"{'':15}- {finding.reason if zh else finding.reason_en}")))
