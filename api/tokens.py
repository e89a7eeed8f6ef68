"""Whose token is this? The administrator's is known here; a device's is known to the engine.

T1  A token is compared as its SHA-256, in constant time; neither is logged or kept in clear.
T2  The engine's word on a device token is believed for `lives_s`: a revoked token ends within that time, and a device
    that pushes often costs the engine one question per `lives_s`.
T3  At most MOST_KEPT answers are kept; the oldest leave first.
"""

import hmac
from collections import OrderedDict
from collections.abc import Callable

from access.principals import Administrator, Anonymous, DevicePrincipal, Principal
from api.door import Door
from devices.sites import token_sha256

#: Answers kept: every device of a large fleet that pushes within two seconds (source: product choice; about 10 MiB).
MOST_KEPT = 20_000


class Tokens:
    """`clock_s` counts seconds, never backwards."""

    def __init__(self, door: Door, administrator_sha256: str, lives_s: float, clock_s: Callable[[], float]) -> None:
        self._door = door
        self._administrator_sha256 = administrator_sha256
        self._lives_s = lives_s
        self._clock_s = clock_s
        self._kept: OrderedDict[tuple[str, str], tuple[float, Principal]] = OrderedDict()

    def person(self, token: str) -> Principal:
        """The administrator, or nobody."""
        if token and hmac.compare_digest(token_sha256(token), self._administrator_sha256):
            return Administrator()
        return Anonymous()

    async def device(self, identity: str, token: str) -> Principal:
        """The device `identity`, or its gateway, if the token is one of theirs. Raises EngineAway."""
        known = self.person(token)
        if not token or not isinstance(known, Anonymous):
            return known
        key, asked_s = (identity, token_sha256(token)), self._clock_s()
        kept = self._kept.get(key)
        if kept is not None and asked_s < kept[0]:
            return kept[1]
        answer = await self._door.ask(lambda door: door.authenticate(identity, token))
        if answer.identity:
            known = DevicePrincipal(answer.identity, frozenset(answer.may_publish_for))
        self._kept.pop(key, None)
        self._kept[key] = (asked_s + self._lives_s, known)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return known
