"""The result of a backtest as files: JSON of all of it, Parquet of every alarm."""

import importlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from davy.exits import CannotGoOn, Exit, disk_refused

if TYPE_CHECKING:
    from rules.history.backtest_types import Tested


def write_json_file(path: Path, tested: "Tested") -> None:
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(tested), indent=1) + b"\n")
    except OSError as wrong:
        raise disk_refused(path, wrong) from wrong


def can_be_written(path: Path) -> None:
    """Tried before a run of hours, and nothing is left behind. Raises CannotGoOn."""
    was_there = path.exists()
    try:
        with path.open("ab"):
            pass
        if not was_there:
            path.unlink()
    except OSError as wrong:
        raise disk_refused(path, wrong) from wrong


def parquet_is_there() -> None:
    """Raises CannotGoOn where the library that writes it is not installed: it is an extra, and a large one."""
    if importlib.util.find_spec("pyarrow") is None:
        raise CannotGoOn(Exit.USAGE, "--parquet needs pyarrow: install davy-gas-safety[parquet], or take --json-file")


def write_parquet(path: Path, tested: "Tested") -> None:
    """One row per listed alarm: `version` (new or old) and the fields of rules.backtest_types.Alarmed, times as
    timestamps in UTC."""
    arrow: Any = importlib.import_module("pyarrow")
    parquet: Any = importlib.import_module("pyarrow.parquet")
    rows = [("new", one) for one in tested.new.alarms]
    rows += [("old", one) for one in tested.old.alarms] if tested.old is not None else []
    time = arrow.timestamp("us", "UTC")
    columns: dict[str, Any] = {"version": arrow.array([version for version, _ in rows], arrow.string())}
    for name, kind in (
        *((name, arrow.string()) for name in ("alarm", "rule", "identity", "site", "quantity")),
        *((name, time) for name in ("onset", "raised", "returned")),
        ("device_no", arrow.int32()),
        ("again", arrow.int32()),
        ("priority", arrow.int8()),
        ("value", arrow.float64()),
        ("late", arrow.bool_()),
        ("trial", arrow.bool_()),
    ):
        values = [getattr(one, name) for _, one in rows]
        if name == "returned":
            values = [value or None for value in values]  # 0: it stands
        columns[name] = arrow.array([int(value) for value in values] if name == "priority" else values, kind)
    try:
        parquet.write_table(arrow.table(columns), path)
    except OSError as wrong:
        raise disk_refused(path, wrong) from wrong
