"""A state at rest: copies of its arrays and records, and their bytes. No pickle: the layout is here, and checked."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from devices.fleet import Fleet
from rules.documents.document import RulePack
from rules.evaluation.kernels import compile_pack
from rules.evaluation.windows import Windows
from rules.life.deadlines import NEVER
from rules.life.lifecycle import IS_ACTIVE
from rules.life.tally import tally
from rules.stepping.columns import Columns
from rules.stepping.reshape import remind_all
from rules.stepping.standing import Standing
from rules.stepping.state import OpenAlarm, State, Wanted

#: What the names of the windows' arrays begin with.
_WINDOW = "window:"
_ARRAYS = ("phase", "heard", "position", "epoch", "busy", "watched", "stage", "silent")
_COLUMNS = ("since", "due")
#: Not in snapshots of before it was kept: a hold that ran then ends without a value.
_WORST = "worst"


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
    #: The rules of the columns of since and due; None in snapshots of before they were only some.
    holding: tuple[str, ...] | None = None
    changed: int = 0
    #: Empty in snapshots of before it was kept: a valve's closing is then asked for once more, which is harmless.
    seen: dict[int, int] = {}
    relied: tuple[int, ...] = ()


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
        | {name: getattr(state, name).values.copy() for name in _COLUMNS}
        | {_WORST: state.worst.orders.copy()}
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
            holding=tuple(state.compiled.rules[rule].id for rule in state.since.rules.tolist()),
            changed=state.changed,
            seen={slot: state.seen[slot] for slot in sorted(state.seen)},
            relied=tuple(sorted(state.relied)),
        ),
    )


def restore(taken: Snapshot, fleet: Fleet, pack: RulePack) -> State:
    """The state again, for the same fleet and rules. Raises ValueError when they are not the same."""
    compiled = compile_pack(pack, fleet)
    records = taken.records
    if records.rules != tuple(rule.id for rule in compiled.rules):
        raise ValueError("the snapshot was taken under other rules")
    state = State(fleet, compiled, records.now)
    arrays = _as_now(taken.arrays, records, state)
    for name in (*_ARRAYS, *_COLUMNS, _WORST):
        mine = getattr(state, name)
        there = mine.orders if name == _WORST else mine.values if name in _COLUMNS else mine
        array: NDArray[Any] = arrays.get(name, there) if name == _WORST else arrays[name]
        if array.shape != there.shape or array.dtype != there.dtype:
            raise ValueError(f"the snapshot's {name} is {array.dtype}{array.shape}, not {there.dtype}{there.shape}")
        there[...] = array
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
    state.changed = records.changed
    state.seen = dict(records.seen)
    state.relied = set(records.relied)
    state.stand(records.standing)
    remembered = {name[len(_WINDOW) :]: array for name, array in taken.arrays.items() if name.startswith(_WINDOW)}
    state.windows = Windows.thawed(compiled, remembered)
    state.outages = tally(compiled, state.deadlines, state.stage)
    remind_all(state)
    return state


def _as_now(arrays: dict[str, Any], records: Records, state: State) -> dict[str, Any]:
    """The arrays as they are laid out today, and in `state` the columns that they need. Raises ValueError for holds of
    a rule that is not there."""
    every = tuple(range(len(state.compiled)))
    kept = every if records.holding is None else tuple(state.compiled.by_id.get(rule, -1) for rule in records.holding)
    if -1 in kept:
        raise ValueError("the snapshot holds alarms of a rule that is not there")
    if records.holding is None:  # of before columns: most of them were always zero
        used = {*state.traits.waits, *np.flatnonzero(arrays["since"].any(axis=0)).tolist()}
        kept = tuple(rule for rule in every if rule in used)
        arrays = arrays | {name: arrays[name][:, list(kept)] for name in _COLUMNS}
    state.since, state.due = (Columns(len(state.heard), len(every), kept) for _ in _COLUMNS)
    if "stage" not in arrays:  # of before silences had stages
        silence = list(state.compiled.silence)
        silent = IS_ACTIVE[arrays["phase"][:, silence]].any(axis=1)
        many = (state.deadlines.after_us < NEVER).sum(axis=1)[state.compiled.class_of]
        arrays = arrays | {"silent": silent, "stage": np.where(silent, many, 0).astype(np.uint8)}
    return arrays


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
