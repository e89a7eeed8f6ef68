"""Attempts: one CLOSE (of a fan: FAN_ON) after the other towards a wanted position, and what becomes of each.

T1  Every attempt is a command of its own with its own expiry (G8); while the position is wanted a fresh one follows.
T2  What is said of an attempt may come late, twice, in any order or never: a bus sends when it is free. It is recorded
    while its closing is wanted, and moves nothing but that: a second attempt that was decided while the first waits is
    only another CLOSE.
"""

import msgspec

from devices.fleet import MICROSECONDS
from rules.decisions import AttemptRequested, CommandStepped, Step, command_id, wanted_id
from rules.interlock import permits, sleeping
from rules.life.alarms import Out
from rules.stepping.state import Attempt, State, StepRecord, Timer, Wanted

#: So many attempts that failed or expired are remembered, for what is still said of them (product choice).
OVER_ATTEMPTS = 16
#: No two attempts at one valve are closer than this, whatever asks for them. Source: product choice.
LEAST_PAUSE_US = 1_000_000
#: Steps of one wanted position that are kept: an hour and a half of attempts at a dead valve. The journal has them all.
MOST_STEPS = 1_000


def begin(state: State, out: Out, wanted: Wanted, at: int) -> None:
    """The first attempt: at once, unless the last one at this device, for a wanted position that has ended since, left
    less than LEAST_PAUSE_US ago; then when that has passed. A valve that is opened as often as it is closed cannot make
    more than that of it. (One of which the ended position is no longer known is attempted at once.)"""
    before = state.ended.get(wanted_id(wanted.device_no, wanted.epoch - 1))
    due = before.last_attempt + LEAST_PAUSE_US if before is not None else 0
    if before is None or due <= at:
        attempt(state, out, wanted, at)
        return
    wanted = msgspec.structs.replace(wanted, last_attempt=before.last_attempt, next_attempt=due)
    state.wanted_by_slot[wanted.slot] = wanted
    state.remind(due, Timer.ATTEMPT, wanted.slot, wanted.epoch)


def attempt(state: State, out: Out, wanted: Wanted, at: int) -> None:
    """Send one CLOSE now, and plan the next."""
    actuator = state.fleet.actuator(wanted.slot)
    if actuator is None:
        return
    number = wanted.attempts[-1].number + 1 if wanted.attempts else 1
    expires = at + round(actuator.attempt_expires_s * MICROSECONDS)
    made = Attempt(command_id(wanted.wanted, number), number, expires)
    asleep = bool(state.sleeps[wanted.slot])
    pause_us = sleeping.pause_us(actuator, wanted.unheard + 1 if asleep else number)
    wanted = msgspec.structs.replace(
        wanted,
        attempts=(*_remembered(state, wanted.attempts), made),
        next_attempt=at + pause_us,
        last_attempt=at,
        unheard=wanted.unheard + asleep,
    )
    state.by_command[made.command] = (wanted.slot, number)
    wanted = _noted(state, wanted, made, Step.REQUESTED, at, "")
    state.remind(wanted.next_attempt, Timer.ATTEMPT, wanted.slot, wanted.epoch)
    state.remind(expires, Timer.EXPIRY, wanted.slot, number)
    out.append(
        AttemptRequested(
            at=at,
            command=made.command,
            wanted=wanted.wanted,
            device_no=wanted.device_no,
            epoch=wanted.epoch,
            attempt=number,
            expires=expires,
            reason=wanted.reason,
            verb=wanted.verb,
        )
    )


def _remembered(state: State, attempts: tuple[Attempt, ...]) -> tuple[Attempt, ...]:
    """Without those nobody will speak of again, so that a valve that is dead for months stays small: kept are the
    last ones, those that are not over, and the last that was sent, which is the one a position confirms."""
    if len(attempts) < 2 * OVER_ATTEMPTS:
        return attempts
    last_sent = max((one.number for one in attempts if one.sent), default=0)
    old = attempts[-1].number - OVER_ATTEMPTS
    kept = tuple(one for one in attempts if not one.over or one.number > old or one.number == last_sent)
    for one in set(attempts) - set(kept):
        del state.by_command[one.command]
    return kept


