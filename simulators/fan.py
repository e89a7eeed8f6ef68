"""An exhaust fan: told to run, it runs until somebody on site switches it off.

W1  FAN_ON is idempotent. A command past its expiry, of a lower epoch than was seen, or whose id it has run already
    changes nothing.
W2  It answers only while it runs: its answer says that it does. Without power it neither runs nor answers.
"""

from typing import Annotated

import msgspec

from devices.commands import Command, Verb
from simulators.orders import Orders, Taken


class FanTraits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """air_changes_per_hour: what it moves, in volumes of the room. Source: product choice."""

    air_changes_per_hour: Annotated[float, msgspec.Meta(gt=0)] = 12.0
    report_s: Annotated[float, msgspec.Meta(gt=0)] = 60.0


class Fan:
    def __init__(self, traits: FanTraits) -> None:
        self.traits = traits
        self.runs = False
        self._orders = Orders()

    def obey(self, command: Command, now_us: int, powered: bool = True) -> Taken:
        """Run one command at `now_us` of the fan's own clock (microseconds UTC)."""
        if not powered:
            return Taken.NO_POWER
        refused = self._orders.refuse(command, now_us)
        if refused is not None:
            return refused
        if command.verb is not Verb.FAN_ON:
            return Taken.NOT_MINE
        self.runs = True
        return Taken.RUNNING

    def switch_off(self) -> None:
        """By hand, or because the power is gone."""
        self.runs = False

    @property
    def air_changes_per_hour(self) -> float:
        return self.traits.air_changes_per_hour if self.runs else 0.0
