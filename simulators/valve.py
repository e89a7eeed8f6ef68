"""Two kinds of valve: one that is told to close, and one that closes by itself.

V1  Nothing here opens a valve but a hand on site (`open_by_hand`). `permit_open` moves nothing: of a valve that locks
    it gives the hand leave, until it expires or a CLOSE comes.
V2  A command past its expiry, by the valve's own clock, never moves it; nor does one of a lower epoch than it has
    seen; nor one whose id it has already run. Each is still answered with the position.
V3  A self-closing valve has no way to be commanded: it closes unpowered and says why.
V4  The position is what the switch sees: a stuck valve that was told to close still says open.
"""

from typing import Annotated

import msgspec

from devices.commands import Command, Verb
from devices.quantities import ValveCause, ValvePosition
from simulators.orders import Orders, Taken, instant_us

Positive = Annotated[float, msgspec.Meta(gt=0)]


class ShutOffTraits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """stroke_s: from the pulse to the closed switch. Product choice: an electric ball valve for a home takes 2 to 5 s;
    a solenoid takes less than 1 s. locks: closed by a command, it is opened by hand only with leave (`permit_open`)."""

    stroke_s: Positive = 2.0
    report_s: Positive = 30.0
    locks: bool = False


class SelfClosingTraits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of a CJ/T 447 valve on a 2 kPa supply as vendors print them: over-pressure 8 +- 2 kPa, under-pressure
    0.8 +- 0.2 kPa, over-flow 1.8 x rated, closed within 3 s. Rated 2.5 m3/h: a household meter G2.5."""

    over_pressure_kpa: Positive = 8.0
    under_pressure_kpa: Positive = 0.8
    over_flow_m3h: Positive = 1.8 * 2.5
    close_s: Positive = 1.0
    report_s: Positive = 60.0


class ShutOffValve:
    """Normally open, closed by a pulse, opened again by hand only."""

    def __init__(self, traits: ShutOffTraits) -> None:
        self.traits = traits
        self.position = ValvePosition.OPEN
        self.cause = ValveCause.UNKNOWN
        #: Told to close, it does nothing: for ever, or for the next `sticks_for` commands.
        self.jammed = False
        self.sticks_for = 0
        self._orders = Orders()
        #: Until when a hand has leave to open it, by its own clock; 0: it has none.
        self._leave_until_us = 0
        self._stroke_left_s = 0.0

    def obey(self, command: Command, now_us: int) -> Taken:
        """Run one command at `now_us` of the valve's own clock (microseconds UTC)."""
        refused = self._orders.refuse(command, now_us)
        if refused is not None:
            return refused
        match command.verb:
            case Verb.CLOSE:
                self._leave_until_us = 0
                return self._close()
            case Verb.PERMIT_OPEN:
                self._leave_until_us = instant_us(command.expires)
                return Taken.PERMITTED
            case _:
                return Taken.NOT_MINE

    def advance(self, elapsed_s: float) -> None:
        if self.position is not ValvePosition.CLOSING:
            return
        self._stroke_left_s -= elapsed_s
        if self._stroke_left_s <= 0.0:
            self.position, self.cause = ValvePosition.CLOSED, ValveCause.REMOTE

    def open_by_hand(self, now_us: int = 0) -> bool:
        """Somebody on site tries, at `now_us` of the valve's own clock. Whether it is open now."""
        locked = self.traits.locks and self.cause is ValveCause.REMOTE and now_us >= self._leave_until_us
        if not locked:
            self.position, self.cause = ValvePosition.OPEN, ValveCause.UNKNOWN
        return not locked

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
