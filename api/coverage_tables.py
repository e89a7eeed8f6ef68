"""The tables of a coverage report for people: the same in the workbook and in the PDF, in Chinese or English."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from api.coverage_figures import Figures, RankedFigures, ReportFigures, month_words
from api.coverage_words import Lang, local, word

#: What stands in a cell. A float is a share in percent.
Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class Table:
    """`texts`: how many columns at the left hold words; the rest are numbers."""

    key: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    texts: int


_NUMBERS = (
    "required",
    "installed",
    "installed_pct",
    "covered",
    "covered_pct",
    "observed",
    "evidenced",
    "uncovered",
    "late",
)


def title(report: ReportFigures, lang: Lang) -> str:
    said = report.header
    area = local(report.area_name, report.area_name_en, lang) or said.area
    return f"{area}{word('title', lang)}" if lang == "zh" else f"{word('title', lang)}: {area}"


def facts(report: ReportFigures, lang: Lang) -> tuple[tuple[str, str], ...]:
    """What the figures are of and were made by, as pairs of a word and what it is here."""
    said = report.header
    policy = local(report.policy_name, report.policy_name_en, lang)
    published = word("draft", lang) if said.published is None else _time(said.published, said.timezone)
    rows = [
        ("report", str(said.report)),
        ("area", f"{local(report.area_name, report.area_name_en, lang)} {said.area}".strip()),
        ("day", said.day.isoformat()),
        ("until", _time(said.until, said.timezone)),
        ("known", _time(said.known, said.timezone)),
        ("policy", f"{policy}，{report.policy_source}" if lang == "zh" else f"{policy}; {report.policy_source}"),
        ("version", f"{said.policy} {said.policy_sha256[:16]}"),
        ("rules", said.rules_sha256[:16]),
        ("code", said.code),
        ("phase", said.phase),
        ("published", published),
        ("corrects", "" if said.corrects is None else str(said.corrects)),
        ("digest", said.sha256),
    ]
    if said.simulated:
        rows.insert(2, ("simulated", word("yes", lang)))
    if said.missed:
        rows.append(("missed", word("yes", lang)))
    return tuple((word(key, lang), value) for key, value in rows if value)


def _time(at_us: int, zone: str) -> str:
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M (UTC%z)")


def tables(report: ReportFigures, lang: Lang) -> tuple[Table, ...]:
    """Those that have rows."""
    numbers = tuple(word(name, lang) for name in _NUMBERS)
    found = (
        Table(
            "classes",
            word("classes", lang),
            (word("class", lang), word("due", lang), word("target", lang), word("met", lang), *numbers),
            (*_classes(report, lang), (word("whole", lang), "", "", "", *_values(report.whole))),
            4,
        ),
        _ranking("townships", "area", report.townships, lang),
        _ranking("departments", "department", report.departments, lang),
        Table(
            "reasons",
            word("reasons", lang),
            (word("reason", lang), word("sites", lang)),
            tuple((local(one.name, one.name_en, lang), one.sites) for one in report.reasons),
            1,
        ),
        Table(
            "plans",
            word("plans", lang),
            tuple(word(name, lang) for name in ("area", "class", "month", "planned", "installed", "plan_late")),
            _plans(report, lang),
            3,
        ),
    )
    return tuple(one for one in found if one.rows)


def _classes(report: ReportFigures, lang: Lang) -> list[tuple[Cell, ...]]:
    rows: list[tuple[Cell, ...]] = []
    for one in report.classes:
        due = ", ".join(day.replace("gas_on", word("gas_on", lang)) for day in one.due)
        target = "" if one.target_pct is None else f"{one.target_pct} %"
        met = "" if one.met is None else word("yes" if one.met else "no", lang)
        rows.append((local(one.name, one.name_en, lang), due, target, met, *_values(one.figures)))
    return rows


def _ranking(key: str, first: str, ranked: Sequence[RankedFigures], lang: Lang) -> Table:
    columns = (word("rank", lang), word(first, lang), *(word(name, lang) for name in _NUMBERS))
    rows = tuple(
        (
            "–" if one.rank is None else str(one.rank),
            local(one.name, one.name_en, lang) or word("none", lang),
            *_values(one.figures),
        )
        for one in ranked
    )
    return Table(key, word(key, lang), columns, rows, 2)


def _plans(report: ReportFigures, lang: Lang) -> tuple[tuple[Cell, ...], ...]:
    names = {one.site_class: local(one.name, one.name_en, lang) for one in report.classes}
    places = {one.key: local(one.name, one.name_en, lang) for one in report.townships}
    places[report.header.area] = local(report.area_name, report.area_name_en, lang) or report.header.area
    return tuple(
        (
            places.get(row.area, row.area),
            names.get(row.site_class, row.site_class),
            month_words(row.month),
            row.planned,
            *((row.installed, row.late) if row.month <= report.header.day else (None, None)),
        )
        for row in report.plans
    )


def _values(one: Figures) -> tuple[Cell, ...]:
    return tuple(getattr(one, name) for name in _NUMBERS)
