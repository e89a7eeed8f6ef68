"""What hides an alarm now: a look at the records that stand. Who sets them: overlays (people), suppression (design)."""

from rules.decisions import AlarmState
from rules.life.lifecycle import Hiding, shown
from rules.stepping.state import State


def hiding_of(state: State, slot: int, rule: int) -> Hiding:
    """Everything that hides the alarm of this rule (its number) at this slot."""
    key = (slot, state.compiled.rules[rule].id)
    found = Hiding.NOTHING
    if key in state.shelves:
        found |= Hiding.SHELVED
    if key in state.suppressions:
        found |= Hiding.SUPPRESSED
    if slot in state.out_of_service:
        found |= Hiding.OUT_OF_SERVICE
    return found


def seen(state: State, slot: int, rule: int) -> tuple[AlarmState, int]:
    """The state that is shown, and until when if that is for a time (0: without a limit, or for no time)."""
    state_shown = shown(AlarmState(state.phase[slot, rule]), hiding_of(state, slot, rule))
    if state_shown is AlarmState.SHELVED:
        return state_shown, state.shelves[slot, state.compiled.rules[rule].id].until
    if state_shown is AlarmState.OUT_OF_SERVICE:
        return state_shown, state.out_of_service[slot].until
    return state_shown, 0
