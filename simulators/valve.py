"""Two kinds of valve: one that is told to close, and one that closes by itself.

V1  Nothing here opens a valve but a hand on site (`open_by_hand`). `permit_open` moves nothing.
V2  A command past its expiry, by the valve's own clock, never moves it; nor does one of a lower epoch than it has
    seen; nor one whose id it has already run. Each is still answered with the position.
V3  A self-closing valve has no way to be commanded: it closes unpowered and says why.
V4  The position is what the switch sees: a stuck valve that was told to close still says open.
"""

from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import msgspec

from devices.commands import Command, Verb
from devices.quantities import ValveCause, ValvePosition

Positive = Annotated[float, msgspec.Meta(gt=0)]

#: Command ids a valve remembers. The interlock repeats an attempt with new ids about every 15 s: a quarter of an hour.
REMEMBERED_IDS = 64

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class ShutOffTraits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """stroke_s: from the pulse to the closed switch. Product choice: an electric ball valve for a home takes 2 to 5 s;
    a solenoid takes less than 1 s."""

    stroke_s: Positive = 2.0
    report_s: Positive = 30.0


class SelfClosingTraits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of a CJ/T 447 valve on a 2 kPa supply as vendors print them: over-pressure 8 +- 2 kPa, under-pressure
    0.8 +- 0.2 kPa, over-flow 1.8 x rated, closed within 3 s. Rated 2.5 m3/h: a household meter G2.5."""

    over_pressure_kpa: Positive = 8.0
    under_pressure_kpa: Positive = 0.8
    over_flow_m3h: Positive = 1.8 * 2.5
    close_s: Positive = 1.0
    report_s: Positive = 60.0


class Taken(StrEnum):
    """What a valve did with a command, and so why it did not move."""

    CLOSING = "closing"
    ALREADY_CLOSED = "already closed"
    STUCK = "stuck"
    EXPIRED = "expired"
    STALE = "an older epoch"
    REPEATED = "a repeated id"
    PERMITTED = "opening by hand permitted"
    NOT_MINE = "a verb this valve does not know"


class ShutOffValve:
    """Normally open, closed by a pulse, opened again by hand only."""

    def __init__(self, traits: ShutOffTraits) -> None:
        self.traits = traits
        self.position = ValvePosition.OPEN
        self.cause = ValveCause.UNKNOWN
        #: Told to close, it does nothing: for ever, or for the next `sticks_for` commands.
        self.jammed = False
        self.sticks_for = 0
        self._epoch = 0
        self._ran: OrderedDict[str, None] = OrderedDict()
        self._stroke_left_s = 0.0

    def obey(self, command: Command, now_us: int) -> Taken:
        """Run one command at `now_us` of the valve's own clock (microseconds UTC)."""
        if command.id in self._ran:
            return Taken.REPEATED
        if command.epoch < self._epoch:
            return Taken.STALE
        if now_us >= instant_us(command.expires):
            return Taken.EXPIRED
        self._epoch = command.epoch
        self._ran[command.id] = None
        if len(self._ran) > REMEMBERED_IDS:
            self._ran.popitem(last=False)
        match command.verb:
            case Verb.CLOSE:
                return self._close()
            case Verb.PERMIT_OPEN:
                return Taken.PERMITTED
            case _:
                return Taken.NOT_MINE

    def advance(self, elapsed_s: float) -> None:
        if self.position is not ValvePosition.CLOSING:
            return
        self._stroke_left_s -= elapsed_s
        if self._stroke_left_s <= 0.0:
            self.position, self.cause = ValvePosition.CLOSED, ValveCause.REMOTE

    def open_by_hand(self) -> None:
        self.position, self.cause = ValvePosition.OPEN, ValveCause.UNKNOWN

    @property
    def passes_gas(self) -> bool:
        """Until the switch says closed: the safe side of a seat that is half shut."""
        return self.position is not ValvePosition.CLOSED

    @property
    def moving(self) -> bool:
        return self.position is ValvePosition.CLOSING

    def _close(self) -> Taken:
        if self.position is ValvePosition.CLOSED:
            return Taken.ALREADY_CLOSED
        if self.position is ValvePosition.CLOSING:
            return Taken.CLOSING
        if self.jammed:
            return Taken.STUCK
        if self.sticks_for > 0:
            self.sticks_for -= 1
            return Taken.STUCK
        self.position, self._stroke_left_s = ValvePosition.CLOSING, self.traits.stroke_s
        return Taken.CLOSING


class SelfClosingValve:
    """Closes on what it feels in the pipe (CJ/T 447); only ever reports."""

    def __init__(self, traits: SelfClosingTraits) -> None:
        self.traits = traits
        self.position = ValvePosition.OPEN
        self.cause = ValveCause.UNKNOWN
        self._close_left_s = 0.0

    def advance(self, elapsed_s: float, pressure_kpa: float, flow_m3h: float) -> None:
        """Stand for `elapsed_s` seconds in a pipe at this gauge pressure and flow."""
        if self.position is ValvePosition.OPEN:
            self.cause = self._trips_on(pressure_kpa, flow_m3h)
            if self.cause is ValveCause.UNKNOWN:
                return
            self.position, self._close_left_s = ValvePosition.CLOSING, self.traits.close_s
        if self.position is ValvePosition.CLOSING:
            self._close_left_s -= elapsed_s
            if self._close_left_s <= 0.0:
                self.position = ValvePosition.CLOSED

    def open_by_hand(self) -> None:
        """Lifted by hand. It closes again by itself while its reason lasts."""
        self.position, self.cause = ValvePosition.OPEN, ValveCause.UNKNOWN

    @property
    def passes_gas(self) -> bool:
        return self.position is not ValvePosition.CLOSED

    @property
    def moving(self) -> bool:
        return self.position is ValvePosition.CLOSING

    def _trips_on(self, pressure_kpa: float, flow_m3h: float) -> ValveCause:
        if pressure_kpa >= self.traits.over_pressure_kpa:
            return ValveCause.OVER_PRESSURE
        if pressure_kpa <= 0.0:
            return ValveCause.SUPPLY_LOSS
        if pressure_kpa <= self.traits.under_pressure_kpa:
            return ValveCause.UNDER_PRESSURE
        if flow_m3h >= self.traits.over_flow_m3h:
            return ValveCause.OVER_FLOW
        return ValveCause.UNKNOWN


def instant_us(text: str) -> int:
    """An RFC 3339 instant as microseconds since 1970 UTC. A text that is none lies before every clock, so that a
    command with a broken expiry is expired (V2)."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return -(1 << 63)
    return (instant - _EPOCH) // _MICROSECOND if instant.tzinfo is not None else -(1 << 63)
