"""What an instruction may hold at all, whoever brought it: asked before anything is done.

Y1  Whoever gives one has a name, and says no more at once than can be read. What would be journaled and told to every
    follower is bounded here, not only at the API.
Y2  Whoever ends the attempts to close a valve says why (G6: a named person cancels).
"""

from rules.incidents.words import is_blank, too_long
from rules.instructions import CancelClose, Instruction


def unsayable(said: Instruction) -> str:
    """Why it is not even looked at, or empty."""
    if is_blank(said.by):
        return "nobody gave it: an instruction needs the name of a person"
    for name in said.__struct_fields__:
        value = getattr(said, name)
        if isinstance(value, str) and (refused := too_long(value)):
            return f"{name.replace('_', ' ')}: {refused}"
    if isinstance(said, CancelClose) and is_blank(said.reason):
        return "it needs a reason: say why this valve need not be closed"
    return ""
