"""What is true of one simulated measuring point, in canonical units: the input of the encoder, and what a decoder must
give back."""

import msgspec

#: Quality words that a device says of itself, and the device flag that says the same.
FLAG_OF_STATE = {"sensor_fault": "fault", "warm_up": "warm_up", "inhibited": "inhibit"}


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """values: quantity name -> number in its canonical unit; one that is absent reads 0.
    flags: lower-case names of the device flags that are set, besides those of `state`.
    state: empty, or why nothing that the device measures may be believed (a quality word).
    doubts: quantity -> quality word, for one that is in doubt by itself.
    valve, cause: where its valve stands and why, in the words of the map; empty: it does not say.
    settings: field name -> raw number, as somebody set the device up (a unit code, a number of decimals).
    heartbeat: counts up while the device lives."""

    values: dict[str, float] = {}
    flags: frozenset[str] = frozenset()
    state: str = ""
    doubts: dict[str, str] = {}
    valve: str = ""
    cause: str = ""
    settings: dict[str, float] = {}
    heartbeat: int = 0


#: Nothing is measured, nothing is wrong.
CLEAN = Truth()
