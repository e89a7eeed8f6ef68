"""Whose token is this? The administrator's is known here; a person's or a program's to api/known.py; a device's to the
engine.

T1  A token is compared as its SHA-256, in constant time; neither is logged or kept in clear.
T2  The engine's yes to a device token is believed for `lives_s`: a device that pushes often costs the engine one
    question per `lives_s`. The token's hash goes to the engine with every push and is looked at there again: what was
    revoked brings in nothing from that moment, whatever is believed here.
T3  Only a yes is kept, under an identity the topic grammar allows and for that identity alone: at most MOST_KEPT of
    them, each below 1 KiB whatever was asked and however many devices stand behind a gateway. The oldest leave first.
T4  A no costs one question to the engine, and its network address one of `failures`: who has none left is told to wait
    and the engine is not asked. A token that is believed already is not held up by its neighbours' failures.
"""

import hmac
import ipaddress
import math
from collections import OrderedDict
from collections.abc import Callable

from access.principals import Administrator, Anonymous, DevicePrincipal, Principal
from api.door import Door
from api.people import People
from api.problems import TOO_MANY, Problem
from api.rates import Rates
from devices.sites import token_sha256
from devices.topics import ID_PATTERN

#: Answers kept: every device of a large fleet that pushes within two seconds (source: product choice; at most 20 MiB).
MOST_KEPT = 20_000
#: A token of ours has 43 characters; nothing longer than this is one, so it is not even hashed (product choice).
MOST_TOKEN_LENGTH = 512
#: Wrong device tokens that one network address may send: so many at once, so many a second. Far above what a fleet
#: with some revoked devices behind one proxy sends, far below what would keep the engine busy (product choice).
FAILURES_AT_ONCE, FAILURES_PER_S = 100, 50.0
#: Addresses whose failures are remembered (product choice; about 1 MiB).
MOST_ADDRESSES = 4_096


class Tokens:
    """`clock_s` counts seconds, never backwards."""

    def __init__(
        self,
        door: Door,
        administrator_sha256: str,
        lives_s: float,
        clock_s: Callable[[], float],
        people: People | None = None,
    ) -> None:
        self._door = door
        self._people = people
        self._administrator_sha256 = administrator_sha256
        self._lives_s = lives_s
        self._clock_s = clock_s
        self._kept: OrderedDict[tuple[str, str], tuple[float, DevicePrincipal]] = OrderedDict()
        self._failures = Rates(FAILURES_PER_S, FAILURES_AT_ONCE, MOST_ADDRESSES, clock_s)

    async def person(self, token: str) -> Principal:
        """Who signed in with it, the program whose key it is, the administrator, or nobody."""
        if self._people is not None and (found := await self._people.who(token)) is not None:
            return found
        if 0 < len(token) <= MOST_TOKEN_LENGTH and self._is_administrators(token_sha256(token)):
            return Administrator()
        return Anonymous()

    async def device(self, identity: str, token: str, address: str) -> Principal:
        """The device, or its gateway, if the token is one of theirs; the administrator if it is that one.
        Raises Problem (429) for an address that has sent too many wrong tokens; EngineAway."""
        if not 0 < len(token) <= MOST_TOKEN_LENGTH:
            return Anonymous()
        hashed = token_sha256(token)
        if self._is_administrators(hashed):
            return Administrator()
        if not all(ID_PATTERN.match(part) for part in identity.split("/", 1)):
            return Anonymous()
        asked_s = self._clock_s()
        kept = self._kept.get((identity, hashed))
        if kept is not None and asked_s < kept[0]:
            return kept[1]
        return await self._ask(identity, token, hashed, network_of(address))

    async def _ask(self, identity: str, token: str, hashed: str, network: str) -> Principal:
        wait_s = self._failures.wait_s(network)
        if wait_s > 0.0:
            raise Problem(TOO_MANY, "Too many wrong tokens came from this address", retry_after_s=math.ceil(wait_s))
        asked_s = self._clock_s()
        answer = await self._door.ask(lambda door: door.authenticate(identity, token))
        self._kept.pop((identity, hashed), None)
        if not answer.identity:
            self._failures.take(network)
            return Anonymous()
        known = DevicePrincipal(answer.identity, frozenset({identity}.intersection(answer.may_publish_for)))
        self._kept[identity, hashed] = (asked_s + self._lives_s, known)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return known

    def _is_administrators(self, hashed: str) -> bool:
        return hmac.compare_digest(hashed, self._administrator_sha256)


def network_of(address: str) -> str:
    """Whose failures count together: an IPv4 address, or the /64 of an IPv6 address, which is one subscriber's."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or parsed.packed[:8].hex())
