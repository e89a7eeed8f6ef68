"""Decisions become alarms and commands that can be read back in the shape the engine gives live ones."""

import msgspec
import psycopg
import pytest

from devices.quantities import Flag, ValvePosition
from rules.decisions import (
    AlarmChanged,
    AlarmRaised,
    AlarmState,
    Answered,
    AttemptRequested,
    Change,
    CloseWanted,
    CommandStepped,
    Decision,
    Outcome,
    Priority,
    Step,
    WantedEnded,
)
from storage import alarms, commands
from storage.alarms import AlarmKey
from storage.batch import Decided
from storage.database import Connection
from storage.decided import write_decisions
from tests.storage.cycles import HOUR, SECOND, T0, cycle, readings
from tests.storage.writing import one, write


def raised(
    alarm: str, *, at: int = T0, device_no: int = 1, state: AlarmState = AlarmState.UNACKNOWLEDGED
) -> AlarmRaised:
    return AlarmRaised(
        at=at,
        alarm=alarm,
        rule="gas-high",
        device_no=device_no,
        site="home-1",
        priority=Priority.CRITICAL,
        onset=at - SECOND,
        state=state,
        quantity="combustible_lel",
        value=25.5,
    )


def changed(alarm: str, change: Change, state: AlarmState, *, at: int, by: str = "", comment: str = "") -> AlarmChanged:
    return AlarmChanged(
        at=at,
        alarm=alarm,
        rule="gas-high",
        device_no=1,
        site="home-1",
        priority=Priority.CRITICAL,
        onset=T0 - SECOND,
        change=change,
        state=state,
        by=by,
        comment=comment,
    )


ALARM: tuple[Decision, ...] = (
    raised("a1"),
    changed("a1", Change.ACKNOWLEDGED, AlarmState.ACKNOWLEDGED, at=T0 + SECOND, by="wang", comment="on my way"),
    changed("a1", Change.RETURNED, AlarmState.NORMAL, at=T0 + 2 * SECOND),
)
CLOSE: tuple[Decision, ...] = (
    CloseWanted(at=T0, wanted="w1", device_no=2, epoch=7, reason="gas-high", alarm="a1", confirm_by=T0 + 10 * SECOND),
    AttemptRequested(
        at=T0, command="c1", wanted="w1", device_no=2, epoch=7, attempt=1, expires=T0 + 30 * SECOND, reason="gas-high"
    ),
    CommandStepped(at=T0 + 1000, command="c1", wanted="w1", device_no=2, step=Step.SENT),
    CommandStepped(at=T0 + 2000, command="c1", wanted="w1", device_no=2, step=Step.ACKNOWLEDGED, note="PUBACK"),
    CommandStepped(at=T0 + 2 * SECOND, command="c1", wanted="w1", device_no=2, step=Step.CONFIRMED),
    WantedEnded(at=T0 + 2 * SECOND, wanted="w1", device_no=2, outcome=Outcome.CONFIRMED),
)


async def test_an_alarm_shows_its_state_and_every_step(url: str, database: Connection) -> None:
    await write(url, [cycle(1, decisions=ALARM[:1]), cycle(2, decisions=ALARM[1:])])
    alarm = await alarms.alarm(database, "a1")
    assert alarm is not None
    assert (alarm.state, alarm.priority, alarm.value) == (AlarmState.NORMAL, Priority.CRITICAL, 25.5)
    assert (alarm.onset, alarm.raised, alarm.changed) == (T0 - SECOND, T0, T0 + 2 * SECOND)
    assert alarm.acknowledged_by == "wang"
    steps = await alarms.events(database, "a1")
    assert [(step.id, step.change, step.by, step.comment) for step in steps] == [
        ("engine-1:1:0", "raised", "", ""),
        ("engine-1:2:0", "acknowledged", "wang", "on my way"),
        ("engine-1:2:1", "returned", "", ""),
    ]


async def test_an_alarm_that_comes_back_has_been_acknowledged_by_nobody(url: str, database: Connection) -> None:
    again = changed("a1", Change.REALARMED, AlarmState.UNACKNOWLEDGED, at=T0 + 3 * SECOND)
    await write(url, [cycle(1, decisions=(*ALARM[:2], again))])
    alarm = await alarms.alarm(database, "a1")
    assert alarm is not None
    assert (alarm.state, alarm.acknowledged_by) == (AlarmState.UNACKNOWLEDGED, "")


