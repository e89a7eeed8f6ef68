"""What people say to the naive reference: of alarms, of what hides them, of incidents."""

import math
from dataclasses import dataclass

import numpy as np

from devices.quantities import QUANTITIES, QUANTITY_NAMES
from rules.decisions import Change, IncidentChange, Priority
from rules.documents.document import Kind
from rules.instructions import (
    Acknowledge,
    Arrived,
    CloseIncident,
    Comment,
    Dispatched,
    FieldReading,
    FieldStep,
    Reset,
    Resolve,
    ReturnToService,
    Shelve,
    StepDone,
    TakeOutOfService,
    Unshelve,
)
from tests.rules.reference_incidents import Case
from tests.rules.reference_permits import Permits
from tests.rules.reference_terms import MINUTE, S, Service, Shelved

OfAlarms = Acknowledge | Reset | Shelve | Unshelve | Resolve
OfIncidents = Dispatched | Arrived | FieldReading | StepDone | CloseIncident
HOUR = 60 * MINUTE
LONGEST = 2_000
ACKNOWLEDGED = {
    S.UNACKNOWLEDGED: S.ACKNOWLEDGED,
    S.RETURNED_UNACKNOWLEDGED: S.NORMAL,
    S.LATCHED_UNACKNOWLEDGED: S.LATCHED_ACKNOWLEDGED,
}


@dataclass(frozen=True)
class Mark:
    """Something that was said of an incident."""

    at: int
    what: str
    by: str
    words: str
    quantity: str = ""
    value: float | None = None


