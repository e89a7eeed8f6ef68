"""What one rule made of a device by a time: the reason, as a word and in two languages, and how far its timer is."""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from devices.fleet import MICROSECONDS
from rules.decisions import AlarmState, Priority
from rules.documents.document import Kind, Rule, RulePack, RuleState
from rules.evaluation.selection import fits
from rules.history.backtest import rule_lead_us
from rules.history.explain_predicates import Look
from rules.history.explain_types import Predicate, Reason, Role, RuleExplained, Running, Says, Stood, Written
from rules.history.explain_words import NOBODY_KNOWS, OLDER, OLDER_KNOWN, sentences
from rules.history.replay import FAR
from rules.life.lifecycle import IS_ACTIVE
from rules.stepping.state import State

_SAYS = {1: Says.TRUE, 0: Says.FALSE, -1: Says.UNKNOWN}
_JUDGED = (Kind.MEASURED, Kind.QUALITY, Kind.SILENCE)
_LATCHED = (AlarmState.LATCHED_UNACKNOWLEDGED, AlarmState.LATCHED_ACKNOWLEDGED)


class Asked(Protocol):
    """What of a question is needed here."""

    @property
    def at(self) -> int: ...

    @property
    def pack(self) -> RulePack: ...

    @property
    def written(self) -> Written | None: ...

    @property
    def in_force(self) -> bool: ...

    @property
    def too_large(self) -> frozenset[str]: ...


