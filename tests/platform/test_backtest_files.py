"""A backtest's result as files: Parquet of every alarm, JSON of all of it."""

import importlib.util
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet
import pytest

from davy import backtest_files
from davy.exits import CannotGoOn
from devices.fleet import build_fleet
from rules.history import backtest_types
from rules.history.backtest import Request, backtest
from tests.rules.world import T0, at, pack, reading, registry

GAS = 'id = "gas"\nquantity = "combustible_lel"\nat_or_above = {}\nclear_below = 15'


def _tested() -> backtest_types.Tested:
    rows = np.concatenate([reading("d1", 10 * n, combustible_lel=lel) for n, lel in enumerate((1, 30, 30, 1, 22, 1))])
    fleet = build_fleet(registry())
    old, new = pack(GAS.format(20)), pack(GAS.format(25))
    return backtest(Request(fleet, new, T0, at(100), old=old), [rows])


def test_every_alarm_of_both_versions_is_a_row(tmp_path: Path) -> None:
    tested = _tested()
    backtest_files.parquet_is_there()
    backtest_files.write_parquet(tmp_path / "alarms.parquet", tested)
    rows = pyarrow.parquet.read_table(tmp_path / "alarms.parquet").to_pylist()
    assert tested.old is not None
    assert len(rows) == len(tested.new.alarms) + len(tested.old.alarms) > 1
    first = rows[0]
    assert (first["version"], first["rule"], first["identity"], first["value"]) == ("new", "gas", "davysim/d1", 30.0)
    assert round(first["onset"].timestamp() * 1e6) == at(10)
    assert first["returned"] is not None


def test_json_holds_all_of_it(tmp_path: Path) -> None:
    tested = _tested()
    backtest_files.write_json_file(tmp_path / "all.json", tested)
    assert msgspec.json.decode((tmp_path / "all.json").read_bytes(), type=backtest_types.Tested) == tested


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CannotGoOn, match=r"davy-gas-safety\[parquet\]"):
        backtest_files.parquet_is_there()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotGoOn, match="cannot write"):
        backtest_files.write_parquet(tmp_path / "no" / "alarms.parquet", _tested())


def test_a_path_is_tried_before_the_run_and_nothing_is_left_behind(tmp_path: Path) -> None:
    backtest_files.can_be_written(tmp_path / "all.json")
    assert not list(tmp_path.iterdir())
    (tmp_path / "old.json").write_text("{}")
    backtest_files.can_be_written(tmp_path / "old.json")
    assert (tmp_path / "old.json").read_text() == "{}"
    with pytest.raises(CannotGoOn, match="cannot write"):
        backtest_files.can_be_written(tmp_path / "nowhere" / "all.json")
    with pytest.raises(CannotGoOn, match="cannot write"):
        backtest_files.can_be_written(tmp_path)
