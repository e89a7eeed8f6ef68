"""Everything the engine knows that is a function of its log: fleet, rules, rule state, duplicate windows.

The live cycle and the replay after a restart go through the same two methods, `change` and `judge`, so that a restart
cannot differ from an uninterrupted run (G5). Nothing here reads a clock or a file.
"""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from devices.fleet import Fleet, build_fleet
from devices.fleet_change import changed_fleet
from devices.left import Left
from devices.readings import Batch
from devices.registry_book import RegistryBook
from devices.sites import Registry, decode_change, decode_registry
from engine.following import numbers_of
from engine.records import CycleRecord
from ingest.admission import Admission
from ingest.contiguity import NEVER, Contiguity
from ingest.followed import FrozenFollowed
from rules.decisions import Decision
from rules.documents.document import RulePack, default_pack, load_pack
from rules.evaluation.kernels import Compiled, compile_again, compile_pack
from rules.events import (
    Event,
    Listening,
    Paused,
    ReadingsComplete,
    ReadingsMissing,
    RegistryChanged,
    Resumed,
    RulesChanged,
)
from rules.stepping.reshape import reshape
from rules.stepping.snapshot import decode_snapshot, encode_snapshot, restore, snapshot
from rules.stepping.state import State
from rules.stepping.step import step

Bodies = Callable[[str], bytes]

#: The `number` of a rule pack document that came with Davy, so that a newer Davy may bring a newer one.
BUILT_IN = 1


class Frozen(msgspec.Struct, frozen=True):
    """A memory at rest, as a checkpoint holds it: the documents by hash, the rest as bytes."""

    registry_sha256: str
    rules_sha256: str
    device_no: bytes  # the slots' order, i4 little-endian: slots never move
    state: bytes
    admission: dict[str, tuple[str, tuple[int, ...], bytes]]  # name -> (dtype, shape, bytes)
    following: FrozenFollowed = FrozenFollowed()
    left: Left = Left()
    #: Changes of the registry since that document, in order, by hash.
    registry_changes: tuple[str, ...] = ()


