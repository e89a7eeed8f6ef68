"""What one client of the stream sees of each event: all of it, some of its fields, or nothing.

What an event is about needs the action that its list needs: who may not read permits hears of none.
"""

from access.authorize import Action, may
from access.fields import STAFF, Resource
from access.principals import Principal
from api.feed import Show
from api.live import Live
from api.seen import Eyes, masked
from api.stream_events import as_event, show_event
from engine.messages import FeedEvent
from rules import decisions as d

_ACTIONS: dict[type[d.Decision], Action] = {
    d.AlarmRaised: Action.READ_ALARMS,
    d.AlarmChanged: Action.READ_ALARMS,
    d.CloseWanted: Action.READ_COMMANDS,
    d.FanWanted: Action.READ_COMMANDS,
    d.WantedEnded: Action.READ_COMMANDS,
    d.AttemptRequested: Action.READ_COMMANDS,
    d.CommandStepped: Action.READ_COMMANDS,
    d.IncidentChanged: Action.READ_INCIDENTS,
    d.PermitChanged: Action.READ_PERMITS,
    d.ShutOffHeld: Action.READ_HELD,
}


def shown_to(live: Live, who: Principal) -> Show:
    """For a stream of `who`'s."""
    eyes = {action: Eyes(who, action) for action in set(_ACTIONS.values())}
    hears_of_rules = may(who, Action.READ_RULES)

    def show(event: FeedEvent, encoded: bytes) -> bytes:
        if isinstance(event.decision, d.RuleNoted):
            return encoded if hears_of_rules else b""
        action = _ACTIONS.get(type(event.decision))
        if action is None or not live.admits(event.owners) or not eyes[action].admit_all(event.owners):
            return b""
        if eyes[action].scope.everything:
            return encoded
        role = eyes[action].role(event.owners[0])
        if role in STAFF:
            return encoded
        shown = show_event(event.decision, event.identity or None)
        return b"" if shown is None else as_event(event.id, masked(role, Resource.EVENT, shown))

    return show
