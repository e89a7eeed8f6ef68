"""What people want done: each instruction to the module that knows, and the answer after its effects."""

from rules.decisions import Answered
from rules.incidents import incidents
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
from rules.interlock import budget, interlock, permits
from rules.life import alarms, overlays
from rules.life.alarms import Out
from rules.stepping.sayable import unsayable
from rules.stepping.state import State


def instruct(state: State, out: Out, said: Instruction) -> None:
    """Do what a person said, or say why not."""
    refused, subject = unsayable(said), ""
    if not refused:
        refused, subject = _done(state, out, said)
    out.append(Answered(at=said.at, id=said.id, accepted=not refused, reason=refused, subject=subject))


def _done(state: State, out: Out, said: Instruction) -> tuple[str, str]:
    """(why not or empty, what it was about)."""
    match said:
        case Acknowledge() | Reset():
            return _acknowledged_or_reset(state, out, said), said.alarm
        case Shelve():
            return overlays.shelve(state, out, said), said.alarm
        case Unshelve():
            return overlays.unshelve(state, out, said), said.alarm
        case Resolve():
            return incidents.resolve(state, out, said), said.alarm
        case Comment():
            return incidents.comment(state, out, said), said.subject
        case CloseValve():
            return _close(state, out, said)
        case CancelClose():
            return interlock.cancel(state, out, said.wanted, said.by, said.reason, said.at), said.wanted
        case TakeOutOfService():
            return overlays.take_out_of_service(state, out, said), ""
        case ReturnToService():
            return overlays.return_to_service(state, out, said), ""
        case _:
            return _of_an_incident(state, out, said)


def _of_an_incident(state: State, out: Out, said: Instruction) -> tuple[str, str]:
    match said:
        case Dispatched():
            return incidents.dispatched(state, out, said), said.incident
        case Arrived():
            return incidents.arrived(state, out, said), said.incident
        case FieldReading():
            return incidents.field_reading(state, out, said), said.incident
        case StepDone():
            return incidents.step_done(state, out, said), said.incident
        case CloseIncident():
            return incidents.close(state, out, said), said.incident
        case _:
            return _of_a_permit(state, out, said)


def _of_a_permit(state: State, out: Out, said: Instruction) -> tuple[str, str]:
    match said:
        case RequestPermit():
            return permits.request(state, out, said)
        case ApprovePermit():
            return permits.approve(state, out, said), said.permit
        case WithdrawPermit():
            return permits.withdraw(state, out, said), said.permit
        case CompletePermit():
            return permits.complete(state, out, said), said.permit
        case ReleaseHeld():
            return budget.release(state, out, said), said.rule
        case VetoHeld():
            return budget.veto(state, out, said), said.rule
        case _:
            raise AssertionError(f"no such instruction: {said}")


def _acknowledged_or_reset(state: State, out: Out, said: Acknowledge | Reset) -> str:
    place = state.by_alarm.get(said.alarm)
    if isinstance(said, Acknowledge):
        refused = alarms.acknowledge(state, out, said.alarm, said.by, said.comment, said.at)
    else:
        refused = alarms.reset(state, out, said.alarm, said.by, said.at)
    if place is not None and not refused:
        interlock.alarm_settled(state, out, *place, said.at)
    return refused


def _close(state: State, out: Out, said: CloseValve) -> tuple[str, str]:
    fleet = state.fleet
    slot = int(fleet.slot_of[said.device_no]) if 0 <= said.device_no < len(fleet.slot_of) else -1
    if slot < 0 or fleet.devices[slot] is None:
        return f"there is no device {said.device_no}", ""
    valve = fleet.valves.get(slot)
    if valve is None:
        model = fleet.model_by_slot[slot]
        kind = model.kind.replace("_", " ") if model else "device"
        return f"a {kind} takes no commands: its model declares no actuator", ""
    return "", interlock.closed_by_a_person(state, out, valve, at=said.at, reason=said.reason, by=said.by)
