"""devices/areas.py: prefixes, days and what is refused."""

from hypothesis import given
from hypothesis import strategies as st

from devices.areas import Area, AreaTree, area_faults, prefix, within

CHONGQING = Area("500000", "重庆市", "Chongqing")
COUNTY = Area("500232", "武隆县", "Wulong County", "500000", until="2016-11-24")
DISTRICT = Area("500156", "武隆区", "Wulong District", "500000", since="2016-11-24")
TOWNSHIP = Area("500156100", "某镇", "A township", "500156", since="2017-01-01")


def test_a_code_lies_within_what_it_begins_with() -> None:
    assert [prefix(code) for code in ("500000", "500100", "500156", "500156100", "")] == [
        "50",
        "5001",
        "500156",
        "500156100",
        "",
    ]
    assert within("500156100", "500000")
    assert within("500156100", "500156")
    assert within("500156", "500156")
    assert not within("510100", "500000")
    assert not within("", "500000")
    assert not within("500156", "")


def test_a_code_that_became_another_is_found_on_the_days_of_each() -> None:
    tree = AreaTree([CHONGQING, COUNTY, DISTRICT, TOWNSHIP])
    assert tree.on("500232", "2016-11-23") == COUNTY
    assert tree.on("500232", "2016-11-24") is None
    assert tree.on("500156", "2016-11-23") is None
    assert tree.on("500156", "2016-11-24") == DISTRICT
    assert [area.code for area in tree.ancestors("500156100", "2022-01-10")] == ["500156", "500000"]


def test_a_true_tree_has_no_faults() -> None:
    assert area_faults([CHONGQING, COUNTY, DISTRICT, TOWNSHIP]) == {}


def test_areas_in_a_ring_are_refused_each_by_its_row() -> None:
    ring = [Area("110000", parent="120000"), Area("120000", parent="130000"), Area("130000", parent="110000")]
    faults = area_faults([*ring, Area("110101", parent="110000")])
    assert set(faults) == {("110000", ""), ("120000", ""), ("130000", "")}
    assert "part of itself" in faults["110000", ""]


def test_a_parent_that_is_not_there_is_refused_and_so_is_one_that_ends_before_its_child() -> None:
    assert "no area" in area_faults([Area("500156", parent="500000")])["500156", ""]
    ended = area_faults([CHONGQING, COUNTY, Area("500232100", parent="500232")])
    assert "not there from 2016-11-24" in ended["500232100", ""]
    early = area_faults([CHONGQING, DISTRICT, Area("500156100", parent="500156", since="2010-01-01")])
    assert "not there from 2010-01-01" in early["500156100", "2010-01-01"]


def test_a_parent_in_two_rows_that_follow_on_is_there_throughout() -> None:
    renamed = [Area("500000", "before", until="1997-06-18"), Area("500000", "after", since="1997-06-18")]
    assert area_faults([*renamed, Area("500156", parent="500000", since="1990-01-01")]) == {}


def test_two_rows_of_a_code_for_the_same_day_are_refused() -> None:
    faults = area_faults([Area("500232", "a", until="2016-11-24"), Area("500232", "b", since="2016-11-23")])
    assert set(faults) == {("500232", "2016-11-23")}
    assert "already" in faults["500232", "2016-11-23"]


def test_odd_rows_are_refused_with_their_reason() -> None:
    rows = [Area("5001"), Area("500156", parent="500156"), Area("500101", since="2020-02-30")]
    rows += [Area("500102", since="2020-01-02", until="2020-01-01")]
    faults = area_faults(rows)
    assert len(faults) == 4
    assert "6, 9 or 12 digits" in faults["5001", ""]
    assert "its own parent" in faults["500156", ""]
    assert "no day" in faults["500101", "2020-02-30"]
    assert "not after" in faults["500102", "2020-01-02"]


_CODES = st.sampled_from(["100000", "110000", "120000", "130000", "140000"])
_DAYS = st.sampled_from(["", "2000-01-01", "2010-01-01", "2020-01-01"])
_ROWS = st.lists(
    st.builds(Area, code=_CODES, parent=st.one_of(st.just(""), _CODES), since=_DAYS, until=_DAYS), max_size=7
)


@given(_ROWS)
def test_what_is_left_after_refusing_row_by_row_is_a_tree_on_every_day(rows: list[Area]) -> None:
    """Taking the refused rows away until none is refused ends, and leaves no ring, no gap and no overlap."""
    while faults := area_faults(rows):
        rows = [row for row in rows if (row.code, row.since) not in faults]
    tree = AreaTree(rows)
    for day in ("1999-12-31", "2005-05-05", "2015-05-05", "2025-05-05"):
        for row in (row for row in rows if row.holds_on(day)):
            above = tree.ancestors(row.code, day)
            assert row.code not in [area.code for area in above]
            assert bool(above) == bool(row.parent)
            assert not above or above[-1].parent == ""
        held = [row.code for row in rows if row.holds_on(day)]
        assert len(held) == len(set(held))
