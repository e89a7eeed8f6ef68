"""The vectorised admission equals the plain one, however arrivals are cut, and replaying the journal rebuilds it."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.codecs.decoded import Decoded
from devices.quantities import Flag
from devices.readings import NO_SEQ, NO_TIME, Rows, blank
from ingest.admission import FUTURE_US, Admission
from tests.admission.reference import DEVICES, FLEET, Reference

NOW = 1_764_633_600_000_000
HOUR_US = 3_600_000_000

Arrival = tuple[int, str, int, int, int | None, bool]  # device_no, kind, boot, seq, device time or None, backfill

# Small numbers, so that duplicates, windows left behind, wiped counters and repeated hashes all happen.
times = st.one_of(
    st.none(),
    st.integers(-40, 40).map(lambda s: NOW + s * 1_000_000),
    st.sampled_from(
        [0, NOW - 8 * HOUR_US, NOW + 8 * HOUR_US, NOW - 8 * 24 * HOUR_US, NOW + FUTURE_US, -(2**62), 2**62]
    ),
)
numbers = st.one_of(
    st.integers(0, 12),
    st.integers(0, 200),
    # Round the edges of the window of 1,024 and of its words of 64.
    st.integers(0, 3).flatmap(lambda n: st.integers(1_024 * n - 66, 1_024 * n + 66)).map(abs),
    st.sampled_from([2**63 - 1, 2**63 - 2, 2**63 - 1_024, 2**63 - 1_025, 2**62]),
)
arrivals = st.lists(
    st.tuples(
        st.integers(10, 9 + DEVICES),
        st.sampled_from(["number", "number", "hash", "none"]),
        st.sampled_from([0, 0, 0, 1, 2**31 - 1]),
        numbers,
        times,
        st.booleans(),
    ),
    max_size=60,
)


def rows_of(arrived: list[Arrival]) -> Rows:
    rows = blank(len(arrived))
    for row, (_, kind, boot, seq, said, backfill) in zip(rows, arrived, strict=True):
        row["device_ts"] = NO_TIME if said is None else said
        row["flags"] = Flag.BACKFILL if backfill else 0
        if kind == "number":
            row["boot"], row["seq"] = boot, seq
        elif kind == "hash":
            row["seq"] = seq
            # A hash is there because a time was; an impossible one arrives as suspect and without value.
            row["flags"] |= Flag.HASHED | (Flag.SUSPECT_CLOCK if said is None else 0)
        else:
            row["device_ts"], row["seq"] = NO_TIME, NO_SEQ
            row["flags"] |= Flag.NO_IDENTITY
    return rows


def decoded_of(arrived: list[Arrival]) -> Decoded:
    rows = rows_of(arrived)
    hashed = (rows["flags"] & Flag.HASHED) != 0
    return Decoded(rows, np.arange(len(rows), dtype=np.int32), hashed, (), ())


def admit_in_parts(arrived: list[Arrival], cuts: list[int]) -> tuple[Admission, list[tuple[int, bool, int, int]]]:
    """(arrival index, duplicate, ts, flags) for each, after admitting the parts between the cuts one by one."""
    admission = Admission(FLEET)
    edges = sorted({0, len(arrived), *(cut % (len(arrived) + 1) for cut in cuts)})
    outcome: list[tuple[int, bool, int, int]] = []
    for cycle, (begin, end) in enumerate(itertools.pairwise(edges)):
        part = arrived[begin:end]
        device_no = np.array([one[0] for one in part], np.int32)
        admitted = admission.admit(decoded_of(part), device_no, FLEET, NOW, cycle)
        assert admitted.refused == ()
        assert sorted([*admitted.message.tolist(), *admitted.duplicate.tolist()]) == list(range(len(part)))
        outcome += [(begin + at, True, 0, 0) for at in admitted.duplicate.tolist()]
        for at, row in zip(admitted.message.tolist(), admitted.batch.rows, strict=True):
            outcome.append((begin + at, False, int(row["ts"]), int(row["flags"])))
    return admission, sorted(outcome)


@settings(max_examples=500, deadline=None)
@given(arrivals)
def test_it_is_known_which_reading_began_a_window_anew_and_whose_clock_went_back(arrived: list[Arrival]) -> None:
    device_no = np.array([one[0] for one in arrived], np.int32)
    judged = Admission(FLEET).admit(decoded_of(arrived), device_no, FLEET, NOW, 0).judged
    expected = Reference().admit(rows_of(arrived), device_no.tolist(), NOW)
    assert list(zip(judged.anew.tolist(), judged.older.tolist(), strict=True)) == [one[3:] for one in expected]


def memory_of(admission: Admission) -> dict[str, list[int]]:
    return {name: array.tolist() for name, array in admission.snapshot().items()}


@settings(max_examples=1_500, deadline=None)
@given(arrivals, st.lists(st.integers(0, 60), max_size=5))
def test_admission_equals_the_plain_reference_however_arrivals_are_cut(arrived: list[Arrival], cuts: list[int]) -> None:
    expected = Reference().admit(rows_of(arrived), [one[0] for one in arrived], NOW)
    _, outcome = admit_in_parts(arrived, cuts)
    for at, duplicate, ts, flags in outcome:
        assert (duplicate, *((ts, flags) if not duplicate else ())) == expected[at][: 1 if duplicate else 3]


def storm(seed: int, n: int, *, resets: bool, hashes: bool) -> list[Arrival]:
    """What happens on a bad day: long runs of few devices, redelivered, reordered, clocks wrong. Resets wipe counters,
    and both they and hashes lead to devices being walked one by one; without them all is done by arrays."""
    rng = random.Random(seed)
    boot, seq = dict.fromkeys(range(10, 10 + DEVICES), 1), dict.fromkeys(range(10, 10 + DEVICES), 0)
    arrived: list[Arrival] = []
    while len(arrived) < n:
        no = rng.randrange(10, 10 + DEVICES)
        match rng.randrange(30):
            case 0 if resets:
                boot[no], seq[no] = rng.randrange(3), rng.randrange(5)
            case 1 | 2 | 3 if arrived:
                begin = rng.randrange(len(arrived))
                arrived += arrived[begin : begin + rng.randrange(1, 80)]
            case 4:
                seq[no] += rng.choice((rng.randrange(100), rng.randrange(900, 1_100)))
            case _:
                for _ in range(rng.randrange(1, 12)):
                    seq[no] += 1
                    said = NOW - 30_000_000 + len(arrived) * 1_000 + rng.randrange(-20_000, 2_000)
                    kind = "hash" if hashes and no >= 13 and rng.random() < 0.8 else "number"
                    when = rng.choice((said, said, said, 0, None))
                    arrived.append((no, kind, boot[no], seq[no], when, rng.random() < 0.05))
    return arrived


@pytest.mark.parametrize(("resets", "hashes"), [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize("seed", range(4))
def test_storms_of_redelivery_and_resets_are_judged_as_one_by_one(seed: int, resets: bool, hashes: bool) -> None:
    arrived = storm(seed, 1_500, resets=resets, hashes=hashes)
    expected = Reference().admit(rows_of(arrived), [one[0] for one in arrived], NOW)
    rng = random.Random(seed)
    _, whole = admit_in_parts(arrived, [])
    _, parts = admit_in_parts(arrived, [rng.randrange(len(arrived)) for _ in range(20)])
    assert whole == parts
    for at, duplicate, ts, flags in whole:
        assert duplicate == expected[at][0]
        assert duplicate or (ts, flags) == expected[at][1:3]
    assert sum(duplicate for _, duplicate, _, _ in whole) > 50  # the storm was one


@settings(max_examples=500, deadline=None)
@given(arrivals, st.lists(st.integers(0, 60), max_size=5))
def test_replaying_the_journal_leaves_the_same_memory(arrived: list[Arrival], cuts: list[int]) -> None:
    live, replayed = Admission(FLEET), Admission(FLEET)
    edges = sorted({0, len(arrived), *(cut % (len(arrived) + 1) for cut in cuts)})
    for cycle, (begin, end) in enumerate(itertools.pairwise(edges)):
        part = arrived[begin:end]
        device_no = np.array([one[0] for one in part], np.int32)
        replayed.replay(live.admit(decoded_of(part), device_no, FLEET, NOW + cycle, cycle).batch)
    assert memory_of(replayed) == memory_of(live)


@settings(max_examples=300, deadline=None)
@given(arrivals, st.lists(st.integers(0, 60), max_size=5))
def test_what_is_remembered_does_not_depend_on_how_arrivals_were_cut(arrived: list[Arrival], cuts: list[int]) -> None:
    assert memory_of(admit_in_parts(arrived, cuts)[0]) == memory_of(admit_in_parts(arrived, [])[0])


@settings(max_examples=300, deadline=None)
@given(arrivals, st.integers(0, 60))
def test_a_snapshot_restored_goes_on_as_if_nothing_had_been(arrived: list[Arrival], cut: int) -> None:
    cut = min(cut, len(arrived))
    straight, _ = admit_in_parts(arrived, [cut])
    before, _ = admit_in_parts(arrived[:cut], [])
    after = Admission(FLEET)
    after.restore(before.snapshot())
    rest = arrived[cut:]
    after.admit(decoded_of(rest), np.array([one[0] for one in rest], np.int32), FLEET, NOW, 1)
    assert memory_of(after) == memory_of(straight)
