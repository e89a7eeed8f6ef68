"""A link that goes away and comes back: opened when there is something to ask, closed after what put it out of step.

K1  One request at a time, and between two the least pauses of the link and of the unit.
K2  After a connection was ended by no reply, a wrong reply or the other side, the next request opens a new one. On a
    serial line (or behind a serial server, which may pass a late reply on to its next client) input is then discarded
    until it has been quiet for as long as the reply was waited for.
K3  A link that cannot be opened, or hangs up twice in a row, is left alone for 0.2 s, then twice as long each time, up
    to 15 s, with jitter. The first reply ends that. After the first hang-up it is in doubt, and somebody who answered
    before is asked at once: where one unit makes its gateway hang up, the others are not to pay for it.
K4  The link is down when nothing was reached for `down_after_s`, and up again at the first thing that shows it: a
    reply, or a unit's silence on a connection that holds.
"""

import asyncio
from collections.abc import Callable
from itertools import count
from random import Random

from numpy import uint16
from numpy.typing import NDArray

from devices.addresses import BusAddress, Framing
from devices.registers import Read, WireWrite
from ingest.modbus_counts import BusCounts, Clocks
from ingest.modbus_errors import BusError, LinkAway, NoReply, Refused, TargetSilent, Unable, WrongReply
from ingest.modbus_wire import AllowList, Wire, open_wire

#: Product choices.
CONNECT_WITHIN_S = 3.0
DOWN_AFTER_S = 3.0
FIRST_BACKOFF_S, MOST_BACKOFF_S = 0.2, 15.0
#: K2 gives up on a line that is not quiet after so many times the time it must be quiet for.
_QUIET_TIMES = 5