async def test_a_change_without_its_beginning_makes_the_alarm(url: str, database: Connection) -> None:
    await write(url, [cycle(1, decisions=ALARM[1:2])])
    alarm = await alarms.alarm(database, "a1")
    assert alarm is not None
    assert alarm.state is AlarmState.ACKNOWLEDGED


async def test_a_command_shows_every_attempt_with_its_steps(url: str, database: Connection) -> None:
    rows = readings(1, at=T0 + 2 * SECOND, first_device=2)
    rows["valve"] = ValvePosition.CLOSED
    await write(url, [cycle(1, rows, decisions=CLOSE)])
    wanted = await commands.wanted(database, "w1")
    assert wanted is not None
    assert (wanted.epoch, wanted.alarm, wanted.outcome) == (7, "a1", Outcome.CONFIRMED)
    assert (wanted.since, wanted.confirm_by, wanted.ended) == (T0, T0 + 10 * SECOND, T0 + 2 * SECOND)
    assert wanted.position is ValvePosition.CLOSED
    assert [(step.command, step.attempt, step.step) for step in wanted.steps] == [
        ("c1", 1, Step.REQUESTED),
        ("c1", 1, Step.SENT),
        ("c1", 1, Step.ACKNOWLEDGED),
        ("c1", 1, Step.CONFIRMED),
    ]
    assert [w.wanted for w in await commands.history(database, limit=5, from_us=T0, to_us=T0 + 1)] == ["w1"]


async def test_an_alarm_keeps_what_people_need_to_know_and_what_is_expected(url: str, database: Connection) -> None:
    told = msgspec.structs.replace(raised("a1"), note="7 readings from 120 on (boot 3) are missing", expected=T0 + HOUR)
    nul = msgspec.structs.replace(raised("a2"), note="no route\x00 to host")
    await write(url, [cycle(1, decisions=(told, nul, raised("a3")))])
    found = [await alarms.alarm(database, name) for name in ("a1", "a2", "a3")]
    assert [(one.note, one.expected) for one in found if one is not None] == [
        ("7 readings from 120 on (boot 3) are missing", T0 + HOUR),
        ("no route\ufffd to host", 0),
        ("", 0),
    ]


async def test_a_change_keeps_the_note_and_the_time_expected(url: str, database: Connection) -> None:
    told = msgspec.structs.replace(raised("a1"), note="connection refused", expected=T0 + HOUR)
    await write(url, [cycle(1, decisions=(told, *ALARM[1:]))])
    alarm = await alarms.alarm(database, "a1")
    assert alarm is not None
    assert (alarm.state, alarm.note, alarm.expected) == (AlarmState.NORMAL, "connection refused", T0 + HOUR)


async def test_an_alarm_that_comes_back_says_what_is_so_now(url: str, database: Connection) -> None:
    told = msgspec.structs.replace(raised("a1"), note="connection refused", expected=T0 + HOUR)
    again = changed("a1", Change.REALARMED, AlarmState.UNACKNOWLEDGED, at=T0 + 3 * SECOND, comment="no route to host")
    later = msgspec.structs.replace(again, at=T0 + 4 * SECOND, comment="", expected=T0 + 2 * HOUR)
    seen = []
    for number, decision in enumerate((told, again, later), 1):
        await write(url, [cycle(number, decisions=(decision,))])
        alarm = await alarms.alarm(database, "a1")
        assert alarm is not None
        seen.append((alarm.note, alarm.expected))
    assert seen == [("connection refused", T0 + HOUR), ("no route to host", 0), ("", T0 + 2 * HOUR)]
    # The same for one whose beginning the database never saw.
    await write(url, [cycle(4, decisions=(msgspec.structs.replace(again, alarm="a2"),))])
    young = await alarms.alarm(database, "a2")
    assert young is not None
    assert (young.note, young.acknowledged_by) == ("no route to host", "")


async def test_what_an_alarm_says_anew_while_it_stands_is_known_and_nothing_else_changes(
    url: str, database: Connection
) -> None:
    told = msgspec.structs.replace(raised("a1"), note="connection refused", expected=T0 + HOUR)
    seen_by = changed(
        "a1", Change.ACKNOWLEDGED, AlarmState.ACKNOWLEDGED, at=T0 + SECOND, by="wang", comment="on my way"
    )
    noted = changed("a1", Change.NOTED, AlarmState.ACKNOWLEDGED, at=T0 + 2 * SECOND, comment="no route to host")
    await write(url, [cycle(1, decisions=(told, seen_by, noted))])
    alarm = await alarms.alarm(database, "a1")
    assert alarm is not None
    assert (alarm.state, alarm.acknowledged_by) == (AlarmState.ACKNOWLEDGED, "wang")
    assert (alarm.note, alarm.expected) == ("no route to host", 0)


