"""The scripts together go through every row of the alarm table, true states and what hides them alike."""

from functools import cache

import msgspec

from rules.decisions import AlarmState, Change
from rules.documents.document import Action, Kind, Rule
from rules.language.units import UNITS
from rules.language.vocabulary import FUNCTIONS, GROUPS, NAMES
from rules.life.lifecycle import HIDING, TRANSITIONS, Happening
from rules.scripts.run import Ran, run_script
from rules.scripts.script import parse_script
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


#: Inside a script, `m3/h` and the like stand beside a number; words of a valve and of its cause are of readings too.
_OPERATORS = (">=", ">", "<=", "<", "==", "!=", " + ", " - ", " * ", " / ", " and ", " or ", "not ")
#: Named where a script cannot reach: the flags of the delivery, which Davy sets.
RULE_KEYS = {field.name for field in msgspec.structs.fields(Rule)} - {"title", "source", "notify"}
#: A pack of a script that closes valves gets these by itself.
_ADDED = (Kind.UNCONFIRMED, Kind.NO_VALVE, Kind.REOPENED, Kind.ASLEEP, Kind.HELD)
_ELSEWHERE = {"no_identity", "hashed", "simulated"}


def test_every_word_of_the_language_stands_in_a_script() -> None:
    text = "\n".join(path.read_text("utf-8") for path in SCRIPTS)
    words = {f"{name}(" for name in FUNCTIONS} | {*_OPERATORS, *GROUPS, *NAMES}
    words |= {unit for unit in UNITS if unit not in ("s", "m", "h", "d")}
    assert not sorted(word for word in words - _ELSEWHERE if word not in text)


def test_every_kind_and_action_and_key_of_a_rule_stands_in_a_script() -> None:
    text = "\n".join(path.read_text("utf-8") for path in SCRIPTS)
    given = {f'"{kind}"' for kind in Kind if kind not in (Kind.MEASURED, *_ADDED)} | {
        f'"{action}"' for action in Action if action
    }
    lacking = sorted(word for word in given - {'"none"'} if word not in text)
    keys = sorted(name for name in RULE_KEYS if f"{name} =" not in text and f"{name}=" not in text)
    assert not lacking + keys
