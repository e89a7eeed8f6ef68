"""What every payload codec returns: columns for what could be read, a reason for what could not."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from devices.readings import Rows


class Refused(NamedTuple):
    """A payload that is no reading. `reason` names place and cause, and goes to quarantine beside the raw bytes."""

    message: int
    reason: str


#: No reading said which number is the oldest that its device holds.
_NO_FIRST: NDArray[np.int64] = np.zeros(0, np.int64)
_NO_FIRST.flags.writeable = False


@dataclass(frozen=True, slots=True)
class Decoded:
    """rows: shape (n,), READING; the codec fills boot, seq (a number, or a 63-bit hash, or NO_SEQ where the device
    sent neither sequence nor time), device_ts (or NO_TIME), quantities, valve, flags and quality. Device number and
    the times that are ours stay zero.
    message: shape (n,), i4, ascending: the index of the payload each row came from (an array payload gives several).
    hashed: shape (n,), bool: seq is a hash, so it orders nothing.
    extra: (row, JSON object bytes).
    refused: a payload is either rows or refused, never both: an array with one bad element is refused whole.
    first: shape (n,), i8: the oldest number of its `boot` that the device still holds, -1 where it did not say; or
        shape (0,) when no reading said it.
    """

    rows: Rows
    message: NDArray[np.int32]
    hashed: NDArray[np.bool_]
    extra: tuple[tuple[int, bytes], ...]
    refused: tuple[Refused, ...]
    first: NDArray[np.int64] = field(default_factory=lambda: _NO_FIRST)

    def firsts(self) -> NDArray[np.int64]:
        """`first` with an entry for every row."""
        return self.first if len(self.first) == len(self.rows) else np.full(len(self.rows), -1, np.int64)

    def numbered(self, number: Sequence[int] | NDArray[np.int32]) -> "Decoded":
        """The same with the payloads' numbers in a larger whole; `number` rises."""
        numbers = np.asarray(number, np.int32)
        return replace(
            self,
            message=numbers[self.message] if len(numbers) else self.message,
            refused=tuple(Refused(int(numbers[one.message]), one.reason) for one in self.refused),
        )

    def without(self, message: NDArray[np.bool_]) -> "Decoded":
        """What is left when some payloads are taken out. `message`: (payloads,), True for those."""
        keep = ~message[self.message]
        new_row = np.cumsum(keep) - 1
        return Decoded(
            rows=self.rows[keep],
            message=self.message[keep],
            hashed=self.hashed[keep],
            extra=tuple((int(new_row[row]), body) for row, body in self.extra if keep[row]),
            refused=tuple(one for one in self.refused if not message[one.message]),
            first=self.first[keep] if len(self.first) else self.first,
        )


def merged(parts: Sequence[Decoded]) -> Decoded:
    """Parts of one whole (at least one), whose payloads bear the whole's numbers, in the order of those numbers."""
    if len(parts) == 1:
        return parts[0]
    message = np.concatenate([part.message for part in parts])
    order = np.argsort(message, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    begins = np.cumsum([0, *(len(part.rows) for part in parts)])
    extra = [
        (int(place[begin + at]), body) for part, begin in zip(parts, begins, strict=False) for at, body in part.extra
    ]
    said_first = any(len(part.first) for part in parts)
    return Decoded(
        rows=np.concatenate([part.rows for part in parts])[order],
        message=message[order],
        hashed=np.concatenate([part.hashed for part in parts])[order],
        extra=tuple(sorted(extra)),
        refused=tuple(sorted(one for part in parts for one in part.refused)),
        first=np.concatenate([part.firsts() for part in parts])[order] if said_first else _NO_FIRST,
    )
