"""/metrics is what Prometheus reads: checked line by line against the text format's grammar."""

import re

from api.http_counts import BUCKETS_S, HttpCounts
from api.metrics import write_metrics
from engine.messages import Status
from engine.records import SourceCount
from tests.api.homes import DETECTOR
from tests.api.stand import Stand

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
_SAMPLE = re.compile(rf"({_NAME})(\{{(?:{_LABEL})(?:,{_LABEL})*\}})? (NaN|[+-]Inf|-?\d+(\.\d+)?([eE][+-]?\d+)?)\Z")


def samples(text: str) -> dict[str, float]:
    """Every sample by its name and labels; fails on a line that is not the format, on a family without a type and on a
    sample that comes twice."""
    found: dict[str, float] = {}
    types: dict[str, str] = {}
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types, f"{name} is described twice"
            types[name] = kind
        elif not line.startswith("# HELP "):
            match = _SAMPLE.match(line)
            assert match, line
            family = re.sub(r"_(bucket|sum|count)\Z", "", match[1])
            assert match[1] in types or types.get(family) == "histogram", line
            key = match[1] + (match[2] or "")
            assert key not in found, f"{key} comes twice"
            found[key] = float(match[3])
    return found


async def test_the_engine_the_followers_and_http_are_counted(stand: Stand) -> None:
    await stand.push(DETECTOR)
    await stand.http.get("/v1/nothing")
    answer = await stand.http.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found = samples(answer.text)
    assert found["davy_engine_up"] == 1
    assert found['davy_readings_stored_total{source="http"}'] == 1
    assert found['davy_follower_lag_cycles{follower="storage"}'] == 3
    assert found["davy_store_bytes"] == 4096
    assert found['davy_http_pushed_total{outcome="stored"}'] == 1
    route = 'method="POST",route="/v1/telemetry/{vendor}/{serial}"'
    assert found[f'davy_http_requests_total{{{route},status="200"}}'] == 1
    assert found[f'davy_http_answer_seconds_bucket{{{route},le="+Inf"}}'] == 1
    assert found['davy_http_requests_total{method="GET",route="unmatched",status="404"}'] == 1


async def test_what_a_client_invents_makes_no_new_label(stand: Stand) -> None:
    for path in ("/a", "/b", "/c%0A"):
        await stand.http.request("BREW", path)
    found = samples((await stand.http.get("/metrics")).text)
    assert found['davy_http_requests_total{method="OTHER",route="unmatched",status="404"}'] == 3


def test_labels_and_numbers_are_written_by_the_format() -> None:
    status = Status(
        request=1,
        engine="e",
        cycle=7,
        now=0,
        devices=2,
        registry_number=1,
        counts=(SourceCount('mq"tt\\\n', 1, 1, 0, 0),),
        followers={},
        gauges={"nan": float("nan"), "inf": float("inf"), "small": 1e-9},
    )
    found = samples(write_metrics(status, HttpCounts(), 0, True, None))
    assert found['davy_readings_received_total{source="mq\\"tt\\\\\\n"}'] == 1
    assert found["davy_small"] == 1e-9


def test_buckets_count_what_is_at_or_below_their_bound() -> None:
    counts = HttpCounts()
    for took_s in (0.005, 0.0051, 99.0):
        counts.answered("GET", "/x", 200, took_s)
    found = samples(write_metrics(None, counts, 0, True, True))
    base = 'davy_http_answer_seconds_bucket{method="GET",route="/x",le='
    assert [found[f'{base}"{bound}"}}'] for bound in BUCKETS_S[:2]] == [1, 2]
    assert found[f'{base}"+Inf"}}'] == found['davy_http_answer_seconds_count{method="GET",route="/x"}'] == 3
