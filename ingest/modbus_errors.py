"""What can go wrong on a bus, as few types as there are ways to go on. All are transient but `Refused`."""


class BusError(Exception):
    """A request on a bus had no result."""


class LinkAway(BusError):
    """The link itself: it cannot be opened, or the other side closed it. Nobody behind it can be reached."""


class NoReply(BusError):
    """The link is there and the unit said nothing in time. The connection must be closed: the reply may still come,
    and would be taken for the next one (pymodbus#538)."""


class TargetSilent(NoReply):
    """The gateway says that the unit did not answer it (exceptions 10 and 11; Modbus application protocol 1.1b3,
    section 7). The unit is silent; the connection is in step and stays."""


class WrongReply(BusError):
    """Something came that is no reply to this request: of another unit or function, of a wrong length, garbled, or
    bytes without end. The connection is out of step and must be closed."""


class Unable(BusError):
    """The device answered that it cannot do it now: failure, acknowledge, busy and the like (exceptions 4 and up)."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the device answers exception {code} ({WORDS.get(code, 'not in the standard')})")
        self.code = code


class Refused(BusError):
    """The device answered that this request is never right: function, address or value (exceptions 1, 2, 3).
    Permanent, as long as the device is what it is."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the device answers exception {code} ({WORDS[code]})")
        self.code = code


#: Exception codes (1.1b3, section 7).
WORDS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledge: it takes long",
    6: "device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}


def refusal(code: int) -> BusError:
    """The error that an exception code means."""
    if code in (10, 11):
        return TargetSilent(f"the gateway answers exception {code} ({WORDS[code]})")
    return Refused(code) if code in (1, 2, 3) else Unable(code)
