"""What expressions remember of every device: buckets of windows, doses, since when something is true, votes.

K1  Arrays by name, each of shape (slots, ...), all zero for a device of which nothing is known. What a rule that is
    edited still asks for is kept by its canonical text (rules/evaluation/program.py P2); what is new starts empty.
K2  Of a device that no rule asks for any more (its class is another one now, or it left the registry) nothing is kept.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.evaluation.kernels import Compiled
from rules.evaluation.memories import Memory
from rules.evaluation.votes import Votes


class Windows:
    """Mutable, private to one state."""

    def __init__(self, compiled: Compiled) -> None:
        self.compiled = compiled
        self.memories: dict[str, Memory] = {key: keeper.make() for key, keeper in compiled.program.keepers.items()}

    def silent(self, slots: NDArray[np.int32]) -> None:
        """These devices have fallen silent: where they voted no, nobody knows now, until their next live reading."""
        for memory in self.memories.values():
            if isinstance(memory, Votes):
                memory.silent(slots)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything remembered, for a snapshot (not copied)."""
        return {
            f"{key}/{name}": array for key, memory in self.memories.items() for name, array in memory.arrays().items()
        }

    @classmethod
    def thawed(cls, compiled: Compiled, arrays: dict[str, NDArray[Any]]) -> "Windows":
        """Raises ValueError when the arrays are of other rules or another fleet."""
        found = cls(compiled)
        mine = found.arrays()
        if mine.keys() != arrays.keys():
            other = sorted(mine.keys() ^ arrays.keys())[0]
            raise ValueError(f"the snapshot was taken under other rules: {other} is not in both")
        for name, array in arrays.items():
            if array.shape != mine[name].shape or array.dtype != mine[name].dtype:
                raise ValueError(f"the snapshot's {name} is {array.dtype}{array.shape}, not {mine[name].dtype}")
        for key, memory in found.memories.items():
            memory.put({name: arrays[f"{key}/{name}"].copy() for name in memory.arrays()})
        return found

    def reshaped(self, compiled: Compiled) -> "Windows":
        """For a registry or rules that are others now: what is the same in both is kept. These windows are not to be
        used any more: what needs not be laid out anew is taken over, not copied."""
        found = Windows(compiled)
        for key, memory in found.memories.items():
            old = self.memories.get(key)
            if old is None:
                continue
            asked = compiled.program.keepers[key].kept[compiled.class_of]
            before = self.compiled.program.keepers[key].kept[self.compiled.class_of]
            memory.put(
                {name: _laid_out(array, old.arrays()[name], asked, before) for name, array in memory.arrays().items()}
            )
        return found


def _laid_out(
    empty: NDArray[Any], old: NDArray[Any], asked: NDArray[np.bool_], before: NDArray[np.bool_]
) -> NDArray[Any]:
    """asked, before: per slot, whether something is remembered, now and so far (else it is zero already: K2)."""
    if len(empty) == len(old):
        old[before & ~asked] = 0
        return old
    kept = np.flatnonzero(before & asked[: len(before)])
    empty[kept] = old[kept]
    return empty
