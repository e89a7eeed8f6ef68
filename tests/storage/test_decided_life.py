"""What hides alarms, what gathers them, what is permitted and what is held: decisions, read back from their tables."""

from dataclasses import replace as replace_data

import psycopg
import pytest
from msgspec.structs import replace

from devices.commands import Verb
from engine.messages import MarkView
from rules.decisions import (
    AlarmState,
    AttemptRequested,
    Change,
    Decision,
    FanWanted,
    HeldChange,
    IncidentChange,
    IncidentChanged,
    IncidentScope,
    Outcome,
    PermitChanged,
    PermitState,
    Priority,
    RuleNoted,
    ShutOffHeld,
    Step,
    WantedEnded,
)
from rules.instructions import FieldStep, Resolution
from storage import alarms, commands, incidents, permits
from storage.batch import Decided
from storage.database import Connection
from storage.decided import write_decisions
from storage.incidents import IncidentKey
from storage.permits import HeldEvent, HeldKey, PermitKey
from tests.storage.cycles import HOUR, MINUTE, SECOND, T0, cycle
from tests.storage.test_decided import CLOSE, changed, raised
from tests.storage.writing import one, write


def told(change: IncidentChange, at: int, incident: str = "i1", **fields: object) -> IncidentChanged:
    base = IncidentChanged(
        at=at, incident=incident, scope=IncidentScope.SITE, key="home-1", change=change, priority=Priority.HIGH
    )
    return replace(base, **fields)


INCIDENT: tuple[Decision, ...] = (
    replace(raised("a1"), incident="i1"),
    told(IncidentChange.OPENED, T0, alarm="a1"),
    raised("a2", at=T0 + SECOND),
    told(IncidentChange.JOINED, T0 + SECOND, alarm="a2", priority=Priority.CRITICAL),
    told(IncidentChange.DISPATCHED, T0 + MINUTE, by="li", comment="crew 7\x00", priority=Priority.CRITICAL),
    told(
        IncidentChange.FIELD_READING,
        T0 + 2 * MINUTE,
        by="wu",
        quantity="combustible_lel",
        value=22.0,
        comment="kitchen",
        priority=Priority.CRITICAL,
    ),
    told(IncidentChange.STEPS_OPENED, T0 + 2 * MINUTE, priority=Priority.CRITICAL),
    told(IncidentChange.STEP_DONE, T0 + 3 * MINUTE, by="wu", step="evacuate", priority=Priority.CRITICAL),
)
PERMIT: tuple[Decision, ...] = (
    PermitChanged(
        at=T0,
        permit="p1",
        device_no=2,
        state=PermitState.REQUESTED,
        epoch=7,
        expires=T0 + HOUR,
        by="li",
        comment="all is tight",
    ),
    PermitChanged(
        at=T0 + MINUTE,
        permit="p1",
        device_no=2,
        state=PermitState.GRANTED,
        epoch=8,
        expires=T0 + 2 * HOUR,
        by="wang",
    ),
    PermitChanged(
        at=T0 + 2 * MINUTE,
        permit="p1",
        device_no=2,
        state=PermitState.COMPLETED,
        by="li",
        comment="opened",
        combustible_lel=0.5,
    ),
)
HELD: tuple[Decision, ...] = (
    ShutOffHeld(
        at=T0, rule="gas", device_no=2, alarm="a1", change=HeldChange.HELD, value=31.0, reason="budget used up"
    ),
    ShutOffHeld(
        at=T0, rule="gas", device_no=3, alarm="a2", change=HeldChange.HELD, value=12.0, reason="budget used up"
    ),
    ShutOffHeld(at=T0 + MINUTE, rule="gas", device_no=2, alarm="a1", change=HeldChange.RELEASED, by="wang"),
)


