"""An engine without its process: the real cycle, store, memory and HTTP link, driven by a clock that the test moves."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from devices.sites import Registry, RegistryChange, encode_change, encode_registry
from engine.cycle import Asked, Change, Cycle
from engine.memory import Memory
from engine.messages import Busy, Failed, Push, Pushed
from engine.pushes import PushLink
from engine.store import Store, document
from rules.decisions import Answered
from rules.events import RegistryChanged
from rules.instructions import Instruction
from tests.guarantees.town import town

SECOND = 1_000_000
START_US = 1_800_000_000 * SECOND


class Bench:
    """`now` is the clock. Every `turn` is one cycle."""

    def __init__(self, folder: Path, memory: Memory | None = None) -> None:
        self.now = START_US
        self.store = Store(folder / "engine.sqlite", cap_bytes=1 << 30)
        self.pushes = PushLink(lambda: None)
        self.memory = memory or Memory.empty()
        self.cycle = Cycle(self.store, self.memory, (self.pushes,), lambda: self.now)
        self.answers: list[Pushed | Busy | Failed] = []
        self.answered: list[Answered] = []
        self._numbers = 0

    def turn(self, after_s: float = 0.0) -> int:
        self.now += round(after_s * SECOND)
        return self.cycle.once()

    def register(self, registry: Registry, number: int = 1) -> None:
        doc = document("registry", encode_registry(registry), number)
        event = RegistryChanged(at=self.now, sha256=doc.sha256, number=number)
        self.cycle.pending.changes.append(Change(event, doc, None, lambda _: None))

    def edit(self, change: RegistryChange, number: int) -> None:
        """A change of the registry; it is taken in the next turn."""
        doc = document("registry_change", encode_change(change), number)
        event = RegistryChanged(at=self.now, sha256=doc.sha256, number=number, change=True)
        self.cycle.pending.changes.append(Change(event, doc, None, lambda _: None))

    def say(self, identity: str, *readings: dict[str, object] | bytes, key: str = "") -> None:
        """Offer readings; they are taken in the next turn."""
        self._numbers += 1
        payloads = tuple(one if isinstance(one, bytes) else json.dumps(one).encode() for one in readings)
        slot = self.memory.fleet.slot_by_identity[identity]
        push = Push(
            request=self._numbers,
            principal=identity,
            identity=identity,
            payloads=payloads,
            content_type="application/json",
            key=key,
        )
        self.pushes.offer(push, int(self.memory.fleet.device_no[slot]), self.answers.append)

    def instruct(self, make: Callable[[int], Instruction]) -> None:
        self.cycle.pending.asked.append(Asked(make(self.now), self.answered.append))

    def reading(self, seq: int, **more: object) -> dict[str, object]:
        return {"boot": 1, "seq": seq, "ts": self.now // 1000, "combustible_lel": 1.0, **more}


def bench_with_town(folder: Path, homes: int = 3) -> Bench:
    made = Bench(folder)
    made.register(town(homes))
    made.turn()
    return made


def frozen(memory: Memory) -> Sequence[object]:
    """Everything a memory is, to be compared."""
    body = memory.freeze()()
    return (body, memory.registry_number, memory.mismatches)
