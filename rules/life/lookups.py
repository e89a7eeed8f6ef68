"""What follows from the state and is looked up often. Never in a snapshot: made anew when the registry or the rules are
others, and after a thaw.

K1  A lookup gives what a walk over the whole state would give, in the same order.
K2  What costs more than the rules are many is made only where a rule asks for it (`suppressed_by`).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from devices.classes import Group, Grouping
from devices.fleet import Fleet
from rules.decisions import IncidentScope
from rules.documents.document import Kind
from rules.evaluation.kernels import Compiled

Slots = NDArray[np.intp]


class Members:
    """The slots of every group of one sort, ascending."""

    def __init__(self, grouping: Grouping) -> None:
        self._order: Slots = np.argsort(grouping.of, kind="stable")
        self._starts = np.searchsorted(grouping.of[self._order], np.arange(len(grouping.names) + 1))

    def of(self, number: int) -> Slots:
        """Shape (n,), of the group of this number."""
        return self._order[self._starts[number] : self._starts[number + 1]]


class Explaining:
    """Which rules explain which, and which devices stand where such an alarm reaches.

    explains: rule -> the rules it suppresses; by: the inverse. outages: (rule of kind OUTAGE, group) -> slots where its
    alarm is active; kept by whoever raises and ends alarms."""

    def __init__(self, fleet: Fleet, compiled: Compiled) -> None:
        self.fleet, self.compiled = fleet, compiled
        self.by = {
            number: tuple(sorted({compiled.by_id[one] for one in rule.suppressed_by if one in compiled.by_id}))
            for number, rule in enumerate(compiled.rules)
            if rule.suppressed_by
        }
        self.explains: dict[int, tuple[int, ...]] = {}
        for dependent, explaining in self.by.items():
            for one in explaining:
                self.explains[one] = (*self.explains.get(one, ()), dependent)
        self.outages: dict[tuple[int, int], set[int]] = {}
        self._members: dict[Group, Members] = {}
        self._behind: dict[int, int] | None = None

    def group_of(self, rule: int, slot: int) -> int:
        """The group that an outage of this rule at this slot speaks of; -1: none, or the rule is of another kind."""
        spec = self.compiled.rules[rule]
        if spec.kind is not Kind.OUTAGE or spec.group is None:
            return -1
        return int(self.fleet.groups[spec.group].of[slot])

    def chain(self, slot: int) -> tuple[int, ...]:
        """The slot, its gateway's, and the gateway's gateway's."""
        found = [slot]
        for _ in range(2):
            device = self.fleet.devices[found[-1]]
            gateway = self.fleet.slot_by_identity.get(device.gateway, -1) if device and device.gateway else -1
            if gateway < 0:
                break
            found.append(gateway)
        return tuple(found)

    def reach(self, rule: int, slot: int) -> Slots:
        """The slots that an alarm of this rule at this slot explains something of, ascending."""
        group, spec = self.group_of(rule, slot), self.compiled.rules[rule]
        if spec.group is not None and group >= 0:
            return self._in(spec.group).of(group)
        near = self._right_behind(slot)
        far = [self._right_behind(int(one)) for one in near]
        return np.unique(np.concatenate([np.array([slot], np.intp), near, *far]))

    def _right_behind(self, gateway: int) -> Slots:
        if self._behind is None:
            named = enumerate(self.fleet.groups[Group.GATEWAY].names)
            slot_of = self.fleet.slot_by_identity
            self._behind = {slot_of[name]: number for number, name in named if name in slot_of}
        number = self._behind.get(gateway, -1)
        return self._in(Group.GATEWAY).of(number) if number >= 0 else np.empty(0, np.intp)

    def _in(self, sort: Group) -> Members:
        if sort not in self._members:
            self._members[sort] = Members(self.fleet.groups[sort])
        return self._members[sort]


#: A scope and the name of the site, riser, building or area there.
Place = tuple[IncidentScope, str]


@dataclass
class Gathered:
    """Where the open incidents stand. of: the incident of each place. sites_in: riser, building, area -> the incidents
    of its sites in the order of their opening, and when that was. active: incident -> its alarms that are active.
    parts: larger incident -> what merged into it; live: those of them that are not over."""

    fleet: Fleet
    of: dict[Place, str] = field(default_factory=dict)
    sites_in: dict[Place, dict[str, int]] = field(default_factory=dict)
    active: dict[str, set[str]] = field(default_factory=dict)
    parts: dict[str, set[str]] = field(default_factory=dict)
    live: dict[str, set[str]] = field(default_factory=dict)
