"""A backtest's result as its shapes."""

from api.alarm_health import show_health
from api.backtest_shapes import (
    BacktestAlarm,
    BacktestDifferences,
    BacktestResult,
    LabelledAlarms,
    MovedAlarm,
    RuleFigures,
    RunFigures,
)
from api.trimmed import Counts, Differing, Trimmed
from rules.history.backtest_types import Alarmed, Differences, Found, RuleCount


def show_result(trimmed: Trimmed) -> BacktestResult:
    tested = trimmed.tested
    return BacktestResult(
        begin=tested.from_us,
        end=tested.to_us,
        readings=tested.readings,
        unknown=tested.unknown,
        devices=tested.devices,
        new=_run(tested.new, trimmed.new),
        old=None if tested.old is None or trimmed.old is None else _run(tested.old, trimmed.old),
        differences=None
        if tested.differences is None or trimmed.differing is None
        else _differences(tested.differences, trimmed.differing),
        labelled=[
            LabelledAlarms(resolution=one.resolution, labels=one.labels, new=one.new, old=one.old)
            for one in tested.labelled
        ],
        assumes=tested.assumes,
    )


def _run(found: Found, counts: Counts) -> RunFigures:
    return RunFigures(
        name=found.name,
        version=found.version,
        raised=found.raised,
        shut_offs=found.shut_offs,
        held=found.held,
        reverted=list(found.reverted),
        rules=[_rule(one) for one in found.by_rule],
        annunciated=found.load.annunciated,
        priority_pct=found.load.priority_pct,
        chattering=counts.chattering,
        stale=counts.stale,
        health=show_health(found.load.health),
        alarms=[_alarm(one) for one in found.alarms],
    )


def _rule(one: RuleCount) -> RuleFigures:
    return RuleFigures(
        rule=one.rule,
        priority=one.priority,
        alarms=one.alarms,
        again=one.again,
        late=one.late,
        trials=one.trials,
        devices=one.devices,
        standing=one.standing,
        shut_offs=one.shut_offs,
        valves=one.valves,
        held=one.held,
        released=one.released,
        longest_wait_s=one.longest_wait_s,
    )


def _differences(found: Differences, counts: Differing) -> BacktestDifferences:
    return BacktestDifferences(
        same=found.same,
        only_new=counts.only_new,
        only_old=counts.only_old,
        moved=counts.moved,
        only_new_alarms=[_alarm(one) for one in found.only_new],
        only_old_alarms=[_alarm(one) for one in found.only_old],
        moved_alarms=[MovedAlarm(old=_alarm(one.old), new=_alarm(one.new), by_s=one.by_s) for one in found.moved],
    )


def _alarm(one: Alarmed) -> BacktestAlarm:
    return BacktestAlarm(
        alarm=one.alarm,
        rule=one.rule,
        device=one.identity,
        site=one.site,
        priority=one.priority,
        onset=one.onset,
        raised=one.raised,
        returned=one.returned or None,
        again=one.again,
        quantity=one.quantity or None,
        value=one.value,
        late=one.late,
        trial=one.trial,
    )
