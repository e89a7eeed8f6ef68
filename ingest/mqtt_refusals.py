"""Every refusal is counted by its reason; so many a second are logged, so that an attack does not fill the disk."""

import structlog

from ingest.mqtt_limits import EndpointCounts, Why

_log = structlog.get_logger("davy.mqtt")

#: These are the ordinary course of things, not worth a warning.
_ORDINARY = frozenset({Why.TAKEN_OVER, Why.SHUTTING_DOWN, Why.KEEP_ALIVE, Why.WITHHELD})


class RefusalLog:
    """Counts all, logs at most `lines_per_s` of a second and then says how many it kept back."""

    def __init__(self, counts: EndpointCounts, lines_per_s: int) -> None:
        self._counts = counts
        self._most = lines_per_s
        self._left = lines_per_s
        self._kept_back = 0

    def refuse(self, why: Why, words: str, peer: object, identity: str) -> None:
        self._counts.refused[why] += 1
        if self._left <= 0:
            self._kept_back += 1
            return
        self._left -= 1
        say = _log.info if why in _ORDINARY else _log.warning
        say("mqtt refused", why=why.value, words=words, peer=peer, identity=identity)

    def next_second(self) -> None:
        """A second is over: the budget is whole again."""
        if self._kept_back:
            _log.warning("mqtt refusals not logged one by one", count=self._kept_back)
        self._left, self._kept_back = self._most, 0