class RuleReader:
    """state: as of `at`. look: at the last live reading, or None. blind: the newest reading is late or stale.
    seen_from: ts of the first live reading that was looked at, where there are older ones; 0: there are none."""

    def __init__(
        self,
        state: State,
        slot: int,
        look: Look | None,
        asked: Asked,
        blind: bool,
        spoken: Callable[[int], str],
        seen_from: int = 0,
    ) -> None:
        self.state, self.slot, self.look, self.blind, self.spoken = state, slot, look, blind, spoken
        self.at, self.too_large, self.pack, self.seen_from = asked.at, asked.too_large, asked.pack, seen_from
        self.written = asked.written if asked.in_force else None
        self.of = int(state.compiled.class_of[slot])

    def read(self, rule: int) -> RuleExplained:
        spec = self.state.compiled.rules[rule]
        alarm = self.state.open.get((self.slot, rule))
        phase = AlarmState(int(self.state.phase[self.slot, rule]))
        looks = bool(self.state.compiled.looks[self.of, rule])
        judged = self.look is not None and looks and spec.kind in (Kind.MEASURED, Kind.QUALITY)
        predicates = self.look.predicates(rule) if self.look is not None and judged else ()
        raised = self._says(rule, cleared=False) if judged else Says.UNKNOWN
        cleared = self._says(rule, cleared=True) if judged else Says.UNKNOWN
        running = self._running(rule, clearing=bool(IS_ACTIVE[phase]))
        reason, known = self._reason(rule, spec, phase, raised, cleared, running, predicates)
        older = alarm is not None and judged and self._older(rule, alarm.onset)
        stood = self._stood(spec.id) if older else None
        name, onset = ("", 0) if alarm is None else (alarm.alarm, alarm.onset)
        if stood is not None:
            name, onset = stood.alarm, stood.onset
        known["onset"] = self.spoken(onset)
        sentence_zh, sentence_en = sentences(reason, known)
        if older:
            zh, en = OLDER_KNOWN if stood is not None else OLDER
            sentence_zh, sentence_en = sentence_zh + zh, f"{sentence_en} {en}"
        return RuleExplained(
            rule=spec.id,
            title_zh=spec.title.zh,
            title_en=spec.title.en,
            kind=spec.kind,
            priority=alarm.priority if alarm is not None else Priority(spec.priority),
            reason=reason,
            sentence_zh=sentence_zh,
            sentence_en=sentence_en,
            raised=raised,
            cleared=cleared,
            state=alarm.state if alarm is not None else AlarmState.NORMAL,
            phase=phase,
            alarm=name,
            onset=onset,
            older=older and stood is None,
            trial=alarm.trial if alarm is not None else False,
            running=running,
            predicates=predicates,
        )

    def _older(self, rule: int, onset: int) -> bool:
        """It was so as soon as it could be seen in what was looked at, and there is more before that."""
        return self.seen_from > 0 and onset - self.seen_from <= rule_lead_us(self.pack, rule)

    def _stood(self, rule: str) -> Stood | None:
        found = () if self.written is None else self.written.stood
        return next((one for one in found if one.rule == rule and one.onset <= self.seen_from), None)

    def _says(self, rule: int, *, cleared: bool) -> Says:
        assert self.look is not None
        found = self.look.conditions.cleared if cleared else self.look.conditions.raised
        return _SAYS[int(found[0, rule])]

    def _running(self, rule: int, *, clearing: bool) -> Running | None:
        since, due = int(self.state.since[self.slot, rule]), int(self.state.due[self.slot, rule])
        if not since:
            return None
        table = self.state.compiled.clear_hold_us if clearing else self.state.compiled.hold_us
        lasts_us = int(table[self.of, rule])
        passed_us = min(lasts_us, max(0, lasts_us - (due - self.at)))
        return Running(clearing, since, due, lasts_us / MICROSECONDS, passed_us / MICROSECONDS)

    def _reason(
        self,
        rule: int,
        spec: Rule,
        phase: AlarmState,
        raised: Says,
        cleared: Says,
        running: Running | None,
        predicates: tuple[Predicate, ...],
    ) -> tuple[Reason, dict[str, str]]:
        known: dict[str, str] = {"onset": ""}
        if not self.state.compiled.looks[self.of, rule] and spec.kind in _JUDGED:
            return self._not_looked(spec)
        if spec.kind not in _JUDGED:
            return Reason.OF_THE_ENGINE, known
        if spec.id in self.too_large:
            return Reason.GROUP_TOO_LARGE, known
        if running is not None:
            known |= {
                "since": self.spoken(running.since),
                "lasts": f"{running.lasts_s:g} s",
                "passed": f"{running.passed_s:g} s",
            }
        if rule in self.state.compiled.silence:
            if self.state.heard[self.slot] >= FAR:
                return Reason.NOT_HEARD, known
            lasts_s = int(self.state.compiled.silent_us[self.of, rule]) / MICROSECONDS
            known |= {"heard": self.spoken(int(self.state.heard[self.slot])), "lasts": f"{lasts_s:g} s"}
            return (Reason.SILENT if IS_ACTIVE[phase] else Reason.HEARD), known
        known["why"] = next((one.why for one in predicates if one.says is Says.UNKNOWN and one.why), NOBODY_KNOWS)
        if IS_ACTIVE[phase]:
            return self._active(raised, cleared, running), known
        if running is not None:
            return Reason.HOLDING, known
        if phase is not AlarmState.NORMAL:
            return (Reason.LATCHED if phase in _LATCHED else Reason.RETURNED), known
        return self._normal(rule, raised, predicates), known

    def _active(self, raised: Says, cleared: Says, running: Running | None) -> Reason:
        if running is not None:
            return Reason.CLEARING
        if raised is Says.TRUE:
            return Reason.STANDS
        return Reason.CLEAR_UNKNOWN if cleared is Says.UNKNOWN else Reason.BETWEEN

    def _normal(self, rule: int, raised: Says, predicates: tuple[Predicate, ...]) -> Reason:
        if self.look is None:
            return Reason.HELD_LATE if self.blind else Reason.NOT_HEARD
        inside = self.state.compiled.inside(rule, np.array([self.slot], np.int32), self.look.row["ts"])
        if not inside[0]:
            return Reason.OUTSIDE_SCHEDULE
        if raised is Says.UNKNOWN:
            return Reason.NOT_KNOWN
        true = any(one.says is Says.TRUE for one in predicates if one.role in (Role.CONDITION, Role.FLAG))
        return Reason.HELD_LATE if self.blind and not true else Reason.NOT_TRUE

    def _not_looked(self, spec: Rule) -> tuple[Reason, dict[str, str]]:
        one = self.state.fleet.classes.all[self.of]
        kind = str(one.model.kind).replace("_", " ") if one.model else "device"
        if spec.state is RuleState.DRAFT:
            return Reason.DRAFT, {}
        if one.model is not None and spec.applies_to and one.model.kind not in spec.applies_to:
            return Reason.OTHER_KIND, {"kind": kind}
        return (Reason.NOT_MEASURED if fits(spec.only, one) else Reason.NOT_SELECTED), {}
