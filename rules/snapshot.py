"""A state at rest: copies of its arrays and records, and their bytes. No pickle: the layout is here, and checked."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from devices.fleet import Fleet
from rules.document import RulePack
from rules.kernels import compile_pack
from rules.reshape import remind_all
from rules.standing import Standing
from rules.state import OpenAlarm, State, Wanted
from rules.windows import Windows

#: What the names of the windows' arrays begin with.
_WINDOW = "window:"
_ARRAYS = ("phase", "since", "due", "heard", "position", "epoch", "busy", "watched")


class Records(msgspec.Struct, frozen=True):
    """What is not an array. `rules` names the columns; alarms and causes name rules by id, slots by number."""

    now: int
    rules: tuple[str, ...]
    open: tuple[OpenAlarm, ...]
    wanted: tuple[Wanted, ...]
    ended: tuple[Wanted, ...]
    closed_for: dict[int, tuple[tuple[int, int], ...]]
    paused_since: int
    #: Not in snapshots of before valves that sleep were known.
    deaf_until: int = 0
    awake: dict[int, int] = {}
    standing: Standing = Standing()


class Snapshot(msgspec.Struct, frozen=True):
    """Cheap to make: arrays are copied, records are frozen already."""

    arrays: dict[str, Any]  # name -> NDArray
    records: Records


class _Encoded(msgspec.Struct, frozen=True):
    arrays: dict[str, tuple[str, tuple[int, ...], bytes]]
    records: Records


def snapshot(state: State) -> Snapshot:
    return Snapshot(
        arrays={name: getattr(state, name).copy() for name in _ARRAYS}
        | {_WINDOW + name: array.copy() for name, array in state.windows.arrays().items()},
        records=Records(
            now=state.now,
            rules=tuple(rule.id for rule in state.compiled.rules),
            open=tuple(state.open.values()),
            wanted=tuple(state.wanted_by_slot.values()),
            ended=tuple(state.ended.values()),
            closed_for=dict(state.closed_for),
            paused_since=state.paused_since,
            deaf_until=state.deaf_until,
            awake=dict(state.awake),
            standing=state.standing(),
        ),
    )


def restore(taken: Snapshot, fleet: Fleet, pack: RulePack) -> State:
    """The state again, for the same fleet and rules. Raises ValueError when they are not the same."""
    compiled = compile_pack(pack, fleet)
    records = taken.records
    if records.rules != tuple(rule.id for rule in compiled.rules):
        raise ValueError("the snapshot was taken under other rules")
    state = State(fleet, compiled, records.now)
    for name in _ARRAYS:
        array: NDArray[Any] = taken.arrays[name]
        mine = getattr(state, name)
        if array.shape != mine.shape or array.dtype != mine.dtype:
            raise ValueError(f"the snapshot's {name} is {array.dtype}{array.shape}, not {mine.dtype}{mine.shape}")
        setattr(state, name, array.copy())
    state.open = {(alarm.slot, compiled.by_id[alarm.rule]): alarm for alarm in records.open}
    state.by_alarm = {alarm.alarm: place for place, alarm in state.open.items()}
    state.wanted_by_slot = {wanted.slot: wanted for wanted in records.wanted}
    state.by_wanted = {wanted.wanted: wanted.slot for wanted in records.wanted}
    state.by_command = {
        made.command: (wanted.slot, made.number) for wanted in records.wanted for made in wanted.attempts
    }
    state.ended = {wanted.wanted: wanted for wanted in records.ended}
    state.closed_for = dict(records.closed_for)
    state.paused_since = records.paused_since
    state.deaf_until = records.deaf_until
    state.awake = dict(records.awake)
    state.stand(records.standing)
    remembered = {name[len(_WINDOW) :]: array for name, array in taken.arrays.items() if name.startswith(_WINDOW)}
    state.windows = Windows.thawed(compiled, remembered)
    remind_all(state)
    return state


def encode_snapshot(taken: Snapshot) -> bytes:
    arrays = {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in taken.arrays.items()}
    return msgspec.msgpack.encode(_Encoded(arrays, taken.records))


def decode_snapshot(body: bytes) -> Snapshot:
    """Raises msgspec.MsgspecError or ValueError for bytes that are no snapshot."""
    encoded = msgspec.msgpack.decode(body, type=_Encoded)
    arrays = {
        name: np.frombuffer(raw, np.dtype(dtype)).reshape(shape) for name, (dtype, shape, raw) in encoded.arrays.items()
    }
    return Snapshot(arrays, encoded.records)