async def test_an_incident_shows_its_alarms_what_people_did_and_what_is_left_to_do(
    url: str, database: Connection
) -> None:
    await write(url, [cycle(1, decisions=INCIDENT[:3]), cycle(2, decisions=INCIDENT[3:])])
    found = await incidents.incident(database, "i1")
    assert found is not None
    assert (found.scope, found.key, found.opened, found.priority) == (
        IncidentScope.SITE,
        "home-1",
        T0,
        Priority.CRITICAL,
    )
    assert (found.alarms, found.device_no) == (("a1", "a2"), 1)
    assert (found.opened_steps, found.steps) == (
        T0 + 2 * MINUTE,
        (FieldStep.CORDON, FieldStep.CLOSE_UPSTREAM, FieldStep.VENT),
    )
    assert found.marks == (
        MarkView(T0 + MINUTE, "dispatched", "li", "crew 7\ufffd"),
        MarkView(T0 + 2 * MINUTE, "field reading", "wu", "kitchen", "combustible_lel", 22.0),
        MarkView(T0 + 3 * MINUTE, "step done", "wu", step="evacuate"),
    )
    steps = await incidents.events(database, "i1")
    assert [step.id for step in steps] == ["engine-1:1:1", *(f"engine-1:2:{n}" for n in range(5))]
    assert {
        alarm.alarm for alarm in await alarms.alarms(database, limit=9, from_us=T0, to_us=T0 + HOUR, incident="i1")
    } == {"a1", "a2"}
    joined = await alarms.alarm(database, "a2")
    assert joined is not None
    assert joined.incident == "i1"


async def test_the_four_steps_are_to_be_done_each_time_they_are_asked_for(url: str, database: Connection) -> None:
    again = told(IncidentChange.STEPS_OPENED, T0 + HOUR)
    vented = told(IncidentChange.STEP_DONE, T0 + HOUR + SECOND, by="wu", step="vent")
    await write(url, [cycle(1, decisions=(*INCIDENT, again, vented))])
    found = await incidents.incident(database, "i1")
    assert found is not None
    assert (found.opened_steps, found.steps) == (
        T0 + HOUR,
        (FieldStep.EVACUATE, FieldStep.CORDON, FieldStep.CLOSE_UPSTREAM),
    )


async def test_an_alarm_that_is_hidden_from_the_start_says_until_when(url: str, database: Connection) -> None:
    hidden = replace(raised("a1", state=AlarmState.SHELVED), until=T0 + HOUR)
    await write(url, [cycle(1, decisions=(hidden,))])
    alarm = await alarms.alarm(database, "a1")
    assert alarm is not None
    assert (alarm.state, alarm.until) == (AlarmState.SHELVED, T0 + HOUR)


async def test_an_incident_is_over_until_an_alarm_comes_again_and_closed_by_a_person(
    url: str, database: Connection
) -> None:
    over = told(IncidentChange.OVER, T0 + HOUR)
    again = told(IncidentChange.JOINED, T0 + HOUR + SECOND, alarm="a1")
    spoken = told(IncidentChange.COMMENTED, T0 + 2 * HOUR + 1, by="li", comment="nothing found")
    closed = told(IncidentChange.CLOSED, T0 + 3 * HOUR, by="wang", resolution="false", comment="cooking wine")
    seen = []
    story = [INCIDENT, (over,), (again,), (replace(over, at=T0 + 2 * HOUR), spoken), (closed,)]
    for number, decisions in enumerate(story, 1):
        await write(url, [cycle(number, decisions=decisions)])
        found = await incidents.incident(database, "i1")
        assert found is not None
        seen.append((found.over, found.closed, found.closed_by, found.resolution))
    assert seen == [
        (0, 0, "", ""),
        (T0 + HOUR, 0, "", ""),
        (0, 0, "", ""),
        (T0 + 2 * HOUR, 0, "", ""),
        (T0 + 2 * HOUR, T0 + 3 * HOUR, "wang", "false"),
    ]
    assert found.alarms == ("a1", "a2")


