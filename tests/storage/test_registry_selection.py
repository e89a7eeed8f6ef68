"""What rules tell sites and devices apart by, and the matrix: from a file to the tables, the plan and the engine."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.sites import MatrixRow, Registry, registry_faults
from storage import devices as registered
from storage.database import Connection
from storage.registry_kinds import harmless, joined
from storage.registry_rows import Fate
from storage.registry_source import parse_source
from tests.storage.test_registry import newest, put
from tests.storage.writing import one

CSV = """kind,key,area,building,riser,site_class,tags,simulated,vendor,serial,model,site,installed,calibration_due,id,detectors,votes,rules,valves
site,home-1,310115,No 12,R2,household,old pipe; gas 2;old pipe,true,,,,,,,,,,,
device,,,,,,kitchen,,davysim,D1,sim_detector_home,home-1,2024-02-29,2026-03-01,,,,,
device,,,,,,,,davysim,D2,sim_detector_home,home-1,,,,,,,
device,,,,,,,,davysim,V1,sim_valve_shut_off,home-1,,,,,,,
matrix,,,,,,,,,,,,,,riser-2,davysim/D1; davysim/D2,2,ch4-high,davysim/V1
"""  # noqa: E501
JSON = {
    "sites": [
        {
            "key": "home-1",
            "simulated": True,
            "area": "310115",
            "building": "No 12",
            "riser": "R2",
            "site_class": "household",
            "tags": ["gas 2", "old pipe"],
        }
    ],
    "devices": [
        {
            "vendor": "davysim",
            "serial": "D1",
            "model": "sim_detector_home",
            "site": "home-1",
            "tags": ["kitchen"],
            "installed": "2024-02-29",
            "calibration_due": "2026-03-01",
        },
        {"vendor": "davysim", "serial": "D2", "model": "sim_detector_home", "site": "home-1"},
        {"vendor": "davysim", "serial": "V1", "model": "sim_valve_shut_off", "site": "home-1"},
    ],
    "matrix": [
        {
            "id": "riser-2",
            "detectors": ["davysim/D1", "davysim/D2"],
            "votes": 2,
            "rules": ["ch4-high"],
            "valves": ["davysim/V1"],
        }
    ],
}


def test_csv_and_json_say_the_same() -> None:
    from_csv = [row.given for row in parse_source(CSV.encode())]
    assert from_csv == [row.given for row in parse_source(json.dumps(JSON).encode())]


async def test_where_a_site_stands_and_when_a_device_was_put_in_reach_the_engine(database: Connection) -> None:
    done = await put(database, CSV)
    assert (done.applied, done.faults) == (True, ())
    registry = await newest(database)
    assert registry_faults(registry) == []
    site, detector = registry.sites[0], registry.devices[0]
    assert (site.area, site.building, site.riser, site.site_class) == ("310115", "No 12", "R2", "household")
    assert site.tags == ("gas 2", "old pipe")
    assert (detector.tags, detector.installed, detector.calibration_due) == (("kitchen",), "2024-02-29", "2026-03-01")
    assert registry.devices[1].installed == ""
    assert registry.matrix == (
        MatrixRow("riser-2", ("davysim/D1", "davysim/D2"), 2, ("ch4-high",), ("davysim/V1",), ()),
    )
    assert await registered.site(database, "home-1") == site
    assert await one(database, "SELECT installed::text FROM device WHERE serial = 'D1'") == "2024-02-29"


async def test_the_same_file_again_changes_nothing_in_whatever_order_its_tags_stand(database: Connection) -> None:
    await put(database, CSV)
    again = await put(database, CSV.replace("old pipe; gas 2;old pipe", "gas 2;old pipe"))
    assert {fate.fate for fate in again.fates} == {Fate.UNCHANGED}
    assert again.number == 0


async def test_a_dry_run_says_what_would_become_of_rows_of_the_matrix(database: Connection) -> None:
    dry = await put(database, CSV, dry_run=True)
    assert [(fate.kind, fate.key, fate.fate) for fate in dry.fates if fate.kind == "matrix"] == [
        ("matrix", "riser-2", Fate.ADDED)
    ]
    assert await one(database, "SELECT count(*) FROM matrix_row") == 0
    await put(database, CSV)
    fewer = await put(database, CSV.replace("davysim/D2,2,ch4-high", "davysim/D2,1,ch4-high"), dry_run=True)
    assert [(fate.fate, fate.reason) for fate in fewer.fates if fate.kind == "matrix"] == [
        (Fate.CHANGED, "votes: 2 -> 1")
    ]


async def test_what_a_later_file_says_of_a_site_or_device_holds_for_the_engine_too(database: Connection) -> None:
    await put(database, CSV)
    done = await put(database, CSV.replace("2024-02-29", "2025-01-31").replace("R2", "R3").replace("kitchen", ""))
    assert [(fate.kind, fate.reason) for fate in done.fates if fate.fate is Fate.CHANGED] == [
        ("site", "riser: 'R2' -> 'R3'"),
        ("device", "tags: ('kitchen',) -> (), installed: '2024-02-29' -> '2025-01-31'"),
    ]
    registry = await newest(database)
    assert (registry.sites[0].riser, registry.devices[0].installed, registry.devices[0].tags) == (
        "R3",
        "2025-01-31",
        (),
    )


async def test_a_row_of_the_matrix_that_cannot_work_is_refused_where_it_stands(database: Connection) -> None:
    for said, instead in (("davysim/D2,2,", "davysim/nobody,2,"), (",ch4-high,davysim/V1", ",ch4-high,davysim/D1")):
        done = await put(database, CSV.replace(said, instead))
        assert not done.applied
        assert [(fate.place, fate.kind) for fate in done.fates if fate.fate is Fate.REFUSED] == [("line 6", "matrix")]
        assert done.faults == ()


@pytest.mark.parametrize("day", ["2024-2-9", "2025-02-29", "9.2.2024", "2024-02-09T00:00", "tomorrow"])
async def test_what_is_no_day_is_refused_at_its_row(database: Connection, day: str) -> None:
    done = await put(database, CSV.replace("2024-02-29", day))
    assert not done.applied
    # The row of the matrix that needs the device falls with it.
    assert [(fate.place, fate.reason) for fate in done.fates if fate.fate is Fate.REFUSED][:1] == [
        ("line 3", f"installed {day!r} is no day; write it as YYYY-MM-DD, or leave it empty where it is not known")
    ]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("kind,id,detectors,votes\nmatrix,m,d,two\n", "Expected `int`.*votes"),
        ("kind,key,votes\nsite,s,2\n", "a site has no votes"),
        ('{"matrix": [{"id": "m", "detectors": [], "colour": 1}]}', "colour"),
    ],
)
def test_columns_that_a_kind_does_not_have_are_refused_as_ever(source: str, reason: str) -> None:
    (row,) = parse_source(source.encode())
    assert re.search(reason, row.fault)
    with pytest.raises(ValueError, match=r"line 1: .*colour"):
        parse_source(b"kind,key,colour\nsite,s,red\n")


async def test_what_a_file_does_not_say_of_a_site_is_empty(database: Connection) -> None:
    plain = {"sites": [{"key": "s"}], "devices": []}
    await put(database, plain)
    registry: Registry = await newest(database)
    assert (registry.sites[0].area, registry.sites[0].tags, registry.matrix) == ("", (), ())


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters='\x00"\r\n'), max_size=8), max_size=5))
def test_tags_written_in_csv_are_those_written_in_json(tags: list[str]) -> None:
    line = harmless(joined(tags))
    from_csv = parse_source(f'kind,key,tags\nsite,s,"{line}"\n'.encode())
    from_json = parse_source(json.dumps({"sites": [{"key": "s", "tags": tags}]}).encode())
    assert [row.given for row in from_csv] == [row.given for row in from_json]
