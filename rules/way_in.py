"""Alarms about the way in: a link that is down, a session that a broker forgot, readings that are missing.

W1  They stand at the device that the event names: the gateway or the broker, or the device whose readings are missing.
    A number that nobody has, or has no longer, is ignored.
W2  The same thing told twice is one alarm, which says the newest (alarms, N1). A lost session is over when it is found,
    so its alarm returns at once and waits to be seen; every further loss alarms again.
W3  What stands behind such a link is judged as always: its silence is its own alarm, its gas alarm stays.
"""

from rules import alarms
from rules.alarms import Out
from rules.decisions import LinkDown, LinkUp, ReadingsComplete, ReadingsMissing, SessionLost
from rules.state import State

Told = LinkDown | LinkUp | SessionLost | ReadingsMissing | ReadingsComplete


def told(state: State, out: Out, event: Told) -> None:
    """One event; without a rule of its kind it is nobody's alarm."""
    known = 0 <= event.device_no < len(state.fleet.slot_of)
    slot = int(state.fleet.slot_of[event.device_no]) if known else -1
    if slot < 0:
        return
    match event:
        case LinkDown():
            _alarm(state, out, slot, state.compiled.link_down, event.at, event.reason)
        case LinkUp():
            _over(state, out, slot, state.compiled.link_down, event.at)
        case SessionLost():
            _alarm(state, out, slot, state.compiled.session_lost, event.at, event.reason)
            _over(state, out, slot, state.compiled.session_lost, event.at)
        case ReadingsMissing():
            _alarm(state, out, slot, state.compiled.missing, event.at, _missing(event))
        case ReadingsComplete():
            _over(state, out, slot, state.compiled.missing, event.at, _complete(event))


def _alarm(state: State, out: Out, slot: int, rule: int, at: int, note: str) -> None:
    """Raised, or raised again; one that is active already says the newest from now on."""
    if rule >= 0 and alarms.raise_alarm(state, out, slot, rule, onset=at, at=at, note=note) is None:
        alarms.say(state, out, slot, rule, note, at=at)


def _over(state: State, out: Out, slot: int, rule: int, at: int, comment: str = "") -> None:
    if rule >= 0:
        alarms.return_alarm(state, out, slot, rule, at=at, comment=comment)


def _missing(event: ReadingsMissing) -> str:
    readings, verb = ("reading", "is") if event.many == 1 else ("readings", "are")
    return f"{event.many} {readings} from {event.first} on (boot {event.boot}) {verb} missing"


def _complete(event: ReadingsComplete) -> str:
    if not event.lost:
        return "all have come"
    return f"{event.lost} {'reading is' if event.lost == 1 else 'readings are'} lost for ever"
