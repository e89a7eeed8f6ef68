"""The alarm stream: nothing missed, nothing twice, and never a gap in silence."""

import asyncio
import contextlib

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import feed as feed_module
from api.config import Limits
from api.feed import EventId, Place, parse_event_id
from api.times import rfc3339
from rules import decisions as d
from tests.api.conftest import config_of
from tests.api.door_double import DoorDouble
from tests.api.homes import DETECTOR, OTHERS, VALVE
from tests.api.stand import ADMIN, Stand, serving

_QUICK = Limits(heartbeat_s=0.05, answer_within_s=1.0)


def _noise(engine: DoorDouble, many: int) -> None:
    """Cycles that decide something about nobody."""
    for n in range(many):
        engine.decide(d.WantedEnded(at=n, wanted=f"{n:032x}", device_no=0, outcome=d.Outcome.CANCELLED))


async def test_an_alarm_reaches_an_open_stream_with_its_id_and_its_device(stand: Stand) -> None:
    async with stand.stream() as events:
        alarm = await stand.alarm_at(DETECTOR)
        raised = await events.next()
    assert (raised["event"], raised["alarm"], raised["device"]) == ("alarm_raised", alarm, DETECTOR)
    assert (raised["priority"], raised["state"]) == ("critical", "unacknowledged")
    assert raised["at"].endswith("Z")
    assert parse_event_id(raised["id"]).engine == "engine-a"


async def test_the_story_of_a_leak_is_told_in_order(stand: Stand) -> None:
    async with stand.stream() as events:
        alarm = await stand.alarm_at(DETECTOR)
        await stand.push(VALVE, valve="closed")
        await stand.http.post(f"/v1/alarms/{alarm}/acknowledge", json={"comment": "seen"})
        told = [await events.next() for _ in range(5)]
    kinds = ["alarm_raised", "close_wanted", "command_stepped", "wanted_ended", "alarm_changed"]
    assert [event["event"] for event in told] == kinds
    assert (told[2]["step"], told[3]["outcome"]) == ("requested", "confirmed")
    assert (told[4]["by"], told[4]["comment"]) == ("administrator", "seen")


async def test_what_people_need_to_know_and_when_a_sleeping_valve_hears_is_told_at_once(
    stand: Stand, engine: DoorDouble
) -> None:
    at = engine.now_us
    alarm = d.AlarmRaised(
        at=at,
        alarm="a" * 32,
        rule="valve-asleep",
        device_no=2,
        site="home-1",
        priority=d.Priority.HIGH,
        onset=at,
        state=d.AlarmState.UNACKNOWLEDGED,
        because="b" * 32,
        note="it wakes every hour",
        expected=at + 1_500_000,
    )
    close = d.CloseWanted(at=at, wanted="c" * 32, device_no=2, epoch=1, reason="gas", hears_by=at + 1_500_000)
    about = {
        name: getattr(alarm, name) for name in ("alarm", "rule", "device_no", "site", "priority", "onset", "state")
    }
    again = d.AlarmChanged(at=at, change=d.Change.REALARMED, comment="it slept on", expected=at + 2_500_000, **about)
    async with stand.stream() as events:
        await stand.alarm_at(DETECTOR)
        engine.decide(close, alarm, again)
        plain, at_once = await events.until("alarm_raised"), await events.until("close_wanted")
        asleep, raised = await events.until("close_wanted"), await events.until("alarm_raised")
        changed = await events.until("alarm_changed")
    assert (plain["note"], plain["expected"], at_once["hears_by"]) == (None, None, None)
    assert (raised["rule"], raised["note"]) == ("valve-asleep", "it wakes every hour")
    assert raised["expected"] == asleep["hears_by"] == rfc3339(at + 1_500_000)
    assert (changed["change"], changed["comment"]) == ("re-alarmed", "it slept on")
    assert changed["expected"] == rfc3339(at + 2_500_000)


async def test_list_then_follow_from_its_as_of_misses_and_repeats_nothing(anywhere: Stand) -> None:
    known = await anywhere.alarm_at(DETECTOR)
    listed = (await anywhere.http.get("/v1/alarms")).json()
    new = await anywhere.alarm_at(OTHERS[0])
    async with anywhere.stream(f"?after={listed['as_of']}") as events:
        assert (await events.until("alarm_raised"))["alarm"] == new
    assert known in {alarm["alarm"] for alarm in listed["alarms"]}


