"""The ISA-18.2 table, every state against everything that can happen to it. Written from the standard's state diagram,
not from the module: a transition that is not listed here must not exist."""

import itertools

import pytest

from rules.decisions import AlarmState as S
from rules.lifecycle import ACTIVE, IS_ACTIVE, NEXT, TRANSITIONS, Happening, after

# One column per happening: the condition, its return, its return when latching, an acknowledgement, a reset.
# "-" is "nothing changes".
DIAGRAM = """
NORMAL                   UNACKNOWLEDGED  -                        -                      -                    -
UNACKNOWLEDGED           -               RETURNED_UNACKNOWLEDGED  LATCHED_UNACKNOWLEDGED ACKNOWLEDGED         -
ACKNOWLEDGED             -               NORMAL                   LATCHED_ACKNOWLEDGED   -                    -
RETURNED_UNACKNOWLEDGED  UNACKNOWLEDGED  -                        -                      NORMAL               -
LATCHED_UNACKNOWLEDGED   UNACKNOWLEDGED  -                        -                      LATCHED_ACKNOWLEDGED -
LATCHED_ACKNOWLEDGED     UNACKNOWLEDGED  -                        -                      -                    NORMAL
SHELVED                  -               -                        -                      -                    -
SUPPRESSED               -               -                        -                      -                    -
OUT_OF_SERVICE           -               -                        -                      -                    -
"""
HAPPENINGS = (
    Happening.CONDITION,
    Happening.RETURN,
    Happening.RETURN_LATCHED,
    Happening.ACKNOWLEDGE,
    Happening.RESET,
)
EXPECTED = {
    (S[line.split()[0]], happening): S[word if word != "-" else line.split()[0]]
    for line in DIAGRAM.strip().splitlines()
    for happening, word in zip(HAPPENINGS, line.split()[1:], strict=True)
}


def test_the_diagram_names_every_state_and_everything_that_can_happen() -> None:
    assert set(EXPECTED) == set(itertools.product(S, Happening))


@pytest.mark.parametrize("state", S)
@pytest.mark.parametrize("happening", Happening)
def test_each_state_goes_where_the_standard_says(state: S, happening: Happening) -> None:
    assert after(state, happening) is EXPECTED[state, happening]
    assert S(int(NEXT[state, happening])) is EXPECTED[state, happening]


def test_no_transition_of_the_table_stays_where_it_is() -> None:
    assert all(TRANSITIONS[state, happening] is not state for state, happening in TRANSITIONS)


def test_an_alarm_is_active_exactly_while_its_condition_is_present() -> None:
    assert set(ACTIVE) == {S.UNACKNOWLEDGED, S.ACKNOWLEDGED}
    assert [S(at) for at in range(len(S)) if IS_ACTIVE[at]] == sorted(ACTIVE)


def test_an_alarm_is_never_over_before_a_person_has_acknowledged_it() -> None:
    seen = {(S.NORMAL, False)}
    walks = list(seen)
    while walks:
        state, acknowledged = walks.pop()
        for happening in Happening:
            to = after(state, happening)
            knows = (acknowledged or happening is Happening.ACKNOWLEDGE) and to is not S.UNACKNOWLEDGED
            if to is S.NORMAL and state is not S.NORMAL:
                assert knows
            if (to, knows) not in seen:
                seen.add((to, knows))
                walks.append((to, knows))


def test_only_a_reset_ends_a_latched_alarm() -> None:
    for state, happening in itertools.product((S.LATCHED_UNACKNOWLEDGED, S.LATCHED_ACKNOWLEDGED), Happening):
        assert (after(state, happening) is S.NORMAL) == (
            state is S.LATCHED_ACKNOWLEDGED and happening is Happening.RESET
        )
