"""When people are told that numbers are missing, and when that nothing is missing any more (`contiguity`, Q5).

How long a number has been missing is not kept by number: every NOTE_EVERY_US it is noted how far each device had come,
and what is still missing below the oldest of NOTES such notes has been missing since then at least.
"""

from typing import NamedTuple

import numpy as np

from ingest.followed import NOTE_EVERY_US, Earlier, Followed, count_lost


class Missing(NamedTuple):
    """`many` numbers of this boot from `first` on have not come, or never will."""

    slot: int
    boot: int
    first: int
    many: int


class Complete(NamedTuple):
    """No number of this device is missing any more; `lost` of those that were never came."""

    slot: int
    lost: int


def look(followed: Followed, now: int, *, anew: bool) -> tuple[list[Missing], list[Complete]]:
    """What there is to tell. A function of what is remembered and of `now` alone."""
    told: list[Missing] = []
    if anew:
        _begin_anew(followed, now)
    told += _earlier(followed, now)
    if now >= followed.noted + NOTE_EVERY_US and followed.used:
        told += _overdue(followed)
        followed.notes[:-1, : followed.used] = followed.notes[1:, : followed.used]
        followed.notes[-1, : followed.used] = followed.numbers["highest"][: followed.used]
        followed.noted = now
    completed: list[Complete] = []
    for slot in sorted(followed.changed):
        _changed(followed, slot, told, completed)
    followed.changed.clear()
    return sorted(told), completed


def _begin_anew(followed: Followed, now: int) -> None:
    followed.notes[:-1] = -1
    followed.notes[-1, : followed.used] = followed.numbers["highest"][: followed.used]
    followed.noted = now
    for slot, kept in list(followed.earlier.items()):
        followed.keep(slot, tuple(one.heard_at(now) for one in kept))


def _overdue(followed: Followed) -> list[Missing]:
    """Current boots of which something has been missing since the oldest note, and was not told yet."""
    numbers = followed.numbers[: followed.used]
    oldest, told_to = followed.notes[0, : followed.used], numbers["told_to"]
    rows = np.flatnonzero((oldest > numbers["upto"]) & (oldest > told_to))
    if len(rows):
        # Where something was told before, is anything missing above that?
        after = np.maximum(told_to[rows], numbers["upto"][rows])
        many = oldest[rows] - after
        rows = rows[followed.seen.many(rows.astype(np.int32), after + 1, many) < many]
    told: list[Missing] = []
    for row in rows.tolist():
        one = followed.current(row)
        told.append(Missing(int(numbers["slot"][row]), one.boot, one.upto + 1, one.missing))
        numbers["told"][row], numbers["told_to"][row] = 1, one.highest
    return told


def _earlier(followed: Followed, now: int) -> list[Missing]:
    """Earlier boots: told when something is missing for long, and forgotten when they are offered no longer."""
    told: list[Missing] = []
    for slot in followed.come_due(now):
        kept: list[Earlier] = []
        row = followed.row(slot)
        for one in followed.earlier[slot]:
            boot = one.opened()
            if one.forgotten_at <= now:
                if boot.missing:
                    count_lost(followed, row, boot.boot, boot.upto + 1, boot.missing)
                followed.changed.add(slot)
                continue
            if one.tell_at <= now:
                told.append(Missing(slot, boot.boot, boot.upto + 1, boot.missing))
                followed.numbers["told"][row] = 1
                kept.append(Earlier.closed(boot, 0, one.heard))
            else:
                kept.append(one)
        followed.keep(slot, tuple(kept))
    return told


def _changed(followed: Followed, slot: int, told: list[Missing], completed: list[Complete]) -> None:
    row = followed.row(slot)
    one = followed.numbers[row]  # a view: what is set in it is set
    if one["lost"] > one["stated"] and not one["told"]:
        told.append(Missing(slot, int(one["lost_boot"]), int(one["lost_first"]), int(one["lost"] - one["stated"])))
        one["told"] = 1
    still = one["highest"] > one["upto"] or any(kept.lacks for kept in followed.earlier.get(slot, ()))
    if one["told"] and not still:
        completed.append(Complete(slot, int(one["lost"] - one["stated"])))
        one["told"], one["told_to"], one["stated"] = 0, -1, one["lost"]