async def test_a_client_resumes_after_the_last_event_it_has_seen(anywhere: Stand) -> None:
    async with anywhere.stream() as events:
        await anywhere.alarm_at(DETECTOR)
        first = await events.next()
    missed = await anywhere.alarm_at(OTHERS[0])
    async with anywhere.stream(**{"Last-Event-ID": first["id"]}) as events:
        assert (await events.next())["id"] != first["id"]
        assert (await events.until("alarm_raised"))["alarm"] == missed


async def test_the_header_of_a_reconnecting_browser_wins_over_its_old_address(stand: Stand) -> None:
    async with stand.stream() as events:
        await stand.alarm_at(DETECTOR)
        ids = [(await events.next())["id"] for _ in range(3)]
    async with stand.stream(f"?after={ids[0]}", **{"Last-Event-ID": ids[1]}) as events:
        assert (await events.next())["id"] == ids[2]


async def test_a_resume_reaches_back_over_a_restart_of_the_api(engine: DoorDouble) -> None:
    async with serving(config_of(engine.path)) as stand, stand.stream() as events:
        await stand.alarm_at(DETECTOR)
        first = await events.next()
    async with serving(config_of(engine.path)) as stand, stand.stream(**{"Last-Event-ID": first["id"]}) as events:
        assert (await events.next())["event"] == "close_wanted"


@pytest.mark.parametrize("after", ["engine-b:12:0", "engine-a:999999:0", "engine-a:999999"])
async def test_a_place_this_engine_never_reached_is_reset(stand: Stand, after: str) -> None:
    async with stand.stream(f"?after={after}") as events:
        reset = await events.next()
        alarm = await stand.alarm_at(DETECTOR)
        raised = await events.next()
    assert (reset["event"], reset["id"]) == ("reset", None)
    assert raised["alarm"] == alarm


async def test_a_place_before_what_is_kept_is_reset(engine: DoorDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "KEEP", 50)
    async with serving(config_of(engine.path)) as stand:
        async with stand.stream() as events:
            _noise(engine, 1)
            first = await events.next()
            for _ in range(30):  # the client keeps up, so it is told all of it
                _noise(engine, 10)
                last = [await events.next() for _ in range(10)][-1]
        async with stand.stream(f"?after={first['id']}") as events:
            assert (await events.next())["event"] == "reset"
        async with stand.stream(f"?after={last['id']}") as events:
            _noise(engine, 1)
            assert parse_event_id((await events.next())["id"]).place.cycle == engine.cycle


async def test_a_client_that_falls_too_far_behind_is_reset(engine: DoorDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "KEEP", 50)
    async with serving(config_of(engine.path)) as stand, stand.stream() as events:
        _noise(engine, 1)
        await events.next()
        _noise(engine, 300)  # all at once: more than is kept, before the stream can turn to it
        assert (await events.next())["event"] == "reset"
        _noise(engine, 1)
        assert parse_event_id((await events.next())["id"]).place.cycle == engine.cycle


async def test_an_engine_that_has_trimmed_its_feed_resets_every_stream(engine: DoorDouble) -> None:
    async with serving(config_of(engine.path)) as stand, stand.stream() as events:
        await stand.alarm_at(DETECTOR)
        for _ in range(3):
            await events.next()
        await engine.stop()
        _noise(engine, 5)
        engine.gone_before = engine.cycle
        await engine.start()
        assert (await events.next())["event"] == "reset"
        alarm = await stand.alarm_at(OTHERS[0])
        assert (await events.next())["alarm"] == alarm


async def test_a_stream_outlives_the_engine_and_misses_nothing(engine: DoorDouble) -> None:
    async with serving(config_of(engine.path)) as stand, stand.stream() as events:
        await stand.alarm_at(DETECTOR)
        seen = [await events.next() for _ in range(3)]
        await engine.stop()
        assert "away" in await events.comment()
        _noise(engine, 2)  # decided while the API could not hear
        await engine.start()
        assert "back" in await events.comment()
        cycles = [parse_event_id((await events.next())["id"]).place.cycle for _ in range(2)]
    assert cycles == [engine.cycle - 1, engine.cycle]
    assert len(seen) == 3


async def test_another_engine_at_the_same_door_resets_the_stream(engine: DoorDouble) -> None:
    async with serving(config_of(engine.path)) as stand, stand.stream() as events:
        await stand.alarm_at(DETECTOR)
        await events.until("command_stepped")
        await engine.stop()
        engine.engine = "engine-b"
        engine.feed.clear()
        await engine.start()
        assert (await events.next())["event"] == "reset"


