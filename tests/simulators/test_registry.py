import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.fleet import build_fleet
from simulators.registry import (
    HomesSource,
    ValveMix,
    decode_homes,
    demo_homes,
    encode_homes,
    home_plans,
    load_homes,
    probe_homes,
    together,
)
from tests.simulators.davy_side import registry_of


def test_demo_homes_are_a_registry_that_davy_accepts() -> None:
    fleet = build_fleet(registry_of(demo_homes(200, seed=1)))
    assert fleet.simulated.all()
    assert len(fleet.valves) == 140, "seven homes of ten have a shut-off valve"
    assert len(fleet.watches) == 100, "five of ten a self-closing one"


@given(st.integers(1, 60), st.integers(0, 1 << 256))
def test_the_same_seed_gives_the_same_homes_and_they_survive_the_file(n: int, seed: int) -> None:
    homes = demo_homes(n, seed)
    assert homes == demo_homes(n, seed)
    assert decode_homes(encode_homes(homes)) == homes
    assert len(home_plans(homes)) == n


def test_fewer_homes_are_the_first_of_more_so_that_one_registry_serves_every_scenario() -> None:
    few, many = demo_homes(20, 1), demo_homes(300, 1)
    assert set(few.devices) <= set(many.devices)
    assert set(few.tokens) <= set(many.tokens)
    assert set(few.links) <= set(many.links)


def test_every_device_has_a_token_of_its_own_and_another_seed_gives_others() -> None:
    tokens = {row.token for row in demo_homes(50, 1).tokens}
    assert len(tokens) == len(demo_homes(50, 1).devices)
    assert all(len(bytes.fromhex(token)) == 32 for token in tokens)
    assert tokens.isdisjoint(row.token for row in demo_homes(50, 2).tokens)


def test_the_mix_says_which_valves_there_are() -> None:
    homes = home_plans(demo_homes(4, 1, ValveMix(shut_off=1, self_closing=1, both=1, none=1)))
    assert [(bool(h.shut_off), bool(h.self_closing)) for h in homes] == [
        (True, False),
        (False, True),
        (True, True),
        (False, False),
    ]


@pytest.mark.parametrize("n", [0, 100_000])
def test_a_number_of_homes_out_of_bounds_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match="1 to 99999"):
        demo_homes(n, 1)


def test_a_device_without_a_token_is_named() -> None:
    homes = demo_homes(1, 1)
    with pytest.raises(ValueError, match="davysim/det-00001: no token"):
        home_plans(HomesSource(homes.sites, homes.devices, homes.links, homes.tokens[1:]))


def test_load_and_probe_homes_are_one_registry_that_davy_accepts() -> None:
    fleet = build_fleet(registry_of(together(load_homes(100, 8, 1), probe_homes(10, 1))))
    behind = [device for device in fleet.devices if device and device.gateway]
    assert len(behind) == 100
    assert len(fleet.links) == 10
