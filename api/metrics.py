"""`/metrics` in the Prometheus text format 0.0.4, written here: a line is a name, labels and a number."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from api.alarm_load import Standing, is_flood
from api.http_counts import BUCKETS_S, HttpCounts
from api.shapes import word
from engine.messages import Status
from rules.decisions import Priority

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Alarming:
    """How hard the alarm system works its people. `standing` None: the engine is away."""

    came: "Counter[Priority]"
    standing: Standing | None


def write_metrics(
    status: Status | None,
    counts: HttpCounts,
    streams: int,
    feed_up: bool,
    database_up: bool | None,
    alarming: Alarming | None = None,
) -> str:
    """Everything known now. `status` None: the engine is away, and says so by `davy_engine_up 0`; `database_up` None:
    there is no database."""
    lines: list[str] = []
    _gauge(lines, "davy_engine_up", "1 when the engine answers", [({}, 0 if status is None else 1)])
    if database_up is not None:
        _gauge(lines, "davy_database_up", "1 when the database answers", [({}, int(database_up))])
    if status is not None:
        _engine(lines, status)
    _gauge(lines, "davy_http_alarm_feed_up", "1 while the alarm streams hear the engine", [({}, int(feed_up))])
    if alarming is not None:
        _alarms(lines, alarming)
    _http(lines, counts, streams)
    return "\n".join(lines) + "\n"


def _engine(lines: list[str], status: Status) -> None:
    _gauge(lines, "davy_engine_cycle", "Number of the last committed cycle", [({}, status.cycle)])
    _gauge(lines, "davy_engine_devices", "Devices in the engine's registry", [({}, status.devices)])
    for outcome in ("received", "stored", "duplicate", "quarantined"):
        samples = [({"source": count.source}, getattr(count, outcome)) for count in status.counts]
        _counter(lines, f"davy_readings_{outcome}_total", f"Readings {outcome}, by source", samples)
    lags = [({"follower": name}, max(0, status.cycle - passed)) for name, passed in sorted(status.followers.items())]
    _gauge(lines, "davy_follower_lag_cycles", "Cycles a follower has not made durable yet", lags)
    for name, value in sorted(status.gauges.items()):
        kind = "counter" if name.endswith("_total") else "gauge"
        _family(lines, kind, f"davy_{name}", "From the engine", [({}, value)])


def _alarms(lines: list[str], alarming: Alarming) -> None:
    """EEMUA 191 and ISA-18.2, of the installation as a whole."""
    flood = int(is_flood(alarming.came))
    came = [({"priority": word(priority)}, alarming.came[priority]) for priority in Priority]
    _gauge(lines, "davy_alarms_came_10m", "Alarms that came to people in the last 10 minutes", came)
    _gauge(lines, "davy_alarm_flood", "1 while more than 10 alarms came in the last 10 minutes", [({}, flood)])
    if alarming.standing is not None:
        by = sorted(alarming.standing.by.items())
        samples = [({"priority": priority, "state": state}, many) for (priority, state), many in by]
        _gauge(lines, "davy_alarms_standing", "Alarms that are not normal, trials apart", samples)
        stale = alarming.standing.stale
        _gauge(lines, "davy_alarms_stale", "Of these, active for more than 24 hours", [({}, stale)])


def _http(lines: list[str], counts: HttpCounts, streams: int) -> None:
    _gauge(lines, "davy_http_in_flight", "Requests under way", [({}, counts.in_flight)])
    _gauge(lines, "davy_http_pushes_in_flight", "Pushes under way", [({}, counts.pushes_in_flight)])
    _gauge(lines, "davy_http_alarm_streams", "Open alarm streams", [({}, streams)])
    requests = [
        ({"method": method, "route": route, "status": str(status)}, value)
        for (method, route, status), value in sorted(counts.requests.items())
    ]
    _counter(lines, "davy_http_requests_total", "Requests answered", requests)
    pushed = [({"outcome": outcome}, value) for outcome, value in sorted(counts.pushed.items())]
    _counter(lines, "davy_http_pushed_total", "Pushed readings by what became of them", pushed)
    name = "davy_http_answer_seconds"
    lines += [f"# HELP {name} Until the answer began", f"# TYPE {name} histogram"]
    for (method, route), durations in sorted(counts.durations.items()):
        labels, below = {"method": method, "route": route}, 0
        for bound, inside in zip((*map(str, BUCKETS_S), "+Inf"), durations.buckets, strict=True):
            below += inside
            lines.append(_line(f"{name}_bucket", {**labels, "le": bound}, below))
        lines += [_line(f"{name}_sum", labels, durations.sum_s), _line(f"{name}_count", labels, durations.count)]


def _gauge(lines: list[str], name: str, help_: str, samples: Iterable[tuple[Labels, float]]) -> None:
    _family(lines, "gauge", name, help_, samples)


def _counter(lines: list[str], name: str, help_: str, samples: Iterable[tuple[Labels, float]]) -> None:
    _family(lines, "counter", name, help_, samples)


def _family(lines: list[str], kind: str, name: str, help_: str, samples: Iterable[tuple[Labels, float]]) -> None:
    lines += [f"# HELP {name} {help_}", f"# TYPE {name} {kind}"]
    lines += [_line(name, labels, value) for labels, value in samples]


def _line(name: str, labels: Labels, value: float) -> str:
    inside = ",".join(f'{key}="{_escape(text)}"' for key, text in labels.items())
    return f"{name}{{{inside}}} {_number(value)}" if inside else f"{name} {_number(value)}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(float(value))
