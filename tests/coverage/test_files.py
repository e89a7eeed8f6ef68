"""S1 and S2 of api/coverage_figures.py; X1 and X2 of the files: hostile words are words, and the same report is
the same bytes."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
from python_calamine import CalamineWorkbook

from api.coverage_csv import figures_csv, gaps_csv, harmless
from api.coverage_figures import ReportFigures, percent, report_figures
from api.coverage_pdf import pdf
from api.coverage_words import WORDS
from api.coverage_xlsx import write_xlsx
from devices.coverage_columns import AsOf, Words
from devices.coverage_policy import load_policies
from storage.coverage_gather import Gathered, Question
from storage.coverage_making import Made, make
from storage.coverage_reports import Header
from tests.coverage.test_properties import AT, DAY, town

POLICY = load_policies()["wulong_2022_targets"]
HOSTILE = ("=cmd|' /C calc'!A0", '#panic("x") *b* $x$ \\ ] }', "<b>&amp;</b>\u202e\"';--")


def hostile() -> tuple[Made, ReportFigures]:
    sites, devices = town(4, 25, 40)
    keys = tuple(f"{HOSTILE[n % 3]} {n}" for n in range(len(sites)))
    of = np.arange(len(sites), dtype=np.int32) % 3
    sites = replace(sites, keys=keys, department=Words(of, HOSTILE), manager=Words(of, HOSTILE))
    question = Question("500156", DAY, "Asia/Shanghai", AT.until_us, AT.until_us)
    made = make(POLICY, Gathered(sites, devices, AsOf(DAY, AT.until_us), "ab" * 32), question)
    header = Header(
        report=1,
        area="500156",
        day=DAY,
        timezone="Asia/Shanghai",
        until=AT.until_us,
        known=AT.until_us,
        simulated=False,
        policy=POLICY.key,
        policy_sha256=POLICY.sha256,
        rules_sha256="ab" * 32,
        code="1.0",
        sha256=made.sha256(),
        computed=AT.until_us,
        due=None,
        phase=HOSTILE[1],
        missed=True,
        corrects=None,
        published=None,
        published_by="",
    )
    names = {"500156": (HOSTILE[1], HOSTILE[0]), "500156001": (HOSTILE[0], HOSTILE[2])}
    planned = {("500156", "hardship", date(2022, 5, 1)): 3}
    return made, report_figures(header, made.cells, made.fitted, planned, POLICY, names)


def test_hostile_words_are_printed_as_they_are_and_the_same_way_each_time() -> None:
    _, report = hostile()
    for lang in ("zh", "en"):
        paper = pdf(report, lang)  # type: ignore[arg-type]
        assert paper.startswith(b"%PDF-")
        assert paper == pdf(report, lang)  # type: ignore[arg-type]


def test_hostile_words_are_no_formulas_in_a_workbook(tmp_path: Path) -> None:
    made, report = hostile()
    for name in ("one.xlsx", "two.xlsx"):
        write_xlsx(tmp_path / name, report, made.gaps, "zh")
    assert (tmp_path / "one.xlsx").read_bytes() == (tmp_path / "two.xlsx").read_bytes()
    rows = CalamineWorkbook.from_path(str(tmp_path / "one.xlsx")).get_sheet_by_name("未覆盖用户").to_python()
    assert [row[0] for row in rows[1:]] == [gap.site for gap in made.gaps]
    assert b"<f>" not in b"".join(_parts(tmp_path / "one.xlsx"))


def _parts(path: Path) -> list[bytes]:
    import zipfile

    with zipfile.ZipFile(path) as book:
        return [book.read(name) for name in book.namelist() if "sheet" in name]


async def test_hostile_words_are_no_formulas_in_csv() -> None:
    made, report = hostile()

    async def once():  # type: ignore[no-untyped-def]
        yield made.gaps

    bodies = [figures_csv(report), b"".join([piece async for piece in gaps_csv(once())])]
    for body in bodies:
        assert body.startswith(b"\xef\xbb\xbf")
        for line in body.decode("utf-8-sig").splitlines():
            assert not line.startswith(("=", '"='))
            assert ",=" not in line
    assert harmless("=1") == "'=1"
    assert harmless("a=1") == "a=1"


def test_shares_are_rounded_once_and_half_to_even() -> None:
    from fractions import Fraction

    assert percent(Fraction(1, 3)) == 33.33
    assert percent(Fraction(2, 3)) == 66.67
    assert percent(Fraction(12345, 1_000_000)) == 1.23
    assert percent(Fraction(12355, 1_000_000)) == 1.24
    assert percent(Fraction(1, 1)) == 100.0
    assert percent(None) is None


def test_every_word_is_there_in_both_languages() -> None:
    assert all(zh and en for zh, en in WORDS.values())
