"""A shut-off leaves, or waits for its turn: what `budget` says, done."""

from collections.abc import Iterable

import msgspec

from devices.fleet import MICROSECONDS, Fan, ShutOffValve
from rules.decisions import HeldChange
from rules.documents.document import RuleState
from rules.interlock import held, matrix, trials, wanting
from rules.interlock.matrix import Place
from rules.interlock.waiting import Line
from rules.interlock.worst import worst_by
from rules.life.alarms import Out
from rules.life.lifecycle import IS_ACTIVE, IS_LATCHED
from rules.stepping.standing import Held, Tokens
from rules.stepping.state import State, Timer, Wanted

NOT_HEARD = "its detector was not heard since the engine's store was brought back from a copy"
_SIMULATED = "|simulated"
_NO_MORE = "no alarm asks for it any more"


def ask(state: State, out: Out, place: Place, what: ShutOffValve | Fan, causes: tuple[Place, ...], at: int) -> None:
    """The alarm at `place` asks for this valve to be closed, or this fan to run: now, or when its turn comes."""
    slot, rule = place
    if matrix.unheard(state, slot, rule):
        hold(state, out, place, what, at, NOT_HEARD, unheard=True)
        return
    spent = _spends(state, what, causes, at)
    if spent:
        line = Line(state.compiled.rules[rule].id, bool(state.fleet.simulated[slot]))
        if state.waiting.many(line) or not _room(state, line, at):
            hold(state, out, place, what, at, _used_up(state, rule), unheard=False)
            _prove(state, out, place, line, at)
            return
        _spend(state, line, at)
    waited = state.held.get((state.compiled.rules[rule].id, what.slot))
    if waited is not None:
        held.take(state, out, waited, HeldChange.RELEASED, at)
        held.page(state, out, at)
    _leave(state, out, place, what, causes, at)


def _spends(state: State, what: ShutOffValve | Fan, causes: Iterable[Place], at: int) -> bool:
    """Whether this is a shut-off that software judged: B1, B5."""
    if isinstance(what, Fan) or what.slot in state.wanted_by_slot or wanting.seen_closed(state, what, at):
        return False
    return not any(state.open[one].device_says for one in causes)


def _leave(state: State, out: Out, place: Place, what: ShutOffValve | Fan, causes: tuple[Place, ...], at: int) -> None:
    alarm = state.open[place]
    if isinstance(what, Fan):
        wanting.want_running(state, out, what, at=at, reason=alarm.rule, alarm=alarm.alarm)
        return
    seen = wanting.seen_closed(state, what, at)
    known = state.closed_for.get(what.slot, ())
    state.closed_for[what.slot] = (*known, *(one for one in causes if one not in known))
    if seen:
        wanting.rely(state, what.slot)
    else:
        wanting.want_closed(state, out, what, at=at, reason=alarm.rule, alarm=alarm.alarm)
        closed(state, out, what.slot, at)


def closed(state: State, out: Out, slot: int, at: int) -> None:
    """The closing of this valve is wanted now: what waits for it waits no more, and needs no turn (B5)."""
    waited = [key for rule in state.compiled.rules if (key := (rule.id, slot)) in state.held] if state.held else []
    for key in waited:
        one = state.held.get(key)  # the one before may have taken it along
        if one is not None and not one.unheard:
            go(state, out, one, at)
    if waited:
        held.page(state, out, at)


# ---- what the budget of a rule has left -----------------------------------------------------------------------------


def limit(state: State, rule: int) -> int:
    """How many shut-offs of a rule leave within its window."""
    budget = state.compiled.rules[rule].budget
    return max(budget.least, int(len(state.fleet.valves) * budget.share_pct / 100))


def _name(line: Line) -> str:
    return line.rule + (_SIMULATED if line.simulated else "")


def _window_us(state: State, line: Line) -> int:
    return round(state.compiled.rules[state.compiled.by_id[line.rule]].budget.per_s * MICROSECONDS)


