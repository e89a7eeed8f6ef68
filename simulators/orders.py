"""What a device does not obey: a command that came too late, was overtaken by a newer one, or was run already."""

from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from devices.commands import Command

#: Command ids a device remembers. The interlock repeats an attempt with new ids about every 15 s: a quarter of an hour.
REMEMBERED_IDS = 64

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Taken(StrEnum):
    """What a device did with a command, and so why it did not move."""

    CLOSING = "closing"
    ALREADY_CLOSED = "already closed"
    STUCK = "stuck"
    EXPIRED = "expired"
    STALE = "an older epoch"
    REPEATED = "a repeated id"
    PERMITTED = "opening by hand permitted"
    RUNNING = "running"
    NO_POWER = "no power"
    NOT_MINE = "a verb this device does not know"


class Orders:
    """The newest epoch and the last ids of one device."""

    def __init__(self) -> None:
        self._epoch = 0
        self._ran: OrderedDict[str, None] = OrderedDict()

    def refuse(self, command: Command, now_us: int) -> Taken | None:
        """Why a command is not run at `now_us` of the device's own clock (microseconds UTC); None: it is to be run, and
        is remembered."""
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
        return None


def instant_us(text: str) -> int:
    """An RFC 3339 instant as microseconds since 1970 UTC. A text that is none lies before every clock, so that a
    command with a broken expiry is expired."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return -(1 << 63)
    return (instant - _EPOCH) // _MICROSECOND if instant.tzinfo is not None else -(1 << 63)