def sent(state: State, out: Out, command: str, at: int) -> None:
    found = find(state, command)
    if found is None:
        permits.stepped(state, out, command, Step.SENT, at)
    else:
        wanted, made = found
        wanted = msgspec.structs.replace(wanted, first_sent=wanted.first_sent or at)
        record(state, out, wanted, msgspec.structs.replace(made, sent=True), Step.SENT, at)


def failed(state: State, out: Out, command: str, reason: str, at: int) -> None:
    """Once it is over (it expired meanwhile, or this was said before), it stays as it ended."""
    found = find(state, command)
    if found is None:
        permits.stepped(state, out, command, Step.FAILED, at, reason)
    elif not found[1].over:
        record(state, out, found[0], msgspec.structs.replace(found[1], over=True), Step.FAILED, at, reason)


def soon(state: State, out: Out, wanted: Wanted, at: int) -> None:
    """At once, unless the last attempt left less than LEAST_PAUSE_US ago: then when that has passed. A valve that
    connects again and again, or a person who asks again and again, cannot make more than that of it."""
    due = wanted.last_attempt + LEAST_PAUSE_US
    if due <= at:
        attempt(state, out, wanted, at)
    elif due < wanted.next_attempt:
        state.wanted_by_slot[wanted.slot] = msgspec.structs.replace(wanted, next_attempt=due)
        state.remind(due, Timer.ATTEMPT, wanted.slot, wanted.epoch)


def resumed(state: State, out: Out, at: int) -> None:
    """After a restart every wanted position gets a fresh attempt; nobody knows what became of the last one."""
    for wanted in list(state.wanted_by_slot.values()):
        if wanted.since < at:
            attempt(state, out, wanted, at)


def attempt_due(state: State, out: Out, slot: int, epoch: int, due: int) -> None:
    wanted = state.wanted_by_slot.get(slot)
    if wanted is not None and wanted.epoch == epoch and wanted.next_attempt == due:
        attempt(state, out, wanted, due)


def expiry_due(state: State, out: Out, slot: int, number: int, due: int, at: int) -> None:
    wanted = state.wanted_by_slot.get(slot)
    if wanted is None:
        return
    made = next((one for one in wanted.attempts if one.number == number), None)
    if made is not None and made.expires == due and not made.over:
        record(state, out, wanted, msgspec.structs.replace(made, over=True), Step.EXPIRED, at)


def find(state: State, command: str) -> tuple[Wanted, Attempt] | None:
    """The open wanted position and attempt of a command; None when it is over or was never ours."""
    place = state.by_command.get(command)
    if place is None:
        return None
    wanted = state.wanted_by_slot[place[0]]
    return wanted, next(one for one in wanted.attempts if one.number == place[1])


def record(state: State, out: Out, wanted: Wanted, made: Attempt, step: Step, at: int, note: str = "") -> Wanted:
    attempts = tuple(made if one.number == made.number else one for one in wanted.attempts)
    wanted = msgspec.structs.replace(wanted, attempts=attempts)
    out.append(
        CommandStepped(
            at=at, command=made.command, wanted=wanted.wanted, device_no=wanted.device_no, step=step, note=note
        )
    )
    return _noted(state, wanted, made, step, at, note)


def _noted(state: State, wanted: Wanted, made: Attempt, step: Step, at: int, note: str) -> Wanted:
    steps = (*wanted.steps, StepRecord(made.command, made.number, step, at, note))
    wanted = msgspec.structs.replace(wanted, steps=steps[-MOST_STEPS:])
    state.wanted_by_slot[wanted.slot] = wanted
    return wanted
