"""The last step of every native codec: readings read one by one, put together in the order of their payloads."""

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from devices.codecs.decoded import Decoded, Refused
from devices.codecs.native_columns import Columns, columns
from devices.codecs.native_fields import encode_extra
from devices.codecs.telemetry import Said
from devices.quantities import Flag
from devices.readings import NO_SEQ, NO_TIME

_SEQ_MASK = 2**63 - 1


@dataclass(slots=True)
class Pile:
    """Readings on their way to columns, aligned by index: the reading, its own bytes, and its payload's index.

    extra, impossible_time: for the few readings that have them, by index.
    refused: payload index -> the first reason; a refused payload gives no reading at all.
    """

    said: list[msgspec.Struct] = field(default_factory=list)
    element: list[bytes] = field(default_factory=list)
    message: list[int] = field(default_factory=list)
    extra: dict[int, dict[str, object]] = field(default_factory=dict)
    impossible_time: set[int] = field(default_factory=set)
    refused: dict[int, str] = field(default_factory=dict)

    def add(self, said: Said, element: bytes, message: int) -> None:
        """One more reading, read strictly."""
        self.said.append(said.telemetry)
        self.element.append(element)
        self.message.append(message)
        self.replace(len(self.said) - 1, said)

    def replace(self, at: int, said: Said) -> None:
        """Put what was read strictly in the place of what was not understood."""
        self.said[at] = said.telemetry
        if said.extra:
            self.extra[at] = said.extra
        if said.impossible_time:
            self.impossible_time.add(at)

    def refuse(self, at: int, reason: str) -> None:
        """Refuse the payload that the reading at `at` is part of."""
        message = self.message[at]
        first, end = bisect_left(self.message, message), bisect_right(self.message, message)
        self.refused[message] = reason if end - first == 1 else f"element {at - first}: {reason}"

    def without_refused(self) -> "Pile":
        """The same readings without those of refused payloads."""
        if not self.refused:
            return self
        kept = [at for at, message in enumerate(self.message) if message not in self.refused]
        place = {old: new for new, old in enumerate(kept)}
        return Pile(
            [self.said[at] for at in kept],
            [self.element[at] for at in kept],
            [self.message[at] for at in kept],
            {place[at]: extra for at, extra in self.extra.items() if at in place},
            {place[at] for at in self.impossible_time if at in place},
            self.refused,
        )


def assemble(pile: Pile, laid_out: Columns | None = None) -> Decoded:
    """Columns of a pile. `laid_out` saves laying it out again when that was done and nothing has changed since."""
    pile = pile.without_refused()
    laid_out = laid_out or columns(pile.said)
    rows = laid_out.rows
    extra = _extras(pile.extra, laid_out.beyond)
    if pile.impossible_time:
        rows["flags"][sorted(pile.impossible_time)] |= Flag.SUSPECT_CLOCK
    hashed = _identify(laid_out, pile.element)
    return Decoded(
        rows=rows,
        message=np.fromiter(pile.message, np.int32, len(pile.message)),
        hashed=hashed,
        extra=tuple((at, encode_extra(extra[at])) for at in sorted(extra)),
        refused=tuple(Refused(message, pile.refused[message]) for message in sorted(pile.refused)),
        first=laid_out.first,
    )


def _extras(
    unknown: Mapping[int, dict[str, object]], beyond: Sequence[tuple[int, str, float]]
) -> dict[int, dict[str, object]]:
    extra = {at: dict(said) for at, said in unknown.items()}
    for at, name, number in beyond:
        extra.setdefault(at, {})[name] = number
    return extra


def _identify(laid_out: Columns, element: Sequence[bytes]) -> NDArray[np.bool_]:
    """Give readings without a sequence number their identity: the hash of their bytes if those hold a time, which
    makes them differ; else none."""
    rows = laid_out.rows
    unnumbered: NDArray[np.bool_] = rows["seq"] == NO_SEQ
    if not unnumbered.any():
        return unnumbered
    timed = (rows["device_ts"] != NO_TIME) | ((rows["flags"] & Flag.SUSPECT_CLOCK) != 0)
    hashed: NDArray[np.bool_] = unnumbered & timed
    for at in np.flatnonzero(hashed).tolist():
        rows["seq"][at] = hash_63(element[at])
    rows["flags"][hashed] |= Flag.HASHED
    rows["flags"][unnumbered & ~timed] |= Flag.NO_IDENTITY
    return hashed


def hash_63(element: bytes) -> int:
    """63 bits of BLAKE2b over a reading's own bytes; the device is the other half of the identity."""
    return int.from_bytes(hashlib.blake2b(element, digest_size=8).digest(), "little") & _SEQ_MASK