def _counted(state: State, line: Line, at: int) -> tuple[int, ...]:
    tokens, since = state.tokens.get(_name(line)), at - _window_us(state, line)
    return tuple(one for one in tokens.released if one > since) if tokens is not None else ()


def _room(state: State, line: Line, at: int) -> int:
    return max(0, limit(state, state.compiled.by_id[line.rule]) - len(_counted(state, line, at)))


def _spend(state: State, line: Line, at: int) -> None:
    spent = (*_counted(state, line, at), at)
    state.tokens[_name(line)] = Tokens(_name(line), spent, _window_us(state, line))


def _used_up(state: State, rule: int) -> str:
    spec = state.compiled.rules[rule]
    return f"the budget of rule {spec.id} is used up: {limit(state, rule)} in {spec.budget.per_s:g} s"


def give_back(state: State, wanted: Wanted) -> None:
    """What left is put aside, and will be counted when it leaves again."""
    name = _name(Line(wanted.reason, bool(state.fleet.simulated[wanted.slot])))
    tokens = state.tokens.get(name)
    if tokens is not None and wanted.since in tokens.released:
        left = list(tokens.released)
        left.remove(wanted.since)
        if left:
            state.tokens[name] = msgspec.structs.replace(tokens, released=tuple(left))
        else:
            del state.tokens[name]


def remind(state: State, line: Line) -> None:
    """When the next shut-off may leave."""
    rule = state.compiled.by_id[line.rule]
    tokens, most = state.tokens.get(_name(line)), limit(state, rule)
    if tokens is not None and len(tokens.released) >= most:
        state.remind(tokens.released[-most] + _window_us(state, line), Timer.RELEASE, 0, rule)


def forget_spent(state: State, at: int) -> None:
    """Rules were edited. What a rule has spent stays spent, whatever version of it asked; of a rule that is gone, and
    may come back, it is forgotten when its window has passed."""
    for name, tokens in list(state.tokens.items()):
        gone = name.removesuffix(_SIMULATED) not in state.compiled.by_id
        if gone and at - tokens.released[-1] >= tokens.window_us:
            del state.tokens[name]


# ---- holding and releasing ------------------------------------------------------------------------------------------


def hold(state: State, out: Out, place: Place, what: ShutOffValve | Fan, at: int, why: str, *, unheard: bool) -> None:
    """It waits; told once. Asked for by two detectors, the worse one is waited for."""
    put(state, out, held.asked(state.open[place], what, _value(state, place), at, unheard=unheard), at, why)


def unheard(state: State, place: Place, target: int, at: int, *, again: bool) -> Held:
    """What an alarm asks for that is only remembered. `again`: see Held."""
    what = state.fleet.valves.get(target) or state.fleet.fans[target]
    one = held.asked(state.open[place], what, _value(state, place), at, unheard=True)
    return msgspec.structs.replace(one, again=again)


def put(state: State, out: Out, one: Held, at: int, why: str) -> None:
    """As `hold`."""
    before = state.held.get((one.rule, one.valve))
    if before is not None and before.again:
        one = msgspec.structs.replace(one, again=True)
    if before is not None and before.unheard == one.unheard:
        if worst_by(state.compiled.pack, state.compiled.by_id[one.rule]).worse(one.value, before.value):
            held.wait(state, msgspec.structs.replace(one, since=before.since))
            held.page(state, out, at)
        return
    held.wait(state, one)
    line = held.line_of(state, one)
    if not one.unheard and state.waiting.many(line) == 1:
        remind(state, line)
    out.append(held.told(state, one, HeldChange.HELD, at, reason=why))
    held.page(state, out, at)


def _prove(state: State, out: Out, place: Place, line: Line, at: int) -> None:
    """B7. What is simulated says nothing of a rule while there are real devices."""
    slot, rule = place
    real = bool((state.fleet.present & ~state.fleet.simulated).any())
    if state.compiled.rules[rule].state is not RuleState.CANARY or (line.simulated and real):
        return
    most = limit(state, rule)
    if state.waiting.many(line) >= most:
        why = f"in its canary it asked for more than twice its budget of {most} shut-offs"
        trials.revert(state, out, rule, slot, at, why)
        drop(state, out, line.rule, at)


