"""`davy rules explain`: why a rule did or did not raise an alarm at a device and time."""

import asyncio
import time
from typing import TYPE_CHECKING, Annotated

import typer

from davy.exits import CannotGoOn, Exit
from davy.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from rules.documents.document import RulePack
    from rules.history.explain_types import Explained, Predicate, RuleExplained


def run_explain(
    ctx: typer.Context,
    device: Annotated[str, typer.Argument(help="vendor/serial")],
    at: Annotated[str, typer.Option("--at", help="2026-01-01T08:00+08:00; without a zone: UTC")],
    rule: Annotated[list[str] | None, typer.Option(help="only this rule (may be given several times)")] = None,
    rules: Annotated[list[str] | None, typer.Option(help="by these rules; not given: those in force then")] = None,
    lang: Annotated[str, typer.Option(help="zh or en")] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Say of every rule that looks at a device what it made of it at a time: each comparison with its value and limit,
    how far its timer was, and why it raised or did not. Recomputed from stored readings by the engine's own code."""
    from davy.output import write_json
    from davy.rules_backtest import pack_of, time_us

    if lang not in ("zh", "en"):
        raise CannotGoOn(Exit.USAGE, f"--lang {lang}: must be zh or en")
    at_us = time_us("--at", at)
    if at_us > time.time_ns() // 1_000:
        raise CannotGoOn(Exit.USAGE, f"--at {at}: it is not that late yet")
    pack = pack_of(rules) if rules else None
    explained = asyncio.run(_explain(ctx.obj.settings(), device, at_us, pack, tuple(rule or ())))
    if as_json:
        write_json(explained)
    else:
        _show(explained, zh=lang == "zh", asked=bool(rule))


async def _explain(
    settings: Settings, identity: str, at_us: int, pack: "RulePack | None", rules: tuple[str, ...]
) -> "Explained":
    from davy.backtest_shown import spoken_time
    from davy.database import database, refused_by_database
    from storage.backtests import rules_in_force
    from storage.database import connect, ready
    from storage.explained import explained

    async with database(settings) as url:
        with refused_by_database():
            connection = await connect(url, name="explain")
            try:
                await ready(connection)
                by = pack or await rules_in_force(connection, at_us)
                if by is None:
                    raise CannotGoOn(Exit.USAGE, "nobody knows which rules were in force then: give --rules")
                in_force = pack is None
                return await explained(
                    connection, url, identity, at_us, by, rules, spoken=spoken_time, in_force=in_force
                )
            except ValueError as wrong:
                raise CannotGoOn(Exit.USAGE, str(wrong)) from wrong
            finally:
                await connection.close()


def _show(explained: "Explained", *, zh: bool, asked: bool) -> None:
    from davy.backtest_shown import spoken_time
    from davy.output import console, shown

    def line(text: str) -> None:
        console().print(shown(text), markup=False)

    line(f"{explained.identity} ({explained.model}), {spoken_time(explained.at)} UTC")
    if explained.last is not None:
        values = [f"{name} {'?' if value is None else f'{value:g}'}" for name, value in explained.last.values.items()]
        said = ", ".join([*values, *explained.last.flags])
        line(f"  {'最近读数' if zh else 'last reading'} {spoken_time(explained.last.ts)}: {said or '-'}")
    quiet = 0
    for rule in explained.rules:
        if not asked and not (rule.predicates or rule.alarm or rule.running or rule.stood):
            quiet += 1
            continue
        _show_rule(rule, line, zh=zh)
    if quiet:
        zh_text = f"另有 {quiet} 条规则不看此设备的读数(--rule 可逐条查看)"
        line(zh_text if zh else f"and {quiet} rules that look at none of its readings (--rule asks one)")
    for turn in explained.turns:
        line(f"  {spoken_time(turn.at)} {turn.rule}: {turn.what} ({turn.state.name.lower()})")


def _show_rule(rule: "RuleExplained", line: "Callable[[str], None]", *, zh: bool) -> None:
    title, sentence = (rule.title_zh, rule.sentence_zh) if zh else (rule.title_en, rule.sentence_en)
    state = f" [{rule.state.name.lower()}]" if rule.alarm else ""
    line(f"{rule.rule} ({title}){state}: {sentence}")
    differs = rule.differs_zh if zh else rule.differs_en
    if differs:
        line(f"    {'当时' if zh else 'then'}: {differs}")
    for one in rule.predicates:
        line(f"    {_predicate(one, zh=zh)}")


def _predicate(one: "Predicate", *, zh: bool) -> str:
    from rules.history.explain_words import why_zh

    value = ""
    if one.comparator:
        least = ">= " if one.certainty == "at least" else ""
        value = f": {least}{_figure(one.value, one.unit)}"
        if one.named:
            value += f", {'比较值' if zh else 'compared with'} {_figure(one.threshold, one.unit)}"
    why = f" ({why_zh(one.why) if zh else one.why})" if one.why else ""
    return f"{one.role}: {one.text} = {one.says}{value}{why}"


def _figure(value: float | None, unit: str) -> str:
    from rules.language.tree import Dimension
    from rules.language.units import DURATION, shown

    if value is None:
        return "?"
    return shown(value, DURATION if unit == "s" else Dimension(unit))