async def test_a_closing_says_when_a_sleeping_valve_hears(url: str, database: Connection) -> None:
    other = msgspec.structs.replace(CLOSE[0], wanted="w2")
    await write(url, [cycle(1, decisions=(msgspec.structs.replace(CLOSE[0], hears_by=T0 + HOUR), other))])
    found = [await commands.wanted(database, name) for name in ("w1", "w2")]
    assert [one.hears_by for one in found if one is not None] == [T0 + HOUR, 0]


async def test_a_position_in_a_reading_in_which_nobody_was_heard_is_unknown(url: str, database: Connection) -> None:
    rows = readings(1, at=T0, first_device=2)
    rows["valve"], rows["flags"] = ValvePosition.CLOSED, Flag.STALE
    await write(url, [cycle(1, rows, decisions=CLOSE[:1])])
    wanted = await commands.wanted(database, "w1")
    assert wanted is not None
    assert wanted.position is ValvePosition.UNKNOWN


async def test_a_cancelled_close_names_the_person(url: str, database: Connection) -> None:
    ended = WantedEnded(at=T0, wanted="w1", device_no=2, outcome=Outcome.CANCELLED, by="li", comment="seen on site")
    await write(url, [cycle(1, decisions=(CLOSE[0], ended))])
    assert await one(database, "SELECT ended_by || ': ' || comment FROM wanted") == "li: seen on site"


async def test_writing_the_same_decisions_twice_changes_nothing(database: Connection) -> None:
    answer = Answered(at=T0, id="i1", accepted=True, subject="a1")
    decided = [Decided(1, n, decision) for n, decision in enumerate((*ALARM, *CLOSE, answer))]
    tables = ("alarm", "alarm_event", "wanted", "command", "command_step", "answer")
    seen = []
    for _ in range(2):
        await write_decisions(database, "engine-1", decided)
        seen.append([await (await database.execute(f"TABLE {name}".encode())).fetchall() for name in tables])
    assert seen[0] == seen[1]
    assert [len(rows) for rows in seen[0]] == [1, 3, 1, 1, 4, 1]


@pytest.mark.parametrize("verb", ["open", "OPEN", "close; open", ""])
async def test_no_command_that_opens_can_be_written(url: str, database: Connection, verb: str) -> None:
    await write(url, [cycle(1, decisions=CLOSE)])
    with pytest.raises(psycopg.errors.CheckViolation, match="no_command_opens"):
        await database.execute("UPDATE command SET verb = %s", (verb,))
    with pytest.raises(psycopg.errors.CheckViolation, match="no_command_opens"):
        await database.execute(
            "INSERT INTO command (command, wanted, device_no, verb, epoch, attempt, requested, expires, reason)"
            " VALUES ('c9', 'w1', 2, %s, 1, 1, now(), now(), '')",
            (verb,),
        )


async def test_alarms_are_paged_newest_first_without_a_gap(url: str, database: Connection) -> None:
    # Three raised at each instant, so that the page's key and not the time alone must decide.
    many = [raised(f"a{n:02d}", at=T0 + n // 3 * SECOND, device_no=n % 2 + 1) for n in range(20)]
    await write(url, [cycle(1, decisions=many)])
    seen: list[str] = []
    after: AlarmKey | None = None
    while True:
        page = await alarms.alarms(database, limit=4, from_us=T0, to_us=T0 + HOUR, after=after)
        if not page:
            break
        seen += [alarm.alarm for alarm in page]
        after = AlarmKey(page[-1].raised, page[-1].alarm)
    assert sorted(seen) == sorted(alarm.alarm for alarm in many)
    assert seen[0] == "a18"
    only = await alarms.alarms(
        database, limit=50, from_us=T0, to_us=T0 + HOUR, device_no=2, site="home-1", priority=Priority.CRITICAL
    )
    assert {alarm.device_no for alarm in only} == {2}
    none = await alarms.alarms(database, limit=5, from_us=T0, to_us=T0 + HOUR, state=AlarmState.SHELVED)
    assert none == []
