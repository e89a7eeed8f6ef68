"""What people hide: an alarm that is shelved, a device that is out of service.

O1  Neither touches the true state of an alarm (lifecycle, L1), and neither stops it from acting on valves, save that a
    device out of service closes nothing by what software judges of it.
O2  A shelf is of a rule at a device. It has a reason and an end, holds over a return and a re-alarm, and hides nothing
    that is worse than what was shelved.
O3  A resident shelves no high or critical alarm about gas.
O4  Out of service is of a device: every alarm of it, also one to come. When it is in service again, what its active
    alarms do is done.
O5  A shelf goes with its rule and with its device; out of service goes with its device.
"""

from collections.abc import Collection

from rules.decisions import Change, Priority
from rules.incidents import life as incident_life
from rules.incidents.words import clock, is_blank, too_long
from rules.instructions import ReturnToService, Shelve, TakeOutOfService, Unshelve
from rules.interlock import interlock
from rules.life import suppression
from rules.life.alarms import Out, is_active, no_open_alarm
from rules.life.lifecycle import NOT_HIDING, Happening, Hiding
from rules.life.showing import record
from rules.stepping.standing import OutOfService, Shelf
from rules.stepping.state import OpenAlarm, State, Timer

HOUR_US = 3_600_000_000
#: How long an alarm may be shelved at one time. Source: product choice.
LONGEST_SHELF_US = {
    priority: 24 * HOUR_US if priority is Priority.CRITICAL else 7 * 24 * HOUR_US for priority in Priority
}
#: How long a device may be out of service at one time; without a limit it is until a person says so. Source: product
#: choice.
LONGEST_SERVICE_US = 30 * 24 * HOUR_US
#: Who lives with the gas, and may not shelve what protects all (O3). Source: domain.md 6, gas rule.
RESIDENT = "resident"


def shelve(state: State, out: Out, said: Shelve) -> str:
    """Returns why not, or empty. An alarm that is shelved already may be shelved until another time."""
    place = state.by_alarm.get(said.alarm)
    if place is None:
        return no_open_alarm(said.alarm)
    refused = _may_not_be_shelved(state, state.open[place], place[1], said)
    if refused:
        return refused
    alarm = state.open[place]
    state.shelves[place[0], alarm.rule] = Shelf(
        slot=place[0],
        rule=alarm.rule,
        until=said.until,
        by=said.by,
        reason=said.reason,
        alarm=alarm.alarm,
        priority=alarm.priority,
    )
    state.remind(said.until, Timer.SHELF, *place)
    record(state, out, *place, Change.SHELVED, said.at, by=said.by, comment=said.reason)
    incident_life.follow(state, out, *place, said.at)
    return ""


def _may_not_be_shelved(state: State, alarm: OpenAlarm, rule: int, said: Shelve) -> str:
    if is_blank(said.reason):
        return "a shelf needs a reason: say why it may be out of the list"
    if refused := too_long(said.reason):
        return refused
    grave = alarm.priority <= Priority.HIGH
    if said.role == RESIDENT and grave and suppression.of_gas(state.compiled, rule):
        return f"a resident cannot shelve a {alarm.priority.name.lower()} gas alarm; call the gas company"
    if said.until <= said.at:
        return "the shelf would be over already: name a time that is to come"
    longest = LONGEST_SHELF_US[alarm.priority]
    if said.until > said.at + longest:
        name = alarm.priority.name.lower()
        return f"a {name} alarm is shelved for at most {longest // HOUR_US} hours; name a time until then"
    shelf = state.shelves.get((alarm.slot, alarm.rule))
    if shelf is not None and shelf.until == said.until:
        return f"{NOT_HIDING[Hiding.SHELVED, Happening.SHELVE]}, until {clock(shelf.until)}, by {shelf.by}"
    return ""


def unshelve(state: State, out: Out, said: Unshelve) -> str:
    """Returns why not, or empty. Also by the id of an alarm that is over: its shelf waits for the next one."""
    place = state.by_alarm.get(said.alarm)
    key = (place[0], state.open[place].rule) if place is not None else _shelf_of(state, said.alarm)
    if key is None:
        return no_open_alarm(said.alarm)
    if key not in state.shelves:
        return NOT_HIDING[Hiding.NOTHING, Happening.UNSHELVE]
    _end_shelf(state, out, key, said.at, by=said.by)
    return ""


def _shelf_of(state: State, alarm: str) -> tuple[int, str] | None:
    return next((key for key, shelf in state.shelves.items() if shelf.alarm == alarm), None)


def shelf_due(state: State, out: Out, slot: int, rule: int, due: int, at: int) -> None:
    """The time of a shelf is over."""
    key = (slot, state.compiled.rules[rule].id)
    shelf = state.shelves.get(key)
    if shelf is not None and shelf.until == due:
        _end_shelf(state, out, key, at, comment="its time is over")


