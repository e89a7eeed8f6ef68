"""`davy coverage`, as a clerk types it, on the database of a simulated city."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
import typer
from click.testing import Result
from python_calamine import CalamineWorkbook
from typer.testing import CliRunner

from davy import commands_coverage
from davy.cli import options
from davy.exits import CannotGoOn
from storage.database import connect
from tests.coverage.city import AREA, TODAY, random_city, register, speak
from tests.storage.cycles import DAY, T0

Davy = Callable[..., Result]


@pytest.fixture
def davy(plain_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Davy:
    async def fill() -> None:
        connection = await connect(plain_url, name="test")
        city = random_city(5, 60)
        await register(connection, city, T0 - 900 * DAY)
        await speak(plain_url, connection, city)
        await connection.close()

    asyncio.run(fill())
    parts = psycopg.conninfo.conninfo_to_dict(plain_url)
    url = f"postgresql://{parts['user']}@/{parts['dbname']}?host={quote(str(parts['host']), safe='')}"
    environ = {"DAVY_DATABASE_URL": url, "DAVY_DATA": str(tmp_path / "data"), "USER": "clerk"}
    app = typer.Typer(callback=options)
    commands_coverage.register(app)
    runner = CliRunner()
    monkeypatch.chdir(tmp_path)

    def run(*words: str, status: int = 0) -> Result:
        done = runner.invoke(app, ["coverage", *words], env=environ)
        if isinstance(done.exception, CannotGoOn):
            assert done.exception.code == status, done.exception
        else:
            assert (done.exit_code, status) == (0, 0), (done.output, done.exception)
        return done

    return run


def test_from_a_report_to_its_publication_its_files_and_its_correction(davy: Davy, tmp_path: Path) -> None:
    asked = ("report", "--area", AREA, "--day", TODAY.isoformat())
    said = davy(*asked).stdout_bytes
    assert davy(*asked).stdout_bytes == said
    assert davy(*asked, "--format", "csv").stdout_bytes == davy(*asked, "--format", "csv").stdout_bytes
    figures = json.loads(said)["figures"]
    assert figures["whole"]["required"] > 0
    assert figures["whole"]["uncovered"] == len(json.loads(said)["gaps"])
    other = json.loads(davy(*asked, "--policy", "wulong_2022_steps").stdout)["figures"]
    assert other["header"]["sha256"] != figures["header"]["sha256"]

    davy("publish", "--area", AREA, "--day", TODAY.isoformat())
    davy("publish", "--report", "1", status=2)
    davy("publish", "--day", TODAY.isoformat(), "--corrects", "1")
    listed = json.loads(davy("reports", "--json").stdout)
    assert [(one["report"], one["corrects"]) for one in listed] == [(2, 1), (1, None)]
    kept = json.loads(davy("report", "--report", "1").stdout)["figures"]
    assert kept["whole"] == figures["whole"]
    assert kept["header"]["sha256"] == figures["header"]["sha256"]

    for lang, sheet in (("zh", "未覆盖用户"), ("en", "Users not covered")):
        for kind in ("xlsx", "pdf"):
            davy("report", "--report", "1", "--format", kind, "--lang", lang, "--out", f"r.{lang}.{kind}")
        assert (tmp_path / f"r.{lang}.pdf").read_bytes().startswith(b"%PDF-")
        book = CalamineWorkbook.from_path(str(tmp_path / f"r.{lang}.xlsx"))
        rows = book.get_sheet_by_name(sheet).to_python()
        assert len(rows) == 1 + figures["whole"]["uncovered"]
    davy("report", "--report", "1", "--format", "xlsx", status=2)

    ranks = json.loads(davy("ranking", "--report", "1", "--json").stdout)
    assert sum(one["figures"]["required"] for one in ranks) == figures["whole"]["required"]


def test_plans_come_from_a_file_whole_or_not_at_all(davy: Davy, tmp_path: Path) -> None:
    good = tmp_path / "plans.csv"
    good.write_text(f"area,class,month,planned\n{AREA},hardship,2025-11,3\n{AREA},hardship,2025-12,4\n")
    bad = tmp_path / "bad.csv"
    bad.write_text(
        f"area,class,month,planned\n{AREA},hardship,2025-10,3\nhere,hardship,2025-13,x\n{AREA},x,2025-01,-1\n"
    )
    refused = str(davy("plans", "--import", str(bad), status=2).exception)
    assert "line 3" in refused
    assert "line 4" in refused
    davy("plans", "--import", str(good))
    davy("publish", "--area", AREA, "--day", TODAY.isoformat(), "--corrects", "9", status=2)
    davy("publish", "--area", AREA)
    rows = json.loads(davy("plans", "--report", "1", "--json").stdout)
    assert [row["planned"] for row in rows][:2] == [3, 4]


def test_what_is_not_there_is_said_in_one_line(davy: Davy) -> None:
    for words, because in (
        (("report", "--area", "somewhere"), "GB/T 2260"),
        (("report", "--day", "2999-01-01"), "has not begun"),
        (("report", "--day", "soon"), "--day"),
        (("report", "--policy", "mine"), "wulong_2022_steps"),
        (("report", "--report", "7"), "no report 7"),
        (("ranking", "--report", "7"), "no report 7"),
        (("schedule", "--area", AREA, "--off"), "nothing is scheduled"),
    ):
        assert because in str(davy(*words, status=2).exception)
    empty = davy("report", "--area", "110000", "--day", TODAY.isoformat())
    assert "--known-now" in " ".join(empty.stderr.split())
    assert json.loads(davy("schedule", "--area", AREA, "--json").stdout)[0]["timezone"] == "Asia/Shanghai"
    davy("schedule", "--area", AREA, "--off")
    assert json.loads(davy("notices", "--json").stdout) == []
