"""From decoded rows to a Batch: whose they are, whether they are known, when they count, and whether they may act.

A1  Every row is admitted, a duplicate, or refused with its message; none vanishes (G2).
A2  `ts` is the device's time if it lies in [now - the model's max age, now + FUTURE_US], else `now`; `device_ts` keeps
    what the device said. A time that was sent and not taken sets SUSPECT_CLOCK.
A3  LATE is what the sender marked as backfill, and what is not newest (`identity_window`, W2). A late reading never
    commands a valve (G10).
A4  The same arrivals give the same admitted rows and flags however they are cut into batches of one `now` (G5); only
    the numbers that readings without any identity are given depend on it.

What follows, in cases that happen:
- A clock 8 hours ahead, or in 1970: suspect, `ts` = now, newest by its number: it acts.
- A clock 8 hours behind, inside the max age: believed, `ts` lies 8 hours back; newest by its number: it acts. Without
  numbers, a clock that *jumps* back reads as old until it catches up; its alarm bits still reach people. Such a
  device should send `seq`.
- A new boot number: above everything before, newest. Readings of the boot before that come after it are late.
- Counters wiped (boot and seq start again): below the window. A believed, later clock makes the reading newest, and
  the window starts anew there (W3). Without a believed clock it is late until one comes.
- A captured message sent again: in the window a duplicate; below it late, because neither its number nor its time is
  later than what was seen. For a device without numbers whose message is older than the max age, a replay cannot be
  told from a wrong clock: it acts. Such a device should send `seq`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.codecs.decoded import Decoded, Refused
from devices.fleet import Fleet
from devices.quantities import Flag
from devices.readings import NO_TIME, Batch, Rows
from ingest.identity_window import IdentityWindow, Sightings
from ingest.one_device import NO_CLOCK

#: How far ahead of ours a device's clock may be and still be believed (design, Admission).
FUTURE_US = 5 * 60 * 1_000_000
#: Numbers set aside in each cycle for readings without identity; more rows than this do not fit in a cycle's reads.
ROWS_PER_CYCLE = 1 << 20


@dataclass(frozen=True, slots=True)
class Judged:
    """Every decoded row of a known device, duplicates too, in order of arrival. rows: (n,), with all flags set.
    slot: (n,), i4. source: (n,), its index among the decoded rows. duplicate, anew, older: (n,), bool, as in Verdicts.
    """

    rows: Rows
    slot: NDArray[np.int32]
    source: NDArray[np.intp]
    duplicate: NDArray[np.bool_]
    anew: NDArray[np.bool_]
    older: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Admitted:
    """batch: the admitted rows in order of arrival, complete.
    message: (n,), i4, the payload of each admitted row.
    duplicate: (m,), i4, the payload of each duplicate reading.
    refused: what the codec refused and what admission adds, by payload.
    judged: what both were taken from."""

    batch: Batch
    message: NDArray[np.int32]
    duplicate: NDArray[np.int32]
    refused: tuple[Refused, ...]
    judged: Judged


class Admission:
    """The engine's memory of what it has admitted, by slot of a fleet."""

    def __init__(self, fleet: Fleet) -> None:
        self._window = IdentityWindow(len(fleet))

    def resize(self, fleet: Fleet) -> None:
        """Follow a registry change. Slots are never given to another device, so nothing is forgotten."""
        self._window.grow(len(fleet))

    def snapshot(self) -> dict[str, NDArray[np.int64] | NDArray[np.uint64]]:
        """Copies by name, for a checkpoint."""
        return self._window.snapshot()

    def restore(self, arrays: dict[str, NDArray[np.int64] | NDArray[np.uint64]]) -> None:
        """The inverse; call `resize` after it if the fleet has grown since. Raises ValueError."""
        self._window.restore(arrays)

    def admit(self, decoded: Decoded, device_no: NDArray[np.int32], fleet: Fleet, now: int, cycle: int) -> Admitted:
        """`device_no`: (payloads,), whom each payload speaks for. `now`: the cycle's time, microseconds UTC.

        Remembers what it admits: rows that are not to be stored must be left out of `decoded` before.
        """
        slots = fleet.slots(device_no)
        known = (slots >= 0) & fleet.present[np.maximum(slots, 0)] if len(fleet) else np.zeros(len(slots), np.bool_)
        refused = decoded.refused + _strangers(decoded, device_no, known)
        mine = np.flatnonzero(known[decoded.message])
        rows, message = decoded.rows[mine], decoded.message[mine]
        slot = slots[message]
        believed = _believed(rows, fleet.max_age_us[slot], now)
        rows["flags"][(rows["device_ts"] != NO_TIME) & ~believed] |= Flag.SUSPECT_CLOCK
        verdicts = self._window.judge(_sightings(rows, slot, np.where(believed, rows["device_ts"], NO_CLOCK)))
        rows["flags"][~verdicts.newest | ((rows["flags"] & Flag.BACKFILL) != 0)] |= Flag.LATE
        rows["flags"][fleet.simulated[slot]] |= Flag.SIMULATED
        rows["device_no"] = device_no[message]
        rows["received"] = now
        rows["ts"] = np.where(believed, rows["device_ts"], now)
        kept = np.flatnonzero(~verdicts.duplicate)
        admitted = rows[kept]
        _number_the_nameless(admitted, cycle)
        batch = Batch(admitted, slot[kept], _follow(decoded.extra, mine[kept], len(decoded.rows)))
        judged = Judged(rows, slot, mine, verdicts.duplicate, verdicts.anew, verdicts.older)
        return Admitted(batch, message[kept], message[verdicts.duplicate], refused, judged)

    def replay(self, batch: Batch) -> None:
        """Remember a journaled batch, as `admit` did when it was new."""
        rows = batch.rows
        believed = (rows["device_ts"] != NO_TIME) & ((rows["flags"] & Flag.SUSPECT_CLOCK) == 0)
        self._window.judge(_sightings(rows, batch.slots, np.where(believed, rows["device_ts"], NO_CLOCK)))


