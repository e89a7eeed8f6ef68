"""What valves and people do in a backtest: the answers that follow a decision, each at its own time.

W1  An answer comes at least `soonest_us` after the decision that it answers. So whoever steps less than that at once
    can always give answers in the order of times, and results do not depend on how history is cut into steps.
W2  Only a valve that takes commands answers. What it said in history of its position followed the commands of then, so
    `positions` leaves it out: in a backtest it stands where the backtest has put it.
"""

import heapq
from collections.abc import Iterable

import msgspec
import numpy as np
from numpy.typing import NDArray

from devices.fleet import MICROSECONDS, Fleet
from devices.models import Actuator
from devices.quantities import ValvePosition
from devices.readings import Rows
from rules.decisions import (
    AlarmChanged,
    AlarmRaised,
    AlarmState,
    AttemptRequested,
    Change,
    CloseWanted,
    Decision,
    WantedEnded,
)
from rules.events import AttemptAcknowledged, AttemptSent, Event, Replied
from rules.history.backtest_types import Assumed
from rules.instructions import Acknowledge, Reset

#: A valve's stroke is taken as this share of the time within which its model promises to be seen closed: a valve that
#: keeps its promise with room to spare. Source: product choice.
STROKE_SHARE = 0.5
#: No answer comes sooner. Source: product choice.
LEAST_US = MICROSECONDS
_WHO = "backtest"


class World:
    """What is going to be answered. Private to one run. `given`: what people are known to have done."""

    def __init__(self, fleet: Fleet, assumed: Assumed, given: Iterable[Event] = ()) -> None:
        self._fleet, self._assumed = fleet, assumed
        #: (when, number, what, the wanted position it is about or empty)
        self._coming: list[tuple[int, int, Event, str]] = []
        self._number = 0
        self._hears_by: dict[str, int] = {}
        #: The newest attempt of each wanted position: that is what is answered.
        self._newest: dict[str, str] = {}
        after_s = assumed.acknowledge_after_s
        self._after_us = 0 if after_s is None else max(LEAST_US, round(after_s * MICROSECONDS))
        answers = [valve.actuator for valve in fleet.valves.values()] if assumed.valves_answer else []
        delays = [_stroke_us(actuator) for actuator in answers] + ([self._after_us] if self._after_us else [])
        self.soonest_us = min(delays, default=1 << 62)
        for event in given:
            self._plan(event)

    @property
    def next_at(self) -> int:
        return self._coming[0][0] if self._coming else 1 << 62

    def due(self, until: int) -> list[Event]:
        """The answers that come by then, in order."""
        found: list[Event] = []
        while self._coming and self._coming[0][0] <= until:
            _, _, event, wanted = heapq.heappop(self._coming)
            if isinstance(event, AttemptSent | AttemptAcknowledged | Replied):
                event = msgspec.structs.replace(event, command=self._newest.get(wanted, event.command))
            found.append(event)
        return found

    def follow(self, decisions: Iterable[Decision]) -> None:
        """Learn what was decided, and plan what follows from it."""
        for one in decisions:
            match one:
                case CloseWanted():
                    self._hears_by[one.wanted] = one.hears_by
                case AttemptRequested() if self._assumed.valves_answer:
                    first = one.wanted not in self._newest
                    self._newest[one.wanted] = one.command
                    if first:
                        self._answer(one)
                case WantedEnded():
                    self._newest.pop(one.wanted, None)
                    self._hears_by.pop(one.wanted, None)
                case AlarmRaised() if self._after_us:
                    self._acknowledge(one.alarm, one.at)
                case AlarmChanged(change=Change.REALARMED) if self._after_us:
                    self._acknowledge(one.alarm, one.at)
                case AlarmChanged(state=AlarmState.LATCHED_ACKNOWLEDGED) if self._after_us:
                    self._plan(Reset(at=one.at + self._after_us, id=self._next_id(), by=_WHO, alarm=one.alarm))
                case _:
                    pass

    def _answer(self, one: AttemptRequested) -> None:
        slot = int(self._fleet.slot_of[one.device_no])
        valve = self._fleet.valves.get(slot)
        if valve is None:
            at = one.at + LEAST_US
            self._plan(AttemptSent(at=at, command=one.command), one.wanted)
            self._plan(AttemptAcknowledged(at=at, command=one.command), one.wanted)
            return
        stroke_us = _stroke_us(valve.actuator)
        at = max(one.at, self._hears_by.get(one.wanted, 0)) + stroke_us
        self._plan(AttemptSent(at=at, command=one.command), one.wanted)
        if valve.actuator.reports_position:
            closed = ValvePosition.CLOSED
            self._plan(Replied(at=at, command=one.command, device_no=one.device_no, valve=closed), one.wanted)
        else:
            self._plan(AttemptAcknowledged(at=at, command=one.command), one.wanted)

    def _acknowledge(self, alarm: str, at: int) -> None:
        self._plan(Acknowledge(at=at + self._after_us, id=self._next_id(), by=_WHO, alarm=alarm))

    def _next_id(self) -> str:
        return f"{_WHO}-{self._number}"

    def _plan(self, event: Event, wanted: str = "") -> None:
        heapq.heappush(self._coming, (event.at, self._number, event, wanted))
        self._number += 1


def _stroke_us(actuator: Actuator) -> int:
    return max(LEAST_US, round(STROKE_SHARE * actuator.confirm_within_s * MICROSECONDS))


def commanded(fleet: Fleet) -> NDArray[np.bool_]:
    """Which slots hold a valve that takes commands, shape (slots,)."""
    takes = np.zeros(len(fleet), np.bool_)
    takes[list(fleet.valves)] = True
    return takes


def positions(takes: NDArray[np.bool_], rows: Rows, slots: NDArray[np.int32]) -> NDArray[np.int16]:
    """What the rows say of valves, shape (n,), with nothing known of the positions of `takes` (W2); a fault stays."""
    said = np.ascontiguousarray(rows["valve"])
    unsaid = takes.take(slots) & (said != ValvePosition.FAULT)
    return np.where(unsaid, np.int16(ValvePosition.UNKNOWN), said)
