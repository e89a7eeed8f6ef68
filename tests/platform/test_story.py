"""The demo's story: the lines that events become."""

import io
import re

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from davy.story import Story
from devices.commands import Verb
from engine.messages import FeedEvent
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
from simulators.events import SimEvent, What

S = 1_000_000


def told(*events: SimEvent | Decision) -> list[str]:
    """The story of these events as a terminal shows it, without its colours."""
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, highlight=False, soft_wrap=True)
    story = Story(began=0, tell=console.print, site_of={"davysim/valve": "home-1", "davysim/detector": "home-1"})
    for n, event in enumerate(events):
        if isinstance(event, SimEvent):
            story.world(event)
        else:
            valve = isinstance(
                event,
                CloseWanted | FanWanted | CommandStepped | WantedEnded | AttemptRequested | PermitChanged | ShutOffHeld,
            )
            identity = "davysim/valve" if valve else "davysim/detector"
            identity = "" if isinstance(event, IncidentChanged | RuleNoted) else identity
            story.davy(FeedEvent(request=1, engine="e", cycle=1, n=n, decision=event, identity=identity))
    return [" ".join(line.split()) for line in re.sub("\x1b\\[[0-9;]*m", "", screen.getvalue()).splitlines()]


def gas(at: int, value: float) -> SimEvent:
    return SimEvent(at=at, what=What.GAS_AT_DETECTOR, site="home-1", text="methane", value=value, unit="%LEL")


LEAK = SimEvent(at=4 * S, what=What.LEAK_STARTED, site="home-1", text="gas escapes")


def test_times_count_from_the_leak_once_there_is_one() -> None:
    before = SimEvent(at=1 * S, what=What.RUN_STARTED, text="200 homes")
    assert told(before, LEAK, gas(6 * S, 12.0)) == [
        "1.00 s 200 homes",
        "+ 0.00 s home-1 gas escapes",
        "+ 2.00 s home-1 methane rises to 12.0 %LEL",
    ]


def test_gas_is_told_when_it_crosses_a_level_and_not_at_every_reading() -> None:
    lines = told(LEAK, *(gas((5 + i) * S, value) for i, value in enumerate((4.0, 4.1, 4.2, 25.0, 26.0, 4.0))))
    assert [line.split("methane ")[1] for line in lines[1:]] == [
        "rises to 4.0 %LEL",
        "rises to 25.0 %LEL",
        "falls to 4.0 %LEL",
    ]


def test_a_shut_off_is_told_from_the_alarm_to_the_valve_seen_closed() -> None:
    raised = AlarmRaised(
        at=5 * S,
        alarm="a",
        rule="ch4-low",
        device_no=1,
        site="home-1",
        priority=Priority.HIGH,
        onset=5 * S,
        state=AlarmState.UNACKNOWLEDGED,
        quantity="combustible_lel",
        value=12.9,
    )
    returned = AlarmChanged(
        at=9 * S,
        alarm="a",
        rule="ch4-low",
        device_no=1,
        site="home-1",
        priority=Priority.HIGH,
        onset=5 * S,
        change=Change.RETURNED,
        state=AlarmState.RETURNED_UNACKNOWLEDGED,
    )
    lines = told(
        LEAK,
        raised,
        CloseWanted(at=5 * S, wanted="w", device_no=2, epoch=1, reason="ch4-low", alarm="a"),
        AttemptRequested(
            at=5 * S, command="c", wanted="w", device_no=2, epoch=1, attempt=1, expires=35 * S, reason="ch4-low"
        ),
        CommandStepped(at=5 * S, command="c", wanted="w", device_no=2, step=Step.SENT),
        CommandStepped(at=7 * S, command="c", wanted="w", device_no=2, step=Step.CONFIRMED),
        WantedEnded(at=7 * S, wanted="w", device_no=2, outcome=Outcome.CONFIRMED),
        returned,
    )
    assert lines[1:] == [
        "+ 1.00 s home-1 Davy ALARM ch4-low at davysim/detector, combustible_lel 12.9",
        "+ 1.00 s home-1 Davy davysim/valve must close: ch4-low",
        "+ 1.00 s home-1 Davy CLOSE sent to davysim/valve",
        "+ 3.00 s home-1 Davy davysim/valve is seen closed, confirmed 2.00 s after it was wanted",
        "+ 5.00 s home-1 Davy alarm ch4-low returned: now returned unacknowledged",
    ]


def test_the_story_is_over_once_when_the_valve_is_seen_closed_and_the_detector_is_quiet() -> None:
    quiet = SimEvent(at=9 * S, what=What.DEVICE_CLEAR, site="home-1", text="no alarm")
    closed = WantedEnded(at=7 * S, wanted="w", device_no=2, outcome=Outcome.CONFIRMED)
    assert not any("danger is over" in line for line in told(LEAK, quiet))
    assert sum("danger is over" in line for line in told(LEAK, closed, quiet, quiet)) == 1


