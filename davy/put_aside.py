"""Brokers that were put aside: taken out of the file of brokers, or gateways whose bus was taken from them.

P1  Whoever reaches out to a gateway says when it is down and when it is up again. When nobody does any more, nobody can
    say the latter: so an alarm that it is down, from before or by a last word that was still under way, is ended here.
P2  A gateway with an address is not looked at: about that the rules know (rules/life/way_in.py, W3).
P3  While the file of brokers has a fault nobody knows whom it was to name, so nothing is said to be up.
"""

from collections.abc import Callable

import numpy as np

from devices.commands import Command
from devices.fleet import Fleet
from devices.models import DeviceKind
from ingest.links import Arrivals, Sending, Settled
from rules.life.lifecycle import IS_ACTIVE
from rules.stepping.state import State


class PutAside:
    """Implements ingest.links.Link. It brings nothing but this word, and carries nothing."""

    name = "put aside"

    def __init__(self, state: Callable[[], State], named: frozenset[str] | None) -> None:
        """`named`: identities of gateways that stand for a usable broker; None: that is not known (P3)."""
        self._state = state
        self._named = named
        self._slots = np.zeros(0, np.intp)

    def replace(self, fleet: Fleet) -> None:
        """A new registry holds from now on."""
        named = self._named
        if named is None:
            return
        nobodys = [
            slot
            for slot in fleet.slots_where(lambda model: model.kind is DeviceKind.GATEWAY)
            if (device := fleet.devices[slot]) and not device.address and device.identity not in named
        ]
        self._slots = np.array(nobodys, np.intp)

    def take(self, most: int) -> Arrivals | None:
        state = self._state()
        rule = state.compiled.link_down
        if rule < 0 or not len(self._slots):
            return None
        down = self._slots[IS_ACTIVE[state.phase[self._slots, rule]]]
        return Arrivals(self.name, up=state.fleet.device_no[down].tolist()) if len(down) else None

    def settle(self, arrivals: Arrivals, settled: Settled) -> None:
        """Nothing was asked for."""

    def send(self, device_no: int, command: Command, expires_us: int) -> Sending:
        return Sending.UNREACHABLE
