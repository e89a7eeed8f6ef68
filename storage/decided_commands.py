"""Decisions about wanted positions and the attempts towards them as rows of `wanted`, `command`, `command_step`."""

from typing import LiteralString

from devices.commands import Verb
from rules.decisions import AttemptRequested, CloseWanted, CommandStepped, FanWanted, Step, WantedEnded
from storage.decided_rows import Event, Row, or_none
from storage.text import clean
from storage.times import as_datetime

_WANT: LiteralString = """
INSERT INTO wanted (wanted, device_no, epoch, reason, alarm, by, since, confirm_by, hears_by, verb)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (wanted) DO NOTHING"""
_END: LiteralString = """
INSERT INTO wanted (wanted, device_no, epoch, reason, since, outcome, ended, ended_by, comment)
VALUES (%s, %s, 0, '', %s, %s, %s, %s, %s) ON CONFLICT (wanted) DO UPDATE SET outcome = excluded.outcome,
ended = excluded.ended, ended_by = excluded.ended_by, comment = excluded.comment"""
_COMMAND: LiteralString = """
INSERT INTO command (command, wanted, device_no, verb, epoch, attempt, requested, expires, reason)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (command) DO NOTHING"""
_STEP: LiteralString = """
INSERT INTO command_step (engine, cycle, n, command, wanted, at, step, note)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"""
ORDER: tuple[LiteralString, ...] = (_WANT, _END, _COMMAND, _STEP)


def wanted(decision: CloseWanted | FanWanted | WantedEnded) -> list[Row]:
    at = as_datetime(decision.at)
    if isinstance(decision, WantedEnded):
        by, comment = clean(decision.by), clean(decision.comment)
        return [(_END, (decision.wanted, decision.device_no, at, decision.outcome.value, at, by, comment))]
    what = (decision.wanted, decision.device_no, decision.epoch, clean(decision.reason), decision.alarm)
    if isinstance(decision, FanWanted):
        return [(_WANT, (*what, "", at, None, None, Verb.FAN_ON.value))]
    due, hears_by = or_none(decision.confirm_by), or_none(decision.hears_by)
    return [(_WANT, (*what, clean(decision.by), at, due, hears_by, Verb.CLOSE.value))]


def stepped(decision: AttemptRequested | CommandStepped, event: Event) -> list[Row]:
    at, of = as_datetime(decision.at), (decision.command, decision.wanted)
    if isinstance(decision, CommandStepped):
        return [(_STEP, (*event, *of, at, decision.step.value, clean(decision.note)))]
    expires, reason = as_datetime(decision.expires), clean(decision.reason)
    how = (decision.device_no, decision.verb.value, decision.epoch, decision.attempt)
    return [
        (_COMMAND, (*of, *how, at, expires, reason)),
        (_STEP, (*event, *of, at, Step.REQUESTED.value, reason)),
    ]
