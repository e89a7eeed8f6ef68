"""A fleet that followed every change is the fleet of the registry that they made."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.classes import Group
from devices.fleet import Fleet, build_fleet
from devices.fleet_change import changed_fleet
from devices.registry_book import RegistryBook
from devices.sites import Device, Gone, Registry, RegistryChange, Site
from tests.devices.registries import Making, first

#: Compared by what their numbers mean.
_NUMBERED = ("classes", "groups", "whole", "touched", "mark", "follows")


def same(one: Fleet, other: Fleet) -> None:
    for name in Fleet.__dataclass_fields__:
        if name in _NUMBERED or name == "decoders":
            continue
        left, right = getattr(one, name), getattr(other, name)
        if isinstance(left, np.ndarray):
            assert (left.dtype, left.tolist()) == (right.dtype, right.tolist()), name
        else:
            assert left == right, name
    assert [one.classes.all[n].key for n in one.classes.of] == [other.classes.all[n].key for n in other.classes.of]
    for sort in Group:
        names = [
            [fleet.groups[sort].names[n] if n >= 0 else None for n in fleet.groups[sort].of] for fleet in (one, other)
        ]
        assert names[0] == names[1], sort


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9))
def test_a_fleet_that_followed_every_change_is_that_of_the_whole(seed: int) -> None:
    making, whole = Making(seed), first()
    book, fleet = RegistryBook.of(whole), build_fleet(whole)
    for _ in range(30):
        change = making.change(whole)
        if book.faults(change):
            with pytest.raises(ValueError, match="registry refused"):
                changed_fleet(book, fleet, change)
            continue
        after = changed_fleet(book, fleet, change)
        left = build_fleet(book.after(change), fleet).left
        book.apply(change)
        whole, fleet = book.registry(), after
        same(fleet, build_fleet(whole, order=[int(no) for no in fleet.device_no], left=left))
        assert fleet.registry == whole


def test_what_a_change_does_not_touch_is_shared() -> None:
    devices = tuple(Device(n + 1, "v", f"d{n}", "sim_detector_home", f"s{n % 4}") for n in range(50))
    whole = msgspec.structs.replace(first(), devices=devices)
    before = build_fleet(whole)
    after = changed_fleet(
        RegistryBook.of(whole),
        before,
        RegistryChange(put=Registry(devices=(msgspec.structs.replace(devices[7], calibration_due="2027-05-01"),))),
    )
    shared = [name for name in Fleet.__dataclass_fields__ if getattr(after, name) is getattr(before, name)]
    assert {"slot_by_identity", "valves", "links", "site_by_key", "slot_of", "present", "gateways"} <= set(shared)
    assert after.calibration_due_us[7] > 0 == before.calibration_due_us[7]


def test_a_site_takes_its_devices_along_when_it_is_another_company_s() -> None:
    devices = tuple(Device(n + 1, "v", f"d{n}", "sim_detector_home", f"s{n % 4}") for n in range(50))
    whole = msgspec.structs.replace(first(), devices=devices)
    change = RegistryChange(put=Registry(sites=(Site("s2", enterprise="gas-b", simulated=True),)))
    after = changed_fleet(RegistryBook.of(whole), build_fleet(whole), change)
    theirs = [slot for slot in range(50) if after.classes.all[after.classes.of[slot]].enterprise == "gas-b"]
    assert theirs == [slot for slot in range(50) if slot % 4 == 2]


def test_who_leaves_and_comes_back_has_the_slot_of_before() -> None:
    devices = tuple(Device(n + 1, "v", f"d{n}", "sim_detector_home", "s0") for n in range(20))
    whole = msgspec.structs.replace(first(), devices=devices)
    book, before = RegistryBook.of(whole), build_fleet(whole)
    away = RegistryChange(gone=Gone(devices=("v/d3",)))
    without = changed_fleet(book, before, away)
    book.apply(away)
    assert (without.identity(4), bool(without.present[3]), without.left.devices[4].identity) == ("", False, "v/d3")
    again = changed_fleet(book, without, RegistryChange(put=Registry(devices=(devices[3],))))
    assert (int(again.slot_of[4]), again.left.devices) == (3, {})
