"""Registry and rules on their way into an engine, one after the other.

W1  What takes long to read and lay out is made ready off the loop; the loop only takes it in.
W2  A registry, or a change of it, is taken once by its outbox number; a change only where the registry is the one that
    it stands on. So an engine never has a registry that was not somebody's.
W3  What the store holds of the registry is one document and a bounded number of changes: when there are more, they
    become one document, off the loop but for its writing.
"""

import asyncio
from functools import partial
from typing import NamedTuple

from devices.fleet import Fleet, build_fleet
from devices.fleet_change import changed_fleet
from devices.registry_book import RegistryBook
from devices.sites import decode_change, decode_registry, encode_registry, packed
from engine.cycle import Change, Cycle
from engine.documents import REGISTRY, REGISTRY_CHANGE, RULES
from engine.memory import Memory
from engine.store import Document, document
from rules.documents.document import load_pack
from rules.evaluation.kernels import Compiled, compile_again, compile_new, compile_pack
from rules.events import RegistryChanged, RulesChanged

#: After so many changes of the registry, or so many bytes of them, it is one document again: a restart folds them.
#: Source: product choice: well below a second, and at one change a second an hour apart.
MOST_CHANGES, MOST_CHANGED_BYTES = 4_096, 32 * 1024 * 1024


class Changes:
    """Of one engine. Each call returns when what it brings is committed."""

    def __init__(self, cycle: Cycle, most: int = MOST_CHANGES, most_bytes: int = MOST_CHANGED_BYTES) -> None:
        self.cycle = cycle
        self._most, self._most_bytes = most, most_bytes
        self._turn = asyncio.Lock()
        self._changed_bytes = 0

    async def replace_registry(self, number: int, body: bytes) -> int:
        """Bring a registry in, once per number; returns the cycle that holds it. Raises ValueError with the faults."""
        async with self._turn:
            memory = self.cycle.memory
            if number and number <= memory.registry_number:
                return self.cycle.store.last_cycle
            made = await asyncio.to_thread(_whole, body, memory)
            doc = document(REGISTRY, body, number)
            event = RegistryChanged(at=self.cycle.now(), sha256=doc.sha256, number=number)
            return await self._changed(event, doc, made)

    async def change_registry(self, number: int, base: int, body: bytes) -> int | None:
        """Bring a change of the registry in, once per number; returns the cycle that holds it, None when the engine
        does not stand at `base`. Raises ValueError with the faults."""
        async with self._turn:
            memory = self.cycle.memory
            if number <= memory.registry_number:
                return self.cycle.store.last_cycle
            if base != memory.registry_number or not memory.registry_sha256:
                return None
            made = await asyncio.to_thread(_delta, body, memory)
            doc = document(REGISTRY_CHANGE, body, number)
            event = RegistryChanged(at=self.cycle.now(), sha256=doc.sha256, number=number, change=True)
            cycle = await self._changed(event, doc, made)
            self._changed_bytes += len(body)
            if len(memory.registry_changes) >= self._most or self._changed_bytes >= self._most_bytes:
                await self._one_document()
            return cycle

    async def _one_document(self) -> None:
        """The registry and all changes since, as one document again (D5). Only while nothing else is brought in."""
        store, memory = self.cycle.store, self.cycle.memory
        whole = await asyncio.to_thread(lambda: packed(encode_registry(memory.book.registry())))
        doc = document(REGISTRY, whole, memory.registry_number)
        store.keep_as_one(doc)
        memory.registry_sha256, memory.registry_changes, self._changed_bytes = doc.sha256, [], 0

    async def replace_rules(self, by: str, body: bytes) -> int:
        """Bring a rule pack in; returns the cycle that holds it. Raises ValueError naming place and reason."""
        async with self._turn:
            pack = await asyncio.to_thread(load_pack, body, "rules")
            compiled = await asyncio.to_thread(compile_new, pack, self.cycle.memory.fleet)
            doc = document(RULES, body)
            event = RulesChanged(at=self.cycle.now(), sha256=doc.sha256, by=by)
            return await self._changed(event, doc, _Made(None, compiled))

    async def _changed(self, event: RegistryChanged | RulesChanged, doc: Document, made: "_Made") -> int:
        committed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        tell = partial(_tell, committed)
        self.cycle.pending.changes.append(Change(event, doc, made.fleet, tell, made.compiled, made.book))
        self.cycle.wake()
        return await committed


class _Made(NamedTuple):
    """What is made off the loop of something that is brought in."""

    fleet: Fleet | None
    compiled: Compiled
    book: RegistryBook | None = None


def _whole(body: bytes, memory: Memory) -> _Made:
    registry = decode_registry(body)
    fleet = build_fleet(registry, memory.fleet)
    return _Made(fleet, compile_pack(memory.pack, fleet), RegistryBook.of(registry))


def _delta(body: bytes, memory: Memory) -> _Made:
    fleet = changed_fleet(memory.book, memory.fleet, decode_change(body))
    return _Made(fleet, compile_again(memory.state.compiled, fleet))


def _tell(waiting: "asyncio.Future[int]", cycle: int) -> None:
    """Whoever asked may have left meanwhile."""
    if not waiting.done():
        waiting.set_result(cycle)
