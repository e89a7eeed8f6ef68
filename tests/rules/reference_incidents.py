"""The incidents of the naive reference: what belongs together is found by looking at every alarm and every incident."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devices.classes import Group
from rules.decisions import IncidentChange, IncidentChanged, IncidentScope, Priority, incident_id
from rules.instructions import FieldStep
from tests.rules.reference_terms import SECOND, Cell

if TYPE_CHECKING:
    from tests.rules.reference_alarms import Alarms

Place = tuple[IncidentScope, str]
SIZES = {
    IncidentScope.SITE: (0, 0, Group.SITE),
    IncidentScope.RISER: (1, 3, Group.RISER),
    IncidentScope.BUILDING: (2, 3, Group.BUILDING),
    IncidentScope.AREA: (3, 10, Group.AREA),
}
TOGETHER = 600 * SECOND


@dataclass
class Case:
    """An open incident. slot: where its first alarm stands."""

    name: str
    place: Place
    opened: int
    priority: Priority
    slot: int
    alarms: list[str]
    over: bool = False
    into: str = ""
    parts: list[str] = field(default_factory=list)
    #: Of the four steps: those that are left; None: they were not asked for.
    steps: list[FieldStep] | None = None


class Cases:
    def __init__(self, alarms: "Alarms") -> None:
        self.whole = alarms
        self.open: dict[str, Case] = {}

    def at_place(self, place: Place) -> Case | None:
        return next((case for case in self.open.values() if case.place == place), None)

    def belongs(self, slot: int, number: int, at: int) -> str:
        """The incident that an alarm is in, or opens if it is active now, or empty."""
        cell, site = self.whole.cells[slot, number], self.whole.site(slot)
        if cell.incident in self.open:
            return cell.incident
        if cell.trial or not cell.active or self.whole.shown(slot, number)[0] is not cell.state:
            return ""
        there = self.at_place((IncidentScope.SITE, site))
        if there is not None:
            return there.name
        return incident_id(IncidentScope.SITE, site, at) if cell.priority <= Priority.HIGH else ""

    def follow(self, slot: int, number: int, at: int, *, ended: bool = False) -> None:
        """An alarm was raised or changed, or has ended."""
        cell = self.whole.cells[slot, number]
        name = cell.incident if ended else self.belongs(slot, number, at)
        counts = not ended and cell.active and not cell.trial
        if not name or (not counts and name not in self.open):
            return
        cell.incident = name
        if not counts:
            self.over(name, at)
        elif name not in self.open:
            self.begin(name, slot, cell, at)
        else:
            self.joins(self.open[name], cell, at)

    def joins(self, case: Case, cell: Cell, at: int) -> None:
        if cell.alarm in case.alarms and not case.over:
            self.worse(case.name, cell.priority, cell.alarm, at)
            return
        if cell.alarm not in case.alarms:
            case.alarms.append(cell.alarm)
        case.priority, case.over = min(case.priority, cell.priority), False
        self.tell(case, IncidentChange.JOINED, at, alarm=cell.alarm)
        self.worse(case.into, cell.priority, cell.alarm, at)
        self.wake(case, cell.alarm, at)

    def begin(self, name: str, slot: int, cell: Cell, at: int) -> None:
        case = Case(name, (IncidentScope.SITE, self.whole.site(slot)), at, cell.priority, slot, [cell.alarm])
        self.open[name] = case
        self.tell(case, IncidentChange.OPENED, at, alarm=cell.alarm)
        larger = [self.at_place(place) for place in self.around(case)]
        smallest = next((one for one in larger if one is not None), None)
        if smallest is not None:
            self.merge(case, smallest, cell.alarm, at)
        for place in self.around(case):
            if self.at_place(place) is None:
                self.grow(place, case, cell.alarm, at)

    def around(self, case: Case) -> list[Place]:
        """The riser, building and area of an incident's site, those it has."""
        found = []
        for scope in (IncidentScope.RISER, IncidentScope.BUILDING, IncidentScope.AREA):
            grouping = self.whole.fleet.groups[SIZES[scope][2]]
            group = int(grouping.of[case.slot])
            if group >= 0 and case.place[0] is IncidentScope.SITE:
                found.append((scope, grouping.names[group]))
        return found

    def grow(self, place: Place, case: Case, alarm: str, at: int) -> None:
        size, enough, _ = SIZES[place[0]]
        together = [
            one
            for one in self.open.values()
            if place in self.around(one) and one.opened >= at - TOGETHER and SIZES[self.root(one).place[0]][0] < size
        ]
        roots = dict.fromkeys(self.root(one).name for one in together)
        if len(together) < enough or len(roots) < 2 or SIZES[self.root(case).place[0]][0] >= size:
            return
        larger = Case(incident_id(*place, at), place, at, case.priority, case.slot, [alarm])
        self.open[larger.name] = larger
        self.tell(larger, IncidentChange.OPENED, at, alarm=alarm)
        for name in roots:
            self.merge(self.open[name], larger, alarm, at)

    def merge(self, part: Case, larger: Case, alarm: str, at: int) -> None:
        part.into = larger.name
        larger.parts.append(part.name)
        self.tell(part, IncidentChange.MERGED, at, into=larger.name)
        self.worse(larger.name, part.priority, alarm, at)
        if not part.over:
            self.wake(part, alarm, at)

    def root(self, case: Case) -> Case:
        return self.root(self.open[case.into]) if case.into else case

    def wake(self, case: Case, alarm: str, at: int) -> None:
        if case.into:
            larger = self.open[case.into]
            if larger.over:
                larger.over = False
                self.tell(larger, IncidentChange.JOINED, at, alarm=alarm)
            self.wake(larger, alarm, at)

    def worse(self, name: str, priority: Priority, alarm: str, at: int) -> None:
        if name and priority < self.open[name].priority:
            case = self.open[name]
            case.priority = priority
            self.tell(case, IncidentChange.ESCALATED, at, alarm=alarm)
            self.worse(case.into, priority, alarm, at)

    def over(self, name: str, at: int) -> None:
        case = self.open[name]
        cells = self.whole.cells.values()
        stands = any(cell.incident == name and cell.active and not cell.trial for cell in cells)
        if case.over or stands or any(not self.open[part].over for part in case.parts):
            return
        case.over = True
        self.tell(case, IncidentChange.OVER, at)
        if case.into:
            self.over(case.into, at)

    def tell(self, case: Case, what: IncidentChange, at: int, **said: object) -> None:
        scope, key = case.place
        self.whole.out.append(
            IncidentChanged(
                at=at,
                incident=case.name,
                scope=scope,
                key=key,
                change=what,
                priority=case.priority,
                **said,  # type: ignore[arg-type]
            )
        )
