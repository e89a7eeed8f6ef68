"""What is dear is asked of few rows: they must say what they say when every row is asked by itself."""

from hypothesis import given
from hypothesis import strategies as st

from tests.rules.evaluation.desk import Desk, pack, reading, rule

CONDITIONS = (
    "co_ppm >= 90 ppm and rate(combustible_lel, 60 s) >= 1 %LEL/min",
    "max(combustible_lel, 60 s) >= 5 %LEL and co_ppm >= 90 ppm and not tamper",
    "co_ppm >= 90 ppm and (min(combustible_lel, 30 s) < 3 %LEL or delta(combustible_lel, 60 s) > 2 %LEL)",
    "not (co_ppm >= 90 ppm and stuck(combustible_lel, 30 s)) and co_ppm >= 80 ppm",
)
#: Whose, seconds after the one before, %LEL, ppm: mostly so little that the window is not asked.
READINGS = st.lists(
    st.tuples(
        st.sampled_from(("m1", "m2", "m3", "m4")),
        st.integers(1, 25),
        st.sampled_from((0.0, 1.0, 4.0, 9.0, float("nan"))),
        st.sampled_from((1.0, 1.0, 1.0, 1.0, 85.0, 95.0, float("nan"))),
    ),
    min_size=1,
    max_size=30,
)


@given(st.sampled_from(CONDITIONS), READINGS)
def test_a_batch_says_of_every_row_what_the_row_says_alone(
    condition: str, said: list[tuple[str, int, float, float]]
) -> None:
    together, alone = Desk(pack(rule(condition))), Desk(pack(rule(condition)))
    rows, t = [], 0
    for name, gap, lel, ppm in said:
        t += gap
        rows.append(reading(name, t, combustible_lel=lel, co_ppm=ppm))
    assert together.says(*rows) == [alone.says(row)[0] for row in rows]
