"""The ISA-18.2 table, every state against everything that can happen to it. Written from the standard's state diagram,
not from the module: a transition that is not listed here must not exist."""

import itertools

import numpy as np
import pytest

from rules.decisions import AlarmState as S
from rules.life.lifecycle import (
    ABOUT,
    ACTIVE,
    FORBIDS_OPEN,
    HIDING,
    IS_ACTIVE,
    NEXT,
    NOT_HIDING,
    OF_THE_TRUE_STATE,
    PRECEDENCE,
    REFUSED,
    TRANSITIONS,
    TRUE_STATES,
    Happening,
    Hiding,
    after,
    hidden_after,
    shown,
)

# One column per happening: the condition, its return, its return when latching, an acknowledgement, a reset.
# "-" is "nothing changes".
DIAGRAM = """
NORMAL                   UNACKNOWLEDGED  -                        -                      -                    -
UNACKNOWLEDGED           -               RETURNED_UNACKNOWLEDGED  LATCHED_UNACKNOWLEDGED ACKNOWLEDGED         -
ACKNOWLEDGED             -               NORMAL                   LATCHED_ACKNOWLEDGED   -                    -
RETURNED_UNACKNOWLEDGED  UNACKNOWLEDGED  -                        -                      NORMAL               -
LATCHED_UNACKNOWLEDGED   UNACKNOWLEDGED  -                        -                      LATCHED_ACKNOWLEDGED -
LATCHED_ACKNOWLEDGED     UNACKNOWLEDGED  -                        -                      -                    NORMAL
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

# What each happening hides, or hides no more.
HIDES = {
    Happening.SHELVE: (Hiding.SHELVED, True),
    Happening.UNSHELVE: (Hiding.SHELVED, False),
    Happening.SUPPRESS: (Hiding.SUPPRESSED, True),
    Happening.UNSUPPRESS: (Hiding.SUPPRESSED, False),
    Happening.TAKE_OUT_OF_SERVICE: (Hiding.OUT_OF_SERVICE, True),
    Happening.RETURN_TO_SERVICE: (Hiding.OUT_OF_SERVICE, False),
}
COMBINATIONS = [Hiding(number) for number in range(8)]


def test_the_diagram_names_every_true_state_and_everything_that_can_happen_to_it() -> None:
    assert set(EXPECTED) == set(itertools.product(TRUE_STATES, HAPPENINGS))
    assert OF_THE_TRUE_STATE == HAPPENINGS
    assert {*HAPPENINGS, *HIDES} == set(Happening)
    assert {*TRUE_STATES, S.SHELVED, S.SUPPRESSED, S.OUT_OF_SERVICE} == set(S)


def test_nothing_that_can_happen_is_only_another_name_of_something_else() -> None:
    assert len(Happening.__members__) == len(set(Happening)) == len(HAPPENINGS) + len(HIDES)
    assert len(S.__members__) == len(set(S))


@pytest.mark.parametrize(("state", "happening"), EXPECTED)
def test_each_state_goes_where_the_standard_says(state: S, happening: Happening) -> None:
    assert after(state, happening) is EXPECTED[state, happening]
    assert S(int(NEXT[state, happening])) is EXPECTED[state, happening]


def test_everything_that_can_happen_is_a_row_or_is_refused_by_a_sentence_of_its_own() -> None:
    rows, refused = set(TRANSITIONS), set(REFUSED)
    assert rows | refused == set(EXPECTED)
    assert not rows & refused
    assert all(TRANSITIONS[state, happening] is not state for state, happening in TRANSITIONS)
    assert len(set(REFUSED.values())) == len(REFUSED)
    assert all(sentence.strip() for sentence in REFUSED.values())


def test_everything_that_can_happen_to_what_hides_is_a_row_or_is_refused_by_a_sentence_of_its_own() -> None:
    every = {(one, happening) for happening, (what, _) in HIDES.items() for one in (Hiding.NOTHING, what)}
    assert set(HIDING) | set(NOT_HIDING) == every
    assert not set(HIDING) & set(NOT_HIDING)
    assert len(set(NOT_HIDING.values())) == len(NOT_HIDING)
    assert {happening: what for happening, (what, _) in HIDES.items()} == ABOUT


@pytest.mark.parametrize("hiding", COMBINATIONS)
@pytest.mark.parametrize("happening", HIDES)
def test_each_thing_that_hides_comes_and_goes_alone(hiding: Hiding, happening: Happening) -> None:
    what, comes = HIDES[happening]
    assert hidden_after(hiding, happening) == (hiding | what if comes else hiding & ~what)


@pytest.mark.parametrize("hiding", COMBINATIONS)
@pytest.mark.parametrize("state", TRUE_STATES)
def test_out_of_service_hides_before_a_shelf_and_a_shelf_before_suppression(state: S, hiding: Hiding) -> None:
    if state is S.NORMAL:
        expected = S.NORMAL
    elif hiding & Hiding.OUT_OF_SERVICE:
        expected = S.OUT_OF_SERVICE
    elif hiding & Hiding.SHELVED:
        expected = S.SHELVED
    elif hiding & Hiding.SUPPRESSED:
        expected = S.SUPPRESSED
    else:
        expected = state
    assert shown(state, hiding) is expected


def test_every_way_of_hiding_has_its_own_state() -> None:
    assert {one for one, _ in PRECEDENCE} == set(Hiding)
    assert [int(one) for one in Hiding] == [1, 2, 4]
    assert not {state for _, state in PRECEDENCE} & set(TRUE_STATES)


def test_the_table_for_arrays_keeps_the_states_that_only_hide() -> None:
    hiding = [S.SHELVED, S.SUPPRESSED, S.OUT_OF_SERVICE]
    assert NEXT.shape == (len(S), len(HAPPENINGS))
    assert NEXT.dtype == np.uint8
    assert (NEXT[hiding] == np.array(hiding)[:, None]).all()


def test_an_alarm_is_active_exactly_while_its_condition_is_present() -> None:
    assert set(ACTIVE) == {S.UNACKNOWLEDGED, S.ACKNOWLEDGED}
    assert [S(at) for at in range(len(S)) if IS_ACTIVE[at]] == sorted(ACTIVE)


def test_a_valve_must_not_be_open_before_an_alarm_is_over() -> None:
    gone = {S.RETURNED_UNACKNOWLEDGED, S.LATCHED_UNACKNOWLEDGED, S.LATCHED_ACKNOWLEDGED}
    forbids = {S.UNACKNOWLEDGED, S.ACKNOWLEDGED, *gone}
    assert {S(at) for at in range(len(S)) if FORBIDS_OPEN[at]} == forbids


def test_an_alarm_is_never_over_before_a_person_has_acknowledged_it() -> None:
    seen = {(S.NORMAL, False)}
    walks = list(seen)
    while walks:
        state, acknowledged = walks.pop()
        for happening in HAPPENINGS:
            to = after(state, happening)
            knows = (acknowledged or happening is Happening.ACKNOWLEDGE) and to is not S.UNACKNOWLEDGED
            if to is S.NORMAL and state is not S.NORMAL:
                assert knows
            if (to, knows) not in seen:
                seen.add((to, knows))
                walks.append((to, knows))
    assert {state for state, _ in seen} == set(TRUE_STATES)


def test_only_a_reset_ends_a_latched_alarm() -> None:
    for state, happening in itertools.product((S.LATCHED_UNACKNOWLEDGED, S.LATCHED_ACKNOWLEDGED), HAPPENINGS):
        assert (after(state, happening) is S.NORMAL) == (
            state is S.LATCHED_ACKNOWLEDGED and happening is Happening.RESET
        )