def _end_shelf(state: State, out: Out, key: tuple[int, str], at: int, *, by: str = "", comment: str = "") -> None:
    slot, rule = key[0], state.compiled.by_id[key[1]]
    del state.shelves[key]
    if (slot, rule) in state.open:
        record(state, out, slot, rule, Change.UNSHELVED, at, by=by, comment=comment)
        incident_life.follow(state, out, slot, rule, at)


def take_out_of_service(state: State, out: Out, said: TakeOutOfService) -> str:
    """Returns why not, or empty. `until` 0: until a person says so."""
    slot = slot_of(state, said.device_no)
    if slot < 0:
        return f"there is no device {said.device_no}"
    if is_blank(said.reason):
        return "taking a device out of service needs a reason: say what is done to it"
    if refused := too_long(said.reason):
        return refused
    if said.until and said.until <= said.at:
        return "its time out of service would be over already: name a time that is to come, or none"
    if said.until > said.at + LONGEST_SERVICE_US:
        days = LONGEST_SERVICE_US // (24 * HOUR_US)
        return f"a device is out of service for at most {days} days at one time; name a time until then, or none"
    before = state.out_of_service.get(slot)
    if before is not None and before.until == said.until:
        until = f"until {clock(before.until)}" if before.until else "without a limit"
        return f"{NOT_HIDING[Hiding.OUT_OF_SERVICE, Happening.TAKE_OUT_OF_SERVICE]}, {until}, by {before.by}"
    state.out_of_service[slot] = OutOfService(slot, said.until, said.by, said.reason)
    if said.until:
        state.remind(said.until, Timer.SERVICE, slot, 0)
    for rule in _open_at(state, slot):
        record(state, out, slot, rule, Change.OUT_OF_SERVICE, said.at, by=said.by, comment=said.reason)
        incident_life.follow(state, out, slot, rule, said.at)
    return ""


def return_to_service(state: State, out: Out, said: ReturnToService) -> str:
    """Returns why not, or empty."""
    slot = slot_of(state, said.device_no)
    if slot < 0:
        return f"there is no device {said.device_no}"
    if slot not in state.out_of_service:
        return NOT_HIDING[Hiding.NOTHING, Happening.RETURN_TO_SERVICE]
    _end_service(state, out, slot, said.at, by=said.by)
    return ""


def service_due(state: State, out: Out, slot: int, due: int, at: int) -> None:
    """The time of an out-of-service is over."""
    standing = state.out_of_service.get(slot)
    if standing is not None and standing.until == due:
        _end_service(state, out, slot, at, comment="its time is over")


def _end_service(state: State, out: Out, slot: int, at: int, *, by: str = "", comment: str = "") -> None:
    del state.out_of_service[slot]
    for rule in _open_at(state, slot):
        alarm = record(state, out, slot, rule, Change.IN_SERVICE, at, by=by, comment=comment)
        incident_life.follow(state, out, slot, rule, at)
        if is_active(state, slot, rule) and not alarm.trial:
            interlock.alarm_raised(state, out, state.open[slot, rule], rule, at)


def reshaped(state: State, out: Out, now: int, touched: Collection[int] | None = None) -> None:
    """The registry or the rules are others now: O5, and what is suppressed is found anew (suppression, S1). `touched`:
    the registry is, at these slots."""
    devices = state.fleet.devices
    for slot in [slot for slot in state.out_of_service if devices[slot] is None]:
        del state.out_of_service[slot]
    by_id = state.compiled.by_id
    for key in [key for key in state.shelves if devices[key[0]] is None or key[1] not in by_id]:
        del state.shelves[key]
    suppression.refresh_all(state, out, now, touched)


def remind_all(state: State) -> None:
    """Reminders of everything that is due some time (state A3)."""
    for (slot, name), shelf in state.shelves.items():
        state.remind(shelf.until, Timer.SHELF, slot, state.compiled.by_id[name])
    for slot, standing in state.out_of_service.items():
        if standing.until:
            state.remind(standing.until, Timer.SERVICE, slot, 0)


def slot_of(state: State, device_no: int) -> int:
    """The slot of a device that is in the registry, or -1."""
    fleet = state.fleet
    slot = int(fleet.slot_of[device_no]) if 0 <= device_no < len(fleet.slot_of) else -1
    return slot if slot >= 0 and fleet.devices[slot] is not None else -1


def _open_at(state: State, slot: int) -> list[int]:
    """The rules whose alarm is open there."""
    return [rule for rule in range(len(state.compiled)) if (slot, rule) in state.open]
