"""What the API is told at its start. Frozen; davy/ builds it from the settings."""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from api.external import Provider
from devices.coverage_policy import Policy, load_policies
from storage.sealed import MasterKey


def _now_us() -> int:
    return time.time_ns() // 1_000


def _new_id() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the API, each with what happens at it (G4). All are product choices.

    pushes: pushes that wait for the engine at a time; above it 503 with Retry-After. 64 x 256 KiB is 16 MiB, as much
        as the engine lets wait.
    pushes_of_one: pushes of one sender (a device, or a gateway with all behind it) from its body to its answer; above
        it 429. So sixteen senders at least share the places.
    body_bytes: bytes of pushes that arrive or wait; above it 503. Twice what may wait for the engine.
    requests_per_s, requests_at_once: requests of one device's token; above it 429. A device reports once a second at
        most, and a gateway puts up to 1,000 readings into one push.
    people_per_s, people_at_once: requests of one person or key; above it 429. Closing a valve and acknowledging an
        alarm are never held up.
    strangers_per_s, strangers_at_once: requests of one network to what needs no account; above it 429. Behind a proxy
        everybody is one network.
    streams: open alarm streams; above it 429.
    connections: connections at a time; one above it is answered 503 and closed, above twice as many they are closed
        unheard. Far more than streams and pushes together, so that a person's CLOSE finds room beside them.
    answer_within_s: how long the engine may take for an answer before the client gets 503.
    head_within_s: how long a connection may take to bring a request's head before it is closed.
    body_within_s: how long a body may take to arrive before 408.
    heartbeat_s: silence on an alarm stream before a comment is sent, well below the 30..60 s of usual proxies.
    write_within_s: how long a stream waits for a client that does not read before it is closed.
    backtest_within_s, backtest_bytes: time and memory of a backtest; above it it ends and says so. One runs at a time.
        4 GiB is what a million devices with two versions of the default rules need.
    backtests_kept: results of backtests that this process keeps, about 1 MiB each at most.
    explanations, explain_within_s, explain_bytes: explanations worked out at a time (then 429), and time and memory of
        each. Each is a process of its own that begins with reading the registry.
    token_lives_s: how long the engine's word on a device token is believed. A revoked token ends within that time.
    """

    pushes: int = 64
    pushes_of_one: int = 4
    body_bytes: int = 32 * 1024 * 1024
    requests_per_s: float = 100.0
    requests_at_once: int = 200
    people_per_s: float = 300.0
    people_at_once: int = 600
    strangers_per_s: float = 100.0
    strangers_at_once: int = 400
    streams: int = 256
    connections: int = 4_096
    answer_within_s: float = 10.0
    head_within_s: float = 10.0
    body_within_s: float = 10.0
    heartbeat_s: float = 15.0
    write_within_s: float = 10.0
    backtest_within_s: float = 3_600.0
    backtest_bytes: int = 4 * 1024 * 1024 * 1024
    backtests_kept: int = 20
    explanations: int = 2
    explain_within_s: float = 60.0
    explain_bytes: int = 2 * 1024 * 1024 * 1024
    token_lives_s: float = 2.0


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """door: the engine's local socket.
    database_url: None serves everything that needs no database, and answers 503 for the rest.
    admin_token_sha256: hex, as `devices.sites.token_sha256` makes it.
    access_file: where it is kept who may sign in, for when the database is away; None: nowhere.
    provider: an external OpenID Connect provider; None: there is none.
    master_key: what unwraps the keys of personal data; None: none is read or written.
    """

    door: Path
    database_url: str | None
    admin_token_sha256: str
    access_file: Path | None = None
    provider: Provider | None = None
    master_key: MasterKey | None = None
    #: What coverage may be asked by.
    policies: Mapping[str, Policy] = field(default_factory=load_policies)
    limits: Limits = Limits()
    now_us: Callable[[], int] = _now_us
    new_id: Callable[[], str] = _new_id
