"""No line of a log holds a person's number, whoever wrote it (davy/log.py)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

NUMBER, IDENTITY = "13812345678", "110101199003071234"

_PROGRAM = """
import logging, pathlib, structlog
from davy.log import configure_log
from davy.settings import load_settings
configure_log(load_settings({"DAVY_CONFIG": "", **EXTRA}, pathlib.Path("/")), "api")
log = structlog.get_logger()
number, identity = "13812345678", "110101199003071234"
log.warning(f"calling {number}")
log.warning("calling", telephone=number, to=[{"who": f"+86 {number}"}], of={"id": identity}, text=f"电话{number}不通")
log.bind(caller=number).warning("bound")
logging.getLogger("psycopg").error("duplicate key: Key (telephone)=(%s) exists", number)
logging.getLogger("psycopg").error("电话%s", number)
try:
    raise ValueError(f"no such number: {number} of {identity}")
except ValueError:
    log.exception("failed")
    logging.getLogger("x").exception("failed too")
log.warning("done", cycle=1767225600000000, device="acme/kitchen-1")
"""


@pytest.mark.parametrize("as_json", ["true", "false"])
def test_no_line_holds_a_number_and_other_numbers_stay(tmp_path: Path, as_json: str) -> None:
    program = _PROGRAM.replace("EXTRA", repr({"DAVY_LOG_JSON": as_json}))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path, env=dict(os.environ)
    )
    assert done.stdout == ""
    assert NUMBER not in done.stderr
    assert IDENTITY not in done.stderr
    assert done.stderr.count("138****5678") >= 6
    assert "1767225600000000" in done.stderr
    assert "acme/kitchen-1" in done.stderr
