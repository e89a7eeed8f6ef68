"""`davy scorecard`, as a clerk types it."""

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

from davy import commands_coverage, commands_scorecard
from davy.cli import options
from davy.exits import CannotGoOn
from storage.database import connect
from tests.coverage.month import random_world, write

Davy = Callable[..., Result]


@pytest.fixture
def davy(plain_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Davy:
    async def fill() -> None:
        connection = await connect(plain_url, name="test")
        await write(connection, random_world(2))
        await connection.close()

    asyncio.run(fill())
    parts = psycopg.conninfo.conninfo_to_dict(plain_url)
    url = f"postgresql://{parts['user']}@/{parts['dbname']}?host={quote(str(parts['host']), safe='')}"
    environ = {"DAVY_DATABASE_URL": url, "DAVY_DATA": str(tmp_path / "data"), "USER": "clerk"}
    app = typer.Typer(callback=options)
    commands_scorecard.register(app)
    commands_coverage.register(app)
    runner = CliRunner()
    monkeypatch.chdir(tmp_path)

    def run(*words: str, status: int = 0) -> Result:
        done = runner.invoke(app, ["scorecard", *words], env=environ)
        if isinstance(done.exception, CannotGoOn):
            assert done.exception.code == status, done.exception
        else:
            assert (done.exit_code, status) == (0, 0), (done.output, done.exception)
        return done

    return run


def test_a_draft_a_publication_and_a_correction(davy: Davy, tmp_path: Path) -> None:
    asked = ("gas-a", "--month", "2025-11", "--area", "500156")
    draft = json.loads(davy(*asked).stdout)
    assert (draft["published"], draft["area"], draft["month"]) == (None, "500156", "2025-11")
    published = json.loads(davy(*asked, "--publish").stdout)
    assert published["figures"] == draft["figures"]
    assert published["published"] is not None
    davy(*asked, "--publish", status=2)
    corrected = json.loads(davy(*asked, "--publish", "--corrects", str(published["scorecard"])).stdout)
    assert corrected["corrects"] == published["scorecard"]
    davy(*asked, "--format", "xlsx", "--out", "card.xlsx")
    cells = CalamineWorkbook.from_path(tmp_path / "card.xlsx").get_sheet_by_index(0).to_python()
    assert ["企业", "gas-a"] in [row[:2] for row in cells]
    assert davy(*asked, "--format", "csv").stdout_bytes.startswith(b"\xef\xbb\xbfscorecard,enterprise,month")


@pytest.mark.parametrize(
    "words",
    [
        ("gas-a", "--month", "2999-01"),
        ("gas-a", "--month", "2025-13"),
        ("nobody", "--month", "2025-11"),
        ("gas-a", "--month", "2025-11", "--area", "chongqing"),
        ("gas-a", "--month", "2025-11", "--corrects", "77"),
        ("gas-a", "--month", "2025-11", "--format", "xlsx"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(davy: Davy, words: tuple[str, ...]) -> None:
    davy(*words, status=2)
