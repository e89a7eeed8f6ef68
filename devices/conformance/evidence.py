"""What is known of a model: what its papers say, and what its devices did, as counts. storage/ gathers it."""

import msgspec


class Share(msgspec.Struct, frozen=True):
    """`k` of `n` did it."""

    k: int = 0
    n: int = 0


class Papers(msgspec.Struct, frozen=True):
    """Certificates that are in force on the day asked for, by scheme; those that ran out, with the day."""

    in_force: frozenset[str] = frozenset()
    expired: dict[str, str] = {}


class Evidence(msgspec.Struct, frozen=True):
    """Of one model within a time. Devices are those registered and in use; simulated ones count only where the model is
    asked of simulated homes.

    reported: devices that were heard at all, of all. sent: by quantity, devices that sent a good value of it, of those
    that were heard. state: devices that sent a flag of themselves (fault, warm-up, self test, alarm ...), of those that
    did: one that never had occasion to is no evidence. valve_state: heard devices that sent a valve position.
    intervals: report intervals in which a reading came, of those that passed while a device was in use. alarms: alarms
    that the platform had from the device itself (its alarm bits), of high concentrations that its readings showed.
    closings: CLOSE seen closed within the model's deadline, of those that a detector of this model asked for.
    linked_reports: detectors whose linked valve's position was seen, of those with a valve.
    identifiers: devices with such an identifier, of all, by kind (`passive`, `active`).
    latencies_ms: from the CLOSE to seen closed, sorted.
    """

    devices: int = 0
    papers: Papers = Papers()
    claims: frozenset[str] = frozenset()
    reported: Share = Share()
    sent: dict[str, Share] = {}
    state: Share = Share()
    valve_state: Share = Share()
    intervals: Share = Share()
    alarms: Share = Share()
    closings: Share = Share()
    linked: Share = Share()
    linked_reports: Share = Share()
    identifiers: dict[str, Share] = {}
    latencies_ms: tuple[int, ...] = ()
