"""Which alarms are only tried: of a rule that is in a dry run, or a canary at other sites, or taken back by itself.

D1  A trial alarm lives its whole life and moves nothing.
D2  Whether a site belongs to a canary depends on the names of rule and site alone, so a larger share keeps those of a
    smaller one, and every engine says the same.
D3  A rule that came into force, or was edited, proves itself: if within its time (rules/interlock/proving.py: ten
    minutes, and what it has to wait for) software raises it at more than its share of the devices it looks at, or
    alarms that stood on trial come into force there, it is taken back to a dry run, all that software judged by it,
    until it is edited (canary, Y3). What a device's own alarm bit raised does not count, nor does a rule that listens
    to flags alone, or that is about what the register says alone (lives, calibrations). Simulated devices do not
    count, unless the rule looks at no other (G10).
"""

import numpy as np

from devices.fleet import MICROSECONDS
from rules.decisions import RuleNoted
from rules.documents.document import Override, Rule
from rules.evaluation.kernels import Compiled
from rules.interlock.canary import drawn as drawn
from rules.interlock.canary import in_canary as in_canary
from rules.interlock.canary import is_trial as is_trial
from rules.interlock.proving import PROVING_US, proves_itself, proving_us
from rules.life import alarms
from rules.life.alarms import Out
from rules.stepping.standing import Proving
from rules.stepping.state import OpenAlarm, State

#: At how many devices a rule may be raised while it proves itself: the larger of the two. Source: product choice.
PROVING_LEAST, PROVING_SHARE = 20, 0.02


def raised(state: State, out: Out, alarm: OpenAlarm, rule: int, at: int) -> bool:
    """An alarm became active: too many of a rule that proves itself, and it is taken back (D3). Whether it was, now."""
    proving = state.proving.get(alarm.rule)
    if proving is None:
        return False
    one, slots = proving
    lasts_us = one.lasts_us or PROVING_US
    if at - one.since >= lasts_us:
        del state.proving[alarm.rule]
        return False
    if alarm.trial or alarm.device_says or bool(state.fleet.simulated[alarm.slot]) != one.simulated:
        return False
    slots.add(alarm.slot)
    too_many = len(slots) > one.most
    if too_many:
        why = f"raised at {len(slots)} devices within {-(-lasts_us // 60 // MICROSECONDS)} min of coming into force"
        revert(state, out, rule, alarm.slot, at, f"{why}; at most {one.most} may be")
    return too_many


def revert(state: State, out: Out, rule: int, slot: int, at: int, why: str) -> None:
    """Take a rule back to a dry run, until it is edited. (What the budget holds of it is the caller's.)"""
    spec = state.compiled.rules[rule]
    state.proving.pop(spec.id, None)
    state.reverted[spec.id] = why
    out.append(RuleNoted(at=at, rule=spec.id, what=f"taken back to a dry run: {why}", reverted=True))
    because = state.open[slot, rule].alarm if (slot, rule) in state.open else ""
    for where, number in [place for place in state.open if place[1] == rule]:
        alarms.tried(state, out, where, number, at)
    _tell(state, out, slot, f"rule {spec.id}: {why}; edit it to bring it into force again", because, at)


def _tell(state: State, out: Out, slot: int, note: str, because: str, at: int) -> None:
    rule = state.compiled.reverted
    if rule < 0:
        return
    if alarms.raise_alarm(state, out, slot, rule, onset=at, at=at, because=because, note=note) is None:
        alarms.say(state, out, slot, rule, f"{state.open[slot, rule].note}; {note}", at=at)


def edited(state: State, out: Out, before: Compiled, now: int) -> None:
    """The rules are others now: one that was edited is in force as it says itself, and proves itself anew."""
    known = {rule.id: _document(before, rule) for rule in before.rules}
    fresh = [rule.id for rule in state.compiled.rules if known.get(rule.id) != _document(state.compiled, rule)]
    gone = [rule for rule in {*state.reverted, *state.proving} if rule not in state.compiled.by_id]
    for rule in (*fresh, *gone):
        state.reverted.pop(rule, None)
        state.proving.pop(rule, None)
    if before.fleet.present.any():  # else nothing was in force anywhere before
        for rule in fresh:
            prove(state, rule, now)
    number = state.compiled.reverted
    for slot in [slot for slot, rule in state.open if rule == number]:
        if not any(f"rule {rule}:" in state.open[slot, number].note for rule in state.reverted):
            alarms.return_alarm(state, out, slot, number, at=now, comment="the rule was edited")


def _document(compiled: Compiled, rule: Rule) -> tuple[Rule, tuple[Override, ...]]:
    return rule, tuple(one for one in compiled.pack.overrides if one.rule == rule.id)


def prove(state: State, rule: str, now: int) -> None:
    """It comes into force now (D3)."""
    number = state.compiled.by_id[rule]
    if not proves_itself(state.compiled, number):
        return
    looked_at = state.fleet.present & state.compiled.looks[state.compiled.class_of, number]
    real = int(np.count_nonzero(looked_at & ~state.fleet.simulated))
    many = real or int(np.count_nonzero(looked_at))
    most = max(PROVING_LEAST, int(many * PROVING_SHARE))
    state.proving[rule] = (Proving(rule, now, most, not real, lasts_us=proving_us(state.compiled, number)), set())