class People(Permits):
    #: By incident.
    marks: dict[str, list[Mark]]

    def find_alarm(self, alarm: str) -> tuple[int, int] | None:
        return next((place for place, cell in self.cells.items() if cell.state and cell.alarm == alarm), None)

    def of_alarm(self, said: OfAlarms) -> bool:
        """Whether it was done."""
        place = self.find_alarm(said.alarm)
        if isinstance(said, Unshelve):
            return self.unshelve(said, place)
        if place is None:
            return False
        cell = self.cells[place]
        if isinstance(said, Shelve):
            return self.shelve(said, place)
        if isinstance(said, Resolve):
            if cell.resolution == said.resolution or len(said.comment) > LONGEST:
                return False
            cell.resolution = said.resolution
            self.changed(*place, Change.RESOLVED, said.at, said.by, said.comment, resolution=said.resolution)
            return True
        allowed = ACKNOWLEDGED if isinstance(said, Acknowledge) else {S.LATCHED_ACKNOWLEDGED: S.NORMAL}
        if cell.state not in allowed:
            return False
        change = Change.ACKNOWLEDGED if isinstance(said, Acknowledge) else Change.RESET
        comment = said.comment if isinstance(said, Acknowledge) else ""
        self.becomes(*place, allowed[cell.state], change, said.at, said.by, comment)
        self.settled(*place, said.at)
        return True

    # ---- hiding -----------------------------------------------------------------------------------------------------

    def shelve(self, said: Shelve, place: tuple[int, int]) -> bool:
        cell = self.cells[place]
        longest = (24 if cell.priority is Priority.CRITICAL else 7 * 24) * HOUR
        grave = cell.priority <= Priority.HIGH and self.gas(place[1])
        shelf = self.shelves.get(place)
        if not said.reason.strip() or (said.role == "resident" and grave):
            return False
        if not said.at < said.until <= said.at + longest or (shelf is not None and shelf.until == said.until):
            return False
        self.shelves[place] = Shelved(said.until, said.by, cell.alarm, cell.priority)
        self.changed(*place, Change.SHELVED, said.at, said.by, said.reason)
        self.cases.follow(*place, said.at)
        return True

    def unshelve(self, said: Unshelve, place: tuple[int, int] | None) -> bool:
        of_old = (one for one, shelf in self.shelves.items() if shelf.alarm == said.alarm)
        found = place if place is not None else next(of_old, None)
        if found is None or found not in self.shelves:
            return False
        self.end_shelf(found, said.at, by=said.by)
        return True

    def end_shelf(self, place: tuple[int, int], at: int, by: str = "", comment: str = "") -> None:
        del self.shelves[place]
        if self.cells[place].state is not S.NORMAL:
            self.changed(*place, Change.UNSHELVED, at, by, comment)
            self.cases.follow(*place, at)

    def out_of_service(self, said: TakeOutOfService, slot: int) -> bool:
        before = self.service.get(slot)
        if slot < 0 or not said.reason.strip() or (said.until and said.until <= said.at):
            return False
        same = before is not None and before.until == said.until
        if same or said.until > said.at + 30 * 24 * HOUR:
            return False
        self.service[slot] = Service(said.until, said.by)
        for number in range(len(self.rules)):
            if self.cells[slot, number].state is not S.NORMAL:
                self.changed(slot, number, Change.OUT_OF_SERVICE, said.at, said.by, said.reason)
                self.cases.follow(slot, number, said.at)
        return True

    def in_service(self, said: ReturnToService, slot: int) -> bool:
        if slot not in self.service:
            return False
        self.end_service(slot, said.at, by=said.by)
        return True

    def end_service(self, slot: int, at: int, by: str = "", comment: str = "") -> None:
        del self.service[slot]
        for number in [number for number in range(len(self.rules)) if self.cells[slot, number].state is not S.NORMAL]:
            cell = self.cells[slot, number]
            self.changed(slot, number, Change.IN_SERVICE, at, by, comment)
            self.cases.follow(slot, number, at)
            if cell.active and not cell.trial:
                self.acts(slot, number, at)

    # ---- incidents --------------------------------------------------------------------------------------------------

    def commented(self, said: Comment) -> bool:
        place, case = self.find_alarm(said.subject), self.cases.open.get(said.subject)
        if not said.text.strip() or len(said.text) > LONGEST:
            return False
        if place is not None:
            self.changed(*place, Change.COMMENTED, said.at, said.by, said.text)
            return True
        return case is not None and self.mark(case, IncidentChange.COMMENTED, said.at, said.by, said.text)

    def of_incident(self, said: OfIncidents) -> bool:
        case = self.cases.open.get(said.incident)
        if case is None:
            return False
        if isinstance(said, Dispatched):
            words = f"{said.crew}: {said.comment}" if said.comment else said.crew
            return bool(said.crew.strip()) and self.mark(case, IncidentChange.DISPATCHED, said.at, said.by, words)
        if isinstance(said, Arrived):
            return self.mark(case, IncidentChange.ARRIVED, said.at, said.by, said.comment)
        if isinstance(said, FieldReading):
            return self.measured_on_site(case, said)
        if isinstance(said, StepDone):
            if case.steps is None or said.step not in case.steps or len(said.comment) > LONGEST:
                return False
            case.steps.remove(said.step)
            self.marks[case.name].append(Mark(said.at, f"step done: {said.step}", said.by, said.comment))
            what = IncidentChange.STEP_DONE
            self.cases.tell(case, what, said.at, by=said.by, comment=said.comment, step=said.step)
            return True
        return self.close_incident(case, said)

    def mark(self, case: Case, what: IncidentChange, at: int, by: str, words: str) -> bool:
        mark = Mark(at, what, by, words)
        if len(words) > LONGEST or self.said_already(case, mark):
            return False
        self.marks[case.name].append(mark)
        self.cases.tell(case, what, at, by=by, comment=words)
        return True

    def said_already(self, case: Case, mark: Mark) -> bool:
        for before in self.marks.setdefault(case.name, []):
            same = (before.what, before.by, before.words, before.quantity, before.value)
            if before.at + MINUTE >= mark.at and same == (mark.what, mark.by, mark.words, mark.quantity, mark.value):
                return True
        return False

    def close_incident(self, case: Case, said: CloseIncident) -> bool:
        family = self.family(case)
        active = {cell.incident for cell in self.cells.values() if cell.active and not cell.trial}
        if any(one.name in active or one.steps for one in family) or len(said.comment) > LONGEST:
            return False
        for one in family:
            del self.cases.open[one.name]
            if one.into:
                self.cases.open[one.into].parts.remove(one.name)
            what = IncidentChange.CLOSED
            self.cases.tell(one, what, said.at, by=said.by, comment=said.comment, resolution=said.resolution)
        return True

    def family(self, case: Case) -> list[Case]:
        """The parts of its parts first, in the order in which they were opened."""
        parts = sorted((self.cases.open[part] for part in case.parts), key=lambda part: (part.opened, part.name))
        return [one for part in parts for one in self.family(part)] + [case]

    def measured_on_site(self, case: Case, said: FieldReading) -> bool:
        place = said.place.strip()
        mark = Mark(said.at, IncidentChange.FIELD_READING, said.by, place, said.quantity, said.value)
        if said.quantity not in QUANTITY_NAMES or len(place) > LONGEST:
            return False
        quantity = QUANTITIES[QUANTITY_NAMES.index(said.quantity)]
        if not math.isfinite(said.value) or not quantity.lowest <= said.value <= quantity.highest:
            return False
        if self.said_already(case, mark):
            return False
        self.marks[case.name].append(mark)
        told = {"by": said.by, "quantity": said.quantity, "value": said.value}
        self.cases.tell(case, IncidentChange.FIELD_READING, said.at, comment=place, **told)
        number = self.only(Kind.FIELD)
        if number < 0 or self.rules[number].quantity != said.quantity or not self.here[case.slot, number].looks:
            return True
        limit = self.here[case.slot, number].rule.at_or_above
        assert limit is not None
        if np.float32(said.value) < np.float32(limit):
            if not self.still_measured(case, said.quantity, limit):
                self.lower(case.slot, number, said.at, "less is measured now")
            return True
        note = f"{said.value:g} measured at {place}" if place else f"{said.value:g} measured"
        active = self.cells[case.slot, number].active
        self.raised(case.slot, number, said.at, said.at, said.value, note=note)
        if not active and not self.cells[case.slot, number].trial:
            case.steps = list(FieldStep)
            self.cases.tell(case, IncidentChange.STEPS_OPENED, said.at, **told)
        return True

    def still_measured(self, case: Case, quantity: str, limit: float) -> bool:
        """Somewhere it was at the limit when it was last measured."""
        for one in self.family(self.cases.root(case)):
            if one.slot != case.slot and one is not case:
                continue
            newest: dict[str, float] = {}
            for mark in self.marks.get(one.name, []):
                if mark.quantity == quantity and mark.value is not None:
                    newest[mark.words] = mark.value
            if any(np.float32(value) >= np.float32(limit) for value in newest.values()):
                return True
        return False
