"""How often somebody may try to sign in.

H1  Nobody is locked out for good, and nobody by others: who signed in before from the same network has an allowance
    there that wrong passwords from elsewhere do not touch.
H2  Guessing is slow: a login has WRONG_AT_ONCE wrong passwords, then one every 1/WRONG_PER_S seconds, over all networks
    together; a network has its own bound over all logins.
"""

import math
from collections import OrderedDict
from collections.abc import Callable

from api.problems import TOO_MANY, Problem
from api.rates import Rates

#: NIST SP 800-63B-4, 3.2.2, allows at most 100 consecutive failures; ours are fewer at a time. Source: product choice.
WRONG_AT_ONCE, WRONG_PER_S = 20, 1 / 30
TRIES_AT_ONCE, TRIES_PER_S = 60, 1.0
MOST_KEPT = 20_000


class Throttle:
    """`clock_s` counts seconds, never backwards."""

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._logins = Rates(WRONG_PER_S, WRONG_AT_ONCE, MOST_KEPT, clock_s)
        self._at_home = Rates(WRONG_PER_S, WRONG_AT_ONCE, MOST_KEPT, clock_s)
        self._networks = Rates(TRIES_PER_S, TRIES_AT_ONCE, MOST_KEPT, clock_s)
        self._known: OrderedDict[str, None] = OrderedDict()

    def admit(self, login: str, network: str) -> None:
        """Raises Problem (429) for one try too many."""
        wait_s = max(self._networks.wait_s(network), self._of(login, network).wait_s(self._name(login, network)))
        if wait_s > 0.0:
            raise Problem(TOO_MANY, "Too many tries to sign in", retry_after_s=math.ceil(wait_s))
        self._networks.take(network)

    def failed(self, login: str, network: str) -> None:
        self._of(login, network).take(self._name(login, network))

    def succeeded(self, login: str, network: str) -> None:
        """H1."""
        place = f"{login} {network}"
        self._known[place] = None
        self._known.move_to_end(place)
        if len(self._known) > MOST_KEPT:
            self._known.popitem(last=False)

    def _of(self, login: str, network: str) -> Rates:
        return self._at_home if f"{login} {network}" in self._known else self._logins

    def _name(self, login: str, network: str) -> str:
        place = f"{login} {network}"
        return place if place in self._known else login
