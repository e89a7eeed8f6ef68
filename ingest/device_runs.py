"""Arithmetic on readings sorted by device: each device's readings are one run, and no run is looped over."""

import numpy as np
from numpy.typing import NDArray


def segments(slot: NDArray[np.int32]) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """(which readings begin a device's run, the number of each reading's run) of readings sorted by device."""
    start = np.empty(len(slot), np.bool_)
    start[:1] = True
    np.not_equal(slot[1:], slot[:-1], out=start[1:])
    return start, np.cumsum(start) - 1


def above(
    boot: NDArray[np.int64], seq: NDArray[np.int64], than_boot: NDArray[np.int64], than_seq: NDArray[np.int64]
) -> NDArray[np.bool_]:
    above: NDArray[np.bool_] = (boot > than_boot) | ((boot == than_boot) & (seq > than_seq))
    return above


def running_highest(
    segment: NDArray[np.intp], major: NDArray[np.int64], minor: NDArray[np.int64]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """(index of the highest (major, minor) of the run up to and including each reading, whether the same pair came
    before in the run). Readings are sorted by run."""
    n = len(segment)
    rising = (segment[1:] != segment[:-1]) | above(major[1:], minor[1:], major[:-1], minor[:-1])
    if rising.all():  # what devices do that send in order
        return np.arange(n), np.zeros(n, np.bool_)
    # Ranks of (run, pair, arrival) keep each run inside its own stretch, so one running maximum serves all runs.
    order = np.lexsort((minor, major, segment))
    rank = np.empty(n, np.intp)
    rank[order] = np.arange(n)
    same = (segment[order[1:]] == segment[order[:-1]]) & (major[order[1:]] == major[order[:-1]])
    repeated = np.zeros(n, np.bool_)
    repeated[order[1:]] = same & (minor[order[1:]] == minor[order[:-1]])
    return order[np.maximum.accumulate(rank)], repeated


def first_like_it(segment: NDArray[np.intp], values: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """(index of the first reading of the run with the same value, whether that is an earlier one)."""
    n = len(segment)
    order = np.lexsort((values, segment))
    differs = np.ones(n, np.bool_)
    differs[1:] = (segment[order[1:]] != segment[order[:-1]]) | (values[order[1:]] != values[order[:-1]])
    first = np.empty(n, np.intp)
    first[order] = order[np.maximum.accumulate(np.where(differs, np.arange(n), 0))]
    return first, first != np.arange(n)
