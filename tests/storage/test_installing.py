"""storage/installing.py: which rows it is to put a device up, in another's place, or to take it down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.models import DeviceKind
from devices.register import DeviceFacts, Installation, LinkFacts
from devices.sites import Link
from storage.devices import RegisteredDevice
from storage.installing import Known, put_up, taken_down
from storage.registry_rows import DeviceGiven, Leaves


def device(serial: str, site: str = "home", installed: str = "") -> RegisteredDevice:
    return RegisteredDevice(
        1, "acme", serial, "m", DeviceKind.DETECTOR, site, "", False, "", "", ("t",), installed, installer="former"
    )


WANTED = Installation("w2", "acme/new", "home", "2026-11-20", installer="fitters", mounting="wall", reason="worn")


def test_a_first_installation_places_the_device_and_keeps_what_was_known_of_it() -> None:
    rows = put_up(WANTED, Known(device("new", "store")))
    given, facts, wanted = rows
    assert given == DeviceGiven("acme", "new", "m", "home", tags=("t",), installed="2026-11-20", installer="fitters")
    assert facts == DeviceFacts("acme/new", mounting="wall")
    assert wanted == WANTED


def test_a_device_that_is_moved_is_as_old_as_it_was_and_its_former_installation_ends_first() -> None:
    before = Installation("w1", "acme/new", "store", "2024-01-01")
    rows = put_up(WANTED, Known(device("new", "store", "2024-01-01"), before))
    assert rows[0] == Installation("w1", "acme/new", "store", "2024-01-01", until="2026-11-20", ended_because="worn")
    assert isinstance(rows[1], DeviceGiven)
    assert rows[1].installed == "2024-01-01"


def test_what_replaces_a_device_takes_its_links_on_either_end_and_the_old_one_leaves() -> None:
    old = Known(
        device("old"),
        Installation("w1", "acme/old", "home", "2020-01-01"),
        (LinkFacts("acme/old", "acme/v1"), LinkFacts("acme/d9", "acme/old")),
    )
    rows = put_up(WANTED, Known(device("new", "store")), old)
    assert rows[0] == Installation("w1", "acme/old", "home", "2020-01-01", until="2026-11-20", ended_because="worn")
    assert rows[1] == Leaves("device", "acme/old")
    assert [row for row in rows if isinstance(row, Link)] == [Link("acme/new", "acme/v1"), Link("acme/d9", "acme/new")]
    assert LinkFacts("acme/new", "acme/v1", "2026-11-20", "fitters") in rows


_DAYS = st.dates().map(lambda day: day.isoformat())


@given(began=_DAYS, now=_DAYS)
def test_nothing_ends_before_it_began(began: str, now: str) -> None:
    known = Known(device("new"), Installation("w1", "acme/new", "home", began))
    ending = Installation("w1", "acme/new", "home", began, until=now)
    wanted = Installation("w2", "acme/new", "home", now)
    if now < began:
        with pytest.raises(ValueError, match="cannot have ended"):
            taken_down(ending, known)
        with pytest.raises(ValueError, match="cannot have ended"):
            put_up(wanted, known)
    else:
        assert taken_down(ending, known) == [ending, Leaves("device", "acme/new")]
        assert isinstance(put_up(wanted, known)[0], Installation)