def drop(state: State, out: Out, rule: str, at: int) -> None:
    """This rule was taken back: nothing waits for it, and no alarm of it that is only tried keeps a valve closed."""
    for one in [one for one in state.held.values() if one.rule == rule]:
        held.take(state, out, one, HeldChange.OVER, at, reason=f"rule {rule} was taken back to a dry run")
    number = state.compiled.by_id[rule]
    for valve, places in list(state.closed_for.items()):
        for place in places:
            if place[1] == number and state.open[place].trial:
                wanting.forget_cause(state, out, valve, place, at)
    held.page(state, out, at)


def go(state: State, out: Out, one: Held, at: int, *, by: str = "") -> bool:
    """It waits no more; whether it leaves, for an alarm that still asks for it. `by`: a person, who need not wait until
    a detector is heard, and on whose word a closing that was wanted before a restore leaves for no alarm, too."""
    causes = matrix.asks_for(state, one.valve, state.compiled.by_id[one.rule])
    place = state.by_alarm.get(one.alarm)
    if not causes and place is not None and (latched(state, one) or (by and matrix.acts(state, *place))):
        causes = (place,)
    if not causes and not (by and one.again):
        held.take(state, out, one, HeldChange.OVER, at, reason=_NO_MORE)
        return False
    held.take(state, out, one, HeldChange.RELEASED, at, by=by)
    what = state.fleet.valves.get(one.valve) or state.fleet.fans[one.valve]
    if causes:
        _leave(state, out, place if place is not None and place in causes else causes[0], what, causes, at)
    elif isinstance(what, ShutOffValve):
        wanting.want_closed(state, out, what, at=at, reason=one.rule, alarm=one.alarm, by=by)
        closed(state, out, what.slot, at)
    return True


def turn(state: State, out: Out, line: Line, at: int) -> None:
    """Release what there is room for, worst first."""
    while (one := state.waiting.worst(line)) is not None and _room(state, line, at):
        spends = _spends(state, state.fleet.valves[one.valve], (), at)
        if go(state, out, one, at) and spends:
            _spend(state, line, at)
    if state.waiting.many(line):
        remind(state, line)


def or_over(state: State, out: Out, one: Held, at: int) -> None:
    """Its alarm asks for it no more: it waits for another that does, or is over."""
    if not one.unheard and latched(state, one):
        return
    rule = state.compiled.by_id[one.rule]
    causes = () if one.unheard else matrix.asks_for(state, one.valve, rule)
    if not causes:
        held.take(state, out, one, HeldChange.OVER, at, reason=_NO_MORE)
        return
    alarm = state.open[causes[0]]
    held.wait(
        state, msgspec.structs.replace(one, detector=alarm.slot, alarm=alarm.alarm, value=_value(state, causes[0]))
    )


def latched(state: State, one: Held) -> bool:
    """Whether this is a closing that was wanted before a restore, of an alarm that nobody has reset since."""
    place = state.by_alarm.get(one.alarm)
    if place is None or not one.again:
        return False
    return bool(IS_LATCHED[state.phase[place]]) and not state.open[place].trial and place[0] not in state.out_of_service


def was_heard(state: State, out: Out, one: Held, at: int) -> None:
    """The detector of a closing that was wanted before a restore is heard, and does not say it again: it is wanted anew
    for an alarm that is latched, and over with one that is not active."""
    place = state.by_alarm.get(one.alarm)
    if place is not None and latched(state, one):
        ask(state, out, place, state.fleet.valves[one.valve], (place,), at)
    elif place is None or not IS_ACTIVE[state.phase[place]]:
        or_over(state, out, one, at)


def _value(state: State, place: Place) -> float:
    alarm, by = state.open[place], worst_by(state.compiled.pack, place[1])
    value = alarm.value if alarm.worst is None else alarm.worst
    return value if value is not None and by.quantity else by.least_bad
