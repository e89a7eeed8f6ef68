"""A coverage report on paper (docs/decisions/0017-reports-on-paper-by-typst.md).

X1  What somebody registered reaches the typesetter as data, never as its language; it reads no files but its template
    and the font, and nothing from a network.
X2  The document names no time but the report's own, so that the same report gives the same bytes.
"""

from importlib.resources import files
from pathlib import Path

import msgspec

from api.coverage_figures import ReportFigures
from api.coverage_tables import Cell, facts, tables, title
from api.coverage_words import Lang, word

_TEMPLATE = Path(__file__).with_name("coverage_report.typ")
#: Noto Sans SC, SIL Open Font License 1.1, in the wheel justmytype-intl-cjk.
_FONT = files("justmytype_intl_cjk") / "fonts" / "ofl" / "notosanssc"
_TILES = ("required", "installed", "installed_pct", "covered", "covered_pct", "uncovered", "late")


def pdf(report: ReportFigures, lang: Lang) -> bytes:
    """Some tenths of a second, in the caller's thread."""
    import typst  # 60 MiB, for those who print only

    said = report.header
    marks = [
        *([word("draft", lang)] if said.published is None else []),
        *([word("simulated", lang)] if said.simulated else []),
    ]
    data = {
        "lang": lang,
        "title": title(report, lang),
        "under": f"{word('day', lang)}{'：' if lang == 'zh' else ': '}{said.day}",
        "mark": " · ".join(marks),
        "tiles": [(word(name, lang), _shown(getattr(report.whole, name))) for name in _TILES],
        "how": word("how", lang),
        "tables": [
            {
                "title": one.title,
                "columns": one.columns,
                "texts": one.texts,
                "rows": [[_shown(cell) for cell in row] for row in one.rows],
            }
            for one in tables(report, lang)
        ],
        "facts_title": word("summary", lang),
        "facts": facts(report, lang),
        "foot": f"{title(report, lang)} · {said.day} · {said.sha256[:16]}",
        "page": word("page", lang),
    }
    done = typst.compile(
        str(_TEMPLATE),
        format="pdf",
        font_paths=[str(_FONT)],
        ignore_system_fonts=True,
        sys_inputs={"report": msgspec.json.encode(data).decode()},
        timestamp=said.computed // 1_000_000,
    )
    assert isinstance(done, bytes)
    return done


def _shown(cell: Cell) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:.2f} %"
    return cell if isinstance(cell, str) else f"{cell:,}"
