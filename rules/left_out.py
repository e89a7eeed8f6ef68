"""What a pack that may be used does not speak of: the kinds of rule that are optional, or were when it came into force.

Such a pack is sound, but after an upgrade it may lack kinds that its writer never heard of, and what they would have
said is nobody's alarm. So it is said wherever a pack is looked at.
"""

from rules.document import Kind, RulePack

#: Of what nobody is told without a rule of the kind.
_UNTOLD = {
    Kind.ASLEEP: "that a valve to be closed sleeps, and when it hears",
    Kind.LINK_DOWN: "that a gateway or broker cannot be reached",
    Kind.SESSION_LOST: "that a broker has forgotten what it held for us",
    Kind.MISSING: "that readings never came",
}


def left_out(pack: RulePack) -> str:
    """The kinds that have no rule, and what is therefore said to nobody, in one line; empty: none is left out."""
    there = {rule.kind for rule in pack.rules}
    lacking = {kind: words for kind, words in _UNTOLD.items() if kind not in there}
    if not lacking:
        return ""
    kinds, words = ", ".join(lacking), ", ".join(lacking.values())
    return f"no rule of kind {kinds}: nobody is told {words}; `davy rules default` shows such rules"
