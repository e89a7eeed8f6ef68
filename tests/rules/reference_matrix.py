"""Cause and effect of the naive reference: what an alarm asks for, by looking at every link and row."""

from typing import NamedTuple

from devices.fleet import Effects, Fan, ShutOffValve
from devices.quantities import Flag
from tests.rules.reference_alarms import Alarms
from tests.rules.reference_terms import S

Place = tuple[int, int]
FORBIDS = (
    *(S.UNACKNOWLEDGED, S.ACKNOWLEDGED, S.RETURNED_UNACKNOWLEDGED),
    *(S.LATCHED_UNACKNOWLEDGED, S.LATCHED_ACKNOWLEDGED),
)


class Asked(NamedTuple):
    what: ShutOffValve | Fan
    causes: list[Place]


class Matrix(Alarms):
    #: Detectors that were not heard since the store was restored.
    unheard: set[int]

    def in_force(self, slot: int, number: int) -> bool:
        """An active alarm that acts, if its rule has an action."""
        cell = self.cells[slot, number]
        if not cell.active or cell.trial:
            return False
        return slot not in self.service or bool(cell.bit & Flag.HIGH_ALARM and "high_alarm" in self.rules[number].flags)

    def remembered(self, slot: int, number: int) -> bool:
        return slot in self.unheard and not self.cells[slot, number].bit

    def linked(self, slot: int) -> list[ShutOffValve]:
        simulated = self.fleet.simulated
        return [valve for valve in self.fleet.links.get(slot, ()) if simulated[valve.slot] == simulated[slot]]

    def rows(self, slot: int, number: int) -> list[Effects]:
        named = self.rules[number].id
        return [row for row in self.fleet.matrix if slot in row.slots and (not row.rules or named in row.rules)]

    def votes(self, row: Effects, closes: bool) -> list[Place]:
        found = [
            (slot, number)
            for slot in row.slots
            for number, rule in enumerate(self.rules)
            if (rule.action.closes if closes else rule.action.ventilates)
            and (not row.rules or rule.id in row.rules)
            and self.in_force(slot, number)
            and not self.remembered(slot, number)
        ]
        return found if len({slot for slot, _ in found}) >= row.votes else []

    def asks(self, slot: int, number: int) -> list[Asked]:
        """Everything that an alarm in force asks for now, with all that ask for it with it."""
        action, place = self.rules[number].action, (slot, number)
        alone = [place] if self.remembered(slot, number) else []
        found: dict[int, Asked] = {}
        if action.closes:
            for valve in self.linked(slot):
                found[valve.slot] = Asked(valve, [place])
            for row in self.rows(slot, number):
                causes = alone or (self.votes(row, True) if row.valves else [])
                for valve in row.valves if place in causes else ():
                    one = found.setdefault(valve.slot, Asked(valve, []))
                    one.causes.extend(cause for cause in causes if cause not in one.causes)
        running: dict[int, Asked] = {}
        if action.ventilates:
            for row in self.rows(slot, number):
                causes = alone or (self.votes(row, False) if row.fans else [])
                for fan in row.fans if place in causes else ():
                    running.setdefault(fan.slot, Asked(fan, causes))
        return [*found.values(), *running.values()]

    def reach(self, slot: int, number: int) -> list[int]:
        """Valves that an alarm closes, alone or with others."""
        valves = [*self.linked(slot), *(valve for row in self.rows(slot, number) for valve in row.valves)]
        return list(dict.fromkeys(valve.slot for valve in valves))

    def detectors(self, target: int) -> list[int]:
        """Who closes this valve or runs this fan, alone or with others."""
        linked = [
            int(slot) for slot in self.fleet.closed_by.get(target, ()) if target in {v.slot for v in self.linked(slot)}
        ]
        rows = [row for row in self.fleet.matrix if target in {one.slot for one in (*row.valves, *row.fans)}]
        return list(dict.fromkeys([*linked, *(slot for row in rows for slot in row.slots)]))

    def asked_for(self, target: int, number: int) -> list[Place]:
        """The alarms of one rule that ask for this now."""
        for slot in self.detectors(target):
            if self.in_force(slot, number) and not self.remembered(slot, number):
                for what, causes in self.asks(slot, number):
                    if what.slot == target:
                        return [(slot, number), *(cause for cause in causes if cause != (slot, number))]
        return []
