"""What every payload codec returns: columns for what could be read, a reason for what could not."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from devices.readings import Rows


class Refused(NamedTuple):
    """A payload that is no reading. `reason` names place and cause, and goes to quarantine beside the raw bytes."""

    message: int
    reason: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """rows: shape (n,), READING; the codec fills boot, seq (a number, or a 63-bit hash, or NO_SEQ where the device
    sent neither sequence nor time), device_ts (or NO_TIME), quantities, valve, flags and quality. Device number and
    the times that are ours stay zero.
    message: shape (n,), i4, ascending: the index of the payload each row came from (an array payload gives several).
    hashed: shape (n,), bool: seq is a hash, so it orders nothing.
    extra: (row, JSON object bytes).
    refused: a payload is either rows or refused, never both: an array with one bad element is refused whole.
    """

    rows: Rows
    message: NDArray[np.int32]
    hashed: NDArray[np.bool_]
    extra: tuple[tuple[int, bytes], ...]
    refused: tuple[Refused, ...]