class Memory:
    """The registry in force is the document `registry_sha256` and the changes of it since, `registry_changes` (hashes);
    `book` is what they make, `registry_number` its outbox number."""

    def __init__(
        self, fleet: Fleet, pack: RulePack, state: State, admission: Admission, book: RegistryBook | None = None
    ) -> None:
        self.fleet = fleet
        self.pack = pack
        self.state = state
        self.admission = admission
        self.contiguity = Contiguity(len(fleet))
        self.book = book or RegistryBook()
        self.registry_sha256 = ""
        self.registry_changes: list[str] = []
        self.rules_sha256 = ""
        self.registry_number = 0
        self.mismatches = 0

    @classmethod
    def empty(cls) -> "Memory":
        """Before the first cycle: no device, the built-in rules."""
        fleet, pack = build_fleet(Registry()), load_pack(default_pack(), "built-in rules")
        return cls(fleet, pack, State.initial(fleet, pack, 0), Admission(fleet))

    def change(
        self,
        event: Event,
        now: int,
        bodies: Bodies,
        fleet: Fleet | None = None,
        compiled: Compiled | None = None,
        book: RegistryBook | None = None,
    ) -> list[Decision]:
        """Take a registry or rule change. `fleet`, the rules laid out for it, and the book of a whole registry, may be
        handed in when they were made off the loop already; rules that were laid out for what is no longer there are
        laid out anew."""
        if isinstance(event, RegistryChanged):
            self._take_registry(event, bodies, fleet, book)
        elif isinstance(event, RulesChanged):
            self.pack = compiled.pack if compiled else load_pack(bodies(event.sha256), "rules in force", kept=True)
            self.rules_sha256 = event.sha256
        else:
            return []
        if compiled is None or compiled.pack is not self.pack or compiled.fleet is not self.fleet:
            same = self.pack is self.state.compiled.pack
            compiled = compile_again(self.state.compiled, self.fleet) if same else compile_pack(self.pack, self.fleet)
        return reshape(self.state, self.fleet, compiled, now)

    def _take_registry(
        self, event: RegistryChanged, bodies: Bodies, fleet: Fleet | None, book: RegistryBook | None
    ) -> None:
        if event.change:
            change = decode_change(bodies(event.sha256))
            self.fleet = fleet or changed_fleet(self.book, self.fleet, change)
            self.book.apply(change)
            self.registry_changes.append(event.sha256)
        else:
            registry = None if fleet and book else decode_registry(bodies(event.sha256))
            self.fleet = fleet or build_fleet(registry or Registry(), self.fleet)
            self.book = book or RegistryBook.of(registry or Registry())
            self.registry_sha256, self.registry_changes = event.sha256, []
        self.registry_number = event.number
        self.admission.resize(self.fleet)
        self.contiguity.resize(self.fleet.numbered)

    def judge(self, batch: Batch, events: Sequence[Event], now: int) -> list[Decision]:
        """Decide. The admission windows were advanced by `admit` (live) or are by `replay`."""
        return step(self.state, batch, events, now)

    def look(self, events: Sequence[Event], now: int) -> tuple[ReadingsMissing | ReadingsComplete, ...] | None:
        """What there is to say of devices' numbers in a cycle with these events, after its readings were admitted;
        None when it was not looked. A cycle in which it was must be committed: what is remembered has changed.

        While the engine does not hear everybody nothing is said, and afterwards what is missing has all its time again.
        """
        anew = any(isinstance(event, Resumed | Listening) for event in events)
        deaf = not anew and (self.state.paused_since or any(isinstance(event, Paused) for event in events))
        if not self.contiguity or deaf or not (anew or self.contiguity.has_to_look(now)):
            return None
        missing, complete = self.contiguity.look(now, anew=anew)
        numbers = self.fleet.device_no
        return (
            *(
                ReadingsMissing(at=now, device_no=int(numbers[one.slot]), boot=one.boot, first=one.first, many=one.many)
                for one in missing
            ),
            *(ReadingsComplete(at=now, device_no=int(numbers[one.slot]), lost=one.lost) for one in complete),
        )

    @property
    def next_look(self) -> int:
        """`look` has nothing to do before this (microseconds UTC), unless readings come."""
        return NEVER if self.state.paused_since else self.contiguity.next_look

    def replay(self, record: CycleRecord, bodies: Bodies) -> None:
        """Advance by one journaled cycle. What the rules say now is only compared with what the journal says."""
        now, events = record.inputs.now, record.inputs.events
        decided: list[Decision] = []
        for event in events:
            decided += self.change(event, now, bodies)
        rows = record.rows()
        batch = Batch(rows, self.fleet.slots(rows["device_no"]), record.inputs.extra)
        if (batch.slots < 0).any():
            raise ValueError(f"cycle {record.cycle} holds readings of a device that is not in its registry")
        self.admission.replay(batch)
        self._replay_numbers(record, batch)
        self.look(events, now)
        decided += self.judge(batch, events, now)
        if tuple(decided) != record.decisions:
            self.mismatches += 1

    def _replay_numbers(self, record: CycleRecord, batch: Batch) -> None:
        marks = record.inputs.marks
        if marks or self.contiguity:
            slots = self.fleet.slots(np.array([mark.device_no for mark in marks], np.int32)).tolist()
            self.contiguity.replay(numbers_of(batch), list(zip(slots, marks, strict=True)), record.inputs.now)

    def freeze(self) -> "Encode":
        """A consistent copy, cheap enough for the loop (arrays are copied, nothing is encoded yet)."""
        state = snapshot(self.state)
        admission = self.admission.snapshot()
        following = self.contiguity.frozen()
        registry, rules, fleet = self.registry_sha256, self.rules_sha256, self.fleet
        changes = tuple(self.registry_changes)

        def encode() -> Frozen:
            return Frozen(
                registry_sha256=registry,
                rules_sha256=rules,
                device_no=fleet.device_no.tobytes(),
                state=encode_snapshot(state),
                admission={name: (a.dtype.str, a.shape, a.tobytes()) for name, a in admission.items()},
                following=following,
                left=fleet.left,
                registry_changes=changes,
            )

        return encode

    @classmethod
    def thaw(cls, frozen: Frozen, bodies: Bodies, number: int) -> "Memory":
        """The inverse of `freeze`. Raises ValueError when the parts do not fit together, KeyError for a lost body."""
        book = RegistryBook.of(
            decode_registry(bodies(frozen.registry_sha256)) if frozen.registry_sha256 else Registry()
        )
        for change in frozen.registry_changes:
            book.apply(decode_change(bodies(change)))
        rules = bodies(frozen.rules_sha256) if frozen.rules_sha256 else default_pack()
        fleet = _fleet_in_order(book.registry(), np.frombuffer(frozen.device_no, np.int32), frozen.left)
        pack = load_pack(rules, "rules of the checkpoint", kept=True)
        admission = Admission(fleet)
        admission.restore(
            {
                name: np.frombuffer(body, np.dtype(dtype)).reshape(shape).copy()
                for name, (dtype, shape, body) in frozen.admission.items()
            }
        )
        memory = cls(fleet, pack, restore(decode_snapshot(frozen.state), fleet, pack), admission, book)
        memory.registry_sha256, memory.rules_sha256 = frozen.registry_sha256, frozen.rules_sha256
        memory.registry_number, memory.registry_changes = number, list(frozen.registry_changes)
        memory.contiguity = Contiguity.thawed(len(fleet), frozen.following)
        return memory


#: Turns a frozen memory into what is written; may run on a thread.
Encode = Callable[[], Frozen]


def _fleet_in_order(registry: Registry, device_no: NDArray[np.int32], left: Left) -> Fleet:
    """The fleet with the slots a checkpoint was written with (devices that left included)."""
    return build_fleet(registry, order=[int(no) for no in device_no], left=left)