@given(
    st.builds(
        SimEvent,
        at=st.integers(0, 1 << 52),
        what=st.sampled_from(What),
        site=st.text(max_size=9),
        text=st.text(max_size=9) | st.sampled_from(["[/b]", "[bold", "\\", "\x1b[2J"]),
        unit=st.text(max_size=9),
    )
)
def test_everything_that_can_happen_can_be_told(event: SimEvent) -> None:
    told(LEAK, event)


def test_what_other_people_wrote_is_shown_as_they_wrote_it_and_has_no_power_over_the_terminal() -> None:
    closing = CloseWanted(at=5 * S, wanted="w", device_no=2, epoch=1, reason="asked [/b] twice \\", alarm="")
    stepped = CommandStepped(
        at=5 * S, command="c", wanted="w", device_no=2, step=Step.SENT, note="[bold red]\x1b[2Jnew\nline"
    )
    refused = Answered(at=6 * S, id="i", accepted=False, reason="[/]")
    assert told(LEAK, closing, stepped, refused)[1:] == [
        "+ 1.00 s home-1 Davy davysim/valve must close: asked [/b] twice \\",
        "+ 1.00 s home-1 Davy CLOSE sent to davysim/valve ([bold red]\N{REPLACEMENT CHARACTER}[2Jnew"
        "\N{REPLACEMENT CHARACTER}line)",
        "+ 2.00 s home-1 Davy instruction refused: [/]",
    ]


def test_what_people_and_the_engine_decide_beside_alarms_is_told_in_words() -> None:
    opened = IncidentChanged(
        at=5 * S,
        incident="i",
        scope=IncidentScope.SITE,
        key="home-1",
        change=IncidentChange.OPENED,
        priority=Priority.HIGH,
        alarm="a",
    )
    measured = msgspec.structs.replace(
        opened, change=IncidentChange.FIELD_READING, by="li", quantity="combustible_lel", value=22.0, comment="kitchen"
    )
    permit = PermitChanged(at=9 * S, permit="p", device_no=2, state=PermitState.GRANTED, by="wang")
    held = ShutOffHeld(
        at=6 * S, rule="ch4-low", device_no=2, alarm="a", change=HeldChange.HELD, reason="budget used up"
    )
    noted = RuleNoted(at=7 * S, rule="ch4-low", what="hold_s: 10 -> 20")
    assert told(LEAK, opened, measured, permit, held, noted)[1:] == [
        "+ 1.00 s Davy incident of site home-1 opened",
        "+ 1.00 s Davy incident of site home-1 field reading by li: combustible_lel 22.0, kitchen",
        "+ 5.00 s home-1 Davy permit to open davysim/valve on site is granted by wang",
        "+ 2.00 s home-1 Davy shut-off of davysim/valve for ch4-low is held: budget used up",
        "+ 3.00 s Davy rule ch4-low: hold_s: 10 -> 20",
    ]


def test_a_fan_and_a_permit_are_called_what_they_are() -> None:
    fan = FanWanted(at=5 * S, wanted="w", device_no=2, epoch=1, reason="ch4-low", alarm="a")
    request = AttemptRequested(
        at=5 * S,
        command="c",
        wanted="w",
        device_no=2,
        epoch=1,
        attempt=1,
        expires=9 * S,
        reason="ch4-low",
        verb=Verb.FAN_ON,
    )
    sent = CommandStepped(at=5 * S, command="c", wanted="w", device_no=2, step=Step.SENT)
    ended = WantedEnded(at=6 * S, wanted="w", device_no=2, outcome=Outcome.CONFIRMED)
    assert told(LEAK, fan, request, sent, ended)[1:] == [
        "+ 1.00 s home-1 Davy davysim/valve must run: ch4-low",
        "+ 1.00 s home-1 Davy FAN_ON sent to davysim/valve",
        "+ 2.00 s home-1 Davy davysim/valve runs, confirmed 1.00 s after it was wanted",
    ]


def test_an_alarm_on_trial_says_that_nobody_is_told() -> None:
    raised = AlarmRaised(
        at=5 * S,
        alarm="a",
        rule="new",
        device_no=1,
        site="home-1",
        priority=Priority.HIGH,
        onset=5 * S,
        state=AlarmState.UNACKNOWLEDGED,
        trial=True,
    )
    assert told(LEAK, raised)[1].endswith("ALARM new at davysim/detector, on trial: nobody is told and nothing moves")
