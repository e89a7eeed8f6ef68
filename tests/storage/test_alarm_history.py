"""Alarms in columns: every step of what was open in a time, and what people said that alarms were."""

from msgspec.structs import replace

from rules.backtest_types import Label
from rules.decisions import AlarmState, Change, Decision, Priority, Resolution
from storage.alarm_history import alarm_steps, labels
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


async def test_every_step_of_what_was_open_in_a_time_comes_from_its_beginning(url: str, database: Connection) -> None:
    await database.execute("INSERT INTO site (key, area, enterprise) VALUES ('home-1', '310115', 'north gas')")
    before, standing, within, after = (
        life("before", T0, T0 + HOUR),
        life("standing", T0, T0 + 3 * DAY, found=Resolution.REAL),
        life("within", T0 + DAY + HOUR, T0 + DAY + 2 * HOUR),
        life("after", T0 + 2 * DAY, T0 + 2 * DAY + HOUR),
    )
    await write(url, [cycle(1, decisions=(*before, *standing, *within, *after))])
    steps = await alarm_steps(database, from_us=T0 + DAY, to_us=T0 + 2 * DAY)
    assert len(steps) == 4
    told = [
        (steps.alarms[steps.alarm[n]], steps.changes[steps.change[n]], int(steps.at[n]), bool(steps.by_person[n]))
        for n in range(len(steps))
    ]
    assert told == [
        ("standing", "raised", T0, False),
        ("standing", "resolved", T0 + SECOND, True),
        ("within", "raised", T0 + DAY + HOUR, False),
        ("within", "returned", T0 + DAY + 2 * HOUR, False),
    ]
    assert (steps.rules, steps.sites, steps.areas, steps.enterprises) == (
        ("gas-high",),
        ("home-1",),
        ("310115",),
        ("north gas",),
    )
    assert steps.priority.tolist() == [2, 1, 2, 1]
    assert steps.state.tolist() == [1, 1, 1, 0]
    assert steps.device_no.tolist() == [1, 1, 1, 1]
    assert not steps.trial.any()


async def test_a_time_without_alarms_has_no_steps_and_as_many_as_asked_for_come_at_most(
    url: str, database: Connection
) -> None:
    assert len(await alarm_steps(database, from_us=T0, to_us=T0 + DAY)) == 0
    await write(url, [cycle(1, decisions=life("a", T0, T0 + HOUR))])
    assert (await alarm_steps(database, from_us=T0, to_us=T0 + DAY, most=1)).at.tolist() == [T0]


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
