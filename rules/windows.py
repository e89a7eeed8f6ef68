"""What expressions remember of every device: buckets of windows, doses, since when something is true, votes.

Arrays by name, each of shape (slots, ...). What a rule that is edited still asks for is kept by its canonical text.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.kernels import Compiled


class Windows:
    """Mutable, private to one state."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled

    def silent(self, slots: NDArray[np.int32]) -> None:
        """These devices have fallen silent: where they voted no, nobody knows now, until their next live reading."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything remembered, for a snapshot (not copied)."""
        return {}

    @classmethod
    def thawed(cls, compiled: Compiled, arrays: dict[str, NDArray[Any]]) -> "Windows":
        """Raises ValueError when the arrays are of other rules or another fleet."""
        return cls(compiled)

    def reshaped(self, compiled: Compiled) -> "Windows":
        """For a registry or rules that are others now: what is the same in both is kept."""
        return Windows(compiled)
