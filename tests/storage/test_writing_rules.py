"""The two commands of docs/writing-rules.md that need a database give what the page shows, on a kitchen's night."""

import hashlib
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import numpy as np
import psycopg

from devices.models import DeviceKind, DeviceModel
from devices.quantities import Quality, quality_shift
from devices.readings import Rows, blank
from devices.sites import Device, Registry, Site
from rules.documents.document import default_pack
from storage.rule_packs import found_in_force
from tests.storage.cycles import cycle
from tests.storage.registered import registered
from tests.storage.writing import write

PAGE = (Path(__file__).parents[2] / "docs" / "writing-rules.md").read_text("utf-8")
#: The page's night: 14 January 2026, 22:50 by the clock of Shanghai.
BEGAN_US = round(datetime.fromisoformat("2026-01-14T22:50+08:00").timestamp()) * 1_000_000
STEP_US = 10_000_000
KITCHEN = Registry(
    models=(
        DeviceModel("kitchen", "acme", "Kitchen detector", DeviceKind.DETECTOR, "a test", 10.0, gas="CH4",
                    measures=("combustible_lel",)),
    ),
    sites=(Site("noodle_bar", site_class="catering", timezone="Asia/Shanghai"),),
    devices=(Device(1, "acme", "K-0042", "kitchen", "noodle_bar"),),
)  # fmt: skip


def night() -> Rows:
    """A reading every ten seconds for an hour: 1 %LEL, from 23:09 on 12, from 23:15 on 2."""
    rows = blank(360)
    minutes = np.arange(360) / 6
    rows["device_no"], rows["boot"], rows["seq"] = 1, 1, np.arange(360)
    rows["ts"] = rows["device_ts"] = BEGAN_US + np.arange(360) * STEP_US
    rows["received"] = rows["ts"] + 200_000
    rows["combustible_lel"] = np.select([minutes < 19, minutes < 25], [1.0, 12.0], 2.0)
    rows["quality"] = int(blank(1)["quality"][0]) & ~(15 << quality_shift("combustible_lel")) | Quality.GOOD
    return rows


async def test_trying_a_rule_on_history_and_asking_why_go_as_the_page_says(plain_url: str, tmp_path: Path) -> None:
    async with await psycopg.AsyncConnection.connect(plain_url, autocommit=True) as connection:
        await registered(connection, KITCHEN)
        rules = default_pack()
        await found_in_force(connection, "engine-1", 0, None, hashlib.sha256(rules).hexdigest(), rules)
    await write(plain_url, [cycle(1, night(), now=BEGAN_US + 360 * STEP_US)])
    parts = psycopg.conninfo.conninfo_to_dict(plain_url)
    url = f"postgresql://{parts['user']}@/{parts['dbname']}?host={quote(str(parts['host']), safe='')}"
    environ = {"PATH": "/usr/bin:/bin", "DAVY_DATABASE_URL": url, "DAVY_DATA": str(tmp_path / "data"), "COLUMNS": "200"}
    for name, text in re.findall(r"^```\w+ (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(text, "utf-8")
    shown = re.findall(r"^\$ davy (rules (?:backtest|explain) .*)\n((?:(?!\$ |```).*\n)*)", PAGE, re.MULTILINE)
    assert [words.split()[1] for words, _ in shown] == ["backtest", "explain"]
    for words, told in shown:
        done = subprocess.run(
            [sys.executable, "-m", "davy", *words.split()],
            cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said = [line.rstrip() for line in done.stdout.splitlines()]
        for line in filter(None, told.splitlines()):
            if line != "...":
                assert any(one.startswith(line.removesuffix("...")) for one in said), (line, done.stdout)
