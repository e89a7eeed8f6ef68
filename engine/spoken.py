"""What links and devices said besides readings, as events for the rules.

P1  All of it has the time of the cycle, and comes before the cycle's readings: a position that came in the same take
    as `sent` was read after the command had left (ingest/links, Arrivals.sent).
P2  In the store's reserve replies are heard only of valves whose closing is wanted, and no bytes of a bad one are
    kept: they cannot be offered again, and must not fill what is kept for alarms.
"""

from collections.abc import Sequence

import numpy as np

from devices.codecs.reply import decode_reply
from engine.memory import Memory
from engine.records import Quarantined
from engine.taken import Taken
from ingest.links import Arrivals
from rules.events import (
    AttemptAcknowledged,
    AttemptFailed,
    AttemptSent,
    Connected,
    LinkDown,
    LinkEvent,
    LinkUp,
    Replied,
    SessionLost,
)

#: A reply has two short fields.
MOST_RAW_REPLY_BYTES = 1_024


def reply_source(source: str) -> str:
    """Under what a source's replies are counted."""
    return f"{source}:reply"


def spoken(
    taken: Sequence[Taken], memory: Memory, now: int, *, in_reserve: bool
) -> tuple[list[LinkEvent], list[Quarantined]]:
    """Events in the order in which they are judged, and the replies that cannot be understood."""
    events: list[LinkEvent] = []
    quarantined: list[Quarantined] = []
    for one in taken:
        events += _of_the_way(one.arrivals, now)
        events += [AttemptSent(at=now, command=command) for command in one.arrivals.sent]
        events += [AttemptFailed(at=now, command=command, reason=why) for command, why in one.arrivals.failed]
        events += [
            Connected(at=now, device_no=no) for no in one.arrivals.connected if not in_reserve or _wanted(memory, no)
        ]
        events += [AttemptAcknowledged(at=now, command=command) for command in one.arrivals.acknowledged]
        for no, payload in one.arrivals.replies:
            if in_reserve and not _wanted(memory, no):
                continue
            reply = decode_reply(payload)
            if isinstance(reply, str):
                raw = b"" if in_reserve else payload[:MOST_RAW_REPLY_BYTES]
                quarantined.append(Quarantined(now, reply_source(one.arrivals.source), no, reply, raw))
            else:
                events.append(Replied(at=now, command=reply.id, device_no=no, valve=reply.position))
    return events, quarantined


def _of_the_way(arrivals: Arrivals, now: int) -> list[LinkEvent]:
    """Of the gateway or broker itself. What is in both lists was down, and is up again."""
    events: list[LinkEvent] = [LinkDown(at=now, device_no=no, reason=why) for no, why in arrivals.down]
    events += [LinkUp(at=now, device_no=no) for no in arrivals.up]
    events += [SessionLost(at=now, device_no=no, reason=why) for no, why in arrivals.session_lost]
    return events


def _wanted(memory: Memory, device_no: int) -> bool:
    """The closing of this valve is wanted."""
    slots = memory.fleet.slots(np.array([device_no], np.int32))
    return int(slots[0]) in memory.state.wanted_by_slot
