"""Alarms about the way in: a link that is down, a session that a broker forgot, readings that are missing.

W1  They stand at the device that the event names: the gateway or the broker, or the device whose readings are missing.
    A number that nobody has, or has no longer, is ignored.
W2  The same thing told twice is one alarm, which says the newest (showing, N1). A lost session is over when it is
    found, so its alarm returns at once and waits to be seen; every further loss alarms again.
W3  Nobody reaches out to a gateway whose address is a bus and which has no device behind it, so nothing of it is down;
    an alarm that says so is over when the last device is moved away, or the address is taken from it. Nor can readings
    be missing of a device that is polled from now on. A rule that has taken the place of another of its kind says what
    that one said.
W4  What stands behind such a link is judged as always: its silence is its own alarm, its gas alarm stays.
"""

from devices.fleet import Fleet
from rules.documents.document import Kind
from rules.evaluation.kernels import Compiled
from rules.events import LinkDown, LinkUp, ReadingsComplete, ReadingsMissing, SessionLost
from rules.life import alarms
from rules.life.alarms import Out
from rules.stepping.state import OpenAlarm, State

Told = LinkDown | LinkUp | SessionLost | ReadingsMissing | ReadingsComplete


def told(state: State, out: Out, event: Told) -> None:
    """One event; without a rule of its kind it is nobody's alarm."""
    known = 0 <= event.device_no < len(state.fleet.slot_of)
    slot = int(state.fleet.slot_of[event.device_no]) if known else -1
    if slot < 0:
        return
    match event:
        case LinkDown() if not _is_reached(state.fleet, slot):
            pass
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


def standing(state: State, compiled: Compiled) -> list[tuple[Kind, OpenAlarm]]:
    """Active alarms about the way in whose rule is not in `compiled`: to be said by another one, if there is."""
    kinds = {state.compiled.link_down: Kind.LINK_DOWN, state.compiled.missing: Kind.MISSING}
    return [
        (kinds[rule], alarm)
        for (slot, rule), alarm in state.open.items()
        if rule in kinds and alarm.rule not in compiled.by_id and alarms.is_active(state, slot, rule)
    ]


def changed(state: State, out: Out, before: Fleet, stood: list[tuple[Kind, OpenAlarm]], at: int) -> None:
    """The registry or the rules are others now (`before`, `stood`: as they were): W3."""
    heirs = {Kind.LINK_DOWN: state.compiled.link_down, Kind.MISSING: state.compiled.missing}
    for kind, alarm in stood:
        if heirs[kind] >= 0 and state.fleet.devices[alarm.slot] is not None:
            alarms.raise_alarm(state, out, alarm.slot, heirs[kind], onset=at, at=at, note=alarm.note)
    about = (state.compiled.link_down, state.compiled.missing)
    for slot, rule in [place for place in state.open if place[1] in about]:
        device, once = state.fleet.devices[slot], before.devices[slot] if slot < len(before) else None
        if device is None:
            continue
        if rule == state.compiled.link_down and not _is_reached(state.fleet, slot):
            _over(state, out, slot, rule, at, "there is no device behind it any more")
        elif rule == state.compiled.link_down and once is not None and once.address and not device.address:
            _over(state, out, slot, rule, at, "it has no address any more")
        elif rule == state.compiled.missing and not state.fleet.numbered[slot]:
            _over(state, out, slot, rule, at, "it is polled now, so nothing of it can be missing")


def _is_reached(fleet: Fleet, slot: int) -> bool:
    """Whether something may reach out to this gateway or broker. (Of one without an address only its link knows.)"""
    device = fleet.devices[slot]
    return device is not None and (not device.address or device.identity in fleet.gateways)


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