def _strangers(decoded: Decoded, device_no: NDArray[np.int32], known: NDArray[np.bool_]) -> tuple[Refused, ...]:
    messages = np.unique(decoded.message[~known[decoded.message]])
    return tuple(Refused(int(at), f"device {int(device_no[at])} is not in the registry") for at in messages)


def _believed(rows: Rows, max_age_us: NDArray[np.int64], now: int) -> NDArray[np.bool_]:
    device_ts = rows["device_ts"]
    believed: NDArray[np.bool_] = (
        (device_ts != NO_TIME) & (device_ts >= now - max_age_us) & (device_ts <= now + FUTURE_US)
    )
    return believed


def _sightings(rows: Rows, slot: NDArray[np.int32], clock: NDArray[np.int64]) -> Sightings:
    flags = rows["flags"]
    return Sightings(
        slot=slot,
        boot=rows["boot"].astype(np.int64),
        seq=rows["seq"],
        numbered=(flags & (Flag.HASHED | Flag.NO_IDENTITY)) == 0,
        hashed=(flags & Flag.HASHED) != 0,
        clock=clock,
        suspect=(flags & Flag.SUSPECT_CLOCK) != 0,
    )


def _number_the_nameless(rows: Rows, cycle: int) -> None:
    """Readings without any identity get a number that no other cycle gives, so that the database key holds."""
    if len(rows) > ROWS_PER_CYCLE:
        raise ValueError(f"{len(rows)} readings in one cycle; at most {ROWS_PER_CYCLE}")
    nameless = np.flatnonzero(rows["flags"] & Flag.NO_IDENTITY)
    rows["seq"][nameless] = cycle * ROWS_PER_CYCLE + nameless


def _follow(extra: tuple[tuple[int, bytes], ...], kept: NDArray[np.intp], n: int) -> tuple[tuple[int, bytes], ...]:
    """Extra fields move with their rows; `kept`: the index each remaining row had among n."""
    if not extra:
        return ()
    place = np.full(n, -1, np.int64)
    place[kept] = np.arange(len(kept))
    return tuple((int(place[at]), body) for at, body in extra if place[at] >= 0)
