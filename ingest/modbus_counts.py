"""What the poller counts of itself, and the times it lives by."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ingest.modbus_errors import BusError, LinkAway, NoReply, Refused, Unable, WrongReply
from ingest.modbus_schedule import PollCounts


@dataclass(frozen=True, slots=True)
class Clocks:
    """All in microseconds. log: the log's time, which neither stands still nor goes back. utc: since 1970, what
    commands expire by. steady: a clock that only passes, for everything that waits."""

    log: Callable[[], int]
    utc: Callable[[], int]
    steady: Callable[[], int]


@dataclass(slots=True)
class BusCounts:
    """Of all buses, since the start."""

    polls: PollCounts = field(default_factory=PollCounts)
    answered: int = 0
    requests: int = 0
    opened: int = 0
    link_away: int = 0
    no_reply: int = 0
    wrong_reply: int = 0
    refused: int = 0
    unable: int = 0
    writes: int = 0
    commands: int = 0
    commands_sent: int = 0
    commands_failed: int = 0
    commands_expired: int = 0
    releases: int = 0
    releases_failed: int = 0

    def failed(self, why: BusError) -> None:
        if isinstance(why, LinkAway):
            self.link_away += 1
        elif isinstance(why, NoReply):
            self.no_reply += 1
        elif isinstance(why, WrongReply):
            self.wrong_reply += 1
        elif isinstance(why, Refused):
            self.refused += 1
        elif isinstance(why, Unable):
            self.unable += 1

    def figures(self) -> dict[str, float]:
        """For /metrics; those that only grow end in `_total`."""
        return {
            "modbus_polls_due_total": self.polls.due,
            "modbus_polls_on_schedule_total": self.polls.on_schedule,
            "modbus_polls_answered_total": self.answered,
            "modbus_requests_total": self.requests,
            "modbus_connections_opened_total": self.opened,
            "modbus_link_away_total": self.link_away,
            "modbus_no_reply_total": self.no_reply,
            "modbus_wrong_reply_total": self.wrong_reply,
            "modbus_refused_total": self.refused,
            "modbus_unable_total": self.unable,
            "modbus_writes_total": self.writes,
            "modbus_commands_total": self.commands,
            "modbus_commands_sent_total": self.commands_sent,
            "modbus_commands_failed_total": self.commands_failed,
            "modbus_commands_expired_total": self.commands_expired,
            "modbus_releases_total": self.releases,
            "modbus_releases_failed_total": self.releases_failed,
        }
