"""V1 to V5 of devices/coverage.py, N1 to N3 of coverage_counts.py, P1 to P3 of coverage_plans.py, on random towns."""

from dataclasses import fields, replace
from datetime import date
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from devices.coverage import Verdicts, assess
from devices.coverage_columns import (
    NO_DAY,
    AsOf,
    Devices,
    Sites,
    Words,
    day_number,
    day_of,
    each_months_after,
    months_after,
    words,
)
from devices.coverage_counts import Counts, against_targets, cells, code_at, grouped, inside, ranking, total
from devices.coverage_gaps import REASONS, reasons_of, shown
from devices.coverage_plans import Fitted, fitted, plan_rows
from devices.coverage_policy import load_policies

POLICY = load_policies()["wulong_2022_targets"]
DAY = date(2022, 6, 30)
TODAY = day_number(DAY)
AT = AsOf(DAY, (TODAY + 1) * 86_400_000_000)
KINDS = ("detector", "self_closing_valve", "shut_off_valve")


def column(r: np.random.Generator, n: int, *choices: int) -> np.ndarray:
    return r.choice(np.array(choices, np.int32), n).astype(np.int32)


def some_words(r: np.random.Generator, n: int, *choices: str) -> Words:
    return words([choices[at] for at in r.integers(0, len(choices), n)])


def town(seed: int, n: int, m: int) -> tuple[Sites, Devices]:
    r = np.random.default_rng(seed)
    days = (NO_DAY, TODAY - 2000, TODAY - 366, TODAY - 365, TODAY - 1, TODAY, TODAY + 300)
    sites = Sites(
        keys=tuple(f"S{k}" for k in range(n)),
        resident=r.random(n) < 0.7,
        old=r.random(n) < 0.3,
        new=r.random(n) < 0.2,
        hardship=r.random(n) < 0.2,
        height_m=r.choice(np.array([np.nan, 20.0, 100.0, 101.0], np.float32), n),
        gas_on=column(r, n, *days),
        contact=column(r, n, TODAY, TODAY, TODAY - 400, NO_DAY),
        supply=some_words(r, n, "", "natural_gas", "cylinders"),
        area=some_words(r, n, "500156001", "500156002", "500156"),
        department=some_words(r, n, "", "商务"),
        enterprise=some_words(r, n, "a", "b"),
        manager=some_words(r, n, "", "pm"),
    )
    devices = Devices(
        identities=tuple(f"v/{k}" for k in range(m)),
        site=r.integers(0, max(n, 1), m).astype(np.int32),
        kind=some_words(r, m, *KINDS),
        tier=some_words(r, m, "", "low", "mid", "high"),
        seen_us=r.choice(np.array([0, AT.until_us - 1, AT.until_us - 2 * 86_400_000_000]), m, p=[0.1, 0.8, 0.1]),
        interval_s=np.full(m, 60, np.float32),
        installed=column(r, m, *days),
        calibration_due=column(r, m, TODAY + 100, TODAY + 100, TODAY - 1, NO_DAY),
        life_end=column(r, m, TODAY + 900, TODAY + 900, TODAY, TODAY - 1, NO_DAY),
        ruled=r.random(m) < 0.9,
        closed=column(r, m, TODAY - 5, TODAY - 400, NO_DAY),
        evidence=column(r, m, TODAY - 5, TODAY - 400, NO_DAY),
        worked=column(r, m, TODAY - 5, TODAY - 400, NO_DAY),
    )
    return sites, devices


def without(devices: Devices, row: int) -> Devices:
    keep = np.arange(len(devices)) != row
    return in_order(devices, np.flatnonzero(keep))


def in_order(devices: Devices, rows: np.ndarray) -> Devices:
    changed: dict[str, object] = {"identities": tuple(devices.identities[row] for row in rows)}
    for one in fields(devices):
        value = getattr(devices, one.name)
        if isinstance(value, Words):
            changed[one.name] = Words(value.of[rows], value.all)
        elif isinstance(value, np.ndarray):
            changed[one.name] = value[rows]
    return replace(devices, **changed)


def same(a: Verdicts, b: Verdicts) -> bool:
    """But for rows of devices."""
    return all(np.array_equal(getattr(a, one.name), getattr(b, one.name)) for one in fields(a) if one.name != "nearest")


def nearest(devices: Devices, verdicts: Verdicts) -> list[list[str]]:
    return [[devices.identities[row] if row >= 0 else "" for row in rows.tolist()] for rows in verdicts.nearest]


TOWNS = st.builds(town, st.integers(0, 2**32), st.integers(1, 25), st.integers(0, 50))


@given(TOWNS, st.integers(0, 49))
def test_a_device_less_never_covers_a_site(it: tuple[Sites, Devices], row: int) -> None:
    sites, devices = it
    if not len(devices):
        return
    before, after = assess(POLICY, sites, devices, AT), assess(POLICY, sites, without(devices, row % len(devices)), AT)
    assert not (after.covered & ~before.covered).any()
    assert not (after.installed & ~before.installed).any()
    assert not (before.late & ~after.late).any()


@given(TOWNS)
def test_whoever_is_not_covered_has_a_reason_and_nobody_else(it: tuple[Sites, Devices]) -> None:
    sites, devices = it
    verdicts = assess(POLICY, sites, devices, AT)
    assert ((verdicts.gap != 0) == (verdicts.required & ~verdicts.covered)).all()
    assert (verdicts.observed | verdicts.evidenced == verdicts.covered).all()
    assert not (verdicts.observed & verdicts.evidenced).any()
    assert not (verdicts.late & verdicts.covered).any()
    assert (verdicts.of_class[verdicts.required] >= 0).all()
    for gap in verdicts.gap.tolist():
        assert bool(gap) == bool(reasons_of(gap))


