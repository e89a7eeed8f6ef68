"""What a pack that may be used does not speak of: the kinds of rule that are optional, or were when it came into force.

Such a pack is sound, but after an upgrade it may lack kinds that its writer never heard of, and what they would have
said is nobody's alarm. So it is said wherever a pack is looked at.
"""

from collections.abc import Sequence

from devices.models import DeviceModel
from rules.documents.document import Kind, RulePack, RuleState
from rules.documents.doubtful import doubtful

#: Of what nobody is told without a rule of the kind.
_UNTOLD = {
    Kind.ASLEEP: "that a valve to be closed sleeps, and when it hears",
    Kind.HELD: "that shut-offs are held back and wait for a person",
    Kind.REVERTED: "that a rule was taken back to a dry run by itself",
    Kind.LINK_DOWN: "that a gateway or broker cannot be reached",
    Kind.SESSION_LOST: "that a broker has forgotten what it held for us",
    Kind.MISSING: "that readings never came",
    Kind.FIELD: "that a reading on site asks for the four steps",
}
#: Of these nothing can be said where no rule closes a valve.
_OF_A_CLOSING = (Kind.ASLEEP, Kind.HELD)


def left_out(pack: RulePack) -> str:
    """The kinds that have no rule, and what is therefore said to nobody, in one line; empty: none is left out."""
    there = {rule.kind for rule in pack.rules}
    closes = any(rule.action.closes for rule in pack.rules)
    asked = {kind: words for kind, words in _UNTOLD.items() if closes or kind not in _OF_A_CLOSING}
    lacking = {kind: words for kind, words in asked.items() if kind not in there}
    if not lacking:
        return ""
    kinds, words = ", ".join(lacking), ", ".join(lacking.values())
    return f"no rule of kind {kinds}: nobody is told {words}; `davy rules default` shows such rules"


def warnings(pack: RulePack, models: Sequence[DeviceModel] = ()) -> tuple[str, ...]:
    """Rules of a sound pack that do less than they may seem to, or more than anybody means, each with the reason.
    `models`: those that devices may be of, as far as they are known."""
    found = list(doubtful(pack, models))
    for rule in pack.rules:
        if rule.state is RuleState.DRAFT:
            found.append(f"rule {rule.id!r} is a draft: nobody judges by it")
        elif rule.state is RuleState.DRY_RUN:
            found.append(f"rule {rule.id!r} is a dry run: it tells nobody and moves nothing")
        elif rule.state is RuleState.CANARY:
            found.append(f"rule {rule.id!r} is in force at {rule.canary_pct:g} % of the sites only")
    trial = {rule.id for rule in pack.rules if rule.state is not RuleState.ACTIVE}
    for rule in pack.rules:
        for name in sorted(trial & {*rule.suppressed_by}):
            found.append(f"rule {rule.id!r} is not suppressed by {name!r} where that is only tried")
    return tuple(found)
