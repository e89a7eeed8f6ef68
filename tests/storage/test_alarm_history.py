"""All alarms of a time at once: what came and went, for the alarm system's health, and what people said they were."""

from msgspec.structs import replace

from rules.decisions import AlarmState, Change, Decision, Priority
from rules.health.events import events_of
from rules.health.health import health
from rules.history.backtest_types import Label
from rules.instructions import Resolution
from storage.alarm_history import Desks, alarm_words, labels
from storage.database import Connection
from tests.storage.cycles import DAY, HOUR, SECOND, T0, cycle
from tests.storage.test_decided import changed, raised
from tests.storage.writing import write


def life(alarm: str, at: int, returns: int, *, found: Resolution | None = None) -> list[Decision]:
    """Raised, said to be something, returned."""
    told: list[Decision] = [replace(raised(alarm, at=at), priority=Priority.HIGH)]
    if found is not None:
        told.append(
            replace(
                changed(alarm, Change.RESOLVED, AlarmState.UNACKNOWLEDGED, at=at + SECOND, by="li"),
                resolution=found.value,
            )
        )
    return [*told, changed(alarm, Change.RETURNED, AlarmState.NORMAL, at=returns)]


async def test_what_came_and_went_in_a_time_and_what_stood_at_its_beginning_make_its_health(
    url: str, database: Connection
) -> None:
    await database.execute("INSERT INTO site (key, area, enterprise) VALUES ('home-1', '310115', 'north gas')")
    before, standing, within, after = (
        life("before", T0, T0 + HOUR),
        life("standing", T0, T0 + 3 * DAY, found=Resolution.REAL),
        life("within", T0 + DAY + HOUR, T0 + DAY + 2 * HOUR),
        life("after", T0 + 2 * DAY, T0 + 2 * DAY + HOUR),
    )
    within = [replace(one, device_no=2) for one in within]
    await write(url, [cycle(1, decisions=(*before, *standing, *within, *after))])
    events = await alarm_words(database, from_us=T0 + DAY, to_us=T0 + 2 * DAY, desks=Desks.AREA)
    told = [
        (events.sources[events.source[n]], int(events.at[n]), events.changes[events.change[n]])
        for n in range(len(events.at))
    ]
    assert told == [
        ("gas-high 1", T0, "raised"),
        ("gas-high 1", T0 + SECOND, "resolved"),
        ("gas-high 2", T0 + DAY + HOUR, "raised"),
        ("gas-high 2", T0 + DAY + 2 * HOUR, "returned"),
    ]
    assert (events.priority.tolist(), events.state.tolist()) == ([2, 1, 2, 1], [1, 1, 1, 0])
    assert events.queues == ("310115",)
    of_desks = await alarm_words(database, from_us=T0 + DAY, to_us=T0 + 2 * DAY, desks=Desks.ENTERPRISE)
    assert of_desks.queues == ("north gas",)
    figures = health(events_of(events), T0 + DAY, T0 + 2 * DAY)
    assert figures.alarms == 1
    assert [(one.source, one.since) for one in figures.stale] == [("gas-high 1", T0)]


async def test_what_is_hidden_or_tried_was_shown_to_nobody(url: str, database: Connection) -> None:
    hidden = raised("hidden", state=AlarmState.SHELVED)
    tried = replace(raised("tried", at=T0 + 1), trial=True, device_no=2)
    in_force = replace(changed("tried", Change.TRIED, AlarmState.UNACKNOWLEDGED, at=T0 + 2), device_no=2)
    await write(url, [cycle(1, decisions=(hidden, tried, in_force))])
    words = await alarm_words(database, from_us=T0, to_us=T0 + DAY, desks=Desks.AREA)
    assert words.trial.tolist() == [False, True, False]
    events = events_of(words)
    assert [(events.sources[events.source[n]], bool(events.shown[n])) for n in range(len(events.at))] == [
        ("gas-high 1", False),
        ("gas-high 2", True),
    ]


async def test_a_time_without_alarms_has_no_events_and_as_many_as_asked_for_come_at_most(
    url: str, database: Connection
) -> None:
    assert len((await alarm_words(database, from_us=T0, to_us=T0 + DAY, desks=Desks.AREA)).at) == 0
    await write(url, [cycle(1, decisions=life("a", T0, T0 + HOUR))])
    first = await alarm_words(database, from_us=T0, to_us=T0 + DAY, desks=Desks.AREA, most=1)
    assert first.at.tolist() == [T0]


async def test_what_people_said_that_alarms_were_is_found_by_the_time_they_were_raised(
    url: str, database: Connection
) -> None:
    standing = life("standing", T0 + 2, 0, found=Resolution.TEST)[:2]
    again = [
        *life("again", T0 + 3, T0 + HOUR, found=Resolution.REAL),
        changed("again", Change.REALARMED, AlarmState.UNACKNOWLEDGED, at=T0 + 2 * HOUR),
    ]
    story = [
        *life("false", T0 + 1, T0 + HOUR, found=Resolution.FALSE),
        *life("nobody", T0 + 1, T0 + HOUR),
        *standing,
        *again,
        *life("late", T0 + DAY, T0 + DAY + 1, found=Resolution.FALSE),
    ]
    await write(url, [cycle(1, decisions=story)])
    onset = T0 - SECOND
    # RESOLVED and RETURNED name the onset too; the alarm's own is the one it was raised with.
    assert await labels(database, from_us=T0, to_us=T0 + DAY) == (
        Label("false", "gas-high", 1, onset + 1, T0 + HOUR, Resolution.FALSE),
        Label("standing", "gas-high", 1, onset + 2, 0, Resolution.TEST),
        Label("again", "gas-high", 1, onset + 3, 0, Resolution.REAL),
    )
