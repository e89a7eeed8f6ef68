"""What a run did, counted."""

from collections import Counter

import msgspec

from simulators.orders import Taken
from simulators.telemetry import Sender


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """Readings by kind of device, then connections and commands.

    made: measured. sent: handed to the network, repeats included. acknowledged: readings whose message was
    acknowledged, each once. sent_again: sent more than once. forgotten: lost to a full memory or a power failure.
    waiting: not acknowledged yet. malformed: messages on a command topic that are no command.
    """

    made: dict[Sender, int]
    sent: dict[Sender, int]
    acknowledged: dict[Sender, int]
    sent_again: int
    forgotten: int
    waiting: int
    connected: int
    connections: int
    lost_connections: int
    failed_connections: int
    refused_connections: int
    commands: dict[Taken, int]
    replies: int
    malformed: int


class Tally:
    """The counters of a running fleet. Plain numbers that only grow, save `connected`."""

    def __init__(self) -> None:
        self.made: Counter[Sender] = Counter()
        self.sent: Counter[Sender] = Counter()
        self.acknowledged: Counter[Sender] = Counter()
        self.commands: Counter[Taken] = Counter()
        self.sent_again = 0
        self.connected = 0
        self.connections = 0
        self.lost_connections = 0
        self.failed_connections = 0
        self.refused_connections = 0
        self.replies = 0
        self.malformed = 0

    def freeze(self, forgotten: int, waiting: int) -> Stats:
        return Stats(
            made=dict(self.made),
            sent=dict(self.sent),
            acknowledged=dict(self.acknowledged),
            sent_again=self.sent_again,
            forgotten=forgotten,
            waiting=waiting,
            connected=self.connected,
            connections=self.connections,
            lost_connections=self.lost_connections,
            failed_connections=self.failed_connections,
            refused_connections=self.refused_connections,
            commands=dict(self.commands),
            replies=self.replies,
            malformed=self.malformed,
        )
