"""A scorecard as CSV (UTF-8 with a byte-order mark) and as a workbook, in Chinese and English.

X1  Text is text: nothing that somebody registered is ever a formula or a link.
X2  Where no promise was published it is said in words, and nothing stands as judged.
"""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from xlsxwriter.workbook import Workbook  # type: ignore[import-untyped]

from api.coverage_csv import harmless
from api.coverage_words import Lang
from devices.scorecard import STEPS, Line, Promise, Tally, lines, total
from storage.scorecards import Header

Parts = Sequence[tuple[str, Tally]]

_WORDS: dict[str, tuple[str, str]] = {
    "title": ("燃气安全装置运行与应急响应记分卡", "Scorecard of gas-safety devices and response"),
    "scorecard": ("记分卡编号", "Scorecard no."),
    "enterprise": ("企业", "Enterprise"),
    "kind": ("类别", "Kind"),
    "gas_company": ("燃气经营企业", "gas company"),
    "vendor": ("装置生产企业", "vendor of devices"),
    "area": ("地区", "Area"),
    "everywhere": ("（全部）", "(everywhere)"),
    "month": ("月份", "Month"),
    "known": ("档案截至", "Register as of"),
    "until": ("记录截至", "Events until"),
    "published": ("发布时间", "Published"),
    "draft": ("未发布（草稿）", "not published (draft)"),
    "corrects": ("更正记分卡编号", "Corrects scorecard no."),
    "simulated": ("模拟数据", "simulated sites"),
    "promise": ("公开承诺的应急响应时间", "Published promise of response"),
    "no_promise": ("未公布承诺，不作评判", "no promise published; nothing is judged"),
    "by_company": ("按各燃气经营企业的承诺", "by each gas company's promise"),
    "digest": ("校验值（SHA-256）", "SHA-256"),
    "figure": ("指标", "Figure"),
    "part": ("数量", "Count"),
    "whole": ("基数", "Of"),
    "share": ("比例", "Share %"),
    "promised": ("承诺时限（秒）", "Promised within (s)"),
    "total": ("合计", "Total"),
    "users_connected": ("已联网用户", "Users connected"),
    "devices_reporting": ("有数据的装置", "Devices reporting"),
    "acknowledged": ("已确认的报警", "Alarms acknowledged"),
    "dispatched": ("已派工的报警", "Alarms dispatched"),
    "arrived": ("已到场的报警", "Alarms arrived at"),
    "closed": ("已办结的报警", "Alarms closed"),
    "in_time": ("（按承诺及时）", " in time"),
    "others": ("其他报警（不计时）", "Other alarms (not timed)"),
}


def card_word(key: str, lang: Lang) -> str:
    """Of a figure too: `arrived_in_time`."""
    if key.endswith("_in_time"):
        return card_word(key.removesuffix("_in_time"), lang) + card_word("in_time", lang)
    return _WORDS[key][0 if lang == "zh" else 1]


def card_facts(card: Header, lang: Lang) -> tuple[tuple[str, str], ...]:
    """What the figures are of, as pairs of a word and what it is here."""
    rows = [
        ("scorecard", str(card.scorecard)),
        ("enterprise", card.enterprise),
        ("kind", card_word(card.kind, lang)),
        ("area", card.area or card_word("everywhere", lang)),
        ("month", f"{card.month:%Y-%m} ({card.timezone})"),
        ("known", _time(card.known, card.timezone)),
        ("until", _time(card.until, card.timezone)),
        ("promise", _promised(card, lang)),
        ("published", card_word("draft", lang) if card.published is None else _time(card.published, card.timezone)),
        ("digest", card.sha256),
    ]
    if card.corrects is not None:
        rows.append(("corrects", str(card.corrects)))
    found = [(card_word(key, lang), value) for key, value in rows]
    return (*found, (card_word("simulated", lang), "✓")) if card.simulated else tuple(found)


def _promised(card: Header, lang: Lang) -> str:
    if card.kind == "vendor":
        return card_word("by_company", lang)
    if not card.promises:
        return card_word("no_promise", lang)
    return "; ".join(_limits(one, lang) for one in card.promises)


def _limits(one: Promise, lang: Lang) -> str:
    said = [(name, getattr(one, f"{name}_s")) for name in STEPS]
    limits = ", ".join(f"{card_word(name, lang)} ≤ {limit} s" for name, limit in said if limit is not None)
    return f"{one.since}: {limits} ({one.place})"


def _time(at_us: int, zone: str) -> str:
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M (UTC%z)")


def _tables(card: Header, parts: Parts) -> list[tuple[str, Tally, tuple[Line, ...]]]:
    """The whole under the empty name, then each area (M4: they add up)."""
    each = [("", total(tally for _, tally in parts)), *((area, tally) for area, tally in parts if area)]
    return [(area, tally, lines(tally, card.promises)) for area, tally in each]


def card_csv(card: Header, parts: Parts) -> bytes:
    """One row for each figure of the whole (`part` empty) and of each area."""
    rows: list[tuple[object, ...]] = [
        ("scorecard", "enterprise", "month", "area", "part", "figure", "count", "of", "share_pct", "promised_s")
    ]
    of = (card.scorecard, harmless(card.enterprise), f"{card.month:%Y-%m}", card.area)
    for area, tally, figures in _tables(card, parts):
        for line in figures:
            rows.append((*of, area, line.key, line.part, line.whole, _said(line.share_pct), _said(line.promised_s)))
        rows.append((*of, area, "alarms", tally.alarms, tally.alarms + tally.others, "", ""))
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode("utf-8-sig")


def _said(value: float | None) -> object:
    return "" if value is None else value


def card_xlsx(card: Header, parts: Parts, lang: Lang) -> bytes:
    """One sheet: what it is of, then the figures of the whole and of each area."""
    into = io.BytesIO()
    book = Workbook(into, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    at = card.until if card.published is None else card.published
    made = datetime.fromtimestamp(at / 1_000_000, UTC).replace(tzinfo=None)
    book.set_properties({"created": made, "title": card_word("title", lang)})
    bold, share = book.add_format({"bold": True}), book.add_format({"num_format": '0.00"%"'})
    sheet = book.add_worksheet(card_word("scorecard", lang)[:31])
    sheet.set_column(0, 0, 34)
    sheet.set_column(1, 5, 18)
    sheet.write_string(0, 0, card_word("title", lang), bold)
    row = 2
    for name, value in card_facts(card, lang):
        sheet.write_string(row, 0, name)
        sheet.write_string(row, 1, value)
        row += 1
    for area, tally, figures in _tables(card, parts):
        row += 1
        sheet.write_string(row, 0, area or card_word("total", lang), bold)
        for column, key in enumerate(("part", "whole", "share", "promised"), 1):
            sheet.write_string(row, column, card_word(key, lang), bold)
        for line in figures:
            row += 1
            sheet.write_string(row, 0, card_word(line.key, lang))
            sheet.write_number(row, 1, line.part)
            sheet.write_number(row, 2, line.whole)
            if line.share_pct is None:
                sheet.write_string(row, 3, "–")
            else:
                sheet.write_number(row, 3, line.share_pct, share)
            if line.promised_s is not None:
                sheet.write_number(row, 4, line.promised_s)
        row += 1
        sheet.write_string(row, 0, card_word("others", lang))
        sheet.write_number(row, 1, tally.others)
        row += 1
    book.close()
    return into.getvalue()
