"""What can be wrong with a unit. Set an attribute at any time; it counts from the next request. What can be wrong with
a whole line is said where lines are (line.py, server.py)."""

from dataclasses import dataclass, replace

#: No end to a fault.
FOR_EVER = -1


@dataclass(slots=True)
class UnitFaults:
    """What is wrong with one unit. Several at once are allowed; those of the frame apply in the order listed.

    exception: answer every request with this exception code; 0: none.
    delay_s: answer this much later, and let the line wait meanwhile, as a slow device does.
    late_s: answer this much later, but go on answering others: the reply comes when the client has given up.
    no_reply: hear everything, do what is written, answer nothing.
    dead: hear nothing and do nothing, as a device without power.
    wrong_unit, wrong_transaction, wrong_function: answer in another's name.
    truncated: send this many bytes of the reply's frame only; -1: all of them.
    hang_up: close the connection after the (perhaps truncated) reply.
    bad_check_sum: spoil the check sum (serial lines only).
    noise: these bytes before every reply.
    zero_for_undefined: read 0 where there is no register, instead of exception 2.
    held: what is measured stands still, while the heartbeat goes on.
    dead_heartbeat: the heartbeat stands still.
    swapped_words: numbers of two words have them in the other order.
    replies_left: after so many replies all is well again; FOR_EVER: until somebody says so.
    """

    exception: int = 0
    delay_s: float = 0.0
    late_s: float = 0.0
    no_reply: bool = False
    dead: bool = False
    wrong_unit: bool = False
    wrong_transaction: bool = False
    wrong_function: bool = False
    truncated: int = -1
    hang_up: bool = False
    bad_check_sum: bool = False
    noise: bytes = b""
    zero_for_undefined: bool = False
    held: bool = False
    dead_heartbeat: bool = False
    swapped_words: bool = False
    replies_left: int = FOR_EVER

    def spend(self) -> "UnitFaults":
        """The faults for one request, which then count down."""
        now = replace(self)
        if self.replies_left > 0:
            self.replies_left -= 1
            if self.replies_left == 0:
                self.clear()
        return now

    def clear(self) -> None:
        """All is well."""
        sound = UnitFaults()
        for name in UnitFaults.__slots__:
            setattr(self, name, getattr(sound, name))
