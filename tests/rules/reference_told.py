"""What links and people tell the naive reference: what became of attempts, the way in, and each instruction."""

from devices.commands import Verb
from devices.quantities import ValvePosition
from rules.decisions import Outcome, Step
from rules.documents.document import Kind
from rules.events import (
    AttemptAcknowledged,
    AttemptFailed,
    AttemptSent,
    LinkDown,
    LinkUp,
    ReadingsComplete,
    ReadingsMissing,
    Replied,
    SessionLost,
)
from rules.instructions import (
    Acknowledge,
    ApprovePermit,
    Arrived,
    CancelClose,
    CloseIncident,
    CloseValve,
    Comment,
    CompletePermit,
    Dispatched,
    FieldReading,
    Instruction,
    ReleaseHeld,
    RequestPermit,
    Reset,
    Resolve,
    ReturnToService,
    Shelve,
    StepDone,
    TakeOutOfService,
    Unshelve,
    VetoHeld,
    WithdrawPermit,
)
from tests.rules.reference_closings import Closings
from tests.rules.reference_terms import Try, Want


class Told(Closings):
    def way_in(self, slot: int, event: LinkDown | LinkUp | SessionLost | ReadingsMissing | ReadingsComplete) -> None:
        down, lost, missing = self.only(Kind.LINK_DOWN), self.only(Kind.SESSION_LOST), self.only(Kind.MISSING)
        if isinstance(event, LinkDown):
            self.raised(slot, down, event.at, event.at, note=event.reason)
        elif isinstance(event, LinkUp):
            self.lower(slot, down, event.at)
        elif isinstance(event, SessionLost):
            self.raised(slot, lost, event.at, event.at, note=event.reason)
            self.lower(slot, lost, event.at)
        elif isinstance(event, ReadingsMissing):
            words = (
                "1 reading from {} on (boot {}) is missing"
                if event.many == 1
                else "{2} readings from {0} on (boot {1}) are missing"
            )
            self.raised(slot, missing, event.at, event.at, note=words.format(event.first, event.boot, event.many))
        else:
            lost_words = "1 reading is lost for ever" if event.lost == 1 else f"{event.lost} readings are lost for ever"
            self.lower(slot, missing, event.at, lost_words if event.lost else "all have come")

    def slot(self, device_no: int) -> int:
        return next((slot for slot, no in enumerate(self.fleet.device_no) if int(no) == device_no), -1)

    def find(self, command: str) -> tuple[Want, Try] | None:
        every = ((want, attempt) for want in self.wants.values() for attempt in want.tries if not attempt.forgotten)
        return next((found for found in every if found[1].command == command), None)

    def link(self, event: AttemptSent | AttemptFailed | AttemptAcknowledged | Replied) -> None:
        found = self.find(event.command)
        if isinstance(event, Replied):
            slot = self.slot(event.device_no)
            if found is not None and found[0].slot != slot:
                return  # a device may only answer for its own valve
            if found is None and slot in self.wants:
                return  # an answer to something older says nothing of what is wanted now
            said = f"valve {event.valve.name.lower()}"
            if found is not None and found[0].verb is Verb.FAN_ON:
                self.stepped(*found, Step.CONFIRMED, event.at, "the fan answered")
                self.end(found[0], Outcome.CONFIRMED, event.at)
                return
            if found is not None:
                self.acknowledged(*found, event.at, said)
            else:
                self.permit_stepped(event.command, Step.ACKNOWLEDGED, event.at, said, slot)
            under_way = found is not None or not self.watched(slot)
            self.came(slot, event.at)
            self.woke(slot)
            if slot >= 0 and under_way and event.valve is not ValvePosition.UNKNOWN:
                self.stands(slot, event.valve, event.at)
            self.still_asleep(slot, event.at)
        elif found is not None:
            want, attempt = found
            if isinstance(event, AttemptSent):
                attempt.sent = True
                want.first_sent = want.first_sent or event.at
                self.stepped(want, attempt, Step.SENT, event.at)
            elif isinstance(event, AttemptFailed):
                if not attempt.over:
                    attempt.over = True
                    self.stepped(want, attempt, Step.FAILED, event.at, event.reason)
            else:
                self.acknowledged(want, attempt, event.at)
        elif isinstance(event, AttemptSent):
            self.permit_stepped(event.command, Step.SENT, event.at)
        elif isinstance(event, AttemptFailed):
            self.permit_stepped(event.command, Step.FAILED, event.at, event.reason)
        else:
            self.permit_stepped(event.command, Step.ACKNOWLEDGED, event.at)

    def acknowledged(self, want: Want, attempt: Try, at: int, note: str = "") -> None:
        self.stepped(want, attempt, Step.ACKNOWLEDGED, at, note)
        actuator = self.fleet.actuator(want.slot)
        if actuator is not None and not actuator.reports_position:
            closes = want.verb is Verb.CLOSE
            why = "this model reports no position" if closes else "this model says not whether it runs"
            self.stepped(want, attempt, Step.UNVERIFIABLE, at, why)
            self.end(want, Outcome.UNVERIFIABLE, at)

    def instructed(self, said: Instruction) -> tuple[bool, str]:
        """Whether it was done, and what it was about."""
        if isinstance(said, Acknowledge | Reset | Shelve | Unshelve | Resolve):
            return self.of_alarm(said), said.alarm
        if isinstance(said, Comment):
            return self.commented(said), said.subject
        if isinstance(said, CloseValve):
            return self.close_valve(said)
        if isinstance(said, CancelClose):
            want = next((want for want in self.wants.values() if want.wanted == said.wanted), None)
            if want is not None:
                self.end(want, Outcome.CANCELLED, said.at, said.by, said.reason)
            return want is not None, said.wanted
        if isinstance(said, TakeOutOfService):
            return self.out_of_service(said, self.slot(said.device_no)), ""
        if isinstance(said, ReturnToService):
            return self.in_service(said, self.slot(said.device_no)), ""
        if isinstance(said, Dispatched | Arrived | FieldReading | StepDone | CloseIncident):
            return self.of_incident(said), said.incident
        if isinstance(said, RequestPermit | ApprovePermit | WithdrawPermit | CompletePermit):
            return self.of_permit(said, self.slot(said.device_no) if isinstance(said, RequestPermit) else -1)
        assert isinstance(said, ReleaseHeld | VetoHeld)
        return self.of_people(said), said.rule

    def close_valve(self, said: CloseValve) -> tuple[bool, str]:
        slot = self.slot(said.device_no)
        if slot not in self.fleet.valves:
            return False, ""
        if slot in self.wants:
            self.attempt_soon(self.wants[slot], said.at)
            return True, self.wants[slot].wanted
        want = self.want_closed(slot, said.reason, "", said.by, said.at)
        self.closed(slot, said.at)
        return True, want.wanted
