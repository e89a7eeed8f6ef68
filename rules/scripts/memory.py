"""What names in a rule script stand for, learned from what was decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from rules import decisions as d
from rules.scripts.devices import Installation

K = TypeVar("K")


@dataclass
class Remembered:
    """The `Known` of script_inputs. Names stand for the newest: what is over can still be spoken of, and refused."""

    installation: Installation
    alarms: dict[tuple[int, str], str] = field(default_factory=dict)
    incidents: dict[str, str] = field(default_factory=dict)
    permits: dict[int, str] = field(default_factory=dict)
    wanteds: dict[int, str] = field(default_factory=dict)
    commands: dict[int, str] = field(default_factory=dict)

    def device(self, name: str) -> int:
        return self.installation.number(name)

    def alarm(self, device: str, rule: str) -> str:
        return _found(self.alarms, (self.device(device), rule), f"no alarm of {rule} was raised at {device}")

    def incident(self, key: str) -> str:
        return _found(self.incidents, key, f"no incident of {key!r} was opened")

    def permit(self, valve: str) -> str:
        return _found(self.permits, self.device(valve), f"no permit for {valve} was requested")

    def wanted(self, valve: str) -> str:
        return _found(self.wanteds, self.device(valve), f"the closing of {valve} was never wanted")

    def command(self, valve: str) -> str:
        return _found(self.commands, self.device(valve), f"nothing was ever sent to {valve}")

    def learn(self, one: d.Decision) -> None:
        match one:
            case d.AlarmRaised():
                self.alarms[one.device_no, one.rule] = one.alarm
            case d.CloseWanted() | d.FanWanted():
                self.wanteds[one.device_no] = one.wanted
            case d.AttemptRequested():
                self.commands[one.device_no] = one.command
            case d.PermitChanged():
                self.permits[one.device_no] = one.permit
            case d.IncidentChanged(change=d.IncidentChange.OPENED):
                self.incidents[one.key] = one.incident
            case _:
                pass


def _found(table: Mapping[K, str], key: K, reason: str) -> str:
    if key not in table:
        raise ValueError(reason)
    return table[key]
