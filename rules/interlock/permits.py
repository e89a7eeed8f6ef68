"""Permits to open a valve on site: two people, no newer CLOSE, finished on site (G6).

P1  PERMIT_OPEN is said in one place, `approve`: by an instruction of a second person, of a permit that another person
    requested, whose valve no alarm forbids to open and whose closing is not wanted. No rule, no timer and no device
    comes here. It is sent once, and never again.
P2  A permit is dead with any newer CLOSE of its valve, whoever wants it; with any alarm that closes it, of a device out
    of service too; when its time is over; and when the store was brought back from a copy. PERMIT_OPEN carries the
    epoch of the valve's last CLOSE, which a valve that has heard a newer one does not obey, and it expires with the
    permit (G8).
P3  It ends on site: a person says what was measured at the appliance. While gas is there, or an alarm forbids it, it is
    not completed.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from devices.commands import Verb
from devices.fleet import MICROSECONDS
from devices.quantities import ValvePosition
from rules.decisions import AttemptRequested, CommandStepped, PermitChanged, PermitState, Step, command_id, permit_id
from rules.documents.document import Kind
from rules.instructions import ApprovePermit, CompletePermit, RequestPermit, WithdrawPermit
from rules.interlock.matrix import detectors_of, reach
from rules.life.alarms import Out
from rules.life.lifecycle import FORBIDS_OPEN, IS_ACTIVE
from rules.stepping.standing import Permit
from rules.stepping.state import State, Timer

#: How long a request waits for a second person, and a granted permit for its completion on site. Source: product
#: choice: what was true at a valve half an hour ago may not be true now.
LASTS_US = 30 * 60 * MICROSECONDS
#: Where a pack has no rule of kind `field`: 20 %LEL, at which the four steps begin (seed 003, 9.2.3).
_FIELD_LEL = 20.0
#: A valve is not given free above this share of that limit (product choice): 5 %LEL of 20.
_FREE_SHARE = 0.25


def request(state: State, out: Out, said: RequestPermit) -> tuple[str, str]:
    """The first person. Returns why not (or empty), and the permit."""
    known = 0 <= said.device_no < len(state.fleet.slot_of)
    slot = int(state.fleet.slot_of[said.device_no]) if known else -1
    if slot not in state.fleet.valves:
        return f"device {said.device_no} is no valve that takes commands", ""
    if not said.reason.strip():
        return "say why the valve may be opened", ""
    before = state.permits.get(slot)
    if before is not None:
        return f"permit {before.permit} of this valve is {before.state}; withdraw it to begin anew", ""
    refused = _forbidden(state, slot)
    if refused:
        return refused, ""
    permit = Permit(
        permit=permit_id(said.device_no, said.at),
        slot=slot,
        device_no=said.device_no,
        state=PermitState.REQUESTED,
        requested=said.at,
        requested_by=said.by,
        reason=said.reason,
        epoch=int(state.epoch[slot]),
        expires=said.at + LASTS_US,
    )
    _now_is(state, out, permit, PermitState.REQUESTED, said.at, by=said.by, comment=said.reason)
    return "", permit.permit


def approve(state: State, out: Out, said: ApprovePermit) -> str:
    """The second person: PERMIT_OPEN is sent. Returns why not, or empty."""
    permit = _find(state, said.permit)
    if permit is None:
        return _UNKNOWN.format(said.permit)
    if permit.state is not PermitState.REQUESTED:
        return f"it is {permit.state} already"
    if said.by == permit.requested_by:
        return "another person than the one who requested it must approve it"
    refused = _forbidden(state, permit.slot)
    if refused:
        return refused
    permit = msgspec.structs.replace(permit, approved_by=said.by, granted=said.at, expires=said.at + LASTS_US)
    permit = _now_is(state, out, permit, PermitState.GRANTED, said.at, by=said.by)
    _forget_seen(state, permit.slot)
    out.append(
        AttemptRequested(
            at=said.at,
            command=command_id(permit.permit, 1),
            wanted=permit.permit,
            device_no=permit.device_no,
            epoch=permit.epoch,
            attempt=1,
            expires=permit.expires,
            reason=permit.reason,
            verb=Verb.PERMIT_OPEN,
        )
    )
    return ""


def withdraw(state: State, out: Out, said: WithdrawPermit) -> str:
    """Either of the two, or anybody else. Returns why not, or empty."""
    permit = _find(state, said.permit)
    if permit is None:
        return _UNKNOWN.format(said.permit)
    _now_is(state, out, permit, PermitState.WITHDRAWN, said.at, by=said.by, comment=said.reason)
    return ""


def complete(state: State, out: Out, said: CompletePermit) -> str:
    """On site. Returns why not, or empty."""
    permit = _find(state, said.permit)
    if permit is None:
        return _UNKNOWN.format(said.permit)
    if permit.state is not PermitState.GRANTED:
        return "it is not granted yet: a second person must approve it"
    limit = _free_below(state)
    if not said.combustible_lel >= 0.0:  # also refuses NaN
        return "say what was measured at the appliance, in %LEL: 0 or more"
    if said.combustible_lel >= limit:
        return f"{said.combustible_lel:g} %LEL is too much: below {limit:g} %LEL the valve may be given free"
    refused = _forbidden(state, permit.slot)
    if refused:
        return refused
    lel = said.combustible_lel
    _now_is(state, out, permit, PermitState.COMPLETED, said.at, by=said.by, comment=said.comment, combustible_lel=lel)
    _forget_seen(state, permit.slot)
    return ""


def _forget_seen(state: State, slot: int) -> None:
    """From here on a person may open it: that it was seen closed says nothing any more."""
    state.position[slot] = ValvePosition.UNKNOWN
    state.unsee(slot)


def closing(state: State, out: Out, slot: int, at: int) -> None:
    """A CLOSE of this valve is wanted from now on."""
    _die(state, out, slot, at, "the valve's closing is wanted")


def alarmed(state: State, out: Out, slot: int, rule: int, at: int) -> None:
    """An alarm that closes valves is active: no permit of any valve in its reach lives on, whether what it asks for is
    held, or its device is out of service and closes nothing. (A trial is nobody's alarm.)"""
    if state.permits:
        spec = state.compiled.rules[rule]
        for valve in reach(state.fleet, slot, spec.id):
            _die(state, out, valve.slot, at, f"alarm {spec.id} closes the valve")


def permit_due(state: State, out: Out, slot: int, due: int, at: int) -> None:
    """Its time is over."""
    permit = state.permits.get(slot)
    if permit is not None and permit.expires == due:
        _die(state, out, slot, at, "its time is over")


def stepped(state: State, out: Out, command: str, step: Step, at: int, note: str = "", slot: int | None = None) -> None:
    """What became of a PERMIT_OPEN that was sent; of any other command nothing is known here. slot: of the device that
    says so itself: it speaks for its own valve only."""
    for permit in state.permits.values():
        mine = slot is None or slot == permit.slot
        if mine and permit.state is PermitState.GRANTED and command_id(permit.permit, 1) == command:
            number = permit.device_no
            out.append(
                CommandStepped(at=at, command=command, wanted=permit.permit, device_no=number, step=step, note=note)
            )


def restored(state: State, out: Out, at: int) -> None:
    """The store was brought back from a copy: nobody knows what was closed since."""
    for slot in sorted(state.permits):
        _die(state, out, slot, at, "the engine's store was brought back from a copy")


def reshaped(state: State, out: Out, now: int) -> None:
    """A permit needs its valve, and is dead with an alarm that closes it now. (One that has returned, or came late, did
    not end it then; an edit of something else does not either.)"""
    for slot in sorted(state.permits):
        there = slot in state.fleet.valves
        refused = _forbidden(state, slot, IS_ACTIVE) if there else "the valve takes no commands any more"
        if refused:
            _die(state, out, slot, now, refused)


def remind_all(state: State) -> None:
    """Reminders of everything that is due some time (state A3)."""
    for slot, permit in state.permits.items():
        state.remind(permit.expires, Timer.PERMIT, slot, 0)


#: By whether the rule latches.
_WHAT_IT_NEEDS = {
    False: "its condition must be gone, and somebody must have acknowledged it",
    True: "its condition must be gone, and somebody must have acknowledged and reset it",
}
_UNKNOWN = "there is no permit {!r} that is open; it may have ended"


def _find(state: State, name: str) -> Permit | None:
    return next((permit for permit in state.permits.values() if permit.permit == name), None)


def _forbidden(state: State, slot: int, phases: NDArray[np.bool_] = FORBIDS_OPEN) -> str:
    """Why this valve must not be opened now, or empty. phases: those of the alarms that forbid it."""
    if slot in state.wanted_by_slot:
        return "the valve's closing is wanted: it must be seen closed first, or a named person cancels that"
    for detector in detectors_of(state.fleet, slot):
        for rule, spec in enumerate(state.compiled.rules):
            alarm = state.open.get((detector, rule)) if spec.action.closes else None
            if alarm is None or alarm.trial or not phases[state.phase[detector, rule]]:
                continue
            if any(valve.slot == slot for valve in reach(state.fleet, detector, spec.id)):
                return f"alarm {spec.id} at {alarm.identity} stands: {_WHAT_IT_NEEDS[spec.latch]}"
    return ""


def _free_below(state: State) -> float:
    for rule in state.compiled.rules:
        if rule.kind is Kind.FIELD and rule.quantity == "combustible_lel" and rule.at_or_above is not None:
            return rule.at_or_above * _FREE_SHARE
    return _FIELD_LEL * _FREE_SHARE


def _die(state: State, out: Out, slot: int, at: int, why: str) -> None:
    permit = state.permits.get(slot)
    if permit is not None:
        _now_is(state, out, permit, PermitState.DEAD, at, comment=why)


def _now_is(
    state: State,
    out: Out,
    permit: Permit,
    what: PermitState,
    at: int,
    *,
    by: str = "",
    comment: str = "",
    combustible_lel: float | None = None,
) -> Permit:
    permit = msgspec.structs.replace(permit, state=what)
    lives = what in (PermitState.REQUESTED, PermitState.GRANTED)
    if lives:
        state.permits[permit.slot] = permit
        state.remind(permit.expires, Timer.PERMIT, permit.slot, 0)
    else:
        del state.permits[permit.slot]
    out.append(
        PermitChanged(
            at=at,
            permit=permit.permit,
            device_no=permit.device_no,
            state=what,
            epoch=permit.epoch if what is PermitState.GRANTED else 0,
            expires=permit.expires if lives else 0,
            by=by,
            comment=comment,
            combustible_lel=combustible_lel,
        )
    )
    return permit
