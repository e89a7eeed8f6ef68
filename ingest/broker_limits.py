"""Every bound of a link to a broker, its times, and what it counts. At no bound is a message lost that was read."""

from dataclasses import dataclass

KIB = 1024


@dataclass(frozen=True, slots=True)
class BrokerLimits:
    """Product choices unless a source is named. Sizes in bytes; beside each, what happens at it."""

    #: The most that is taken out of a socket at once; with `gather_s` between two reads a partition can bring 128 MB/s.
    read_bytes: int = 256 * KIB
    #: After a read the socket is left alone for this long, so that what follows comes in one read: 0.7 us a message
    #: instead of 4 to 16. The first message after a silence is never delayed.
    gather_s: float = 0.002
    #: Read and not settled, of one partition, what ended connections left behind included. At it: the socket is not
    #: read, the broker keeps the rest.
    unsettled_bytes: int = 16 * KIB * KIB
    #: Messages of the same. Packet identifiers end at 65,535 (MQTT 5.0, 2.2.1), QoS 0 has none. At it: as above.
    unsettled_messages: int = 65_535
    #: Messages of one take of the link, all partitions together: a quarter of a cycle, so that no broker's backlog
    #: keeps others out. At it: the rest waits for the next cycle, which follows at once.
    take_messages: int = 2_048
    #: A larger message is not kept whole: its beginning goes to quarantine, and the broker gets its acknowledgement,
    #: for a message that cannot be taken would come back for ever.
    packet_bytes: int = 1024 * KIB
    #: How much of such a message is kept; what the intake keeps of any. (Until its end a little more is held, as far as
    #: a topic and the packet identifier may reach: without them it could not be acknowledged.)
    kept_of_large_bytes: int = 64 * KIB
    #: The most that a packet which is no message may have: it is held whole, also before we are let in. Above it: the
    #: connection ends.
    control_bytes: int = 64 * KIB
    #: Topics whose device is known without looking: a fleet's. At it: forgotten and learnt again.
    topics_known: int = 250_000
    #: Commands that wait for the broker's receive maximum. At it: the next is unreachable, and is attempted again.
    commands_waiting: int = 1_024
    #: Application acknowledgements leave so often, for each device only the newest of each boot,
    acks_every_s: float = 0.1
    #: and so many each time: 10,000 a second. At it: the rest leaves the next time, the oldest first.
    acks_at_once: int = 1_000
    #: Bytes written that the broker has not read. At it: no application acknowledgement is written, and the broker is
    #: not read; after `connect_within_s` of that the connection ends. PUBACKs of all `unsettled_messages` fit.
    outbound_bytes: int = 256 * KIB
    #: A message that was withheld (the store is in its reserve) holds up every acknowledgement after it, until it is
    #: offered again on a new connection (MQTT 5.0, 4.4: on a live one it never is). At it: such a connection is made.
    withheld_for_s: float = 30.0
    #: From the loss of a connection until people are told: a broker that restarts is back by then.
    down_after_s: float = 3.0
    #: To connect, shake hands, be let in and be subscribed, each.
    connect_within_s: float = 10.0
    #: From our goodbye to the broker's closing. At it: closed by us.
    close_within_s: float = 2.0
    #: The pause before another attempt doubles from the first to the second, and is between half of it and all of it.
    backoff_s: tuple[float, float] = (0.2, 5.0)
    #: The same where the broker refuses us or has let another in under our name: it will not change its mind at once.
    refused_backoff_s: tuple[float, float] = (5.0, 30.0)
    #: A connection that held so long was a good one: the pauses begin anew.
    steady_after_s: float = 10.0
    #: So many connections one after the other that the broker let in and closed before they were steady: perhaps
    #: another client has our name, and people are told. (MQTT 5 has a reason for it, 0x8E; Mosquitto 2.0 is silent.)
    short_ones: int = 3
    #: How often each partition is looked at: its silence, its task, its withheld messages.
    watch_every_s: float = 0.25


@dataclass(slots=True)
class BrokerCounts:
    """What happened since the start."""

    messages: int = 0
    message_bytes: int = 0
    replies: int = 0
    strangers: int = 0
    retained: int = 0
    too_large: int = 0
    redelivered: int = 0
    acknowledged: int = 0
    acknowledgements_dropped: int = 0
    connections: int = 0
    connections_lost: int = 0
    refused: int = 0
    taken_over: int = 0
    sessions_lost: int = 0
    readers_restarted: int = 0
    pauses: int = 0
    commands_sent: int = 0
    commands_failed: int = 0
    application_acks: int = 0
