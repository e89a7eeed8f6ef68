import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from simulators.room import Air, Inflow, equilibrium, mixed

volumes = st.floats(1.0, 1000.0)
seconds = st.floats(0.0, 100_000.0)
inflows = st.builds(
    Inflow,
    leak_m3h=st.floats(0.0, 100.0),
    flue_m3h=st.floats(0.0, 100.0),
    flue_co_ppm=st.floats(0.0, 100_000.0),
    air_changes_per_hour=st.floats(0.0, 30.0),
)
airs = st.builds(Air, methane=st.floats(0.0, 1.0), co=st.floats(0.0, 0.1))


def close(one: Air, other: Air, tolerance: float = 1e-9) -> bool:
    pairs = ((one.methane, other.methane), (one.co, other.co))
    return all(math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance) for a, b in pairs)


@given(airs, inflows, volumes, seconds)
def test_a_fraction_never_leaves_the_span_of_what_was_there_and_what_it_tends_to(
    air: Air, inflow: Inflow, volume_m3: float, elapsed_s: float
) -> None:
    after = mixed(air, inflow, volume_m3, elapsed_s)
    limit = equilibrium(inflow, volume_m3) or air
    for now, before, later in ((after.methane, air.methane, limit.methane), (after.co, air.co, limit.co)):
        assert 0.0 <= now <= 1.0 + 1e-12
        assert min(before, later) - 1e-12 <= now <= max(before, later) + 1e-12


@given(airs, inflows, volumes, seconds, st.lists(st.floats(0.0, 1.0), max_size=20))
def test_the_result_does_not_depend_on_how_the_time_is_cut(
    air: Air, inflow: Inflow, volume_m3: float, elapsed_s: float, cuts: list[float]
) -> None:
    at = [0.0, *sorted(cut * elapsed_s for cut in cuts), elapsed_s]
    in_steps = air
    for start, end in itertools.pairwise(at):
        in_steps = mixed(in_steps, inflow, volume_m3, end - start)
    assert close(in_steps, mixed(air, inflow, volume_m3, elapsed_s))


@given(airs, inflows.filter(lambda inflow: inflow.air_changes_per_hour > 0.1), volumes)
def test_with_constant_inflow_the_air_tends_to_the_analytic_equilibrium(
    air: Air, inflow: Inflow, volume_m3: float
) -> None:
    limit = equilibrium(inflow, volume_m3)
    assert limit is not None
    assert close(mixed(air, inflow, volume_m3, 1e9), limit)


@given(airs, volumes, seconds)
def test_a_sealed_room_keeps_its_air(air: Air, volume_m3: float, elapsed_s: float) -> None:
    assert mixed(air, Inflow(air_changes_per_hour=0.0), volume_m3, elapsed_s) == air


@given(st.floats(0.1, 10.0), volumes, st.floats(0.1, 5.0))
def test_a_small_leak_into_clean_air_fills_the_room_at_its_own_rate(
    leak_m3h: float, volume_m3: float, elapsed_s: float
) -> None:
    """At first nothing leaves yet: the volume fraction is what has leaked, over the volume."""
    after = mixed(Air(), Inflow(leak_m3h=leak_m3h, air_changes_per_hour=0.0), volume_m3, elapsed_s)
    leaked = leak_m3h * elapsed_s / 3600 / volume_m3
    assert math.isclose(after.methane, leaked, rel_tol=leaked + 1e-9)


def test_a_fifth_of_an_explosive_mixture_is_one_percent_by_volume_on_the_5_0_basis() -> None:
    assert math.isclose(Air(methane=0.01).methane_lel(5.0), 20.0)
    assert math.isclose(Air(methane=0.01).methane_lel(4.4), 100 / 4.4)
