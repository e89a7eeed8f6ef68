"""The scripts together go through every row of the alarm table, true states and what hides them alike."""

from functools import cache

from rules.decisions import AlarmState, Change
from rules.lifecycle import HIDING, TRANSITIONS, Happening
from rules.script import parse_script
from rules.script_run import Ran, run_script
from tests.spec.test_scripts import FOLDER, SCRIPTS, _read

#: What a change of what hides an alarm is called in decisions.
_HIDES = {
    Happening.SHELVE: Change.SHELVED,
    Happening.UNSHELVE: Change.UNSHELVED,
    Happening.SUPPRESS: Change.SUPPRESSED,
    Happening.UNSUPPRESS: Change.UNSUPPRESSED,
    Happening.TAKE_OUT_OF_SERVICE: Change.OUT_OF_SERVICE,
    Happening.RETURN_TO_SERVICE: Change.IN_SERVICE,
}


@cache
def _all() -> tuple[Ran, ...]:
    return tuple(run_script(parse_script(path.read_text("utf-8"), path.name), _read) for path in SCRIPTS)


def test_every_transition_of_the_alarm_table_is_reached_by_a_script() -> None:
    reached = {pair for ran in _all() for pair in ran.reached}
    wanted = {(state, happening.name.lower()) for state, happening in TRANSITIONS}
    assert not wanted - reached


def test_everything_that_hides_and_shows_an_alarm_is_reached_by_a_script() -> None:
    reached = {what for ran in _all() for _, what in ran.reached}
    assert {_HIDES[happening].value for _, happening in HIDING} <= reached


def test_every_change_of_an_alarm_is_said_by_a_script() -> None:
    reached = {what for ran in _all() for _, what in ran.reached}
    told = {change.value for change in Change if change not in (Change.ACKNOWLEDGED, Change.RETURNED)}
    named = {"re-alarmed": "condition", "reset": "reset"}
    assert {named.get(one, one) for one in told} <= reached


def test_scripts_expect_and_have_a_title() -> None:
    for ran in _all():
        assert ran.title, ran.name
        assert ran.expectations >= 2, ran.name
    assert len({ran.title for ran in _all()}) == len(SCRIPTS)
    assert FOLDER.name == "spec"
    assert AlarmState.NORMAL not in {state for ran in _all() for state, what in ran.reached if what == "reset"}
