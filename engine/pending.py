"""What waits for the next cycle besides the links' arrivals, each with whom to tell what became of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from devices.fleet import Fleet
from devices.registry_book import RegistryBook
from engine.store import Document
from rules.decisions import Answered
from rules.evaluation.kernels import Compiled
from rules.events import Event, RegistryChanged, RulesChanged
from rules.instructions import Instruction


@dataclass(frozen=True, slots=True)
class Change:
    """A registry or rule change on its way in. `fleet`, the rules laid out for it (`compiled`) and of a whole registry
    its `book` were made off the loop; `done` is told the cycle."""

    event: RegistryChanged | RulesChanged
    document: Document
    fleet: Fleet | None
    done: Callable[[int], None]
    compiled: Compiled | None = None
    book: RegistryBook | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """An instruction on its way in; `done` is told what became of it, after the commit."""

    instruction: Instruction
    done: Callable[[Answered], None]


@dataclass(slots=True)
class Pending:
    """What the next cycle takes in besides the links' arrivals."""

    changes: list[Change] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.changes or self.asked or self.events)

    def before(self, later: "Pending") -> "Pending":
        """Both together."""
        return Pending(self.changes + later.changes, self.asked + later.asked, self.events + later.events)
