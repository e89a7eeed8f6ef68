"""Decisions about permits and shut-offs held back as rows of `permit`, `permit_event`, `shut_off_held`."""

from typing import LiteralString

from rules.decisions import PermitChanged, PermitState, ShutOffHeld
from storage.decided_rows import Event, Row, or_none
from storage.text import clean
from storage.times import as_datetime

_REQUEST: LiteralString = """
INSERT INTO permit (permit, device_no, state, requested, requested_by, reason, epoch, expires)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (permit) DO NOTHING"""
_GRANT: LiteralString = """
INSERT INTO permit (permit, device_no, state, requested, epoch, expires, approved_by, granted)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (permit) DO UPDATE SET state = excluded.state,
epoch = excluded.epoch, expires = excluded.expires, approved_by = excluded.approved_by, granted = excluded.granted"""
_END: LiteralString = """
INSERT INTO permit (permit, device_no, state, requested, ended, ended_by, comment, combustible_lel)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (permit) DO UPDATE SET state = excluded.state,
ended = excluded.ended, ended_by = excluded.ended_by, comment = excluded.comment,
combustible_lel = excluded.combustible_lel"""
_EVENT: LiteralString = """
INSERT INTO permit_event (engine, cycle, n, permit, device_no, at, state, epoch, expires, by, comment, combustible_lel)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"""
_HELD: LiteralString = """
INSERT INTO shut_off_held (engine, cycle, n, at, rule, device_no, alarm, change, value, reason, by)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"""
#: A permit goes only forward, so its beginnings may be written before its ends.
ORDER: tuple[LiteralString, ...] = (_REQUEST, _GRANT, _END, _EVENT, _HELD)


def changed(decision: PermitChanged, event: Event) -> list[Row]:
    at, state = as_datetime(decision.at), decision.state.value
    by, comment, expires = clean(decision.by), clean(decision.comment), or_none(decision.expires)
    what = (decision.permit, decision.device_no, state, at)
    match decision.state:
        case PermitState.REQUESTED:
            row: Row = (_REQUEST, (*what, by, comment, decision.epoch, expires))
        case PermitState.GRANTED:
            row = (_GRANT, (*what, decision.epoch, expires, by, at))
        case PermitState.COMPLETED | PermitState.WITHDRAWN | PermitState.DEAD:
            row = (_END, (*what, at, by, comment, decision.combustible_lel))
    told = (decision.permit, decision.device_no, at, state, decision.epoch, expires, by, comment)
    return [row, (_EVENT, (*event, *told, decision.combustible_lel))]


def held(decision: ShutOffHeld, event: Event) -> list[Row]:
    what = (clean(decision.rule), decision.device_no, decision.alarm, decision.change.value, decision.value)
    return [(_HELD, (*event, as_datetime(decision.at), *what, clean(decision.reason), clean(decision.by)))]