async def test_alarms_stay_in_the_incident_of_their_site_when_it_becomes_part_of_a_larger_one(
    url: str, database: Connection
) -> None:
    riser = told(IncidentChange.OPENED, T0 + MINUTE, "r1", scope=IncidentScope.RISER, key="12/R2", alarm="a1")
    merged = told(IncidentChange.MERGED, T0 + MINUTE, into="r1")
    await write(url, [cycle(1, decisions=(*INCIDENT, riser, merged))])
    part, whole = await incidents.incident(database, "i1"), await incidents.incident(database, "r1")
    assert part is not None
    assert whole is not None
    assert (part.into, whole.parts) == ("r1", ("i1",))
    alarm = await alarms.alarm(database, "a1")
    assert alarm is not None
    assert alarm.incident == "i1"


async def test_incidents_are_paged_newest_first_without_a_gap(url: str, database: Connection) -> None:
    many = [told(IncidentChange.OPENED, T0 + n // 3 * SECOND, f"i{n:02d}", key=f"home-{n % 2}") for n in range(20)]
    await write(url, [cycle(1, decisions=many)])
    seen: list[str] = []
    after: IncidentKey | None = None
    while page := await incidents.incidents(database, limit=4, from_us=T0, to_us=T0 + HOUR, after=after):
        seen += [one.incident for one in page]
        after = IncidentKey(page[-1].opened, page[-1].incident)
    assert sorted(seen) == sorted(one.incident for one in many)
    assert seen[0] == "i18"
    only = await incidents.incidents(
        database, limit=50, from_us=T0, to_us=T0 + HOUR, key="home-1", scope=IncidentScope.SITE
    )
    assert {one.key for one in only} == {"home-1"}
    none = await incidents.incidents(database, limit=5, from_us=T0, to_us=T0 + HOUR, resolution=Resolution.REAL)
    assert none == []


async def test_a_shelved_alarm_says_until_when_and_its_true_state_is_the_engines_to_tell(
    url: str, database: Connection
) -> None:
    shelved = replace(
        changed("a1", Change.SHELVED, AlarmState.SHELVED, at=T0 + 1, by="li", comment="welding"), until=T0 + HOUR
    )
    # Every change says how long it is hidden.
    returned = replace(changed("a1", Change.RETURNED, AlarmState.SHELVED, at=T0 + 2), until=T0 + HOUR)
    worked_on = changed("a1", Change.OUT_OF_SERVICE, AlarmState.OUT_OF_SERVICE, at=T0 + 3)
    back = changed("a1", Change.UNSHELVED, AlarmState.RETURNED_UNACKNOWLEDGED, at=T0 + HOUR)
    seen = []
    for number, decision in enumerate((raised("a1"), shelved, returned, worked_on, back), 1):
        await write(url, [cycle(number, decisions=(decision,))])
        alarm = await alarms.alarm(database, "a1")
        assert alarm is not None
        seen.append((alarm.state, alarm.until, alarm.true_state))
    assert seen == [
        (AlarmState.UNACKNOWLEDGED, 0, AlarmState.UNACKNOWLEDGED),
        (AlarmState.SHELVED, T0 + HOUR, None),
        (AlarmState.SHELVED, T0 + HOUR, None),
        (AlarmState.OUT_OF_SERVICE, 0, None),
        (AlarmState.RETURNED_UNACKNOWLEDGED, 0, AlarmState.RETURNED_UNACKNOWLEDGED),
    ]
    steps = await alarms.events(database, "a1")
    assert [(step.change, step.until, step.priority) for step in steps][1] == ("shelved", T0 + HOUR, Priority.CRITICAL)
    assert alarm.device_says is None


async def test_what_an_alarm_was_found_to_be_stays_with_it(url: str, database: Connection) -> None:
    found = replace(
        changed("a1", Change.RESOLVED, AlarmState.UNACKNOWLEDGED, at=T0 + 1, by="li", comment="cooking wine"),
        resolution=Resolution.FALSE.value,
    )
    after = changed("a1", Change.RETURNED, AlarmState.NORMAL, at=T0 + 2)
    await write(url, [cycle(1, decisions=(raised("a1"), found, after))])
    alarm = await alarms.alarm(database, "a1")
    assert alarm is not None
    assert (alarm.resolution, alarm.state) == ("false", AlarmState.NORMAL)


async def test_an_alarm_on_trial_is_marked_until_its_rule_is_in_force(url: str, database: Connection) -> None:
    tried = replace(raised("a1"), trial=True)
    force = changed("a1", Change.TRIED, AlarmState.UNACKNOWLEDGED, at=T0 + 1)
    worse = replace(changed("a1", Change.ESCALATED, AlarmState.UNACKNOWLEDGED, at=T0 + 2), priority=Priority.CRITICAL)
    tried = replace(tried, priority=Priority.LOW)
    seen = []
    for number, decision in enumerate((tried, replace(force, priority=Priority.LOW), worse), 1):
        await write(url, [cycle(number, decisions=(decision,))])
        alarm = await alarms.alarm(database, "a1")
        assert alarm is not None
        seen.append((alarm.trial, alarm.priority))
    assert seen == [(True, Priority.LOW), (False, Priority.LOW), (False, Priority.CRITICAL)]
    steps = await alarms.events(database, "a1")
    assert [(step.trial, step.priority) for step in steps] == seen


async def test_a_permit_shows_both_people_and_how_it_ended(url: str, database: Connection) -> None:
    await write(url, [cycle(1, decisions=PERMIT[:1]), cycle(2, decisions=PERMIT[1:])])
    found = await permits.permit(database, "p1")
    assert found is not None
    assert (found.state, found.requested_by, found.approved_by, found.reason) == (
        PermitState.COMPLETED,
        "li",
        "wang",
        "all is tight",
    )
    assert (found.requested, found.granted, found.ended) == (T0, T0 + MINUTE, T0 + 2 * MINUTE)
    assert (found.epoch, found.expires, found.combustible_lel, found.comment) == (8, T0 + 2 * HOUR, 0.5, "opened")
    steps = await permits.permit_events(database, "p1")
    assert [(step.id, step.state, step.by) for step in steps] == [
        ("engine-1:1:0", PermitState.REQUESTED, "li"),
        ("engine-1:2:0", PermitState.GRANTED, "wang"),
        ("engine-1:2:1", PermitState.COMPLETED, "li"),
    ]


async def test_permits_are_paged_newest_first(url: str, database: Connection) -> None:
    many = [replace(PERMIT[0], permit=f"p{n}", at=T0 + n // 2 * SECOND, device_no=n % 2 + 1) for n in range(6)]
    await write(url, [cycle(1, decisions=many)])
    seen: list[str] = []
    after: PermitKey | None = None
    while page := await permits.permits(database, limit=2, from_us=T0, to_us=T0 + HOUR, after=after):
        seen += [one.permit for one in page]
        after = PermitKey(page[-1].requested, page[-1].permit)
    assert seen == ["p4", "p5", "p2", "p3", "p0", "p1"]
    only = await permits.permits(database, limit=9, from_us=T0, to_us=T0 + HOUR, device_no=2)
    assert [one.permit for one in only] == ["p5", "p3", "p1"]


async def test_a_permit_that_one_person_gave_himself_cannot_be_written_and_stops_nothing(
    url: str, database: Connection
) -> None:
    himself = replace(PERMIT[1], by="li")
    written = await write(url, [cycle(1, decisions=(PERMIT[0], himself, raised("a1")))])
    assert written.poison == 0  # poison counts readings
    assert await one(database, "SELECT state FROM permit") == "requested"
    assert "two_people" in await one(database, "SELECT reason FROM quarantine")
    assert await one(database, "SELECT count(*) FROM alarm") == 1
    with pytest.raises(psycopg.errors.CheckViolation, match="two_people"):
        await database.execute("UPDATE permit SET approved_by = 'li'")


async def test_what_was_held_and_what_became_of_it(url: str, database: Connection) -> None:
    await write(url, [cycle(1, decisions=HELD[:2]), cycle(2, decisions=HELD[2:])])
    everything = await permits.held(database, limit=9, from_us=T0, to_us=T0 + HOUR)
    assert [(one.id, one.device_no, one.change) for one in everything] == [
        ("engine-1:2:0", 2, HeldChange.RELEASED),
        ("engine-1:1:1", 3, HeldChange.HELD),
        ("engine-1:1:0", 2, HeldChange.HELD),
    ]
    first = HeldEvent(
        HeldKey(T0, "engine-1", 1, 0), "gas", 2, "", "", "a1", HeldChange.HELD, 31.0, "budget used up", ""
    )
    assert everything[2] == first
    rest = await permits.held(database, limit=9, from_us=T0, to_us=T0 + HOUR, after=everything[1].key)
    assert rest == [first]
    of_alarm = await permits.held(database, limit=9, from_us=T0, to_us=T0 + HOUR, alarm="a2", rule="gas")
    assert of_alarm == [replace_data(first, key=HeldKey(T0, "engine-1", 1, 1), device_no=3, alarm="a2", value=12.0)]


async def test_a_fan_is_wanted_and_commanded_under_its_own_verb(url: str, database: Connection) -> None:
    fan = FanWanted(at=T0, wanted="w9", device_no=5, epoch=1, reason="gas", alarm="a1")
    ask = AttemptRequested(
        at=T0,
        command="c9",
        wanted="w9",
        device_no=5,
        epoch=1,
        attempt=1,
        expires=T0 + HOUR,
        reason="",
        verb=Verb.FAN_ON,
    )
    ended = WantedEnded(at=T0 + 1, wanted="w9", device_no=5, outcome=Outcome.UNVERIFIABLE)
    await write(url, [cycle(1, decisions=(fan, ask, ended, CLOSE[0]))])
    found = [await commands.wanted(database, name) for name in ("w9", "w1")]
    assert [(one.verb, one.outcome) for one in found if one is not None] == [
        (Verb.FAN_ON, Outcome.UNVERIFIABLE),
        (Verb.CLOSE, None),
    ]
    assert found[0] is not None
    assert [step.step for step in found[0].steps] == [Step.REQUESTED]
    assert await one(database, "SELECT verb FROM command") == "fan_on"


@pytest.mark.parametrize("verb", ["open", "permit_open", ""])
async def test_nothing_but_closed_or_a_running_fan_can_be_wanted(url: str, database: Connection, verb: str) -> None:
    await write(url, [cycle(1, decisions=CLOSE)])
    with pytest.raises(psycopg.errors.CheckViolation, match="wanted_closed_or_fan_on"):
        await database.execute("UPDATE wanted SET verb = %s", (verb,))


async def test_writing_the_same_decisions_twice_changes_nothing(database: Connection) -> None:
    noted = RuleNoted(at=T0, rule="gas", what="hold_s: 10 -> 20", reverted=True)
    decided = [Decided(1, n, decision) for n, decision in enumerate((*INCIDENT, *PERMIT, *HELD, noted))]
    tables = ("alarm", "incident", "incident_event", "permit", "permit_event", "shut_off_held", "rule_note")
    seen = []
    for _ in range(2):
        await write_decisions(database, "engine-1", decided)
        rows = [await (await database.execute(f"TABLE {name}".encode())).fetchall() for name in tables]
        seen.append([sorted(map(repr, found)) for found in rows])
    assert seen[0] == seen[1]
    assert [len(rows) for rows in seen[0]] == [2, 1, 6, 1, 3, 3, 1]


async def test_changes_without_their_beginnings_make_their_rows(url: str, database: Connection) -> None:
    await write(url, [cycle(1, decisions=(INCIDENT[4], PERMIT[2]))])
    incident, permit = await incidents.incident(database, "i1"), await permits.permit(database, "p1")
    assert incident is not None
    assert permit is not None
    assert (incident.opened, incident.alarms, permit.state, permit.requested_by) == (
        T0 + MINUTE,
        (),
        PermitState.COMPLETED,
        "",
    )


def test_every_decision_has_its_rows() -> None:
    """A new kind of decision is a decision here too: mypy names what is missing, and this what has no test."""
    tested = {type(one).__name__ for one in (*INCIDENT, *PERMIT, *HELD)} | {"RuleNoted", "FanWanted"}
    older = {"AlarmChanged", "CloseWanted", "AttemptRequested", "CommandStepped", "WantedEnded", "Answered"}
    assert {kind.__name__ for kind in Decision.__args__} == tested | older