async def test_a_stream_without_events_stays_alive_by_comments(engine: DoorDouble) -> None:
    async with serving(config_of(engine.path, limits=_QUICK)) as stand, stand.stream() as events:
        assert {await events.comment() for _ in range(3)} == {"alive"}


async def test_a_stream_opens_while_the_engine_is_away_and_says_so(engine: DoorDouble) -> None:
    await engine.stop()
    async with serving(config_of(engine.path, limits=_QUICK)) as stand, stand.stream() as events:
        assert "away" in await events.comment()
        await engine.start()
        while "back" not in await events.comment():
            pass
        assert (await events.next())["event"] == "reset"  # nobody knows what was decided meanwhile
        alarm = await stand.alarm_at(DETECTOR)
        assert (await events.next())["alarm"] == alarm


async def test_history_that_the_feed_reads_at_its_start_is_shown_to_nobody_as_new(engine: DoorDouble) -> None:
    _noise(engine, 500)
    await engine.stop()
    async with serving(config_of(engine.path, limits=_QUICK)) as stand, stand.stream() as early:
        await early.comment()
        await engine.start()
        assert (await early.next())["event"] == "reset"
        async with stand.stream() as late:
            await late.comment()
            alarm = await stand.alarm_at(DETECTOR)
            assert (await early.next())["alarm"] == (await late.next())["alarm"] == alarm


async def test_above_the_bound_a_stream_is_refused_and_a_closed_one_makes_room(engine: DoorDouble) -> None:
    async with serving(config_of(engine.path, limits=Limits(streams=1, heartbeat_s=0.05))) as stand:
        async with stand.stream() as events:
            await events.comment()
            answer = await stand.http.get("/v1/alarms/stream")
            assert (answer.status_code, answer.json()["type"]) == (429, "urn:davy:problem:too-many")
        async with asyncio.timeout(20):
            while stand.parts.feed.streams:
                await stand.bare.get("/healthz")
        async with stand.stream() as events:
            await events.comment()


async def test_a_client_that_does_not_read_is_closed_and_harms_nobody(
    engine: DoorDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(config_of(engine.path, limits=Limits(write_within_s=0.2))) as stand:
        reader, writer = await asyncio.open_connection("127.0.0.1", stand.port, limit=1024)
        token = stand.http.headers["Authorization"]
        request = f"GET /v1/alarms/stream HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n"
        writer.write(request.encode())
        await reader.readuntil(b"retry")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        async with stand.stream() as events, asyncio.timeout(20):
            while stand.parts.feed.streams > 1:
                _noise(engine, 500)
                for _ in range(500):
                    await events.next()
            alarm = await stand.alarm_at(DETECTOR)
            assert (await events.until("alarm_raised"))["alarm"] == alarm
        writer.transport.abort()


async def test_streams_end_when_the_server_is_told_to_stop(engine: DoorDouble) -> None:
    async with httpx.AsyncClient(headers=ADMIN, timeout=20) as other:
        async with serving(config_of(engine.path)) as stand:
            url = f"http://127.0.0.1:{stand.port}/v1/alarms/stream"
            lines = (await other.send(other.build_request("GET", url), stream=True)).aiter_lines()
            assert await anext(lines) == "retry: 2000"
        # The block has ended, so the server has stopped although nobody hung up.
        assert [line async for line in lines if line] == []


async def test_a_malformed_event_id_is_refused(stand: Stand) -> None:
    for after in ("x", "a:b", "a:1:2:3", ":1:2", "a:-1:2", "a:1e3", "a:" + "9" * 40, "a:٣"):
        answer = await stand.http.get("/v1/alarms/stream", params={"after": after})
        assert answer.status_code == 422, after


@given(st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True), st.integers(0, 2**63 - 1), st.integers(0, 2**31 - 1))
def test_an_event_id_is_read_as_it_was_written(engine_id: str, cycle: int, n: int) -> None:
    written = EventId(engine_id, Place(cycle, n))
    assert parse_event_id(str(written)) == written


@given(st.text(max_size=40))
def test_any_other_text_is_no_event_id_and_nothing_worse(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert str(parse_event_id(text)).startswith(text.split(":", maxsplit=1)[0])