class Line:
    """The link of one bus. `on_down(reason)`, `on_up()`: K4, each told once per change. `on_back()`: it is reached
    again after requests could not be tried, however short that was."""

    def __init__(
        self,
        address: BusAddress,
        gap_s: float,
        clocks: Clocks,
        random: Random,
        counts: BusCounts,
        on_down: Callable[[str], None],
        on_up: Callable[[], None],
        on_back: Callable[[], None],
        down_after_s: float = DOWN_AFTER_S,
    ) -> None:
        self.address = address
        self.gap_s = gap_s
        #: Why it cannot be reached now; empty while it can, or has not been tried.
        self.away = ""
        self._clocks = clocks
        self._down_after_us = round(down_after_s * 1_000_000)
        self._random = random
        self._counts = counts
        self._on_down, self._on_up, self._on_back = on_down, on_up, on_back
        self._numbers = count(random.randrange(65_535))
        self._wire: Wire | None = None
        #: The last request ended with its connection: nothing is known of the link.
        self._in_doubt = False
        self._failures = 0
        self._open_us = 0
        self._unreached_us: int | None = clocks.steady()
        self._told: bool | None = None
        self._quiet_s = 0.0
        self._ended_us = 0
        self._unit_ended_us: dict[int, int] = {}

    @property
    def is_up(self) -> bool:
        return self._told is True

    def may_ask(self, now_us: int) -> bool:
        """Whether a request may be tried: the link is open, or its back-off is over."""
        return self._is_open() or now_us >= self._open_us

    def hurry(self) -> None:
        """Something urgent waits: end the back-off."""
        self._open_us = 0

    def ready_us(self, unit: int, gap_s: float) -> int:
        """When a request to this unit may leave, by the unit's own least pause."""
        return self._unit_ended_us.get(unit, 0) + round(gap_s * 1_000_000)

    def down_us(self) -> int | None:
        """When it will be called down unless it is reached; None when that is not to come."""
        if self._unreached_us is None or self._told is False:
            return None
        return self._unreached_us + self._down_after_us

    def is_to_be_tried(self, now_us: int) -> bool:
        retry_us = self.retry_us()
        return retry_us is not None and now_us >= retry_us

    def retry_us(self) -> int | None:
        """When a link that is away, or may be, is to be tried; None while there is no reason to."""
        return self._open_us if self.away or self._in_doubt else None

    def look(self, now_us: int) -> None:
        """K4."""
        due_us = self.down_us()
        if due_us is not None and now_us >= due_us:
            self._told = False
            self._on_down(self.away or "nothing has answered yet")

    async def prepare(self, unit: int, gap_s: float) -> None:
        """Open the link when it must be, and wait out the least pauses (K1). Raises LinkAway."""
        if not self._is_open():
            await self._open()
        earliest_us = max(self._ended_us + round(self.gap_s * 1_000_000), self.ready_us(unit, gap_s))
        wait_us = earliest_us - self._clocks.steady()
        if wait_us > 0:
            await asyncio.sleep(wait_us / 1_000_000)

    async def read(self, unit: int, read: Read, within_s: float) -> NDArray[uint16]:
        """After `prepare`. Raises BusError."""
        wire = self._in_use()
        try:
            words = await wire.read(unit, read, within_s)
        except BusError as why:
            self._failed(why, within_s)
            raise
        finally:
            self._after(unit)
        self._reached()
        return words

    async def write(
        self, unit: int, write: WireWrite, within_s: float, allowed: AllowList, left: Callable[[], None]
    ) -> None:
        """After `prepare`; nothing is awaited before the bytes are handed over. Raises BusError, PermissionError."""
        wire = self._in_use()
        self._counts.writes += 1
        try:
            await wire.write(unit, write, within_s, allowed, left)
        except BusError as why:
            self._failed(why, within_s)
            raise
        finally:
            self._after(unit)
        self._reached()

    def close(self) -> None:
        if self._wire is not None:
            self._wire.end(LinkAway("stopped"))
            self._wire = None

    def _is_open(self) -> bool:
        return self._wire is not None and self._wire.ended is None

    def _in_use(self) -> Wire:
        if self._wire is None:
            raise LinkAway("not connected")
        self._counts.requests += 1
        return self._wire

    def _after(self, unit: int) -> None:
        self._ended_us = self._unit_ended_us[unit] = self._clocks.steady()

    async def _open(self) -> None:
        self._wire = None
        try:
            wire = await open_wire(self.address, self._numbers, CONNECT_WITHIN_S)
            self._counts.opened += 1
            self._wire = wire
            if self._quiet_s and self.address.framing is not Framing.TCP:
                await wire.quiet(self._quiet_s, _QUIET_TIMES * self._quiet_s)
        except LinkAway as why:
            self._counts.failed(why)
            self._leave_alone(why)
            raise
        self._quiet_s = 0.0

    def _failed(self, why: BusError, within_s: float) -> None:
        """What an unsuccessful request says of the link; the unit's side of it is not told here."""
        self._counts.failed(why)
        if isinstance(why, LinkAway):
            if self._unreached_us is None:
                self._unreached_us = self._clocks.steady()
            if self._in_doubt or self.away:
                self._leave_alone(why)
            else:
                self._in_doubt = True
            return
        self._in_doubt = False
        if isinstance(why, NoReply | WrongReply) and not isinstance(why, TargetSilent):
            self._quiet_s = within_s
        if isinstance(why, NoReply | Refused | Unable):
            self._reached()

    def _leave_alone(self, why: LinkAway) -> None:
        """K3."""
        now_us = self._clocks.steady()
        self.away, self._in_doubt = str(why), False
        if self._unreached_us is None:
            self._unreached_us = now_us
        most_s = min(MOST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(self._failures, 10))
        self._failures += 1
        self._open_us = now_us + round(most_s * self._random.uniform(0.5, 1.0) * 1_000_000)

    def _reached(self) -> None:
        self._in_doubt = False
        if self._told and not self._failures and self._unreached_us is None:
            return
        back = bool(self.away) or self._told is not True
        self.away, self._failures, self._open_us, self._unreached_us = "", 0, 0, None
        if self._told is not True:
            self._told = True
            self._on_up()
        if back:
            self._on_back()
