"""Is there enough to choose from: three vendors of each kind, each with every tier."""

from hypothesis import given
from hypothesis import strategies as st

from devices.catalogue_check import KINDS, Offered, lacks
from devices.models import DeviceKind, Tier

WHOLE = [Offered(vendor, kind, tier) for vendor in "abc" for kind in KINDS for tier in Tier]


def test_three_vendors_with_every_tier_of_each_kind_are_enough() -> None:
    assert lacks(WHOLE) == ()


def test_a_tier_that_one_vendor_lacks_is_named() -> None:
    offered = [one for one in WHOLE if one != Offered("b", DeviceKind.DETECTOR, Tier.HIGH)]
    (lack,) = lacks(offered)
    assert (lack.enterprise, lack.words_en) == ("b", "b has no detector of the high tier")
    assert lack.words == "b 没有高档报警器"


def test_a_vendor_of_valves_only_does_not_count_for_detectors() -> None:
    offered = [one for one in WHOLE if one.enterprise != "c" or one.kind is DeviceKind.SELF_CLOSING_VALVE]
    assert [lack.words_en for lack in lacks(offered)] == ["detectors: 2 vendors, at least 3 are asked"]


def test_nothing_lacks_vendors_of_both_kinds() -> None:
    assert [lack.words for lack in lacks([])] == ["报警器只有 0 家，应不少于 3 家", "自闭阀只有 0 家，应不少于 3 家"]


@given(st.permutations(WHOLE), st.integers(0, len(WHOLE)))
def test_what_is_added_never_makes_a_new_lack_of_vendors_and_order_does_not_matter(
    offered: list[Offered], many: int
) -> None:
    few, more = lacks(offered[:many]), lacks(offered[: many + 1])
    assert {lack.kind for lack in more if not lack.enterprise} <= {lack.kind for lack in few if not lack.enterprise}
    assert lacks(sorted(offered[:many], key=repr)) == few