@given(TOWNS, st.randoms())
def test_the_order_of_devices_changes_nothing(it: tuple[Sites, Devices], r: object) -> None:
    sites, devices = it
    order = np.arange(len(devices))
    r.shuffle(order)  # type: ignore[attr-defined]
    before, shuffled = assess(POLICY, sites, devices, AT), in_order(devices, order)
    after = assess(POLICY, sites, shuffled, AT)
    assert same(before, after)
    assert nearest(devices, before) == nearest(shuffled, after)


@given(TOWNS)
def test_the_parts_add_up_to_the_whole(it: tuple[Sites, Devices]) -> None:
    sites, devices = it
    verdicts = assess(POLICY, sites, devices, AT)
    found = cells(POLICY, sites, verdicts)
    whole = total(cell.counts for cell in found)
    assert whole.sites == len(sites)
    assert whole.required == verdicts.required.sum()
    assert whole.covered == verdicts.covered.sum()
    assert whole.uncovered == (verdicts.gap != 0).sum()
    assert whole.late == verdicts.late.sum()
    assert whole.gaps == {
        word: int(((verdicts.gap & bit) != 0).sum()) for bit, word in REASONS.items() if (verdicts.gap & bit).any()
    }
    for key in (code_at("township"), code_at("county"), lambda cell: cell.department, lambda cell: cell.site_class):
        assert total(grouped(found, key).values()) == whole
    assert total(cell.counts for cell in inside(found, "500156")) == whole
    assert sum(one.counts.sites for one in against_targets(POLICY, found)) <= whole.sites
    assert sum(row.sites for row in fitted(POLICY, sites, verdicts)) == whole.installed


SHARES = st.dictionaries(st.text(max_size=3), st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12)


@given(SHARES)
def test_equal_shares_have_equal_ranks_and_a_share_of_nothing_has_none(said: dict[str, tuple[int, int]]) -> None:
    groups = {name: Counts(required=max(a, b), observed=min(a, b)) for name, (a, b) in said.items()}
    found = ranking(groups, by=lambda counts: counts.share)
    assert sorted(one.name for one in found) == sorted(groups)
    shares = {name: Fraction(one.observed, one.required) for name, one in groups.items() if one.required}
    for one in found:
        if one.name in shares:
            assert one.rank == 1 + sum(share > shares[one.name] for share in shares.values())
        else:
            assert one.rank is None
    ranks = [one.rank for one in found]
    assert ranks == sorted(ranks, key=lambda rank: (rank is None, rank or 0))


MONTHS = st.integers(0, 7).map(lambda n: date(2022 + n // 12, n % 12 + 1, 1))


@given(
    st.dictionaries(st.tuples(st.just("500156"), st.just("hardship"), MONTHS), st.integers(0, 9), min_size=1),
    st.lists(st.tuples(st.sampled_from(("500156001", "500156002")), st.none() | MONTHS, st.integers(1, 5))),
    MONTHS,
)
def test_what_is_behind_is_what_was_promised_until_then_and_was_not_there(
    planned: dict[tuple[str, str, date], int], done: list[tuple[str, date | None, int]], until: date
) -> None:
    rows = plan_rows(planned, [Fitted(area, "hardship", "", "", month, n) for area, month, n in done], until)
    first = min(month for _, _, month in planned)
    assert [row.month for row in rows] == sorted(row.month for row in rows)
    for row in rows:
        promised = sum(n for (_, _, month), n in planned.items() if month <= row.month)
        there = sum(n for _, month, n in done if month is not None and first <= month <= row.month)
        assert row.late == (max(0, promised - there) if row.month <= until else 0)
    assert sum(row.planned for row in rows) == sum(planned.values())


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.integers(0, 60))
def test_months_are_those_of_the_calendar(day: date, months: int) -> None:
    then = months_after(day, months)
    assert (then.year * 12 + then.month) - (day.year * 12 + day.month) == months
    assert then.day == day.day or (then.day < day.day and day_of(day_number(then) + 1).day == 1)  # type: ignore[union-attr]
    found = each_months_after(np.array([day_number(day), NO_DAY], np.int32), months)
    assert found.tolist() == [day_number(then), NO_DAY]


def test_every_reason_can_be_read_in_both_languages() -> None:
    for word in REASONS.values():
        assert shown(word, "zh")
        assert shown(word, "en")
    assert len(set(REASONS.values())) == len(REASONS)
    # What is stored of published reports.
    assert {word: bit for bit, word in REASONS.items() if bit < 1 << 24} == {
        "no_contact": 1,
        "detector_missing": 1 << 8,
        "detector_silent": 2 << 8,
        "detector_calibration_over": 4 << 8,
        "detector_life_over": 8 << 8,
        "detector_no_rules": 16 << 8,
        "detector_closing_unproven": 32 << 8,
        "detector_no_evidence": 64 << 8,
        "self_closing_valve_missing": 1 << 16,
        "self_closing_valve_silent": 2 << 16,
        "self_closing_valve_calibration_over": 4 << 16,
        "self_closing_valve_life_over": 8 << 16,
        "self_closing_valve_no_rules": 16 << 16,
        "self_closing_valve_closing_unproven": 32 << 16,
        "self_closing_valve_no_evidence": 64 << 16,
    }
