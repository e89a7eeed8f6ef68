"""A link that goes away and comes back: opened when there is something to ask, closed after what put it out of step.

K1  One request at a time, and between two the least pauses of the link and of the unit.
K2  After a connection was ended by no reply, a wrong reply or the other side, the next request opens a new one. Every
    connection to a serial line (or to a serial server, which may pass a late reply on to its next client) begins with
    input being discarded until it has been quiet for as long as a reply may take that is still under way: that of the
    request with which the last connection ended, or, where nothing is known of it (at the start too), of the slowest.
K3  A link that cannot be opened, or hangs up twice in a row, is left alone for 0.2 s, then twice as long each time, up
    to 15 s, with jitter. The first reply ends that, and so does a wrong one: somebody is there, and the units that
    reply so are left alone each for itself (modbus_health H2). After the first hang-up it is in doubt, and somebody who
    answered before is asked at once: where one unit makes its gateway hang up, the others are not to pay for it. A
    command waits for none of this: it may be tried as long as the link can be opened.
K4  The link is down when it was away, or nothing has been reached since the start, for `down_after_s`; and up again at
    the first thing that shows it: a reply, or a unit's silence on a connection that holds. A wrong reply shows nothing:
    it takes down no link that is up, and brings up none that is down. One that nobody was asked on for want of units
    is not known to be down any more: if it is, that is told again.
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
from ingest.modbus_errors import BusError, LinkAway, WrongReply
from ingest.modbus_wire import AllowList, Wire, open_wire

#: Product choices.
CONNECT_WITHIN_S = 3.0
LONGEST_REPLY_S = 1.0
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
        #: How long the slowest reply on it may take (K2).
        self.longest_reply_s = LONGEST_REPLY_S
        #: Why it is left alone now; empty while it is not, or has not been tried.
        self.away = ""
        #: Why it could not be opened when that was last tried; otherwise empty, and then commands may be tried.
        self.shut = ""
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
        #: What became of the last request that was not answered; empty since anything was reached.
        self._why = ""
        #: Requests could not be tried, and nothing was reached since: `on_back` is owed.
        self._was_away = False
        #: How long a reply may still come after the last connection; None: nobody knows.
        self._quiet_s: float | None = None
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

    def begin_anew(self) -> None:
        """There is somebody to ask again (K4)."""
        if self._told is False:
            self._told, self._unreached_us, self._open_us = None, self._clocks.steady(), 0

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
            self._on_down(self.away or self._why or "nothing has answered yet")

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
            if self.address.framing is not Framing.TCP:
                quiet_s = self.longest_reply_s if self._quiet_s is None else self._quiet_s
                await wire.quiet(quiet_s, _QUIET_TIMES * quiet_s)
        except LinkAway as why:
            self._counts.failed(why)
            self.shut = str(why)
            self._leave_alone(why)
            raise
        self._wire, self._quiet_s, self.shut = wire, None, ""

    def _failed(self, why: BusError, within_s: float) -> None:
        """What an unsuccessful request says of the link; the unit's side of it is not told here."""
        self._counts.failed(why)
        self._why = f"a wrong reply: {why}" if isinstance(why, WrongReply) else str(why)
        if not self._is_open():
            self._quiet_s = within_s
        if isinstance(why, LinkAway):
            if self._unreached_us is None:
                self._unreached_us = self._clocks.steady()
            if self._in_doubt or self.away:
                self._leave_alone(why)
            else:
                self._in_doubt = True
            return
        self._in_doubt = False
        if isinstance(why, WrongReply):
            self.away, self._open_us = "", 0
        else:
            self._reached()

    def _leave_alone(self, why: LinkAway) -> None:
        """K3."""
        now_us = self._clocks.steady()
        self.away, self._in_doubt, self._was_away = str(why), False, True
        if self._unreached_us is None:
            self._unreached_us = now_us
        most_s = min(MOST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(self._failures, 10))
        self._failures += 1
        self._open_us = now_us + round(most_s * self._random.uniform(0.5, 1.0) * 1_000_000)

    def _reached(self) -> None:
        self._in_doubt, self._why = False, ""
        if self._told and not self._failures and self._unreached_us is None:
            return
        back = self._was_away or self._told is not True
        self._was_away = False
        self.away, self._failures, self._open_us, self._unreached_us = "", 0, 0, None
        if self._told is not True:
            self._told = True
            self._on_up()
        if back:
            self._on_back()
