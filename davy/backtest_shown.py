"""The result of a backtest as tables for people."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from davy.output import console, shown, write_table

if TYPE_CHECKING:
    from rules.history.backtest_types import Alarmed, Differences, Found, RuleCount, Tested

#: Differences that are shown one by one; --json gives all of them.
_SHOWN = 20


def spoken_time(us: int) -> str:
    """A time for people, in UTC."""
    return datetime.fromtimestamp(us / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def show(tested: "Tested", took_s: float) -> None:
    rate = tested.readings / took_s if took_s else 0.0
    period = f"{spoken_time(tested.from_us)} to {spoken_time(tested.to_us)} UTC"
    title = f"{period}: {tested.readings:,} readings of {tested.devices:,} devices, {rate:,.0f} readings/s"
    old = tested.old
    if old is None:
        alone = ("rule", "priority", "alarms", "again", "devices", "shut-offs", "held")
        write_table(alone, map(_alone, tested.new.by_rule), title=title)
    else:
        both = ("rule", "priority", "alarms", "now", "again", "now", "devices", "shut-offs", "now", "held")
        write_table(both, _beside(tested.new, old), title=f"{title}; each figure before and now")
        _line(f"before: {_load(old)}")
    _line(f"now: {_load(tested.new)}")
    for actor in tested.new.load.health.bad_actors[:3]:
        _line(f"most of them now: {actor.source}, {actor.alarms:,}")
    if tested.differences is not None:
        _show_differences(tested.differences)
    for label in tested.labelled:
        before = "" if label.old is None else f", {label.old} before"
        _line(f"of {label.labels} alarms that people called {label.resolution}: {label.new} raised now{before}")
    for line in tested.new.reverted:
        _line(f"WARNING: {line}; from then on its alarms were trials")
    if not tested.new.listed or (old is not None and not old.listed):
        _line("more alarms than are listed one by one: differences and labels are of the first of them only")
    _line(f"assumed: {tested.assumes}")
    if tested.unknown:
        _line(f"{tested.unknown:,} readings of devices that are not registered were passed over")


def _alone(count: "RuleCount") -> tuple[str, ...]:
    figures = (count.alarms, count.again, count.devices, count.shut_offs, count.held)
    return (count.rule, count.priority.name.lower(), *(f"{figure:,}" for figure in figures))


def _beside(new: "Found", old: "Found") -> Iterator[tuple[str, ...]]:
    before = {count.rule: count for count in old.by_rule}
    now = {count.rule: count for count in new.by_rule}
    for rule in (*now, *(rule for rule in before if rule not in now)):
        one, was = now.get(rule), before.get(rule)
        known = one or was
        assert known is not None
        now_and_before = (
            (was, "alarms"),
            (one, "alarms"),
            (was, "again"),
            (one, "again"),
            (one, "devices"),
            (was, "shut_offs"),
            (one, "shut_offs"),
            (one, "held"),
        )
        yield (rule, known.priority.name.lower(), *(_figure(count, name) for count, name in now_and_before))


def _figure(count: "RuleCount | None", name: str) -> str:
    return "-" if count is None else f"{getattr(count, name):,}"


def _load(found: "Found") -> str:
    load = found.load
    priorities = ", ".join(f"{share:.0f} % {word}" for word, share in load.priority_pct.items())
    line = f"{load.annunciated:,} alarms to look at ({priorities or 'none'}), "
    desks = sorted(load.health.queues, key=lambda one: -one.alarms)
    for desk in desks[:1]:
        name = f" at the desk of {desk.name}" if desk.name and len(desks) > 1 else ""
        line += f"{desk.average:.2f} per 10 min{name}, {desk.peak} at most, {len(desk.floods)} floods; "
    return f"{line}{found.shut_offs:,} shut-offs, {found.held:,} held by a budget"


def _show_differences(found: "Differences") -> None:
    only_new, only_old, moved = found.only_new, found.only_old, found.moved
    _line(
        f"alarm by alarm: {found.same:,} the same, {len(only_new):,} only now, {len(only_old):,} only before,"
        f" {len(moved):,} with another onset"
    )
    lines = [f"+ {_alarm(one)}" for one in only_new[:_SHOWN]] + [f"- {_alarm(one)}" for one in only_old[:_SHOWN]]
    lines += [f"~ {_alarm(one.new)}, {one.by_s:+g} s" for one in moved[:_SHOWN]]
    for line in lines:
        _line(f"  {line}")
    left = max(0, len(only_new) - _SHOWN) + max(0, len(only_old) - _SHOWN) + max(0, len(moved) - _SHOWN)
    if left:
        _line(f"  and {left:,} more (--json)")


def _alarm(one: "Alarmed") -> str:
    value = f" at {one.value:g}" if one.value is not None else ""
    return f"{spoken_time(one.onset)} {one.identity} ({one.site}) {one.rule}{value}"


def _line(text: str) -> None:
    console().print(shown(text), markup=False)
