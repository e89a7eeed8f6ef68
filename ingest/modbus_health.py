"""Who answers and who does not: silence told once, a back-off for the silent, a heartbeat that stands still. Pure:
times are arguments, in microseconds of a clock that only passes.

H1  A station that was not heard for its interval, and did not answer when it was asked (or could not be asked), is
    silent. That is told once, and again only after it has answered (silence is quality).
H2  A unit that does not answer is asked again at its next time, and at the one after that: what the rules call silent
    (three intervals) has been asked three times. From then on it is left alone for twice as long each time, up to
    MOST_HOLD_S, so that its time-outs cost the others little. Its first answer ends that. Commands do not care.
H3  A reply whose heartbeat has stood still for longer than the map allows is STALE, until the heartbeat moves; and so
    is every reply before it was seen to move, because nobody knows for how long it had stood still. So a dead device
    does not come to life by a restart: the price is that after a start the first reading of each device with a
    heartbeat is STALE (its alarm bits act all the same). A change of the registry forgets no heartbeat of a
    measuring point that is read from the same place by the same map.
H4  That a station is not read is logged once for each reason, and at most once a minute; that it is read again is
    logged whenever the contrary was the last word, and only then.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from devices.codecs.frame import FrameState

#: Product choice: a dead unit costs one time-out in so long.
MOST_HOLD_S = 30.0
#: H2: how many times in a row a unit may fail before it is left alone.
_ASKED_ALWAYS = 2
#: A hold of n intervals ends before the n-th time.
_MARGIN = 0.9
#: H4. Product choice.
_SAY_EVERY_US = 60_000_000


@dataclass(slots=True)
class UnitHealth:
    """One unit. `failures`: requests in a row that it did not answer."""

    failures: int = 0
    held_until_us: int = 0

    def failed(self, asked_us: int, interval_us: int) -> None:
        """It was asked then and did not answer. `interval_us`: of the station that asked."""
        self.failures += 1
        if self.failures < _ASKED_ALWAYS:
            return
        doubled = min(2 ** min(self.failures - _ASKED_ALWAYS, 20) * interval_us, max(MOST_HOLD_S * 1e6, interval_us))
        self.held_until_us = asked_us + round(doubled * _MARGIN)

    def answered(self) -> bool:
        """Whether it had failed before."""
        was, self.failures, self.held_until_us = self.failures > 0, 0, 0
        return was


@dataclass(slots=True)
class Beat:
    """The heartbeat of one device. moved_us: when it was last seen to move; None: never."""

    seen: bytes
    moved_us: int | None = None


@dataclass(slots=True)
class StationHealth:
    """One station. heard_us: when it last answered; at first, when it was added. ever: whether it has answered."""

    heard_us: int
    silent: bool = False
    ever: bool = False
    beats: dict[int, Beat] = field(default_factory=dict)
    _said: str = ""
    _said_us: int = -_SAY_EVERY_US

    def carry_over(self, before: "StationHealth", devices: Iterable[int]) -> None:
        """The registry has changed the station. `devices`: its members that are read as before (H3)."""
        self.ever, self._said, self._said_us = before.ever, before._said, before._said_us
        self.beats = {device_no: before.beats[device_no] for device_no in devices if device_no in before.beats}

    def fell_silent(self, now_us: int, interval_us: int) -> bool:
        """It did not answer now: whether that is to be told (H1)."""
        if self.silent or now_us - self.heard_us < interval_us:
            return False
        self.silent = True
        return True

    def answered(self, now_us: int) -> bool:
        """Whether it had been silent."""
        was, self.silent, self.heard_us, self.ever = self.silent, False, now_us, True
        return was

    def to_be_said(self, words: str, now_us: int) -> bool:
        """H4: whether a line on why it is not read is news."""
        if words == self._said or now_us - self._said_us < _SAY_EVERY_US:
            return False
        self._said, self._said_us = words, now_us
        return True

    def to_be_taken_back(self) -> bool:
        """H4: it is read; whether the last line said otherwise."""
        was, self._said = bool(self._said), ""
        return was

    def state(self, device_no: int, beat: bytes, within_s: float, now_us: int) -> FrameState:
        """H3. `beat`: what of the reply must change while the device lives."""
        known = self.beats.get(device_no)
        if known is None:
            self.beats[device_no] = Beat(beat)
            return FrameState.STALE
        if known.seen != beat:
            known.seen, known.moved_us = beat, now_us
            return FrameState.FRESH
        stands = known.moved_us is None or now_us - known.moved_us > within_s * 1_000_000
        return FrameState.STALE if stands else FrameState.FRESH
